//! A round's updates as a table: n rows (clients) of d coordinates (integers on the plan's grid).
//!
//! [`Rows`] borrows what the caller holds and copies no coordinate. Once it exists, every row has the same length,
//! there is at least one row and one coordinate, and both counts are within [`MAX_ROWS`] and [`MAX_COORDINATES`]: the
//! bounds on which the exactness proofs of this crate rest. It says nothing about how large a coordinate is; every `i32`
//! is allowed, and [`crate::limits`] is where a plan's own bounds are checked.

use thiserror::Error;

/// Most rows a table may have. A mean divides by multiplying with a 64-bit reciprocal, which is exact below 2^16 rows.
pub const MAX_ROWS: usize = 65_535;

/// Most coordinates a row may have (2^40). Keeps every squared norm below 2^102, so that scores fit 256 bits.
pub const MAX_COORDINATES: usize = 1 << 40;

/// A round's updates: n rows of d grid integers each.
#[derive(Clone, Debug)]
pub struct Rows<'a> {
    rows: Vec<&'a [i32]>,
    d: usize,
}

/// Why some slices are not a table of updates.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RowsError {
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
    /// A subset names a row that does not exist.
    #[error("no such row: expected an index below {n}, got {row}")]
    NoSuchRow {
        /// Index asked for.
        row: usize,
        /// Rows in the table.
        n: usize,
    },
    /// A subset names a row twice; counting a client twice is never meant.
    #[error("row {row} is named twice: expected each row at most once")]
    Repeated {
        /// Index named more than once.
        row: usize,
    },
}

impl<'a> Rows<'a> {
    /// Takes n slices of d coordinates each, in client order.
    ///
    /// # Errors
    /// [`RowsError`] where there is no row or no coordinate, a count is over its bound, or the lengths differ.
    pub fn new(rows: Vec<&'a [i32]>) -> Result<Self, RowsError> {
        let d = rows.first().ok_or(RowsError::NoRows)?.len();
        if d == 0 {
            return Err(RowsError::NoCoordinates);
        }
        if rows.len() > MAX_ROWS {
            return Err(RowsError::TooManyRows { got: rows.len() });
        }
        if d > MAX_COORDINATES {
            return Err(RowsError::TooManyCoordinates { got: d });
        }
        match rows.iter().position(|row| row.len() != d) {
            Some(row) => Err(RowsError::Length {
                row,
                expected: d,
                got: rows[row].len(),
            }),
            None => Ok(Self { rows, d }),
        }
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
    pub fn row(&self, i: usize) -> Option<&'a [i32]> {
        self.rows.get(i).copied()
    }

    /// All rows in client order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &'a [i32]> + '_ {
        self.rows.iter().copied()
    }

    /// The table without row `i`, the others in their order.
    ///
    /// # Errors
    /// [`RowsError::NoSuchRow`], or [`RowsError::NoRows`] where `i` was the only one.
    pub fn without(&self, i: usize) -> Result<Rows<'a>, RowsError> {
        if i >= self.n() {
            return Err(RowsError::NoSuchRow { row: i, n: self.n() });
        }
        if self.n() == 1 {
            return Err(RowsError::NoRows);
        }
        let mut rows = self.rows.clone();
        rows.remove(i);
        Ok(Rows { rows, d: self.d })
    }

    /// The rows named by `members`, in the order given.
    ///
    /// # Errors
    /// [`RowsError::NoRows`] for no members, [`RowsError::NoSuchRow`], [`RowsError::Repeated`].
    pub fn subset(&self, members: &[usize]) -> Result<Rows<'a>, RowsError> {
        if members.is_empty() {
            return Err(RowsError::NoRows);
        }
        let mut seen = vec![false; self.n()];
        let mut rows = Vec::with_capacity(members.len().min(self.n()));
        for &row in members {
            let known = seen.get_mut(row).ok_or(RowsError::NoSuchRow { row, n: self.n() })?;
            if std::mem::replace(known, true) {
                return Err(RowsError::Repeated { row });
            }
            rows.push(self.rows[row]);
        }
        Ok(Rows { rows, d: self.d })
    }

    pub(crate) fn slices(&self) -> &[&'a [i32]] {
        &self.rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_needs_rows_of_one_length() {
        assert_eq!(Rows::new(vec![]).unwrap_err(), RowsError::NoRows);
        assert_eq!(Rows::new(vec![&[][..]]).unwrap_err(), RowsError::NoCoordinates);
        let ragged = Rows::new(vec![&[1, 2][..], &[3, 4], &[5]]);
        assert_eq!(
            ragged.unwrap_err(),
            RowsError::Length {
                row: 2,
                expected: 2,
                got: 1
            }
        );
        let crowd = Rows::new(vec![&[1][..]; MAX_ROWS + 1]);
        assert_eq!(crowd.unwrap_err(), RowsError::TooManyRows { got: MAX_ROWS + 1 });
    }

    #[test]
    fn subsets_keep_the_order_given_and_name_the_row_at_fault() {
        let rows = Rows::new(vec![&[1][..], &[2], &[3]]).unwrap();
        let picked = rows.subset(&[2, 0]).unwrap();
        assert_eq!(picked.iter().map(|row| row[0]).collect::<Vec<_>>(), [3, 1]);
        assert_eq!(rows.subset(&[]).unwrap_err(), RowsError::NoRows);
        assert_eq!(rows.subset(&[0, 3]).unwrap_err(), RowsError::NoSuchRow { row: 3, n: 3 });
        assert_eq!(rows.subset(&[1, 1]).unwrap_err(), RowsError::Repeated { row: 1 });
    }

    #[test]
    fn without_drops_one_row_and_never_the_last_one() {
        let rows = Rows::new(vec![&[1][..], &[2], &[3]]).unwrap();
        let others = rows.without(1).unwrap();
        assert_eq!(others.iter().map(|row| row[0]).collect::<Vec<_>>(), [1, 3]);
        assert_eq!(rows.without(3).unwrap_err(), RowsError::NoSuchRow { row: 3, n: 3 });
        assert_eq!(rows.subset(&[1]).unwrap().without(0).unwrap_err(), RowsError::NoRows);
        assert_eq!(others.row(1), Some(&[3][..]));
        assert_eq!(others.row(2), None);
    }
}
