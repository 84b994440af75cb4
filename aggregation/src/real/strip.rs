//! Sums over many columns of a term of two values, such as the square of their difference: the inner loop of distances
//! and norms.
//!
//! Columns are taken in strips of 128. Lane l of a strip adds the terms of columns l, l+16, l+32, ... in that order,
//! the sixteen lanes are added pairwise, strips one after the other. That order is the same for every processor;
//! written this way round, the lanes are what a compiler's vectoriser turns into vector instructions, without being
//! allowed to reorder anything.

use super::element::Real;

/// Columns of a strip.
pub(super) const STRIP: usize = 128;

const LANES: usize = 16;

/// The values of one row in a strip, aligned like a cache line.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(super) struct Strip(pub(super) [f64; STRIP]);

/// The sum of `term(a_c, b_c)` over the columns c of two slices of equal length.
#[inline(always)]
pub(super) fn sum<A: Real, B: Real>(a: &[A], b: &[B], term: impl Fn(f64, f64) -> f64 + Copy) -> f64 {
    let (a_strips, a_rest) = a.as_chunks::<STRIP>();
    let (b_strips, b_rest) = b.as_chunks::<STRIP>();
    let mut total = 0.0;
    for (a, b) in a_strips.iter().zip(b_strips) {
        total += sum_strip(a, b, term);
    }
    for (&a, &b) in a_rest.iter().zip(b_rest) {
        total += term(a.into(), b.into());
    }
    total
}

/// The sums over one strip of a row's terms with each of `N` others, loading the row once for all.
#[inline(always)]
#[allow(
    clippy::needless_range_loop,
    reason = "iterators over N rows are calls where they are compiled in another unit: 30 times slower"
)]
pub(super) fn strips<const N: usize>(a: &Strip, others: [&Strip; N], term: impl Fn(f64, f64) -> f64) -> [f64; N] {
    let mut lanes = [[0.0; LANES]; N];
    for lane in 0..LANES {
        let mut sums = [0.0; N];
        for group in 0..STRIP / LANES {
            let column = group * LANES + lane;
            for i in 0..N {
                sums[i] += term(others[i].0[column], a.0[column]);
            }
        }
        for i in 0..N {
            lanes[i][lane] = sums[i];
        }
    }
    let mut totals = [0.0; N];
    for i in 0..N {
        totals[i] = total(&lanes[i]);
    }
    totals
}

#[inline(always)]
fn sum_strip<A: Real, B: Real>(a: &[A; STRIP], b: &[B; STRIP], term: impl Fn(f64, f64) -> f64) -> f64 {
    let mut lanes = [0.0; LANES];
    for (lane, out) in lanes.iter_mut().enumerate() {
        let mut sum = 0.0;
        for group in 0..STRIP / LANES {
            sum += term(a[group * LANES + lane].into(), b[group * LANES + lane].into());
        }
        *out = sum;
    }
    total(&lanes)
}

#[inline(always)]
fn total(lanes: &[f64; LANES]) -> f64 {
    let quarter = |q: usize| (lanes[4 * q] + lanes[4 * q + 1]) + (lanes[4 * q + 2] + lanes[4 * q + 3]);
    (quarter(0) + quarter(1)) + (quarter(2) + quarter(3))
}

/// The square of the difference.
#[inline(always)]
pub(super) fn squared_difference(a: f64, b: f64) -> f64 {
    (a - b) * (a - b)
}

/// The product.
#[inline(always)]
pub(super) fn product(a: f64, b: f64) -> f64 {
    a * b
}
