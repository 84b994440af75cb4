//! Unit `record`: every example is clipped, rounded and checked by itself, then added up in integers.
//!
//! The sum of exactly `batch` examples is what an institution protects; the batch size is public and the same everywhere, so a
//! mean over institutions has one public divisor and nobody reports a count. Replacing one example by zero changes the sum by an
//! integer vector of norm at most `clip_steps`; replacing it by another one, by at most twice that.
//!
//! Examples come one by one ([`RecordSum::add_example`]) or many at once in the form in which layers have them
//! ([`RecordSum::add_batch`]), which is faster and never writes an example's gradient out.
//!
//! In mode dp-sgd a sum holds whichever records the institution's coins drew: the batch is the *expected* number of them and stays the
//! public divisor. A draw larger than [`Mechanism::most_examples`] (probability at most `2^-50`, whatever the data) is refused.
//!
//! The guarantee needs each example's gradient to depend on that example and the (already released) model alone: no batch
//! normalisation, no statistics of the batch.

use std::fmt;

use thiserror::Error;

use crate::clip::{ClipError, clip_factor};
use crate::mechanism::Mechanism;
use crate::mode::Mode;
use crate::neighbour::Unit;
use crate::quantise::{QuantiseError, Quantised, round_to_grid};

mod blocks;
mod norms;
mod rounding;

pub use blocks::{Block, BlockError};

/// A batch that isn't what the plan says.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RecordError {
    /// One example can't be clipped.
    #[error("example {example}: {source}")]
    Clip {
        /// Position in the batch, from 0.
        example: u32,
        /// What is wrong with it.
        source: ClipError,
    },
    /// One example can't be quantised.
    #[error("example {example}: {source}")]
    Quantise {
        /// Position in the batch, from 0.
        example: u32,
        /// What went wrong.
        source: QuantiseError,
    },
    /// The blocks aren't gradients of the mechanism's dimension.
    #[error(transparent)]
    Blocks(#[from] BlockError),
    /// More examples than a batch has.
    #[error("batch is full, expected at most {batch} examples")]
    Full {
        /// Most examples of a batch.
        batch: u32,
    },
    /// Fewer examples than the public batch size.
    #[error("batch has {got} examples, expected exactly {batch}")]
    Short {
        /// Examples added.
        got: u32,
        /// Public batch size.
        batch: u32,
    },
    /// A record sum under a plan that protects whole updates.
    #[error("the plan's unit is institution, expected unit record: clip the whole update instead")]
    WrongUnit,
}

/// A running sum of clipped, rounded and checked examples. Un-noised: prints no values and can't be cloned.
pub struct RecordSum {
    mechanism: Mechanism,
    sum: Vec<i64>,
    example: Vec<i32>,
    added: u32,
}

impl RecordSum {
    /// An empty sum over the mechanism's dimension.
    ///
    /// # Errors
    /// The mechanism's unit is `institution`.
    pub fn new(mechanism: &Mechanism) -> Result<Self, RecordError> {
        if mechanism.unit() != Unit::Record {
            return Err(RecordError::WrongUnit);
        }
        // The length is at most 2^31 + 1.
        let dimension = mechanism.length() as usize;
        Ok(Self {
            mechanism: *mechanism,
            sum: vec![0; dimension],
            example: Vec::with_capacity(dimension),
            added: 0,
        })
    }

    /// Adds one example's gradient: `d` values in model units. After an error the sum is as before.
    ///
    /// A gradient that isn't finite counts as zero, and as beyond the clip norm: whether one is can depend on the record and on a model that
    /// somebody chose for it, so a refusal would tell what no noise hides.
    ///
    /// # Errors
    /// The batch is full, or the length is wrong.
    pub fn add_example(&mut self, gradient: &[f32]) -> Result<(), RecordError> {
        let (example, batch) = (self.added, self.mechanism.most_examples());
        if example >= batch {
            return Err(RecordError::Full { batch });
        }
        match clip_factor(gradient, &self.mechanism) {
            Ok(factor) => round_to_grid(gradient, factor, &self.mechanism, &mut self.example)
                .map_err(|source| RecordError::Quantise { example, source })?,
            Err(ClipError::NotFinite { .. }) => nothing(&self.mechanism, &mut self.example),
            Err(source) => return Err(RecordError::Clip { example, source }),
        }
        for (sum, &value) in self.sum.iter_mut().zip(&self.example) {
            // Magnitudes stay below 2^31 * 2^32: checking every one would only keep the loop from being vectorised.
            *sum = sum.wrapping_add(i64::from(value));
        }
        self.added += 1;
        Ok(())
    }

    /// The sum of exactly the public batch size of examples; in mode dp-sgd of however many were drawn.
    ///
    /// # Errors
    /// Fewer examples were added.
    pub fn finish(self) -> Result<Quantised, RecordError> {
        let (got, batch) = (self.added, self.mechanism.batch());
        if got != batch && self.mechanism.mode() != Mode::DpSgd {
            return Err(RecordError::Short { got, batch });
        }
        // Magnitudes are at most those of a full batch, which fit: the mechanism was checked for it.
        let values = self.sum.iter().map(|&value| value as i32).collect();
        Ok(Quantised {
            values,
            mechanism: self.mechanism,
        })
    }
}

/// What an example without a finite gradient adds.
fn nothing(mechanism: &Mechanism, integers: &mut Vec<i32>) {
    integers.clear();
    // Dimensions are at most 2^31.
    integers.resize(mechanism.dimension() as usize, 0);
    let count = mechanism.count_steps() as i32;
    if count > 0 {
        integers.push(-count);
    }
}

impl fmt::Debug for RecordSum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordSum")
            .field("dimension", &self.sum.len())
            .field("added", &self.added)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::neighbour::Relation;
    use crate::testing;

    fn sum_of(mechanism: &Mechanism, batch: &[[f32; 2]]) -> Vec<i32> {
        let mut sum = RecordSum::new(mechanism).unwrap();
        for example in batch {
            sum.add_example(example).unwrap();
        }
        sum.finish().unwrap().values
    }

    fn distance_squared(a: &[i32], b: &[i32]) -> u64 {
        a.iter().zip(b).map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2)).sum()
    }

    #[test]
    fn exactly_the_public_batch_is_summed() {
        let mechanism = testing::record(2, 5, 1.0, 2);
        let mut sum = RecordSum::new(&mechanism).unwrap();
        sum.add_example(&[1.5, 0.0]).unwrap();
        let bad = sum.add_example(&[0.0]).unwrap_err();
        let source = ClipError::Dimension { got: 1, expected: 2 };
        assert_eq!(bad, RecordError::Clip { example: 1, source });
        sum.add_example(&[300.0, 400.0]).unwrap();
        assert_eq!(sum.add_example(&[0.0; 2]).unwrap_err(), RecordError::Full { batch: 2 });
        assert_eq!(sum.finish().unwrap().values, [4, 4]);

        let mut short = RecordSum::new(&mechanism).unwrap();
        short.add_example(&[0.0; 2]).unwrap();
        assert_eq!(short.finish().unwrap_err(), RecordError::Short { got: 1, batch: 2 });
        assert_eq!(
            RecordSum::new(&testing::institution(2, 5, 1.0)).unwrap_err(),
            RecordError::WrongUnit
        );
    }

    /// A coordinator can choose parameters under which the gradients of some records overflow: whether they do must not show.
    #[test]
    fn a_gradient_that_is_not_finite_is_nothing_beyond_the_norm() {
        let mechanism = testing::record(2, 5, 1.0, 3);
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert_eq!(sum_of(&mechanism, &[[bad, 1.0], [1.0, bad], [3.0, 4.0]]), [3, 4]);
        }
        let counting = Mechanism::try_from(crate::Settings {
            count_noise: Some(1.0),
            ..crate::Settings::from(mechanism)
        })
        .unwrap();
        let count = counting.count_steps() as i32;
        assert_eq!(
            sum_of(&counting, &[[f32::NAN, 1.0], [0.0, 0.0], [300.0, 400.0]]),
            [3, 4, -count]
        );
    }

    /// Every pair of neighbouring batches over a small domain, floats off the grid and beyond the clip norm included: the largest
    /// change of the integer sum is the sensitivity that rho is computed from, exactly.
    #[test]
    fn sensitivity_is_exact_by_brute_force() {
        let axis = [-9.0f32, -3.0, -2.2, -1.0, 0.0, 0.7, 1.0, 2.0, 2.9, 3.0, 8.5];
        let examples: Vec<[f32; 2]> = axis.iter().flat_map(|&x| axis.iter().map(move |&y| [x, y])).collect();
        let others = [[0.0, 0.0], [3.0, 0.0], [-1.5, 2.0]];
        for relation in [Relation::ZeroOut, Relation::Replace] {
            let mechanism = testing::record_under(relation, 2, 3, 1.0, 2);
            let mut worst = 0;
            for other in others {
                for &one in &examples {
                    let sum = sum_of(&mechanism, &[one, other]);
                    let replacements: &[[f32; 2]] = if relation == Relation::ZeroOut {
                        &[[0.0, 0.0]]
                    } else {
                        &examples
                    };
                    for &replacement in replacements {
                        worst = worst.max(distance_squared(&sum, &sum_of(&mechanism, &[replacement, other])));
                    }
                }
            }
            assert_eq!(worst, mechanism.sensitivity().pow(2), "{relation}");
        }
    }
}
