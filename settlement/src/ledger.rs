//! The ledger: what every participant has earned so far, on which chain, and the reward tree over it.
//!
//! Totals are cumulative and only grow. A participant is paid on one chain at a time; switching chains
//! ([`Ledger::bind`]) takes effect with the next [`Ledger::credit`], and what was earned before stays claimable where
//! it was earned, to the account it was earned for. A new account on the same chain receives all that wasn't claimed there yet.
//!
//! Rounds are credited strictly in sequence, each whole or not at all. The sum over all chains' budgets is the ledger's
//! total, which the round's header names and every signer and auditor recomputes.
//!
//! The order of the tree is by chain id, then by participant; leaves and chains without earnings are left out. It is
//! arithmetic alone: who is owed how much is the caller's, what was paid is known to the contracts.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::claim::{ClaimProof, Entry, Leaf, Venue};
use crate::merkle::{Digest, Tree};
use crate::payout::Account;

/// What all participants of one federation have earned. Serialised, it is a state file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    #[serde(with = "crate::bytes")]
    federation: Digest,
    round: u64,
    venues: BTreeMap<u64, Venue>,
    participants: BTreeMap<Digest, Participant>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Participant {
    chain_id: u64,
    #[serde(with = "crate::bytes")]
    payout: Account,
    earned: BTreeMap<u64, Earned>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Earned {
    #[serde(with = "crate::bytes")]
    payout: Account,
    #[serde(with = "crate::bytes::amount")]
    cumulative: u128,
}

/// Why the ledger refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// Nobody pays on this chain.
    #[error("no distributor is known on chain {chain_id}")]
    UnknownChain {
        /// The chain.
        chain_id: u64,
    },
    /// Leaves name the distributor and token: another one would orphan what was earned.
    #[error("chain {chain_id} already has another distributor or token")]
    VenueChanged {
        /// The chain.
        chain_id: u64,
    },
    /// Credited or claimed for somebody who was never bound.
    #[error("participant {participant:02x?} has no payout binding")]
    UnknownParticipant {
        /// The node key.
        participant: Digest,
    },
    /// Credited twice in one round.
    #[error("participant {participant:02x?} is credited twice in one round")]
    Twice {
        /// The node key.
        participant: Digest,
    },
    /// Rounds are credited in sequence.
    #[error("round {got} cannot be credited, the next is {expected}")]
    OutOfOrder {
        /// The next round.
        expected: u64,
        /// The round asked for.
        got: u64,
    },
    /// The sum of everything passes 2^128 - 1.
    #[error("the sum of all rewards overflows 128 bits")]
    Overflow,
}

impl Ledger {
    /// An empty ledger, before round 1.
    #[must_use]
    pub fn new(federation: Digest) -> Self {
        Self {
            federation,
            round: 0,
            venues: BTreeMap::new(),
            participants: BTreeMap::new(),
        }
    }

    /// The last round that was credited; zero before the first.
    #[must_use]
    pub fn round(&self) -> u64 {
        self.round
    }

    /// Federation id.
    #[must_use]
    pub fn federation(&self) -> Digest {
        self.federation
    }

    /// Adds a chain on which participants can be paid. Adding the same again changes nothing.
    ///
    /// # Errors
    /// [`LedgerError::VenueChanged`].
    pub fn add_venue(&mut self, venue: Venue) -> Result<(), LedgerError> {
        match self.venues.get(&venue.chain_id) {
            Some(known) if *known != venue => Err(LedgerError::VenueChanged {
                chain_id: venue.chain_id,
            }),
            _ => {
                self.venues.insert(venue.chain_id, venue);
                Ok(())
            }
        }
    }

    /// Says where a participant is paid from the next credit on.
    ///
    /// # Errors
    /// [`LedgerError::UnknownChain`].
    pub fn bind(&mut self, participant: Digest, payout: Account, chain_id: u64) -> Result<(), LedgerError> {
        if !self.venues.contains_key(&chain_id) {
            return Err(LedgerError::UnknownChain { chain_id });
        }
        let earned = self
            .participants
            .remove(&participant)
            .map(|known| known.earned)
            .unwrap_or_default();
        self.participants.insert(
            participant,
            Participant {
                chain_id,
                payout,
                earned,
            },
        );
        Ok(())
    }

    /// Credits one round's parts (token's smallest unit); participants who earned nothing may be left out. All or nothing.
    ///
    /// # Errors
    /// [`LedgerError`]; the ledger is then unchanged.
    pub fn credit(&mut self, round: u64, parts: &[(Digest, u128)]) -> Result<(), LedgerError> {
        let expected = self.round.checked_add(1).ok_or(LedgerError::Overflow)?;
        if round != expected {
            return Err(LedgerError::OutOfOrder { expected, got: round });
        }
        let mut seen = BTreeSet::new();
        let mut total = self.total();
        for &(participant, amount) in parts {
            if !self.participants.contains_key(&participant) {
                return Err(LedgerError::UnknownParticipant { participant });
            }
            if !seen.insert(participant) {
                return Err(LedgerError::Twice { participant });
            }
            total = total.checked_add(amount).ok_or(LedgerError::Overflow)?;
        }
        for (key, amount) in parts.iter().filter(|(_, amount)| *amount > 0) {
            if let Some(participant) = self.participants.get_mut(key) {
                let payout = participant.payout;
                let earned = participant
                    .earned
                    .entry(participant.chain_id)
                    .or_insert(Earned { payout, cumulative: 0 });
                // Below the total, which was checked.
                earned.cumulative = earned.cumulative.saturating_add(*amount);
                earned.payout = payout;
            }
        }
        self.round = round;
        Ok(())
    }

    /// Everything earned so far, on all chains: the header's cumulative budget.
    #[must_use]
    pub fn total(&self) -> u128 {
        let earned = self
            .participants
            .values()
            .flat_map(|participant| participant.earned.values());
        earned.fold(0, |sum, earned| sum.saturating_add(earned.cumulative))
    }

    /// What a participant has earned so far on one chain.
    #[must_use]
    pub fn cumulative(&self, participant: &Digest, chain_id: u64) -> u128 {
        let known = self.participants.get(participant);
        known
            .and_then(|known| known.earned.get(&chain_id))
            .map_or(0, |earned| earned.cumulative)
    }

    /// What a participant has earned so far on all chains together.
    #[must_use]
    pub fn earned(&self, participant: &Digest) -> u128 {
        let earned = self.participants.get(participant).map(|known| known.earned.values());
        let sum = |sum: u128, earned: &Earned| sum.saturating_add(earned.cumulative);
        earned.map_or(0, |earned| earned.fold(0, sum))
    }

    /// The reward tree after the last credited round.
    #[must_use]
    pub fn tree(&self) -> RewardTree {
        let mut chains = Vec::new();
        for venue in self.venues.values() {
            let leaves: Vec<Leaf> = self.leaves(venue).collect();
            if leaves.is_empty() {
                continue;
            }
            let tree = Tree::new(Leaf::hash_all(&leaves));
            let cumulative_budget = leaves
                .iter()
                .fold(0, |sum: u128, leaf| sum.saturating_add(leaf.cumulative));
            let entry = Entry {
                venue: *venue,
                chain_root: tree.root(),
                cumulative_budget,
            };
            chains.push(ChainTree { entry, leaves, tree });
        }
        let tree = Tree::new(chains.iter().map(|chain| chain.entry.hash()).collect());
        RewardTree {
            round: self.round,
            chains,
            tree,
        }
    }

    fn leaves(&self, venue: &Venue) -> impl Iterator<Item = Leaf> {
        self.participants.iter().filter_map(move |(participant, known)| {
            let earned = known
                .earned
                .get(&venue.chain_id)
                .filter(|earned| earned.cumulative > 0)?;
            Some(Leaf {
                federation: self.federation,
                participant: *participant,
                payout: earned.payout,
                venue: *venue,
                cumulative: earned.cumulative,
            })
        })
    }
}

/// The tree over everything earned up to one round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RewardTree {
    round: u64,
    chains: Vec<ChainTree>,
    tree: Tree,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct ChainTree {
    entry: Entry,
    leaves: Vec<Leaf>,
    tree: Tree,
}

impl RewardTree {
    /// The reward root of the round's header; zero while nobody has earned anything.
    #[must_use]
    pub fn root(&self) -> Digest {
        self.tree.root()
    }

    /// The round after which this much was earned.
    #[must_use]
    pub fn round(&self) -> u64 {
        self.round
    }

    /// The layers of a chain's tree, see [`Tree::layers`].
    #[must_use]
    pub fn layers(&self, chain_id: u64) -> &[Vec<Digest>] {
        let chain = self.chains.iter().find(|chain| chain.entry.venue.chain_id == chain_id);
        chain.map_or(&[], |chain| chain.tree.layers())
    }

    /// One entry a chain, by chain id.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        self.chains.iter().map(|chain| chain.entry).collect()
    }

    /// The leaves of a chain, by participant.
    #[must_use]
    pub fn leaves(&self, chain_id: u64) -> &[Leaf] {
        let chain = self.chains.iter().find(|chain| chain.entry.venue.chain_id == chain_id);
        chain.map_or(&[], |chain| &chain.leaves)
    }

    /// What a participant can claim on a chain; none where it has earned nothing there.
    #[must_use]
    pub fn claim(&self, participant: &Digest, chain_id: u64) -> Option<ClaimProof> {
        let (place, chain) = self
            .chains
            .iter()
            .enumerate()
            .find(|(_, chain)| chain.entry.venue.chain_id == chain_id)?;
        let index = chain
            .leaves
            .binary_search_by(|leaf| leaf.participant.cmp(participant))
            .ok()?;
        Some(ClaimProof {
            round: self.round,
            entry: chain.entry,
            entry_proof: self.tree.proof(place)?,
            leaf: chain.leaves[index],
            leaf_proof: chain.tree.proof(index)?,
        })
    }

    /// Every claim of every participant, by chain, then participant.
    pub fn claims(&self) -> impl Iterator<Item = ClaimProof> {
        self.chains.iter().flat_map(move |chain| {
            let chain_id = chain.entry.venue.chain_id;
            chain
                .leaves
                .iter()
                .filter_map(move |leaf| self.claim(&leaf.participant, chain_id))
        })
    }
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
