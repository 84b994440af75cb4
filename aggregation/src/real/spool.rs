//! A round's updates that are not in memory: read in blocks, from wherever the caller keeps them, once for every pass.
//!
//! Claim: a rule gives the same bits for a [`Spool`] as for a [`Table`](super::Table) of the same rows, in a few MiB whatever
//! n*d is. Rules, stages and the order of every sum are the same; only where a block of columns comes from differs, and
//! where the result goes: block by block to a [`Sink`], so that not even d numbers are held.
//!
//! How: this crate does no IO. The caller's [`Source`] fills a buffer with a part of a row, the caller's sink takes parts
//! of the result; both are called by several threads at once.
//!
//! A source is trusted with nothing. Every value is checked each time it is read, so that what changes between two passes
//! can't poison a result; a value that is refused is reported as a table would report it, the first one of the first such
//! row. What a read or a write fails with ends the rule with an error that carries it; the rule can be run again. Whether the
//! rows were the same in each pass is the caller's to find out.
//!
//! The check for values comes with the first pass over all rows, after that of parameters: where several things are wrong,
//! a table may name another one first. Before a rule gives a result, every value of every row has been read and checked.

use super::element::Real;
use super::table::{TableError, check_counts};
use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// Values read at a time where the first one at fault is looked for.
const SCAN: usize = 1 << 16;

/// n rows of d coordinates, kept by the caller.
pub trait Source<T: Real>: Sync {
    /// Number of rows.
    fn n(&self) -> usize;

    /// Number of coordinates in every row.
    fn d(&self) -> usize;

    /// Fills `out` with the coordinates of `row` from `first` on; called for rows below n and coordinates below d only.
    ///
    /// # Errors
    /// [`StorageError`] with whatever went wrong.
    fn read(&self, row: usize, first: usize, out: &mut [T]) -> Result<(), StorageError>;
}

/// Takes the result's coordinates from an index on: every coordinate exactly once, in blocks, in any order, from several
/// threads.
pub type Sink<'s> = dyn Fn(usize, &[f64]) -> Result<(), StorageError> + Sync + 's;

/// Why a part of a row could not be read or a part of a result not be written, in the words of whoever tried.
#[derive(Clone, Debug)]
pub struct StorageError(Arc<dyn Error + Send + Sync>);

impl StorageError {
    /// Keeps the cause.
    pub fn new(cause: impl Error + Send + Sync + 'static) -> Self {
        Self(Arc::new(cause))
    }

    /// The cause, to be looked into by whoever knows its type.
    pub fn cause(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.0
    }
}

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Two are equal if they are the same event.
impl PartialEq for StorageError {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for StorageError {}

/// A round's updates in a [`Source`]: n rows of d numbers each, checked as they are read.
pub struct Spool<'a, T: Real> {
    source: &'a dyn Source<T>,
    n: usize,
    d: usize,
}

impl<'a, T: Real> Spool<'a, T> {
    /// Takes the rows of a source; reads none of them.
    ///
    /// # Errors
    /// [`TableError`] where there is no row or no coordinate, or a count is over its bound.
    pub fn new(source: &'a dyn Source<T>) -> Result<Self, TableError> {
        let (n, d) = (source.n(), source.d());
        check_counts(n, d)?;
        Ok(Self { source, n, d })
    }

    /// Number of rows (clients), at least 1.
    pub fn n(&self) -> usize {
        self.n
    }

    /// Number of coordinates in every row, at least 1.
    pub fn d(&self) -> usize {
        self.d
    }

    pub(crate) fn source(&self) -> &'a dyn Source<T> {
        self.source
    }

    /// Of the values that a table would refuse, the one it would name; `found` where they are gone.
    pub(crate) fn first_at_fault(&self, found: TableError) -> TableError {
        let mut values = vec![T::default(); SCAN.min(self.d)];
        for row in 0..self.n {
            for first in (0..self.d).step_by(SCAN) {
                let values = &mut values[..SCAN.min(self.d - first)];
                if let Err(error) = read(self.source, row, first, values) {
                    return error;
                }
            }
        }
        found
    }
}

impl<T: Real> fmt::Debug for Spool<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spool")
            .field("n", &self.n)
            .field("d", &self.d)
            .finish_non_exhaustive()
    }
}

/// Reads a part of a row and checks it.
pub(super) fn read<T: Real>(source: &dyn Source<T>, row: usize, first: usize, out: &mut [T]) -> Result<(), TableError> {
    source.read(row, first, out).map_err(|error| TableError::Read {
        row,
        coordinate: first,
        error,
    })?;
    check_values(row, first, out)
}

/// Whether every value may be in a table; they are the coordinates of `row` from `first` on.
pub(super) fn check_values<T: Real>(row: usize, first: usize, values: &[T]) -> Result<(), TableError> {
    if admissible(values) {
        return Ok(());
    }
    // Not the branch that is taken as a rule: a second look for which one it is.
    match values.iter().position(|v| !v.admissible()) {
        None => Ok(()),
        Some(at) => Err(TableError::Value {
            row,
            coordinate: first + at,
            got: values[at].into(),
        }),
    }
}

/// Whether all values are; without a branch per value, so that vector units do it.
fn admissible<T: Real>(values: &[T]) -> bool {
    values.iter().fold(true, |all, v| all & v.admissible())
}
