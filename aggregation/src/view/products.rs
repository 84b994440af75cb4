//! Exact scalar products between all pairs of rows, with what is carried over from earlier rounds added to each row.
//!
//! How: 256 columns of every row are widened to 64 bits and what is added is added. Where the values of two parts have b and b'
//! bits with b + b' <= 54, their 256 products sum to less than 2^63 and are summed in 64 bits, else in 128. Values are below 2^43
//! in absolute value ([`MAX_ADDED`] and a row's own), so over 2^40 coordinates a sum stays below 2^126. Cost n^2*d/2
//! multiplications; memory n*256 words and n^2/2 sums per unit of work.

use super::View;
use crate::decide::{DecisionError, Square};

/// Largest absolute value of what may be added to a row.
pub(crate) const MAX_ADDED: i64 = 1 << 42;

/// Columns in a block.
const WIDTH: usize = 256;

/// Bits of two values whose products can be summed over a block in 64 bits.
const NARROW_BITS: u32 = 54;

/// A row's part in a block, and the least b such that every value lies in [-2^b, 2^b).
#[derive(Clone)]
struct Part {
    values: [i64; WIDTH],
    bits: u32,
}

/// The scalar products of all rows seen, as the nearest doubles to the exact integers. `added` holds one vector of d integers of at
/// most [`MAX_ADDED`] in absolute value per row seen.
///
/// # Errors
/// [`DecisionError::Size`] for more rows than a [`Square`] has.
pub(crate) fn scalar_products(view: &View<'_>, added: Option<&[Vec<i64>]>) -> Result<Square<f64>, DecisionError> {
    let n = view.n();
    let empty = Part {
        values: [0; WIDTH],
        bits: 0,
    };
    let sums = view.sum(
        WIDTH,
        n * (n - 1) / 2 + n,
        || vec![empty.clone(); n],
        |parts, first, rows, sums: &mut [i128]| {
            for (i, (part, row)) in parts.iter_mut().zip(rows).enumerate() {
                part.load(row, added.map(|added| &added[i][first..first + row.len()]));
            }
            let (norms, pairs) = sums.split_at_mut(n);
            for (norm, part) in norms.iter_mut().zip(&*parts) {
                *norm += product(part, part);
            }
            let mut pairs = pairs.iter_mut();
            for (i, part) in parts.iter().enumerate() {
                for (other, pair) in parts[i + 1..].iter().zip(&mut pairs) {
                    *pair += product(part, other);
                }
            }
        },
    );
    let doubles: Vec<f64> = sums.into_iter().map(|sum| sum as f64).collect();
    let (norms, pairs) = doubles.split_at(n);
    Square::symmetric(n, pairs, |i| norms[i])
}

impl Part {
    /// Columns past the block's end are zero and add nothing.
    fn load(&mut self, row: &[i32], added: Option<&[i64]>) {
        let (own, rest) = self.values.split_at_mut(row.len());
        for (own, &v) in own.iter_mut().zip(row) {
            *own = i64::from(v);
        }
        rest.fill(0);
        for (own, &added) in own.iter_mut().zip(added.unwrap_or_default()) {
            *own = own.wrapping_add(added);
        }
        let spread = self.values.iter().fold(0, |spread, &v| spread | (v ^ (v >> 63)));
        self.bits = u64::BITS - spread.leading_zeros();
    }
}

fn product(a: &Part, b: &Part) -> i128 {
    let pairs = a.values.iter().zip(&b.values);
    if a.bits + b.bits <= NARROW_BITS {
        i128::from(pairs.fold(0_i64, |sum, (&a, &b)| sum.wrapping_add(a.wrapping_mul(b))))
    } else {
        pairs.map(|(&a, &b)| i128::from(a) * i128::from(b)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::{hostile, table};
    use crate::rows::Rows;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_product_is_the_definition(
            rows in table(1..7, 1..600, hostile()),
            scale in prop::sample::select(vec![0, 1, 1 << 20, MAX_ADDED]),
            block in 1..=WIDTH,
        ) {
            let slices: Vec<&[i32]> = rows.iter().map(Vec::as_slice).collect();
            let table = Rows::new(slices).unwrap();
            let view = View::of(&table).in_blocks(block);
            let carried = |row: &Vec<i32>| row.iter().rev().map(|v| i64::from(v.signum()) * scale).collect();
            let added: Vec<Vec<i64>> = rows.iter().map(carried).collect();
            let sum = |i: usize, c: usize| i128::from(rows[i][c]) + i128::from(added[i][c]);
            let got = scalar_products(&view, Some(&added)).unwrap();
            for i in 0..rows.len() {
                for j in 0..rows.len() {
                    let exact: i128 = (0..rows[0].len()).map(|c| sum(i, c) * sum(j, c)).sum();
                    prop_assert_eq!(got.at(i, j), exact as f64);
                }
            }
        }
    }
}
