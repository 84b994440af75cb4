//! Refutations: from what was received in a round to the calldata that proves its header a lie on chain.
//!
//! [`wrong_coordinate`] redoes the header's rule over the cohort's updates, coordinate by coordinate, and stops at the first that
//! the aggregate has wrong; [`RuleProof`] proves one. [`InputProof`] proves a row that isn't what a member committed to, [`OmissionProof`] an
//! update with a receipt that was left out, [`Equivocation`] two headers under one signature. What is shown of a round is one chunk of it, an
//! [`Evidence`]. All of it is arithmetic on what the caller holds: no chain is asked, and what the contract will say is known before a
//! transaction is paid for.
//!
//! Rules that a contract can redo: floored mean (1), median (2), trimmed mean (3), sign majority (5), weighted mean (18), with the
//! codes of the header; any other, or a rule after stages, is [`RefuteError::NotProvable`]. Cost: n log n a coordinate, plus the two
//! trees' hashing.
//!
//! References: the contracts' `Disputes.sol` and `Rules.sol`, which the shared vectors and tests on the embedded chain hold this to.

mod equivocation;
mod evidence;
mod input;
mod omission;

use alloy::sol_types::SolCall;
use serde::{Deserialize, Serialize};

use crate::abi;
use crate::keccak256;
use crate::merkle::Digest;
use crate::payout::PayoutError;
use crate::receipt::ReceiptError;
use crate::row::{CHUNK, RowError};
use crate::statement::RoundHeader;

pub use equivocation::Equivocation;
pub use evidence::Evidence;
pub use input::{InputProof, Opening};
pub use omission::OmissionProof;

/// Bit of a rule's code that says that rows are confidential.
const CONFIDENTIAL: u8 = 0x40;

/// Why nothing is refuted, or can be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RefuteError {
    /// No contract can redo this rule.
    #[error("rule {rule} cannot be redone by a contract: a quorum's word stands instead")]
    NotProvable {
        /// The header's code.
        rule: u8,
    },
    /// The rule has no result for this cohort and parameter.
    #[error("rule {rule} has no result for {cohort} updates")]
    NoResult {
        /// The header's code.
        rule: u8,
        /// Number of updates.
        cohort: usize,
    },
    /// The updates or the aggregate aren't what the header is over.
    #[error("{what} are not what the header is over")]
    OtherData {
        /// Which.
        what: &'static str,
    },
    /// The coordinate is what the rule makes of the row.
    #[error("the coordinate follows the rule: it is {value}")]
    Follows {
        /// Both.
        value: i32,
    },
    /// The row has the very chunk that the member committed to.
    #[error("the row has what the member committed to")]
    Matches,
    /// The member's update was refused: it stands in no row.
    #[error("the member's update was received and refused: it stands in no row")]
    Refused,
    /// The member isn't among the inputs.
    #[error("the member is not among the round's inputs")]
    NotListed,
    /// The update with the receipt is among the inputs.
    #[error("the update with this receipt is among the round's inputs")]
    Listed,
    /// The receipt is for something else.
    #[error("the receipt is for round {round}, attempt {attempt} of its federation, which is not the header's")]
    OtherReceipt {
        /// The receipt's round.
        round: u64,
        /// The receipt's attempt.
        attempt: u32,
    },
    /// The receipt isn't the coordinator's.
    #[error(transparent)]
    Receipt(#[from] ReceiptError),
    /// A signature that is none.
    #[error(transparent)]
    Signature(PayoutError),
    /// Two headers that are no equivocation.
    #[error("no equivocation: {what}")]
    NoEquivocation {
        /// Why.
        what: &'static str,
    },
    /// No tree can be built, or there is no such chunk.
    #[error(transparent)]
    Row(#[from] RowError),
}

/// A round as whoever refutes it holds it.
#[derive(Debug, Clone, Copy)]
pub struct Round<'a> {
    /// What the quorum signed.
    pub header: &'a RoundHeader,
    /// The cohort's updates, in its order.
    pub updates: &'a [&'a [i32]],
    /// The aggregate that the header is over.
    pub aggregate: &'a [i32],
    /// Weights of the cohort, for the weighted mean; empty for other rules.
    pub weights: &'a [u64],
}

/// Evidence about one coordinate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleProof {
    /// Place of the coordinate, from 0.
    pub coordinate: u64,
    /// What the rule makes of the row.
    pub expected: i32,
    /// What the aggregate says.
    pub got: i32,
    /// The cohort's row and the aggregate's chunk.
    pub evidence: Evidence,
    /// Smallest value that the rule keeps.
    pub low: i32,
    /// Largest value that the rule keeps.
    pub high: i32,
    /// For the weighted mean: 8 bytes a member, big-endian.
    pub weights: Vec<u8>,
}

/// The first coordinate that the aggregate has wrong; none if it follows its rule.
///
/// # Errors
/// [`RefuteError`].
pub fn wrong_coordinate(round: &Round<'_>) -> Result<Option<u64>, RefuteError> {
    round.check()?;
    for (coordinate, got) in round.aggregate.iter().enumerate() {
        if round.redo(coordinate)?.0 != *got {
            return Ok(Some(coordinate as u64));
        }
    }
    Ok(None)
}

/// The aggregate that the header's rule makes of these updates.
///
/// # Errors
/// [`RefuteError`].
pub fn by_rule(header: &RoundHeader, updates: &[&[i32]], weights: &[u64]) -> Result<Vec<i32>, RefuteError> {
    let other = |what| Err(RefuteError::OtherData { what });
    if updates.len() as u64 != u64::from(header.cohort) {
        return other("updates");
    }
    if !updates.iter().all(|update| update.len() as u64 == header.dimension) {
        return other("coordinates");
    }
    check_weights(header, weights)?;
    let length = updates.first().map_or(0, |update| update.len());
    let column = |place: usize| updates.iter().map(|update| update[place]).collect();
    (0..length)
        .map(|place| redo(header, column(place), weights).map(|(value, ..)| value))
        .collect()
}

impl RuleProof {
    /// The evidence about one coordinate, whether it is wrong or not.
    ///
    /// # Errors
    /// [`RefuteError`]; [`RefuteError::OtherData`] where the trees don't lead to the header's roots.
    pub fn new(round: &Round<'_>, coordinate: u64) -> Result<Self, RefuteError> {
        round.check()?;
        let place = usize::try_from(coordinate).unwrap_or(usize::MAX);
        if place >= round.aggregate.len() {
            return Err(RefuteError::OtherData { what: "coordinates" });
        }
        let evidence = Evidence::new(round.header, round.updates, round.aggregate, place / CHUNK)?;
        Self::of(round.header, evidence, place % CHUNK, round.weights)
    }

    /// The first wrong coordinate of a chunk that was shown, if there is one; nothing but the chunk and the weights are needed.
    ///
    /// # Errors
    /// [`RefuteError`].
    pub fn in_chunk(header: &RoundHeader, evidence: &Evidence, weights: &[u64]) -> Result<Option<Self>, RefuteError> {
        evidence.verify(header)?;
        let before = evidence.chunk().saturating_mul(CHUNK as u64);
        for place in (0..CHUNK).take_while(|place| before.saturating_add(*place as u64) < header.dimension) {
            let (column, got) = evidence.column(place);
            if redo(header, column, weights)?.0 != got {
                return Self::of(header, evidence.clone(), place, weights).map(Some);
            }
        }
        Ok(None)
    }

    fn of(header: &RoundHeader, evidence: Evidence, place: usize, weights: &[u64]) -> Result<Self, RefuteError> {
        check_weights(header, weights)?;
        let (column, got) = evidence.column(place);
        let (expected, low, high) = redo(header, column, weights)?;
        Ok(Self {
            coordinate: evidence
                .chunk()
                .saturating_mul(CHUNK as u64)
                .saturating_add(place as u64),
            expected,
            got,
            evidence,
            low,
            high,
            weights: packed(weights),
        })
    }

    /// Whether the contract will take it.
    ///
    /// # Errors
    /// [`RefuteError`]; [`RefuteError::Follows`] where the coordinate is right.
    pub fn check(&self, header: &RoundHeader) -> Result<(), RefuteError> {
        self.evidence.verify(header)?;
        let weights = self.weights.chunks(8).map(|w| w.try_into().map(u64::from_be_bytes));
        let weights: Vec<u64> = weights
            .collect::<Result<_, _>>()
            .map_err(|_| RefuteError::OtherData { what: "weights" })?;
        let place = (self.coordinate % CHUNK as u64) as usize;
        let same = Self::of(header, self.evidence.clone(), place, &weights)?;
        if same != *self || self.coordinate >= header.dimension {
            return Err(RefuteError::OtherData { what: "hints" });
        }
        match self.expected == self.got {
            true => Err(RefuteError::Follows { value: self.got }),
            false => Ok(()),
        }
    }

    /// What to send to the round manager. It reverts unless [`Self::expected`] differs from [`Self::got`].
    #[must_use]
    pub fn calldata(&self, header: &RoundHeader) -> Vec<u8> {
        abi::proveRuleCall {
            header: header.into(),
            evidence: self.evidence.abi(),
            hints: abi::Hints {
                coordinate: alloy::primitives::U256::from(self.coordinate % CHUNK as u64),
                low: self.low,
                high: self.high,
                weights: self.weights.clone().into(),
            },
        }
        .abi_encode()
    }
}

impl Round<'_> {
    fn check(&self) -> Result<(), RefuteError> {
        let other = |what| Err(RefuteError::OtherData { what });
        if self.updates.len() as u64 != u64::from(self.header.cohort) {
            return other("updates");
        }
        let dimension = self.header.dimension;
        let fits = |values: &[i32]| values.len() as u64 == dimension;
        if !fits(self.aggregate) || !self.updates.iter().all(|update| fits(update)) {
            return other("coordinates");
        }
        check_weights(self.header, self.weights)
    }

    /// The rule's result for one coordinate, and the smallest and largest value that it keeps.
    fn redo(&self, coordinate: usize) -> Result<(i32, i32, i32), RefuteError> {
        let column = self.updates.iter().map(|update| update[coordinate]).collect();
        redo(self.header, column, self.weights)
    }
}

/// Whether a contract can redo the rule of a header.
#[must_use]
pub fn provable(rule: u8) -> bool {
    matches!(rule & !CONFIDENTIAL, 1 | 2 | 3 | 5 | 18)
}

/// Whether nobody may demand rows of a round under this rule.
#[must_use]
pub fn confidential(rule: u8) -> bool {
    rule & CONFIDENTIAL != 0
}

/// The rule's result for one column, and the smallest and largest value that it keeps.
fn redo(header: &RoundHeader, mut column: Vec<i32>, weights: &[u64]) -> Result<(i32, i32, i32), RefuteError> {
    let (n, rule) = (column.len(), header.rule);
    let none = RefuteError::NoResult { rule, cohort: n };
    let last = n.checked_sub(1).ok_or(none.clone())?;
    let cut = match rule & !CONFIDENTIAL {
        1 => 0,
        2 => last / 2,
        3 => cut_of(&header.rule_parameter)
            .filter(|cut| *cut <= last / 2)
            .ok_or(none)?,
        5 => {
            let votes: i64 = column.iter().map(|value| i64::from(value.signum())).sum();
            return Ok((votes.signum() as i32, 0, 0));
        }
        18 => return weighted(weights, &column).map(|value| (value, 0, 0)).ok_or(none),
        _ => return Err(RefuteError::NotProvable { rule }),
    };
    column.sort_unstable();
    let kept = &column[cut..n - cut];
    let sum: i64 = kept.iter().copied().map(i64::from).sum();
    // The floor of a mean lies among the values.
    let mean = sum.div_euclid(kept.len() as i64) as i32;
    Ok((mean, column[cut], column[last - cut]))
}

/// Whether these are the weights that the header is over, where there are as many as updates.
fn check_weights(header: &RoundHeader, weights: &[u64]) -> Result<(), RefuteError> {
    let weighs = header.rule & !CONFIDENTIAL == 18 && weights.len() as u64 == u64::from(header.cohort);
    if weighs && keccak256(&packed(weights)) != header.rule_parameter {
        return Err(RefuteError::OtherData { what: "weights" });
    }
    Ok(())
}

fn weighted(weights: &[u64], column: &[i32]) -> Option<i32> {
    if weights.len() != column.len() {
        return None;
    }
    let pairs = || weights.iter().zip(column);
    // Fewer than 2^32 weights below 2^64 of values below 2^31: less than 2^127.
    let divisor: i128 = weights.iter().map(|weight| i128::from(*weight)).sum();
    let total: i128 = pairs()
        .map(|(weight, value)| i128::from(*weight) * i128::from(*value))
        .sum();
    (divisor > 0).then(|| total.div_euclid(divisor) as i32)
}

/// Weights as the header's parameter is the hash of them.
fn packed(weights: &[u64]) -> Vec<u8> {
    weights.iter().flat_map(|weight| weight.to_be_bytes()).collect()
}

/// The number of values cut from each end, if it is one.
fn cut_of(parameter: &Digest) -> Option<usize> {
    let (high, low) = parameter.split_at(24);
    let number = u64::from_be_bytes(low.try_into().ok()?);
    high.iter().all(|byte| *byte == 0).then_some(number)?.try_into().ok()
}

#[cfg(test)]
#[path = "refute_tests.rs"]
mod tests;
