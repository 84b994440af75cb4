//! One sampled Gaussian step's privacy loss, on a grid, rounded towards more loss.
//!
//! With `y = (x - 1/2) / z^2` the step's loss at output `x` is `R(x) = ln(1 + q (e^y - 1))`, increasing in `x`. Removing a record tells
//! `P = (1 - q) N(0, z^2) + q N(1, z^2)` from `Q = N(0, z^2)` with loss `R`; adding one tells `N(0, z^2)` from that mixture with loss
//! `-R`. A sample of fixed size has, under replacement, the profile of removal above 0 and its mirror image below (Balle, Barthe and
//! Gaboardi 2018, Theorem 10); the pair with that profile has the losses of removal above 0, of adding below 0, and an atom at 0.
//!
//! **How.** Grid points are multiples of a step `h`. Mass between two of them is divided so that its P-mass *and* its Q-mass are kept
//! (Doroshenko et al. 2022, "connect the dots"): the share `(1 - e^-d) / (1 - e^-h)` goes up, `d` above the lower point. The result
//! dominates the original, and its profile is that of the original at every grid point of one step. Shares are integrated by
//! Gauss-Legendre quadrature of positive integrands, not taken as differences of deltas, so each mass is accurate relative
//! to itself, wherever in the tail it lies.
//!
//! **Rounding.** Losses are rounded up by their arithmetic's error before they are divided; mass beyond `reach` standard deviations is moved
//! up to the lowest grid point, or counted as infinite loss; where a cell is too wide for the quadrature all of its mass goes up. What is
//! left is a relative error of each mass below [`ERROR`], which the composition charges.
//!
//! # References
//! - V. Doroshenko, B. Ghazi, P. Kamath, R. Kumar, P. Manurangsi: *Connect the Dots: Tighter Discrete Approximations of Privacy Loss
//!   Distributions*, PETS 2022.
//! - Y. Zhu, J. Dong, Y.-X. Wang: *Optimal Accounting of Differential Privacy via Characteristic Function*, AISTATS 2022.

use super::super::{
    normal::upper_tail,
    quadrature::{EIGHT, FOUR},
};

/// Relative error of every mass.
pub(super) const ERROR: f64 = 1e-12;

/// Most panels over which a cell's division is integrated.
const MAX_PANELS: f64 = 16_384.0;

/// Where `|y|` is more than this, `R` is a constant or a straight line to the last bit.
const STRAIGHT: f64 = 40.0;

/// What an adversary compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// With the record, then without.
    Remove,
    /// Without, then with.
    Add,
    /// With one record, then with another in its place: fixed-size samples.
    Replace,
}

/// Losses on the multiples of a step, from `first` times the step on.
pub(super) struct Losses {
    /// Grid index of the first mass.
    pub(super) first: i64,
    /// Natural logarithms of the masses.
    pub(super) ln_mass: Vec<f64>,
    /// Mass at infinity.
    pub(super) lost: f64,
}

/// A step of the Gaussian mechanism that is sampled with `rate` in (0, 1]; 1 is unsampled.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sampler {
    pub(super) rate: f64,
    pub(super) noise: f64,
}

impl Sampler {
    fn variance(&self) -> f64 {
        self.noise * self.noise
    }

    /// `(x - 1/2) / z^2`.
    fn exponent(&self, x: f64) -> f64 {
        (x - 0.5) / self.noise / self.noise
    }

    /// R, and what it may be off by.
    fn loss(&self, x: f64) -> (f64, f64) {
        let (q, y) = (self.rate, self.exponent(x));
        let unit = 4.0 * f64::EPSILON;
        if q == 1.0 {
            return (y, unit * y.abs());
        }
        if y > 30.0 {
            let loss = y + q.ln() + ((1.0 - q) / q * (-y).exp()).ln_1p();
            return (loss, unit * (y - q.ln()));
        }
        let loss = if y < -1.0 {
            ((1.0 - q) + q * y.exp()).ln()
        } else {
            (q * y.exp_m1()).ln_1p()
        };
        (
            loss,
            unit * (2.0 + y.abs()) * loss.abs() + if y < -1.0 { unit * q } else { 0.0 },
        )
    }

    /// The output at which R is `loss`; minus infinity if it is always larger.
    fn output(&self, loss: f64) -> f64 {
        let q = self.rate;
        let y = if q == 1.0 {
            loss
        } else if loss > 30.0 {
            loss - q.ln() + (-(1.0 - q) * (-loss).exp()).ln_1p()
        } else {
            let ratio = loss.exp_m1() / q;
            if ratio <= -1.0 {
                f64::NEG_INFINITY
            } else {
                ratio.ln_1p()
            }
        };
        y * self.noise * self.noise + 0.5
    }

    /// R at the ends of `reach` standard deviations around both means: the losses worth a cell.
    pub(super) fn range(&self, reach: f64) -> (f64, f64) {
        (self.loss(-reach * self.noise).0, self.loss(1.0 + reach * self.noise).0)
    }

    /// The losses of one step on multiples of `step`, without what is more than `reach` standard deviations away, or `None` if that
    /// takes more than `most` cells.
    pub(super) fn losses(&self, direction: Direction, step: f64, reach: f64, most: f64) -> Option<Losses> {
        let (mut left, right) = (-reach * self.noise, 1.0 + reach * self.noise);
        if direction == Direction::Replace {
            left = 0.5;
        }
        let (low, high) = ((self.loss(left).0 / step).floor(), (self.loss(right).0 / step).floor());
        if !(high - low < most && low.abs().max(high.abs()) < 1e15) {
            return None;
        }
        let (low, high) = (low as i64, high as i64);
        let tail = (-0.5 * reach * reach).exp() / 2.0;
        let cells = (high - low + 1) as usize;
        // Point i of each is the grid index low + i.
        let mut removed = vec![0.0; cells + 1];
        let mut added = vec![0.0; cells + 1];
        let mut from = left;
        for cell in 0..cells {
            let index = low + cell as i64;
            let to = if cell + 1 == cells {
                right
            } else {
                self.output((index + 1) as f64 * step).clamp(from, right)
            };
            if direction != Direction::Add {
                let (down, up) = self.divided(from, to, index, step, false);
                removed[cell] += down;
                removed[cell + 1] += up;
            }
            if direction != Direction::Remove {
                // The loss is -R: it goes up where R goes down.
                let (down, up) = self.divided(from, to, index, step, true);
                added[cell + 1] += down;
                added[cell] += up;
            }
            from = to;
        }
        let (first, mut mass) = match direction {
            Direction::Remove => {
                removed[0] += tail;
                (low, removed)
            }
            Direction::Add => {
                added[cells] += tail;
                added.reverse();
                (-(low + cells as i64), added)
            }
            Direction::Replace => {
                // low is 0: R(1/2) = 0.
                added[cells] += tail;
                let atom = (1.0 - self.rate) * (1.0 - 2.0 * upper_tail(0.5 / self.noise)).max(0.0);
                let middle = added[0] + removed[0] + atom;
                added.reverse();
                added.pop();
                added.push(middle);
                added.extend(&removed[1..]);
                (-(cells as i64), added)
            }
        };
        mass.iter_mut().for_each(|p| *p = p.max(1e-300).ln());
        Some(Losses {
            first,
            ln_mass: mass,
            lost: tail,
        })
    }

    /// The mass between two outputs whose R lies between `index` and `index + 1` steps: how much goes down and how much up in loss.
    fn divided(&self, from: f64, to: f64, index: i64, step: f64, added: bool) -> (f64, f64) {
        // Apart where R bends and where it doesn't, which may be all but everywhere.
        let bend = |y: f64| (y * self.variance() + 0.5).clamp(from, to);
        let cuts = [from, bend(-STRAIGHT), bend(STRAIGHT), to];
        let pieces = cuts
            .windows(2)
            .enumerate()
            .map(|(piece, ends)| self.piece(ends[0], ends[1], index, step, added, piece == 0));
        pieces.fold((0.0, 0.0), |(down, up), (d, u)| (down + d, up + u))
    }

    /// [`Sampler::divided`] on a part of a cell; `flat` where R is constant.
    fn piece(&self, from: f64, to: f64, index: i64, step: f64, added: bool, flat: bool) -> (f64, f64) {
        if from >= to {
            return (0.0, 0.0);
        }
        let (low, high) = (index as f64 * step, (index + 1) as f64 * step);
        let all = (-step).exp_m1();
        let share = |loss: f64, error: f64| {
            let above = if added { high - loss } else { loss - low };
            let slack = error + f64::EPSILON * low.abs().max(high.abs());
            (-(above + slack).clamp(0.0, step)).exp_m1() / all
        };
        let width = (to - from) / self.noise;
        let steepness = 1.0 + (from.abs().max((to - 1.0).abs()).max(to.abs()).max((from - 1.0).abs())) / self.noise;
        // Panels of half a standard deviation over the steepness, and of one unit of y for the division.
        let smooth = width * steepness / 2.0;
        let turns = if flat && self.rate < 1.0 {
            0.0
        } else {
            (to - from) / self.variance()
        };
        let divide = smooth.max(turns) <= MAX_PANELS;
        let panels = (if divide { smooth.max(turns) } else { smooth }).ceil().max(1.0);
        let nodes = if smooth.max(turns) < 0.04 {
            &FOUR[..]
        } else {
            &EIGHT[..]
        };
        let wide = (to - from) / panels;
        let (mut down, mut up) = (0.0, 0.0);
        for panel in 0..panels as u64 {
            let middle = from + (panel as f64 + 0.5) * wide;
            for (node, weight) in nodes {
                for x in [middle - node * wide / 2.0, middle + node * wide / 2.0] {
                    let (loss, error) = self.loss(x);
                    let mass = weight * self.density(x, loss, added);
                    let share = if divide { share(loss, error) } else { 1.0 };
                    up += mass * share;
                    down += mass * (1.0 - share + f64::EPSILON);
                }
            }
        }
        let scale = wide / 2.0 * (2.0 * std::f64::consts::PI).sqrt().recip() / self.noise;
        (down * scale, up * scale)
    }

    /// Density of P at output `x` of R = `loss`, without the factor `1 / (z sqrt(2 pi))`.
    fn density(&self, x: f64, loss: f64, added: bool) -> f64 {
        let (q, y) = (self.rate, self.exponent(x));
        let about = |mean: f64| -0.5 * ((x - mean) / self.noise).powi(2);
        if added {
            about(0.0).exp()
        } else if y <= 0.0 {
            (about(0.0) + loss).exp()
        } else {
            // The likelihood ratio to N(1, z^2): no large numbers cancel.
            about(1.0).exp() * (q + (1.0 - q) * (-y).exp())
        }
    }
}

#[cfg(test)]
mod tests;
