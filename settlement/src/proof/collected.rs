//! Everything that proves a federation's rounds and payments on one chain, as it is collected from a node and kept in a file.
//!
//! It is a bag of bytes: whoever collected it is believed nothing. [`crate::audit::proven`] checks it.

use alloy::primitives::Bytes;
use serde::{Deserialize, Serialize};

use crate::merkle::Digest;

/// Proofs of one chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collected {
    /// EIP-155 id.
    pub chain_id: u64,
    /// Hash of the block whose state is proven.
    #[serde(with = "crate::bytes")]
    pub block: Digest,
    /// Headers in RLP: that block's, those of checkpoints and of postings, and those between them.
    pub headers: Vec<Bytes>,
    /// The contract that holds the rounds.
    pub rounds: Contract,
    /// The contract that pays.
    pub distributor: Contract,
    /// Events.
    pub postings: Vec<Posting>,
}

/// A contract in that state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contract {
    /// Its code; the account's hash proves it.
    pub code: Bytes,
    /// Nodes from the state root to the account.
    pub nodes: Vec<Bytes>,
    /// Slots.
    pub slots: Vec<Slot>,
}

/// A slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// Which.
    #[serde(with = "crate::bytes")]
    pub slot: Digest,
    /// Nodes from the contract's storage root to it, or to where it isn't.
    pub nodes: Vec<Bytes>,
}

/// The event of a round's posting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posting {
    /// The round.
    pub round: u64,
    /// Hash of the block that has it.
    #[serde(with = "crate::bytes")]
    pub block: Digest,
    /// Its transaction's place in the block.
    pub index: u64,
    /// Nodes from the receipts root to the receipt.
    pub nodes: Vec<Bytes>,
}

impl Contract {
    /// The nodes of a slot, if they were collected.
    #[must_use]
    pub fn slot(&self, slot: &Digest) -> Option<&[Bytes]> {
        let found = self.slots.iter().find(|kept| kept.slot == *slot);
        found.map(|kept| kept.nodes.as_slice())
    }
}
