//! The coefficients of mode dp-ftrl, what a use of a record costs by them, and how much noise releases and their sums carry.
//!
//! Costs are computed in integers, every rounding upwards. How much noise there is, is computed in `f64` by additions and multiplications in a fixed
//! order (the same on every machine) and rounded up generously; no guarantee rests on it, only bounds that honest releases must stay within.

use std::collections::VecDeque;

use crate::exact::sqrt_up;

/// A grid step is `2^8` fine ones: rounding what is taken back then costs next to nothing.
pub(crate) const FINE_BITS: u32 = 8;

/// Coefficients are multiples of `2^-20`.
pub(crate) const COEFFICIENT_BITS: u32 = 20;

/// Rounds that an institution misses change what its next releases carry, mostly to less; where it is more, it is by less than a thousandth (searched for
/// in the tests). Bounds allow for ten times that.
const MISSED: f64 = 1.01;

/// Where a filter's answer has died away.
const SILENCE: f64 = 1e-12;

/// `c_0 .. c_{lags-1}` in units of `2^-20`: `binom(2k, k) / 4^k`, cut off.
pub(crate) fn coefficients(lags: u32) -> Vec<i64> {
    let mut exact: u128 = 1 << 60;
    let coefficient = |k: u32| {
        let k = u128::from(k);
        if k > 0 {
            exact = exact * (2 * k - 1) / (2 * k);
        }
        (exact >> (60 - COEFFICIENT_BITS)) as i64
    };
    (0..lags).map(coefficient).collect()
}

/// `sum_k D_k^2` of Theorem 1, in squared fine steps: `sensitivity` (at most `2^33`) in grid steps, over `length` coordinates, rounded up.
pub(crate) fn squares(sensitivity: u64, length: u64, lags: u32) -> u128 {
    let (first, all) = (
        u128::from(sensitivity) << FINE_BITS,
        u128::from(sensitivity).pow(2) << (2 * FINE_BITS),
    );
    let support = u128::from(length).min(u128::from(sensitivity).pow(2));
    let of = |(k, coefficient): (usize, i64)| {
        if k == 0 {
            return all;
        }
        // Positive, and at most 2^20.
        let c = u128::from(coefficient.unsigned_abs());
        let straight = (all * c * c).div_ceil(1 << (2 * COEFFICIENT_BITS));
        let cross = (2 * first * c * sqrt_up(support)).div_ceil(1 << COEFFICIENT_BITS);
        all.min(straight + cross + support)
    };
    coefficients(lags).into_iter().enumerate().map(of).sum()
}

/// What the noise of a release is made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    /// Standard deviation of the noise that a release carries at most where no round is missed, over that of what is drawn; rounded up.
    pub(crate) release: f64,
    /// The same whichever rounds are missed: what honest releases are held to.
    pub(crate) most: f64,
    /// The most that roundings add to a coordinate of a release, in grid steps; rounded up.
    pub(crate) rounding: u64,
}

/// How much noise a release among `rounds` carries: `N = C^-1 (z + e)` with roundings `|e| <= 1/2`, so `sqrt(sum d_j^2)` and `sum |d_j| / 2` of the
/// coefficients `d_j` of `C^-1`. With rounds missed, `C` loses their rows and columns before it is inverted.
pub(crate) fn spread(lags: u32, rounds: u64) -> Spread {
    let (mut squares, mut sum) = (0.0f64, 0.0f64);
    for d in Inverse::of(lags).take_while_heard(rounds) {
        squares += d * d;
        sum += d.abs();
    }
    let release = squares.sqrt() * (1.0 + 1e-6);
    Spread {
        release,
        most: release * MISSED,
        // Half a fine step each on its way, and half a grid step at the end.
        rounding: (0.5 + sum / 2.0 / f64::from(1u32 << FINE_BITS) + 1e-6).ceil() as u64,
    }
}

/// Standard deviation of the noise on the sum of the first `rounds` releases, over that of what is drawn.
pub(crate) fn of_sum(lags: u32, rounds: u64) -> f64 {
    let (mut prefix, mut squares, mut heard) = (0.0f64, 0.0f64, 0u64);
    for d in Inverse::of(lags).take_while_heard(rounds) {
        prefix += d;
        squares += prefix * prefix;
        heard += 1;
    }
    (squares + prefix * prefix * (rounds - heard) as f64).sqrt()
}

/// The coefficients of `C^-1`: `d_0 = 1`, `d_j = -sum_{0<k<b} c_k d_{j-k}`.
struct Inverse {
    coefficients: Vec<f64>,
    /// The last `b - 1` of them, the latest first; as a ring.
    last: VecDeque<f64>,
    done: u64,
    silent: usize,
}

impl Inverse {
    fn of(lags: u32) -> Self {
        let unit = f64::from(1u32 << COEFFICIENT_BITS);
        Self {
            coefficients: coefficients(lags)
                .into_iter()
                .skip(1)
                .map(|c| c as f64 / unit)
                .collect(),
            last: VecDeque::new(),
            done: 0,
            silent: 0,
        }
    }

    /// At most `rounds` of them; fewer where as many as there are lags have been next to nothing. What follows those is made of them, by a filter
    /// that forgets (the zeros of a polynomial with falling positive coefficients lie outside the unit circle, Eneström and Kakeya), so it is next to
    /// nothing too.
    fn take_while_heard(mut self, rounds: u64) -> impl Iterator<Item = f64> {
        std::iter::from_fn(move || {
            let heard = self.done < rounds && self.silent <= self.coefficients.len();
            heard.then(|| self.next())
        })
    }

    fn next(&mut self) -> f64 {
        let next = match self.done {
            0 => 1.0,
            _ => -self
                .coefficients
                .iter()
                .zip(&self.last)
                .map(|(c, d)| c * d)
                .sum::<f64>(),
        };
        self.done += 1;
        self.last.push_front(next);
        self.last.truncate(self.coefficients.len());
        self.silent = if next.abs() < SILENCE { self.silent + 1 } else { 0 };
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coefficients_fall_from_one_and_square_to_prefix_sums() {
        let unit = f64::from(1u32 << COEFFICIENT_BITS);
        let c: Vec<f64> = coefficients(256).into_iter().map(|c| c as f64 / unit).collect();
        assert_eq!(&c[..4], &[1.0, 0.5, 0.375, 0.3125]);
        assert!(c.windows(2).all(|w| w[0] > w[1]) && c[255] > 0.0);
        // The convolution of the square root of the prefix sums with itself is one everywhere.
        for t in [1, 10, 100, 255] {
            let one: f64 = (0..=t).map(|k| c[k] * c[t - k]).sum();
            assert!((one - 1.0).abs() < 1e-3, "{t}: {one}");
        }
    }

    /// Independent of the recursion: power series division, and a direct sum of squares.
    #[test]
    fn spreads_are_those_of_the_inverse_matrix() {
        for (lags, rounds) in [(1u32, 5u64), (2, 9), (8, 40), (32, 200)] {
            let c: Vec<f64> = coefficients(lags)
                .into_iter()
                .map(|c| c as f64 / f64::from(1 << 20))
                .collect();
            let mut d = vec![0.0; rounds as usize];
            for j in 0..d.len() {
                let past: f64 = (1..c.len().min(j + 1)).map(|k| c[k] * d[j - k]).sum();
                d[j] = if j == 0 { 1.0 } else { -past };
            }
            let squares: f64 = d.iter().map(|x| x * x).sum();
            assert!((spread(lags, rounds).release / squares.sqrt() - 1.0).abs() < 1e-5);
            assert_eq!(spread(lags, rounds).rounding, 1);
            let mut prefix = 0.0;
            let sums: f64 = d
                .iter()
                .map(|x| {
                    prefix += x;
                    prefix * prefix
                })
                .sum();
            assert!((of_sum(lags, rounds) / sums.sqrt() - 1.0).abs() < 1e-9);
        }
        // Many rounds end early; without a band a release would carry 2 / sqrt(pi) = 1.128 of what is drawn.
        let long = spread(256, 1_000_000);
        assert!((1.12..1.14).contains(&long.release), "{long:?}");
    }

    /// Norms of the last row of `C^-1` where only these rounds (ascending) were taken part in: of its squares, and of its magnitudes.
    fn last_row(c: &[f64], rounds: &[usize]) -> (f64, f64) {
        let last = rounds.len() - 1;
        let mut row = vec![0.0; rounds.len()];
        row[last] = 1.0;
        for j in (0..last).rev() {
            let near = (j + 1..=last).take_while(|&s| rounds[s] - rounds[j] < c.len());
            row[j] = -near.map(|s| row[s] * c[rounds[s] - rounds[j]]).sum::<f64>();
        }
        let squares: f64 = row.iter().map(|x| x * x).sum();
        (squares.sqrt(), row.iter().map(|x| x.abs()).sum())
    }

    /// Every pattern over 12 rounds, periodic ones, and ones that a climb by single changes leads to: noise stays within what releases are held to.
    #[test]
    fn missed_rounds_add_hardly_any_noise() {
        let unit = f64::from(1u32 << COEFFICIENT_BITS);
        let mut worst: f64 = 0.0;
        let mut check = |lags: u32, c: &[f64], rounds: &[usize], most: u64| {
            let (norm, sum) = last_row(c, rounds);
            let spread = spread(lags, most);
            assert!(norm <= spread.most, "{lags}: {norm} where {rounds:?}");
            assert!(
                0.5 + sum / 512.0 <= spread.rounding as f64,
                "{lags}: {sum} where {rounds:?}"
            );
            worst = worst.max(norm / spread.release);
            norm
        };
        let of = |lags: u32| -> Vec<f64> { coefficients(lags).into_iter().map(|c| c as f64 / unit).collect() };
        for lags in 2..=8 {
            let c = of(lags);
            for pattern in 1u32..1 << 12 {
                let rounds: Vec<usize> = (0..12).filter(|t| pattern >> t & 1 == 1).collect();
                check(lags, &c, &rounds, 12);
            }
        }
        for lags in [4u32, 16, 64, 256] {
            let c = of(lags);
            let length = (4 * lags as usize).min(300);
            let mut bits = 0x9e37_79b9_7f4a_7c15u64;
            let mut coin = |below: usize| {
                bits = bits
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                (bits >> 33) as usize % below
            };
            for period in 2..16 {
                for kept in 1..period {
                    let rounds: Vec<usize> = (0..length).filter(|t| t % period < kept).collect();
                    check(lags, &c, &rounds, length as u64);
                }
            }
            for share in [20, 50, 80, 95, 100] {
                let mut there: Vec<bool> = (0..length).map(|_| coin(100) < share).collect();
                there[length - 1] = true;
                let of = |there: &[bool]| -> Vec<usize> { (0..length).filter(|&t| there[t]).collect() };
                let mut best = check(lags, &c, &of(&there), length as u64);
                for _ in 0..150 {
                    let (from, width) = (coin(length - 1), 1 << coin(4));
                    let mut other = there.clone();
                    other[from..(from + width).min(length - 1)]
                        .iter_mut()
                        .for_each(|t| *t = !*t);
                    let norm = check(lags, &c, &of(&other), length as u64);
                    if norm >= best {
                        (best, there) = (norm, other);
                    }
                }
            }
        }
        // There are such patterns, and they are a small part of what is allowed for.
        assert!((1.0..1.0 + (MISSED - 1.0) / 5.0).contains(&worst), "{worst}");
    }

    /// At the same cost for a record that is used once in each block, a sum's noise beside that of independent draws.
    #[test]
    fn sums_carry_less_noise_than_independent_draws_of_the_same_cost() {
        let at = |separation: u32, rounds: u64| {
            let squares = squares(1 << 20, 1, separation.min(rounds as u32)) as f64;
            let cost = squares / f64::from(1u32 << FINE_BITS).powi(2) / 2f64.powi(40);
            of_sum(separation.min(rounds as u32), rounds) * cost.sqrt() / (rounds as f64).sqrt()
        };
        // One pass over the data: 1 + (ln b) / pi on either side, against b.
        let [short, middle, long] = [at(8, 8), at(32, 32), at(128, 128)];
        assert!(short < 0.62 && middle < 0.4 && long < 0.25, "{short} {middle} {long}");
        assert!(middle < short && long < middle);
        // Many passes.
        assert!(at(32, 320) < 0.3, "{}", at(32, 320));
    }
}
