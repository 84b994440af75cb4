//! What an integer rule carries over from earlier rounds or is told from outside; the caller keeps it.

use super::RuleError;
use crate::rows::Rows;
use crate::stage::{self, Stage};
use crate::view::MAX_ADDED;
use rayon::prelude::*;

/// Largest absolute value in a history, 2^42: what 2048 rounds of the largest updates add up to.
pub const MAX_HISTORY: i64 = MAX_ADDED;

/// What a rule reads besides the rows.
#[derive(Clone, Copy, Debug, Default)]
pub struct State<'a> {
    /// Where iterative rules start, d grid integers; zero where there is none. For centered clipping usually the last round's
    /// [`Aggregate::values`](super::Aggregate::values).
    pub start: Option<&'a [i32]>,
    /// The update that FLTrust trusts, d grid integers: the coordinator's own.
    pub reference: Option<&'a [i32]>,
    /// For FoolsGold, each row's sum of all its updates before this round: a vector of d integers of at most [`MAX_HISTORY`] in absolute
    /// value per row after the stages. `None` in the first round. [`add_to_history`] makes the next round's.
    pub history: Option<&'a [Vec<i64>]>,
    /// For the weighted mean, a weight for each row after the stages.
    pub weights: Option<&'a [u64]>,
}

impl State<'_> {
    /// Whether all that is there fits n rows of d coordinates.
    pub(super) fn check(&self, n: usize, d: usize) -> Result<(), RuleError> {
        if let Some(start) = self.start.filter(|start| start.len() != d) {
            return Err(RuleError::StartLength {
                expected: d,
                got: start.len(),
            });
        }
        self.reference
            .map_or(Ok(()), |reference| check_length("reference", reference.len(), d))?;
        match self.history {
            Some(history) => check_history(history, n, d),
            None => Ok(()),
        }
    }
}

/// Adds this round's rows to each row's history: FoolsGold's state for the next round. Sums are exact and held at
/// [`MAX_HISTORY`] at both ends. Nothing is changed where an error is returned.
///
/// # Errors
/// [`RuleError`] where the history is not one vector of d integers within [`MAX_HISTORY`] per row.
pub fn add_to_history(history: &mut [Vec<i64>], rows: &Rows<'_>) -> Result<(), RuleError> {
    add_to_history_after(history, rows, &[])
}

/// The same of what the stages of `pre` leave: one vector per row left. What a stage makes of the rows, it makes once for each of them.
///
/// # Errors
/// Those of [`add_to_history`], and what [`Rule::aggregate_after`](super::Rule::aggregate_after) says of stages.
pub fn add_to_history_after(history: &mut [Vec<i64>], rows: &Rows<'_>, pre: &[Stage]) -> Result<(), RuleError> {
    let view = stage::chain(rows, pre)?;
    check_history(history, view.n(), view.d())?;
    for (row, sums) in history.iter_mut().enumerate() {
        let added = view.picked(&[row]).map(
            || (),
            |(), _, rows, out| {
                if let Some(row) = rows.first() {
                    out.copy_from_slice(row);
                }
            },
        );
        sums.par_iter_mut()
            .zip(added)
            .for_each(|(sum, v)| *sum = (*sum + i64::from(v)).clamp(-MAX_HISTORY, MAX_HISTORY));
    }
    Ok(())
}

fn check_history(history: &[Vec<i64>], n: usize, d: usize) -> Result<(), RuleError> {
    if history.len() != n {
        return Err(RuleError::HistoryRows {
            expected: n,
            got: history.len(),
        });
    }
    for (row, sums) in history.iter().enumerate() {
        check_length("history", sums.len(), d)?;
        if let Some(coordinate) = sums.iter().position(|sum| sum.unsigned_abs() > MAX_HISTORY as u64) {
            return Err(RuleError::HistoryValue {
                row,
                coordinate,
                got: sums[coordinate],
            });
        }
    }
    Ok(())
}

fn check_length(what: &'static str, got: usize, expected: usize) -> Result<(), RuleError> {
    match got == expected {
        true => Ok(()),
        false => Err(RuleError::VectorLength { what, expected, got }),
    }
}
