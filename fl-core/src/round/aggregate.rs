//! Aggregate: limits first, then the rule; the model moves by the aggregate.
//!
//! Plain rounds: updates out of range or over the norm are named and left out, the rest goes through the plan's rule. Masked
//! rounds: the opened sum over the survivors, floored mean; sealed ones: the same of the sum that the coordinator published. Either way the server's optimiser moves the model by it, with the same
//! bits on every machine ([`super::past::Past::step`]).

use xfl_aggregation::{Rows, limits::Limits, mean_of_sum};
use xfl_settlement::row::{aggregate_tree, row_tree};

use super::{RoundError, Rounds, Work, past::Past, score::impossible};
use crate::{identity::NodeId, transcript::Aggregated};

/// An aggregate and the model it leads to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What the transcript says of it.
    pub aggregated: Aggregated,
    /// The aggregate, on the grid.
    pub values: Vec<i32>,
    /// The new parameters.
    pub model: Vec<f32>,
    /// What the next round remembers.
    pub(super) past: Past<NodeId>,
}

impl Rounds {
    pub(super) fn aggregate(&self) -> Result<Outcome, RoundError> {
        match &self.work.mask {
            None if self.plan.sealed() => self.aggregate_sealed(),
            None => self.aggregate_visible(),
            Some(masked) => {
                let (members, sum) = masked.opened_sum()?;
                let values = mean_of_sum(&sum, members.len()).map_err(impossible)?;
                let bodies: Vec<&[u64]> = members.iter().filter_map(|m| masked.bodies(m)).collect();
                let row_root = row_tree(&bodies).map_err(impossible)?.root();
                let selected = vec![true; members.len()];
                self.outcome_of(
                    Aggregated {
                        members,
                        refused: Vec::new(),
                        selected,
                        row_root,
                        ..EMPTY
                    },
                    values,
                    self.past.clone(),
                )
            }
        }
    }

    /// The mean of the sum that the coordinator published.
    fn aggregate_sealed(&self) -> Result<Outcome, RoundError> {
        let Some(sum) = self.work.sealed.sum() else {
            return Err(self.out_of_place("an aggregate without its sum"));
        };
        let members: Vec<NodeId> = self.work.expected.iter().copied().collect();
        let values = mean_of_sum(sum, members.len()).map_err(impossible)?;
        let row: Vec<u64> = sum.iter().map(|v| v.cast_unsigned()).collect();
        let row_root = row_tree(&[row.as_slice()]).map_err(impossible)?.root();
        let selected = vec![true; members.len()];
        self.outcome_of(
            Aggregated {
                members,
                refused: Vec::new(),
                selected,
                row_root,
                ..EMPTY
            },
            values,
            self.past.clone(),
        )
    }

    fn aggregate_visible(&self) -> Result<Outcome, RoundError> {
        let limits = Limits {
            max_abs: self.mechanism.max_abs().unsigned_abs(),
            max_norm_squared: self.mechanism.max_norm_squared(),
        };
        let fits = |m: &&NodeId| {
            let upload = self.work.uploads.get(m);
            upload.is_some_and(|u| limits.check(u.values(), self.update_len()).is_ok())
        };
        let expected: Vec<NodeId> = self.work.expected.iter().copied().collect();
        let (members, refused): (Vec<_>, Vec<_>) = expected.iter().copied().partition(|m| fits(&m));
        let needed = self.plan.settlement_threshold();
        if members.len() < needed {
            let what = format!(
                "{} updates are within range and norm, and the header needs {needed} signatures",
                members.len()
            );
            return Err(RoundError::Impossible(what));
        }
        let updates: Vec<&[i32]> = members
            .iter()
            .filter_map(|m| self.work.uploads.get(m))
            .map(|u| u.values())
            .collect();
        let row_root = row_tree(&updates).map_err(impossible)?.root();
        let rows = Rows::new(updates).map_err(impossible)?;
        let pipeline = self.plan.pipeline(rows.n(), refused.len(), &self.coin());
        let pipeline = self.plan.weighing(pipeline, &members);
        let mut past = self.past.clone();
        let aggregate = past
            .aggregate(&self.plan, &pipeline, &members, &rows)
            .map_err(impossible)?;
        let selected = aggregate.selected;
        self.outcome_of(
            Aggregated {
                members,
                refused,
                selected,
                row_root,
                ..EMPTY
            },
            aggregate.values,
            past,
        )
    }

    fn outcome_of(
        &self,
        aggregated: Aggregated,
        values: Vec<i32>,
        mut past: Past<NodeId>,
    ) -> Result<Outcome, RoundError> {
        let model = past.step(&self.plan, &self.model, &values).map_err(|error| {
            RoundError::Impossible(format!("no new model: {error}; lower training.server_learning_rate"))
        })?;
        past.adapt(&self.plan, &self.mechanism, &values);
        let aggregate_root = aggregate_tree(&values).map_err(impossible)?.root();
        let aggregated = Aggregated {
            aggregate_root,
            model_root: model_root(&model),
            ..aggregated
        };
        Ok(Outcome {
            aggregated,
            values,
            model,
            past,
        })
    }

    /// The model moved by an aggregate, without the optimiser's memory: what coalitions are valued by.
    pub(super) fn moved(&self, aggregate: &[i32]) -> Vec<f32> {
        moved(&self.model, aggregate, self.plan.value_step() * self.past.scale())
    }

    pub(super) fn enter_score(&mut self, outcome: Outcome) {
        let Work { cohort, .. } = &self.work;
        debug_assert!(!cohort.is_empty());
        self.work.outcome = Some(outcome);
        self.phase = super::Phase::Score;
    }
}

/// `model` moved by an aggregate on the grid: parameter i becomes `f32(f64(p_i) + step * a_i)`.
pub fn moved(model: &[f32], aggregate: &[i32], step: f64) -> Vec<f32> {
    model
        .iter()
        .zip(aggregate)
        .map(|(p, a)| (f64::from(*p) + step * f64::from(*a)) as f32)
        .collect()
}

/// BLAKE3 over little-endian f32 parameters.
pub fn model_root(model: &[f32]) -> [u8; 32] {
    *blake3::hash(&model_bytes(model)).as_bytes()
}

/// A model's parameters as they travel: little-endian f32.
pub fn model_bytes(model: &[f32]) -> Vec<u8> {
    model.iter().flat_map(|v| v.to_le_bytes()).collect()
}

const EMPTY: Aggregated = Aggregated {
    members: Vec::new(),
    refused: Vec::new(),
    selected: Vec::new(),
    row_root: [0; 32],
    aggregate_root: [0; 32],
    model_root: [0; 32],
};
