//! A round's updates as floating-point numbers: n rows of d coordinates, every one of them checked.
//!
//! [`Table`] borrows what the caller holds and copies no coordinate. Once it exists there is at least one row and one
//! coordinate, both counts are within [`MAX_ROWS`] and [`MAX_COORDINATES`], rows have equal lengths, and no value is
//! NaN, infinite or above [`MAX_MAGNITUDE`]: so no rule ever meets one, and none of their sums overflows. The check
//! reads every value once. Rows that don't fit in memory are a [`Spool`](super::Spool).

use super::element::{MAX_MAGNITUDE, Real};
use super::spool::{StorageError, check_values};
use crate::rows::{MAX_COORDINATES, MAX_ROWS};
use rayon::prelude::*;
use thiserror::Error;

/// Values checked by one thread at a time.
const CHUNK: usize = 1 << 16;

/// A round's updates: n rows of d finite numbers each.
#[derive(Clone, Debug)]
pub struct Table<'a, T: Real> {
    rows: Vec<&'a [T]>,
    d: usize,
}

/// Why some slices are not a table of updates.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum TableError {
    /// There is no row.
    #[error("no rows: expected at least one update, got none")]
    NoRows,
    /// The first row, and so every row, has length zero.
    #[error("no coordinates: expected rows of at least one coordinate, got an empty row")]
    NoCoordinates,
    /// More rows than [`MAX_ROWS`].
    #[error("too many rows: expected at most {MAX_ROWS}, got {got}")]
    TooManyRows {
        /// Rows given.
        got: usize,
    },
    /// More coordinates than [`MAX_COORDINATES`].
    #[error("too many coordinates: expected at most {MAX_COORDINATES}, got {got}")]
    TooManyCoordinates {
        /// Coordinates in the first row.
        got: usize,
    },
    /// A row has another length than row 0.
    #[error("row {row} has another length: expected {expected} coordinates like row 0, got {got}")]
    Length {
        /// Index of the row at fault.
        row: usize,
        /// Coordinates in row 0.
        expected: usize,
        /// Coordinates in this row.
        got: usize,
    },
    /// A value is NaN, infinite or too large; the first one of the first such row is named.
    #[error("row {row} coordinate {coordinate}: expected a finite number of at most {MAX_MAGNITUDE:e}, got {got:e}")]
    Value {
        /// Index of the row at fault.
        row: usize,
        /// Index of the coordinate at fault.
        coordinate: usize,
        /// The value found.
        got: f64,
    },
    /// A part of a row that is not in memory could not be read.
    #[error("row {row} can't be read from coordinate {coordinate} on: {error}")]
    Read {
        /// Index of the row.
        row: usize,
        /// Index of the first coordinate asked for.
        coordinate: usize,
        /// What whoever reads says.
        error: StorageError,
    },
}

impl<'a, T: Real> Table<'a, T> {
    /// Takes n slices of d coordinates each, in client order, and checks every value.
    ///
    /// # Errors
    /// [`TableError`] where there is no row or no coordinate, a count is over its bound, lengths differ, or a value is
    /// not admissible.
    pub fn new(rows: Vec<&'a [T]>) -> Result<Self, TableError> {
        let d = rows.first().ok_or(TableError::NoRows)?.len();
        check_counts(rows.len(), d)?;
        if let Some(row) = rows.iter().position(|row| row.len() != d) {
            let got = rows[row].len();
            return Err(TableError::Length { row, expected: d, got });
        }
        T::check(&rows)?;
        Ok(Self { rows, d })
    }

    /// Number of rows (clients), at least 1.
    pub fn n(&self) -> usize {
        self.rows.len()
    }

    /// Number of coordinates in every row, at least 1.
    pub fn d(&self) -> usize {
        self.d
    }

    /// Row `i`, or `None` where there is no such row.
    pub fn row(&self, i: usize) -> Option<&'a [T]> {
        self.rows.get(i).copied()
    }

    pub(crate) fn slices(&self) -> &[&'a [T]] {
        &self.rows
    }
}

/// That every value is admissible.
pub(super) fn check_rows<T: Real>(rows: &[&[T]]) -> Result<(), TableError> {
    for (row, values) in rows.iter().enumerate() {
        let chunks = values.par_chunks(CHUNK).enumerate();
        let checked = chunks.map(|(chunk, values)| check_values(row, chunk * CHUNK, values));
        // The first chunk that has one, whichever thread was first.
        if let Some(error) = checked.find_map_first(Result::err) {
            return Err(error);
        }
    }
    Ok(())
}

/// Whether there may be n rows of d coordinates.
pub(super) fn check_counts(n: usize, d: usize) -> Result<(), TableError> {
    if n == 0 {
        return Err(TableError::NoRows);
    }
    if d == 0 {
        return Err(TableError::NoCoordinates);
    }
    if n > MAX_ROWS {
        return Err(TableError::TooManyRows { got: n });
    }
    if d > MAX_COORDINATES {
        return Err(TableError::TooManyCoordinates { got: d });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_needs_rows_of_one_length() {
        assert_eq!(Table::<f32>::new(vec![]).unwrap_err(), TableError::NoRows);
        assert_eq!(Table::<f32>::new(vec![&[]]).unwrap_err(), TableError::NoCoordinates);
        let ragged = Table::new(vec![&[1.0_f32, 2.0][..], &[3.0]]);
        let error = TableError::Length {
            row: 1,
            expected: 2,
            got: 1,
        };
        assert_eq!(ragged.unwrap_err(), error);
        let crowd = Table::new(vec![&[1.0_f64][..]; MAX_ROWS + 1]);
        assert_eq!(crowd.unwrap_err(), TableError::TooManyRows { got: MAX_ROWS + 1 });
    }

    #[test]
    fn the_value_at_fault_is_named_wherever_it_hides() {
        let good = vec![0.5_f32; 3 * CHUNK];
        for (coordinate, value) in [
            (0, f32::NAN),
            (CHUNK, f32::INFINITY),
            (3 * CHUNK - 1, f32::NEG_INFINITY),
        ] {
            let mut bad = good.clone();
            bad[coordinate] = value;
            let error = Table::new(vec![&good[..], &bad, &bad]).unwrap_err();
            assert!(
                matches!(error, TableError::Value { row: 1, coordinate: c, got } if c == coordinate && !got.is_finite()),
                "{error}"
            );
        }
        let message = Table::new(vec![&[0.0, 1e200][..]]).unwrap_err().to_string();
        assert!(
            message.contains("row 0 coordinate 1") && message.contains("1e200"),
            "{message}"
        );
        assert!(Table::new(vec![&[f32::MAX, -f32::MAX, f32::MIN_POSITIVE / 2.0, -0.0][..]]).is_ok());
        assert!(Table::new(vec![&[MAX_MAGNITUDE, -MAX_MAGNITUDE][..]]).is_ok());
    }
}
