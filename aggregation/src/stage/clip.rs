//! The weight that shortens a row of integers to a norm, exactly.
//!
//! Let N be the row's squared norm and B the largest squared norm allowed, both integers. The weight is the largest integer
//! w <= 2^30 with w^2 * N <= B * 2^60, and each value v becomes v' = v * w / 2^30 rounded towards zero. Then |v'| <= |v| * w /
//! 2^30, so the squared norm of what is left is at most N * w^2 / 2^60 <= B: *the integers themselves* keep within the bound,
//! whatever was rounded. No square root of a double is involved: where N > B, w^2 <= B * 2^60 / N is the same for integers as w <=
//! isqrt(floor(B * 2^60 / N)), and that quotient, below 2^60, comes from three steps of long division to the base 2^20.
//!
//! Rounding costs less than one unit in each coordinate, and 2^-30 of its value.

use crate::decide::weights::GRID;

/// The largest weight on the grid of 2^-30, at most 1, that brings a row of this squared norm (below 2^102) down to `bound`.
pub(super) fn weight(squared_norm: u128, bound: u128) -> u32 {
    if squared_norm <= bound {
        return GRID;
    }
    // The rest stays below the norm, so each digit is below 2^20 and no shift leaves 122 bits.
    let (mut quotient, mut rest) = (0_u64, bound);
    for _ in 0..3 {
        rest <<= 20;
        quotient = quotient << 20 | (rest / squared_norm) as u64;
        rest %= squared_norm;
    }
    // The root of less than 2^60.
    quotient.isqrt() as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::wide::full_product;
    use proptest::prelude::*;

    #[test]
    fn weights_by_hand() {
        assert_eq!(weight(0, 0), GRID);
        assert_eq!(weight(25, 25), GRID);
        assert_eq!(weight(25, u128::MAX), GRID);
        assert_eq!(weight(100, 25), GRID / 2);
        assert_eq!(weight(1, 0), 0);
        // 2^30 / sqrt(2), floored.
        assert_eq!(weight(2, 1), 759_250_124);
        assert_eq!(weight((1 << 102) - 1, (1 << 102) - 2), GRID - 1);
    }

    proptest! {
        #[test]
        fn it_is_the_largest_that_keeps_the_bound(norm in 1_u128..1 << 102, shift in 0_u32..102, other in 0_u128..1 << 102) {
            let norm = (norm >> shift).max(1);
            for bound in [other >> shift, norm - 1, norm / 2, norm, norm + 1] {
                let w = u128::from(weight(norm, bound));
                let keeps = |w: u128| full_product(w * w, norm) <= full_product(bound, 1 << 60);
                prop_assert!(keeps(w) || w == 1 << 30 && norm <= bound);
                prop_assert!(w == 1 << 30 || !keeps(w + 1));
            }
        }
    }
}
