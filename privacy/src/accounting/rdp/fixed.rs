//! A bound on the Rényi divergence of a Gaussian step over a fixed-size sample without replacement.
//!
//! For `q` the share of the records and `e(a) = a / (2 z^2)` the divergence of the unsampled step under replacement (Wang, Balle and
//! Kasiviswanathan 2019, Theorem 27):
//!
//! ```text
//! A = 1 + q^2 C(a, 2) min(4 (e^e(2) - 1), 2 e^e(2))
//!       + sum over j = 3..a of q^j C(a, j) min(4 sqrt(B(2 floor(j/2)) B(2 ceil(j/2))), 2 e^((j - 1) e(j)))
//! ```
//!
//! where `B(l)`, the `l`-th forward difference of `e^((j - 1) e(j))` at 0, is the `l`-th central moment of the likelihood ratio,
//! `E[(e^y - 1)^l]` for `y ~ N(-1 / (2 z^2), 1 / z^2)`. For even `l` that is an integral of something positive: it is computed by the
//! trapezoidal rule, without the cancellation of differences. Above order 256 only the second bound is used, as in dp-accounting;
//! between whole orders `ln A` is interpolated (it is convex, so that is a bound: their Corollary 10).

use std::collections::BTreeMap;

use super::poisson::{ln_binomial, ln_one_plus, ln_sum};

/// Largest order for which the central moments are used.
const EXACT: u32 = 256;

/// Divergences at all `orders`, for `0 < q < 1` and noise above 0. May be infinite or NaN where arithmetic overflows.
pub(super) fn divergences(q: f64, noise: f64, orders: &[f64]) -> Vec<f64> {
    let mut moments = BTreeMap::new();
    let mut known = BTreeMap::new();
    let mut ln_a = |order: u32| {
        *known
            .entry(order)
            .or_insert_with(|| whole(q, noise, order, &mut moments))
    };
    let divergence = |order: &f64| {
        let (low, high, t) = (order.floor() as u32, order.ceil() as u32, order.fract());
        let interpolated = if t == 0.0 {
            ln_a(low)
        } else {
            (1.0 - t) * ln_a(low) + t * ln_a(high)
        };
        interpolated / (order - 1.0)
    };
    orders.iter().map(divergence).collect()
}

/// ln A at a whole order.
fn whole(q: f64, noise: f64, order: u32, moments: &mut BTreeMap<u32, f64>) -> f64 {
    let precision = (noise * noise).recip();
    let mut moment = |l: u32| *moments.entry(l).or_insert_with(|| ln_moment(noise, l));
    let n = f64::from(order);
    let terms = (2..=order).map(|j| {
        let k = f64::from(j);
        let simple = 2f64.ln() + k * (k - 1.0) / 2.0 * precision;
        let tight = if j == 2 || order <= EXACT {
            4f64.ln() + 0.5 * (moment(j - j % 2) + moment(j + j % 2))
        } else {
            f64::INFINITY
        };
        k * q.ln() + ln_binomial(n, k) + simple.min(tight)
    });
    ln_one_plus(ln_sum(terms))
}

/// `ln E[(e^y - 1)^l]`, `l` even.
fn ln_moment(noise: f64, l: u32) -> f64 {
    let (l, variance) = (f64::from(l), noise * noise);
    if l == 2.0 {
        let x = variance.recip();
        return if x > 1.0 {
            x + (-(-x).exp()).ln_1p()
        } else {
            x.exp_m1().ln()
        };
    }
    let top = l * (l - 1.0) / (2.0 * variance);
    if (l - 1.0) / variance > 50.0 + l.ln() {
        // The next term of the alternating sum is smaller by e^-50.
        return top;
    }
    // In x = z^2 y + 1/2 ~ N(0, z^2): entire, so the step may be a fixed share of the width.
    let reach = (9.0 + l.sqrt()) * noise;
    let step = noise / (2.0 + l.sqrt() / 4.0);
    let count = ((l + 2.0 * reach) / step).ceil() as u32;
    let terms = (0..=count).map(|i| {
        let x = f64::from(i) * step - reach;
        let y = (x - 0.5) / variance;
        let ln_base = if y > 1.0 {
            y + (-(-y).exp()).ln_1p()
        } else {
            y.exp_m1().abs().ln()
        };
        l * ln_base - x * x / (2.0 * variance)
    });
    ln_sum(terms) + step.ln() - 0.5 * (2.0 * std::f64::consts::PI * variance).ln()
}
