//! Parts per million: the integer unit of scores and of model values.

use std::fmt;
use std::num::NonZeroU64;

/// Parts per million. One million is the whole; scores may be negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ppm(pub i64);

impl Ppm {
    /// Nothing.
    pub const ZERO: Ppm = Ppm(0);
    /// The whole: 1,000,000 ppm.
    pub const ONE: Ppm = Ppm(1_000_000);

    /// floor(10^6 * part / whole), for instance of correct answers among all; saturates at `i64::MAX`.
    pub fn of_ratio(part: u64, whole: NonZeroU64) -> Ppm {
        let ppm = u128::from(part) * 1_000_000 / u128::from(whole.get());
        Ppm(i64::try_from(ppm).unwrap_or(i64::MAX))
    }

    /// `self - other`, or `None` where that leaves the range of `i64`.
    pub fn checked_sub(self, other: Ppm) -> Option<Ppm> {
        self.0.checked_sub(other.0).map(Ppm)
    }
}

impl fmt::Display for Ppm {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} ppm", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_floored_and_ordered() {
        let three = NonZeroU64::new(3).unwrap();
        assert_eq!(Ppm::of_ratio(2, three), Ppm(666_666));
        assert_eq!(Ppm::of_ratio(3, three), Ppm::ONE);
        assert_eq!(Ppm::of_ratio(u64::MAX, NonZeroU64::MIN), Ppm(i64::MAX));
        assert!(Ppm(-1) < Ppm::ZERO);
        assert_eq!(Ppm(-25).to_string(), "-25 ppm");
        assert_eq!(Ppm(i64::MIN).checked_sub(Ppm(1)), None);
    }
}
