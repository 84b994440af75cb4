//! Bucketing: before a rule, rows are permuted and each `size` consecutive ones become their mean.
//!
//! Bucket b is the mean of rows p(b*size) .. p(b*size + size - 1); a last, smaller bucket takes what is left over (as in ByzFL
//! and the paper, ceil(n/size) buckets). The permutation is an argument, to be drawn from randomness that all can verify: whoever
//! knows it before sending chooses their neighbours.
//!
//! f bad rows spoil at most f buckets, so a rule after it must tolerate f of ceil(n/size). Cost n. One coordinate of a bucket can
//! be recomputed alone. Runs on masked sums: a bucket is a sum. Source: Karimireddy, He and Jaggi, *Byzantine-Robust Learning on
//! Heterogeneous Datasets via Bucketing*, ICLR 2022.

use super::error::some;
use super::{DecisionError, MAX_SQUARE, Mixing};

/// The rows of each of the ceil(n/size) buckets in ascending order, for a permutation of 0..n. `size` above n makes one bucket.
///
/// # Errors
/// [`DecisionError::Parameter`] for `size` 0; [`DecisionError::NoSuchRow`], [`DecisionError::Repeated`] for what is no permutation;
/// [`DecisionError::CohortTooSmall`], [`DecisionError::Size`] for no row or more than [`MAX_SQUARE`].
pub fn buckets(permutation: &[usize], size: usize) -> Result<Vec<Vec<usize>>, DecisionError> {
    let n = permutation.len();
    some("bucketing", n)?;
    if n > MAX_SQUARE {
        return Err(DecisionError::Size {
            most: MAX_SQUARE,
            got: n,
        });
    }
    if size == 0 {
        return Err(DecisionError::Parameter {
            name: "size",
            expected: "at least one row per bucket",
            got: 0.0,
        });
    }
    let mut seen = vec![false; n];
    for &row in permutation {
        let known = seen.get_mut(row).ok_or(DecisionError::NoSuchRow { row, n })?;
        if std::mem::replace(known, true) {
            return Err(DecisionError::Repeated { row });
        }
    }
    let bucket = |rows: &[usize]| {
        let mut rows = rows.to_vec();
        rows.sort_unstable();
        rows
    };
    Ok(permutation.chunks(size).map(bucket).collect())
}

/// The ceil(n/size) x n mixing that makes the means of the [`buckets`].
///
/// # Errors
/// As [`buckets`].
pub fn mixing(permutation: &[usize], size: usize) -> Result<Mixing, DecisionError> {
    let terms = buckets(permutation, size)?.into_iter().map(|rows| {
        let share = 1.0 / rows.len() as f64;
        rows.into_iter().map(|row| (row, share)).collect()
    });
    Mixing::of_terms(permutation.len(), terms.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_averaged_in_the_order_of_the_permutation() {
        let mixing = mixing(&[2, 0, 4, 1, 3], 2).unwrap();
        assert_eq!((mixing.outputs(), mixing.inputs()), (3, 5));
        assert_eq!(mixing.row(0), [0.5, 0.0, 0.5, 0.0, 0.0]);
        assert_eq!(mixing.row(1), [0.0, 0.5, 0.0, 0.0, 0.5]);
        assert_eq!(mixing.row(2), [0.0, 0.0, 0.0, 1.0, 0.0]);
        assert_eq!(super::mixing(&[0, 1], usize::MAX).unwrap().row(0), [0.5, 0.5]);
    }

    #[test]
    fn what_is_no_permutation_is_refused() {
        assert_eq!(
            mixing(&[0, 2], 1).unwrap_err(),
            DecisionError::NoSuchRow { row: 2, n: 2 }
        );
        assert_eq!(mixing(&[1, 1], 1).unwrap_err(), DecisionError::Repeated { row: 1 });
        assert!(matches!(mixing(&[0], 0), Err(DecisionError::Parameter { .. })));
        assert!(matches!(mixing(&[], 1), Err(DecisionError::CohortTooSmall { .. })));
    }
}
