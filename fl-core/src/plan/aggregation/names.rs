//! What rules, stages and conventions are called in a plan, and the numbers that stand for rules in a round's header.
//!
//! A number, once given, is never given to another rule: headers are on chains. The conversion to the rules themselves, with their
//! parameters, is [`super::Pipeline`]'s.

use serde::{Deserialize, Serialize};

/// The rules' names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuleName {
    /// Floor of the mean.
    Mean,
    /// Floor of the mean with the weights that the plan names.
    WeightedMean,
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

impl RuleName {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::Mean,
        Self::WeightedMean,
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
            Self::WeightedMean => 18,
        }
    }

    /// The name as the plan writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::WeightedMean => "weighted-mean",
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
