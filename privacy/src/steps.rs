//! Mode dp-sgd: the noised sums of one release's local steps, added up.
//!
//! An institution takes [`Mechanism::local_steps`] steps of gradient descent on its own data. At each one its coins draw records, their
//! gradients are clipped, rounded and summed ([`crate::RecordSum`]), noise is added, and only then does anything else see the sum: the local
//! model moves by it, and it is added to the release. The release is the integer total, so it is on the plan's grid like any other update,
//! and everything after the noise is post-processing.
//!
//! **Types carry the order**: only a [`Noised`] sum can be added, and the total is a [`Noised`] of the same source.

use std::fmt;
use std::marker::PhantomData;

use thiserror::Error;

use crate::mechanism::Mechanism;
use crate::mode::Mode;
use crate::noise::{NoiseError, Noised};

/// Steps that don't make a release.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum StepsError {
    /// Another mode than dp-sgd.
    #[error("the plan's mode is {got}, expected dp-sgd")]
    WrongMode {
        /// The plan's.
        got: Mode,
    },
    /// A step under other terms.
    #[error("a step of another mechanism")]
    OtherMechanism,
    /// More or fewer steps than the plan says.
    #[error("{got} local steps, expected {expected}")]
    Count {
        /// Taken.
        got: u32,
        /// In the plan.
        expected: u32,
    },
    /// The total lies outside the plan's bounds.
    #[error(transparent)]
    Noise(#[from] NoiseError),
}

/// The steps of one release so far.
pub struct Steps<S> {
    mechanism: Mechanism,
    total: Vec<i32>,
    taken: u32,
    source: PhantomData<fn() -> S>,
}

impl<S> Steps<S> {
    /// No step taken.
    ///
    /// # Errors
    /// The mode isn't dp-sgd.
    pub fn new(mechanism: &Mechanism) -> Result<Self, StepsError> {
        if mechanism.mode() != Mode::DpSgd {
            return Err(StepsError::WrongMode { got: mechanism.mode() });
        }
        Ok(Self {
            mechanism: *mechanism,
            // The length is at most 2^31 + 1.
            total: vec![0; mechanism.length() as usize],
            taken: 0,
            source: PhantomData,
        })
    }

    /// Adds a step's noised sum.
    ///
    /// # Errors
    /// Another mechanism's, more steps than the plan says, or a total beyond 32 bits (probability below `2^-40`).
    pub fn add(&mut self, step: &Noised<S>) -> Result<(), StepsError> {
        if *step.mechanism() != self.mechanism {
            return Err(StepsError::OtherMechanism);
        }
        let expected = self.mechanism.local_steps();
        if self.taken == expected {
            let got = expected.saturating_add(1);
            return Err(StepsError::Count { got, expected });
        }
        for (total, value) in self.total.iter_mut().zip(step.values()) {
            *total = total.checked_add(*value).ok_or(NoiseError::OutsideRange)?;
        }
        self.taken += 1;
        Ok(())
    }

    /// The total so far, in grid steps: noised, so anything may be made of it.
    #[must_use]
    pub fn total(&self) -> &[i32] {
        &self.total
    }

    /// The release.
    ///
    /// # Errors
    /// Fewer steps than the plan says, or a total outside its bounds (probability at most `2^-40`).
    pub fn finish(self) -> Result<Noised<S>, StepsError> {
        let (got, expected) = (self.taken, self.mechanism.local_steps());
        if got != expected {
            return Err(StepsError::Count { got, expected });
        }
        Ok(Noised::admit(self.total, self.mechanism)?)
    }
}

impl<S> fmt::Debug for Steps<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Steps")
            .field("length", &self.total.len())
            .field("taken", &self.taken)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Noise, Noising, RecordSum, Rehearsal, RehearsalNoise, SampleRate, Settings, Unit, testing};

    fn mechanism(steps: u32) -> Mechanism {
        Mechanism::try_from(Settings {
            unit: Unit::Record,
            clip_norm: 1000.0,
            grid_step: 1.0,
            noise_multiplier: 1.0,
            batch: Some(4),
            dimension: 2,
            noising: Noising::DpSgd {
                rate: SampleRate::new(0.1).unwrap(),
                steps,
            },
            ..Settings::default()
        })
        .unwrap()
    }

    fn step(mechanism: &Mechanism, noise: &mut RehearsalNoise) -> Noised<Rehearsal> {
        let mut sum = RecordSum::new(mechanism).unwrap();
        sum.add_example(&[3.0, 4.0]).unwrap();
        noise.noise(sum.finish().unwrap()).unwrap()
    }

    #[test]
    fn the_release_is_the_total_of_exactly_the_plans_steps() {
        let mechanism = mechanism(3);
        let mut noise = RehearsalNoise::from_seed([3; 32]);
        let mut steps = Steps::new(&mechanism).unwrap();
        let mut expected = [0, 0];
        for _ in 0..3 {
            let step = step(&mechanism, &mut noise);
            (0..2).for_each(|i| expected[i] += step.values()[i]);
            steps.add(&step).unwrap();
        }
        let more = step(&mechanism, &mut noise);
        assert_eq!(steps.add(&more).unwrap_err(), StepsError::Count { got: 4, expected: 3 });
        assert_eq!(steps.finish().unwrap().values(), expected);
        let none = Steps::<Rehearsal>::new(&mechanism).unwrap().finish().unwrap_err();
        assert_eq!(none, StepsError::Count { got: 0, expected: 3 });
        let local = testing::record(2, 1000, 1.0, 4);
        assert_eq!(
            Steps::<Rehearsal>::new(&local).unwrap_err(),
            StepsError::WrongMode { got: Mode::Local }
        );
    }

    /// Each of 10,000 records by its own coin at rate 0.1: the count is binomial, standard deviation 30; five of them on either
    /// side (false alarm below one in a million). Two draws differ.
    #[test]
    fn records_are_drawn_by_independent_coins() {
        let rate = SampleRate::new(0.1).unwrap();
        let mut noise = RehearsalNoise::from_seed([5; 32]);
        let (one, other) = (noise.draw(10_000, rate).unwrap(), noise.draw(10_000, rate).unwrap());
        assert!(one.len().abs_diff(1000) < 150 && other.len().abs_diff(1000) < 150);
        let both = one.iter().filter(|i| other.binary_search(i).is_ok()).count();
        assert!(both.abs_diff(100) < 50, "{both}");
        let os = crate::OpenDpNoise.draw(10_000, rate).unwrap();
        assert!(os.len().abs_diff(1000) < 150 && os.is_sorted());
        assert_eq!(noise.draw(5, SampleRate::new(1.0).unwrap()).unwrap(), [0, 1, 2, 3, 4]);
        assert!(noise.draw(5, SampleRate::new(0.0).unwrap()).unwrap().is_empty());
    }
}
