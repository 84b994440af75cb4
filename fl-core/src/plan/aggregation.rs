//! `[aggregation]`: what is done to a round's updates, then the rule, with the parameters that each of them takes.
//!
//! **Claim.** A key that the chosen rule and stages don't take is an error: nobody believes to have set something that nothing
//! reads (but `byzantine`, which rehearsals read too). Lengths (`norm`, `tau`, `nu`) are shares of the bound on an update before noise, which is `privacy.clip`, times
//! `training.batch` where the unit is a record; they become whole grid steps in [`Pipeline`], the same on every machine.
//!
//! The names are in `names`, what they mean for a round in `pipeline`, who weighs what in `weights`, and what must fit in `cohort` and
//! `parameters`.
//!
//! **Not here.** Rules that need a row that is trusted (`monna`, `fltrust`), which no coordinator has. They are in `xfl aggregate` and in
//! the library. Weights are what everybody signed with the plan, never what a member claims in a round.

mod cohort;
mod names;
mod parameters;
mod pipeline;
mod weights;

use std::collections::BTreeMap;

use serde::Deserialize;

pub use self::{
    names::{NeighboursName, RuleName, StageName},
    pipeline::Pipeline,
};
use super::Plan;
use crate::identity::NodeId;

/// `[aggregation]`: stages, rule, and their parameters.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Aggregation {
    /// The rule.
    pub rule: RuleName,
    /// Byzantine updates tolerated.
    #[serde(default)]
    pub byzantine: usize,
    /// What is done to the updates before the rule, in this order.
    #[serde(default)]
    pub pre: Vec<StageName>,
    /// Rows that Multi-Krum averages; n - f where absent.
    pub select: Option<usize>,
    /// How many neighbours a score of the Krum family sums over; `blanchard` where absent.
    pub neighbours: Option<NeighboursName>,
    /// The geometric median: distances below it count as it; a share of an update's bound, one grid step where absent.
    pub nu: Option<f64>,
    /// Steps of the geometric median (3 where absent) and of centered clipping (1), both from the last round's aggregate.
    pub iterations: Option<u32>,
    /// Centered clipping: the longest difference from the last aggregate that counts in full, a share of an update's bound;
    /// 1 where absent.
    pub tau: Option<f64>,
    /// Norm clipping, and the stage `clipping`: the largest norm that is left, a share of an update's bound; 1 where absent.
    pub norm: Option<f64>,
    /// The stage `bucketing`: updates in a bucket; 2 where absent.
    pub bucket: Option<usize>,
    /// DnC: coordinates looked at; 10,000 where absent.
    pub sampled: Option<u64>,
    /// The weighted mean: what each member's update counts, by its key; 1 for those that aren't named.
    #[serde(default)]
    pub weights: BTreeMap<NodeId, u64>,
    /// The weighted mean: the most that an update counts, whatever its weight; 10 where absent.
    pub weight_cap: Option<u64>,
}

impl Plan {
    /// The number that stands for stages and rule in a round's header: the rule's, plus 128 where anything was done before it,
    /// so that nobody takes such an aggregate for the rule's own.
    pub fn rule_code(&self) -> u8 {
        let a = &self.terms.aggregation;
        a.rule.code() | if a.pre.is_empty() { 0 } else { 0x80 }
    }

    /// This plan's terms under another rule that tolerates `byzantine` updates, after the same stages, with that rule's own
    /// defaults for what the plan doesn't say. For rehearsals: text and hash stay the plan's, and nobody has checked that
    /// the rule can work on the quorum; see [`Plan::smallest_cohort`].
    pub fn with_rule(&self, rule: RuleName, byzantine: usize) -> Self {
        let mut plan = self.clone();
        plan.terms.aggregation.rule = rule;
        plan.terms.aggregation.byzantine = byzantine;
        plan
    }

    /// This plan's terms with plain averaging: no stages, the mean. For comparisons, as [`Plan::with_rule`].
    pub fn averaging(&self) -> Self {
        let mut plan = self.with_rule(RuleName::Mean, 0);
        plan.terms.aggregation.pre.clear();
        plan
    }
}

impl Aggregation {
    fn bucket_size(&self) -> usize {
        self.bucket.unwrap_or(2).max(1)
    }
}
