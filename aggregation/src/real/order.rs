//! Order statistics of columns: sixteen columns side by side are put in order by a sorting network, without a branch.
//!
//! For up to [`NETWORK_ROWS`] rows the steps are those of [`Network`], pruned to what is read; above, each column is
//! sorted. Values stay in their own type (an order statistic of `f32` is an `f32`) and are widened when summed. Minus
//! zero and zero count as equal, and a sum starts from zero, so that no result is minus zero.

use super::element::Real;
use super::view::Kernel;
use crate::rule::network::Network;

/// Above this many rows each column is sorted by itself.
pub(super) const NETWORK_ROWS: usize = 512;

/// Columns handled together.
pub(super) const LANES: usize = 16;

/// Sixteen columns' values at one position of the order.
pub(super) type Wire<E> = [E; LANES];

/// How columns of n values are put in order.
pub(super) struct Order(Option<Network>);

impl Order {
    /// Leaves the values of ranks `cut..n-cut` at those positions, in some order. Needs 2*cut <= n.
    pub(super) fn keeping_middle(n: usize, cut: usize) -> Self {
        Self((n <= NETWORK_ROWS).then(|| Network::keeping_middle(n, cut)))
    }

    /// Leaves every value at its rank.
    pub(super) fn complete(n: usize) -> Self {
        Self((n <= NETWORK_ROWS).then(|| Network::sorting(n)))
    }

    /// Loads the columns from `start` on, at most [`LANES`], and puts each in order; lanes past the rows' end hold
    /// anything finite.
    pub(super) fn load<E: Real>(&self, rows: &[&[E]], start: usize, wires: &mut [Wire<E>]) {
        for (wire, row) in wires.iter_mut().zip(rows) {
            let part = &row[start..];
            match part.first_chunk::<LANES>() {
                Some(whole) => *wire = *whole,
                None => wire[..part.len()].copy_from_slice(part),
            }
        }
        match &self.0 {
            Some(network) => run(network, wires),
            None => sort_each(wires),
        }
    }
}

fn run<E: Real>(network: &Network, wires: &mut [Wire<E>]) {
    for &(i, j) in network.comparators() {
        let (head, tail) = wires.split_at_mut(j as usize);
        exchange(&mut head[i as usize], &mut tail[0]);
    }
}

/// Leaves the smaller of each pair in `low`, the larger in `high`: one vector minimum and one maximum.
#[inline(always)]
fn exchange<E: Real>(low: &mut Wire<E>, high: &mut Wire<E>) {
    for (low, high) in low.iter_mut().zip(high) {
        let (a, b) = (*low, *high);
        *low = if a < b { a } else { b };
        *high = if b > a { b } else { a };
    }
}

fn sort_each<E: Real>(wires: &mut [Wire<E>]) {
    let mut column = vec![E::default(); wires.len()];
    for lane in 0..LANES {
        for (value, wire) in column.iter_mut().zip(&*wires) {
            *value = wire[lane];
        }
        column.sort_unstable_by(compare);
        for (wire, value) in wires.iter_mut().zip(&column) {
            wire[lane] = *value;
        }
    }
}

/// The order of two finite values.
pub(super) fn compare<E: Real>(a: &E, b: &E) -> std::cmp::Ordering {
    let (a, b): (f64, f64) = ((*a).into(), (*b).into());
    a.total_cmp(&b)
}

/// Adds the wires to sixteen sums, in f64, first to last.
#[inline(always)]
pub(super) fn add_wires<E: Real>(sums: &mut Wire<f64>, wires: &[Wire<E>]) {
    for wire in wires {
        for (sum, &v) in sums.iter_mut().zip(wire) {
            *sum += v.into();
        }
    }
}

/// The mean of the values at ranks `cut..n-cut` of every column; median and trimmed mean are instances.
pub(super) struct MiddleMean {
    order: Order,
    cut: usize,
}

impl MiddleMean {
    /// Needs n >= 2*cut + 1.
    pub(super) fn new(n: usize, cut: usize) -> Self {
        Self {
            order: Order::keeping_middle(n, cut),
            cut,
        }
    }
}

impl Kernel for MiddleMean {
    const WIDTH: usize = 4096;
    const WIDE: bool = false;
    type Scratch<E: Real> = Vec<Wire<E>>;

    fn scratch<E: Real>(&self, n: usize) -> Vec<Wire<E>> {
        vec![[E::default(); LANES]; n]
    }

    fn block<E: Real>(&self, wires: &mut Vec<Wire<E>>, _: usize, rows: &[&[E]], out: &mut [f64]) {
        let kept = self.cut..wires.len() - self.cut;
        let count = kept.len() as f64;
        for (group, out) in out.chunks_mut(LANES).enumerate() {
            self.order.load(rows, group * LANES, wires);
            let mut sums = [0.0; LANES];
            add_wires(&mut sums, &wires[kept.clone()]);
            for (out, sum) in out.iter_mut().zip(sums) {
                *out = sum / count;
            }
        }
    }
}
