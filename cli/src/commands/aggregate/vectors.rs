//! Parameters that are files of numbers.

use std::path::Path;

use crate::{
    failure::Failure,
    npy::{Array, Kind},
};

/// `len` numbers.
pub(in crate::commands) fn floats(path: &Path, len: usize) -> Result<Vec<f64>, Failure> {
    let array = Array::open(path)?;
    let values = doubles(&array)?;
    if values.len() != len {
        let what = format!("{}: {} numbers, expected {len}", path.display(), values.len());
        return Err(Failure::usage(what));
    }
    Ok(values)
}

/// `len` steps of a grid.
pub(in crate::commands) fn steps(path: &Path, len: usize) -> Result<Vec<i32>, Failure> {
    let values = Array::open(path)?.to_vec::<i32>()?;
    if values.len() != len {
        let what = format!("{}: {} numbers, expected {len}", path.display(), values.len());
        return Err(Failure::usage(what));
    }
    Ok(values)
}

/// Rows of numbers.
pub(in crate::commands) fn rows(path: &Path) -> Result<Vec<Vec<f64>>, Failure> {
    let array = Array::open(path)?;
    let values = doubles(&array)?;
    Ok(values.chunks(array.columns().max(1)).map(<[f64]>::to_vec).collect())
}

/// Whole numbers from 0 on.
pub(in crate::commands) fn indices(path: &Path) -> Result<Vec<usize>, Failure> {
    let values = wholes(&Array::open(path)?)?;
    let index =
        |v: i64| usize::try_from(v).map_err(|_| Failure::usage(format!("{}: {v}, expected an index", path.display())));
    values.into_iter().map(index).collect()
}

/// `len` integers of 32 bits.
pub(super) fn integers(path: &Path, len: usize) -> Result<Vec<i32>, Failure> {
    of_length(path, len, "an integer of 32 bits")
}

/// `len` whole numbers from 0 on.
pub(in crate::commands) fn naturals(path: &Path, len: usize) -> Result<Vec<u64>, Failure> {
    of_length(path, len, "a whole number of at least 0")
}

/// Rows of integers.
pub(in crate::commands) fn integer_rows(path: &Path) -> Result<Vec<Vec<i64>>, Failure> {
    let array = Array::open(path)?;
    let values = wholes(&array)?;
    Ok(values.chunks(array.columns().max(1)).map(<[i64]>::to_vec).collect())
}

fn of_length<T: TryFrom<i64>>(path: &Path, len: usize, expected: &str) -> Result<Vec<T>, Failure> {
    let values = wholes(&Array::open(path)?)?;
    if values.len() != len {
        let what = format!("{}: {} numbers, expected {len}", path.display(), values.len());
        return Err(Failure::usage(what));
    }
    let narrow =
        |v: i64| T::try_from(v).map_err(|_| Failure::usage(format!("{}: {v}, expected {expected}", path.display())));
    values.into_iter().map(narrow).collect()
}

fn wholes(array: &Array) -> Result<Vec<i64>, Failure> {
    match array.kind() {
        Kind::I32 => Ok(array.to_vec::<i32>()?.into_iter().map(i64::from).collect()),
        Kind::I64 => Ok(array.to_vec()?),
        kind => {
            let what = format!("{}: {kind}, expected whole numbers", array.path().display());
            Err(Failure::usage(what).hint("rows of integers go with files of i32 or i64"))
        }
    }
}

fn doubles(array: &Array) -> Result<Vec<f64>, Failure> {
    match array.kind() {
        Kind::F32 => Ok(array.to_vec::<f32>()?.into_iter().map(f64::from).collect()),
        Kind::F64 => Ok(array.to_vec()?),
        kind => {
            let what = format!("{}: {kind}, expected f32 or f64", array.path().display());
            Err(Failure::usage(what))
        }
    }
}
