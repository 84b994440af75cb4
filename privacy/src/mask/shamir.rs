//! Shamir's sharing of a vector over the field: each coordinate is the constant term of a random polynomial of degree
//! under t, and member j gets its values at `j + 1`.
//!
//! Any t shares give the secret; fewer are independent of it (Shamir 1979), given uniform coefficients. These are
//! expanded from the dealer's seed, so that a dealer that crashes and deals again deals the same shares. Shares of
//! different dealers add up to shares of the sum of their secrets.

use zeroize::Zeroizing;

use super::expand;
use super::field::Fq;
use super::round::{MaskRound, Seat};

/// The polynomials of one dealer.
pub(crate) struct Dealing {
    /// Row m holds the coefficient of x^m of every coordinate's polynomial; row 0 is the secret.
    rows: Vec<Zeroizing<Vec<Fq>>>,
}

impl Dealing {
    /// Polynomials of degree under `threshold` through `secret`, expanded from `seed`.
    pub(crate) fn new(secret: Zeroizing<Vec<Fq>>, threshold: usize, seed: &[u8; 32], round: &MaskRound) -> Self {
        let width = secret.len();
        let mut rows = vec![secret];
        rows.extend((1..threshold).map(|power| {
            let parts: [&[u8]; 3] = [seed, round.id(), &(power as u64).to_le_bytes()];
            expand::uniform(expand::stream("xfl mask v1 share polynomial", &parts), width)
        }));
        Self { rows }
    }

    /// The share of one member.
    pub(crate) fn share(&self, receiver: Seat) -> Zeroizing<Vec<Fq>> {
        let point = receiver.point();
        let mut values = Zeroizing::new(vec![Fq::ZERO; self.rows[0].len()]);
        for row in self.rows.iter().rev() {
            for (value, coefficient) in values.iter_mut().zip(row.iter()) {
                *value = *value * point + *coefficient;
            }
        }
        values
    }
}

/// Weights w with `f(at) = sum w_i f(points_i)` for every polynomial of degree under the number of (distinct) points.
pub(crate) fn lagrange_weights(points: &[Fq], at: Fq) -> Vec<Fq> {
    points
        .iter()
        .enumerate()
        .map(|(i, own)| {
            let others = points.iter().enumerate().filter(|(j, _)| *j != i);
            let (numerator, denominator) = others.fold((Fq::ONE, Fq::ONE), |(numerator, denominator), (_, other)| {
                (numerator * (at - *other), denominator * (*own - *other))
            });
            numerator * denominator.inverse()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::mask::field::MODULUS;

    fn secret(seed: u8, width: usize) -> Zeroizing<Vec<Fq>> {
        expand::uniform(expand::stream("test secret", &[&[seed]]), width)
    }

    fn round() -> MaskRound {
        MaskRound::new(&[1; 32], &[2; 32], 3, 4)
    }

    proptest! {
        #[test]
        fn any_threshold_of_shares_gives_the_secret(
            threshold in 1_usize..9,
            seats in prop::collection::btree_set(0_u16..1024, 9),
            seed in any::<[u8; 32]>(),
        ) {
            let dealing = Dealing::new(secret(seed[0], 5), threshold, &seed, &round());
            let seats: Vec<Seat> = seats.into_iter().map(Seat).take(threshold).collect();
            let points: Vec<Fq> = seats.iter().map(|s| s.point()).collect();
            let weights = lagrange_weights(&points, Fq::ZERO);
            let mut opened = vec![Fq::ZERO; 5];
            for (seat, weight) in seats.iter().zip(&weights) {
                for (sum, value) in opened.iter_mut().zip(dealing.share(*seat).iter()) {
                    *sum += *weight * *value;
                }
            }
            prop_assert_eq!(&opened, &*secret(seed[0], 5));
        }

        #[test]
        fn shares_of_two_dealers_add_up(seat in 0_u16..1024, a in any::<[u8; 32]>(), b in any::<[u8; 32]>()) {
            let sum: Vec<Fq> = secret(1, 3).iter().zip(secret(2, 3).iter()).map(|(x, y)| *x + *y).collect();
            let threshold = 3;
            let seats = [Seat(seat), Seat(seat + 1), Seat(seat + 2)];
            let points = seats.map(Seat::point);
            let weights = lagrange_weights(&points, Fq::ZERO);
            let first = Dealing::new(secret(1, 3), threshold, &a, &round());
            let second = Dealing::new(secret(2, 3), threshold, &b, &round());
            for k in 0..3 {
                let opened = seats.iter().zip(&weights).fold(Fq::ZERO, |sum, (seat, weight)| {
                    sum + *weight * (first.share(*seat)[k] + second.share(*seat)[k])
                });
                prop_assert_eq!(opened, sum[k]);
            }
        }
    }

    /// The shares of t - 1 members, over many deals of two secrets that differ in every bit: the low two bits of each
    /// share, together with the high two bits of what the shares would extrapolate to if the degree were under t - 1,
    /// are uniform under a chi-square test for both secrets. 255 degrees of freedom; uniform cells exceed 400 with
    /// probability under 2^-26 (6.0 standard deviations by Wilson and Hilferty), and the seeds are fixed.
    #[test]
    fn fewer_than_threshold_shares_are_uniform_whatever_the_secret() {
        for value in [0, MODULUS - 1] {
            let statistic = chi_square(value, 4);
            assert!(statistic < 400.0, "secret {value}: chi-square {statistic}");
        }
    }

    /// The same statistic over t shares does tell, so the test above can fail.
    #[test]
    fn threshold_shares_fail_the_same_test() {
        for value in [0, MODULUS - 1] {
            let statistic = chi_square(value, 3);
            assert!(statistic > 4_000.0, "secret {value}: chi-square {statistic}");
        }
    }

    /// Chi-square of 256 cells over 64,000 deals, of which three shares are seen.
    fn chi_square(secret: u64, threshold: usize) -> f64 {
        const DEALS: u32 = 64_000;
        let seats = [0, 1, 2].map(Seat);
        let weights = lagrange_weights(&seats.map(Seat::point), Fq::ZERO);
        let mut counts = [0_u32; 256];
        for deal in 0..DEALS {
            let mut seed = [0; 32];
            seed[..4].copy_from_slice(&deal.to_le_bytes());
            let dealing = Dealing::new(Zeroizing::new(vec![Fq::reduced(secret)]), threshold, &seed, &round());
            let shares = seats.map(|seat| dealing.share(seat)[0]);
            let extrapolated = shares
                .iter()
                .zip(&weights)
                .fold(Fq::ZERO, |sum, (share, w)| sum + *share * *w);
            let low = shares.iter().fold(0, |cell, share| cell << 2 | share.get() & 3);
            counts[(low << 2 | extrapolated.get() >> 62) as usize] += 1;
        }
        let expected = f64::from(DEALS) / 256.0;
        counts
            .iter()
            .map(|count| (f64::from(*count) - expected).powi(2) / expected)
            .sum()
    }
}
