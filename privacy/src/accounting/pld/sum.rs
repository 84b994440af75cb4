//! Epsilon of a composition of discretised steps, by tilted Fourier transforms.
//!
//! **How.** Losses are tilted so that the answer lies in the middle ([`tilt`](super::tilt)), laid on a ring of `n` grid points, transformed,
//! raised to their counts, multiplied, transformed back and untilted. With `r_j` the tilted law of the sum, `c` its mean and
//! `A = e^(K(t) - t c)`,
//!
//! ```text
//! delta(epsilon) = A * sum over l_j > epsilon of e^(-t (l_j - c)) (1 - e^(epsilon - l_j)) r_j  +  tail + lost
//! ```
//!
//! A plain transform (dp-accounting's, for one) leaves about 1e-16 in every bin, which for 10^5 bins drowns a delta of 1e-11. Here
//! the same rounding is relative to A, of the order of delta itself, so a delta of 1e-200 is as accurate as one of 0.1.
//!
//! **Charged, each towards more loss:**
//! - `lost`: mass beyond what was discretised, once per step;
//! - `tail`: Chernoff's bound on the sum beyond the window; what lies outside wraps around and only adds;
//! - rounding of transforms and powers: with each coefficient `z` off by at most `e`, the product of powers is off by at most
//!   `prod (|z| + e)^count - prod |z|^count`; the mean of that over all coefficients, `eta`, is added to **every** bin;
//! - relative errors of masses and of K: `count` times [`cells::ERROR`](super::cells::ERROR), in A.
//!
//! # References
//! - A. Koskela, J. Jälkö, A. Honkela: *Computing Tight Differential Privacy Guarantees Using FFT*, AISTATS 2020.
//! - S. Gopi, Y. T. Lee, L. Wutschitz: *Numerical Composition of Differential Privacy*, NeurIPS 2021.

use super::{
    cells::ERROR,
    fft::{Complex, Plan},
    tilt::{self, Cumulant, Part},
};

/// Largest ring: 32 MiB a buffer. Of more than four kinds of steps each gets its share of the time for four.
const MAX_POINTS: f64 = 4_194_304.0;

/// The tilted sum's mass on either side of the window: `e^-15` at most. Above, that is less than `e^-15` of delta before tilting.
const OUTSIDE: f64 = 15.0;

/// Coefficients below `e^-60` are taken for 0, and charged.
const NEGLIGIBLE: f64 = -60.0;

/// What was read off, and where to look next time.
pub(super) struct Reading {
    pub(super) epsilon: f64,
    pub(super) tilt: f64,
}

/// The part of the ring on which the sum is looked at.
struct Window {
    centre: Cumulant,
    first: i64,
    last: i64,
    points: usize,
    /// ln of the bound on what lies above.
    ln_tail: f64,
}

/// The smallest epsilon above 0 (or 0) at which delta is at most e^`ln_delta`; `None` if the grid is too fine for the memory or the
/// numbers leave the floats' range.
pub(super) fn epsilon(parts: &[Part], step: f64, ln_delta: f64, start: f64) -> Option<Reading> {
    let window = window(parts, step, ln_delta, start)?;
    let plan = Plan::new(window.points);
    let (spectrum, eta) = spectrum(parts, step, window.centre.tilt, &plan)?;
    let ring = plan.inverse(&spectrum);
    drop(spectrum);
    let epsilon = read(parts, step, ln_delta, &window, &ring, eta)?;
    Some(Reading {
        epsilon,
        tilt: window.centre.tilt,
    })
}

fn window(parts: &[Part], step: f64, ln_delta: f64, start: f64) -> Option<Window> {
    let centre = tilt::upper(parts, step, -ln_delta, start)?;
    let above = tilt::outside(parts, step, centre, 1.0, OUTSIDE)?;
    let below = tilt::outside(parts, step, centre, -1.0, OUTSIDE)?;
    let (first, last) = ((below.mean / step).floor() - 2.0, (above.mean / step).ceil() + 2.0);
    let width = last - first + 1.0;
    let most = MAX_POINTS * (4.0 / parts.len() as f64).min(1.0);
    if !(width <= most && first.abs().max(last.abs()) < 1e15) {
        return None;
    }
    Some(Window {
        centre,
        first: first as i64,
        last: last as i64,
        points: (width as usize).next_power_of_two().max(16),
        ln_tail: above.value - above.tilt * last * step + taken(parts) * ERROR,
    })
}

/// Steps of all kinds.
fn taken(parts: &[Part]) -> f64 {
    parts.iter().map(|part| part.count).sum()
}

/// The transform of the tilted sum's law, and what a bin of the law may be off by.
fn spectrum(parts: &[Part], step: f64, tilt: f64, plan: &Plan) -> Option<(Vec<Complex>, f64)> {
    let points = plan.points();
    let half = points / 2;
    // ln of the magnitude, its upper bound's excess, and the angle, summed over the parts.
    let mut sums = vec![(0.0f64, 0.0f64, 0.0f64); half + 1];
    // Powers go through logarithms and angles: eight units in the last place each.
    let error = plan.error() + 4.0 * f64::EPSILON;
    for part in parts {
        let (ln_total, _) = tilt::of_part(part, step, tilt);
        let mut ring = vec![0.0; points];
        for (i, ln_mass) in part.losses.ln_mass.iter().enumerate() {
            let index = part.losses.first + i as i64;
            let mass = (ln_mass + tilt * step * index as f64 - ln_total).exp();
            ring[index.rem_euclid(points as i64) as usize] += mass;
        }
        for (sum, z) in sums.iter_mut().zip(plan.forward(&ring)) {
            if sum.0 + sum.1 > NEGLIGIBLE {
                let magnitude = z.magnitude();
                sum.0 += part.count * magnitude.ln();
                sum.1 += part.count * (error / magnitude).ln_1p();
                sum.2 += part.count * z.angle();
            }
        }
    }
    let mut charged = 0.0;
    let spectrum: Vec<Complex> = sums
        .into_iter()
        .enumerate()
        .map(|(k, (ln, excess, angle))| {
            // Coefficients other than the first and the last stand for a pair.
            let twice = if k == 0 || k == half { 1.0 } else { 2.0 };
            let bound = (ln + excess).exp();
            if ln.is_nan() || ln <= NEGLIGIBLE {
                charged += twice * bound.max(NEGLIGIBLE.exp());
                return Complex::default();
            }
            let magnitude = ln.exp();
            charged += twice * (magnitude * excess.exp_m1() + 100.0 * f64::EPSILON * bound + plan.error() * magnitude);
            Complex::polar(magnitude, angle)
        })
        .collect();
    let eta = charged / points as f64;
    eta.is_finite().then_some((spectrum, eta))
}

/// Walks down from the window's top until delta is passed, and solves for epsilon in that cell.
fn read(parts: &[Part], step: f64, ln_delta: f64, window: &Window, ring: &[f64], eta: f64) -> Option<f64> {
    let Cumulant { tilt, value, mean } = window.centre;
    let lost: f64 = parts.iter().map(|part| part.count * part.losses.lost).sum();
    let ln_scale = value - tilt * mean + taken(parts) * ERROR + 1e-10;
    // All in units of A.
    let target = (ln_delta - ln_scale).exp() - (window.ln_tail - ln_scale).exp() - lost * (-ln_scale).exp();
    if !(target > 0.0 && target.is_finite()) {
        return None;
    }
    let (shrink, grow) = ((-step).exp(), -(-step).exp_m1());
    // Sum of the weights above, and of the weights times (1 - e^(epsilon - l)).
    let (mut above, mut delta) = (0.0f64, 0.0f64);
    let points = ring.len() as i64;
    for index in (window.first..=window.last).rev() {
        // Here `delta` is that at epsilon = the grid point `index`, and nothing but `index` itself is missing from `above`.
        let loss = index as f64 * step;
        let mass = ring[index.rem_euclid(points) as usize].max(0.0) + eta;
        above += mass * (-tilt * (loss - mean)).exp();
        let next = shrink * delta + grow * above;
        if !next.is_finite() {
            return None;
        }
        if next > target {
            // delta(loss - t) = e^-t delta + (1 - e^-t) above for 0 <= t <= step.
            let t = -(-(target - delta) / (above - delta)).ln_1p();
            let epsilon = loss - t.clamp(0.0, step);
            return Some(epsilon.max(0.0) * (1.0 + 8.0 * f64::EPSILON));
        }
        if loss <= 0.0 {
            return Some(0.0);
        }
        delta = next;
    }
    None
}
