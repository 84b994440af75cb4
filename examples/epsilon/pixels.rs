//! MNIST at half its resolution: every feature is the mean of 2 x 2 pixels, from 0 (paper) to 1 (ink), so that the model has a quarter of
//! the parameters and the noise a quarter of the coordinates.
//!
//! Halving looks at no digit but its own, so it needs no privacy of its own.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;
use xfl_core::train::{Table, Target, data::TableError};

use crate::idx::{self, IdxError};

/// Pixels along an edge of a digit.
const EDGE: usize = 28;
/// Features of a digit: 14 x 14.
pub(crate) const FEATURES: usize = (EDGE / 2) * (EDGE / 2);
/// Digits are of these classes.
pub(crate) const CLASSES: u8 = 10;

/// Why the digits could not be loaded.
#[derive(Debug, Error)]
pub(crate) enum PixelsError {
    /// No such file, or it may not be read.
    #[error("{}: {error}; examples/mnist/fetch.sh gets the files, --data says where they are", path.display())]
    Open { path: PathBuf, error: io::Error },
    /// The file is not what it should be.
    #[error("{}: {error}; delete it and run examples/mnist/fetch.sh", path.display())]
    File { path: PathBuf, error: IdxError },
    /// Images of another size than MNIST's.
    #[error("{}: expected images of {} pixels, got {got}", path.display(), EDGE * EDGE)]
    Size { path: PathBuf, got: usize },
    /// Images and labels that make no table.
    #[error("{}: {error}", path.display())]
    Table { path: PathBuf, error: TableError },
}

/// The digits of one part, `train` or `t10k`, in `folder`; the first `most` of them.
///
/// # Errors
/// A file is missing, damaged, or not MNIST's.
pub(crate) fn load(folder: &Path, part: &str, most: usize) -> Result<Table, PixelsError> {
    let (path, file) = open(folder, &format!("{part}-images-idx3-ubyte"))?;
    let images = match idx::images(file) {
        Ok(images) if images.pixels == EDGE * EDGE => images,
        Ok(images) => {
            let got = images.pixels;
            return Err(PixelsError::Size { path, got });
        }
        Err(error) => return Err(PixelsError::File { path, error }),
    };
    let (path, file) = open(folder, &format!("{part}-labels-idx1-ubyte"))?;
    let labels = match idx::labels(file, CLASSES) {
        Ok(labels) => labels,
        Err(error) => return Err(PixelsError::File { path, error }),
    };
    let features = images
        .bytes
        .chunks_exact(images.pixels)
        .take(most.min(images.count))
        .flat_map(halved)
        .collect();
    let targets = labels.iter().take(most).map(|l| Target::Class(usize::from(*l)));
    Table::new(FEATURES, features, targets.collect()).map_err(|error| PixelsError::Table { path, error })
}

fn open(folder: &Path, name: &str) -> Result<(PathBuf, File), PixelsError> {
    let path = folder.join(name);
    match File::open(&path) {
        Ok(file) => Ok((path, file)),
        Err(error) => Err(PixelsError::Open { path, error }),
    }
}

/// The means of 2 x 2 pixels, row after row.
fn halved(digit: &[u8]) -> Vec<f32> {
    let pixel = |row: usize, column: usize| f32::from(digit[row * EDGE + column]);
    let mean = |place: usize| {
        let (row, column) = (2 * (place / (EDGE / 2)), 2 * (place % (EDGE / 2)));
        let four = pixel(row, column) + pixel(row, column + 1) + pixel(row + 1, column) + pixel(row + 1, column + 1);
        four / (4.0 * 255.0)
    };
    (0..FEATURES).map(mean).collect()
}

/// The `[data]` table for them.
pub(crate) fn schema() -> String {
    let classes: Vec<String> = (0..CLASSES).map(|class| format!("\"{class}\"")).collect();
    format!(
        "task = \"classification\"\nlabel = \"digit\"\nclasses = [{}]\n\
         columns = [{{ prefix = \"p\", count = {FEATURES}, center = 0.0, scale = 255.0 }}]\n",
        classes.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_pixels_become_their_mean() {
        let mut digit = vec![0; EDGE * EDGE];
        // The second feature of the second row of features, and the last one.
        for (row, column, byte) in [(2, 2, 255), (3, 3, 255), (27, 27, 51)] {
            digit[row * EDGE + column] = byte;
        }
        let features = halved(&digit);
        assert_eq!(features.len(), FEATURES);
        assert_eq!((features[14 + 1], features[FEATURES - 1]), (0.5, 0.05));
        assert_eq!(features.iter().filter(|f| **f > 0.0).count(), 2);
    }

    #[test]
    fn a_missing_file_is_named_with_what_to_do() {
        let error = load(Path::new("/nowhere/at/all"), "train", 1).unwrap_err().to_string();
        assert!(
            error.contains("train-images-idx3-ubyte") && error.contains("fetch.sh"),
            "{error}"
        );
    }
}
