//! Noise: the last step before anything leaves, with two sources told apart by type.
//!
//! | implementation | source | gives | may leave |
//! |---|---|---|---|
//! | [`OpenDpNoise`] | operating system, through OpenDP | `Noised<Os>` | yes, by [`Noised::into_release`] |
//! | [`AheadNoise`] | the same, drawn while the update is being made | `Noised<Os>` | yes |
//! | [`RehearsalNoise`] | a seed | `Noised<Rehearsal>` | no: whoever knows the seed can subtract the noise |
//!
//! All draw from the same distribution, the discrete Gaussian `P(x) ~ exp(-x^2 / (2 sigma^2))` over the integers, independently for
//! every coordinate and exactly (no floating point in any sampler). Simulations and tests run on the second; code that sends an
//! update asks for `Noised<Os>`, so a seeded one can't be encoded by mistake. (A program can of course copy [`Noised::values`]; types
//! guard against accidents.)
//!
//! A mechanism without noise (multiplier 0) passes through all unchanged: that is what its plan says, and its
//! [`crate::Mechanism::protection`] says it too.
//!
//! **Range.** Noised integers are checked against the bounds that the coordinator checks ([`crate::Mechanism::admits`]). One that lies
//! outside (probability at most `2^-40`) is an error and never saturates; refusing it depends on nothing but the noised values, so it
//! costs no privacy, but the release that was charged for is lost and another draw is another release.

use std::fmt;
use std::marker::PhantomData;

use thiserror::Error;

use crate::central::{ClearSum, NoisedSum};
use crate::mechanism::Mechanism;
use crate::parameter::SampleRate;
use crate::quantise::Quantised;

mod ahead;
mod gaussian;
mod opendp;
mod rehearsal;

pub use ahead::AheadNoise;
pub use opendp::OpenDpNoise;
pub use rehearsal::RehearsalNoise;

/// Entropy of the operating system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Os {}

/// A seed: reproducible, worthless as protection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rehearsal {}

/// Noise that can't be added.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum NoiseError {
    /// OpenDP refused, or the operating system gave no entropy.
    #[error("opendp: {message}")]
    OpenDp {
        /// OpenDP's words.
        message: String,
    },
    /// OpenDP's privacy map promises less than our accounting.
    #[error("opendp's privacy map says rho {map}, expected at most {rho}")]
    PrivacyMap {
        /// OpenDP's loss per release.
        map: f64,
        /// Ours, which was charged.
        rho: f64,
    },
    /// The noised integers lie outside what the plan admits.
    #[error(
        "noised update lies outside the plan's range or norm, which an honest one does with probability at most 2^-40; charge and draw a new release"
    )]
    OutsideRange,
}

/// Adds the mechanism's noise to a quantised update.
pub trait Noise {
    /// Where the noise comes from: [`Os`] or [`Rehearsal`].
    type Source;

    /// Consumes the update, so that it can be noised once only. In mode central it passes unchanged: the noise is the coordinator's.
    ///
    /// # Errors
    /// No entropy, a privacy map larger than what was charged, or a result outside the plan's bounds.
    fn noise(&mut self, quantised: Quantised) -> Result<Noised<Self::Source>, NoiseError>;

    /// The coordinator's noise on a sum, of mode central. Consumes the sum.
    ///
    /// # Errors
    /// No entropy, or a privacy map larger than what was charged.
    fn noise_sum(&mut self, sum: ClearSum) -> Result<NoisedSum<Self::Source>, NoiseError>;

    /// Tosses a coin for each of `records` records: the positions, ascending, of those that take part in a step. The probability is `rate`
    /// rounded down to a multiple of `2^-64`. The same source draws coins and noise, so that amplification rests on no weaker entropy.
    ///
    /// # Errors
    /// No entropy.
    fn draw(&mut self, records: usize, rate: SampleRate) -> Result<Vec<usize>, NoiseError>;
}

/// Those of `records` positions whose coin, uniform over 64 bits, falls below `rate`.
fn drawn(
    records: usize,
    rate: SampleRate,
    mut coin: impl FnMut() -> Result<u64, NoiseError>,
) -> Result<Vec<usize>, NoiseError> {
    // Exact: a float below 1 times a power of two, cut off.
    let below = (rate.get() < 1.0).then_some((rate.get() * 2f64.powi(64)) as u64);
    let mut positions = Vec::new();
    for position in 0..records {
        let coin = coin()?;
        if below.is_none_or(|below| coin < below) {
            positions.push(position);
        }
    }
    Ok(positions)
}

/// Integers that carry their noise: `d` of them, in grid steps.
pub struct Noised<S> {
    values: Vec<i32>,
    mechanism: Mechanism,
    source: PhantomData<fn() -> S>,
}

impl<S> Noised<S> {
    /// Checks the range; the only way to make one.
    pub(crate) fn admit(values: Vec<i32>, mechanism: Mechanism) -> Result<Self, NoiseError> {
        if mechanism.admits(&values) {
            Ok(Self {
                values,
                mechanism,
                source: PhantomData,
            })
        } else {
            Err(NoiseError::OutsideRange)
        }
    }

    /// The noised integers, in grid steps.
    #[must_use]
    pub fn values(&self) -> &[i32] {
        &self.values
    }

    /// The mechanism they went through.
    #[must_use]
    pub fn mechanism(&self) -> &Mechanism {
        &self.mechanism
    }
}

impl Noised<Os> {
    /// The integers to send. Only noise from the operating system has this:
    ///
    /// ```compile_fail,E0599
    /// fn send(rehearsed: xfl_privacy::Noised<xfl_privacy::Rehearsal>) -> Vec<i32> {
    ///     rehearsed.into_release()
    /// }
    /// ```
    #[must_use]
    pub fn into_release(self) -> Vec<i32> {
        self.values
    }
}

impl<S> fmt::Debug for Noised<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Noised")
            .field("dimension", &self.values.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
