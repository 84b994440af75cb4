//! Claims: the leaves and entries of the reward tree, and the proof that one of them is owed.
//!
//! Two levels of the same positional tree ([`crate::merkle`]): a **leaf** says what one participant has earned on one
//! chain since the first round; the leaves of a chain are under its chain root; an **entry** says chain, distributor, token, chain
//! root and the sum of its leaves; the entries are under the one reward root that every chain gets. Hashes are
//! `keccak256(keccak256(abi.encode(tag, fields...)))` with the tags `keccak256("xfl.entry.v1")` and
//! `keccak256("xfl.leaf.v1")`: entries, leaves and nodes can't pass for one another.
//!
//! Amounts are totals that never decrease, so a claim under any activated round pays the difference to what was paid
//! before, rounds that were missed cost nothing, and the same proof used twice pays once.

use alloy::primitives::{Address, B256, U256, keccak256};
use alloy::sol_types::SolValue;
use serde::{Deserialize, Serialize};
use xfl_keccak::keccak256_many;

use crate::merkle::{Digest, Proof};
use crate::payout::Account;

/// Where a chain pays: the contract and the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Venue {
    /// EIP-155 id.
    pub chain_id: u64,
    /// The distributor contract.
    #[serde(with = "crate::bytes")]
    pub distributor: Account,
    /// The ERC-20 it pays in.
    #[serde(with = "crate::bytes")]
    pub token: Account,
}

/// One chain's share of everything earned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Entry {
    /// Where it is paid.
    pub venue: Venue,
    /// Root over the chain's leaves.
    #[serde(with = "crate::bytes")]
    pub chain_root: Digest,
    /// Sum of the chain's leaves, in the token's smallest unit.
    #[serde(with = "crate::bytes::amount")]
    pub cumulative_budget: u128,
}

impl Entry {
    /// The entry's hash in the reward tree.
    #[must_use]
    pub fn hash(&self) -> Digest {
        let fields = (
            keccak256("xfl.entry.v1"),
            U256::from(self.venue.chain_id),
            Address::from(self.venue.distributor),
            Address::from(self.venue.token),
            B256::from(self.chain_root),
            U256::from(self.cumulative_budget),
        );
        keccak256(keccak256(fields.abi_encode())).0
    }
}

/// What one participant has earned on one chain since the first round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Leaf {
    /// Federation that pays.
    #[serde(with = "crate::bytes")]
    pub federation: Digest,
    /// Node key of the earner.
    #[serde(with = "crate::bytes")]
    pub participant: Digest,
    /// Account that receives the money.
    #[serde(with = "crate::bytes")]
    pub payout: Account,
    /// Where it is paid.
    pub venue: Venue,
    /// Earned so far, in the token's smallest unit.
    #[serde(with = "crate::bytes::amount")]
    pub cumulative: u128,
}

impl Leaf {
    /// The leaf's hash in its chain's tree.
    #[must_use]
    pub fn hash(&self) -> Digest {
        let fields = (
            keccak256("xfl.leaf.v1"),
            B256::from(self.federation),
            B256::from(self.participant),
            Address::from(self.payout),
            U256::from(self.venue.chain_id),
            Address::from(self.venue.distributor),
            Address::from(self.venue.token),
            U256::from(self.cumulative),
        );
        keccak256(keccak256(fields.abi_encode())).0
    }

    /// [`Self::hash`] of many.
    #[must_use]
    pub fn hash_all(leaves: &[Self]) -> Vec<Digest> {
        let tag = keccak256("xfl.leaf.v1").0;
        // Eight words, numbers and addresses at their ends.
        let inner = keccak256_many(leaves.len(), 8 * 32, |index, bytes| {
            let leaf = &leaves[index];
            let fields: [&[u8]; 8] = [
                &tag,
                &leaf.federation,
                &leaf.participant,
                &leaf.payout,
                &leaf.venue.chain_id.to_be_bytes(),
                &leaf.venue.distributor,
                &leaf.venue.token,
                &leaf.cumulative.to_be_bytes(),
            ];
            for (word, field) in bytes.chunks_exact_mut(32).zip(fields) {
                word[32 - field.len()..].copy_from_slice(field);
            }
        });
        keccak256_many(leaves.len(), 32, |index, bytes| bytes.copy_from_slice(&inner[index]))
    }
}

/// Everything that the distributor's `claim` needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimProof {
    /// Round whose reward root the proof leads to; it must be active.
    pub round: u64,
    /// The chain's entry.
    pub entry: Entry,
    /// From the entry to the reward root.
    pub entry_proof: Proof,
    /// The participant's leaf.
    pub leaf: Leaf,
    /// From the leaf to the entry's chain root.
    pub leaf_proof: Proof,
}

/// Why a claim would not be paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    /// Leaf and entry name different chains, distributors or tokens.
    #[error("the leaf and its entry name different places to be paid")]
    Venue,
    /// The leaf alone exceeds its chain's sum.
    #[error("the leaf is for {leaf}, more than its chain's {budget}")]
    AboveBudget {
        /// The leaf's total.
        leaf: u128,
        /// The entry's sum.
        budget: u128,
    },
    /// The leaf isn't under the chain root.
    #[error("the leaf is not under its entry's chain root")]
    LeafNotProven,
    /// The entry isn't under the reward root.
    #[error("the entry is not under the round's reward root")]
    EntryNotProven,
}

impl ClaimProof {
    /// Checks both proofs against a round's reward root, as the contract does.
    ///
    /// # Errors
    /// [`ClaimError`] for the first check that fails.
    pub fn verify(&self, reward_root: &Digest) -> Result<(), ClaimError> {
        let (leaf, budget) = (self.leaf.cumulative, self.entry.cumulative_budget);
        if self.leaf.venue != self.entry.venue {
            return Err(ClaimError::Venue);
        }
        if leaf > budget {
            return Err(ClaimError::AboveBudget { leaf, budget });
        }
        if self.leaf_proof.root(&self.leaf.hash()) != Some(self.entry.chain_root) {
            return Err(ClaimError::LeafNotProven);
        }
        if self.entry_proof.root(&self.entry.hash()).as_ref() != Some(reward_root) {
            return Err(ClaimError::EntryNotProven);
        }
        Ok(())
    }
}
