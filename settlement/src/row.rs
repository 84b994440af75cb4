//! Row trees: what a contract needs to redo one coordinate of an aggregation rule, and no more.
//!
//! Coordinates are cut into chunks of [`CHUNK`]; the last chunk is filled up with zeros. **Row** `k` is the `k`-th chunk
//! of every member of the cohort, in the cohort's order, big-endian two's complement: for `i32` one 32-byte word a
//! member. Leaf `k` of the row tree is `keccak256(0x00 || keccak256(row k))`; leaf `k` of the aggregate's tree is the same
//! over the aggregate's chunk alone. Nodes as in [`crate::merkle`] (tag 1, so that no leaf passes for a node).
//!
//! A rule that works coordinate by coordinate (mean, median, trimmed mean) is refuted by one row, its proof, the aggregate's
//! chunk and its proof: two short proofs rather than one a member. The cohort's size and the dimension come from the
//! signed header, never from the prover.
//!
//! Cost: every coordinate is hashed once; memory is the tree, 64 bytes a chunk. What the tree doesn't say: that a row
//! holds what a member really sent, which its own signed commitment says.

use alloy::primitives::{Keccak256, keccak256};
use serde::{Deserialize, Serialize};
use xfl_keccak::keccak256_many;

use crate::merkle::{Digest, Proof, Tree};

/// Coordinates of a chunk.
pub const CHUNK: usize = 8;

/// An integer that rows are made of: big-endian, two's complement where signed.
pub trait Coordinate: Copy + Sync + sealed::Sealed {
    /// Size in bytes.
    const BYTES: usize;
    #[doc(hidden)]
    fn write(self, bytes: &mut [u8]);
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! coordinate {
    ($($integer:ty),*) => {$(
        impl sealed::Sealed for $integer {}
        impl Coordinate for $integer {
            const BYTES: usize = size_of::<$integer>();
            fn write(self, bytes: &mut [u8]) {
                bytes.copy_from_slice(&self.to_be_bytes());
            }
        }
    )*};
}
coordinate!(i32, i64, u32, u64);

/// Why there is no row tree, or a row isn't proved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RowError {
    /// No updates, or none with a coordinate.
    #[error("a row tree needs at least one update of at least one coordinate")]
    Empty,
    /// One update is longer or shorter than the first.
    #[error("update {index} has {got} coordinates, expected {expected}")]
    Length {
        /// Its place in the cohort.
        index: usize,
        /// Coordinates of the first update.
        expected: usize,
        /// Its coordinates.
        got: usize,
    },
    /// No such chunk.
    #[error("chunk {chunk} is past the last, {last}")]
    NoChunk {
        /// The chunk asked for.
        chunk: usize,
        /// The last there is.
        last: usize,
    },
    /// The row has another size than the header's cohort gives.
    #[error("the row has {got} bytes, expected {expected}")]
    Size {
        /// Bytes for the header's cohort.
        expected: usize,
        /// Bytes of the row.
        got: usize,
    },
    /// The row isn't under the root.
    #[error("row {chunk} is not under this root")]
    NotProven {
        /// Its chunk.
        chunk: u64,
    },
}

/// Number of chunks of `dimension` coordinates.
#[must_use]
pub fn chunks(dimension: u64) -> u64 {
    dimension.div_ceil(CHUNK as u64)
}

/// The tree over the cohort's rows; `updates` in the cohort's order, all of one length. Also the aggregate's tree, with
/// the aggregate as the only member: see [`aggregate_tree`].
///
/// # Errors
/// [`RowError::Empty`] and [`RowError::Length`].
pub fn row_tree<C: Coordinate>(updates: &[&[C]]) -> Result<Tree, RowError> {
    let dimension = updates.first().map_or(0, |first| first.len());
    if dimension == 0 {
        return Err(RowError::Empty);
    }
    if let Some((index, update)) = updates.iter().enumerate().find(|(_, update)| update.len() != dimension) {
        return Err(RowError::Length {
            index,
            expected: dimension,
            got: update.len(),
        });
    }
    let count = dimension.div_ceil(CHUNK);
    let rows = keccak256_many(count, row_bytes(updates), |chunk, row| write_row(updates, chunk, row));
    // The leading zero is there already.
    let leaves = keccak256_many(count, 33, |chunk, bytes| bytes[1..].copy_from_slice(&rows[chunk]));
    Ok(Tree::new(leaves))
}

/// The tree over the aggregate's chunks.
///
/// # Errors
/// [`RowError::Empty`].
pub fn aggregate_tree<C: Coordinate>(aggregate: &[C]) -> Result<Tree, RowError> {
    row_tree(&[aggregate])
}

/// One row and its place in the tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowProof {
    /// The row's bytes: [`CHUNK`] coordinates a member, zeros past the last coordinate.
    pub row: Vec<u8>,
    /// Its place; the index is the chunk.
    pub proof: Proof,
}

impl RowProof {
    /// The proof for one chunk of a tree that [`row_tree`] made of the same `updates`.
    ///
    /// # Errors
    /// [`RowError::NoChunk`].
    pub fn new<C: Coordinate>(updates: &[&[C]], tree: &Tree, chunk: usize) -> Result<Self, RowError> {
        let last = tree.len().saturating_sub(1);
        let proof = tree.proof(chunk).ok_or(RowError::NoChunk { chunk, last })?;
        let mut row = vec![0; row_bytes(updates)];
        write_row(updates, chunk, &mut row);
        Ok(Self { row, proof })
    }

    /// Checks the row against a header's root, cohort size and dimension.
    ///
    /// # Errors
    /// [`RowError::Size`] and [`RowError::NotProven`].
    pub fn verify<C: Coordinate>(&self, root: &Digest, cohort: u32, dimension: u64) -> Result<(), RowError> {
        let expected = (cohort as usize).saturating_mul(CHUNK * C::BYTES);
        if self.row.len() != expected {
            return Err(RowError::Size {
                expected,
                got: self.row.len(),
            });
        }
        if !self.proof.verify(root, &leaf(&self.row), chunks(dimension)) {
            return Err(RowError::NotProven {
                chunk: self.proof.index,
            });
        }
        Ok(())
    }
}

fn row_bytes<C: Coordinate>(updates: &[&[C]]) -> usize {
    updates.len() * CHUNK * C::BYTES
}

/// Into a row of zeros.
fn write_row<C: Coordinate>(updates: &[&[C]], chunk: usize, row: &mut [u8]) {
    for (update, word) in updates.iter().zip(row.chunks_exact_mut(CHUNK * C::BYTES)) {
        let coordinates = update.get(chunk * CHUNK..).unwrap_or_default();
        for (coordinate, bytes) in coordinates.iter().zip(word.chunks_exact_mut(C::BYTES)) {
            coordinate.write(bytes);
        }
    }
}

fn leaf(row: &[u8]) -> Digest {
    let mut hash = Keccak256::new();
    hash.update([0]);
    hash.update(keccak256(row));
    hash.finalize().0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_row_is_one_word_a_member_with_zeros_past_the_end() {
        let tree = row_tree(&[&[1, -1, 2][..], &[i32::MIN, 0, i32::MAX][..]]).unwrap();
        let mut row = vec![0; 64];
        row[3] = 1;
        row[4..8].fill(0xff);
        row[11] = 2;
        row[32] = 0x80;
        row[40..44].copy_from_slice(&[0x7f, 0xff, 0xff, 0xff]);
        assert_eq!(
            tree.root(),
            keccak256([&[0][..], keccak256(&row).as_slice()].concat()).0
        );
    }

    #[test]
    fn ragged_and_empty_cohorts_are_refused() {
        assert_eq!(row_tree::<i32>(&[]), Err(RowError::Empty));
        assert_eq!(row_tree::<i32>(&[&[]]), Err(RowError::Empty));
        let ragged = row_tree(&[&[1, 2][..], &[1][..]]);
        assert_eq!(
            ragged,
            Err(RowError::Length {
                index: 1,
                expected: 2,
                got: 1
            })
        );
    }

    proptest! {
        #[test]
        fn each_row_is_proved_and_no_changed_byte_is(
            updates in (1usize..40).prop_flat_map(|d| prop::collection::vec(prop::collection::vec(any::<i32>(), d), 1..6)),
            pick: prop::sample::Index,
            flip: prop::sample::Index,
        ) {
            let views: Vec<&[i32]> = updates.iter().map(Vec::as_slice).collect();
            let tree = row_tree(&views).unwrap();
            let (cohort, dimension) = (updates.len() as u32, updates[0].len() as u64);
            let mut proof = RowProof::new(&views, &tree, pick.index(tree.len())).unwrap();
            prop_assert_eq!(proof.verify::<i32>(&tree.root(), cohort, dimension), Ok(()));
            let size_is_checked = matches!(proof.verify::<i32>(&tree.root(), cohort + 1, dimension), Err(RowError::Size { .. }));
            prop_assert!(size_is_checked);
            let at = flip.index(proof.row.len());
            proof.row[at] ^= 1;
            prop_assert!(proof.verify::<i32>(&tree.root(), cohort, dimension).is_err());
        }
    }
}
