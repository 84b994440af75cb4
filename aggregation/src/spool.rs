//! Integer rows that are not in memory: read in blocks, from wherever the caller keeps them, once for every pass.
//!
//! Claim: a rule gives the same integers for a [`Spool`] as for [`Rows`](crate::Rows) of the same values. Rules, stages and passes are the
//! same code; only where a block of columns comes from differs. Every 32-bit integer is a value, so nothing needs checking.
//!
//! Memory: a buffer of 4 MiB a thread, or one block of columns of every row where that is more; the d values of the result, which are
//! returned, and d more for rules that walk in steps from the last point. What the rule is told ([`State`](crate::State)) is held as it was.
//!
//! How: this crate does no IO. The caller's [`Source`] fills a buffer with a part of a row; several threads call it at once. What a read
//! fails with ends the rule with [`RuleError::Read`]: passes after it read no more, and what they make of nothing is thrown away. Whether
//! the rows were the same in each pass is the caller's to find out.
//!
//! For floating-point rows see [`crate::real::Spool`], which hands results on in blocks too.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use crate::real::StorageError;
use crate::rows::{MAX_COORDINATES, MAX_ROWS, RowsError};
use crate::rule::RuleError;

/// Bytes of rows that a thread reads at a time, unless one block of columns takes more.
const BUFFER: usize = 4 << 20;

/// Most columns read at a time.
const LONGEST: usize = 1 << 16;

/// n rows of d integers, kept by the caller.
pub trait Source: Sync {
    /// Number of rows.
    fn n(&self) -> usize;

    /// Number of coordinates in every row.
    fn d(&self) -> usize;

    /// Fills `out` with the coordinates of `row` from `first` on; called for rows below n and coordinates below d only.
    ///
    /// # Errors
    /// [`StorageError`] with whatever went wrong.
    fn read(&self, row: usize, first: usize, out: &mut [i32]) -> Result<(), StorageError>;
}

/// A round's updates in a [`Source`].
#[derive(Clone, Copy)]
pub struct Spool<'a> {
    source: &'a dyn Source,
    n: usize,
    d: usize,
}

impl<'a> Spool<'a> {
    /// Takes the rows of a source; reads none of them.
    ///
    /// # Errors
    /// [`RowsError`] where there is no row or no coordinate, or a count is over its bound.
    pub fn new(source: &'a dyn Source) -> Result<Self, RowsError> {
        let (n, d) = (source.n(), source.d());
        match (n, d) {
            (0, _) => Err(RowsError::NoRows),
            (_, 0) => Err(RowsError::NoCoordinates),
            _ if n > MAX_ROWS => Err(RowsError::TooManyRows { got: n }),
            _ if d > MAX_COORDINATES => Err(RowsError::TooManyCoordinates { got: d }),
            _ => Ok(Self { source, n, d }),
        }
    }

    /// Number of rows (clients), at least 1.
    pub fn n(&self) -> usize {
        self.n
    }

    /// Number of coordinates in every row, at least 1.
    pub fn d(&self) -> usize {
        self.d
    }
}

impl fmt::Debug for Spool<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spool")
            .field("n", &self.n)
            .field("d", &self.d)
            .finish_non_exhaustive()
    }
}

/// What the first read that failed said; shared by all views of the same rows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Failed(Arc<OnceLock<RuleError>>);

impl Failed {
    /// The failure, if any read failed.
    pub(crate) fn error(&self) -> Option<RuleError> {
        self.0.get().cloned()
    }
}

/// The rows given to a view.
#[derive(Clone)]
pub(crate) enum Given<'r> {
    /// In memory.
    Held(Vec<&'r [i32]>),
    /// Read when needed.
    Stored(Stored<'r>),
}

/// Some rows of a source.
#[derive(Clone)]
pub(crate) struct Stored<'r> {
    source: &'r dyn Source,
    rows: Vec<usize>,
    failed: Failed,
}

impl<'r> Given<'r> {
    /// The rows of a spool, and where a failure will be.
    pub(crate) fn of_spool(spool: &Spool<'r>) -> (Self, Failed) {
        let failed = Failed::default();
        let stored = Stored {
            source: spool.source,
            rows: (0..spool.n).collect(),
            failed: failed.clone(),
        };
        (Self::Stored(stored), failed)
    }

    pub(crate) fn n(&self) -> usize {
        match self {
            Self::Held(rows) => rows.len(),
            Self::Stored(stored) => stored.rows.len(),
        }
    }

    /// Only the rows named, all below [`Given::n`].
    pub(crate) fn picked(&self, rows: &[usize]) -> Self {
        match self {
            Self::Held(held) => Self::Held(rows.iter().map(|&row| held[row]).collect()),
            Self::Stored(stored) => Self::Stored(Stored {
                rows: rows.iter().map(|&row| stored.rows[row]).collect(),
                ..stored.clone()
            }),
        }
    }

    /// The values of a row at some columns; zeros once a read has failed.
    pub(crate) fn at(&self, row: usize, columns: &[usize]) -> Vec<i32> {
        match self {
            Self::Held(rows) => columns.iter().map(|&column| rows[row][column]).collect(),
            Self::Stored(stored) => {
                let mut value = [0];
                let one = |&column: &usize| {
                    stored.read(stored.rows[row], column, &mut value);
                    value[0]
                };
                columns.iter().map(one).collect()
            }
        }
    }

    /// Columns that are best asked for at a time, at least `least` and a multiple of it.
    pub(crate) fn stretch(&self, least: usize) -> usize {
        match self {
            Self::Held(_) => least,
            Self::Stored(stored) => {
                let fitting = BUFFER / (stored.rows.len().max(1) * size_of::<i32>());
                (fitting.min(LONGEST) / least).max(1) * least
            }
        }
    }
}

impl Stored<'_> {
    /// Fills `out`; with zeros once a read has failed.
    fn read(&self, row: usize, first: usize, out: &mut [i32]) {
        if self.failed.0.get().is_some() {
            out.fill(0);
        } else if let Err(error) = self.source.read(row, first, out) {
            out.fill(0);
            let coordinate = first;
            // Another thread's may have been first.
            self.failed.0.get_or_init(|| RuleError::Read { row, coordinate, error });
        }
    }
}

impl fmt::Debug for Given<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held(rows) => f.debug_tuple("Held").field(&rows.len()).finish(),
            Self::Stored(stored) => f.debug_tuple("Stored").field(&stored.rows).finish(),
        }
    }
}

/// One thread's sight of the rows.
#[derive(Default)]
pub(crate) struct Window {
    /// Row after row, `stride` columns of each; empty where rows are held.
    buffer: Vec<i32>,
    stride: usize,
    /// The columns in the buffer.
    covered: Range<usize>,
}

impl Window {
    /// Every row's part of some columns; where it has to be read, with the next columns up to `end`.
    pub(crate) fn parts<'s>(&'s mut self, given: &'s Given<'_>, columns: &Range<usize>, end: usize) -> Vec<&'s [i32]> {
        let stored = match given {
            Given::Held(rows) => return rows.iter().map(|row| &row[columns.clone()]).collect(),
            Given::Stored(stored) => stored,
        };
        if columns.start < self.covered.start || self.covered.end < columns.end {
            let stride = given.stretch(1).max(columns.len());
            if self.stride != stride {
                (self.stride, self.buffer) = (stride, vec![0; stride * stored.rows.len()]);
            }
            let (first, len) = (columns.start, stride.min(end.max(columns.end) - columns.start));
            for (&row, values) in stored.rows.iter().zip(self.buffer.chunks_mut(stride)) {
                stored.read(row, first, &mut values[..len]);
            }
            self.covered = first..first + len;
        }
        let within = columns.start - self.covered.start..columns.end - self.covered.start;
        self.buffer
            .chunks(self.stride)
            .map(|row| &row[within.clone()])
            .collect()
    }
}

#[cfg(test)]
mod tests;
