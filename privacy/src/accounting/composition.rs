//! What was released: Gaussian noise, sampling, and how often.
//!
//! A [`Step`] adds Gaussian noise of standard deviation `noise * sensitivity` to a sum over the records that take part in it; a
//! [`Composition`] is a multiset of steps, chosen adaptively or not. Neither knows how its loss is counted: that is an
//! [`Accountant`](super::Accountant)'s.
//!
//! | sampling | who takes part | neighbours | sensitivity |
//! |---|---|---|---|
//! | [`Sampling::None`] | every record | zero-out (or add/remove) | one clip norm |
//! | [`Sampling::Poisson`] | each record by its own coin | add/remove (or zero-out) | one clip norm |
//! | [`Sampling::Fixed`] | a uniform subset of fixed size | replace | **two** clip norms |
//!
//! The noise multiplier here is always standard deviation over sensitivity *under that relation*, as in the literature. With
//! fixed-size sampling a multiplier of 1 is therefore noise of two clip norms.
//!
//! **What amplification rests on.** The coins must come from entropy that no adversary sees, inside an institution; a draw that is
//! ever published (a cohort's, say) amplifies nothing.
//!
//! **Not claimed.** Steps are those of the continuous Gaussian. zCDP holds for the discrete one as it stands; the sampled curves of a
//! discrete Gaussian differ from these by a share of the order of one over its variance in grid steps: [`super::Loss`] charges for it, nothing
//! here does.
//!
//! # References
//! - B. Balle, G. Barthe, M. Gaboardi: *Privacy Amplification by Subsampling*, NeurIPS 2018.
//! - C. Canonne, G. Kamath, T. Steinke: *The Discrete Gaussian for Differential Privacy*, NeurIPS 2020.

use std::fmt;

use serde::Serialize;
use thiserror::Error;

use crate::parameter::{NoiseMultiplier, SampleRate};

/// Most different steps that a composition may have.
pub const MAX_KINDS: usize = 1024;

/// Who takes part in a step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(tag = "scheme", content = "rate", rename_all = "kebab-case")]
pub enum Sampling {
    /// Every record, every time.
    None,
    /// Every record by an independent coin with this probability.
    Poisson(SampleRate),
    /// A uniform subset without replacement: this share of the records.
    Fixed(SampleRate),
}

/// The two worlds that a statement about a composition tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Neighbours {
    /// One record's contribution is replaced by zero.
    ZeroOut,
    /// One record is added or removed.
    AddRemove,
    /// One record is replaced by any other.
    Replace,
}

/// One noisy sum.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Step {
    /// Standard deviation over sensitivity.
    pub noise: NoiseMultiplier,
    /// Who takes part.
    pub sampling: Sampling,
}

/// Steps that don't compose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CompositionError {
    /// Poisson and fixed-size sampling hold under different neighbours.
    #[error("a step with neighbours by {got} among steps with neighbours by {expected}: state them apart")]
    Neighbours {
        /// Those of the steps so far.
        expected: Neighbours,
        /// Those of the new step.
        got: Neighbours,
    },
    /// A list that is too long to account for.
    #[error("more than {MAX_KINDS} different steps; join those with equal noise and sampling")]
    TooMany,
}

/// Steps with how often each was taken. Their order doesn't matter, equal ones are added up.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Composition {
    steps: Vec<(Step, u64)>,
}

/// What counts of a composition: one Gaussian for all steps without sampling, and the sampled ones.
#[derive(Debug, Clone, Default)]
pub(super) struct Normalised {
    /// Sum of `1 / noise^2` over the unsampled steps.
    pub(super) precision: f64,
    /// The others: rate in (0, 1), noise above 0.
    pub(super) sampled: Vec<Sampled>,
}

/// A kind of sampled step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sampled {
    pub(super) rate: f64,
    pub(super) noise: f64,
    pub(super) count: u64,
    pub(super) fixed: bool,
}

impl Composition {
    /// `count` times the same step.
    #[must_use]
    pub fn of(step: Step, count: u64) -> Self {
        Self {
            steps: if count == 0 { Vec::new() } else { vec![(step, count)] },
        }
    }

    /// Adds `count` times a step. Counts saturate at `u64::MAX`.
    ///
    /// # Errors
    /// The step has other neighbours than those before, or there are more than [`MAX_KINDS`] kinds.
    pub fn push(&mut self, step: Step, count: u64) -> Result<(), CompositionError> {
        if count == 0 {
            return Ok(());
        }
        let (expected, got) = (self.neighbours(), step.neighbours());
        let sampled = |n| n != Neighbours::ZeroOut;
        if sampled(expected) && sampled(got) && expected != got {
            return Err(CompositionError::Neighbours { expected, got });
        }
        if let Some((_, n)) = self.steps.iter_mut().find(|(known, _)| *known == step) {
            *n = n.saturating_add(count);
            return Ok(());
        }
        if self.steps.len() == MAX_KINDS {
            return Err(CompositionError::TooMany);
        }
        self.steps.push((step, count));
        // In one order whatever the order of the calls, so that sums of floats are the same too.
        self.steps
            .sort_by(|(a, _), (b, _)| a.key().partial_cmp(&b.key()).unwrap_or(std::cmp::Ordering::Equal));
        Ok(())
    }

    /// The steps and their counts.
    #[must_use]
    pub fn steps(&self) -> &[(Step, u64)] {
        &self.steps
    }

    /// Under which change every statement about it holds. Steps without sampling go with any.
    #[must_use]
    pub fn neighbours(&self) -> Neighbours {
        let all = self.steps.iter().map(|(step, _)| step.neighbours());
        all.into_iter()
            .find(|n| *n != Neighbours::ZeroOut)
            .unwrap_or(Neighbours::ZeroOut)
    }

    /// `None` if some step that does anything has no noise at all.
    pub(super) fn normalised(&self) -> Option<Normalised> {
        let mut normal = Normalised::default();
        for (step, count) in &self.steps {
            let (rate, fixed) = match step.sampling {
                Sampling::None => (1.0, false),
                Sampling::Poisson(rate) => (rate.get(), false),
                Sampling::Fixed(rate) => (rate.get(), true),
            };
            let noise = step.noise.get();
            match (rate, noise) {
                (0.0, _) => {}
                (_, 0.0) => return None,
                (1.0, _) => normal.precision += *count as f64 / noise / noise,
                _ => normal.sampled.push(Sampled {
                    rate,
                    noise,
                    count: *count,
                    fixed,
                }),
            }
        }
        Some(normal)
    }
}

impl Step {
    /// Under which change a statement about this step holds.
    #[must_use]
    pub fn neighbours(&self) -> Neighbours {
        match self.sampling {
            Sampling::None => Neighbours::ZeroOut,
            Sampling::Poisson(_) => Neighbours::AddRemove,
            Sampling::Fixed(_) => Neighbours::Replace,
        }
    }

    fn key(&self) -> (u8, f64, f64) {
        match self.sampling {
            Sampling::None => (0, 1.0, self.noise.get()),
            Sampling::Poisson(rate) => (1, rate.get(), self.noise.get()),
            Sampling::Fixed(rate) => (2, rate.get(), self.noise.get()),
        }
    }
}

impl Neighbours {
    /// L2 sensitivity of a sum of contributions clipped to norm 1: the unit of the noise multiplier.
    #[must_use]
    pub fn clip_norms(self) -> u32 {
        match self {
            Self::ZeroOut | Self::AddRemove => 1,
            Self::Replace => 2,
        }
    }
}

impl fmt::Display for Neighbours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ZeroOut => "zero-out",
            Self::AddRemove => "add/remove",
            Self::Replace => "replace",
        })
    }
}
