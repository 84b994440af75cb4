//! Writing a vector in parts, in any order and by several threads, to a new file that replaces the old one at the end.

use std::{
    fs::File,
    io,
    marker::PhantomData,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

use super::{BUFFER, Element, NpyError, header::Header, write::begin};

/// A vector that is being written. Dropped before [`VectorParts::finish`], it leaves nothing behind.
#[derive(Debug)]
pub(crate) struct VectorParts<T> {
    path: PathBuf,
    new: NamedTempFile<File>,
    /// Byte of the first number.
    start: u64,
    len: usize,
    of: PhantomData<fn(T)>,
}

impl<T: Element> VectorParts<T> {
    /// Begins a vector of `len` numbers beside the path.
    ///
    /// # Errors
    /// [`NpyError::Io`].
    pub(crate) fn create(path: &Path, len: usize) -> Result<Self, NpyError> {
        let header = Header {
            kind: T::KIND,
            rows: 1,
            columns: len as u64,
            dimensions: 1,
        };
        let (new, start) = begin(path, header).map_err(|source| io_at(path, source))?;
        Ok(Self {
            path: path.to_owned(),
            new,
            start,
            len,
            of: PhantomData,
        })
    }

    /// Writes the numbers from index `first` on.
    ///
    /// # Errors
    /// [`NpyError::Range`] where there is no room for them, [`NpyError::Io`].
    pub(crate) fn write(&self, first: usize, values: &[T]) -> Result<(), NpyError> {
        let end = first.saturating_add(values.len());
        if end > self.len {
            return Err(NpyError::Range {
                path: self.path.clone(),
                row: 0,
                first,
                end,
                rows: 1,
                columns: self.len,
            });
        }
        let size = T::KIND.size();
        let mut at = self.start + (first * size) as u64;
        let mut bytes = [0; BUFFER];
        for values in values.chunks(BUFFER / size) {
            let bytes = &mut bytes[..values.len() * size];
            T::encode(values, bytes);
            let written = self.new.as_file().write_all_at(bytes, at);
            written.map_err(|source| io_at(&self.path, source))?;
            at += bytes.len() as u64;
        }
        Ok(())
    }

    /// Puts the new file in the old one's place; every number must have been written.
    ///
    /// # Errors
    /// [`NpyError::Io`]; then the path holds what it held before.
    pub(crate) fn finish(self) -> Result<(), NpyError> {
        let Self { path, new, .. } = self;
        let synced = new.as_file().sync_all();
        synced.map_err(|source| io_at(&path, source))?;
        new.persist(&path).map_err(|error| io_at(&path, error.error))?;
        Ok(())
    }
}

fn io_at(path: &Path, source: io::Error) -> NpyError {
    NpyError::Io {
        path: path.to_owned(),
        source,
    }
}
