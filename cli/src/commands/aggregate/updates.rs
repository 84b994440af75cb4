//! The rows of one .npy file, or of several one after another: updates as they were spooled.
//!
//! Nothing is read when files are opened. Rows can be held in memory, or stay where they are and be read in blocks by a rule:
//! that is the same to it. Rows are counted from 0 over all files.

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use xfl_aggregation::{
    RowsError,
    real::{Real, RuleError, Source, StorageError, TableError},
    spool,
};

use crate::{
    failure::Failure,
    npy::{Array, Element, Held, Kind, NpyError},
};

/// Rows of numbers of one type.
#[derive(Debug)]
pub(super) struct Updates {
    files: Vec<Array>,
    /// For each file, the row that it begins with.
    starts: Vec<usize>,
    n: usize,
    d: usize,
    kind: Kind,
}

impl Updates {
    /// Opens the files. One file has two dimensions; where there are several, one dimension is a row.
    pub(super) fn open(paths: &[PathBuf]) -> Result<Self, Failure> {
        let files = match paths {
            [path] => vec![super::input::rows(path)?],
            paths => paths
                .iter()
                .map(|path| Array::open(path))
                .collect::<Result<Vec<_>, _>>()?,
        };
        let Some(first) = files.first() else {
            return Err(Failure::usage("no file of updates").hint("name at least one"));
        };
        let (d, kind) = (first.columns(), first.kind());
        if let Some(other) = files.iter().find(|file| file.columns() != d || file.kind() != kind) {
            let what = format!(
                "{}: rows of {} {}, expected {d} {kind} as in {}",
                other.path().display(),
                other.columns(),
                other.kind(),
                first.path().display()
            );
            return Err(Failure::usage(what).hint("all updates are of one model, in one type of numbers"));
        }
        let mut n = 0;
        let starts = files.iter().map(|file| {
            n += file.rows();
            n - file.rows()
        });
        let starts = starts.collect();
        Ok(Self {
            files,
            starts,
            n,
            d,
            kind,
        })
    }

    /// Rows of all files.
    pub(super) fn n(&self) -> usize {
        self.n
    }

    /// Coordinates of a row.
    pub(super) fn d(&self) -> usize {
        self.d
    }

    /// The type of all numbers.
    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// What all rows take in memory.
    pub(super) fn bytes(&self) -> u64 {
        // No overflow: files are as long as they say.
        (self.n as u64) * (self.d as u64) * self.kind.size() as u64
    }

    /// All numbers, row after row, in memory.
    pub(super) fn held<T: Element>(&self) -> Result<Held<T>, NpyError> {
        let numbers = self.n * self.d;
        let mut held = Held::zeros(numbers).map_err(|_| NpyError::Memory {
            path: self.files[0].path().to_owned(),
            bytes: numbers * T::KIND.size(),
        })?;
        let rows = held.numbers_mut().par_chunks_mut(self.d).enumerate();
        rows.try_for_each(|(row, out)| self.part(row, 0, out))?;
        self.unchanged()?;
        Ok(held)
    }

    /// Checks that no file has changed since it was opened.
    pub(super) fn unchanged(&self) -> Result<(), NpyError> {
        self.files.iter().try_for_each(Array::unchanged)
    }

    /// What went wrong with the rows, with the file's name.
    pub(super) fn failure(&self, error: &RuleError) -> Failure {
        match error {
            RuleError::Rows(TableError::Read { error: storage, .. }) | RuleError::Write { error: storage, .. } => {
                of_storage(error, storage)
            }
            RuleError::Rows(error) => self.refused(error),
            _ => Failure::usage(format!("{}: {error}", self.name(0).display())),
        }
    }

    /// The same of rows of integers.
    pub(super) fn exact_failure(&self, error: &xfl_aggregation::RuleError) -> Failure {
        match error {
            xfl_aggregation::RuleError::Read { error: storage, .. } => of_storage(error, storage),
            _ => Failure::usage(format!("{}: {error}", self.name(0).display())),
        }
    }

    /// Why the rows of integers are no table.
    pub(super) fn not_rows(&self, error: &RowsError) -> Failure {
        Failure::usage(format!("{}: {error}", self.name(0).display()))
    }

    /// Why the rows are no table, with the file's name.
    pub(super) fn refused(&self, error: &TableError) -> Failure {
        let row = match error {
            TableError::Value { row, .. } => *row,
            _ => 0,
        };
        let failure = Failure::usage(format!("{}: {error}", self.name(row).display()));
        match (error, self.files.len()) {
            (TableError::Value { .. }, 2..) => failure.hint("rows are counted from 0 over all files"),
            _ => failure,
        }
    }

    fn name(&self, row: usize) -> &Path {
        self.files[self.file_of(row)].path()
    }

    /// Which file a row is in, the last one for rows that aren't.
    fn file_of(&self, row: usize) -> usize {
        self.starts.partition_point(|&start| start <= row).saturating_sub(1)
    }

    fn part<T: Element>(&self, row: usize, first: usize, out: &mut [T]) -> Result<(), NpyError> {
        let file = self.file_of(row);
        self.files[file].read(row - self.starts[file], first, out)
    }
}

impl<T: Real + Element> Source<T> for Updates {
    fn n(&self) -> usize {
        self.n
    }

    fn d(&self) -> usize {
        self.d
    }

    fn read(&self, row: usize, first: usize, out: &mut [T]) -> Result<(), StorageError> {
        self.part(row, first, out).map_err(StorageError::new)
    }
}

impl spool::Source for Updates {
    fn n(&self) -> usize {
        self.n
    }

    fn d(&self) -> usize {
        self.d
    }

    fn read(&self, row: usize, first: usize, out: &mut [i32]) -> Result<(), StorageError> {
        self.part(row, first, out).map_err(StorageError::new)
    }
}

/// What could not be read or written, with the hint of whoever tried.
fn of_storage(error: &dyn std::fmt::Display, storage: &StorageError) -> Failure {
    let failure = Failure::usage(error.to_string());
    let cause: &(dyn std::error::Error + 'static) = storage.cause();
    match cause.downcast_ref::<NpyError>().and_then(NpyError::hint) {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;

    use xfl_aggregation::real::{Rule, Spool, State};

    use super::*;
    use crate::npy::write_rows;

    /// Mapped into memory, a file that its writer cuts short would kill the program with a signal.
    #[test]
    fn a_file_cut_short_while_it_is_read_is_an_error_with_a_hint() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("updates.npy");
        let values: Vec<f32> = (0..300_000_u32).map(|v| (v % 97) as f32).collect();
        write_rows(&path, 3, 100_000, &values).unwrap();
        let updates = Updates::open(std::slice::from_ref(&path)).unwrap();
        let spool = Spool::new(&updates as &dyn Source<f32>).unwrap();
        let aggregate = || Rule::Median.aggregate_spool(&spool, &[], State::default(), &|_, _| Ok(()));
        aggregate().unwrap();
        updates.unchanged().unwrap();

        OpenOptions::new()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(900_000)
            .unwrap();
        let failure = updates.failure(&aggregate().unwrap_err());
        assert!(
            failure.message.starts_with("row 2 can't be read from coordinate")
                && failure
                    .message
                    .contains("updates.npy: the file changed while it was read"),
            "{failure:?}"
        );
        assert!(failure.hint.is_some());
        assert!(updates.unchanged().is_err());
    }

    #[test]
    fn rows_are_found_in_their_files() {
        let folder = tempfile::tempdir().unwrap();
        let paths = [2, 1, 3].map(|rows| {
            let path = folder.path().join(format!("{rows}.npy"));
            let values: Vec<f64> = (0..rows * 2).map(|v| (rows * 100 + v) as f64).collect();
            write_rows(&path, rows, 2, &values).unwrap();
            path
        });
        let updates = Updates::open(&paths).unwrap();
        assert_eq!((updates.n(), updates.d(), updates.bytes()), (6, 2, 96));
        let all = updates.held::<f64>().unwrap();
        assert_eq!(
            all[..],
            [200., 201., 202., 203., 100., 101., 300., 301., 302., 303., 304., 305.]
        );
        for row in 0..6 {
            let mut value = [0.0];
            Source::<f64>::read(&updates, row, 1, &mut value).unwrap();
            assert_eq!(value[0], all[row * 2 + 1]);
        }
        let mut value = [0.0_f64];
        assert!(Source::<f64>::read(&updates, 6, 0, &mut value).is_err());
        assert!(Updates::open(&[]).is_err());
    }
}
