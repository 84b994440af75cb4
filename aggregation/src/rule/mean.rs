//! The mean: per coordinate, floor((x_1 + ... + x_n) / n), towards negative infinity.
//!
//! Cost n*d additions, one pass over the rows. Breakdown point 0: one row moves the result anywhere, so use it where
//! rows are bounded ([`crate::limits`]) or masked. It is the only rule that a sum alone determines: [`mean_of_sum`] takes the
//! opened sum of a masked round and gives the same bits. Source: McMahan et al., *Communication-Efficient Learning of Deep Networks
//! from Decentralized Data*, AISTATS 2017, with equal weights.

use super::{Rule, RuleError};
use crate::floor::FloorMean;
use crate::rows::MAX_ROWS;
use crate::view::{SEGMENT, View};

/// The mean of the rows seen. A block's sums take 32 KiB, which stay in cache while each row is read a few pages at a stretch.
pub(super) fn mean(view: &View<'_>) -> Result<Vec<i32>, RuleError> {
    let floor = divisor(view.n())?;
    let write = |sums: &mut Vec<i64>, _: usize, rows: &[&[i32]], out: &mut [i32]| {
        let sums = &mut sums[..out.len()];
        sums.fill(0);
        let (pairs, rest) = rows.as_chunks::<2>();
        for [row, other] in pairs {
            add_two(sums, row, other);
        }
        for row in rest {
            add_one(sums, row);
        }
        for (value, &sum) in out.iter_mut().zip(&*sums) {
            *value = floor.floor(sum);
        }
    };
    Ok(view.map(|| vec![0_i64; SEGMENT], write))
}

/// Adds a row's part to the sums. At most MAX_ROWS values below 2^31 each stay below 2^47, so wrapping never happens.
fn add_one(sums: &mut [i64], row: &[i32]) {
    for (sum, &v) in sums.iter_mut().zip(row) {
        *sum = sum.wrapping_add(i64::from(v));
    }
}

/// Adds two rows' parts in one pass over the sums.
fn add_two(sums: &mut [i64], row: &[i32], other: &[i32]) {
    for ((sum, &v), &w) in sums.iter_mut().zip(row).zip(other) {
        *sum = sum.wrapping_add(i64::from(v).wrapping_add(i64::from(w)));
    }
}

/// The mean of `n` rows of which only the sum is known: the same bits as [`Rule::Mean`] over the rows themselves.
///
/// `sum` holds one exact sum per coordinate, in grid units, as a masked round opens it.
///
/// # Errors
/// [`RuleError::CohortTooSmall`] or [`RuleError::CohortTooLarge`] for `n` outside 1..=[`MAX_ROWS`];
/// [`RuleError::SumOutOfRange`] for a value that n values of `i32` can't sum up to.
pub fn mean_of_sum(sum: &[i64], n: usize) -> Result<Vec<i32>, RuleError> {
    let floor = divisor(n)?;
    sum.iter()
        .enumerate()
        .map(|(coordinate, &got)| {
            floor
                .checked(got)
                .ok_or(RuleError::SumOutOfRange { coordinate, n, got })
        })
        .collect()
}

fn divisor(n: usize) -> Result<FloorMean, RuleError> {
    let rule = Rule::Mean.name();
    FloorMean::of(n).ok_or(match n {
        0 => RuleError::CohortTooSmall {
            rule,
            expected: 1,
            got: 0,
        },
        _ => RuleError::CohortTooLarge {
            rule,
            expected: MAX_ROWS,
            got: n,
        },
    })
}
