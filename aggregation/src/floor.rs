//! Exact floor(sum / n) for a sum of n `i32` values, by one multiplication instead of a division.
//!
//! Let m = floor((2^64 - 1) / n) + 1, so that m*n = 2^64 + e with 0 <= e < n (n >= 2). The sum is moved to s = sum + n*2^31, which
//! lies in [0, n*2^32), and moving it changes the quotient by exactly 2^31. Then s*m / 2^64 = s/n + s*e / (n*2^64), and the floor of
//! that is floor(s/n) as long as s*e < 2^64; s*e < n*2^32*n <= 2^64 for n <= 2^16, which [`MAX_ROWS`] guarantees.
//! Source: Granlund and Montgomery, *Division by Invariant Integers using Multiplication*, PLDI 1994.

use crate::rows::MAX_ROWS;

/// Floors sums of exactly `n` values of `i32` to their mean.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FloorMean {
    shift: i64,
    reciprocal: u64,
}

impl FloorMean {
    /// For sums of `n` values; `None` unless 1 <= n <= [`MAX_ROWS`].
    pub(crate) fn of(n: usize) -> Option<Self> {
        if n == 0 || n > MAX_ROWS {
            return None;
        }
        // n = 1 has no 64-bit reciprocal; zero marks it.
        let reciprocal = (u64::MAX / n as u64).wrapping_add(1);
        Some(Self {
            shift: (n as i64) << 31,
            reciprocal,
        })
    }

    /// floor(sum / n), or `None` where `sum` is not a sum of n values of `i32`.
    pub(crate) fn checked(&self, sum: i64) -> Option<i32> {
        (-self.shift <= sum && sum <= self.shift - (self.shift >> 31)).then(|| self.floor(sum))
    }

    /// floor(sum / n) of a sum of n values of `i32`.
    #[inline(always)]
    pub(crate) fn floor(&self, sum: i64) -> i32 {
        if self.reciprocal == 0 {
            return sum as i32;
        }
        let moved = sum.wrapping_add(self.shift) as u64;
        let quotient = ((u128::from(moved) * u128::from(self.reciprocal)) >> 64) as u32;
        (quotient ^ 0x8000_0000) as i32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ends_of_the_range_are_exact_for_every_count() {
        for n in 1..=MAX_ROWS {
            let mean = FloorMean::of(n).unwrap();
            let least = n as i64 * i64::from(i32::MIN);
            let most = n as i64 * i64::from(i32::MAX);
            for sum in [least, least + 1, -1, 0, 1, n as i64 - 1, most - 1, most] {
                assert_eq!(i64::from(mean.floor(sum)), sum.div_euclid(n as i64), "sum {sum} of {n}");
                assert_eq!(mean.checked(sum), Some(mean.floor(sum)));
            }
            assert_eq!(mean.checked(least - 1), None);
            assert_eq!(mean.checked(most + 1), None);
        }
        assert!(FloorMean::of(0).is_none() && FloorMean::of(MAX_ROWS + 1).is_none());
    }

    proptest! {
        #[test]
        fn equals_euclidean_division(n in 1..=MAX_ROWS, quotient: i32, rest: u16) {
            let rest = i64::from(rest) % n as i64;
            let sum = (i64::from(quotient) * n as i64 + rest).min(n as i64 * i64::from(i32::MAX));
            prop_assert_eq!(i64::from(FloorMean::of(n).unwrap().floor(sum)), sum.div_euclid(n as i64));
        }
    }
}
