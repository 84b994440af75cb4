//! `[aggregation]`: what is done to a round's updates, then the rule, with the parameters that each of them takes.
//!
//! **Claim.** A key that the chosen rule and stages don't take is an error: nobody believes to have set something that nothing
//! reads (but `byzantine`, which rehearsals read too). Lengths (`norm`, `tau`, `nu`) are shares of the bound on an update before noise, which is `privacy.clip`, times
//! `training.batch` where the unit is a record; they become whole grid steps here, the same on every machine.
//!
//! **Not here.** Rules that need something no coordinator has: a row that is trusted (`monna`, `fltrust`) and weights that somebody
//! claims (`weighted-mean`). They are in `xfl aggregate` and in the library.

use serde::{Deserialize, Serialize};
use xfl_aggregation::{
    Neighbours, Rule, Stage,
    decide::{bulyan, caf::PowerStart},
};

use xfl_privacy::Unit;

use super::{Plan, PlanError};
use crate::seed::Seed;

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
}

/// The rules' names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuleName {
    /// Floor of the mean.
    Mean,
    /// Coordinate-wise median.
    Median,
    /// Coordinate-wise trimmed mean.
    TrimmedMean,
    /// Mean of the n-f values nearest to the median, by coordinate.
    Meamed,
    /// Smoothed Weiszfeld steps.
    GeometricMedian,
    /// The update whose neighbours are nearest.
    Krum,
    /// Mean of several such.
    MultiKrum,
    /// Krum's selection, then Meamed.
    Bulyan,
    /// The n-f updates of least diameter.
    Mda,
    /// The covariance-bound agnostic filter.
    Caf,
    /// The n-f updates of least spread along any direction.
    Smea,
    /// Divide and conquer on sampled coordinates.
    Dnc,
    /// Clipped differences from the last round's aggregate.
    CenteredClipping,
    /// Mean of updates shortened to a norm.
    NormClipping,
    /// The majority by direction, clipped to the median norm.
    Flame,
    /// Weights by how unlike an update's history is to all others'.
    #[serde(rename = "foolsgold")]
    FoolsGold,
    /// The sign that more updates have, by coordinate.
    SignMajority,
}

/// What can be done to updates before a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StageName {
    /// Shortened to `norm`.
    Clipping,
    /// The longest shortened, adaptively.
    Arc,
    /// Each replaced by the mean of its n-f nearest.
    Nnm,
    /// Means of `bucket` updates in a drawn order.
    Bucketing,
}

impl StageName {
    /// The name as the plan writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Clipping => "clipping",
            Self::Arc => "arc",
            Self::Nnm => "nnm",
            Self::Bucketing => "bucketing",
        }
    }
}

/// Conventions of the Krum family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NeighboursName {
    /// n - f - 2, as published.
    #[default]
    Blanchard,
    /// n - f - 1, as in ByzFL.
    ByzFl,
}

/// Rows that stages work on at most.
const MOST_MIXED: usize = xfl_aggregation::decide::MAX_SQUARE;

/// A round's stages and rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Pipeline {
    /// Before the rule, in this order.
    pub pre: Vec<Stage>,
    /// The rule.
    pub rule: Rule,
}

impl RuleName {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::Mean,
        Self::Median,
        Self::TrimmedMean,
        Self::Meamed,
        Self::GeometricMedian,
        Self::Krum,
        Self::MultiKrum,
        Self::Bulyan,
        Self::Mda,
        Self::Caf,
        Self::Smea,
        Self::Dnc,
        Self::CenteredClipping,
        Self::NormClipping,
        Self::Flame,
        Self::FoolsGold,
        Self::SignMajority,
    ];

    /// The number that stands for the rule in a round's header.
    pub fn code(self) -> u8 {
        match self {
            Self::Mean => 1,
            Self::Median => 2,
            Self::TrimmedMean => 3,
            Self::MultiKrum => 4,
            Self::SignMajority => 5,
            Self::Meamed => 6,
            Self::GeometricMedian => 7,
            Self::Krum => 8,
            Self::Bulyan => 9,
            Self::Mda => 10,
            Self::Caf => 11,
            Self::Smea => 12,
            Self::Dnc => 13,
            Self::CenteredClipping => 14,
            Self::NormClipping => 15,
            Self::Flame => 16,
            Self::FoolsGold => 17,
        }
    }

    /// The name as the plan writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Median => "median",
            Self::TrimmedMean => "trimmed-mean",
            Self::Meamed => "meamed",
            Self::GeometricMedian => "geometric-median",
            Self::Krum => "krum",
            Self::MultiKrum => "multi-krum",
            Self::Bulyan => "bulyan",
            Self::Mda => "mda",
            Self::Caf => "caf",
            Self::Smea => "smea",
            Self::Dnc => "dnc",
            Self::CenteredClipping => "centered-clipping",
            Self::NormClipping => "norm-clipping",
            Self::Flame => "flame",
            Self::FoolsGold => "foolsgold",
            Self::SignMajority => "sign-majority",
        }
    }

    /// The rule of a name that a person typed.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rule| rule.name() == name)
    }
}

impl Plan {
    /// The number that stands for stages and rule in a round's header: the rule's, plus 128 where anything was done before it,
    /// so that nobody takes such an aggregate for the rule's own.
    pub fn rule_code(&self) -> u8 {
        let a = &self.terms.aggregation;
        a.rule.code() | if a.pre.is_empty() { 0 } else { 0x80 }
    }

    /// Stages and rule for a round of `n` updates, after `refused` others that were out of bounds: those are counted among the
    /// byzantine ones, so that one who sends nonsense can't take the rule its quorum. Whatever is drawn follows from `coin`.
    pub fn pipeline(&self, n: usize, refused: usize, coin: &Seed) -> Pipeline {
        let a = &self.terms.aggregation;
        let f = a.byzantine.saturating_sub(refused);
        let (mut pre, mut rows) = (Vec::new(), n);
        for (place, stage) in (0..).zip(&a.pre) {
            pre.push(match stage {
                StageName::Clipping => Stage::Clipping {
                    norm: self.steps(a.norm.unwrap_or(1.0)),
                },
                StageName::Arc => Stage::Arc { f },
                StageName::Nnm => Stage::Nnm { f },
                StageName::Bucketing => {
                    let mut permutation: Vec<usize> = (0..rows).collect();
                    coin.derive("bucketing", &[place]).stream().shuffle(&mut permutation);
                    let size = a.bucket_size();
                    rows = rows.div_ceil(size);
                    Stage::Bucketing { size, permutation }
                }
            });
        }
        let rule = self.rule(rows, f, coin);
        Pipeline { pre, rule }
    }

    /// The rule for `n` rows that the stages leave, `f` of them bad.
    fn rule(&self, n: usize, f: usize, coin: &Seed) -> Rule {
        let a = &self.terms.aggregation;
        let neighbours = match a.neighbours.unwrap_or_default() {
            NeighboursName::Blanchard => Neighbours::Blanchard,
            NeighboursName::ByzFl => Neighbours::ByzFl,
        };
        match a.rule {
            RuleName::Mean => Rule::Mean,
            RuleName::Median => Rule::Median,
            RuleName::TrimmedMean => Rule::TrimmedMean { f },
            RuleName::Meamed => Rule::Meamed { f },
            RuleName::GeometricMedian => Rule::GeometricMedian {
                nu: u32::try_from(a.nu.map_or(1, |nu| self.steps(nu))).unwrap_or(u32::MAX),
                iterations: a.iterations.unwrap_or(3),
            },
            RuleName::Krum => Rule::Krum { f, neighbours },
            RuleName::MultiKrum => Rule::MultiKrum {
                f,
                select: a.select.unwrap_or_else(|| n.saturating_sub(f)),
                neighbours,
            },
            RuleName::Bulyan => Rule::Bulyan {
                f,
                stage: bulyan::Stage::Iterated,
                neighbours,
            },
            RuleName::Mda => Rule::Mda { f },
            RuleName::Caf => Rule::Caf {
                f,
                start: PowerStart::Ones,
                power: 1,
            },
            RuleName::Smea => Rule::Smea {
                f,
                start: PowerStart::Ones,
                power: 1,
            },
            RuleName::Dnc => Rule::Dnc {
                f,
                filter_ppm: 1_000_000,
                seed: coin.derive("dnc", &[]).stream().next_u64(),
                count: usize::try_from(a.sampled.unwrap_or(10_000)).unwrap_or(usize::MAX),
                iterations: 1,
            },
            RuleName::CenteredClipping => Rule::CenteredClipping {
                tau: self.steps(a.tau.unwrap_or(1.0)),
                iterations: a.iterations.unwrap_or(1),
            },
            RuleName::NormClipping => Rule::NormClipping {
                norm: self.steps(a.norm.unwrap_or(1.0)),
            },
            RuleName::Flame => Rule::Flame,
            RuleName::FoolsGold => Rule::FoolsGold { kappa_ppm: 1_000_000 },
            RuleName::SignMajority => Rule::SignMajority,
        }
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
    pub(super) fn rule_fits_members(&self, n: usize) -> Result<(), PlanError> {
        if self.rule_fits(n) {
            return Ok(());
        }
        let what = format!("stages and rule don't work on the updates of all {n} members");
        let hint = "take another rule, fewer stages, or tolerate fewer byzantine members";
        Err(PlanError::at("aggregation.rule", what, hint))
    }

    /// A share of an update's bound in whole grid steps, at least 1.
    fn steps(&self, share: f64) -> u64 {
        let units = match self.terms.privacy.unit {
            Unit::Record => self.terms.training.batch as f64,
            Unit::Institution => 1.0,
        };
        // A float-to-integer cast saturates; the plan's check has seen that the share is positive and finite.
        ((share * units * self.terms.privacy.clip / self.terms.privacy.step).floor() as u64).max(1)
    }

    pub(super) fn rule_fits_quorum(&self) -> Result<(), PlanError> {
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

    /// That every parameter is one of the rule's or of a stage's, and in its range.
    pub(super) fn rule_parameters(&self) -> Result<(), PlanError> {
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

impl Aggregation {
    /// Whether there is nothing but a rule, f, and Multi-Krum's selection.
    pub fn is_plain(&self) -> bool {
        let lengths = self.nu.is_none() && self.tau.is_none() && self.norm.is_none();
        let counts = self.iterations.is_none() && self.bucket.is_none() && self.sampled.is_none();
        self.pre.is_empty() && self.neighbours.is_none() && lengths && counts
    }

    fn bucket_size(&self) -> usize {
        self.bucket.unwrap_or(2).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_one_name_and_one_code() {
        for (i, rule) in RuleName::ALL.into_iter().enumerate() {
            assert_eq!(RuleName::named(rule.name()), Some(rule));
            let parsed: RuleName = serde_json::from_value(rule.name().into()).unwrap();
            assert_eq!(parsed, rule);
            assert!(
                RuleName::ALL[..i].iter().all(|other| other.code() != rule.code()),
                "{} twice",
                rule.code()
            );
        }
    }
}
