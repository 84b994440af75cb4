//! Weighted sums of rows, and distances of rows to one, without keeping the sum.
//!
//! A rule that ends in a decision ends in weights w_i; its result is (s * start + sum of w_i * x_i) / divisor, in one
//! pass. An iterative rule holds its iterate as such weights too ([`Point`]): the squared distances of all rows
//! to it take one pass that makes the iterate's block on the fly, so nothing of size d is held besides what the caller
//! brought.
//!
//! Rows of weight zero are not read. Terms are added four at a time in row order, in f64. Cost n*d multiplications per
//! pass, twice that with distances.

use super::element::Real;
use super::error::Fault;
use super::strip;
use super::view::{Kernel, View};

/// A point: (start_weight * start + sum of weights_i * row_i) / divisor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point<'a> {
    /// One weight per row.
    pub(crate) weights: &'a [f64],
    /// Divides every sum; not zero. One leaves them untouched.
    pub(crate) divisor: f64,
    /// A vector of d numbers beside the rows, and its weight.
    pub(crate) start: Option<(f64, &'a [f64])>,
}

impl Point<'_> {
    /// The point, d numbers.
    pub(crate) fn values<T: Real>(&self, view: &View<'_, T>) -> Result<Vec<f64>, Fault> {
        view.map(self)
    }

    /// The squared Euclidean distances from the point to each of the n rows; the point itself is made of the same rows.
    pub(crate) fn squared_distances<T: Real>(&self, view: &View<'_, T>) -> Result<Vec<f64>, Fault> {
        view.sum(&ToPoint(self), view.n())
    }

    /// The point's block at the columns from `first` on.
    #[inline(always)]
    fn write<E: Real>(&self, first: usize, rows: &[&[E]], out: &mut [f64]) {
        match self.start {
            Some((weight, start)) if weight != 0.0 => {
                for (out, &v) in out.iter_mut().zip(&start[first..]) {
                    *out = weight * v;
                }
            }
            _ => out.fill(0.0),
        }
        let used = self
            .weights
            .iter()
            .copied()
            .zip(rows.iter().copied())
            .filter(|&(weight, _)| weight != 0.0);
        let terms: Vec<(f64, &[E])> = used.collect();
        add_weighted(&terms, out);
        if self.divisor != 1.0 {
            for out in out {
                *out /= self.divisor;
            }
        }
    }
}

impl Kernel for Point<'_> {
    const WIDTH: usize = 4096;
    type Scratch<E: Real> = ();

    fn scratch<E: Real>(&self, _: usize) {}

    #[inline(always)]
    fn block<E: Real>(&self, (): &mut (), start: usize, rows: &[&[E]], out: &mut [f64]) {
        self.write(start, rows, out);
    }
}

/// Squared distances of every row to a point.
struct ToPoint<'a>(&'a Point<'a>);

impl Kernel for ToPoint<'_> {
    const WIDTH: usize = 512;
    type Scratch<E: Real> = Vec<f64>;

    fn scratch<E: Real>(&self, _: usize) -> Vec<f64> {
        vec![0.0; Self::WIDTH]
    }

    #[inline(always)]
    fn block<E: Real>(&self, point: &mut Vec<f64>, start: usize, rows: &[&[E]], totals: &mut [f64]) {
        let point = &mut point[..rows.first().map_or(0, |row| row.len())];
        self.0.write(start, rows, point);
        for (total, row) in totals.iter_mut().zip(rows) {
            *total += strip::sum(row, point, strip::squared_difference);
        }
    }
}

/// The squared Euclidean norm of each of the n rows, in one pass.
pub(crate) fn squared_norms<T: Real>(view: &View<'_, T>) -> Result<Vec<f64>, Fault> {
    view.sum(&Norms, view.n())
}

struct Norms;

impl Kernel for Norms {
    const WIDTH: usize = 4096;
    type Scratch<E: Real> = ();

    fn scratch<E: Real>(&self, _: usize) {}

    #[inline(always)]
    fn block<E: Real>(&self, (): &mut (), _: usize, rows: &[&[E]], totals: &mut [f64]) {
        for (total, row) in totals.iter_mut().zip(rows) {
            *total += strip::sum(row, row, strip::product);
        }
    }
}

/// Adds the weighted rows to `out`; all rows have its length. Four terms are added to one another, then to `out`; eight are
/// taken in one pass over it, which changes no sum and halves what is loaded and stored.
#[inline(always)]
pub(crate) fn add_weighted<E: Real>(terms: &[(f64, &[E])], out: &mut [f64]) {
    let (eights, rest) = terms.as_chunks::<8>();
    for &[(a, x), (b, y), (c, z), (e, w), (f, s), (g, t), (h, u), (k, v)] in eights {
        let first = x.iter().zip(y).zip(z).zip(w);
        let second = s.iter().zip(t).zip(u).zip(v);
        for ((out, (((&x, &y), &z), &w)), (((&s, &t), &u), &v)) in out.iter_mut().zip(first).zip(second) {
            let first = (a * x.into() + b * y.into()) + (c * z.into() + e * w.into());
            let second = (f * s.into() + g * t.into()) + (h * u.into() + k * v.into());
            *out = (*out + first) + second;
        }
    }
    let (fours, rest) = rest.as_chunks::<4>();
    for &[(a, x), (b, y), (c, z), (e, w)] in fours {
        for ((((out, &x), &y), &z), &w) in out.iter_mut().zip(x).zip(y).zip(z).zip(w) {
            *out += (a * x.into() + b * y.into()) + (c * z.into() + e * w.into());
        }
    }
    for &(a, x) in rest {
        for (out, &x) in out.iter_mut().zip(x) {
            *out += a * x.into();
        }
    }
}
