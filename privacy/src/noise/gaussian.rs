//! Exact sampling of the discrete Gaussian from uniform bits.
//!
//! `P(x) ~ exp(-x^2 / (2 sigma^2))` for an integer `sigma >= 1`, by rejection from a discrete Laplace (Canonne, Kamath and Steinke
//! 2020, Algorithms 1 to 3). Only integer comparisons with uniform integers decide anything, so the distribution is exact.
//!
//! One choice differs from the paper's Algorithm 3: the Laplace scale `t` is `sigma` instead of `floor(sigma) + 1`. Any `t` is exact:
//! the ratio of target and proposal is `exp(-y^2 / (2 sigma^2) + |y| / t)`, a constant times `exp(-(|y| - sigma^2 / t)^2 / (2 sigma^2))`, the
//! probability with which `y` is kept. With `t = sigma` it reads `exp(-(|y| - sigma)^2 / (2 sigma^2))` and fits `u128`.
//!
//! Cost: about 1.3 Laplace draws per sample. Not constant-time: running time depends on the values that are drawn, so this belongs
//! where nobody measures.

use rand_core::Rng;

/// One draw of parameter `sigma >= 1`.
pub(super) fn discrete_gaussian(sigma: u32, rng: &mut impl Rng) -> i64 {
    let denominator = 2 * u128::from(sigma).pow(2);
    loop {
        let (magnitude, negative) = discrete_laplace(sigma, rng);
        let distance = u128::from(magnitude.abs_diff(u64::from(sigma)));
        if bernoulli_exp(distance * distance, denominator, rng) {
            // Magnitudes are below sigma * (1 + number of coin flips that came up), far from 2^63.
            return if negative {
                -(magnitude as i64)
            } else {
                magnitude as i64
            };
        }
    }
}

/// `P(y) ~ exp(-|y| / scale)`, as magnitude and sign (Algorithm 2).
fn discrete_laplace(scale: u32, rng: &mut impl Rng) -> (u64, bool) {
    loop {
        let low = below(scale.into(), rng);
        if !bernoulli_exp(low, scale.into(), rng) {
            continue;
        }
        let mut high = 0u64;
        while bernoulli_exp_unit(1, 1, rng) {
            high += 1;
        }
        let magnitude = low as u64 + u64::from(scale) * high;
        let negative = rng.next_u32() & 1 == 1;
        if !(negative && magnitude == 0) {
            return (magnitude, negative);
        }
    }
}

/// True with probability `exp(-numerator / denominator)` (Algorithm 1).
fn bernoulli_exp(numerator: u128, denominator: u128, rng: &mut impl Rng) -> bool {
    let whole = numerator / denominator;
    let mut done = 0;
    while done < whole {
        if !bernoulli_exp_unit(1, 1, rng) {
            return false;
        }
        done += 1;
    }
    bernoulli_exp_unit(numerator % denominator, denominator, rng)
}

/// The same for `numerator <= denominator < 2^64`: von Neumann's alternating series.
fn bernoulli_exp_unit(numerator: u128, denominator: u128, rng: &mut impl Rng) -> bool {
    let mut k = 1u128;
    while below(denominator * k, rng) < numerator {
        k += 1;
    }
    k % 2 == 1
}

/// Uniform over `0..bound`, `bound >= 1`, by rejection.
fn below(bound: u128, rng: &mut impl Rng) -> u128 {
    let bits = 128 - (bound - 1).leading_zeros();
    loop {
        let draw = match bits {
            0 => return 0,
            1..=32 => u128::from(rng.next_u32() >> (32 - bits)),
            33..=64 => u128::from(rng.next_u64() >> (64 - bits)),
            _ => (u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64())) >> (128 - bits),
        };
        if draw < bound {
            return draw;
        }
    }
}
