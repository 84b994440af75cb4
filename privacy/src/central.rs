//! Mode central: a trusted coordinator sums updates in the clear and adds the noise.
//!
//! [`ClearSum`] is the sum of whole updates, in integers: it prints nothing, can't be cloned, and its only way out is a
//! [`Noise`](crate::Noise), which makes a [`NoisedSum`] of it. Replacing one unit's contribution by zero changes the sum by an integer vector
//! within the mechanism's sensitivity, so one discrete Gaussian of the promised parameter is what every unit of every institution is
//! protected by.

use std::fmt;
use std::marker::PhantomData;

use thiserror::Error;

use crate::mechanism::Mechanism;
use crate::mode::Mode;

/// Updates that don't make a sum.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SumError {
    /// Another mode than central.
    #[error("the plan's mode is {got}, expected central: its updates are noised before they are summed")]
    WrongMode {
        /// The plan's.
        got: Mode,
    },
    /// An update out of the plan's range or norm.
    #[error("update {index} lies outside the plan's range, norm or length")]
    OutsideRange {
        /// Which, from 0.
        index: usize,
    },
    /// More updates than sums are made for.
    #[error("more than {} updates", crate::MAX_CONTRIBUTORS)]
    TooMany,
}

/// A sum of updates that carries no noise yet.
pub struct ClearSum {
    values: Vec<i64>,
    mechanism: Mechanism,
}

impl ClearSum {
    /// Sums updates of [`Mechanism::length`] integers each.
    ///
    /// # Errors
    /// The mode isn't central, or an update is not within the mechanism's bounds.
    pub fn of<'a>(mechanism: &Mechanism, updates: impl IntoIterator<Item = &'a [i32]>) -> Result<Self, SumError> {
        if mechanism.mode() != Mode::Central {
            return Err(SumError::WrongMode { got: mechanism.mode() });
        }
        // The length is at most 2^31 + 1.
        let mut values = vec![0i64; mechanism.length() as usize];
        for (index, update) in updates.into_iter().enumerate() {
            if index as u64 >= crate::MAX_CONTRIBUTORS {
                return Err(SumError::TooMany);
            }
            if !mechanism.admits(update) {
                return Err(SumError::OutsideRange { index });
            }
            values
                .iter_mut()
                .zip(update)
                .for_each(|(sum, value)| *sum += i64::from(*value));
        }
        Ok(Self {
            values,
            mechanism: *mechanism,
        })
    }

    pub(crate) fn into_parts(self) -> (Vec<i64>, Mechanism) {
        (self.values, self.mechanism)
    }
}

impl fmt::Debug for ClearSum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClearSum")
            .field("length", &self.values.len())
            .finish_non_exhaustive()
    }
}

/// A sum with the coordinator's noise on it, in grid steps.
pub struct NoisedSum<S> {
    values: Vec<i64>,
    source: PhantomData<fn() -> S>,
}

impl<S> NoisedSum<S> {
    pub(crate) fn new(values: Vec<i64>) -> Self {
        Self {
            values,
            source: PhantomData,
        }
    }

    /// The noised integers.
    #[must_use]
    pub fn values(&self) -> &[i64] {
        &self.values
    }
}

impl<S> fmt::Debug for NoisedSum<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NoisedSum")
            .field("length", &self.values.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Noise, Noising, RehearsalNoise, Settings, testing};

    fn central(noise_multiplier: f64) -> Mechanism {
        Mechanism::try_from(Settings {
            clip_norm: 1000.0,
            grid_step: 1.0,
            noise_multiplier,
            dimension: 3,
            noising: Noising::Central,
            ..Settings::default()
        })
        .unwrap()
    }

    #[test]
    fn institutions_add_nothing_and_the_coordinator_all_of_it() {
        let mechanism = central(2.0);
        assert_eq!((mechanism.sigma(), mechanism.promised_sigma()), (0, 2000));
        assert_eq!(mechanism.rho_per_release().get(), 0.125);
        let clear = crate::clip(vec![3.0, 4.0, 0.0], &mechanism)
            .unwrap()
            .quantise()
            .unwrap();
        let sent = RehearsalNoise::from_seed([1; 32]).noise(clear).unwrap();
        assert_eq!(sent.values(), [3, 4, 0]);
        let sum = ClearSum::of(&mechanism, [sent.values(), &[1, 1, 1]]).unwrap();
        assert_eq!(sum.values, [4, 5, 1]);
        let noised = RehearsalNoise::from_seed([1; 32]).noise_sum(sum).unwrap();
        assert!(noised.values().iter().any(|v| v.abs() > 100));
    }

    #[test]
    fn wrong_sums_are_refused() {
        let local = testing::institution(3, 1000, 1.0);
        assert_eq!(
            ClearSum::of(&local, []).unwrap_err(),
            SumError::WrongMode { got: Mode::Local }
        );
        let far: &[i32] = &[1001, 0, 0];
        assert_eq!(
            ClearSum::of(&central(1.0), [far]).unwrap_err(),
            SumError::OutsideRange { index: 0 }
        );
    }
}
