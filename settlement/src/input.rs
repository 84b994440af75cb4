//! The input tree: everything that was received for a round, so that nothing received can be left out in silence.
//!
//! One [`Input`] an update that came in whole, whether it went into the rows or was refused, ascending strictly by node key.
//! Leaf: `keccak256(keccak256(abi.encode(keccak256("xfl.input.v1"), count, node key, commitment, position)))` with the
//! number of inputs in every leaf, so that the last one shows that it is the last; nodes as in [`crate::merkle`].
//!
//! A member whose commitment isn't listed stands between two neighbours: both leaves prove the omission. One that is listed ties
//! its place in every row ([`crate::row`]) to what it committed to. What the tree doesn't say: whether an update was refused for a
//! good reason.

use alloy::primitives::{B256, U256, keccak256};
use alloy::sol_types::SolValue;
use serde::{Deserialize, Serialize};

use crate::merkle::{Digest, Tree};

/// Position of an update that was received and refused.
pub const REFUSED: u32 = u32::MAX;

/// One update as it was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Input {
    /// Who sent it.
    #[serde(with = "crate::bytes")]
    pub node_key: Digest,
    /// Root that was committed to.
    #[serde(with = "crate::bytes")]
    pub commitment: Digest,
    /// Its place in every row, from 0; [`REFUSED`] where it was left out.
    pub position: u32,
}

/// Why there is no input tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    /// Keys must ascend strictly.
    #[error("input {index} does not stand in strictly ascending order of node keys")]
    NotAscending {
        /// The first that doesn't.
        index: usize,
    },
    /// More than a count of 32 bits.
    #[error("{got} inputs, at most {} are counted", u32::MAX)]
    TooMany {
        /// How many.
        got: usize,
    },
}

impl Input {
    /// The leaf's hash in a tree of `count` inputs.
    #[must_use]
    pub fn hash(&self, count: u32) -> Digest {
        let fields = (
            keccak256("xfl.input.v1"),
            U256::from(count),
            B256::from(self.node_key),
            B256::from(self.commitment),
            U256::from(self.position),
        );
        keccak256(keccak256(fields.abi_encode())).0
    }
}

/// The tree over a round's inputs; its root is zero where nothing was received.
///
/// # Errors
/// [`InputError`].
pub fn input_tree(inputs: &[Input]) -> Result<Tree, InputError> {
    let got = inputs.len();
    let count = u32::try_from(got).map_err(|_| InputError::TooMany { got })?;
    if let Some(place) = inputs.windows(2).position(|pair| pair[0].node_key >= pair[1].node_key) {
        return Err(InputError::NotAscending { index: place + 1 });
    }
    Ok(Tree::new(inputs.iter().map(|input| input.hash(count)).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(byte: u8, position: u32) -> Input {
        Input {
            node_key: [byte; 32],
            commitment: [byte ^ 0xff; 32],
            position,
        }
    }

    #[test]
    fn order_is_strict_and_the_count_is_in_every_leaf() {
        assert_eq!(input_tree(&[]).unwrap().root(), [0; 32]);
        let three = [input(1, 0), input(2, REFUSED), input(3, 1)];
        let tree = input_tree(&three).unwrap();
        assert_eq!(tree.leaf(1), Some(three[1].hash(3)));
        assert_ne!(three[1].hash(3), three[1].hash(4));
        for wrong in [[three[1], three[0]], [three[0], three[0]]] {
            assert_eq!(input_tree(&wrong), Err(InputError::NotAscending { index: 1 }));
        }
    }
}
