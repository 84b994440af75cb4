//! The trade-off between the two errors of whoever tries to tell two neighbouring data sets apart.
//!
//! Somebody who is wrong with probability `a` where the record is not there (type I) is wrong with probability at least `f(a)` where it
//! is (type II). Every `(epsilon, delta)` that holds gives two lines under that curve (Wasserman and Zhou 2010; Dong, Roth and Su 2022,
//! Proposition 2.5), and all of them together give the curve:
//!
//! ```text
//! f(a) >= max(0, 1 - delta - e^epsilon a, e^-epsilon (1 - delta - a))
//! ```
//!
//! Here delta runs over [`DELTAS`] values, so the curve is what is known, a little below what is true.
//!
//! # References
//! - L. Wasserman, S. Zhou: *A Statistical Framework for Differential Privacy*, JASA 105 (2010).
//! - J. Dong, A. Roth, W. Su: *Gaussian Differential Privacy*, JRSS B 84 (2022).

use rayon::prelude::*;

use super::{Accountant, Composition};
use crate::parameter::Delta;

/// How many deltas the curve is made of.
pub const DELTAS: u32 = 96;

/// The least error of the second kind at every error of the first.
#[derive(Debug, Clone, PartialEq)]
pub struct TradeOff {
    /// Epsilons with their deltas.
    lines: Vec<(f64, f64)>,
}

impl TradeOff {
    /// What an accountant knows of a composition's curve; it is asked [`DELTAS`] times.
    #[must_use]
    pub fn of(accountant: Accountant, composition: &Composition) -> Self {
        let ask = |i: u32| {
            let (half, at) = (DELTAS / 2, f64::from(i % (DELTAS / 2)));
            let delta = if i < half {
                // Evenly in the logarithm, from 1e-12: the ends of the curve.
                10f64.powf(-12.0 + 10.0 * at / f64::from(half))
            } else {
                // Evenly, to nearly 1: its middle.
                (at + 0.5) / f64::from(half)
            };
            let epsilon = Delta::new(delta).map_or(f64::INFINITY, |delta| accountant.epsilon(composition, delta).get());
            (epsilon, delta)
        };
        Self {
            lines: (0..DELTAS).into_par_iter().map(ask).collect(),
        }
    }

    /// The smallest probability of an error of the second kind, for one of the first kind with this probability.
    #[must_use]
    pub fn type_two(&self, type_one: f64) -> f64 {
        let line = |&(epsilon, delta): &(f64, f64)| {
            let left = 1.0 - delta;
            // An infinite epsilon at an error of 0: NaN, which `max` passes over.
            (left - epsilon.exp() * type_one).max((-epsilon).exp() * (left - type_one))
        };
        self.lines.iter().map(line).fold(0.0, f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        accounting::{Sampling, Step, normal::upper_tail, quantile},
        parameter::{NoiseMultiplier, SampleRate},
    };

    fn steps(noise: f64, sampling: Sampling, count: u64) -> Composition {
        let noise = NoiseMultiplier::new(noise).unwrap();
        Composition::of(Step { noise, sampling }, count)
    }

    /// Phi(Phi^-1(1 - a) - mu) is the Gaussian's own curve.
    #[test]
    fn a_gaussians_curve_is_met_from_below() {
        for (noise, count) in [(1.0, 1), (2.0, 9), (0.5, 1)] {
            let mu = (count as f64).sqrt() / noise;
            let curve = TradeOff::of(Accountant::Pld, &steps(noise, Sampling::None, count));
            let loose = TradeOff::of(Accountant::Zcdp, &steps(noise, Sampling::None, count));
            for i in 0..=100 {
                let a = f64::from(i) / 100.0;
                let exact = upper_tail(quantile(a) + mu);
                let got = curve.type_two(a);
                assert!(
                    got <= exact + 1e-12 && got >= exact - 0.01,
                    "mu {mu} at {a}: {got} {exact}"
                );
                assert!(loose.type_two(a) <= exact + 1e-12);
            }
        }
    }

    #[test]
    fn edges_have_right_limits() {
        let nothing = TradeOff::of(Accountant::Pld, &Composition::default());
        assert!((nothing.type_two(0.3) - 0.7).abs() < 1e-3);
        let everything = TradeOff::of(Accountant::Pld, &steps(0.0, Sampling::None, 1));
        assert_eq!((everything.type_two(0.0), everything.type_two(0.3)), (0.0, 0.0));
        let rate = SampleRate::new(0.1).unwrap();
        let sampled = TradeOff::of(Accountant::Pld, &steps(1.0, Sampling::Poisson(rate), 20));
        let mut before = 1.0;
        for i in 0..=50 {
            let now = sampled.type_two(f64::from(i) / 50.0);
            assert!(now <= before && (0.0..=1.0).contains(&now));
            before = now;
        }
    }
}
