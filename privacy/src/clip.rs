//! Clipping: the first of the steps `Clipped -> Quantised -> Noised`.
//!
//! A vector whose L2 norm passes the clip norm is scaled down onto it; a shorter one is left alone (Abadi et al. 2016). The norm is
//! computed in `f64`, which is good enough here because nothing rests on it: the integers of the next step are checked exactly.
//!
//! # References
//! M. Abadi et al.: *Deep Learning with Differential Privacy*, CCS 2016.

use std::fmt;

use thiserror::Error;

use crate::mechanism::Mechanism;
use crate::neighbour::Unit;

/// A vector that can't be clipped.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ClipError {
    /// Not the length the plan says.
    #[error("vector has {got} coordinates, expected {expected}")]
    Dimension {
        /// Length that was handed in.
        got: usize,
        /// Length in the plan.
        expected: u64,
    },
    /// NaN or infinity: training diverged, or the data holds one.
    #[error("coordinate {index} is not finite")]
    NotFinite {
        /// First such coordinate.
        index: usize,
    },
    /// A whole update where every example has to be clipped by itself.
    #[error("the plan's unit is record, expected unit institution: add examples to a record sum instead")]
    WrongUnit,
}

/// A whole update of one institution, within the clip norm. Un-noised: it prints no values and can't be cloned.
pub struct Clipped {
    pub(crate) values: Vec<f32>,
    pub(crate) factor: f64,
    pub(crate) mechanism: Mechanism,
}

/// Clips a whole update for unit `institution`: `d` finite values in model units.
///
/// # Errors
/// The length differs from the plan's, a value is not finite, or the plan's unit is `record`.
pub fn clip(update: Vec<f32>, mechanism: &Mechanism) -> Result<Clipped, ClipError> {
    if mechanism.unit() != Unit::Institution {
        return Err(ClipError::WrongUnit);
    }
    let factor = clip_factor(&update, mechanism)?;
    Ok(Clipped {
        values: update,
        factor,
        mechanism: *mechanism,
    })
}

impl Clipped {
    /// What the vector was multiplied by; 1 if it was short enough.
    #[must_use]
    pub fn factor(&self) -> f64 {
        self.factor
    }
}

impl fmt::Debug for Clipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clipped")
            .field("dimension", &self.values.len())
            .finish_non_exhaustive()
    }
}

/// The factor in `(0, 1]` that brings a vector within the clip norm in whole grid steps.
pub(crate) fn clip_factor(values: &[f32], mechanism: &Mechanism) -> Result<f64, ClipError> {
    if values.len() as u64 != mechanism.dimension() {
        return Err(ClipError::Dimension {
            got: values.len(),
            expected: mechanism.dimension(),
        });
    }
    if let Some(index) = values.iter().position(|value| !value.is_finite()) {
        return Err(ClipError::NotFinite { index });
    }
    // Squares of f32 stay below 1e77: no overflow for any length.
    let norm = values.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
    let bound = mechanism.grid().real(mechanism.clip_steps().into());
    Ok(if norm > bound { bound / norm } else { 1.0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn long_vectors_are_scaled_and_short_ones_are_not() {
        let mechanism = testing::institution(2, 5, 1.0);
        assert_eq!(clip(vec![3.0, 4.0], &mechanism).unwrap().factor(), 1.0);
        assert_eq!(clip(vec![30.0, 40.0], &mechanism).unwrap().factor(), 0.1);
        assert_eq!(
            clip(vec![f32::MAX, 0.0], &mechanism).unwrap().factor(),
            5.0 / f64::from(f32::MAX)
        );
    }

    #[test]
    fn bad_vectors_are_named() {
        let mechanism = testing::institution(3, 5, 1.0);
        assert_eq!(
            clip(vec![0.0; 2], &mechanism).unwrap_err(),
            ClipError::Dimension { got: 2, expected: 3 }
        );
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert_eq!(
                clip(vec![0.0, 0.0, bad], &mechanism).unwrap_err(),
                ClipError::NotFinite { index: 2 }
            );
        }
        assert_eq!(
            clip(vec![0.0; 3], &testing::record(3, 5, 1.0, 1)).unwrap_err(),
            ClipError::WrongUnit
        );
    }

    #[test]
    fn debug_prints_no_values() {
        let mechanism = testing::institution(1, 5, 1.0);
        assert!(!format!("{:?}", clip(vec![0.123], &mechanism).unwrap()).contains("123"));
    }
}
