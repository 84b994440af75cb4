//! Exact privacy profiles: the Gaussian mechanism, and one sampled step of it.
//!
//! The profile `delta(epsilon)` of the Gaussian mechanism with `mu = sensitivity / sigma` is (Balle and Wang 2018, Theorem 8)
//!
//! ```text
//! delta(epsilon) = T(epsilon / mu - mu / 2) - e^epsilon T(epsilon / mu + mu / 2),   T(x) = P(N(0, 1) > x)
//! ```
//!
//! and any number of unsampled Gaussians is one with `mu^2` their sum. Both terms share the factor `density(epsilon / mu - mu / 2)`,
//! so their difference is taken of Mills ratios and is accurate relative to delta. One sampled step has a closed form on top of it:
//!
//! - Poisson, removing a record: `q delta(ln(1 + (e^epsilon - 1) / q))` (Balle, Barthe and Gaboardi 2018, Theorems 2 and 8);
//! - Poisson, adding one: `(1 - a (1 - q)) delta(ln(a q / (1 - a (1 - q))))` with `a = e^epsilon`, and 0 from `a (1 - q) = 1` on;
//! - fixed size, replacing one: the formula of removal, with `delta` the profile under replacement (their Theorem 10).
//!
//! **Rounding.** Deltas are correct to about one part in 10^12; [`epsilon`] asks for a delta smaller by one part in 10^11 and ends a
//! bisection above the root, so it is never below the true one.

use super::{
    normal::{density, mills, upper_tail},
    quadrature::{EIGHT, integrate},
};

/// What covers the errors of the profiles.
const SAFETY: f64 = 1.0 - 1e-11;

/// Profile of the Gaussian mechanism at `epsilon >= 0`, for `mu > 0`.
pub(super) fn gaussian(epsilon: f64, mu: f64) -> f64 {
    let (low, high) = (epsilon / mu - mu / 2.0, epsilon / mu + mu / 2.0);
    if low > 40.0 {
        // Below the smallest float.
        return 0.0;
    }
    if mu <= 0.5 {
        // M'(t) = t M(t) - 1, integrated over a short interval: no difference of nearly equal numbers.
        return density(low) * integrate(&EIGHT, low, high, |t| 1.0 - t * mills(t));
    }
    if low < -5.0 {
        return upper_tail(low) - (epsilon + upper_tail(high).ln()).exp();
    }
    density(low) * (mills(low) - mills(high))
}

/// Profile of one step that is sampled with `0 < rate < 1`, at `epsilon >= 0`: the larger one of adding and removing.
pub(super) fn sampled(epsilon: f64, rate: f64, noise: f64, fixed: bool) -> f64 {
    let mu = noise.recip();
    let removed = rate * gaussian(amplified(epsilon, rate), mu);
    if fixed {
        return removed;
    }
    // 1 - e^epsilon (1 - rate), without cancellation.
    let left = rate - epsilon.exp_m1() * (1.0 - rate);
    if left.is_nan() || left <= 0.0 {
        return removed;
    }
    let added = left * gaussian((epsilon + (rate / left).ln()).max(0.0), mu);
    removed.max(added)
}

/// `ln(1 + (e^epsilon - 1) / rate)`.
fn amplified(epsilon: f64, rate: f64) -> f64 {
    if epsilon > 30.0 {
        epsilon - rate.ln() + (-(1.0 - rate) * (-epsilon).exp()).ln_1p()
    } else {
        (epsilon.exp_m1() / rate).ln_1p()
    }
}

/// The smallest known `epsilon >= 0` whose profile is at most `delta`, at most `limit`; a profile must not increase.
pub(super) fn epsilon(delta: f64, limit: f64, profile: impl Fn(f64) -> f64) -> f64 {
    let within = |epsilon: f64| profile(epsilon) <= delta * SAFETY;
    if within(0.0) {
        return 0.0;
    }
    let (mut low, mut high) = (0.0, limit);
    if !within(high) {
        return f64::INFINITY;
    }
    for _ in 0..200 {
        let middle = low + (high - low) / 2.0;
        if middle <= low || middle >= high {
            break;
        }
        if within(middle) { high = middle } else { low = middle }
    }
    // The profile's argument was rounded too.
    high * (1.0 + 8.0 * f64::EPSILON)
}
