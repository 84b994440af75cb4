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
    let array = Array::open(path)?;
    let values: Vec<i64> = match array.kind() {
        Kind::I32 => array.to_vec::<i32>()?.into_iter().map(i64::from).collect(),
        Kind::I64 => array.to_vec()?,
        kind => {
            return Err(Failure::usage(format!(
                "{}: {kind}, expected whole numbers",
                path.display()
            )));
        }
    };
    let index =
        |v: i64| usize::try_from(v).map_err(|_| Failure::usage(format!("{}: {v}, expected an index", path.display())));
    values.into_iter().map(index).collect()
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
