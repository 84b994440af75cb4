//! The prime field of the masks: integers modulo q = 2^64 - 2^32 + 1.
//!
//! Products are reduced with 2^64 = 2^32 - 1 and 2^96 = -1 (mod q). Addition, subtraction, multiplication and
//! [`Fq::from_signed`] are written without branches on their operands; the compiler is trusted to keep them so and
//! nothing here proves that it does. [`Fq::inverse`] has a fixed exponent. Comparison is not constant-time and is
//! used on public values alone.

use std::ops::{Add, AddAssign, Mul, Neg, Sub, SubAssign};

use zeroize::DefaultIsZeroes;

/// The modulus of every masked coordinate: 2^64 - 2^32 + 1, a prime with 2^32 dividing q - 1.
pub const MODULUS: u64 = 0xffff_ffff_0000_0001;

/// 2^64 modulo q.
const EPSILON: u64 = 0xffff_ffff;

/// An element of the field, always reduced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fq(u64);

impl DefaultIsZeroes for Fq {}

impl Fq {
    pub(crate) const ZERO: Self = Self(0);
    pub(crate) const ONE: Self = Self(1);

    /// The element with this canonical representative, or nothing where `value >= q`.
    pub(crate) fn new(value: u64) -> Option<Self> {
        (value < MODULUS).then_some(Self(value))
    }

    /// `value` modulo q, for any `value`.
    pub(crate) fn reduced(value: u64) -> Self {
        let above = u64::from(value >= MODULUS);
        Self(value.wrapping_sub(MODULUS.wrapping_mul(above)))
    }

    /// A signed integer of magnitude under 2^63 modulo q.
    pub(crate) fn from_signed(value: i64) -> Self {
        let negative = (value >> 63) as u64;
        Self(value.cast_unsigned().wrapping_add(MODULUS & negative))
    }

    /// The canonical representative, in `0..q`.
    pub(crate) fn get(self) -> u64 {
        self.0
    }

    /// The representative of least magnitude, in `-(q-1)/2 ..= (q-1)/2`.
    pub(crate) fn centred(self) -> i64 {
        let above = 0_u64.wrapping_sub(u64::from(self.0 > MODULUS / 2));
        self.0.wrapping_sub(MODULUS & above).cast_signed()
    }

    /// `self` to the power of `exponent`.
    pub(crate) fn pow(self, exponent: u64) -> Self {
        let mut result = Self::ONE;
        for bit in (0..64).rev() {
            result = result * result;
            if (exponent >> bit) & 1 == 1 {
                result = result * self;
            }
        }
        result
    }

    /// The multiplicative inverse; zero for zero.
    pub(crate) fn inverse(self) -> Self {
        self.pow(MODULUS - 2)
    }
}

impl Add for Fq {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let (sum, carry) = self.0.overflowing_add(other.0);
        // With a carry the true sum is `sum + 2^64`, and 2^64 = q + EPSILON; that stays under q.
        let sum = sum.wrapping_add(EPSILON.wrapping_mul(u64::from(carry)));
        Self::reduced(sum)
    }
}

impl AddAssign for Fq {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Fq {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        let (difference, borrow) = self.0.overflowing_sub(other.0);
        Self(difference.wrapping_add(MODULUS.wrapping_mul(u64::from(borrow))))
    }
}

impl SubAssign for Fq {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl Neg for Fq {
    type Output = Self;

    fn neg(self) -> Self {
        Self::ZERO - self
    }
}

impl Mul for Fq {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        let product = u128::from(self.0) * u128::from(other.0);
        let low = product as u64;
        let high = (product >> 64) as u64;
        let (difference, borrow) = low.overflowing_sub(high >> 32);
        let difference = difference.wrapping_sub(EPSILON.wrapping_mul(u64::from(borrow)));
        let (sum, carry) = difference.overflowing_add((high & EPSILON) * EPSILON);
        Self::reduced(sum.wrapping_add(EPSILON.wrapping_mul(u64::from(carry))))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn element() -> impl Strategy<Value = u64> {
        prop_oneof![
            4 => 0..MODULUS,
            1 => prop::sample::select(vec![0, 1, EPSILON, EPSILON + 1, MODULUS / 2, MODULUS / 2 + 1, MODULUS - 1]),
        ]
    }

    proptest! {
        #[test]
        fn arithmetic_agrees_with_wide_integers(a in element(), b in element()) {
            let (x, y) = (Fq(a), Fq(b));
            let (a, b, q) = (u128::from(a), u128::from(b), u128::from(MODULUS));
            prop_assert_eq!(u128::from((x + y).get()), (a + b) % q);
            prop_assert_eq!(u128::from((x - y).get()), (a + q - b) % q);
            prop_assert_eq!(u128::from((x * y).get()), a * b % q);
            prop_assert_eq!(x + (-x), Fq::ZERO);
        }

        #[test]
        fn inverses_and_signs_round_trip(a in element(), signed in -(1_i64 << 62)..(1_i64 << 62)) {
            let x = Fq(a);
            if a != 0 {
                prop_assert_eq!(x * x.inverse(), Fq::ONE);
            }
            prop_assert_eq!(Fq::from_signed(signed).centred(), signed);
            prop_assert_eq!(Fq::from_signed(x.centred()), x);
        }

        #[test]
        fn any_word_reduces(word in any::<u64>()) {
            prop_assert_eq!(Fq::reduced(word).get(), word % MODULUS);
            prop_assert_eq!(Fq::new(word).is_some(), word < MODULUS);
        }
    }
}
