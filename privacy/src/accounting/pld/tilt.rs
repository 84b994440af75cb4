//! Exponential tilting: where in the sum's distribution to look.
//!
//! Of the sum `S` of all steps' losses only the part around the answer matters, deep in its upper tail. Weighing every mass by
//! `e^(t loss)` (and dividing by the total) moves the mean there; the tilted law of a sum is the sum of the tilted laws. With the
//! cumulant generating function `K(t) = sum of count * ln E[e^(t L)]` the tilted mean is `K'(t)`, and Chernoff's bounds are
//!
//! ```text
//! P(S >= K'(t)) <= e^(K(t) - t K'(t))                                     for t > 0
//! tilted by t: P(S >= K'(s)) <= e^(K(s) - K(t) - (s - t) K'(s))           for s > t, and P(S <= K'(s)) likewise for s < t
//! ```
//!
//! Any `t` gives a valid answer, so the searches below need not be precise.

use super::cells::Losses;

/// A kind of step, discretised, and how often it was taken.
pub(super) struct Part {
    pub(super) losses: Losses,
    pub(super) count: f64,
}

/// K and K' at one tilt.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cumulant {
    pub(super) tilt: f64,
    pub(super) value: f64,
    pub(super) mean: f64,
}

impl Cumulant {
    /// Exponent of Chernoff's bound on the upper tail from the tilted mean on.
    fn rarity(&self) -> f64 {
        self.tilt * self.mean - self.value
    }
}

/// `ln E[e^(t L)]` and the tilted mean of one part's losses.
pub(super) fn of_part(part: &Part, step: f64, tilt: f64) -> (f64, f64) {
    let losses = &part.losses;
    // A constant divided out keeps the exponentials in range.
    let mut largest = f64::NEG_INFINITY;
    let slope = tilt * step;
    for (i, ln_mass) in losses.ln_mass.iter().enumerate() {
        largest = largest.max(ln_mass + slope * i as f64);
    }
    let (mut sum, mut moment) = (0.0, 0.0);
    for (i, ln_mass) in losses.ln_mass.iter().enumerate() {
        let exponent = ln_mass + slope * i as f64 - largest;
        if exponent > -80.0 {
            let weight = exponent.exp();
            sum += weight;
            moment += weight * i as f64;
        }
    }
    let ln = largest + sum.ln() + slope * losses.first as f64;
    (ln, (losses.first as f64 + moment / sum) * step)
}

/// K and K' at `tilt`.
pub(super) fn at(parts: &[Part], step: f64, tilt: f64) -> Cumulant {
    let (mut value, mut mean) = (0.0, 0.0);
    for part in parts {
        let (ln, centre) = of_part(part, step, tilt);
        value += part.count * ln;
        mean += part.count * centre;
    }
    Cumulant { tilt, value, mean }
}

/// About the tilt at which Chernoff's bound on the upper tail is `e^-rarity`, searched from `start` on.
pub(super) fn upper(parts: &[Part], step: f64, rarity: f64, start: f64) -> Option<Cumulant> {
    search(rarity, start, |tilt| {
        let cumulant = at(parts, step, tilt);
        (cumulant, cumulant.rarity())
    })
}

/// About the tilt above (`side` 1) or below (-1) `centre`'s at which Chernoff's bound on that side's tail, under the law tilted as
/// `centre`, is `e^-rarity`.
pub(super) fn outside(parts: &[Part], step: f64, centre: Cumulant, side: f64, rarity: f64) -> Option<Cumulant> {
    search(rarity, centre.tilt, |shift| {
        let cumulant = at(parts, step, centre.tilt + side * shift);
        (cumulant, centre.value - cumulant.value + side * shift * cumulant.mean)
    })
}

/// The point above 0 at which an increasing exponent is `target`, to about 2 %; where it stays below, a point at which it has
/// all but stopped to grow.
fn search(target: f64, start: f64, evaluate: impl Fn(f64) -> (Cumulant, f64)) -> Option<Cumulant> {
    let valid = |(cumulant, exponent): (Cumulant, f64)| {
        let finite = cumulant.value.is_finite() && cumulant.mean.is_finite() && exponent.is_finite();
        finite.then_some((cumulant, exponent))
    };
    let mut high = start;
    let (mut best, mut reached) = valid(evaluate(high))?;
    let mut low = None;
    while reached < target {
        let Some((cumulant, exponent)) = valid(evaluate(high * 4.0)) else {
            return Some(best);
        };
        if exponent <= reached * (1.0 + 1e-9) && reached > 0.0 || high > 1e300 {
            return Some(best);
        }
        low = Some(high);
        (high, best, reached) = (high * 4.0, cumulant, exponent);
    }
    let mut low = match low {
        Some(low) => low,
        None => loop {
            let (cumulant, exponent) = valid(evaluate(high / 4.0))?;
            if exponent < target {
                break high / 4.0;
            }
            (high, best) = (high / 4.0, cumulant);
            if high < 1e-300 {
                return Some(best);
            }
        },
    };
    while high / low > 1.02 {
        let middle = (low * high).sqrt();
        let (cumulant, exponent) = valid(evaluate(middle))?;
        if exponent < target {
            low = middle;
        } else {
            (high, best) = (middle, cumulant);
        }
    }
    Some(best)
}
