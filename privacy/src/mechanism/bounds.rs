//! How large an honest release can be: what the coordinator's range and norm checks are made of.
//!
//! Let `q` be the integers before noise (`||q|| <= N`, by construction) and `z` the noise: `d` independent discrete Gaussians of
//! parameter `sigma`. Each is `sigma^2`-sub-Gaussian, `E exp(t z_i) <= exp(t^2 sigma^2 / 2)` (Canonne, Kamath and Steinke 2020,
//! Section 4). With `b = 42 + ceil(log2 d)` and `x = 42 ln 2`:
//!
//! - **Range.** `P(|z_i| >= a) <= 2 exp(-a^2 / (2 sigma^2))`; the union over `d` coordinates at `a = sigma sqrt(2 b ln 2)` is at most
//!   `2^-41`. So `|q_i + z_i| <= max_abs = N + a`.
//! - **Noise norm.** Sub-Gaussianity gives `E exp(s z_i^2) <= (1 - 2 s sigma^2)^(-1/2)` (replace `s z^2` by the moment of an
//!   independent Gaussian `g`: `exp(s z^2) = E exp(sqrt(2s) g z)`), which is all that the chi-square bound of Laurent and Massart (2000,
//!   Lemma 1) uses: `P(||z||^2 > sigma^2 T) <= e^-x = 2^-42` for `T = d + 2 sqrt(d x) + 2 x`.
//! - **Cross term.** `<q, z>` is `N^2 sigma^2`-sub-Gaussian: it passes `N sigma sqrt(2 x)` with probability at most `2^-42`.
//! - **Norm.** `||q + z||^2 <= N^2 + 2 N sigma sqrt(2 x) + sigma^2 T`, and by the triangle inequality at most
//!   `(N + sigma sqrt(T))^2`; the smaller of the two is taken.
//!
//! A sum of `T` noised steps is one release with `N` for all of them and noise that is `T sigma^2`-sub-Gaussian: the same bounds, at `sigma sqrt(T)`.
//!
//! Together an honest release fails a check with probability at most `2^-41 + 2^-42 + 2^-42 = 2^-40`. All constants are rounded up and
//! all arithmetic is in integers, so every machine computes the same bounds.
//!
//! # References
//! B. Laurent, P. Massart: *Adaptive Estimation of a Quadratic Functional by Model Selection*, Annals of Statistics 28 (2000).

use super::Mechanism;
use crate::exact::sqrt_up;

/// An honest release fails the range or the norm check with probability at most two to the minus this.
pub const HONEST_FAILURE_BITS: u32 = 40;

/// Releases that can be summed in `i64` whatever they contain.
pub const MAX_CONTRIBUTORS: u64 = 10_000;

/// Largest magnitude of a released integer.
pub(super) const MAX_ABS: u64 = i32::MAX as u64;

const _: () = assert!(MAX_CONTRIBUTORS * (1 << 31) <= i64::MAX as u64);

/// `2 ln 2`, in millionths, rounded up.
const TWO_LN_2: u128 = 1_386_295;
/// `x = 42 ln 2`, in thousandths, rounded up.
const X: u128 = 29_113;
/// `2 x`, rounded up.
const TWO_X: u128 = 59;
/// `sqrt(2 x)`, in thousandths, rounded up.
const SQRT_TWO_X: u128 = 7_631;

/// `N + a` of the module's documentation, saturating.
pub(super) fn max_abs(norm_bound: u64, sigma: u64, dimension: u64) -> u64 {
    if sigma > 1 << 40 {
        return u64::MAX;
    }
    let bits = tail_bits(dimension);
    let tail = sqrt_up((u128::from(sigma).pow(2) * bits * TWO_LN_2).div_ceil(1_000_000));
    norm_bound.saturating_add(u64::try_from(tail).unwrap_or(u64::MAX))
}

/// `b` of the module's documentation.
fn tail_bits(dimension: u64) -> u128 {
    u128::from(42 + dimension.next_power_of_two().trailing_zeros())
}

/// `a / sigma` of the module's documentation, for an error message.
pub(super) fn tail_multiple(dimension: u64) -> f64 {
    (tail_bits(dimension) as f64 * TWO_LN_2 as f64 / 1e6).sqrt()
}

/// The norm bound of the module's documentation. `norm_bound` and `sigma` fit 31 bits, `dimension` 32.
pub(super) fn max_norm_squared(norm_bound: u64, sigma: u64, dimension: u64) -> u128 {
    let (n, sigma, d) = (u128::from(norm_bound), u128::from(sigma), u128::from(dimension));
    let noise = sigma * sigma * (d + 2 * sqrt_up((d * X).div_ceil(1000)) + TWO_X);
    let cross = (2 * n * sigma * SQRT_TWO_X).div_ceil(1000);
    let triangle = (n + sqrt_up(noise)).pow(2);
    (n * n + cross + noise).min(triangle)
}

/// What a binomial draw of mean `batch` passes with probability at most `2^-50`: `batch + x/3 + sqrt(x^2/9 + 2 batch x)` with
/// `x = 50 ln 2`, rounded up (Bernstein's inequality; the variance is at most the mean).
pub(super) fn most_examples(batch: u32) -> u32 {
    // In hundredths: 50 ln 2 = 34.66.
    const X: u128 = 3_466;
    let third = X.div_ceil(3);
    let root = sqrt_up(third * third + 2 * u128::from(batch) * 100 * X);
    let most = u128::from(batch) + (third + root).div_ceil(100);
    u32::try_from(most).unwrap_or(u32::MAX)
}

impl Mechanism {
    /// Largest magnitude of a coordinate of an honest release, in grid steps, except with probability `2^-41`.
    #[must_use]
    pub fn max_abs(&self) -> i32 {
        self.max_abs
    }

    /// Largest squared L2 norm of an honest release, in squared grid steps, except with probability `2^-41`.
    #[must_use]
    pub fn max_norm_squared(&self) -> u128 {
        self.max_norm_squared
    }

    /// Whether integers pass the range and norm checks, which an honest release does except with probability `2^-40`
    /// ([`HONEST_FAILURE_BITS`]).
    #[must_use]
    pub fn admits(&self, values: &[i32]) -> bool {
        let range = self.max_abs.unsigned_abs();
        let mut norm = 0u128;
        for value in values {
            let magnitude = value.unsigned_abs();
            if magnitude > range {
                return false;
            }
            norm += u128::from(magnitude).pow(2);
        }
        values.len() as u64 == self.length() && norm <= self.max_norm_squared
    }
}
