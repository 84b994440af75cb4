//! What rules carry over from earlier rounds or are told from outside; the caller keeps it.

use super::element::Real;
use super::error::{Fault, RuleError};
use super::point::Point;
use super::stage::{self, Stage};
use super::table::Table;
use super::view::View;

/// What a rule reads besides the rows.
#[derive(Clone, Copy, Debug, Default)]
pub struct State<'a> {
    /// Where iterative rules start, d numbers; zero where there is none. For centered clipping usually the last round's
    /// [`Aggregate::values`](super::Aggregate::values).
    pub start: Option<&'a [f64]>,
    /// The update that FLTrust trusts, d numbers: the coordinator's own.
    pub reference: Option<&'a [f64]>,
    /// For FoolsGold, each row's sum of all its updates before this round: a vector of d numbers per row after the
    /// stages. `None` in the first round. [`add_to_history`] makes the next round's.
    pub history: Option<&'a [Vec<f64>]>,
}

impl State<'_> {
    /// Whether all that is there fits n rows of d coordinates.
    pub(super) fn check(&self, n: usize, d: usize) -> Result<(), RuleError> {
        for (what, vector) in [("start", self.start), ("reference", self.reference)] {
            vector.map_or(Ok(()), |vector| check_vector(what, vector, d))?;
        }
        match self.history {
            Some(history) => check_history(history, n, d),
            None => Ok(()),
        }
    }
}

/// Adds this round's rows, after the stages, to each row's history: FoolsGold's state for the next round. Nothing is
/// changed where an error is returned.
///
/// # Errors
/// [`RuleError`] where a stage does not fit the rows or the history is not one vector of d admissible numbers per row.
pub fn add_to_history<T: Real>(history: &mut [Vec<f64>], table: &Table<'_, T>, pre: &[Stage]) -> Result<(), RuleError> {
    T::add_to_history(history, table, pre)
}

pub(super) fn add_rows<T: Real>(
    history: &mut [Vec<f64>],
    table: &Table<'_, T>,
    pre: &[Stage],
) -> Result<(), RuleError> {
    let view = stage::chain(View::of(table), pre)?;
    check_history(history, view.n(), view.d())?;
    for (row, sums) in history.iter_mut().enumerate() {
        let mut weights = vec![0.0; view.n()];
        weights[row] = 1.0;
        let named = |fault: Fault| fault.of("foolsgold");
        let weights = view.weights_given(&weights).map_err(|error| named(error.into()))?;
        let point = Point {
            weights: &weights,
            divisor: 1.0,
            start: None,
        };
        for (sum, v) in sums.iter_mut().zip(point.values(&view.unmixed()).map_err(named)?) {
            *sum += v;
        }
    }
    Ok(())
}

fn check_history(history: &[Vec<f64>], n: usize, d: usize) -> Result<(), RuleError> {
    if history.len() != n {
        return Err(RuleError::HistoryRows {
            expected: n,
            got: history.len(),
        });
    }
    history.iter().try_for_each(|sums| check_vector("history", sums, d))
}

fn check_vector(what: &'static str, vector: &[f64], d: usize) -> Result<(), RuleError> {
    if vector.len() != d {
        return Err(RuleError::VectorLength {
            what,
            expected: d,
            got: vector.len(),
        });
    }
    match vector.iter().position(|v| !v.admissible()) {
        Some(coordinate) => Err(RuleError::VectorValue {
            what,
            coordinate,
            got: vector[coordinate],
        }),
        None => Ok(()),
    }
}
