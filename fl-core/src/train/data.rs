//! Examples to train on: the [`Data`] trait, and [`Table`], examples in memory.
//!
//! Implement [`Data`] to train on something that isn't a CSV file: anything that can give example `i` as a row of
//! features and a target. [`Table`] is the built-in one; [`Table::open`] reads a CSV file by the federation's schema.

use crate::schema::{Schema, Task};

mod csv_file;
mod error;
mod lines;
mod rows;

pub use csv_file::Limits;
pub use error::{DataError, DataErrorKind};
pub use rows::select_rows;

/// Examples, numbered from 0.
pub trait Data: Send + Sync {
    /// How many examples there are.
    fn len(&self) -> usize;

    /// How many features each has.
    fn width(&self) -> usize;

    /// Writes example `index`'s features, [`Data::width`] of them, finite, into `features`.
    ///
    /// Called with `index < len()` and a slice of that width only.
    fn features_into(&self, index: usize, features: &mut [f32]);

    /// What is to be predicted for example `index < len()`.
    fn target(&self, index: usize) -> Target;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What is to be predicted for one example.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target {
    /// A class, by its position among the schema's classes.
    Class(usize),
    /// A standardised number, `(y - center) / scale`.
    Value(f32),
}

/// Examples in memory, features in one row-major block.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    width: usize,
    features: Vec<f32>,
    targets: Vec<Target>,
}

/// Why a [`Table`] can't be made of its parts.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TableError {
    /// The block isn't `rows * width` long.
    #[error("expected {rows} rows of {width} features, got {got} numbers")]
    Shape {
        /// As many as there are targets.
        rows: usize,
        /// The given width.
        width: usize,
        /// Numbers in the block.
        got: usize,
    },
    /// A NaN or an infinity.
    #[error("expected finite numbers, got {value} in row {row}")]
    NotFinite {
        /// Which row, from 0.
        row: usize,
        /// The number.
        value: f32,
    },
    /// A row that isn't there.
    #[error("expected rows below {rows}, got {got}")]
    Row {
        /// Rows of the table.
        rows: usize,
        /// The row asked for.
        got: usize,
    },
}

impl Table {
    /// A table of `targets.len()` rows of `width` features, row after row.
    ///
    /// # Errors
    /// Where the sizes don't agree or a number isn't finite.
    pub fn new(width: usize, features: Vec<f32>, targets: Vec<Target>) -> Result<Self, TableError> {
        let rows = targets.len();
        if width == 0 || rows.checked_mul(width) != Some(features.len()) {
            return Err(TableError::Shape {
                rows,
                width,
                got: features.len(),
            });
        }
        for (row, (numbers, target)) in features.chunks(width).zip(&targets).enumerate() {
            let value = if let Target::Value(value) = target {
                Some(value)
            } else {
                None
            };
            if let Some(&value) = numbers.iter().chain(value).find(|number| !number.is_finite()) {
                return Err(TableError::NotFinite { row, value });
            }
        }
        Ok(Self {
            width,
            features,
            targets,
        })
    }

    /// The features of one row, or nothing where there is no such row.
    pub fn row(&self, index: usize) -> Option<&[f32]> {
        self.features.chunks(self.width).nth(index)
    }

    /// A table of these rows, in this order.
    ///
    /// # Errors
    /// Where a row doesn't exist.
    pub fn select(&self, rows: &[usize]) -> Result<Self, TableError> {
        let mut features = Vec::with_capacity(rows.len().saturating_mul(self.width));
        let mut targets = Vec::with_capacity(rows.len());
        for &row in rows {
            let missing = TableError::Row {
                rows: self.targets.len(),
                got: row,
            };
            features.extend_from_slice(self.row(row).ok_or(missing)?);
            targets.push(self.targets[row]);
        }
        Ok(Self {
            width: self.width,
            features,
            targets,
        })
    }

    /// How many examples each class has, in the schema's order; empty for regression.
    pub fn class_counts(&self, schema: &Schema) -> Vec<usize> {
        let Task::Classification { classes } = &schema.task else {
            return Vec::new();
        };
        let mut counts = vec![0; classes.len()];
        for target in &self.targets {
            if let Target::Class(class) = target
                && let Some(count) = counts.get_mut(*class)
            {
                *count += 1;
            }
        }
        counts
    }
}

impl Data for Table {
    fn len(&self) -> usize {
        self.targets.len()
    }

    fn width(&self) -> usize {
        self.width
    }

    fn features_into(&self, index: usize, features: &mut [f32]) {
        let start = index * self.width;
        features.copy_from_slice(&self.features[start..start + self.width]);
    }

    fn target(&self, index: usize) -> Target {
        self.targets[index]
    }
}

#[cfg(test)]
mod tests;
