//! Everything that proves a federation's rounds and payments on one chain, as it is collected from a node and kept in a file.
//!
//! It is a bag of bytes: whoever collected it is believed nothing. [`crate::audit::proven`] checks it.
//!
//! How many of each there may be is bounded where it is read ([`MAX_HEADERS`], [`MAX_SLOTS`], [`MAX_POSTINGS`], and
//! [`MAX_NODES`] a proof), before anything is allocated for those above.

use std::fmt;
use std::marker::PhantomData;

use alloy::primitives::Bytes;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::trie::MAX_NODES;
use crate::merkle::Digest;

/// The most headers of a chain: sixteen walks back from a checkpoint.
pub const MAX_HEADERS: usize = 131_072;
/// The most slots of a contract.
pub const MAX_SLOTS: usize = 16_384;
/// The most postings of a chain.
pub const MAX_POSTINGS: usize = 16_384;

/// Proofs of one chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collected {
    /// EIP-155 id.
    pub chain_id: u64,
    /// Hash of the block whose state is proven.
    #[serde(with = "crate::bytes")]
    pub block: Digest,
    /// Headers in RLP: that block's, those of checkpoints and of postings, and those between them.
    #[serde(deserialize_with = "bounded::<_, _, MAX_HEADERS>")]
    pub headers: Vec<Bytes>,
    /// The contract that holds the rounds.
    pub rounds: Contract,
    /// The contract that pays.
    pub distributor: Contract,
    /// Events.
    #[serde(deserialize_with = "bounded::<_, _, MAX_POSTINGS>")]
    pub postings: Vec<Posting>,
}

/// A contract in that state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contract {
    /// Its code; the account's hash proves it.
    pub code: Bytes,
    /// Nodes from the state root to the account.
    #[serde(deserialize_with = "bounded::<_, _, MAX_NODES>")]
    pub nodes: Vec<Bytes>,
    /// Slots.
    #[serde(deserialize_with = "bounded::<_, _, MAX_SLOTS>")]
    pub slots: Vec<Slot>,
}

/// A slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// Which.
    #[serde(with = "crate::bytes")]
    pub slot: Digest,
    /// Nodes from the contract's storage root to it, or to where it isn't.
    #[serde(deserialize_with = "bounded::<_, _, MAX_NODES>")]
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
    #[serde(deserialize_with = "bounded::<_, _, MAX_NODES>")]
    pub nodes: Vec<Bytes>,
}

impl Collected {
    /// What there is more of than is read again, how many, and how many may be.
    pub(crate) fn too_many(&self) -> Option<(&'static str, usize, usize)> {
        let contracts = [&self.rounds, &self.distributor];
        let slots = contracts
            .iter()
            .flat_map(|contract| &contract.slots)
            .map(|slot| &slot.nodes);
        let nodes = contracts.iter().map(|contract| &contract.nodes).chain(slots);
        let nodes = nodes.chain(self.postings.iter().map(|posting| &posting.nodes));
        let counts = [
            ("headers", self.headers.len(), MAX_HEADERS),
            ("postings", self.postings.len(), MAX_POSTINGS),
            (
                "slots",
                contracts
                    .map(|contract| contract.slots.len())
                    .into_iter()
                    .max()
                    .unwrap_or(0),
                MAX_SLOTS,
            ),
            ("nodes of a proof", nodes.map(Vec::len).max().unwrap_or(0), MAX_NODES),
        ];
        counts.into_iter().find(|(_, got, most)| got > most)
    }
}

/// A list of at most `MAX`.
pub(crate) fn bounded<'de, D, T, const MAX: usize>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct List<T, const MAX: usize>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for List<T, MAX> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of at most {MAX}")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
            let mut all = Vec::new();
            while let Some(next) = list.next_element()? {
                if all.len() == MAX {
                    return Err(A::Error::custom(format_args!("more than {MAX}")));
                }
                all.push(next);
            }
            Ok(all)
        }
    }

    deserializer.deserialize_seq(List::<T, MAX>(PhantomData))
}
