//! Receipts: from a block's receipts root to the events of one of its transactions.
//!
//! The key of a receipt is its transaction's place in the block, in RLP; the value its EIP-2718 bytes. No node serves proofs of them:
//! [`prove`] makes one from all receipts of the block, and shows at once whether they are the block's, for their root is in its header.

use std::collections::BTreeMap;

use alloy::consensus::ReceiptEnvelope;
use alloy::eips::eip2718::Decodable2718;
use alloy::primitives::{Bytes, Log};

use super::trie::{self, MAX_BYTES, TrieError};
use crate::merkle::Digest;
use crate::payout::Account;

/// The most receipts of a block.
pub const MAX_RECEIPTS: usize = 65_536;
/// The most bytes of a block's receipts.
pub const MAX_BLOCK: usize = 256 * 1024 * 1024;

/// Why a receipt isn't proven.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// The nodes on the way to it.
    #[error("receipt {index} isn't proven: {source}")]
    Trie {
        /// Its transaction's place in the block.
        index: u64,
        /// Why.
        source: TrieError,
    },
    /// The block has no such transaction.
    #[error("the block has no transaction {index}")]
    None {
        /// The place asked for.
        index: u64,
    },
    /// What the trie holds is no receipt of a kind that is known here (legacy, and types 1 to 4).
    #[error("receipt {index} is malformed or of an unknown kind: {reason}")]
    Malformed {
        /// Its transaction's place in the block.
        index: u64,
        /// Why.
        reason: String,
    },
    /// More than a block can have.
    #[error("a block has at most {MAX_RECEIPTS} receipts and {MAX_BLOCK} bytes of them, got {got} and {bytes}")]
    TooMany {
        /// How many.
        got: usize,
        /// Their bytes.
        bytes: usize,
    },
}

/// A receipt that a block holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt(ReceiptEnvelope);

impl Receipt {
    /// The receipt of the block's transaction `index`, proved by nodes.
    ///
    /// # Errors
    /// [`ReceiptError`].
    pub fn proven(receipts_root: &Digest, index: u64, nodes: &[Bytes]) -> Result<Self, ReceiptError> {
        let found = trie::lookup(receipts_root, &key(index), nodes);
        let bytes = found
            .map_err(|source| ReceiptError::Trie { index, source })?
            .ok_or(ReceiptError::None { index })?;
        let receipt = ReceiptEnvelope::decode_2718_exact(&bytes);
        let receipt = receipt.map_err(|error| ReceiptError::Malformed {
            index,
            reason: error.to_string(),
        })?;
        Ok(Self(receipt))
    }

    /// Whether the transaction succeeded.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.0.status()
    }

    /// What contracts told in it, in their order.
    #[must_use]
    pub fn logs(&self) -> &[Log] {
        self.0.logs()
    }

    /// The first event of a contract with these topics at its beginning.
    #[must_use]
    pub fn event(&self, contract: &Account, topics: &[Digest]) -> Option<&Log> {
        self.logs().iter().find(|log| {
            let told = log.topics();
            log.address == *contract && told.len() >= topics.len() && told.iter().zip(topics).all(|(a, b)| a == b)
        })
    }
}

/// Root over all receipts of a block, each in its EIP-2718 bytes and in the block's order, and the nodes that prove the one at `index`.
///
/// # Errors
/// [`ReceiptError::None`] and [`ReceiptError::TooMany`].
pub fn prove(receipts: &[Vec<u8>], index: u64) -> Result<(Digest, Vec<Bytes>), ReceiptError> {
    let bytes = receipts.iter().map(Vec::len).fold(0, usize::saturating_add);
    if receipts.len() > MAX_RECEIPTS || bytes > MAX_BLOCK {
        let got = receipts.len();
        return Err(ReceiptError::TooMany { got, bytes });
    }
    if index >= receipts.len() as u64 {
        return Err(ReceiptError::None { index });
    }
    let entries: BTreeMap<_, _> = (0..).map(key).zip(receipts.iter().cloned()).collect();
    let wrong = |source| ReceiptError::Trie { index, source };
    let (root, mut nodes) = trie::prove(&entries, &[&key(index)]).map_err(wrong)?;
    let nodes = nodes.pop().unwrap_or_default();
    let proof: usize = nodes.iter().map(|node| node.len()).sum();
    if proof > MAX_BYTES {
        return Err(wrong(TrieError::TooLarge { got: proof }));
    }
    Ok((root, nodes))
}

fn key(index: u64) -> Vec<u8> {
    alloy::rlp::encode(index)
}
