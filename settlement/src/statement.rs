//! The statement of a round: what a quorum of members signs and the round manager contract stores.
//!
//! [`RoundHeader::digest`] is the EIP-712 digest under the federation's [`Domain`] (its contract is the round manager);
//! the next header names it as its parent, so one signature vouches for the whole history. A [`Quorum`] checks
//! signatures as the contract does: strictly ascending by signer, members only, at least the threshold.
//!
//! A signature says "I recomputed this round"; two different headers of one round signed by the same member are an
//! equivocation. Members whose payout address is a contract (ERC-1271) can only be checked on chain.

use serde::{Deserialize, Serialize};

use crate::abi;
use crate::domain::Domain;
use crate::merkle::Digest;
use crate::payout::{Account, PayoutError, PayoutKey, Signature};

/// One round, in digests and totals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RoundHeader {
    /// Federation id.
    #[serde(with = "crate::bytes")]
    pub federation: Digest,
    /// From 1, without gaps.
    pub round: u64,
    /// Hash of the signed plan.
    #[serde(with = "crate::bytes")]
    pub plan_hash: Digest,
    /// Digest of the previous header; zero for round 1.
    #[serde(with = "crate::bytes")]
    pub parent: Digest,
    /// Root over the global model after the round.
    #[serde(with = "crate::bytes")]
    pub model_root: Digest,
    /// Root over the cohort's rows, see [`crate::row`].
    #[serde(with = "crate::bytes")]
    pub row_root: Digest,
    /// Root over the aggregate, same chunks.
    #[serde(with = "crate::bytes")]
    pub aggregate_root: Digest,
    /// Root of the transcript up to and including the round.
    #[serde(with = "crate::bytes")]
    pub transcript_root: Digest,
    /// Root over all chains of what everyone has earned so far, see [`crate::ledger`].
    #[serde(with = "crate::bytes")]
    pub reward_root: Digest,
    /// Sum of everything earned so far on all chains, in the token's smallest unit.
    #[serde(with = "crate::bytes::amount")]
    pub cumulative_budget: u128,
    /// Members whose updates were aggregated.
    pub cohort: u32,
    /// Coordinates of the aggregate.
    pub dimension: u64,
    /// Code of the aggregation rule; plus 128 where anything was done to the updates before it, plus 64 where rows are
    /// confidential and nobody may demand them on chain.
    pub rule: u8,
    /// What the rule takes, where a contract redoes it: the number trimmed from each end (big-endian), the hash of the
    /// weights; zero for others.
    #[serde(with = "crate::bytes")]
    pub rule_parameter: Digest,
    /// Root over everything that was received, see [`crate::input`].
    #[serde(with = "crate::bytes")]
    pub input_root: Digest,
    /// Which attempt at the round this is, from 0: receipts of attempts given up mean nothing for the one that counts.
    pub attempt: u32,
}

impl RoundHeader {
    /// The 32 bytes that members sign, the contract's `digestOf`.
    #[must_use]
    pub fn digest(&self, domain: &Domain) -> Digest {
        domain.digest(&abi::RoundHeader::from(self))
    }

    /// A member's signature over this header.
    ///
    /// # Errors
    /// As [`PayoutKey::sign`].
    pub fn sign(&self, domain: &Domain, key: &PayoutKey) -> Result<Signature, PayoutError> {
        key.sign(&self.digest(domain))
    }

    /// Who made `signature` over this header.
    ///
    /// # Errors
    /// As [`Signature::recover`].
    pub fn recover(&self, domain: &Domain, signature: &Signature) -> Result<Account, PayoutError> {
        signature.recover(&self.digest(domain))
    }
}

/// Why signatures are no quorum.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuorumError {
    /// A threshold of zero would accept anything.
    #[error("the threshold of a quorum is at least 1")]
    ZeroThreshold,
    /// Not enough signatures.
    #[error("{got} signatures, the threshold is {threshold}")]
    Missing {
        /// How many are needed.
        threshold: usize,
        /// How many there are.
        got: usize,
    },
    /// More signatures than members.
    #[error("{got} signatures from {members} members")]
    TooMany {
        /// Number of members.
        members: usize,
        /// Number of signatures.
        got: usize,
    },
    /// A signature that is none.
    #[error("signature {index} is not valid: {source}")]
    Invalid {
        /// Its position, from zero.
        index: usize,
        /// What is wrong with it.
        source: PayoutError,
    },
    /// Signers must ascend strictly, so that nobody counts twice.
    #[error("signature {index} is out of order: signers ascend strictly by address")]
    NotAscending {
        /// Its position, from zero.
        index: usize,
    },
    /// Signed by a stranger, or over another header.
    #[error("signature {index} is by {signer:02x?}, who is not a member")]
    NotMember {
        /// Its position, from zero.
        index: usize,
        /// Who signed, should the signature be over this very digest.
        signer: Account,
    },
}

/// Payout addresses of the members and how many of them must sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quorum {
    members: Vec<Account>,
    threshold: usize,
}

impl Quorum {
    /// A quorum of `threshold` among `members`, in any order; repeated addresses count once.
    ///
    /// # Errors
    /// [`QuorumError::ZeroThreshold`]. A threshold above the number of members is allowed, as on chain, and is never met.
    pub fn new(mut members: Vec<Account>, threshold: usize) -> Result<Self, QuorumError> {
        if threshold == 0 {
            return Err(QuorumError::ZeroThreshold);
        }
        members.sort_unstable();
        members.dedup();
        Ok(Self { members, threshold })
    }

    /// The members, ascending.
    #[must_use]
    pub fn members(&self) -> &[Account] {
        &self.members
    }

    /// How many must sign.
    #[must_use]
    pub fn threshold(&self) -> usize {
        self.threshold
    }

    /// Checks signatures as the contract does; answers the signers, ascending.
    ///
    /// # Errors
    /// [`QuorumError`] for the first signature that fails, or if there are too few.
    pub fn check(&self, digest: &Digest, signatures: &[Signature]) -> Result<Vec<Account>, QuorumError> {
        let (members, got) = (self.members.len(), signatures.len());
        if got < self.threshold {
            return Err(QuorumError::Missing {
                threshold: self.threshold,
                got,
            });
        }
        if got > members {
            return Err(QuorumError::TooMany { members, got });
        }
        let mut signers: Vec<Account> = Vec::with_capacity(got);
        for (index, signature) in signatures.iter().enumerate() {
            let signer = signature
                .recover(digest)
                .map_err(|source| QuorumError::Invalid { index, source })?;
            if self.members.binary_search(&signer).is_err() {
                return Err(QuorumError::NotMember { index, signer });
            }
            if signers.last().is_some_and(|previous| *previous >= signer) {
                return Err(QuorumError::NotAscending { index });
            }
            signers.push(signer);
        }
        Ok(signers)
    }

    /// From signatures as they came in (any order, doubles, strangers, nonsense) those that count, ascending by signer:
    /// what `postRound` takes.
    ///
    /// # Errors
    /// [`QuorumError::Missing`] if fewer than the threshold count.
    pub fn collect(
        &self,
        digest: &Digest,
        signatures: impl IntoIterator<Item = Signature>,
    ) -> Result<Vec<Signature>, QuorumError> {
        let signed = signatures
            .into_iter()
            .filter_map(|signature| Some((signature.recover(digest).ok()?, signature)));
        let counted: std::collections::BTreeMap<Account, Signature> = signed
            .filter(|(signer, _)| self.members.binary_search(signer).is_ok())
            .collect();
        if counted.len() < self.threshold {
            return Err(QuorumError::Missing {
                threshold: self.threshold,
                got: counted.len(),
            });
        }
        Ok(counted.into_values().collect())
    }
}

#[cfg(test)]
#[path = "statement_tests.rs"]
mod tests;
