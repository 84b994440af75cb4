//! Arrays of numbers in NumPy's .npy files: what `xfl aggregate`, `score` and `attack` read and write.
//!
//! Read: versions 1 to 3, one or two dimensions, little-endian `f32`, `f64`, `i32` and `i64`, rows one after another. Written:
//! version 1.0, byte for byte what `numpy.save` writes. Everything else is a typed error that names the file, what was expected
//! and what was found; [`NpyError::hint`] says how to convert it.
//!
//! How: the header is parsed when a file is opened, and the file's length must be the one that its shape asks for, so a huge
//! shape costs nothing. Numbers are read when they are asked for, a part of a row at a time, by positioned reads into the
//! caller's memory: several threads may read one [`Array`], and a file far larger than memory takes no more of it than the
//! caller's blocks. Mapping the file would count every page that was touched as resident memory, and a file that another process
//! cuts short would kill the program with a signal; here that is an error.
//!
//! A file is trusted no further than its bytes: values are not checked (NaN and infinities are the rule's to refuse), and a writer that
//! changes a file while it is read is noticed by [`Array::unchanged`] if the operating system's time stamps show it.
//!
//! Reference: NumPy enhancement proposal 1, <https://numpy.org/neps/nep-0001-npy-format.html>.

mod element;
mod error;
mod header;
mod held;
mod opening;
mod parts;
mod write;

#[cfg(test)]
mod tests;

use std::{
    fs::{File, Metadata},
    io,
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
};

use opening::{measure, read_header};
use rayon::prelude::*;

pub(crate) use element::{Element, Kind};
pub(crate) use error::NpyError;
pub(crate) use held::Held;
pub(crate) use parts::VectorParts;
pub(crate) use write::{write_rows, write_vector};

/// Bytes read or written at a time.
const BUFFER: usize = 1 << 14;

/// An array in a file: opened and measured, read in parts.
#[derive(Debug)]
pub(crate) struct Array {
    path: PathBuf,
    file: File,
    stamp: Stamp,
    kind: Kind,
    rows: usize,
    columns: usize,
    dimensions: usize,
    /// Byte of the first number.
    start: u64,
}

/// What tells one state of a file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

impl Array {
    /// Opens a file, parses its header and checks its length.
    ///
    /// # Errors
    /// [`NpyError`] where it can't be opened, is no regular file, its header is refused, or its length is another.
    pub(crate) fn open(path: &Path) -> Result<Self, NpyError> {
        let io = |source| NpyError::Io {
            path: path.to_owned(),
            source,
        };
        let regular = |metadata: &Metadata| match metadata.is_file() {
            true => Ok(()),
            false => Err(NpyError::NotAFile { path: path.to_owned() }),
        };
        // Asked before opening as well: opening a pipe waits for its writer.
        regular(&std::fs::metadata(path).map_err(io)?)?;
        let mut file = File::open(path).map_err(io)?;
        let metadata = file.metadata().map_err(io)?;
        regular(&metadata)?;
        let (header, start) = read_header(path, &mut file)?;
        let stamp = Stamp::of(&metadata);
        let (rows, columns) = measure(path, header, start, stamp.length)?;
        Ok(Self {
            path: path.to_owned(),
            file,
            stamp,
            kind: header.kind,
            rows,
            columns,
            dimensions: header.dimensions,
            start,
        })
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The type of its numbers.
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// Rows, at least 1; an array of one dimension is one row.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Columns, at least 1.
    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    /// 1 or 2.
    pub(crate) fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// Fills `out` with the numbers of a row from column `first` on.
    ///
    /// # Errors
    /// [`NpyError::Kind`] where the file holds other numbers, [`NpyError::Range`] where it holds fewer, [`NpyError::Io`], and
    /// [`NpyError::Changed`] where the file has been cut short.
    pub(crate) fn read<T: Element>(&self, row: usize, first: usize, out: &mut [T]) -> Result<(), NpyError> {
        self.of_kind(T::KIND)?;
        let end = first.saturating_add(out.len());
        if row >= self.rows || end > self.columns {
            return Err(NpyError::Range {
                path: self.path.clone(),
                row,
                first,
                end,
                rows: self.rows,
                columns: self.columns,
            });
        }
        self.fill(row * self.columns + first, out)
    }

    /// All numbers, row after row: rows times columns of them in memory. Rows are read side by side, on rayon's current pool.
    ///
    /// # Errors
    /// As [`Array::read`], and [`NpyError::Memory`] where there isn't that much.
    pub(crate) fn to_vec<T: Element>(&self) -> Result<Vec<T>, NpyError> {
        self.of_kind(T::KIND)?;
        let (mut values, numbers) = (Vec::new(), self.rows * self.columns);
        values.try_reserve_exact(numbers).map_err(|_| NpyError::Memory {
            path: self.path.clone(),
            bytes: numbers * T::KIND.size(),
        })?;
        values.resize(numbers, T::default());
        let rows = values.par_chunks_mut(self.columns).enumerate();
        rows.try_for_each(|(row, out)| self.read(row, 0, out))?;
        Ok(values)
    }

    /// Checks that the file is still as long, and written and changed at the same times, as when it was opened.
    ///
    /// # Errors
    /// [`NpyError::Changed`] where it isn't, [`NpyError::Io`].
    pub(crate) fn unchanged(&self) -> Result<(), NpyError> {
        let metadata = self.file.metadata().map_err(|source| self.io(source))?;
        if Stamp::of(&metadata) == self.stamp {
            Ok(())
        } else {
            Err(NpyError::Changed {
                path: self.path.clone(),
            })
        }
    }

    fn of_kind(&self, expected: Kind) -> Result<(), NpyError> {
        if self.kind == expected {
            return Ok(());
        }
        Err(NpyError::Kind {
            path: self.path.clone(),
            expected,
            got: self.kind,
        })
    }

    /// Reads from the number `first` on; the range was checked, so no product overflows: the file is that long.
    fn fill<T: Element>(&self, first: usize, out: &mut [T]) -> Result<(), NpyError> {
        let size = T::KIND.size();
        let mut at = self.start + (first * size) as u64;
        let mut bytes = [0; BUFFER];
        for out in out.chunks_mut(BUFFER / size) {
            let bytes = &mut bytes[..out.len() * size];
            self.file.read_exact_at(bytes, at).map_err(|error| self.io(error))?;
            T::decode(bytes, out);
            at += bytes.len() as u64;
        }
        Ok(())
    }

    fn io(&self, source: io::Error) -> NpyError {
        let path = self.path.clone();
        match source.kind() {
            io::ErrorKind::UnexpectedEof => NpyError::Changed { path },
            _ => NpyError::Io { path, source },
        }
    }
}
