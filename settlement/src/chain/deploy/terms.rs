//! What contracts are made with, and what follows from it.

use alloy::primitives::keccak256;
use serde::{Deserialize, Serialize};

use crate::merkle::Digest;

/// What a federation's contracts are made with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// Federation id.
    #[serde(with = "crate::bytes")]
    pub federation: Digest,
    /// Which run of the federation's plan this is: drawn at random when it begins.
    #[serde(with = "crate::bytes")]
    pub run: [u8; 16],
    /// Members that must sign a round; at least 2 unless `embedded`.
    pub threshold: u64,
    /// Whether this is the in-process chain of one operator: threshold 1 and no delay are then allowed.
    pub embedded: bool,
    /// The most that the cumulative budget may rise in one round, in the token's smallest unit.
    #[serde(with = "crate::bytes::amount")]
    pub per_round_cap: u128,
    /// Seconds between posting a round and its root becoming claimable.
    pub activation_delay: u64,
    /// What a signer of a lie loses at most, in the stakes' currency, which is the home chain's coin, in wei.
    #[serde(with = "crate::bytes::amount")]
    pub penalty: u128,
    /// Name of the token.
    pub token_name: String,
    /// Symbol of the token.
    pub token_symbol: String,
    /// All tokens there will ever be, in the smallest unit (18 decimals), created for the coordinator.
    #[serde(with = "crate::bytes::amount")]
    pub supply: u128,
    /// What the coordinator pays into the distributor, of the supply: all that this chain can come to owe.
    #[serde(with = "crate::bytes::amount")]
    pub funding: u128,
}

/// A limit of the contracts on timelock and time to answer: 90 days, in seconds.
const LONGEST: u64 = 90 * 24 * 3_600;

/// A limit of the vault on the time that stakes unbond: 730 days, in seconds.
const LONGEST_UNBONDING: u64 = 730 * 24 * 3_600;

impl Terms {
    /// The salt of CREATE2: `keccak256(federation || run)`. Two runs of one plan have contracts at addresses of their own, and so domains of their own
    /// for all that is signed for them: what was signed in one is no evidence in the other.
    #[must_use]
    pub fn salt(&self) -> Digest {
        keccak256([&self.federation[..], &self.run].concat()).0
    }

    /// Seconds before the signature of a member that is no founder counts: as long as a round can be disputed, so that strangers can't make a quorum
    /// before a veto could still stop it; none on an embedded chain.
    #[must_use]
    pub fn signer_timelock(&self) -> u64 {
        match self.embedded {
            true => 0,
            false => self.activation_delay.clamp(1, LONGEST),
        }
    }

    /// Seconds to answer a demand for a row, and then to prove with it: as long as the delay; none where there is none.
    #[must_use]
    pub fn answer_time(&self) -> u64 {
        self.activation_delay.min(LONGEST)
    }

    /// Bond of a demand for a row, in the coin's smallest unit: a hundredth of a coin, nothing on an embedded chain, whose accounts
    /// are one operator's.
    #[must_use]
    pub fn demand_bond(&self) -> u128 {
        match self.embedded {
            true => 0,
            false => 10_000_000_000_000_000,
        }
    }

    /// Seconds that a stake unbonds: twice the longest that a round can be disputed, so that nobody leaves before the proof.
    #[must_use]
    pub fn unbonding_time(&self) -> u64 {
        let longest = self
            .activation_delay
            .saturating_add(self.answer_time().saturating_mul(2));
        longest
            .saturating_mul(2)
            .saturating_add(1)
            .min(LONGEST_UNBONDING)
            .max(longest.saturating_add(1))
    }

    /// The same for a chain that isn't the home, which has a delay in any case.
    #[must_use]
    pub fn on_mirror(&self) -> Self {
        Self {
            activation_delay: self.activation_delay.max(1),
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms() -> Terms {
        Terms {
            federation: [7; 32],
            run: [1; 16],
            threshold: 2,
            embedded: false,
            per_round_cap: 1_000,
            activation_delay: 3_600,
            penalty: 7,
            token_name: "reward".into(),
            token_symbol: "R".into(),
            supply: 10_000,
            funding: 10_000,
        }
    }

    #[test]
    fn stakes_unbond_longer_than_any_dispute_lasts() {
        for delay in [0, 1, 3_600, 90 * 86_400, 365 * 86_400] {
            let terms = Terms {
                activation_delay: delay,
                embedded: delay == 0,
                ..terms()
            };
            let longest = delay + 2 * terms.answer_time();
            assert!(longest < terms.unbonding_time() && terms.unbonding_time() <= LONGEST_UNBONDING);
        }
    }
}
