//! Exact squared Euclidean distances between all pairs of rows.
//!
//! Claim: every distance is the exact integer, for every `i32` input, on any number of threads and any block size. Floating-point
//! implementations lose it: with weights near 100 that differ by 0.01, |a|^2 + |b|^2 - 2ab in f32 names the wrong neighbour.
//!
//! How: columns are read once, a block of at most 256 at a time; the block's n*(n-1)/2 sums are added to 128-bit totals. Memory: a
//! block of n*256 words and one triangle of totals per unit of work (two per thread). Cost n^2*d/2 multiplications.
//! See [`kernel`] for the two ways a block is summed and why each is exact.

mod kernel;

use crate::rows::Rows;
use crate::view::View;
use kernel::Block;

/// The exact squared distances between n rows, in squared grid units. Symmetric, zero on the diagonal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SquaredDistances {
    n: usize,
    /// Pairs (i, j), i < j, in order of i, then j.
    upper: Vec<u128>,
}

impl SquaredDistances {
    /// All distances between the rows, computed on the current rayon pool.
    pub fn of(rows: &Rows<'_>) -> Self {
        Self::seen(&View::of(rows))
    }

    /// The same between the rows seen.
    pub(crate) fn seen(view: &View<'_>) -> Self {
        let n = view.n();
        let upper = view.sum(
            kernel::WIDTH,
            pairs(n),
            || Block::new(n),
            |block, _, rows, upper: &mut [u128]| block.add(rows, upper),
        );
        Self { n, upper }
    }

    /// Number of rows the distances are between.
    pub fn n(&self) -> usize {
        self.n
    }

    /// The squared distance between rows `i` and `j`, or `None` where one of them does not exist.
    pub fn get(&self, i: usize, j: usize) -> Option<u128> {
        let (i, j) = (i.min(j), i.max(j));
        match (j < self.n, i == j) {
            (false, _) => None,
            (true, true) => Some(0),
            (true, false) => self.upper.get(pairs_before(self.n, i) + j - i - 1).copied(),
        }
    }

    /// The distances between the rows other than `row`, in their order; unchanged where there is no such row.
    pub fn without(&self, row: usize) -> Self {
        let others = |i: &usize| *i != row;
        let upper: Vec<u128> = (0..self.n)
            .filter(others)
            .flat_map(|i| (i + 1..self.n).filter(others).filter_map(move |j| self.get(i, j)))
            .collect();
        Self {
            n: if row < self.n { self.n - 1 } else { self.n },
            upper,
        }
    }
}

/// Pairs among n rows.
fn pairs(n: usize) -> usize {
    n * n.saturating_sub(1) / 2
}

/// Pairs whose first row is before `i`.
fn pairs_before(n: usize, i: usize) -> usize {
    i * n - i * (i + 1) / 2
}

/// The exact sum of squares of one row; below 2^125 for any slice that fits memory.
pub(crate) fn squared_norm(row: &[i32]) -> u128 {
    row.chunks(kernel::WIDTH)
        .map(|part| kernel::dot(part, part).unsigned_abs())
        .sum()
}

/// The exact scalar product of a row with `reference` of the same length, and the row's exact squared norm, in one pass.
pub(crate) fn dot_and_squared_norm(row: &[i32], reference: &[i32]) -> (i128, u128) {
    let parts = row.chunks(kernel::WIDTH).zip(reference.chunks(kernel::WIDTH));
    parts.fold((0, 0), |(dot, norm), (a, b)| {
        (dot + kernel::dot(a, b), norm + kernel::dot(a, a).unsigned_abs())
    })
}

#[cfg(test)]
mod tests;
