//! The Rényi divergence of one Poisson-sampled Gaussian step.
//!
//! With `z = sigma` and `q` the rate, adding or removing a record costs at order `a` (Mironov, Talwar and Zhang 2019, Theorem 4)
//!
//! ```text
//! ln(A) / (a - 1),   A = E over x ~ N(0, z^2) of (1 + v)^a,   v = q (e^y - 1),   y = (2x - 1) / (2 z^2).
//! ```
//!
//! Since `E[v] = 0`, `A - 1` is the expectation of `(1 + v)^a - 1 - a v`, which is never negative: a sum without cancellation, so
//! that divergences of 1e-12 are as accurate as those of 10.
//!
//! - **Whole orders:** the binomial sum of their Section 3.3, from its quadratic term on.
//! - **Fractional orders:** the trapezoidal rule, whose error on an analytic integrand falls exponentially with the step; it is chosen
//!   from the distance `pi z^2` of the integrand's branch point from the real axis for an error below `e^-40`. Where the noise is so small that
//!   this takes too many points, their series, whose first neglected term is then below `e^-40` too.

use std::f64::consts::PI;

use super::super::normal::ln_upper_tail;

/// Below this noise the branch point is too close for the trapezoidal rule.
const SMALL_NOISE: f64 = 0.05;

/// Natural logarithm of the relative error that is let go.
const ERROR: f64 = 40.0;

/// Divergence at order `a > 1`, for `0 < q < 1` and noise above 0. May be infinite or NaN where arithmetic overflows.
pub(super) fn divergence(q: f64, noise: f64, order: f64) -> f64 {
    let ln_a = if order.fract() == 0.0 {
        whole(q, noise, order)
    } else if noise < SMALL_NOISE {
        series(q, noise, order)
    } else {
        trapezoid(q, noise, order)
    };
    ln_a / (order - 1.0)
}

/// ln A by the binomial sum.
fn whole(q: f64, noise: f64, order: f64) -> f64 {
    let (ln_q, ln_rest) = (q.ln(), (-q).ln_1p());
    // E[(1 + v)^a] - 1 with E[v] = 0: the terms 0 and 1 of the sum cancel against 1.
    let terms = (2..=order as u32).map(|k| {
        let k = f64::from(k);
        let exponent = (k * k - k) / (2.0 * noise * noise);
        let grown = if exponent > 1.0 {
            exponent + (-(-exponent).exp()).ln_1p()
        } else {
            exponent.exp_m1().ln()
        };
        ln_binomial(order, k) + k * ln_q + (order - k) * ln_rest + grown
    });
    ln_one_plus(ln_sum(terms))
}

/// ln A by quadrature.
fn trapezoid(q: f64, noise: f64, order: f64) -> f64 {
    let variance = noise * noise;
    // Moving the line of integration by `d <= pi z^2` into the complex plane bounds the error by e^(d^2 / (2 z^2) - 2 pi d / step).
    let step = if noise >= 3.0 {
        // The best d, 2 pi z^2 / step, is close enough.
        2.0 * PI * noise / (2.0 * ERROR).sqrt()
    } else {
        2.0 * PI * PI * variance / (ERROR + PI * PI * variance / 2.0)
    };
    let reach = (2.0 * ERROR).sqrt() * noise;
    let count = ((order + 2.0 * reach) / step).ceil() as u32;
    let terms = (0..=count).map(|i| {
        let x = f64::from(i) * step - reach;
        let y = (x - 0.5) / variance;
        ln_excess(q, y, order) - x * x / (2.0 * variance)
    });
    let ln_width = step.ln() - 0.5 * (2.0 * PI * variance).ln();
    ln_one_plus(ln_sum(terms) + ln_width)
}

/// `ln((1 + v)^a - 1 - a v)` with `v = q (e^y - 1)`.
fn ln_excess(q: f64, y: f64, a: f64) -> f64 {
    if y > 30.0 {
        let ln_ratio = y + q.ln() + ((1.0 - q) / q * (-y).exp()).ln_1p();
        let power = a * ln_ratio;
        // a v is at most a (1 + v), whose logarithm is a fraction of the power's.
        return if power > 300.0 {
            power + (-(a.ln() + ln_ratio - power).exp()).ln_1p()
        } else {
            excess(ln_ratio.exp_m1(), a).ln()
        };
    }
    excess(q * y.exp_m1(), a).ln()
}

/// `(1 + v)^a - 1 - a v >= 0` for `v > -1`, accurate near 0.
fn excess(v: f64, a: f64) -> f64 {
    if v.abs() > 0.01 / a {
        return ((a * v.ln_1p()).exp_m1() - a * v).max(0.0);
    }
    // The binomial series from its quadratic term on; terms shrink a hundredfold.
    let mut term = a * (a - 1.0) / 2.0 * v * v;
    let mut sum = term;
    for k in 3..12 {
        let k = f64::from(k);
        term *= (a - k + 1.0) / k * v;
        sum += term;
    }
    sum
}

/// ln A by the series of Section 3.3: binomial expansions on both sides of the point where their terms are equal.
fn series(q: f64, noise: f64, order: f64) -> f64 {
    let (ln_q, ln_rest) = (q.ln(), (-q).ln_1p());
    let variance = noise * noise;
    let middle = variance * (ln_rest - ln_q) + 0.5;
    let (mut ln_binomial, mut sign) = (0.0, 1.0);
    let mut terms: Vec<(f64, f64)> = Vec::new();
    let mut largest = f64::NEG_INFINITY;
    for k in 0..1000 {
        let (i, j) = (f64::from(k), order - f64::from(k));
        let left =
            ln_binomial + i * ln_q + j * ln_rest + (i * i - i) / (2.0 * variance) + ln_upper_tail((i - middle) / noise);
        let right =
            ln_binomial + j * ln_q + i * ln_rest + (j * j - j) / (2.0 * variance) + ln_upper_tail((middle - j) / noise);
        terms.extend([(left, sign), (right, sign)]);
        largest = largest.max(left).max(right);
        if i > order && left.max(right) < largest - ERROR {
            break;
        }
        ln_binomial += (j.abs() / (i + 1.0)).ln();
        sign *= j.signum();
    }
    let sum: f64 = terms.iter().map(|(ln, sign)| sign * (ln - largest).exp()).sum();
    let ln_a = largest + sum.ln();
    // Not by `max`, which would take NaN for 0.
    if ln_a < 0.0 { 0.0 } else { ln_a }
}

/// `ln(n choose k)`.
pub(super) fn ln_binomial(n: f64, k: f64) -> f64 {
    libm::lgamma(n + 1.0) - libm::lgamma(k + 1.0) - libm::lgamma(n - k + 1.0)
}

/// `ln(sum of e^term)`.
pub(super) fn ln_sum(terms: impl Iterator<Item = f64>) -> f64 {
    let (mut largest, mut sum) = (f64::NEG_INFINITY, 0.0);
    for term in terms {
        if term > largest {
            sum = sum * (largest - term).exp() + 1.0;
            largest = term;
        } else if term > f64::NEG_INFINITY {
            sum += (term - largest).exp();
        }
    }
    largest + sum.ln()
}

/// `ln(1 + e^x)`.
pub(super) fn ln_one_plus(x: f64) -> f64 {
    if x > 0.0 {
        x + (-x).exp().ln_1p()
    } else {
        x.exp().ln_1p()
    }
}
