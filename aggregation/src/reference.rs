//! The rules and distances written down as plainly as possible in 128-bit integers, and inputs to try them on (tests only).

use crate::rule::{Neighbours, Rule};
use proptest::prelude::*;
use std::ops::Range;

/// Any integer, with the ends of the range, small values and ties as likely as the rest.
pub(crate) fn hostile() -> impl Strategy<Value = i32> + Clone {
    prop_oneof![
        any::<i32>(),
        -3..=3_i32,
        prop::sample::select(vec![
            i32::MIN,
            i32::MIN + 1,
            i32::MAX,
            i32::MAX - 1,
            0,
            1 << 27,
            (1 << 27) - 1,
            -(1 << 27)
        ]),
        -70_000..70_000_i32,
    ]
}

/// Tables of n rows and d coordinates.
pub(crate) fn table(
    n: Range<usize>,
    d: Range<usize>,
    value: impl Strategy<Value = i32> + Clone,
) -> impl Strategy<Value = Vec<Vec<i32>>> {
    (n, d).prop_flat_map(move |(n, d)| prop::collection::vec(prop::collection::vec(value.clone(), d), n))
}

pub(crate) fn floored(sum: i128, count: usize) -> i32 {
    let count = count as i128;
    let quotient = if sum % count != 0 && sum < 0 {
        sum / count - 1
    } else {
        sum / count
    };
    i32::try_from(quotient).unwrap()
}

pub(crate) fn mean(rows: &[&[i32]]) -> Vec<i32> {
    (0..rows[0].len())
        .map(|c| floored(rows.iter().map(|row| i128::from(row[c])).sum(), rows.len()))
        .collect()
}

pub(crate) fn squared_distance(a: &[i32], b: &[i32]) -> u128 {
    a.iter()
        .zip(b)
        .map(|(&a, &b)| (i128::from(a) - i128::from(b)).pow(2) as u128)
        .sum()
}

/// The values of a rule, and which rows it selected.
pub(crate) fn aggregate(rule: Rule, rows: &[&[i32]]) -> (Vec<i32>, Vec<bool>) {
    let n = rows.len();
    let per_column = |choose: &dyn Fn(&[i128]) -> i32| -> Vec<i32> {
        (0..rows[0].len())
            .map(|c| {
                let mut column: Vec<i128> = rows.iter().map(|row| i128::from(row[c])).collect();
                column.sort();
                choose(&column)
            })
            .collect()
    };
    let values = match rule {
        Rule::Mean => mean(rows),
        Rule::Median if n % 2 == 1 => per_column(&|column| floored(column[n / 2], 1)),
        Rule::Median => per_column(&|column| floored(column[n / 2 - 1] + column[n / 2], 2)),
        Rule::TrimmedMean { f } => per_column(&|column| floored(column[f..n - f].iter().sum(), n - 2 * f)),
        Rule::MultiKrum { f, select, neighbours } => {
            let count = if neighbours == Neighbours::Blanchard {
                n - f - 2
            } else {
                n - f - 1
            };
            let mut scored: Vec<(u128, usize)> = (0..n)
                .map(|i| {
                    let others = (0..n).filter(|&j| j != i);
                    let mut distances: Vec<u128> = others.map(|j| squared_distance(rows[i], rows[j])).collect();
                    distances.sort();
                    (distances[..count].iter().sum(), i)
                })
                .collect();
            scored.sort();
            let chosen: Vec<usize> = scored[..select].iter().map(|&(_, i)| i).collect();
            let picked: Vec<&[i32]> = chosen.iter().map(|&i| rows[i]).collect();
            return (mean(&picked), (0..n).map(|i| chosen.contains(&i)).collect());
        }
    };
    (values, vec![true; n])
}
