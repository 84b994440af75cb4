//! Weighted sums of rows, floored: where every rule that ends in weights ends.
//!
//! [`Rule::WeightedMean`] takes weights from outside (numbers of examples, say) and is exact: floor(sum of w_i * x_i / sum of w_i), every
//! weight capped first, so that who claims a million examples weighs no more than the cap. Breakdown point 0. Cost n*d. One
//! coordinate can be recomputed alone, and a masked sum of weighted rows is enough for it. Source: McMahan et al.,
//! *Communication-Efficient Learning of Deep Networks from Decentralized Data*, AISTATS 2017.
//!
//! Rules that decide in doubles put their weights on a grid of 2^-30 first ([`crate::decide::weights::on_grid`]: largest
//! remainders, summing to 2^30 exactly), and the sum is exact from there on.

use super::{Aggregate, Rule, RuleError, State};
use crate::decide::DecisionError;
use crate::decide::weights::{GRID, on_grid};
use crate::rows::Rows;
use crate::stage::Stage;
use crate::view::View;

/// [`Rule::WeightedMean`] of these weights; without a cap they count in full.
///
/// # Errors
/// [`RuleError::WeightCount`] for another number of weights than rows, [`RuleError::NoWeight`] where no capped weight is above 0.
pub fn weighted_mean(rows: &Rows<'_>, weights: &[u64], cap: Option<u64>) -> Result<Aggregate, RuleError> {
    weighted_mean_after(rows, &[], weights, cap)
}

/// The same of what the stages of `pre` leave, with a weight for each of the rows left.
///
/// # Errors
/// Those of [`weighted_mean`], and what [`Rule::aggregate_after`] says of stages.
pub fn weighted_mean_after(
    rows: &Rows<'_>,
    pre: &[Stage],
    weights: &[u64],
    cap: Option<u64>,
) -> Result<Aggregate, RuleError> {
    let rule = Rule::WeightedMean {
        cap: cap.unwrap_or(u64::MAX),
    };
    let state = State {
        weights: Some(weights),
        ..State::default()
    };
    rule.aggregate_after(rows, pre, state)
}

/// The weighted mean of the rows seen, each weight counted up to `cap`.
pub(super) fn capped_mean(view: &View<'_>, weights: &[u64], cap: u64) -> Result<Aggregate, RuleError> {
    if weights.len() != view.n() {
        return Err(RuleError::WeightCount {
            expected: view.n(),
            got: weights.len(),
        });
    }
    let counted: Vec<u64> = weights.iter().map(|&weight| weight.min(cap)).collect();
    mean_by(view, &counted)
}

/// floor(sum of w_i * x_i / sum of w_i) over the rows seen.
pub(super) fn mean_by(view: &View<'_>, weights: &[u64]) -> Result<Aggregate, RuleError> {
    let total: u128 = weights.iter().map(|&weight| u128::from(weight)).sum();
    if total == 0 {
        return Err(RuleError::NoWeight);
    }
    let shares = weights.iter().map(|&weight| weight as f64 / total as f64);
    Ok(Aggregate {
        values: floored(view, None, weights, total),
        selected: weights.iter().map(|&weight| weight > 0).collect(),
        weights: Some(shares.collect()),
        distances: None,
    })
}

/// The rows' sum with these shares, and `start` with the first of them; together they sum to 1 and are put on the grid.
pub(super) fn on_shares(view: &View<'_>, start: Option<&[i32]>, shares: &[f64]) -> Result<Vec<i32>, DecisionError> {
    let grid: Vec<u64> = on_grid(shares)?.into_iter().map(u64::from).collect();
    let (first, weights) = grid.split_at(usize::from(start.is_some()));
    let start = first.first().copied().zip(start);
    Ok(floored(view, start, weights, u128::from(GRID)))
}

/// floor((start + sum of w_i * x_i) / divisor) over the rows seen. `divisor` is the sum of the weights, or more than it, so that no
/// quotient leaves the range of the values and zero. Rows of weight 0 are not read.
pub(super) fn floored(view: &View<'_>, start: Option<(u64, &[i32])>, weights: &[u64], divisor: u128) -> Vec<i32> {
    let used: Vec<usize> = (0..weights.len()).filter(|&row| weights[row] > 0).collect();
    let start = start.filter(|&(weight, _)| weight > 0);
    let scratch = || (Vec::new(), Vec::new());
    view.picked(&used)
        .map(scratch, |(narrow_sums, wide_sums), first, rows, out| {
            let start = start.map(|(weight, start)| (weight, &start[first..first + out.len()]));
            let rows = used.iter().zip(rows).map(|(&row, &part)| (weights[row], part));
            let terms: Vec<(u64, &[i32])> = start.into_iter().chain(rows).collect();
            match i64::try_from(divisor) {
                Ok(divisor) if divisor < 1 << 32 => narrow(&terms, divisor, narrow_sums, out),
                _ => wide(&terms, divisor as i128, wide_sums, out),
            }
        })
}

/// Weights that sum to less than 2^32, of values of at most 2^31: no sum leaves 63 bits.
fn narrow(terms: &[(u64, &[i32])], divisor: i64, sums: &mut Vec<i64>, out: &mut [i32]) {
    sums.clear();
    sums.resize(out.len(), 0);
    for &(weight, row) in terms {
        for (sum, &v) in sums.iter_mut().zip(row) {
            *sum = sum.wrapping_add((weight as i64).wrapping_mul(i64::from(v)));
        }
    }
    for (out, &sum) in out.iter_mut().zip(&*sums) {
        *out = sum.div_euclid(divisor) as i32;
    }
}

/// Any weights: fewer than 2^16 below 2^64 each, of values of at most 2^31, sum to less than 2^111.
fn wide(terms: &[(u64, &[i32])], divisor: i128, sums: &mut Vec<i128>, out: &mut [i32]) {
    sums.clear();
    sums.resize(out.len(), 0);
    for &(weight, row) in terms {
        for (sum, &v) in sums.iter_mut().zip(row) {
            *sum += i128::from(weight) * i128::from(v);
        }
    }
    for (out, &sum) in out.iter_mut().zip(&*sums) {
        *out = sum.div_euclid(divisor) as i32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::{floored_by, hostile, table};
    use proptest::prelude::*;

    fn rows_of(rows: &[Vec<i32>]) -> Rows<'_> {
        Rows::new(rows.iter().map(Vec::as_slice).collect()).unwrap()
    }

    #[test]
    fn a_boast_counts_as_much_as_the_cap() {
        let rows = [vec![0, -1], vec![10, 0]];
        let mean = |weights: &[u64], cap| weighted_mean(&rows_of(&rows), weights, cap).unwrap().values;
        assert_eq!(mean(&[1, 1], None), [5, -1]);
        assert_eq!(mean(&[1, u64::MAX], Some(1)), [5, -1]);
        assert_eq!(mean(&[1, u64::MAX], None), [9, -1]);
        assert_eq!(mean(&[u64::MAX, 0], None), [0, -1]);
        assert_eq!(weighted_mean(&rows_of(&rows), &[0, 0], None), Err(RuleError::NoWeight));
        assert_eq!(
            weighted_mean(&rows_of(&rows), &[1], None),
            Err(RuleError::WeightCount { expected: 2, got: 1 })
        );
    }

    proptest! {
        #[test]
        fn the_sum_is_exact(
            rows in table(1..7, 1..40, hostile()),
            weights in prop::collection::vec(prop_oneof![0..4_u64, any::<u32>().prop_map(u64::from), any::<u64>()], 7),
            cap in prop::option::of(1..9_u64),
        ) {
            let weights = &weights[..rows.len()];
            let capped: Vec<i128> = weights.iter().map(|&w| i128::from(w.min(cap.unwrap_or(u64::MAX)))).collect();
            let total: i128 = capped.iter().sum();
            let result = weighted_mean(&rows_of(&rows), weights, cap);
            prop_assume!(total > 0 || result == Err(RuleError::NoWeight));
            if let Ok(aggregate) = result {
                for (c, value) in aggregate.values.into_iter().enumerate() {
                    let sum = rows.iter().zip(&capped).map(|(row, w)| w * i128::from(row[c])).sum();
                    prop_assert_eq!(value, floored_by(sum, total));
                }
            }
        }
    }
}
