//! Refutations: from a round's rows to the calldata that proves a wrong coordinate on chain.
//!
//! [`wrong_coordinate`] redoes the header's rule over the cohort's updates, coordinate by coordinate, and stops at the first that
//! the aggregate has wrong; [`RuleProof::new`] builds the evidence for one coordinate, whether it is wrong or not, and
//! [`RuleProof::calldata`] what the round manager's `proveRule` takes. All of it is arithmetic on what the caller holds: no chain is
//! asked, and what the contract will say is known before a transaction is paid for.
//!
//! Rules that a contract can redo: floored mean (1), median (2), trimmed mean (3), sign majority (5), weighted mean (18), with the
//! codes of the header; any other, or a rule after stages, is [`RefuteError::NotProvable`]. Cost: n log n a coordinate, plus the two
//! trees' hashing.
//!
//! References: the contracts' `Rules.sol`, which the shared vectors and a test on the embedded chain hold this to.

use alloy::sol_types::SolCall;
use serde::{Deserialize, Serialize};

use crate::abi;
use crate::merkle::Digest;
use crate::row::{CHUNK, RowError, RowProof, aggregate_tree, row_tree};
use crate::statement::RoundHeader;

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
    /// The cohort's row.
    pub row: RowProof,
    /// The aggregate's chunk.
    pub aggregate: RowProof,
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

impl RuleProof {
    /// The evidence about one coordinate.
    ///
    /// # Errors
    /// [`RefuteError`]; [`RefuteError::OtherData`] where the trees don't lead to the header's roots.
    pub fn new(round: &Round<'_>, coordinate: u64) -> Result<Self, RefuteError> {
        round.check()?;
        let place = usize::try_from(coordinate).unwrap_or(usize::MAX);
        let got = round.aggregate.get(place).copied();
        let got = got.ok_or(RefuteError::OtherData { what: "coordinates" })?;
        let (rows, aggregate) = (row_tree(round.updates)?, aggregate_tree(round.aggregate)?);
        let same = |root: Digest, tree: &crate::merkle::Tree| root == tree.root();
        if !same(round.header.row_root, &rows) || !same(round.header.aggregate_root, &aggregate) {
            return Err(RefuteError::OtherData {
                what: "rows or aggregate",
            });
        }
        let (expected, low, high) = round.redo(place)?;
        Ok(Self {
            coordinate,
            expected,
            got,
            row: RowProof::new(round.updates, &rows, place / CHUNK)?,
            aggregate: RowProof::new(&[round.aggregate], &aggregate, place / CHUNK)?,
            low,
            high,
            weights: round.weights.iter().flat_map(|weight| weight.to_be_bytes()).collect(),
        })
    }

    /// What to send to the round manager. It reverts unless [`Self::expected`] differs from [`Self::got`].
    #[must_use]
    pub fn calldata(&self, header: &RoundHeader) -> Vec<u8> {
        let mut aggregate = [0; 32];
        aggregate[..self.aggregate.row.len().min(32)]
            .copy_from_slice(&self.aggregate.row[..self.aggregate.row.len().min(32)]);
        abi::proveRuleCall {
            header: header.into(),
            evidence: abi::Row {
                chunk: self.row.proof.index,
                row: self.row.row.clone().into(),
                rowProof: self.row.proof.siblings.iter().map(Into::into).collect(),
                aggregate: aggregate.into(),
                aggregateProof: self.aggregate.proof.siblings.iter().map(Into::into).collect(),
            },
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
        Ok(())
    }

    /// The rule's result for one coordinate, and the smallest and largest value that it keeps.
    fn redo(&self, coordinate: usize) -> Result<(i32, i32, i32), RefuteError> {
        let mut column: Vec<i32> = self.updates.iter().map(|update| update[coordinate]).collect();
        let (n, rule) = (column.len(), self.header.rule);
        let none = RefuteError::NoResult { rule, cohort: n };
        let last = n.checked_sub(1).ok_or(none.clone())?;
        let cut = match rule & !CONFIDENTIAL {
            1 => 0,
            2 => last / 2,
            3 => cut_of(&self.header.rule_parameter)
                .filter(|cut| *cut <= last / 2)
                .ok_or(none)?,
            5 => {
                let votes: i64 = column.iter().map(|value| i64::from(value.signum())).sum();
                return Ok((votes.signum() as i32, 0, 0));
            }
            18 => return self.weighted(&column).map(|value| (value, 0, 0)).ok_or(none),
            _ => return Err(RefuteError::NotProvable { rule }),
        };
        column.sort_unstable();
        let kept = &column[cut..n - cut];
        let sum: i64 = kept.iter().copied().map(i64::from).sum();
        // The floor of a mean lies among the values.
        let mean = sum.div_euclid(kept.len() as i64) as i32;
        Ok((mean, column[cut], column[last - cut]))
    }

    fn weighted(&self, column: &[i32]) -> Option<i32> {
        if self.weights.len() != column.len() {
            return None;
        }
        let pairs = || self.weights.iter().zip(column);
        // Fewer than 2^32 weights below 2^64 of values below 2^31: less than 2^127.
        let divisor: i128 = self.weights.iter().map(|weight| i128::from(*weight)).sum();
        let total: i128 = pairs()
            .map(|(weight, value)| i128::from(*weight) * i128::from(*value))
            .sum();
        (divisor > 0).then(|| total.div_euclid(divisor) as i32)
    }
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
