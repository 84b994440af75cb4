//! Squared distances and scalar products between all pairs of rows, in f64.
//!
//! Claim: a distance is the sum of squares of the differences themselves, each rounded once: rows near 100 that differ
//! by 0.01 keep their digits. |a|^2 + |b|^2 - 2ab, which others use for speed, cancels there, and in f32 picks the
//! wrong neighbour. The relative error of a distance is a few units in the last place times the square root of d at
//! most. Differences below about 1e-162 have squares that count as zero.
//!
//! How: a block of 128 columns of every row is widened to f64 once, which for twenty rows stays in a first-level cache;
//! then one row is taken against two others at a time. Cost n^2*d/2 subtractions, multiplications and additions.
//! Memory: a block of rows per thread, and the partial sums of [`super::view`].

use super::element::Real;
use super::error::{Fault, RuleError};
use super::strip::{STRIP, Strip, product, squared_difference, strips};
use super::table::Table;
use super::view::{Kernel, View};
use crate::decide::{DecisionError, MAX_SQUARE, Square};

/// Second rows taken against one first row at a time.
const TILE: usize = 2;

/// The squared Euclidean distances between all pairs of rows: symmetric, zero on the diagonal, finite. Unit: that of
/// the values, squared.
///
/// # Errors
/// [`RuleError::Decision`] for more than [`MAX_SQUARE`] rows.
pub fn distances<T: Real>(table: &Table<'_, T>) -> Result<Square<f64>, RuleError> {
    T::distances(table)
}

/// The scalar products of all pairs of rows (the Gram matrix): symmetric, squared norms on the diagonal, finite.
///
/// # Errors
/// [`RuleError::Decision`] for more than [`MAX_SQUARE`] rows.
pub fn gram<T: Real>(table: &Table<'_, T>) -> Result<Square<f64>, RuleError> {
    T::gram(table)
}

pub(super) fn distances_of<T: Real>(table: &Table<'_, T>) -> Result<Square<f64>, RuleError> {
    squared_distances(&View::of(table)).map_err(|fault| fault.of("distances"))
}

pub(super) fn gram_of<T: Real>(table: &Table<'_, T>) -> Result<Square<f64>, RuleError> {
    scalar_products(&View::of(table)).map_err(|fault| fault.of("gram"))
}

pub(crate) fn squared_distances<T: Real>(view: &View<'_, T>) -> Result<Square<f64>, Fault> {
    let n = view.n();
    fits(n)?;
    let upper = view.sum(&Pairs::<false> { added: None }, n * (n - 1) / 2)?;
    Ok(Square::symmetric(n, &upper, |_| 0.0)?)
}

pub(crate) fn scalar_products<T: Real>(view: &View<'_, T>) -> Result<Square<f64>, Fault> {
    scalar_products_with(view, None)
}

/// The same of the rows with a vector of d numbers added to each.
pub(crate) fn scalar_products_with<T: Real>(
    view: &View<'_, T>,
    added: Option<&[Vec<f64>]>,
) -> Result<Square<f64>, Fault> {
    let n = view.n();
    fits(n)?;
    let sums = view.sum(&Pairs::<true> { added }, n * (n - 1) / 2 + n)?;
    let (norms, upper) = sums.split_at(n);
    Ok(Square::symmetric(n, upper, |i| norms[i])?)
}

/// Before a pass is made for nothing.
fn fits(n: usize) -> Result<(), DecisionError> {
    match n > MAX_SQUARE {
        true => Err(DecisionError::Size {
            most: MAX_SQUARE,
            got: n,
        }),
        false => Ok(()),
    }
}

/// Totals are the pairs (i, j), i < j, in order; with `PRODUCTS`, the n squared norms come before them.
struct Pairs<'a, const PRODUCTS: bool> {
    added: Option<&'a [Vec<f64>]>,
}

impl<const PRODUCTS: bool> Kernel for Pairs<'_, PRODUCTS> {
    const WIDTH: usize = STRIP;
    type Scratch<E: Real> = Vec<Strip>;

    fn scratch<E: Real>(&self, n: usize) -> Vec<Strip> {
        vec![Strip([0.0; STRIP]); n]
    }

    #[inline(always)]
    fn block<E: Real>(&self, parts: &mut Vec<Strip>, start: usize, rows: &[&[E]], totals: &mut [f64]) {
        for (Strip(part), row) in parts.iter_mut().zip(rows) {
            for (part, &v) in part.iter_mut().zip(*row) {
                *part = v.into();
            }
            // Past the end of the last block all rows are equal.
            part[row.len()..].fill(0.0);
        }
        for (Strip(part), added) in parts.iter_mut().zip(self.added.unwrap_or_default()) {
            for (part, v) in part.iter_mut().zip(&added[start..]) {
                *part += v;
            }
        }
        if PRODUCTS {
            let (norms, pairs) = totals.split_at_mut(parts.len());
            for (norm, part) in norms.iter_mut().zip(&*parts) {
                *norm += strips(part, [part], product)[0];
            }
            add_pairs(parts, pairs, product);
        } else {
            add_pairs(parts, totals, squared_difference);
        }
    }
}

/// Adds the sum of terms of each pair (i, j), i < j, in order.
#[inline(always)]
fn add_pairs(parts: &[Strip], totals: &mut [f64], term: impl Fn(f64, f64) -> f64 + Copy) {
    let mut rest = totals;
    for (i, first) in parts.iter().enumerate() {
        let (totals, after) = rest.split_at_mut(parts.len() - i - 1);
        rest = after;
        let (tiles, others) = parts[i + 1..].as_chunks::<TILE>();
        let (tile_totals, other_totals) = totals.as_chunks_mut::<TILE>();
        for (tile, totals) in tiles.iter().zip(tile_totals) {
            let sums = strips(first, tile.each_ref(), term);
            for (total, sum) in totals.iter_mut().zip(sums) {
                *total += sum;
            }
        }
        for (other, total) in others.iter().zip(other_totals) {
            *total += strips(first, [other], term)[0];
        }
    }
}
