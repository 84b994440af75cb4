//! What a federation's data looks like: the `[data]` table of `federation.toml`.
//!
//! Every institution reads its own file by the same [`Schema`], so that one model fits all of them and nothing about a
//! value's meaning is learnt from anybody's data: the constants that standardise a column are public and fixed in the
//! plan, as are the categories and the classes.
//!
//! ```
//! use xfl_core::schema::Schema;
//! let schema: Schema = toml::from_str(r#"
//!     task = "classification"          # or "regression"
//!     label = "diagnosis"
//!     classes = ["benign", "malignant"]
//!     columns = [
//!       { name = "radius_mean", center = 14.0, scale = 3.5 },   # a number x becomes (x - center) / scale
//!       { name = "sex", values = ["f", "m"] },                  # a category becomes one 1 among zeros
//!       { prefix = "code", count = 4, tokens = 500 },           # whole numbers from 0 to 499, for a model with an embedding
//!     ]
//! "#).unwrap();
//! assert_eq!(schema.features(), 7);
//! ```
//!
//! Numbered columns (`{ prefix = "p", count = 64, center = 0, scale = 16 }` stands for `p0` to `p63`) keep images short;
//! `image = { height = 8, width = 8, channels = 1 }` says that the features, in order, are an image, channel by channel
//! and row by row.
//!
//! Guarantees: a `Schema` that was deserialised has passed [`Schema::validate`], whatever the format. What it does not
//! do: guess a column's kind, learn constants from data, or fill in missing values.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

mod table;

use table::SchemaTable;

/// Most features a schema may have.
pub const MAX_FEATURES: usize = 1 << 20;
/// Most classes, or categories of one column, a schema may have.
pub const MAX_VALUES: usize = 1 << 16;
/// Most tokens of a vocabulary: all of them are whole numbers that a feature (`f32`) holds exactly.
pub const MAX_TOKENS: usize = 1 << 20;
/// Longest name of a column, class or category, in bytes.
pub const MAX_NAME: usize = 256;

/// Columns of a data file and what is learnt from them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "SchemaTable", into = "SchemaTable")]
pub struct Schema {
    /// What is predicted.
    pub task: Task,
    /// Name of the column with the label.
    pub label: String,
    /// The columns with features, in the model's order.
    pub columns: Vec<Column>,
    /// Whether the features are an image, for convolutional models.
    pub image: Option<ImageShape>,
}

/// What a model predicts.
#[derive(Clone, Debug, PartialEq)]
pub enum Task {
    /// One of two or more classes, numbered in this order.
    Classification {
        /// The labels as the file spells them.
        classes: Vec<String>,
    },
    /// A number y, learnt as `(y - center) / scale`.
    Regression {
        /// Public constant in the label's units, 0 unless given.
        center: f64,
        /// Public positive constant in the label's units, 1 unless given.
        scale: f64,
    },
}

/// Columns of a file and how they become features.
#[derive(Clone, Debug, PartialEq)]
pub enum Column {
    /// A number x, which becomes the one feature `(x - center) / scale`.
    Numeric {
        /// Name in the file's header.
        name: String,
        /// Public constant in the column's units, 0 unless given.
        center: f64,
        /// Public positive constant in the column's units, 1 unless given.
        scale: f64,
    },
    /// One of several values, which becomes as many features: 1 for the value, 0 for the others.
    Categorical {
        /// Name in the file's header.
        name: String,
        /// The values as the file spells them, in the features' order.
        values: Vec<String>,
    },
    /// `count` numeric columns `prefix0, prefix1, ...` with the same constants.
    Numbered {
        /// What the columns' names begin with.
        prefix: String,
        /// How many there are.
        count: usize,
        /// Public constant in the columns' units, 0 unless given.
        center: f64,
        /// Public positive constant in the columns' units, 1 unless given.
        scale: f64,
    },
    /// Whole numbers from 0 to below `vocabulary`, one feature for each column: names of rows of a table that the model learns.
    Tokens {
        /// Name in the file's header, or what the columns' names begin with.
        name: String,
        /// How many columns `name0, name1, ...` there are; none for the one column `name`.
        count: Option<usize>,
        /// How many tokens there are, at most [`MAX_TOKENS`].
        vocabulary: usize,
    },
}

/// Features as an image: `height * width * channels` of them, one channel after the other, rows from the top.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageShape {
    /// Rows of pixels.
    pub height: usize,
    /// Pixels in a row.
    pub width: usize,
    /// Values of a pixel, 1 for grey.
    pub channels: usize,
}

/// Why a schema can't be used. Each names the key to change.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SchemaError {
    /// A key is missing, or stands where it means nothing.
    #[error("{place}: {problem}")]
    Key {
        /// Which key or entry.
        place: String,
        /// What is wrong and what to write.
        problem: String,
    },
    /// No feature columns.
    #[error("columns: expected at least one, got none")]
    NoColumns,
    /// Two entries name one column.
    #[error("columns: {name:?} is named twice")]
    DuplicateColumn {
        /// The column.
        name: String,
    },
    /// The label is among the features.
    #[error("label: {name:?} is also a feature column, so the model would be shown the answer")]
    LabelIsFeature {
        /// The column.
        name: String,
    },
    /// A column, class or category has an empty or endless name.
    #[error("{place}: expected a name of 1 to {MAX_NAME} bytes without control characters, got {got:?}")]
    Name {
        /// Which entry.
        place: String,
        /// Its name, cut off.
        got: String,
    },
    /// A constant can't standardise anything.
    #[error("{place}: expected a finite center and a finite scale above 0, got center {center} and scale {scale}")]
    Constants {
        /// Which entry.
        place: String,
        /// The given center.
        center: f64,
        /// The given scale.
        scale: f64,
    },
    /// Too few or too many classes or categories.
    #[error("{place}: expected {least} to {MAX_VALUES} values, got {got}")]
    Values {
        /// Which entry.
        place: String,
        /// The least that makes sense.
        least: usize,
        /// How many there are.
        got: usize,
    },
    /// A class or category is listed twice.
    #[error("{place}: {value:?} is listed twice")]
    DuplicateValue {
        /// Which entry.
        place: String,
        /// The value.
        value: String,
    },
    /// More features than [`MAX_FEATURES`].
    #[error("columns: expected at most {MAX_FEATURES} features, got {got}")]
    TooManyFeatures {
        /// How many the columns make.
        got: usize,
    },
    /// The image has not as many values as there are features.
    #[error(
        "image: expected height * width * channels = {features}, the number of features, got {height} * {width} * {channels}"
    )]
    Image {
        /// Features of the columns.
        features: usize,
        /// Given rows.
        height: usize,
        /// Given columns.
        width: usize,
        /// Given channels.
        channels: usize,
    },
}

impl Schema {
    /// How many features the columns make together: the width of a model's input. Saturates, so that it can be asked
    /// before [`Schema::validate`].
    pub fn features(&self) -> usize {
        self.columns
            .iter()
            .fold(0, |sum: usize, column| sum.saturating_add(column.features()))
    }

    /// How many numbers a model puts out: 1 for regression and for two classes (the log-odds of the second), else one
    /// for each class.
    pub fn outputs(&self) -> usize {
        match &self.task {
            Task::Classification { classes } if classes.len() > 2 => classes.len(),
            _ => 1,
        }
    }

    /// The names of the feature columns in the file, in order.
    pub fn column_names(&self) -> Vec<String> {
        self.columns.iter().flat_map(Column::names).collect()
    }

    /// Checks everything that makes a schema usable.
    ///
    /// # Errors
    /// The first [`SchemaError`] found.
    pub fn validate(&self) -> Result<(), SchemaError> {
        check_name("label", &self.label)?;
        match &self.task {
            Task::Classification { classes } => check_values("classes", classes, 2)?,
            Task::Regression { center, scale } => check_constants("label_scale", *center, *scale)?,
        }
        if self.columns.is_empty() {
            return Err(SchemaError::NoColumns);
        }
        let features = self.features();
        if features > MAX_FEATURES {
            return Err(SchemaError::TooManyFeatures { got: features });
        }
        for column in &self.columns {
            column.validate()?;
        }
        let mut seen = BTreeSet::new();
        for name in self.column_names() {
            if name == self.label {
                return Err(SchemaError::LabelIsFeature { name });
            }
            if let Some(name) = seen.replace(name) {
                return Err(SchemaError::DuplicateColumn { name });
            }
        }
        if self.image.is_some()
            && self
                .columns
                .iter()
                .any(|column| matches!(column, Column::Tokens { .. }))
        {
            return Err(SchemaError::Key {
                place: "image".into(),
                problem: "pixels are numbers, not tokens; remove tokens from the columns, or image".into(),
            });
        }
        match self.image {
            Some(image) if image.values() != Some(features) => {
                let ImageShape {
                    height,
                    width,
                    channels,
                } = image;
                Err(SchemaError::Image {
                    features,
                    height,
                    width,
                    channels,
                })
            }
            _ => Ok(()),
        }
    }
}

impl ImageShape {
    /// Values of one image, if they can be counted.
    pub fn values(&self) -> Option<usize> {
        self.height.checked_mul(self.width)?.checked_mul(self.channels)
    }
}

impl Column {
    /// How many features this entry makes.
    pub fn features(&self) -> usize {
        match self {
            Self::Numeric { .. } => 1,
            Self::Categorical { values, .. } => values.len(),
            Self::Numbered { count, .. } => *count,
            Self::Tokens { count, .. } => count.unwrap_or(1),
        }
    }

    /// The columns of the file that this entry reads.
    pub fn names(&self) -> Vec<String> {
        match self {
            Self::Numeric { name, .. } | Self::Categorical { name, .. } | Self::Tokens { name, count: None, .. } => {
                vec![name.clone()]
            }
            Self::Numbered {
                prefix: name, count, ..
            }
            | Self::Tokens {
                name,
                count: Some(count),
                ..
            } => (0..*count).map(|i| format!("{name}{i}")).collect(),
        }
    }

    fn validate(&self) -> Result<(), SchemaError> {
        match self {
            Self::Numeric { name, center, scale } => {
                check_name("columns", name)?;
                check_constants(&format!("column {name:?}"), *center, *scale)
            }
            Self::Categorical { name, values } => {
                check_name("columns", name)?;
                check_values(&format!("column {name:?}"), values, 1)
            }
            Self::Numbered {
                prefix,
                count,
                center,
                scale,
            } => {
                check_name("columns", prefix)?;
                let place = format!("columns {prefix:?}");
                check_count(&place, *count)?;
                check_constants(&place, *center, *scale)
            }
            Self::Tokens {
                name,
                count,
                vocabulary,
            } => {
                check_name("columns", name)?;
                let place = format!("columns {name:?}");
                check_count(&place, count.unwrap_or(1))?;
                if (1..=MAX_TOKENS).contains(vocabulary) {
                    return Ok(());
                }
                let problem = format!("expected tokens from 1 to {MAX_TOKENS}, got {vocabulary}");
                Err(SchemaError::Key { place, problem })
            }
        }
    }
}

fn check_name(place: &str, name: &str) -> Result<(), SchemaError> {
    if name.is_empty() || name.len() > MAX_NAME || name.trim() != name || name.chars().any(char::is_control) {
        return Err(SchemaError::Name {
            place: place.into(),
            got: name.chars().take(40).collect(),
        });
    }
    Ok(())
}

fn check_count(place: &str, count: usize) -> Result<(), SchemaError> {
    if count > 0 {
        return Ok(());
    }
    Err(SchemaError::Key {
        place: place.into(),
        problem: "expected a count of at least 1, got 0".into(),
    })
}

fn check_constants(place: &str, center: f64, scale: f64) -> Result<(), SchemaError> {
    // A subnormal scale would make its reciprocal infinite.
    if center.is_finite() && scale.is_normal() && scale > 0.0 {
        return Ok(());
    }
    Err(SchemaError::Constants {
        place: place.into(),
        center,
        scale,
    })
}

fn check_values(place: &str, values: &[String], least: usize) -> Result<(), SchemaError> {
    if !(least..=MAX_VALUES).contains(&values.len()) {
        return Err(SchemaError::Values {
            place: place.into(),
            least,
            got: values.len(),
        });
    }
    let mut seen = BTreeSet::new();
    for value in values {
        check_name(place, value)?;
        if !seen.insert(value) {
            return Err(SchemaError::DuplicateValue {
                place: place.into(),
                value: value.clone(),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
