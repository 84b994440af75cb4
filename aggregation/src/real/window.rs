//! Where a pass gets its rows from: memory, or a buffer per thread that is filled from a [`Source`].
//!
//! A buffer holds the same columns of every row, as many as fit in [`BUFFER`] bytes and at least one block of the kernel's;
//! a pass asks for ascending blocks, most of which are in the buffer already. Nothing depends on where buffers begin.

use super::element::Real;
use super::spool::{Source, read};
use super::table::TableError;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Bytes of rows that a thread reads at a time, unless one block of columns takes more.
const BUFFER: usize = 4 << 20;

/// Most columns read at a time.
const LONGEST: usize = 1 << 16;

/// The fewest columns that a buffer has room for.
const NARROWEST: usize = 128;

/// The rows of a view, without its mixing.
#[derive(Clone)]
pub(super) enum Rows<'t, T: Real> {
    /// Checked, in memory.
    Held(Vec<&'t [T]>),
    /// Read when needed.
    Stored(Stored<'t, T>),
}

/// Some rows of a source.
#[derive(Clone)]
pub(super) struct Stored<'t, T: Real> {
    source: &'t dyn Source<T>,
    /// Which rows of the source these are.
    rows: Vec<usize>,
    /// Whether these are all rows.
    whole: bool,
    /// Whether every value of the source has been read and checked by a pass.
    checked: Arc<AtomicBool>,
}

impl<'t, T: Real> Stored<'t, T> {
    pub(super) fn of(source: &'t dyn Source<T>, n: usize) -> Self {
        Self {
            source,
            rows: (0..n).collect(),
            whole: true,
            checked: Arc::default(),
        }
    }
}

impl<T: Real> Rows<'_, T> {
    pub(super) fn n(&self) -> usize {
        match self {
            Rows::Held(rows) => rows.len(),
            Rows::Stored(stored) => stored.rows.len(),
        }
    }

    /// Only the rows named, all below [`Rows::n`].
    pub(super) fn picked(&self, rows: &[usize]) -> Self {
        match self {
            Rows::Held(held) => Rows::Held(rows.iter().map(|&row| held[row]).collect()),
            Rows::Stored(stored) => Rows::Stored(Stored {
                rows: rows.iter().map(|&row| stored.rows[row]).collect(),
                whole: false,
                ..stored.clone()
            }),
        }
    }

    /// Whether every value has been checked, so that a row which isn't needed may be passed over.
    pub(super) fn checked(&self) -> bool {
        match self {
            Rows::Held(_) => true,
            Rows::Stored(stored) => stored.checked.load(Ordering::Acquire),
        }
    }

    /// Notes that a pass has read every column of these rows.
    pub(super) fn passed(&self) {
        if let Rows::Stored(stored) = self
            && stored.whole
        {
            stored.checked.store(true, Ordering::Release);
        }
    }

    /// Columns of every row that a buffer has room for, at least [`NARROWEST`]; `None` where nothing is read.
    pub(super) fn room(&self) -> Option<usize> {
        match self {
            Rows::Held(_) => None,
            Rows::Stored(stored) => {
                let fitting = BUFFER / (stored.rows.len().max(1) * size_of::<T>());
                Some(fitting.clamp(NARROWEST, LONGEST))
            }
        }
    }

    /// The values of a row at some columns.
    pub(super) fn at(&self, row: usize, columns: &[usize]) -> Result<Vec<f64>, TableError> {
        match self {
            Rows::Held(rows) => Ok(columns.iter().map(|&c| rows[row][c].into()).collect()),
            Rows::Stored(stored) => {
                let mut value = [T::default()];
                let one = |&c: &usize| {
                    read(stored.source, stored.rows[row], c, &mut value)?;
                    Ok(value[0].into())
                };
                columns.iter().map(one).collect()
            }
        }
    }
}

/// One thread's sight of the rows.
pub(super) struct Window<'v, T: Real> {
    rows: &'v Rows<'v, T>,
    /// Row after row, `stride` columns of each; empty where rows are held.
    buffer: Vec<T>,
    stride: usize,
    /// The columns in the buffer.
    covered: Range<usize>,
}

impl<'v, T: Real> Window<'v, T> {
    /// For blocks of at most `width` columns.
    pub(super) fn new(rows: &'v Rows<'v, T>, width: usize) -> Self {
        let stride = rows.room().map_or(0, |room| (room / width).max(1) * width);
        Self {
            rows,
            buffer: vec![T::default(); rows.n() * stride],
            stride,
            covered: 0..0,
        }
    }

    /// Makes some columns available; where they have to be read, the next ones up to `end` too.
    pub(super) fn cover(&mut self, columns: &Range<usize>, end: usize) -> Result<(), TableError> {
        let Rows::Stored(stored) = self.rows else {
            return Ok(());
        };
        if self.covered.start <= columns.start && columns.end <= self.covered.end {
            return Ok(());
        }
        let first = columns.start;
        let len = self.stride.min(end - first);
        self.covered = 0..0;
        for (&row, values) in stored.rows.iter().zip(self.buffer.chunks_mut(self.stride)) {
            read(stored.source, row, first, &mut values[..len])?;
        }
        self.covered = first..first + len;
        Ok(())
    }

    /// Adds every row's part of columns that are covered to `parts`.
    pub(super) fn parts<'s>(&'s self, columns: &Range<usize>, parts: &mut Vec<&'s [T]>) {
        match self.rows {
            Rows::Held(rows) => parts.extend(rows.iter().map(|row| &row[columns.clone()])),
            Rows::Stored(_) => {
                let within = columns.start - self.covered.start..columns.end - self.covered.start;
                parts.extend(self.buffer.chunks(self.stride).map(|row| &row[within.clone()]));
            }
        }
    }
}
