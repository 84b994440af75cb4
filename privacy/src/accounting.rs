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
//! minimised over alpha by OpenDP's `make_zCDP_to_approxDP`, whose arithmetic rounds towards more loss; its inverse in epsilon is a
//! bisection that ends above the root. So every epsilon from here is at least the true one for its rho.
//!
//! **Not claimed.** Tightness for Gaussian noise beyond what zCDP keeps: the exact curve of the Gaussian mechanism is lower by some
//! per cent.
//!
//! # References
//! - M. Bun, T. Steinke: *Concentrated Differential Privacy: Simplifications, Extensions, and Lower Bounds*, TCC 2016.
//! - C. Canonne, G. Kamath, T. Steinke: *The Discrete Gaussian for Differential Privacy*, NeurIPS 2020.

use std::fmt;

use opendp::combinators::ConcentratedMeasure;
use opendp::measures::{PrivacyProfile, ZeroConcentratedDivergence};
use serde::Serialize;
use thiserror::Error;

use crate::mechanism::Mechanism;
use crate::neighbour::{Relation, Unit};
use crate::parameter::{Delta, Epsilon, NoiseMultiplier, ParameterError, Rho};

/// A conversion that can't be made.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum AccountingError {
    /// OpenDP's arithmetic gave up.
    #[error("opendp can't convert rho {rho}: {message}")]
    OpenDp {
        /// The loss that was to be converted.
        rho: f64,
        /// OpenDP's words.
        message: String,
    },
    /// Noise for no releases.
    #[error("releases is 0, expected at least 1")]
    NoReleases,
    /// A computed number fell outside its range.
    #[error(transparent)]
    Parameter(#[from] ParameterError),
}

/// Beyond this rho every delta of interest needs an epsilon of more than a million: reported as infinite.
const HOPELESS: f64 = 1e6;

fn profile(rho: f64) -> Result<PrivacyProfile, AccountingError> {
    ZeroConcentratedDivergence::convert(rho).map_err(|error| refused(rho, error))
}

fn refused(rho: f64, error: opendp::error::Error) -> AccountingError {
    AccountingError::OpenDp { rho, message: error.message.unwrap_or_else(|| format!("{:?}", error.variant)) }
}

/// The smallest known epsilon at `delta` of releases that cost `rho` together, rounded up; infinite if rho is (or passes a million).
///
/// # Errors
/// OpenDP's arithmetic overflows.
pub fn epsilon(rho: Rho, delta: Delta) -> Result<Epsilon, AccountingError> {
    let rho = rho.get();
    if rho > HOPELESS {
        return Ok(Epsilon::INFINITE);
    }
    let epsilon = profile(rho)?.epsilon(delta.get()).map_err(|error| refused(rho, error))?;
    Ok(Epsilon::result(epsilon)?)
}

/// The largest rho (to the last bit of a bisection, rounded down) that stays within `epsilon` at `delta`.
///
/// # Errors
/// OpenDP's arithmetic overflows.
pub fn largest_rho(epsilon: Epsilon, delta: Delta) -> Result<Rho, AccountingError> {
    let within = |rho: f64| -> Result<bool, AccountingError> {
        let reached = profile(rho)?.delta(epsilon.get()).map_err(|error| refused(rho, error))?;
        Ok(reached <= delta.get())
    };
    if !epsilon.is_finite() {
        return Ok(Rho::INFINITE);
    }
    // rho <= epsilon always: a rho-zCDP mechanism can lose rho on average.
    let (mut low, mut high) = (0.0f64, epsilon.get().min(HOPELESS));
    loop {
        let middle = low + (high - low) / 2.0;
        if middle <= low || middle >= high {
            return Ok(Rho::new(low)?);
        }
        if within(middle)? { low = middle } else { high = middle }
    }
}

/// The smallest noise multiplier (to about one part in 10^12, rounded up) with which `releases` releases together stay within
/// `epsilon` at `delta` under the relation. The mechanism rounds its sigma up, so a plan with this multiplier keeps the promise.
///
/// # Errors
/// No releases, or OpenDP's arithmetic overflows.
pub fn noise_multiplier(
    epsilon_limit: Epsilon,
    delta: Delta,
    releases: u64,
    relation: Relation,
) -> Result<NoiseMultiplier, AccountingError> {
    if releases == 0 {
        return Err(AccountingError::NoReleases);
    }
    let total = largest_rho(epsilon_limit, delta)?.get();
    // releases * factor^2 / (2 z^2) = total.
    let mut multiplier = f64::from(relation.factor()) * (releases as f64 / (2.0 * total)).sqrt();
    loop {
        let each = f64::from(relation.factor()).powi(2) / (2.0 * multiplier.powi(2)) * (1.0 + 4.0 * f64::EPSILON);
        let candidate = NoiseMultiplier::new(multiplier)?;
        if Rho::new(each)?.times(releases).get() <= total {
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
    /// Total loss, rounded up.
    pub rho: Rho,
    /// Epsilon at `delta`, rounded up.
    pub epsilon: Epsilon,
    /// Where epsilon was read off.
    pub delta: Delta,
}

impl Guarantee {
    /// What `releases` releases of a mechanism guarantee together.
    ///
    /// # Errors
    /// OpenDP's arithmetic overflows.
    pub fn of(mechanism: &Mechanism, releases: u64, delta: Delta) -> Result<Self, AccountingError> {
        Self::new(mechanism.unit(), mechanism.relation(), mechanism.rho_per_release().times(releases), delta)
    }

    /// What a total loss guarantees.
    ///
    /// # Errors
    /// OpenDP's arithmetic overflows.
    pub fn new(unit: Unit, relation: Relation, rho: Rho, delta: Delta) -> Result<Self, AccountingError> {
        Ok(Self { unit, relation, rho, epsilon: epsilon(rho, delta)?, delta })
    }
}

impl fmt::Display for Guarantee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { unit, relation, epsilon, delta, .. } = self;
        write!(f, "epsilon {epsilon} at delta {delta} (unit {unit}, neighbours by {relation})")
    }
}

#[cfg(test)]
mod tests;
