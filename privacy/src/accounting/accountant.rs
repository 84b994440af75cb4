//! The three ways to count a composition's loss, and the noise that a target needs.
//!
//! | accountant | counts | use it for |
//! |---|---|---|
//! | [`Accountant::Zcdp`] | zero-concentrated divergence; no amplification by sampling | integer noise, budgets that add up exactly |
//! | [`Accountant::Rdp`] | Rényi divergences at fixed orders | comparison with Opacus and others |
//! | [`Accountant::Pld`] | the privacy loss distribution | the number to publish: the smallest |
//!
//! Every answer is at least the true epsilon. For Poisson sampling zCDP counts the step as if everybody took part, which is true of any
//! sampling (quasi-convexity of the Rényi divergence) and loose.

use std::fmt;

use serde::Serialize;
use thiserror::Error;

use super::{
    composition::{Composition, Sampling, Step},
    pld, rdp,
};
use crate::parameter::{Delta, Epsilon, NoiseMultiplier, Rho};

/// How loss is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Accountant {
    /// Zero-concentrated differential privacy.
    Zcdp,
    /// Rényi differential privacy.
    Rdp,
    /// Privacy loss distributions.
    Pld,
}

/// Noise that can't be found.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
pub enum CalibrationError {
    /// No noise up to the largest tried is enough.
    #[error(
        "no noise multiplier up to {most:e} keeps {count} steps within epsilon {}; write a larger epsilon or fewer steps",
        epsilon.get()
    )]
    Unreachable {
        /// What was asked for.
        epsilon: Epsilon,
        /// For how many steps.
        count: u64,
        /// The largest multiplier tried.
        most: f64,
    },
    /// The target needs no noise at all.
    #[error(
        "{count} steps at this sample rate stay within the target without any noise; there is nothing to calibrate"
    )]
    NothingReleased {
        /// How many steps.
        count: u64,
    },
}

/// The largest noise multiplier that calibration tries.
const MOST: f64 = 1e12;

/// The smallest.
const LEAST: f64 = 1e-6;

impl Accountant {
    /// The smallest epsilon that is known at `delta`, rounded up; infinite if some step has no noise, zero for no steps.
    #[must_use]
    pub fn epsilon(self, composition: &Composition, delta: Delta) -> Epsilon {
        match self {
            Self::Zcdp => super::epsilon(rho(composition), delta),
            Self::Rdp => rdp::epsilon(composition, delta),
            Self::Pld => pld::epsilon(composition, delta),
        }
    }

    /// A noise multiplier with which `count` steps of `sampling` stay within `epsilon` at `delta`: above the smallest one that this
    /// accountant knows by at most one part in 10^5 (privacy loss distributions) or 10^12. It has been checked, not only searched for.
    ///
    /// # Errors
    /// Not even a multiplier of 10^12 is enough, or none is needed because nothing is released.
    pub fn noise_multiplier(
        self,
        epsilon: Epsilon,
        delta: Delta,
        sampling: Sampling,
        count: u64,
    ) -> Result<NoiseMultiplier, CalibrationError> {
        let reached = |noise: NoiseMultiplier| {
            let composition = Composition::of(Step { noise, sampling }, count);
            self.epsilon(&composition, delta)
        };
        if reached(NoiseMultiplier::ZERO) <= epsilon {
            return Err(CalibrationError::NothingReleased { count });
        }
        let unreachable = CalibrationError::Unreachable {
            epsilon,
            count,
            most: MOST,
        };
        // Above 0 where the noise is too small.
        let excess = |noise: f64| {
            let noise = NoiseMultiplier::new(noise).map_err(|_| unreachable)?;
            let (got, most) = (reached(noise).get(), epsilon.get());
            let distance = got.ln() - most.ln();
            // The sign decides, so it comes from the comparison itself.
            Ok(if got <= most {
                distance.min(0.0)
            } else {
                distance.max(f64::MIN_POSITIVE)
            })
        };
        let (low, high) = bracket(&excess, unreachable)?;
        let answer = narrowed(&excess, low, high, self.fineness())?;
        NoiseMultiplier::new(answer).map_err(|_| unreachable)
    }

    /// By how much a calibrated multiplier may be above the smallest one, relative to it.
    fn fineness(self) -> f64 {
        match self {
            Self::Zcdp | Self::Rdp => 1e-12,
            Self::Pld => 1e-5,
        }
    }
}

/// A noise and its excess.
type Tried = (f64, f64);

/// A noise that is too small and one, four times it, that is enough.
fn bracket<E>(excess: &impl Fn(f64) -> Result<f64, E>, unreachable: E) -> Result<(Tried, Tried), E> {
    let mut noise = 1.0;
    let mut before: Option<Tried> = None;
    while (LEAST..=MOST).contains(&noise) {
        let now = (noise, excess(noise)?);
        match before {
            Some(low) if low.1 > 0.0 && now.1 <= 0.0 => return Ok((low, now)),
            Some(high) if high.1 <= 0.0 && now.1 > 0.0 => return Ok((now, high)),
            _ => {}
        }
        before = Some(now);
        noise *= if now.1 > 0.0 { 4.0 } else { 0.25 };
    }
    Err(unreachable)
}

/// The upper end of a bracket closed to `fineness`: false position in logarithms, with the weights of the Illinois rule.
fn narrowed<E>(excess: &impl Fn(f64) -> Result<f64, E>, low: Tried, high: Tried, fineness: f64) -> Result<f64, E> {
    let ((mut a, mut above), (mut b, mut below)) = ((low.0.ln(), low.1), (high.0.ln(), high.1));
    let mut answer = high.0;
    let mut last = 0;
    for tries in 0..200 {
        if b - a <= fineness {
            break;
        }
        let share = above / (above - below);
        // Never so close to an end that the other one couldn't follow, and the middle from time to time.
        let margin = 0.25 * fineness / (b - a);
        let regular = share.is_finite() && tries % 8 != 7;
        let share = if regular {
            share.clamp(margin, 1.0 - margin)
        } else {
            0.5
        };
        let (middle, noise) = (a + (b - a) * share, (a + (b - a) * share).exp());
        let got = excess(noise)?;
        if got <= 0.0 {
            (b, below, answer) = (middle, got, noise);
            if last == -1 {
                above /= 2.0;
            }
            last = -1;
        } else {
            (a, above) = (middle, got);
            if last == 1 {
                below /= 2.0;
            }
            last = 1;
        }
    }
    Ok(answer)
}

/// Loss in zero-concentrated differential privacy, without amplification, rounded up.
#[must_use]
pub fn rho(composition: &Composition) -> Rho {
    composition.steps().iter().fold(Rho::ZERO, |total, (step, count)| {
        let taken = match step.sampling {
            Sampling::None => true,
            Sampling::Poisson(rate) | Sampling::Fixed(rate) => rate.get() > 0.0,
        };
        if !taken {
            return total;
        }
        let noise = step.noise.get();
        let each = Rho::result((0.5 / noise / noise).next_up().next_up());
        total.plus(each.times(*count))
    })
}

impl fmt::Display for Accountant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Zcdp => "zcdp",
            Self::Rdp => "rdp",
            Self::Pld => "pld",
        })
    }
}
