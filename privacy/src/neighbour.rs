//! Whose privacy, and against which change: the two words that give an epsilon its meaning.
//!
//! An epsilon without its unit and its neighbouring relation says nothing, so [`Unit`] and [`Relation`] travel with every
//! mechanism, every ledger entry and every printed guarantee.
//!
//! # References
//! P. Kairouz, B. McMahan, S. Song, O. Thakkar, A. Thakurta, Z. Xu: *Practical and Private (Deep) Learning without Sampling or
//! Shuffling*, ICML 2021 (Definition 1.1: zero-out adjacency).

use std::fmt;

use serde::{Deserialize, Serialize};

/// Whose contribution is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// One record (a patient): every example's gradient is clipped by itself. Holds where a record is one example; a patient
    /// with `k` examples has `k^2` times the rho.
    Record,
    /// One institution: its whole update of a round is clipped.
    Institution,
}

/// Which two worlds a guarantee makes hard to tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Relation {
    /// One unit's contribution is replaced by zero: sensitivity `C`. Comparable to add/remove, with batch sizes public and
    /// unchanged (Kairouz et al. 2021).
    ZeroOut,
    /// One unit is replaced by any other: sensitivity `2C`, four times the rho.
    Replace,
}

impl Unit {
    /// As written in a configuration file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Record => "record",
            Self::Institution => "institution",
        }
    }
}

impl Relation {
    /// Sensitivity of a sum of clipped contributions, in clip norms.
    #[must_use]
    pub fn factor(self) -> u32 {
        match self {
            Self::ZeroOut => 1,
            Self::Replace => 2,
        }
    }

    /// As written in a configuration file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ZeroOut => "zero-out",
            Self::Replace => "replace",
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
