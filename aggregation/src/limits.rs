//! A plan's bounds on one update, checked in integers before the update enters a rule.
//!
//! Claim: a row that passes has exactly `d` coordinates, none larger than `max_abs` in absolute value, and a squared Euclidean
//! norm of at most `max_norm_squared` - the *integer* vector's norm, so that no rounding can hide an excess. The check is
//! exact for every `i32` input and every length. It does not bound how far rows are from one another; that is a rule's work.

use crate::distances;
use thiserror::Error;

/// Bounds on one row, in grid units (coordinates) and squared grid units (norm).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest absolute value of a coordinate; `2^31` or more allows every `i32`.
    pub max_abs: u32,
    /// Largest sum of squared coordinates.
    pub max_norm_squared: u128,
}

/// How a row breaks its [`Limits`]; the sender is at fault.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Violation {
    /// The row has the wrong length.
    #[error("wrong length: expected {expected} coordinates, got {got}")]
    Length {
        /// Coordinates the plan asks for.
        expected: usize,
        /// Coordinates received.
        got: usize,
    },
    /// A coordinate is too large; the first one is named.
    #[error("coordinate {coordinate} out of range: expected at most {expected} in absolute value, got {got}")]
    Coordinate {
        /// Index of the first coordinate at fault.
        coordinate: usize,
        /// The largest absolute value allowed.
        expected: u32,
        /// The value received.
        got: i32,
    },
    /// The row is too long as a vector.
    #[error("squared norm out of range: expected at most {expected}, got {got}")]
    Norm {
        /// The largest squared norm allowed.
        expected: u128,
        /// The row's squared norm.
        got: u128,
    },
}

impl Limits {
    /// Checks one row of `d` expected coordinates: length first, then range, then norm.
    ///
    /// # Errors
    /// The first [`Violation`] found.
    pub fn check(&self, row: &[i32], d: usize) -> Result<(), Violation> {
        if row.len() != d {
            return Err(Violation::Length {
                expected: d,
                got: row.len(),
            });
        }
        if let Some(coordinate) = row.iter().position(|v| v.unsigned_abs() > self.max_abs) {
            return Err(Violation::Coordinate {
                coordinate,
                expected: self.max_abs,
                got: row[coordinate],
            });
        }
        let got = distances::squared_norm(row);
        if got > self.max_norm_squared {
            return Err(Violation::Norm {
                expected: self.max_norm_squared,
                got,
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMITS: Limits = Limits {
        max_abs: 10,
        max_norm_squared: 200,
    };

    #[test]
    fn a_row_at_its_limits_passes_and_one_step_more_does_not() {
        assert_eq!(LIMITS.check(&[10, -10, 0], 3), Ok(()));
        assert_eq!(
            LIMITS.check(&[10, -10, 1], 3),
            Err(Violation::Norm {
                expected: 200,
                got: 201
            })
        );
        let range = Violation::Coordinate {
            coordinate: 1,
            expected: 10,
            got: -11,
        };
        assert_eq!(LIMITS.check(&[10, -11, 12], 3), Err(range));
        assert_eq!(LIMITS.check(&[1, 2], 3), Err(Violation::Length { expected: 3, got: 2 }));
        assert_eq!(LIMITS.check(&[], 0), Ok(()));
    }

    #[test]
    fn the_most_negative_integer_is_measured_not_overflowed() {
        let open = Limits {
            max_abs: u32::MAX,
            max_norm_squared: (1 << 62) - 1,
        };
        assert_eq!(
            open.check(&[i32::MIN], 1),
            Err(Violation::Norm {
                expected: (1 << 62) - 1,
                got: 1 << 62
            })
        );
        let closed = Limits {
            max_abs: i32::MAX as u32,
            max_norm_squared: u128::MAX,
        };
        assert!(matches!(
            closed.check(&[0, i32::MIN], 2),
            Err(Violation::Coordinate { coordinate: 1, .. })
        ));
    }

    proptest! {
        #[test]
        fn the_norm_bound_is_exact(row in proptest::collection::vec(any::<i32>(), 1..700)) {
            let norm: u128 = row.iter().map(|&v| u128::from(v.unsigned_abs()).pow(2)).sum();
            let at = Limits { max_abs: u32::MAX, max_norm_squared: norm };
            prop_assert_eq!(at.check(&row, row.len()), Ok(()));
            if norm > 0 {
                let below = Limits { max_norm_squared: norm - 1, ..at };
                prop_assert_eq!(below.check(&row, row.len()), Err(Violation::Norm { expected: norm - 1, got: norm }));
            }
        }
    }
}
