//! What each member's update weighs under `weighted-mean`.
//!
//! **Claim.** Weights are whole numbers in the plan's text, by the members' keys: everybody has signed them before the first round, and
//! no claim made in a round changes them. What an update counts is its weight or `weight_cap`, whichever is less, and 1 for a member
//! that isn't named; the aggregate is floor(sum of w_i * x_i / sum of w_i), exact, over those whose updates are in.
//!
//! **How large one member may be.** With a cap of c and a quorum of q, nobody's share exceeds c / (c + q - 1); [`Plan::check`] says
//! what it comes to, and warns where it is more than half.
//!
//! **Not here.** Masked rounds, which refuse the rule: their sums take every update once. A rehearsal's institutions have no keys, and
//! weigh 1 each.

use super::{Pipeline, RuleName, StageName};
use crate::{
    identity::NodeId,
    plan::{Finding, Plan, PlanError},
};

/// The cap where the plan names none.
const USUAL_CAP: u64 = 10;

/// Largest weight, and largest cap.
const MOST: u64 = 1_000_000_000;

impl super::Aggregation {
    /// The most that an update counts.
    pub(super) fn weight_cap(&self) -> u64 {
        self.weight_cap.unwrap_or(USUAL_CAP)
    }
}

impl Plan {
    /// The same stages and rule, with the weights of the members whose updates these are, in their order; nothing changes where the
    /// rule takes none.
    #[must_use]
    pub fn weighing(&self, pipeline: Pipeline, members: &[NodeId]) -> Pipeline {
        let of = |member: &NodeId| self.terms().aggregation.weights.get(member).copied().unwrap_or(1);
        let weights = pipeline.weights.map(|_| members.iter().map(of).collect());
        Pipeline { weights, ..pipeline }
    }

    /// That everybody who is weighed is a member.
    ///
    /// # Errors
    /// [`PlanError`] names the first one who isn't.
    pub fn weighs_members(&self, mut is_member: impl FnMut(&NodeId) -> bool) -> Result<(), PlanError> {
        match self.terms().aggregation.weights.keys().find(|id| !is_member(id)) {
            None => Ok(()),
            Some(stranger) => Err(PlanError::at(
                "aggregation.weights",
                format!("{stranger} is no member of the federation"),
                "write the node id that `xfl join` prints at its start, or leave the line out",
            )),
        }
    }

    /// What one member can weigh at most in a round of the quorum, where the rule weighs them.
    pub(in crate::plan) fn heaviest(&self) -> Option<Finding> {
        let a = &self.terms().aggregation;
        let most = a.weights.values().max().filter(|_| a.rule == RuleName::WeightedMean)?;
        let most = (*most).min(a.weight_cap());
        let others = self.terms().rounds.quorum as u64 - 1;
        Some(Finding {
            warning: most > others,
            text: format!(
                "one member's update weighs up to {most}: {:.0}% of the mean, where only the quorum answers and the others weigh 1",
                100.0 * most as f64 / (most + others) as f64
            ),
        })
    }

    /// That weights are within their range and fit rule, stages and masking.
    pub(super) fn weights_fit(&self) -> Result<(), PlanError> {
        let (a, weighted) = (&self.terms().aggregation, RuleName::WeightedMean);
        for (key, given) in [
            ("weights", !a.weights.is_empty()),
            ("weight_cap", a.weight_cap.is_some()),
        ] {
            if given && a.rule != weighted {
                let what = format!("the rule {} doesn't take it", a.rule.name());
                let hint = "leave it out: it is for weighted-mean";
                return Err(PlanError::at(&format!("aggregation.{key}"), what, hint));
            }
        }
        if a.rule != weighted {
            return Ok(());
        }
        if self.masked() {
            let what = "masked sums take every update once: weights would be applied by the members themselves, unseen";
            let hint = "write rule = \"mean\", or masking.mode = \"none\"";
            return Err(PlanError::at("aggregation.rule", what, hint));
        }
        if a.pre.contains(&StageName::Bucketing) {
            let hint = "take another rule, or leave bucketing out";
            return Err(PlanError::at(
                "aggregation.pre",
                "weighted-mean weighs members, and buckets have none",
                hint,
            ));
        }
        let in_range = |key: &str, got: u64| match (1..=MOST).contains(&got) {
            true => Ok(()),
            false => Err(PlanError::at(
                &format!("aggregation.{key}"),
                format!("got {got}"),
                format!("write a whole number from 1 to {MOST}"),
            )),
        };
        in_range("weight_cap", a.weight_cap())?;
        for (member, weight) in &a.weights {
            in_range("weights", *weight)?;
            if a.weight_cap.is_none() && *weight > USUAL_CAP {
                let what = format!("{member} weighs {weight}, more than {USUAL_CAP}");
                let hint =
                    "write weight_cap, the most that an update counts, beside it: larger weights then count as that";
                return Err(PlanError::at("aggregation.weights", what, hint));
            }
        }
        Ok(())
    }
}
