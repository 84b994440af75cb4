//! Products of 128-bit integers in full: 256 bits as (high, low), which compare like numbers.

/// a * b, exact.
pub(super) fn full_product(a: u128, b: u128) -> (u128, u128) {
    const LOW: u128 = u64::MAX as u128;
    let (a1, a0) = (a >> 64, a & LOW);
    let (b1, b0) = (b >> 64, b & LOW);
    // (2^64 - 1)^2 plus two carries below 2^64 is at most 2^128 - 1, so that none of these sums overflows.
    let low = a0 * b0;
    let middle = a1 * b0 + (low >> 64);
    let other = a0 * b1 + (middle & LOW);
    let high = a1 * b1 + (middle >> 64) + (other >> 64);
    (high, (other << 64) | (low & LOW))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_largest_product_fits() {
        assert_eq!(full_product(u128::MAX, u128::MAX), (u128::MAX - 1, 1));
        assert_eq!(full_product(u128::MAX, 2), (1, u128::MAX - 1));
    }

    proptest! {
        #[test]
        fn narrow_products_agree_with_the_language(a: u64, b: u64) {
            prop_assert_eq!(full_product(a.into(), b.into()), (0, u128::from(a) * u128::from(b)));
        }

        #[test]
        fn shifting_a_factor_shifts_the_product(a: u64, b: u64, s in 1_u32..64) {
            let narrow = u128::from(a) * u128::from(b);
            let (high, low) = full_product(u128::from(a) << 64, u128::from(b) << s);
            prop_assert_eq!(low >> 64, (narrow << s) & u128::from(u64::MAX));
            prop_assert_eq!(high, narrow >> (64 - s));
        }

        #[test]
        fn adding_one_adds_the_other_factor(a in 0..u128::MAX, b: u128) {
            let (high, low) = full_product(a, b);
            let (sum, carry) = low.overflowing_add(b);
            prop_assert_eq!(full_product(a + 1, b), (high + u128::from(carry), sum));
        }
    }
}
