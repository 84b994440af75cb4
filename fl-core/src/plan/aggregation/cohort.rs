//! How many updates stages and rule need, and whether quorum and members are as many.

use super::StageName;
use crate::{
    plan::{Plan, PlanError},
    seed::Seed,
};

/// Rows that stages work on at most.
const MOST_MIXED: usize = xfl_aggregation::decide::MAX_SQUARE;

impl Plan {
    /// The least number of updates that stages and rule work on; none where that is more than 100,000.
    pub fn smallest_cohort(&self) -> Option<usize> {
        (1..=100_000).find(|n| self.rule_fits(*n))
    }

    /// Rows that the stages leave of `n` updates.
    fn rows_left(&self, n: usize) -> usize {
        let a = &self.terms.aggregation;
        let buckets = a.pre.iter().filter(|stage| **stage == StageName::Bucketing).count();
        (0..buckets).fold(n, |n, _| n.div_ceil(a.bucket_size()))
    }

    /// Rows that the rule needs, of those that the stages leave of `n` updates.
    fn rows_needed(&self, n: usize) -> usize {
        self.rule(
            self.rows_left(n),
            self.terms.aggregation.byzantine,
            &Seed::from_number(0),
        )
        .minimum_cohort()
    }

    fn rule_fits(&self, n: usize) -> bool {
        let a = &self.terms.aggregation;
        let mut left = n;
        for stage in &a.pre {
            let mixes = matches!(stage, StageName::Nnm | StageName::Arc);
            if (mixes && left <= a.byzantine.saturating_mul(2)) || left > MOST_MIXED {
                return false;
            }
            if *stage == StageName::Bucketing {
                left = left.div_ceil(a.bucket_size());
            }
        }
        left >= self.rows_needed(n)
    }

    /// That stages and rule work on `n` updates; for a plan whose members are known.
    pub(in crate::plan) fn rule_fits_members(&self, n: usize) -> Result<(), PlanError> {
        if self.rule_fits(n) {
            return Ok(());
        }
        let what = format!("stages and rule don't work on the updates of all {n} members");
        let hint = "take another rule, fewer stages, or tolerate fewer byzantine members";
        Err(PlanError::at("aggregation.rule", what, hint))
    }

    pub(in crate::plan) fn rule_fits_quorum(&self) -> Result<(), PlanError> {
        let quorum = self.terms.rounds.quorum;
        if self.rule_fits(quorum) {
            return Ok(());
        }
        let enough = (quorum..=100_000).find(|n| self.rule_fits(*n));
        let (need, left) = (self.rows_needed(quorum), self.rows_left(quorum));
        let what = match left == quorum {
            _ if left >= need => format!(
                "with a quorum of {quorum} a stage gets more rows than it can take, or not more than twice byzantine = {}",
                self.terms.aggregation.byzantine
            ),
            true => format!("the rule needs {need} updates and the quorum is {quorum}"),
            false => format!("the rule needs {need} buckets and a quorum of {quorum} leaves {left}"),
        };
        let hint = match enough {
            Some(enough) => format!("write quorum = {enough}, or tolerate fewer byzantine members"),
            None => "tolerate fewer byzantine members".into(),
        };
        Err(PlanError::at("rounds.quorum", what, hint))
    }
}
