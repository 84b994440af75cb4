//! The IDX format, in which MNIST is published: bytes as images or as labels, and nothing else.
//!
//! A file is a magic number (`00 00 08 D`: unsigned bytes, D axes), D sizes of four bytes each, the most significant
//! first, and as many bytes as the product of the sizes.
//!
//! Whatever the file says, memory is bounded by [`MAX_BYTES`] and by what the file really holds: sizes are checked
//! before anything is reserved, and a file that is longer or shorter than its header says is an error.
//!
//! It does not read other element types or compressed files.
//!
//! Reference: LeCun, Cortes, Burges, The MNIST database of handwritten digits, 1998.

use std::io::{self, Read};

use thiserror::Error;

/// Most bytes of a file's contents; MNIST's largest file has 47,040,000.
pub(crate) const MAX_BYTES: usize = 1 << 27;

const LABELS: u32 = 0x0801;
const IMAGES: u32 = 0x0803;

/// Why a file is not what it should be.
#[derive(Debug, Error)]
pub(crate) enum IdxError {
    /// The file can't be read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Another kind of file.
    #[error("not an IDX file of {what}: expected the magic number {expected:#010x}, got {got:#010x}")]
    Magic {
        what: &'static str,
        expected: u32,
        got: u32,
    },
    /// The header asks for nothing.
    #[error("the header says {sizes:?}: expected sizes above 0")]
    Empty { sizes: Vec<u32> },
    /// The header asks for more than anybody needs.
    #[error("the header says {sizes:?}: expected at most {MAX_BYTES} bytes")]
    TooLarge { sizes: Vec<u32> },
    /// The file ends early.
    #[error("the file is cut off: expected {expected} bytes after the header, got {got}")]
    CutOff { expected: usize, got: usize },
    /// The file goes on.
    #[error("the file is too long: expected it to end after {expected} bytes of contents")]
    TooLong { expected: usize },
    /// A label that is no class.
    #[error("label {index}: expected a class below {classes}, got {got}")]
    Label { index: usize, classes: u8, got: u8 },
}

/// Images of equal size, one byte a pixel, row after row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Images {
    /// How many.
    pub(crate) count: usize,
    /// Pixels of each: height times width.
    pub(crate) pixels: usize,
    /// `count * pixels` of them.
    pub(crate) bytes: Vec<u8>,
}

/// Reads a file of images.
///
/// # Errors
/// Where it is anything else.
pub(crate) fn images(mut file: impl Read) -> Result<Images, IdxError> {
    let sizes: [u32; 3] = header(&mut file, "images", IMAGES)?;
    let bytes = contents(file, &sizes)?;
    let [count, height, width] = sizes.map(|size| size as usize);
    Ok(Images {
        count,
        pixels: height * width,
        bytes,
    })
}

/// Reads a file of labels, all of them below `classes`.
///
/// # Errors
/// Where it is anything else.
pub(crate) fn labels(mut file: impl Read, classes: u8) -> Result<Vec<u8>, IdxError> {
    let sizes: [u32; 1] = header(&mut file, "labels", LABELS)?;
    let labels = contents(file, &sizes)?;
    match labels.iter().position(|&label| label >= classes) {
        Some(index) => Err(IdxError::Label {
            index,
            classes,
            got: labels[index],
        }),
        None => Ok(labels),
    }
}

fn header<const AXES: usize>(file: &mut impl Read, what: &'static str, expected: u32) -> Result<[u32; AXES], IdxError> {
    let got = number(file)?;
    if got != expected {
        return Err(IdxError::Magic { what, expected, got });
    }
    let mut sizes = [0; AXES];
    for size in &mut sizes {
        *size = number(file)?;
    }
    Ok(sizes)
}

fn number(file: &mut impl Read) -> Result<u32, IdxError> {
    let mut bytes = [0; 4];
    file.read_exact(&mut bytes)?;
    Ok(u32::from_be_bytes(bytes))
}

fn contents(file: impl Read, sizes: &[u32]) -> Result<Vec<u8>, IdxError> {
    let product = sizes.iter().try_fold(1_usize, |product, &size| {
        product.checked_mul(size as usize).filter(|&bytes| bytes <= MAX_BYTES)
    });
    let expected = match product {
        Some(0) => return Err(IdxError::Empty { sizes: sizes.to_vec() }),
        None => return Err(IdxError::TooLarge { sizes: sizes.to_vec() }),
        Some(bytes) => bytes,
    };
    // One more than expected is enough to see that there is more; `read_to_end` grows with what is really there.
    let mut bytes = Vec::new();
    file.take(expected as u64 + 1).read_to_end(&mut bytes)?;
    match bytes.len() {
        got if got < expected => Err(IdxError::CutOff { expected, got }),
        got if got > expected => Err(IdxError::TooLong { expected }),
        _ => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn file(magic: u32, sizes: &[u32], contents: &[u8]) -> Vec<u8> {
        let mut file = magic.to_be_bytes().to_vec();
        for size in sizes {
            file.extend(size.to_be_bytes());
        }
        file.extend(contents);
        file
    }

    #[test]
    fn images_and_labels_are_read() {
        let two = images(&file(IMAGES, &[2, 1, 3], &[1, 2, 3, 4, 5, 6])[..]).unwrap();
        assert_eq!((two.count, two.pixels, &two.bytes[..]), (2, 3, &[1, 2, 3, 4, 5, 6][..]));
        assert_eq!(labels(&file(LABELS, &[3], &[9, 0, 4])[..], 10).unwrap(), [9, 0, 4]);
    }

    #[test]
    fn each_fault_is_named() {
        let read = |file: Vec<u8>| images(&file[..]).unwrap_err();
        assert!(matches!(read(vec![]), IdxError::Io(_)));
        assert!(matches!(
            read(file(LABELS, &[1], &[1])),
            IdxError::Magic { got: LABELS, .. }
        ));
        // Little-endian sizes, a gzip file, the header alone.
        assert!(matches!(read(vec![3, 8, 0, 0]), IdxError::Magic { .. }));
        assert!(matches!(read(vec![0x1f, 0x8b, 8, 0, 0]), IdxError::Magic { .. }));
        assert!(matches!(read(file(IMAGES, &[1, 2], &[])), IdxError::Io(_)));
        assert!(matches!(
            read(file(IMAGES, &[1, 2, 2], &[])),
            IdxError::CutOff { expected: 4, got: 0 }
        ));
        assert!(matches!(
            read(file(IMAGES, &[1, 2, 2], &[0; 3])),
            IdxError::CutOff { .. }
        ));
        assert!(matches!(
            read(file(IMAGES, &[1, 2, 2], &[0; 5])),
            IdxError::TooLong { expected: 4 }
        ));
        assert!(matches!(read(file(IMAGES, &[0, 2, 2], &[])), IdxError::Empty { .. }));
        assert!(matches!(
            read(file(IMAGES, &[0, u32::MAX, u32::MAX], &[])),
            IdxError::Empty { .. }
        ));
        let error = labels(&file(LABELS, &[2], &[9, 10])[..], 10).unwrap_err();
        assert!(matches!(
            error,
            IdxError::Label {
                index: 1,
                classes: 10,
                got: 10
            }
        ));
    }

    #[test]
    fn a_header_that_promises_the_world_reserves_nothing() {
        for sizes in [[u32::MAX; 3], [1 << 31, 1 << 31, 4], [MAX_BYTES as u32, 2, 1]] {
            let error = images(&file(IMAGES, &sizes, &[0; 9])[..]).unwrap_err();
            assert!(matches!(error, IdxError::TooLarge { .. }), "{error}");
        }
        let most = images(&file(IMAGES, &[MAX_BYTES as u32, 1, 1], &[0; 9])[..]).unwrap_err();
        assert!(matches!(most, IdxError::CutOff { got: 9, .. }));
    }

    proptest! {
        #[test]
        fn any_bytes_give_images_or_an_error(
            start in prop_oneof![Just(IMAGES), any::<u32>()], sizes in prop::array::uniform3(0_u32..5),
            contents in prop::collection::vec(any::<u8>(), 0..80),
        ) {
            let expected: u32 = sizes.iter().product();
            match images(&file(start, &sizes, &contents)[..]) {
                Ok(read) => {
                    prop_assert_eq!(start, IMAGES);
                    prop_assert_eq!(read.bytes, contents);
                }
                Err(_) => prop_assert!(start != IMAGES || expected == 0 || expected as usize != contents.len()),
            }
        }
    }
}
