//! Quantising: from floats to integers whose norm is known exactly.
//!
//! Every coordinate is divided by the grid step and rounded **towards zero**, which can only shorten a vector; then
//! `sum u_i^2 <= clip_steps^2` is checked in integers. Floating-point error in the clip factor could leave the sum a hair above the
//! bound: the vector is then scaled by `1 - 2^-40` (next `1 - 2^-36`, ...) and rounded again until the exact check passes. The outcome
//! depends on the one contribution alone, so sensitivity is exactly `clip_steps`.
//!
//! Unbiased stochastic rounding would not do: it can lengthen a vector by up to `sqrt(d)` steps and needs conditional redrawing
//! (Kairouz, Liu and Steinke 2021).
//!
//! # References
//! P. Kairouz, Z. Liu, T. Steinke: *The Distributed Discrete Gaussian Mechanism for Federated Learning with Secure Aggregation*,
//! ICML 2021.

use std::fmt;

use thiserror::Error;

use crate::clip::Clipped;
use crate::mechanism::Mechanism;

/// An update that isn't within its bound after all.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum QuantiseError {
    /// The integers stay too long however much they are shortened: a bug, never a property of the data.
    #[error("squared norm of the integers is {got}, expected at most {bound}")]
    Norm {
        /// Exact squared norm, in squared grid steps.
        got: u128,
        /// The bound's square.
        bound: u128,
    },
}

/// Integers within the mechanism's norm bound, still without noise. Prints no values, can't be cloned (two noises over one update
/// average out) and leaves only through a [`crate::Noise`].
pub struct Quantised {
    pub(crate) values: Vec<i32>,
    pub(crate) mechanism: Mechanism,
}

impl Clipped {
    /// Rounds towards zero onto the grid and checks the integer norm.
    ///
    /// # Errors
    /// The exact norm check fails for good, which no input can cause.
    pub fn quantise(self) -> Result<Quantised, QuantiseError> {
        let mut values = Vec::new();
        round_to_grid(&self.values, self.factor, &self.mechanism, &mut values)?;
        Ok(Quantised {
            values,
            mechanism: self.mechanism,
        })
    }
}

impl Quantised {
    /// The mechanism whose noise this update takes.
    #[must_use]
    pub fn mechanism(&self) -> &Mechanism {
        &self.mechanism
    }
}

impl fmt::Debug for Quantised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Quantised")
            .field("dimension", &self.values.len())
            .finish_non_exhaustive()
    }
}

/// Fills `integers` with `values * factor / step`, rounded towards zero, of norm at most the mechanism's `clip_steps`; and, where the
/// mechanism counts, with one integer more: whether the vector had to be shortened (`factor` below 1).
pub(crate) fn round_to_grid(
    values: &[f32],
    factor: f64,
    mechanism: &Mechanism,
    integers: &mut Vec<i32>,
) -> Result<(), QuantiseError> {
    let step = mechanism.grid().step();
    let bound = u128::from(mechanism.clip_steps()).pow(2);
    let clipped = factor < 1.0;
    let mut got = 0;
    for shrink in std::iter::once(1.0).chain((10..=40).rev().step_by(4).map(|bits| 1.0 - 2f64.powi(-bits))) {
        let factor = factor * shrink;
        integers.clear();
        // The cast truncates towards zero; it saturates only where the exact check below fails anyway.
        integers.extend(values.iter().map(|&value| (f64::from(value) * factor / step) as i32));
        got = norm_squared(integers);
        if got <= bound {
            let count = mechanism.count_steps() as i32;
            if count > 0 {
                integers.push(if clipped { -count } else { count });
            }
            return Ok(());
        }
    }
    Err(QuantiseError::Norm { got, bound })
}

/// Exact squared L2 norm.
pub(crate) fn norm_squared(values: &[i32]) -> u128 {
    values
        .iter()
        .map(|value| u128::from(u64::from(value.unsigned_abs()).pow(2)))
        .sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{clip, testing};

    #[test]
    fn rounds_towards_zero() {
        let mechanism = testing::institution(4, 10, 1.0);
        let quantised = clip(vec![1.9, -1.9, 0.999, -0.5], &mechanism)
            .unwrap()
            .quantise()
            .unwrap();
        assert_eq!(quantised.values, [1, -1, 0, 0]);
    }

    proptest! {
        #[test]
        fn the_norm_never_passes_the_bound(
            values in prop::collection::vec(prop_oneof![-1e3f32..1e3, -1e-3f32..1e-3, any::<f32>().prop_filter("finite", |v| v.is_finite())], 1..40),
            clip_norm in 1e-2f64..1e3,
            steps in 7.0f64..1e6,
        ) {
            let mechanism = testing::settings(values.len(), clip_norm, clip_norm / steps);
            let quantised = clip(values.clone(), &mechanism).unwrap().quantise().unwrap();
            let bound = u128::from(mechanism.clip_steps()).pow(2);
            prop_assert!(norm_squared(&quantised.values) <= bound);
            for (value, integer) in values.iter().zip(&quantised.values) {
                prop_assert!(*integer == 0 || (*integer > 0) == (*value > 0.0));
                let real = mechanism.grid().real((*integer).into());
                prop_assert!(real.abs() <= f64::from(value.abs()) * (1.0 + 1e-12));
            }
        }

        #[test]
        fn little_is_lost(values in prop::collection::vec(-1.0f32..1.0, 1..40)) {
            // Norm at most 2 sqrt(40) is not clipped at 100, so every coordinate is within one step.
            let mechanism = testing::settings(values.len(), 100.0, 1e-4);
            let quantised = clip(values.clone(), &mechanism).unwrap().quantise().unwrap();
            for (value, integer) in values.iter().zip(&quantised.values) {
                prop_assert!((f64::from(*value) - mechanism.grid().real((*integer).into())).abs() < 1e-4 * (1.0 + 1e-9));
            }
        }
    }
}
