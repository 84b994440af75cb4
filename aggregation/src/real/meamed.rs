//! Meamed, the mean around the median: per coordinate, the mean of the n-f values nearest to the median.
//!
//! The median is the middle value, for even n the mean of the two middle ones (NumPy's). Of two values equally far from
//! it on either side the one of the lower row is nearer. Tolerates f arbitrary rows where n >= 2f+1: at least n-2f of
//! the values averaged are honest, and none is farther from the median than the farthest honest one. Cost n*d*log^2 n.
//! Coordinate-wise, needs single updates.
//!
//! How: in the sorted column the values kept are neighbours. Starting from the lowest n-f, the lowest is given up for
//! the next higher value as long as it is farther from the median: f comparisons, without a branch. Only where both are
//! equally far and different is the column looked at row by row.
//! Source: Xie et al., *Generalized Byzantine-tolerant SGD*, 2018 (mean around median).

use super::element::Real;
use super::order::{LANES, Order, Wire, add_wires};
use super::view::Kernel;

/// Per coordinate, the mean of the `n - f` values nearest to the median.
pub(super) struct Meamed {
    order: Order,
    f: usize,
}

impl Meamed {
    /// Needs n >= f+1.
    pub(super) fn new(n: usize, f: usize) -> Self {
        Self {
            order: Order::complete(n),
            f,
        }
    }

    /// Sixteen sums of the values kept, and the lanes in which a tie must be settled by row.
    #[inline(always)]
    fn sums<E: Real, const FEW: bool>(&self, wires: &[Wire<E>], median: &Wire<f64>) -> (Wire<f64>, [bool; LANES]) {
        let kept = wires.len() - self.f;
        let mut sums = [0.0; LANES];
        if !FEW {
            add_wires(&mut sums, &wires[self.f..kept]);
        }
        let (mut ties, mut given_up) = ([false; LANES], [0_usize; LANES]);
        for (low, high) in wires.iter().zip(&wires[kept..]) {
            for lane in 0..LANES {
                let (low, high): (f64, f64) = (low[lane].into(), high[lane].into());
                let (below, above) = (median[lane] - low, high - median[lane]);
                sums[lane] += if below > above { high } else { low };
                if FEW {
                    given_up[lane] += usize::from(below > above);
                }
                ties[lane] |= (below == above) & (low < high);
            }
        }
        if FEW {
            for lane in 0..LANES {
                let window = &wires[given_up[lane]..given_up[lane] + kept];
                sums[lane] = window.iter().fold(0.0, |sum, wire| sum + wire[lane].into());
            }
        }
        (sums, ties)
    }
}

impl Kernel for Meamed {
    const WIDTH: usize = 4096;
    const WIDE: bool = false;
    type Scratch<E: Real> = Vec<Wire<E>>;

    fn scratch<E: Real>(&self, n: usize) -> Vec<Wire<E>> {
        vec![[E::default(); LANES]; n]
    }

    fn block<E: Real>(&self, wires: &mut Vec<Wire<E>>, _: usize, rows: &[&[E]], out: &mut [f64]) {
        let n = wires.len();
        let kept = (n - self.f) as f64;
        for (group, out) in out.chunks_mut(LANES).enumerate() {
            self.order.load(rows, group * LANES, wires);
            let mut median = [0.0; LANES];
            add_wires(&mut median, &wires[(n - 1) / 2..n / 2 + 1]);
            if n.is_multiple_of(2) {
                median = median.map(|sum| sum / 2.0);
            }
            let (sums, ties) = match n - self.f < self.f {
                true => self.sums::<E, true>(wires, &median),
                false => self.sums::<E, false>(wires, &median),
            };
            for (lane, out) in out.iter_mut().enumerate() {
                *out = sums[lane] / kept;
                if ties[lane] {
                    *out = by_row(rows, group * LANES + lane, median[lane], n - self.f);
                }
            }
        }
    }
}

/// The mean of the `kept` values of a column that are nearest to its median, by distance, then row.
fn by_row<E: Real>(rows: &[&[E]], column: usize, median: f64, kept: usize) -> f64 {
    let values = rows.iter().map(|row| -> f64 { row[column].into() });
    let mut ranked: Vec<(f64, f64)> = values.map(|v| ((v - median).abs(), v)).collect();
    ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
    ranked[..kept].iter().fold(0.0, |sum, &(_, v)| sum + v) / kept as f64
}
