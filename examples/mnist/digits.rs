//! MNIST as the toolkit's [`Data`]: 60,000 digits to train on and 10,000 to test with, standardised as both papers do.
//!
//! A pixel b becomes (b/255 - 0.1307) / 0.3081, mean and standard deviation of the training images. Images stay bytes
//! in memory and become numbers as they are asked for.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;
use xfl_core::schema::{Column, ImageShape, Schema, Task};
use xfl_core::train::{Data, Target};

use crate::idx::{self, IdxError};

/// Classes of MNIST.
const CLASSES: u8 = 10;
/// Pixels of a digit, 28 x 28.
const PIXELS: usize = 784;
const MEAN: f64 = 0.1307;
const DEVIATION: f64 = 0.3081;

/// Why the digits could not be loaded.
#[derive(Debug, Error)]
pub(crate) enum DigitsError {
    /// No such file, or it may not be read.
    #[error("{}: {error}; examples/mnist/fetch.sh gets the files, --data says where they are", path.display())]
    Open { path: PathBuf, error: io::Error },
    /// The file is not what it should be.
    #[error("{}: {error}; delete it and run examples/mnist/fetch.sh", path.display())]
    File { path: PathBuf, error: IdxError },
    /// Images of another size than MNIST's.
    #[error("{}: expected images of {PIXELS} pixels, got {got}", path.display())]
    Size { path: PathBuf, got: usize },
    /// Two files that don't belong together.
    #[error("{}: expected as many labels as there are images, {expected}, got {got}", path.display())]
    Count { path: PathBuf, expected: usize, got: usize },
}

/// Labelled digits.
#[derive(Clone, Debug)]
pub(crate) struct Digits {
    pixels: Vec<u8>,
    labels: Vec<u8>,
    /// What each byte becomes.
    standard: Vec<f32>,
}

/// The digits to train on and those to test with, from the four original files in `folder`.
///
/// # Errors
/// Where a file is missing, damaged, or not MNIST's size.
pub(crate) fn load(folder: &Path) -> Result<[Digits; 2], DigitsError> {
    Ok([read(folder, "train")?, read(folder, "t10k")?])
}

fn read(folder: &Path, part: &str) -> Result<Digits, DigitsError> {
    let open = |name: String| {
        let path = folder.join(name);
        match File::open(&path) {
            Ok(file) => Ok((path, file)),
            Err(error) => Err(DigitsError::Open { path, error }),
        }
    };
    let (path, file) = open(format!("{part}-images-idx3-ubyte"))?;
    let images = match idx::images(file) {
        Ok(images) if images.pixels == PIXELS => images,
        Ok(images) => {
            let got = images.pixels;
            return Err(DigitsError::Size { path, got });
        }
        Err(error) => return Err(DigitsError::File { path, error }),
    };
    let (path, file) = open(format!("{part}-labels-idx1-ubyte"))?;
    let labels = match idx::labels(file, CLASSES) {
        Ok(labels) if labels.len() == images.count => labels,
        Ok(labels) => {
            let (expected, got) = (images.count, labels.len());
            return Err(DigitsError::Count { path, expected, got });
        }
        Err(error) => return Err(DigitsError::File { path, error }),
    };
    let standard = |byte: u8| ((f64::from(byte) / 255.0 - MEAN) / DEVIATION) as f32;
    Ok(Digits {
        pixels: images.bytes,
        labels,
        standard: (0..=u8::MAX).map(standard).collect(),
    })
}

/// The schema that the toolkit's models are built for.
pub(crate) fn schema() -> Schema {
    Schema {
        task: Task::Classification {
            classes: (0..CLASSES).map(|class| class.to_string()).collect(),
        },
        label: "digit".into(),
        columns: vec![Column::Numbered {
            prefix: "p".into(),
            count: PIXELS,
            center: 255.0 * MEAN,
            scale: 255.0 * DEVIATION,
        }],
        image: Some(ImageShape {
            height: 28,
            width: 28,
            channels: 1,
        }),
    }
}

impl Data for Digits {
    fn len(&self) -> usize {
        self.labels.len()
    }

    fn width(&self) -> usize {
        PIXELS
    }

    fn features_into(&self, index: usize, features: &mut [f32]) {
        let pixels = &self.pixels[index * PIXELS..(index + 1) * PIXELS];
        for (feature, &byte) in features.iter_mut().zip(pixels) {
            *feature = self.standard[usize::from(byte)];
        }
    }

    fn target(&self, index: usize) -> Target {
        Target::Class(usize::from(self.labels[index]))
    }
}

/// Some examples of other data, by their indices there.
pub(crate) struct Part<'a> {
    /// All examples.
    pub(crate) of: &'a dyn Data,
    /// Those that belong to the part, each below `of.len()`.
    pub(crate) rows: Vec<usize>,
}

impl Data for Part<'_> {
    fn len(&self) -> usize {
        self.rows.len()
    }

    fn width(&self) -> usize {
        self.of.width()
    }

    fn features_into(&self, index: usize, features: &mut [f32]) {
        self.of.features_into(self.rows[index], features);
    }

    fn target(&self, index: usize) -> Target {
        self.of.target(self.rows[index])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_is_valid_and_as_wide_as_a_digit() {
        schema().validate().unwrap();
        assert_eq!((schema().features(), schema().outputs()), (PIXELS, 10));
    }

    #[test]
    fn a_missing_file_is_named_with_what_to_do() {
        let error = load(Path::new("/nowhere/at/all")).unwrap_err().to_string();
        assert!(
            error.contains("train-images-idx3-ubyte") && error.contains("fetch.sh"),
            "{error}"
        );
    }
}
