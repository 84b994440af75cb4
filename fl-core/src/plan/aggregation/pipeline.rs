//! A round's stages and rule, with every parameter, made of the plan's words.
//!
//! **Claim.** It is a function of the plan, of how many updates there are and how many were refused, and of the round's coin: all who
//! replay a round make the same. Lengths, which a plan states as shares of an update's bound, become whole grid steps here.

use xfl_aggregation::{
    Neighbours, Rule, Stage,
    decide::{bulyan, caf::PowerStart},
};
use xfl_privacy::Unit;

use super::{NeighboursName, RuleName, StageName};
use crate::{plan::Plan, seed::Seed};

/// A round's stages and rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Pipeline {
    /// Before the rule, in this order.
    pub pre: Vec<Stage>,
    /// The rule.
    pub rule: Rule,
    /// For the weighted mean, what each row after the stages weighs.
    pub weights: Option<Vec<u64>>,
}

impl Plan {
    /// Stages and rule for a round of `n` updates, after `refused` others that were out of bounds: those are counted among the
    /// byzantine ones, so that one who sends nonsense can't take the rule its quorum. Whatever is drawn follows from `coin`. Rows
    /// weigh the same until [`Plan::weighing`] says whose they are.
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
        Pipeline {
            pre,
            rule,
            weights: (a.rule == RuleName::WeightedMean).then(|| vec![1; rows]),
        }
    }

    /// The rule for `n` rows that the stages leave, `f` of them bad.
    pub(super) fn rule(&self, n: usize, f: usize, coin: &Seed) -> Rule {
        let a = &self.terms.aggregation;
        let neighbours = match a.neighbours.unwrap_or_default() {
            NeighboursName::Blanchard => Neighbours::Blanchard,
            NeighboursName::ByzFl => Neighbours::ByzFl,
        };
        match a.rule {
            RuleName::Mean => Rule::Mean,
            RuleName::WeightedMean => Rule::WeightedMean { cap: a.weight_cap() },
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

    /// A share of an update's bound in whole grid steps, at least 1.
    fn steps(&self, share: f64) -> u64 {
        let units = match self.terms.privacy.unit {
            Unit::Record => self.terms.training.batch as f64,
            Unit::Institution => 1.0,
        };
        // A float-to-integer cast saturates; the plan's check has seen that the share is positive and finite.
        ((share * units * self.terms.privacy.clip / self.terms.privacy.step).floor() as u64).max(1)
    }
}
