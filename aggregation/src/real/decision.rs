//! What rules end in: weights over the rows, applied in one pass, and the evidence behind them.

use super::element::Real;
use super::error::Fault;
use super::point::Point;
use super::view::View;
use crate::decide::{Combination, Selection, Square};

/// What a rule made of a round.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Aggregate {
    /// The d coordinates, in the unit of the rows; all finite. None where they went to a [`Sink`](super::Sink).
    pub values: Vec<f64>,
    /// For each row *after* the stages, whether it was used as a whole; `None` for rules that don't select.
    pub selected: Option<Vec<bool>>,
    /// For each row *given*, its weight in the result: values = sum of weights_i * row_i, plus `start_weight` times the
    /// start. `None` for rules whose result is no such sum.
    pub weights: Option<Vec<f64>>,
    /// The weight of [`State::start`](super::State::start) in the result; 0 where it was not used.
    pub start_weight: f64,
    /// For each row after the stages, what the decision was made by: Krum's score, the squared distance to MoNNA's
    /// trusted row or to the iterate before the last step, the norm to be clipped, FLTrust's trust, FoolsGold's rate.
    pub scores: Option<Vec<f64>>,
    /// Squared distances between the rows after the stages, where the rule needed all of them.
    pub distances: Option<Square<f64>>,
    /// The norm that FLAME clipped to; whoever adds the paper's noise scales it by this.
    pub bound: Option<f64>,
}

impl Aggregate {
    /// Of a rule that works on columns.
    pub(super) fn column_wise(values: Vec<f64>) -> Self {
        Self {
            values,
            ..Self::default()
        }
    }
}

/// A result that is (start_weight * start + sum of weights_i * row_i) / divisor over the rows seen, and why.
pub(super) struct Decision {
    weights: Vec<f64>,
    divisor: f64,
    start_weight: f64,
    /// All but the values and their weights.
    pub(super) evidence: Aggregate,
}

impl Decision {
    /// The sum with these weights, divided by `divisor`.
    pub(super) fn weighted(weights: Vec<f64>, divisor: f64) -> Self {
        Self {
            weights,
            divisor,
            start_weight: 0.0,
            evidence: Aggregate::default(),
        }
    }

    /// The mean of the selected rows; a selection of one is that row, bit for bit.
    pub(super) fn mean_of(selection: &Selection) -> Self {
        let mask = selection.mask();
        let weights = mask.iter().map(|&chosen| f64::from(u8::from(chosen))).collect();
        let mut decision = Self::weighted(weights, selection.rows().len() as f64);
        decision.evidence.selected = Some(mask);
        decision
    }

    pub(super) fn of(iterate: Combination) -> Self {
        Self {
            start_weight: iterate.start,
            ..Self::weighted(iterate.weights, 1.0)
        }
    }

    pub(super) fn with_scores(mut self, scores: Option<Vec<f64>>) -> Self {
        self.evidence.scores = scores;
        self
    }

    pub(super) fn with_distances(mut self, distances: Square<f64>) -> Self {
        self.evidence.distances = Some(distances);
        self
    }

    /// The one pass that makes the result, over the rows given: mixing them first would cost n passes.
    pub(super) fn combine<T: Real>(self, view: &View<'_, T>, start: Option<&[f64]>) -> Result<Aggregate, Fault> {
        let weights = view.weights_given(&self.weights)?;
        // Rows of no weight need not be read again, but once they must have been.
        let read = |&row: &usize| !view.checked() || weights[row] != 0.0;
        let rows: Vec<usize> = (0..weights.len()).filter(read).collect();
        let picked: Vec<f64> = rows.iter().map(|&row| weights[row]).collect();
        let point = Point {
            weights: &picked,
            divisor: self.divisor,
            start: start.map(|start| (self.start_weight, start)),
        };
        let values = point.values(&view.unmixed().picked(&rows))?;
        Ok(Aggregate {
            values,
            weights: Some(weights.iter().map(|weight| weight / self.divisor).collect()),
            start_weight: start.map_or(0.0, |_| self.start_weight / self.divisor),
            ..self.evidence
        })
    }
}
