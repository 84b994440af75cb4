//! keccak256 Merkle trees that a contract can check: positional, padded with zero to a power of two.
//!
//! `node = keccak256(0x01 || left || right)`. Leaves are digests that the caller makes with a tag of their own (never
//! 65 bytes beginning with 1), so that no node passes for a leaf. The position of a leaf is part of what is proved: bit
//! `i` of the index says on which side the running hash stands at height `i`, and the depth is given by the number
//! of leaves, so proofs can be neither shortened nor lengthened.
//!
//! An empty tree has the root zero, a tree of one leaf that leaf. Padding leaves are zero, which is no digest of
//! anything known; a proof for an index past the last leaf therefore proves nothing about content.
//!
//! Memory: twice the leaves, 64 bytes each. Building hashes once per leaf.

use alloy::primitives::keccak256;
use serde::{Deserialize, Serialize};
use xfl_keccak::keccak256_many;

/// A 32-byte digest.
pub type Digest = [u8; 32];

/// Trees deeper than this are refused: 2^32 leaves are more than anything here counts.
pub const MAX_DEPTH: usize = 32;

/// The digest of an inner node.
#[must_use]
pub fn node(left: &Digest, right: &Digest) -> Digest {
    let mut bytes = [1; 65];
    bytes[1..33].copy_from_slice(left);
    bytes[33..].copy_from_slice(right);
    keccak256(bytes).0
}

/// The depth of a tree over `leaves` leaves: the exponent of the next power of two.
#[must_use]
pub fn depth(leaves: u64) -> usize {
    leaves
        .checked_sub(1)
        .map_or(0, |last| (u64::BITS - last.leading_zeros()) as usize)
}

/// A whole tree, every layer kept, so that a proof costs no hashing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    /// From the padded leaves up to the root; no layer at all where there are no leaves.
    layers: Vec<Vec<Digest>>,
    leaves: usize,
}

/// [`node`] of every pair.
fn parents(below: &[Digest]) -> Vec<Digest> {
    keccak256_many(below.len() / 2, 65, |pair, bytes| {
        bytes[0] = 1;
        bytes[1..33].copy_from_slice(&below[2 * pair]);
        bytes[33..].copy_from_slice(&below[2 * pair + 1]);
    })
}

/// Where a leaf stands and the digests beside its way to the root, from the bottom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// Position of the leaf, from zero.
    pub index: u64,
    /// One digest a height.
    #[serde(with = "crate::bytes::list")]
    pub siblings: Vec<Digest>,
}

impl Tree {
    /// The tree over `leaves`, in this order.
    #[must_use]
    pub fn new(mut leaves: Vec<Digest>) -> Self {
        let count = leaves.len();
        if count == 0 {
            return Self {
                layers: Vec::new(),
                leaves: 0,
            };
        }
        leaves.resize(count.next_power_of_two(), [0; 32]);
        let mut layers = vec![leaves];
        while let Some(below) = layers.last().filter(|below| below.len() > 1) {
            layers.push(parents(below));
        }
        Self { layers, leaves: count }
    }

    /// The root; zero without leaves.
    #[must_use]
    pub fn root(&self) -> Digest {
        self.layers
            .last()
            .and_then(|top| top.first())
            .copied()
            .unwrap_or_default()
    }

    /// From the padded leaves up to the root; none where there are no leaves.
    #[must_use]
    pub fn layers(&self) -> &[Vec<Digest>] {
        &self.layers
    }

    /// Number of leaves, without padding.
    #[must_use]
    pub fn len(&self) -> usize {
        self.leaves
    }

    /// Whether there are no leaves.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.leaves == 0
    }

    /// The leaf at `index`, if there is one.
    #[must_use]
    pub fn leaf(&self, index: usize) -> Option<Digest> {
        self.layers.first()?.get(index).copied().filter(|_| index < self.leaves)
    }

    /// The proof for the leaf at `index`; none for padding and beyond.
    #[must_use]
    pub fn proof(&self, index: usize) -> Option<Proof> {
        self.leaf(index)?;
        let (_, below) = self.layers.split_last()?;
        let siblings = below
            .iter()
            .enumerate()
            .map(|(height, layer)| layer[(index >> height) ^ 1])
            .collect();
        Some(Proof {
            index: index as u64,
            siblings,
        })
    }
}

impl Proof {
    /// The root this proof leads to from `leaf`; none where the index doesn't fit the number of siblings.
    #[must_use]
    pub fn root(&self, leaf: &Digest) -> Option<Digest> {
        if self.siblings.len() > MAX_DEPTH || self.index >> self.siblings.len() != 0 {
            return None;
        }
        let climb = |hash: Digest, (height, sibling): (usize, &Digest)| match (self.index >> height) & 1 {
            0 => node(&hash, sibling),
            _ => node(sibling, &hash),
        };
        Some(self.siblings.iter().enumerate().fold(*leaf, climb))
    }

    /// Whether `leaf` stands at [`Self::index`] of the tree of `leaves` leaves under `root`.
    #[must_use]
    pub fn verify(&self, root: &Digest, leaf: &Digest, leaves: u64) -> bool {
        self.index < leaves && self.siblings.len() == depth(leaves) && self.root(leaf).as_ref() == Some(root)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn leaves(count: usize) -> Vec<Digest> {
        (0..count)
            .map(|index| keccak256((index as u64).to_be_bytes()).0)
            .collect()
    }

    #[test]
    fn small_trees_are_what_the_definition_says() {
        let [a, b, c]: [Digest; 3] = leaves(3).try_into().unwrap();
        assert_eq!(Tree::new(vec![]).root(), [0; 32]);
        assert_eq!(Tree::new(vec![a]).root(), a);
        assert_eq!(
            Tree::new(vec![a, b, c]).root(),
            node(&node(&a, &b), &node(&c, &[0; 32]))
        );
        assert_eq!([0, 1, 2, 3, 4, 5, 1 << 40].map(depth), [0, 0, 1, 2, 2, 3, 40]);
        assert!(Tree::new(vec![a, b, c]).proof(3).is_none());
    }

    proptest! {
        #[test]
        fn proofs_hold_for_their_leaf_place_and_size_alone(count in 1usize..70, pick: prop::sample::Index, bit in 0usize..256) {
            let tree = Tree::new(leaves(count));
            let index = pick.index(count);
            let (root, leaf, size) = (tree.root(), tree.leaf(index).unwrap(), count as u64);
            let proof = tree.proof(index).unwrap();
            prop_assert!(proof.verify(&root, &leaf, size));

            let mut other = leaf;
            other[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(!proof.verify(&root, &other, size));
            let moved = Proof { index: (proof.index + 1) % size.next_power_of_two(), ..proof.clone() };
            prop_assert!(count == 1 || !moved.verify(&root, &leaf, size));
            let far = Proof { index: proof.index + size.next_power_of_two(), ..proof.clone() };
            prop_assert!(far.root(&leaf).is_none());
            if let Some((sibling, rest)) = proof.siblings.split_first() {
                let pair = if index & 1 == 0 { node(&leaf, sibling) } else { node(sibling, &leaf) };
                let shortened = Proof { index: proof.index >> 1, siblings: rest.to_vec() };
                prop_assert!(!shortened.verify(&root, &pair, size));
            }
        }
    }
}
