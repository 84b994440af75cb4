//! Integer and rational helpers whose rounding direction is part of a proof.

/// The smallest `r` with `r * r >= n`.
pub(crate) fn sqrt_up(n: u128) -> u128 {
    let root = n.isqrt();
    if root * root < n { root + 1 } else { root }
}

/// The smallest `f64` that is at least `numerator / denominator`. Both below 2^72, the denominator not zero.
pub(crate) fn ratio_up(numerator: u128, denominator: u128) -> f64 {
    debug_assert!(denominator != 0 && numerator < 1 << 72 && denominator < 1 << 72);
    if numerator == 0 {
        return 0.0;
    }
    // Scale by 2^shift so that the quotient has 53 bits, divide exactly, round up. The scaled numerator has at most 53 bits more
    // than the denominator, so nothing overflows.
    let bits = |n: u128| 128 - n.leading_zeros() as i32;
    let mut shift = 53 - (bits(numerator) - bits(denominator));
    loop {
        let (n, d) = if shift >= 0 {
            (numerator << shift, denominator)
        } else {
            (numerator, denominator << -shift)
        };
        let rounded = n.div_ceil(d);
        if rounded <= 1 << 53 {
            return rounded as f64 * 2f64.powi(-shift);
        }
        shift -= 1;
    }
}

/// At least `numerator / denominator`, above it by at most one part in `2^51`; for any numbers, the denominator below 2^72 and not zero.
pub(crate) fn scaled_ratio_up(numerator: u128, denominator: u128) -> f64 {
    let shift = (128 - numerator.leading_zeros()).saturating_sub(71);
    let cut = (numerator >> shift) + u128::from(numerator.trailing_zeros() < shift);
    // A power of two: exact.
    ratio_up(cut, denominator) * 2f64.powi(shift as i32)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn square_roots_round_up(n in 0u128..1 << 100) {
            let root = sqrt_up(n);
            prop_assert!(root * root >= n);
            prop_assert!(root == 0 || (root - 1) * (root - 1) < n);
        }

        #[test]
        fn ratios_round_up_to_the_next_float(n in 1u64..1 << 52, d in 1u64..1 << 52) {
            // With operands that floats hold exactly, division is correctly rounded, so the answer is it or its successor.
            let nearest = n as f64 / d as f64;
            let up = ratio_up(n.into(), d.into());
            prop_assert!(up == nearest || up == nearest.next_up(), "{} {}", up, nearest);
            // up >= n/d, exactly: fused multiply-add has one rounding, and the sign of the residue survives it.
            prop_assert!(up.mul_add(d as f64, -(n as f64)) >= 0.0);
        }

        #[test]
        fn ratios_of_large_numbers_stay_above(n in 1u128..1 << 66, d in 1u128..1 << 63) {
            let up = ratio_up(n, d);
            let below = n as f64 / d as f64;
            prop_assert!(up >= below * (1.0 - 4.0 * f64::EPSILON) && up <= below * (1.0 + 4.0 * f64::EPSILON));
        }
    }

    #[test]
    fn large_numerators_are_rounded_up() {
        assert_eq!(scaled_ratio_up(1, 3), ratio_up(1, 3));
        assert_eq!(scaled_ratio_up(0, 3), 0.0);
        assert_eq!(scaled_ratio_up(1 << 100, 1 << 60), 2f64.powi(40));
        assert!(scaled_ratio_up((1 << 100) + 1, 1 << 60) > 2f64.powi(40));
        let most = scaled_ratio_up(u128::MAX, (1 << 72) - 1);
        assert!(most >= 2f64.powi(56) && most < 2f64.powi(56) * (1.0 + 2f64.powi(-50)));
    }

    #[test]
    fn exact_ratios_are_exact() {
        assert_eq!(ratio_up(1, 8), 0.125);
        assert_eq!(ratio_up(9, 3), 3.0);
        assert_eq!(ratio_up(1, 3), (1.0f64 / 3.0).next_up());
        assert_eq!(ratio_up(0, 3), 0.0);
        assert_eq!(ratio_up(1, 1 << 63), 2f64.powi(-63));
    }
}
