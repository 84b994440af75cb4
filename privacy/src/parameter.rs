//! The numbers that a privacy statement is made of, each with its range.
//!
//! Every type here is a checked `f64`: a value that exists is a value that makes sense, so nothing further down has to ask
//! whether a norm is negative or a delta is one. They serialise as plain numbers and are checked again when read.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A number outside the range of its parameter.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
pub enum ParameterError {
    /// The clip norm is not a positive finite number.
    #[error("clip norm is {0}, expected a positive finite number; write for example 1.0")]
    ClipNorm(f64),
    /// The grid step is not a positive finite number.
    #[error("grid step is {0}, expected a positive finite number; write for example 0.0001")]
    Grid(f64),
    /// The noise multiplier is negative or not finite.
    #[error(
        "noise multiplier is {0}, expected 0 (no noise, epsilon infinite) or a positive finite number; write for example 1.0"
    )]
    NoiseMultiplier(f64),
    /// Epsilon is not a positive finite number.
    #[error("epsilon is {0}, expected a positive finite number; write for example 3.0")]
    Epsilon(f64),
    /// Delta is not strictly between 0 and 1.
    #[error(
        "delta is {0}, expected more than 0 and less than 1; write less than one over the number of records, for example 1e-5"
    )]
    Delta(f64),
    /// The sampling rate is not between 0 and 1.
    #[error(
        "sample rate is {0}, expected a number from 0 to 1; write the batch size over the number of records, for example 0.01"
    )]
    SampleRate(f64),
    /// Rho is negative or not a number.
    #[error("rho is {0}, expected 0 or more")]
    Rho(f64),
}

macro_rules! parameter {
    ($(#[$doc:meta])* $name:ident, |$value:ident| $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
        #[serde(try_from = "f64", into = "f64")]
        pub struct $name(f64);

        impl $name {
            /// Checks the range; the error says what to write instead.
            ///
            /// # Errors
            /// The number lies outside the range that the type documents.
            pub fn new($value: f64) -> Result<Self, ParameterError> {
                // Adding zero turns -0.0 into 0.0, so that equal parameters have equal bytes.
                if $check { Ok(Self($value + 0.0)) } else { Err(ParameterError::$name($value)) }
            }

            /// The number itself.
            #[must_use]
            pub fn get(self) -> f64 {
                self.0
            }
        }

        impl TryFrom<f64> for $name {
            type Error = ParameterError;

            fn try_from(value: f64) -> Result<Self, ParameterError> {
                Self::new(value)
            }
        }

        impl From<$name> for f64 {
            fn from(parameter: $name) -> f64 {
                parameter.0
            }
        }
    };
}

parameter!(
    /// L2 bound on one unit's contribution, in model units (the units of a gradient or an update). Positive and finite.
    ClipNorm,
    |value| value.is_finite() && value > 0.0
);

parameter!(
    /// Fixed-point grid: `value = step * integer`, the same for every coordinate. The step is positive and finite.
    Grid,
    |value| value.is_finite() && value > 0.0
);

parameter!(
    /// Noise per unit of sensitivity: the discrete Gaussian (of each institution, or of a sum) has `sigma = multiplier * clip`. Zero means no
    /// noise and an infinite epsilon.
    NoiseMultiplier,
    |value| value.is_finite() && value >= 0.0
);

parameter!(
    /// The epsilon of approximate differential privacy. A *limit* is positive and finite; a *result* may also be zero or
    /// [`Epsilon::INFINITE`], which is printed as such.
    Epsilon,
    |value| value.is_finite() && value > 0.0
);

parameter!(
    /// The delta of approximate differential privacy: strictly between 0 and 1. Zero is refused because Gaussian noise gives no
    /// pure guarantee.
    Delta,
    |value| value > 0.0 && value < 1.0
);

parameter!(
    /// The probability with which a record takes part in a step (Poisson sampling), or the share of the records that does
    /// (fixed size): from 0 (never) to 1 (always).
    SampleRate,
    |value| (0.0..=1.0).contains(&value)
);

parameter!(
    /// Zero-concentrated differential privacy (Bun and Steinke 2016): losses add up over releases. Infinite for a release
    /// without noise.
    Rho,
    |value| value >= 0.0
);

impl Grid {
    /// The real value of a grid integer (or of a sum of them).
    #[must_use]
    pub fn real(self, integer: i64) -> f64 {
        self.0 * integer as f64
    }

    /// Distance between two neighbouring grid values.
    #[must_use]
    pub fn step(self) -> f64 {
        self.0
    }
}

impl NoiseMultiplier {
    /// No noise.
    pub const ZERO: Self = Self(0.0);
}

impl Epsilon {
    /// No guarantee at all.
    pub const INFINITE: Self = Self(f64::INFINITY);

    /// Nothing released.
    pub const ZERO: Self = Self(0.0);

    /// A computed epsilon, which unlike a limit may be zero or infinite; NaN counts as infinite.
    pub(crate) fn result(value: f64) -> Self {
        if value >= 0.0 {
            Self(value + 0.0)
        } else {
            Self::INFINITE
        }
    }

    /// Whether there is a guarantee.
    #[must_use]
    pub fn is_finite(self) -> bool {
        self.0.is_finite()
    }
}

impl Default for Rho {
    fn default() -> Self {
        Self::ZERO
    }
}

impl Rho {
    /// Nothing released.
    pub const ZERO: Self = Self(0.0);
    /// Released without noise.
    pub const INFINITE: Self = Self(f64::INFINITY);

    /// Whether there is a guarantee.
    #[must_use]
    pub fn is_finite(self) -> bool {
        self.0.is_finite()
    }

    /// A computed rho; NaN counts as infinite.
    pub(crate) fn result(value: f64) -> Self {
        if value >= 0.0 {
            Self(value + 0.0)
        } else {
            Self::INFINITE
        }
    }

    /// The loss of two releases together, rounded up (Bun and Steinke 2016, Lemma 1.7).
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let (a, b) = (self.0, other.0);
        let sum = a + b;
        if !sum.is_finite() {
            return Self::INFINITE;
        }
        // Knuth's TwoSum: the exact rounding error of the addition.
        let shadow = sum - a;
        let error = (a - (sum - shadow)) + (b - shadow);
        Self(if error > 0.0 { sum.next_up() } else { sum })
    }

    /// The loss of `releases` releases of this one's loss each, rounded up.
    #[must_use]
    pub fn times(self, releases: u64) -> Self {
        if releases == 0 || self.0 == 0.0 {
            return Self::ZERO;
        }
        // An error of at most half a unit in the count and another one in the product: two steps up cover both.
        let count = releases as f64;
        let product = self.0 * count;
        if self.0.mul_add(count, -product) <= 0.0 && releases <= 1 << 53 {
            return Self(product);
        }
        Self(product.next_up().next_up())
    }
}

impl fmt::Display for Epsilon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.0.is_finite() {
            return f.write_str("infinite");
        }
        // Four decimals, rounded up: a printed epsilon never understates.
        let rounded = (self.0 * 1e4).ceil() / 1e4;
        write!(f, "{}", if rounded >= self.0 { rounded } else { self.0 })
    }
}

impl fmt::Display for Rho {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_finite() {
            write!(f, "{}", self.0)
        } else {
            f.write_str("infinite")
        }
    }
}

impl fmt::Display for Delta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:e}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ranges_are_enforced() {
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(ClipNorm::new(bad).is_err());
            assert!(Grid::new(bad).is_err());
            assert!(Epsilon::new(bad).is_err());
        }
        for bad in [0.0, 1.0, -0.1, 1.5, f64::NAN] {
            assert!(Delta::new(bad).is_err());
        }
        for bad in [-1e-300, f64::NAN, f64::INFINITY] {
            assert!(NoiseMultiplier::new(bad).is_err());
        }
        for bad in [-0.1, 1.0f64.next_up(), f64::NAN, f64::INFINITY] {
            assert!(SampleRate::new(bad).is_err());
        }
        assert!(Rho::new(-0.1).is_err() && Rho::new(f64::NAN).is_err());
        assert!(NoiseMultiplier::new(-0.0).unwrap().get().is_sign_positive());
    }

    #[test]
    fn an_error_says_what_to_write() {
        let text = Delta::new(1.0).unwrap_err().to_string();
        assert!(text.contains("delta is 1") && text.contains("1e-5"), "{text}");
    }

    #[test]
    fn epsilon_prints_rounded_up() {
        assert_eq!(Epsilon::new(1.234_51).unwrap().to_string(), "1.2346");
        assert_eq!(Epsilon::new(2.0).unwrap().to_string(), "2");
        assert_eq!(Epsilon::INFINITE.to_string(), "infinite");
    }

    proptest! {
        #[test]
        fn composition_never_understates(a in 0.0f64..10.0, b in 0.0f64..10.0, n in 0u64..1000) {
            let (ra, rb) = (Rho::new(a).unwrap(), Rho::new(b).unwrap());
            let sum = ra.plus(rb);
            prop_assert_eq!(sum, rb.plus(ra));
            prop_assert!(sum.get() >= a + b && sum.get() <= (a + b).next_up());
            let product = ra.times(n).get();
            prop_assert!(product >= a * n as f64 && product <= (a * n as f64).next_up().next_up());
            let one_by_one = (0..n).fold(Rho::ZERO, |total, _| total.plus(ra)).get();
            prop_assert!((one_by_one - product).abs() <= 1e-9 * product.max(1e-300));
        }
    }
}
