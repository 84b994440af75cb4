//! What one release costs, and what many cost together.
//!
//! A [`Loss`] is zCDP where every record takes part, and steps of sampled Gaussians where an institution draws records by coins of its
//! own; a [`Total`] adds losses up.
//!
//! | total of | epsilon |
//! |---|---|
//! | unsampled losses | OpenDP's conversion of rho |
//! | sampled steps | their privacy loss distribution |
//! | both | Rényi: `order * rho`, which zCDP is, added to the sampled steps' divergences (a Gaussian of the same rho would be no upper bound) |
//!
//! or the conversion of rho without any amplification, where that is less.
//!
//! **Discrete noise, continuous curve.** Privacy loss distributions are those of the continuous Gaussian, the noise is discrete. On a
//! lattice of `sigma` steps, the expectation of a convex function with one kink differs from its integral by the kink's chord: a share of
//! order `t^2 / (24 sigma^2)` of delta, `t` (below 40) the place of the kink in standard deviations. Sampled steps are therefore counted with one grid
//! step of noise *less* than is drawn, which raises delta by a share of order `t^2 / sigma`, at least `24 sigma` times as much. That is an
//! argument of leading orders, not a proof. (Rényi divergences of integer order hold for the discrete Gaussian as they stand.)
//!
//! **Bounded.** A total keeps fewer than [`MAX_KINDS`] different kinds of sampled steps; what comes after is charged without amplification.

use std::fmt;

use serde::Serialize;

use super::{Accountant, Composition, MAX_KINDS, Sampling, Step, epsilon, pld, rdp};
use crate::parameter::{Delta, Epsilon, NoiseMultiplier, Rho, SampleRate};

/// Gaussian steps over records drawn by coins (Poisson).
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Sampled {
    /// Standard deviation over sensitivity.
    pub noise: NoiseMultiplier,
    /// Each record's probability of taking part in a step.
    pub rate: SampleRate,
    /// Steps.
    pub steps: u64,
}

/// What one release costs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Loss {
    /// As if every record took part.
    rho: Rho,
    /// What sampling makes of it.
    sampled: Option<Sampled>,
}

/// What many releases cost together.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Total {
    unsampled: Rho,
    unamplified: Rho,
    steps: Composition,
}

impl Loss {
    /// A release that every record takes part in.
    #[must_use]
    pub fn unsampled(rho: Rho) -> Self {
        Self { rho, sampled: None }
    }

    /// Sampled steps; without amplification they would cost `rho`.
    #[must_use]
    pub fn sampled(rho: Rho, sampled: Sampled) -> Self {
        Self {
            rho,
            sampled: Some(sampled),
        }
    }

    /// zCDP as if every record took part: an upper bound.
    #[must_use]
    pub fn rho(&self) -> Rho {
        self.rho
    }

    /// The sampled steps, where there are any.
    #[must_use]
    pub fn steps(&self) -> Option<Sampled> {
        self.sampled
    }

    /// Whether there is a guarantee.
    #[must_use]
    pub fn is_finite(&self) -> bool {
        self.rho.is_finite()
    }
}

impl Total {
    /// `count` times the same loss.
    #[must_use]
    pub fn of(loss: &Loss, count: u64) -> Self {
        let mut total = Self::default();
        total.add(loss, count);
        total
    }

    /// Adds `count` times a loss.
    pub fn add(&mut self, loss: &Loss, count: u64) {
        let rho = loss.rho.times(count);
        self.unamplified = self.unamplified.plus(rho);
        let composed = loss.sampled.is_some_and(|sampled| {
            let step = Step {
                noise: sampled.noise,
                sampling: Sampling::Poisson(sampled.rate),
            };
            let room = self.steps.steps().len() + 1 < MAX_KINDS || self.steps.steps().iter().any(|(s, _)| *s == step);
            room && loss.is_finite() && self.steps.push(step, sampled.steps.saturating_mul(count)).is_ok()
        });
        if !composed {
            self.unsampled = self.unsampled.plus(rho);
        }
    }

    /// With `count` times a loss more.
    #[must_use]
    pub fn with(&self, loss: &Loss, count: u64) -> Self {
        let mut total = self.clone();
        total.add(loss, count);
        total
    }

    /// Together with another total.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        self.add(&Loss::unsampled(other.unsampled), 1);
        for (step, count) in other.steps.steps() {
            let (noise, Sampling::Poisson(rate)) = (step.noise, step.sampling) else {
                continue;
            };
            // Never more than what both have without amplification.
            let each = Rho::result((0.5 / noise.get() / noise.get()).next_up().next_up());
            let one = Sampled { noise, rate, steps: 1 };
            self.add(&Loss::sampled(each, one), *count);
        }
        self
    }

    /// zCDP as if every record had taken part everywhere: an upper bound.
    #[must_use]
    pub fn rho(&self) -> Rho {
        self.unamplified
    }

    /// How epsilon is counted.
    #[must_use]
    pub fn accountant(&self) -> Accountant {
        match (self.steps.steps().is_empty(), self.unsampled == Rho::ZERO) {
            (true, _) => Accountant::Zcdp,
            (false, true) => Accountant::Pld,
            (false, false) => Accountant::Rdp,
        }
    }

    /// Epsilon at `delta`, rounded up; infinite without noise.
    #[must_use]
    pub fn epsilon(&self, delta: Delta) -> Epsilon {
        let plain = epsilon(self.unamplified, delta);
        let amplified = match self.accountant() {
            Accountant::Zcdp => plain,
            Accountant::Pld => pld::epsilon(&self.steps, delta),
            Accountant::Rdp => rdp::epsilon_with(&self.steps, self.unsampled, delta),
        };
        if self.unamplified.is_finite() && amplified < plain {
            amplified
        } else {
            plain
        }
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.sampled {
            None => write!(f, "rho {}", self.rho),
            Some(Sampled { noise, rate, steps }) => {
                write!(f, "{steps} steps at rate {} with noise {:.4}", rate.get(), noise.get())
            }
        }
    }
}

impl fmt::Display for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps: u64 = self.steps.steps().iter().map(|(_, count)| *count).sum();
        match steps {
            0 => write!(f, "rho {}", self.unsampled),
            _ if self.unsampled == Rho::ZERO => write!(f, "{steps} sampled steps"),
            _ => write!(f, "{steps} sampled steps and rho {}", self.unsampled),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampled(noise: f64, rate: f64, steps: u64) -> Loss {
        let noise = NoiseMultiplier::new(noise).unwrap();
        let rho = Rho::new(0.5 / noise.get().powi(2)).unwrap().times(steps);
        let rate = SampleRate::new(rate).unwrap();
        Loss::sampled(rho, Sampled { noise, rate, steps })
    }

    #[test]
    fn sampling_amplifies_and_mixing_adds() {
        let delta = Delta::new(1e-5).unwrap();
        let steps = Total::of(&sampled(1.0, 0.01, 10), 10);
        assert_eq!(steps.accountant(), Accountant::Pld);
        let alone = steps.epsilon(delta);
        assert!(alone < epsilon(steps.rho(), delta));
        // dp-accounting's PLD (pessimistic, interval 1e-4) says 0.71804 for 100 steps at 1.0, rate 0.01, delta 1e-5.
        assert!((alone.get() - 0.718_037).abs() < 1e-3, "{alone}");
        let plain = Loss::unsampled(Rho::new(0.05).unwrap());
        let both = steps.with(&plain, 2);
        assert!(both.epsilon(delta) > alone);
        assert_eq!(both.accountant(), Accountant::Rdp);
        assert!(both.epsilon(delta) > alone && both.epsilon(delta) < epsilon(both.rho(), delta));
        assert!(both.epsilon(delta) > Total::of(&plain, 2).epsilon(delta));
        assert_eq!(both, Total::of(&plain, 2).with(&sampled(1.0, 0.01, 10), 10));
    }

    #[test]
    fn no_noise_is_infinite() {
        let delta = Delta::new(1e-5).unwrap();
        let none = Loss::unsampled(Rho::INFINITE);
        assert!(!Total::of(&none, 1).epsilon(delta).is_finite());
        assert!(
            !Total::of(&sampled(1.0, 0.01, 1), 1)
                .with(&none, 1)
                .epsilon(delta)
                .is_finite()
        );
    }

    #[test]
    fn kinds_are_bounded_and_the_rest_is_charged_in_full() {
        let mut total = Total::default();
        for kind in 0..MAX_KINDS as u64 - 1 {
            total.add(&sampled(1.0 + kind as f64 * 1e-6, 0.01, 1), 1);
        }
        let before = total.unsampled;
        let last = sampled(3.0, 0.01, 1);
        total.add(&last, 1);
        assert_eq!(total.unsampled, before.plus(last.rho()));
        let delta = Delta::new(1e-5).unwrap();
        assert!(
            total.epsilon(delta) < epsilon(total.rho(), delta),
            "the others are still amplified"
        );
    }
}
