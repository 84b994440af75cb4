//! What a round remembers of the ones before, besides the model: the last aggregate, the server optimiser's moments, updates
//! summed up for FoolsGold, reputations for CGSV, the clip norm where it adapts.
//!
//! It is a function of the transcript: everybody who replays it has the same. `K` names a member.

use std::collections::BTreeMap;

use xfl_aggregation::{
    Aggregate, Rows, RuleError, State, add_to_history_after,
    reward::apportion,
    score::{CgsvError, CosineGradient, Cosines, Ppm, ReputationTerms, cosine_gradient_shapley, equal_reputations},
    server::{self, ServerError},
};
use xfl_privacy::Mechanism;

use super::aggregate::moved;
use crate::plan::{Adaptive, Pipeline, Plan, RuleName, ServerName};

/// A clip norm that adapts stays within a factor of a million of the plan's.
pub(crate) const SMALLEST_SCALE: f64 = 1e-6;

/// The memory of a federation between two rounds.
#[derive(Clone, Debug)]
pub struct Past<K> {
    aggregate: Vec<i32>,
    server: server::State,
    histories: BTreeMap<K, Vec<i64>>,
    reputations: BTreeMap<K, Ppm>,
    scale: f64,
}

impl<K: Ord + Copy> Past<K> {
    /// Before the first round of a model of `d` parameters.
    ///
    /// # Errors
    /// [`ServerError`]: an optimiser that is none; not for a plan that was parsed.
    pub fn start(plan: &Plan, d: usize) -> Result<Self, ServerError> {
        Ok(Self {
            aggregate: vec![0; d],
            server: plan.server().start(d)?,
            histories: BTreeMap::new(),
            reputations: BTreeMap::new(),
            scale: 1.0,
        })
    }

    /// Runs a round's stages and rule on the rows of `members`, in their order, and remembers what the next round's need.
    ///
    /// # Errors
    /// [`RuleError`]; nothing has changed then.
    pub fn aggregate(
        &mut self,
        plan: &Plan,
        pipeline: &Pipeline,
        members: &[K],
        rows: &Rows<'_>,
    ) -> Result<Aggregate, RuleError> {
        let remembers = plan.terms().aggregation.rule == RuleName::FoolsGold;
        let mut history = Vec::new();
        if remembers {
            let of = |member: &K| self.histories.get(member).cloned().unwrap_or_else(|| vec![0; rows.d()]);
            history = members.iter().map(of).collect();
        }
        let state = State {
            start: Some(&self.aggregate),
            history: remembers.then_some(history.as_slice()),
            weights: pipeline.weights.as_deref(),
            ..State::default()
        };
        let aggregate = pipeline.rule.aggregate_after(rows, &pipeline.pre, state)?;
        if remembers {
            add_to_history_after(&mut history, rows, &pipeline.pre)?;
        }
        self.histories.extend(members.iter().copied().zip(history));
        self.aggregate.clone_from(&aggregate.values);
        Ok(aggregate)
    }

    /// The clip norm (and with it the grid's step) over the plan's.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// Moves the clip norm by the noised count at the end of an aggregate, where the plan says so.
    ///
    /// The count's coordinate is a mean over institutions of `count_steps * (units within - units beyond)`; over the units of one
    /// institution it is `2 b - 1` of `count_steps`, with `b` the share within.
    pub fn adapt(&mut self, plan: &Plan, mechanism: &Mechanism, aggregate: &[i32]) {
        let (Some(Adaptive { quantile, rate }), Some(count)) = (plan.adaptive(), aggregate.last()) else {
            return;
        };
        let units = f64::from(mechanism.batch()) * f64::from(mechanism.local_steps());
        let within = (0.5 + f64::from(*count) / (2.0 * f64::from(mechanism.count_steps()) * units)).clamp(0.0, 1.0);
        // `libm`'s, so that every machine has the same.
        let scale = self.scale * libm::exp(-rate * (within - quantile));
        self.scale = scale.clamp(SMALLEST_SCALE, 1.0 / SMALLEST_SCALE);
    }

    /// The model after an aggregate: under plain averaging `f32(f64(p_i) + step * a_i)`, with the plan's step; else one step
    /// of the server's optimiser in f64, each parameter rounded to f32 at its end.
    ///
    /// # Errors
    /// [`ServerError`] where the step leaves the finite numbers; nothing has changed then.
    pub fn step(&mut self, plan: &Plan, model: &[f32], aggregate: &[i32]) -> Result<Vec<f32>, ServerError> {
        if plan.terms().training.server == ServerName::FedAvg {
            let next = moved(model, aggregate, plan.parameter_step() * self.scale);
            return match next.iter().position(|v| !v.is_finite()) {
                Some(coordinate) => Err(ServerError::NotFinite { coordinate }),
                None => Ok(next),
            };
        }
        let mut next: Vec<f64> = model.iter().copied().map(f64::from).collect();
        let unit = plan.grid_unit() * self.scale;
        // A count at the end is none of the model's.
        let delta: Vec<f64> = aggregate
            .iter()
            .take(model.len())
            .map(|a| unit * f64::from(*a))
            .collect();
        let mut state = self.server.clone();
        plan.server().step(&mut next, &delta, &mut state)?;
        let next: Vec<f32> = next.into_iter().map(|v| v as f32).collect();
        if let Some(coordinate) = next.iter().position(|v| !v.is_finite()) {
            return Err(ServerError::NotFinite { coordinate });
        }
        self.server = state;
        Ok(next)
    }

    /// CGSV's scores of the rows of `members`, in their order, by the reputations so far; a newcomer's is an equal share.
    ///
    /// # Errors
    /// [`CgsvError`]; not for reputations from here.
    pub fn cosine_gradient(&self, members: &[K], cosines: &Cosines) -> Result<CosineGradient, CgsvError> {
        let fresh = equal_reputations(members.len());
        let known = members
            .iter()
            .zip(&fresh)
            .map(|(member, fresh)| self.reputations.get(member).unwrap_or(fresh));
        let weights: Vec<u64> = known.map(|r| u64::try_from(r.0).unwrap_or(0)).collect();
        // Shares among those who are here, in ppm: each fits an i64.
        let shares = apportion(1_000_000, &weights)
            .into_iter()
            .map(|part| Ppm(i64::try_from(part).unwrap_or(0)));
        cosine_gradient_shapley(cosines, &shares.collect::<Vec<_>>(), &ReputationTerms::default())
    }

    /// Remembers reputations.
    pub fn reputations(&mut self, members: &[K], reputations: &[Ppm]) {
        self.reputations
            .extend(members.iter().copied().zip(reputations.iter().copied()));
    }
}
