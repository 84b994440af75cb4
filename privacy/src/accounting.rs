//! From rho to epsilon, and back to the noise that a target needs.
//!
//! Losses are counted in zero-concentrated differential privacy, where they add up exactly ([`Rho::plus`], [`Rho::times`]) and
//! adaptively; only what is printed is converted. The conversion is the tight one of Canonne, Kamath and Steinke (2020, Proposition
//! 12): for every `alpha > 1`, rho-zCDP implies
//!
//! ```text
//! delta = exp((alpha - 1)(alpha rho - epsilon)) / (alpha - 1) * (1 - 1/alpha)^alpha
//! ```
//!
//! minimised over alpha by OpenDP's conversion (the one behind its `make_zCDP_to_approxDP`), whose arithmetic rounds towards more
//! loss; its inverse in epsilon is a bisection that ends above the root. OpenDP looks at alpha from 1.01 on; where rho is so large that
//! a smaller one is better, that one is taken, rounded up too. So every epsilon from here is at least the true one for its rho.
//!
//! Sampled steps, Rényi divergences and privacy loss distributions: [`Accountant`] over a [`Composition`].
//!
//! **Not claimed.** Tightness for Gaussian noise beyond what zCDP keeps: the exact curve of the Gaussian mechanism is lower by some
//! per cent.
//!
//! # References
//! - M. Bun, T. Steinke: *Concentrated Differential Privacy: Simplifications, Extensions, and Lower Bounds*, TCC 2016.
//! - C. Canonne, G. Kamath, T. Steinke: *The Discrete Gaussian for Differential Privacy*, NeurIPS 2020.

use std::fmt;

use opendp::combinators::ConcentratedMeasure;
use opendp::measures::ZeroConcentratedDivergence;
use serde::Serialize;
use thiserror::Error;

use crate::hush::taking_turns;
use crate::mechanism::Mechanism;
use crate::neighbour::{Relation, Unit};
use crate::parameter::{Delta, Epsilon, NoiseMultiplier, Rho};

mod accountant;
mod composition;
mod conversion;
mod exact;
mod loss;
mod normal;
pub mod pld;
mod quadrature;
pub mod rdp;
mod tradeoff;

pub use accountant::{Accountant, CalibrationError, rho};
pub use composition::{Composition, CompositionError, MAX_KINDS, Neighbours, Sampling, Step};
pub use loss::{Loss, Sampled, Total};
pub(crate) use normal::quantile;
pub use tradeoff::{DELTAS, TradeOff};

/// Noise that can't be calibrated.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
pub enum AccountingError {
    /// Noise for no releases.
    #[error("releases is 0, expected at least 1")]
    NoReleases,
    /// No finite noise is enough.
    #[error("no noise keeps {releases} releases within epsilon {}; write a larger epsilon or fewer rounds", epsilon.get())]
    Unreachable {
        /// What was asked for.
        epsilon: Epsilon,
        /// For how many releases.
        releases: u64,
    },
}

/// The smallest known delta at `epsilon`. Where OpenDP's arithmetic overflows nothing better than 1 is known.
fn delta_at(rho: f64, epsilon: f64) -> f64 {
    let delta = taking_turns(|| ZeroConcentratedDivergence::convert(rho).and_then(|profile| profile.delta(epsilon)));
    delta.ok().filter(|delta| *delta <= 1.0).unwrap_or(1.0)
}

/// The smallest known epsilon at `delta` of releases that cost `rho` together, rounded up; infinite if rho is.
#[must_use]
pub fn epsilon(rho: Rho, delta: Delta) -> Epsilon {
    let (rho, delta) = (rho.get(), delta.get());
    if delta_at(rho, 0.0) <= delta {
        return Epsilon::ZERO;
    }
    // Bun and Steinke 2016, Proposition 1.3, is never below.
    let (mut low, mut high) = (0.0, rho + 2.0 * (rho * -delta.ln()).sqrt());
    while delta_at(rho, high) > delta {
        (low, high) = (high, high * 2.0);
        if !high.is_finite() {
            return Epsilon::result(conversion::direct(rho, delta).max(0.0));
        }
    }
    // What is returned has been checked: only bisection's fineness rests on monotonicity.
    loop {
        let middle = low + (high - low) / 2.0;
        if middle <= low || middle >= high {
            return Epsilon::result(high.min(conversion::direct(rho, delta).max(0.0)));
        }
        if delta_at(rho, middle) > delta {
            low = middle
        } else {
            high = middle
        }
    }
}

/// The largest rho (to the last bit of a bisection, rounded down) that stays within `epsilon` at `delta`.
#[must_use]
pub fn largest_rho(epsilon: Epsilon, delta: Delta) -> Rho {
    if !epsilon.is_finite() {
        return Rho::INFINITE;
    }
    let within =
        |rho: f64| delta_at(rho, epsilon.get()) <= delta.get() || conversion::direct(rho, delta.get()) <= epsilon.get();
    let (mut low, mut high) = (0.0f64, epsilon.get());
    while high.is_finite() && within(high) {
        (low, high) = (high, high * 2.0);
    }
    loop {
        let middle = low + (high - low) / 2.0;
        if middle <= low || middle >= high {
            return Rho::result(low);
        }
        if within(middle) { low = middle } else { high = middle }
    }
}

/// The smallest noise multiplier (to about one part in 10^12, rounded up) with which `releases` releases together stay within
/// `epsilon` at `delta` under the relation. The mechanism rounds its sigma up, so a plan with this multiplier keeps the promise.
///
/// # Errors
/// No releases, or no finite noise is enough.
pub fn noise_multiplier(
    epsilon: Epsilon,
    delta: Delta,
    releases: u64,
    relation: Relation,
) -> Result<NoiseMultiplier, AccountingError> {
    if releases == 0 {
        return Err(AccountingError::NoReleases);
    }
    let factor = f64::from(relation.factor());
    let total = largest_rho(epsilon, delta).get();
    // releases * factor^2 / (2 z^2) = total.
    let mut multiplier = factor * (releases as f64 / (2.0 * total)).sqrt();
    loop {
        let candidate =
            NoiseMultiplier::new(multiplier).map_err(|_| AccountingError::Unreachable { epsilon, releases })?;
        let each = factor.powi(2) / (2.0 * multiplier.powi(2)) * (1.0 + 4.0 * f64::EPSILON);
        if Rho::result(each).times(releases).get() <= total {
            return Ok(candidate);
        }
        multiplier *= 1.0 + 1e-13;
    }
}

/// An epsilon with everything that gives it a meaning. Its `Display` is what people are shown.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Guarantee {
    /// Whose privacy.
    pub unit: Unit,
    /// Against which change.
    pub relation: Relation,
    /// Total loss without amplification by sampling, rounded up.
    pub rho: Rho,
    /// Epsilon at `delta`, rounded up.
    pub epsilon: Epsilon,
    /// Where epsilon was read off.
    pub delta: Delta,
    /// How it was counted.
    pub accountant: Accountant,
}

impl Guarantee {
    /// What `releases` releases of a mechanism guarantee together: those of rounds 1 to `releases`.
    #[must_use]
    pub fn of(mechanism: &Mechanism, releases: u64, delta: Delta) -> Self {
        let total = Total::of(&mechanism.loss(), mechanism.charges(releases));
        Self::new(mechanism.unit(), mechanism.relation(), &total, delta)
    }

    /// What a total loss guarantees.
    #[must_use]
    pub fn new(unit: Unit, relation: Relation, total: &Total, delta: Delta) -> Self {
        Self {
            unit,
            relation,
            rho: total.rho(),
            epsilon: total.epsilon(delta),
            delta,
            accountant: total.accountant(),
        }
    }
}

impl fmt::Display for Guarantee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            unit,
            relation,
            epsilon,
            delta,
            ..
        } = self;
        write!(
            f,
            "epsilon {epsilon} at delta {delta} (unit {unit}, neighbours by {relation})"
        )
    }
}

#[cfg(test)]
mod laws;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;
