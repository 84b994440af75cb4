//! Writing an array: to a new file beside the old one, which replaces it in one step.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufWriter, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use tempfile::NamedTempFile;

use super::{BUFFER, Element, NpyError, header::Header};

/// Writes a vector of `values.len()` numbers.
///
/// # Errors
/// [`NpyError::Io`]; then the path holds what it held before.
pub(crate) fn write_vector<T: Element>(path: &Path, values: &[T]) -> Result<(), NpyError> {
    write(path, 1, values.len(), 1, values)
}

/// Writes `rows` rows of `columns` numbers, one row after another.
///
/// # Errors
/// [`NpyError::Shape`] where there are not rows times columns numbers, [`NpyError::Io`]; then the path holds what it held before.
pub(crate) fn write_rows<T: Element>(path: &Path, rows: usize, columns: usize, values: &[T]) -> Result<(), NpyError> {
    write(path, rows, columns, 2, values)
}

fn write<T: Element>(
    path: &Path,
    rows: usize,
    columns: usize,
    dimensions: usize,
    values: &[T],
) -> Result<(), NpyError> {
    if rows.checked_mul(columns) != Some(values.len()) {
        let (path, got) = (path.to_owned(), values.len());
        return Err(NpyError::Shape {
            path,
            rows,
            columns,
            got,
        });
    }
    let header = Header {
        kind: T::KIND,
        rows: rows as u64,
        columns: columns as u64,
        dimensions,
    };
    replace(path, header, values).map_err(|source| NpyError::Io {
        path: path.to_owned(),
        source,
    })
}

/// A new file beside the path with a header in it, and the byte after that.
pub(super) fn begin(path: &Path, header: Header) -> io::Result<(NamedTempFile<File>, u64)> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut new = tempfile::Builder::new()
        .prefix(".xfl-")
        .make_in(folder.unwrap_or(Path::new(".")), |name| {
            OpenOptions::new().write(true).create_new(true).mode(0o644).open(name)
        })?;
    let header = header.to_bytes();
    new.write_all(&header)?;
    Ok((new, header.len() as u64))
}

fn replace<T: Element>(path: &Path, header: Header, values: &[T]) -> io::Result<()> {
    let (mut new, _) = begin(path, header)?;
    let mut out = BufWriter::with_capacity(BUFFER, new.as_file_mut());
    let mut bytes = [0; BUFFER];
    for values in values.chunks(BUFFER / T::KIND.size()) {
        let bytes = &mut bytes[..values.len() * T::KIND.size()];
        T::encode(values, bytes);
        out.write_all(bytes)?;
    }
    out.flush()?;
    drop(out);
    new.as_file().sync_all()?;
    new.persist(path)?;
    Ok(())
}
