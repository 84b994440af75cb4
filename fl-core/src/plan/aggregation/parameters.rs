//! That every parameter of `[aggregation]` is one of its rule's or of a stage's, and in its range.

use super::{RuleName, StageName};
use crate::plan::{Plan, PlanError};

impl Plan {
    /// That every parameter is one of the rule's or of a stage's, and in its range.
    pub(in crate::plan) fn rule_parameters(&self) -> Result<(), PlanError> {
        use RuleName::{Bulyan, CenteredClipping, Dnc, GeometricMedian, Krum, MultiKrum, NormClipping};
        let a = &self.terms.aggregation;
        let stage = |name| a.pre.contains(&name);
        let taken = [
            ("select", a.select.is_some(), a.rule == MultiKrum, "multi-krum"),
            (
                "neighbours",
                a.neighbours.is_some(),
                matches!(a.rule, Krum | MultiKrum | Bulyan),
                "krum, multi-krum and bulyan",
            ),
            ("nu", a.nu.is_some(), a.rule == GeometricMedian, "geometric-median"),
            (
                "iterations",
                a.iterations.is_some(),
                matches!(a.rule, GeometricMedian | CenteredClipping),
                "geometric-median and centered-clipping",
            ),
            ("tau", a.tau.is_some(), a.rule == CenteredClipping, "centered-clipping"),
            (
                "norm",
                a.norm.is_some(),
                a.rule == NormClipping || stage(StageName::Clipping),
                "norm-clipping and pre = [\"clipping\"]",
            ),
            (
                "bucket",
                a.bucket.is_some(),
                stage(StageName::Bucketing),
                "pre = [\"bucketing\"]",
            ),
            ("sampled", a.sampled.is_some(), a.rule == Dnc, "dnc"),
        ];
        for (key, given, taken, by) in taken {
            if given && !taken {
                let what = format!("the rule {} doesn't take it", a.rule.name());
                return Err(PlanError::at(
                    &format!("aggregation.{key}"),
                    what,
                    format!("leave it out: it is for {by}"),
                ));
            }
        }
        self.weights_fit()?;
        let lengths = [("tau", a.tau), ("norm", a.norm), ("nu", a.nu)];
        for (key, length) in lengths {
            if let Some(got) = length.filter(|l| !(l.is_finite() && *l > 0.0)) {
                let hint = "write a positive share of the bound on an update's norm, such as 0.5";
                return Err(PlanError::at(&format!("aggregation.{key}"), format!("got {got}"), hint));
            }
        }
        let counts = [
            ("iterations", a.iterations.map(u64::from), 1_000),
            ("select", a.select.map(|v| v as u64), 10_000),
            ("bucket", a.bucket.map(|v| v as u64), 10_000),
            ("sampled", a.sampled, 1 << 24),
        ];
        for (key, count, most) in counts {
            if let Some(got) = count.filter(|c| !(1..=most).contains(c)) {
                return Err(PlanError::at(
                    &format!("aggregation.{key}"),
                    format!("got {got}"),
                    format!("write a number from 1 to {most}"),
                ));
            }
        }
        if a.rule == RuleName::FoolsGold && stage(StageName::Bucketing) {
            let hint = "take another rule, or leave bucketing out";
            return Err(PlanError::at(
                "aggregation.pre",
                "foolsgold remembers members, and buckets have none",
                hint,
            ));
        }
        if a.pre.len() > xfl_aggregation::real::MAX_STAGES {
            let what = format!("{} stages", a.pre.len());
            return Err(PlanError::at(
                "aggregation.pre",
                what,
                format!("write {} at most", xfl_aggregation::real::MAX_STAGES),
            ));
        }
        Ok(())
    }
}
