//! What the commands on .npy files share: rows from a file, threads to work on, and errors that name the file.

use std::{fmt::Display, num::NonZeroUsize, path::Path};

use crate::{failure::Failure, npy::Array};

/// A table of rows in a file.
pub(in crate::commands) fn rows(path: &Path) -> Result<Array, Failure> {
    let array = Array::open(path)?;
    if array.dimensions() != 2 {
        let what = format!(
            "{}: an array of one dimension, expected rows of numbers",
            path.display()
        );
        return Err(Failure::usage(what).hint("save a single row as x.reshape(1, -1)"));
    }
    Ok(array)
}

/// What is wrong with rows of i64.
pub(in crate::commands) fn too_wide(path: &Path) -> Failure {
    Failure::usage(format!("{}: rows of i64", path.display()))
        .hint("rows are f32, f64 or i32; save it with .astype(numpy.int32)")
}

/// What a library says of rows, with the name of their file.
pub(in crate::commands) fn in_file(array: &Array, error: &dyn Display) -> Failure {
    Failure::usage(format!("{}: {error}", array.path().display()))
}

/// Runs a job on so many threads; on all cores where no number is given.
pub(in crate::commands) fn on<T: Send>(
    threads: Option<NonZeroUsize>,
    job: impl FnOnce() -> Result<T, Failure> + Send,
) -> Result<T, Failure> {
    let threads = threads.map_or(0, NonZeroUsize::get);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|error| Failure::failed(format!("can't start threads: {error}")))?;
    pool.install(job)
}
