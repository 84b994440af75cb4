//! The rules and distances written down as plainly as possible in 128-bit integers, and inputs to try them on (tests only).

use crate::decide::weights::on_grid;
use crate::decide::{Combination, Square, bulyan, caf, centered_clipping, clipping, dnc, flame, fltrust, foolsgold};
use crate::decide::{smea, weiszfeld};
use crate::real::Coordinates;
use crate::rule::{Neighbours, Rule, State};
use crate::score::wide::full_product;
use crate::stage::Stage;
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
    floored_by(sum, count as i128)
}

pub(crate) fn floored_by(sum: i128, count: i128) -> i32 {
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

/// What a stage leaves, row by row.
pub(crate) fn staged(rows: Vec<Vec<i32>>, stage: &Stage) -> Vec<Vec<i32>> {
    let n = rows.len();
    let slices: Vec<&[i32]> = rows.iter().map(Vec::as_slice).collect();
    let of = |set: &[usize]| mean(&set.iter().map(|&i| slices[i]).collect::<Vec<_>>());
    let zero = vec![0; rows[0].len()];
    let norms: Vec<u128> = slices.iter().map(|row| squared_distance(row, &zero)).collect();
    let clip = |bound: u128| {
        let pairs = rows.iter().zip(&norms);
        pairs.map(|(row, &norm)| shortened(row, norm, bound)).collect()
    };
    match stage {
        Stage::Clipping { norm } => clip(u128::from(*norm).pow(2)),
        Stage::Arc { f } => {
            let mut sorted = norms.clone();
            sorted.sort();
            clip(sorted[n - 1 - 2 * f * (n - f) / n])
        }
        Stage::Nnm { f } => {
            let nearest = |i: usize| {
                let mut order: Vec<usize> = (0..n).collect();
                order.sort_by_key(|&j| (i != j, squared_distance(&rows[i], &rows[j]), j));
                of(&order[..n - f])
            };
            (0..n).map(nearest).collect()
        }
        Stage::Bucketing { size, permutation } => permutation.chunks(*size).map(of).collect(),
    }
}

/// The row times the largest weight on the grid of 2^-30, at most 1, that keeps its norm within the bound, towards zero.
fn shortened(row: &[i32], norm: u128, bound: u128) -> Vec<i32> {
    let keeps = |w: u128| norm <= bound || full_product(w * w, norm) <= full_product(bound, 1 << 60);
    let (mut least, mut most) = (0_u128, 1 << 30);
    while least < most {
        let middle = (least + most).div_ceil(2);
        (least, most) = if keeps(middle) {
            (middle, most)
        } else {
            (least, middle - 1)
        };
    }
    row.iter()
        .map(|&v| (i128::from(v) * least as i128 / (1 << 30)) as i32)
        .collect()
}

/// The values of a rule, and which rows it selected.
pub(crate) fn aggregate(rule: Rule, rows: &[&[i32]]) -> (Vec<i32>, Vec<bool>) {
    aggregate_told(rule, rows, State::default()).unwrap()
}

/// The same of a rule that is told something; `None` where it trusts nobody.
pub(crate) fn aggregate_told(rule: Rule, rows: &[&[i32]], state: State<'_>) -> Option<(Vec<i32>, Vec<bool>)> {
    let exact = |v: i128| v as f64;
    let positive = |weights: &[f64]| weights.iter().map(|&w| w > 0.0).collect::<Vec<bool>>();
    match rule {
        Rule::FlTrust => {
            let reference = state.reference.unwrap();
            let products: Vec<f64> = rows.iter().map(|row| exact(product(row, reference))).collect();
            let norms: Vec<f64> = rows.iter().map(|row| exact(product(row, row)).sqrt()).collect();
            let length = exact(product(reference, reference)).sqrt();
            let weights = fltrust::weigh(&products, &norms, length).ok()?.weights;
            let column = |c: usize| {
                let terms = rows.iter().zip(&weights);
                let one = 2_f64.powi(62);
                let sum: i128 = terms
                    .map(|(row, w)| (w * one).floor() as i128 * i128::from(row[c]))
                    .sum();
                (sum + (1 << 61))
                    .div_euclid(1 << 62)
                    .clamp(i32::MIN.into(), i32::MAX.into()) as i32
            };
            Some(((0..rows[0].len()).map(column).collect(), positive(&weights)))
        }
        Rule::FoolsGold { kappa_ppm } => {
            let none = vec![vec![0; rows[0].len()]; rows.len()];
            let history = state.history.unwrap_or(&none);
            let sums: Vec<Vec<i128>> = rows
                .iter()
                .zip(history)
                .map(|(row, history)| {
                    row.iter()
                        .zip(history)
                        .map(|(&v, &h)| i128::from(v) + i128::from(h))
                        .collect()
                })
                .collect();
            let entry = |i: usize, j: usize| exact(sums[i].iter().zip(&sums[j]).map(|(a, b)| a * b).sum());
            let rates = foolsgold::rates(&Square::from_fn(rows.len(), entry).unwrap(), kappa_ppm as f64 / 1e6).unwrap();
            let grid: Vec<i128> = rates
                .iter()
                .map(|rate| (rate * 2_f64.powi(30)).round_ties_even() as i128)
                .collect();
            let total: i128 = grid.iter().sum();
            let column = |c: usize| {
                let terms = rows.iter().zip(&grid);
                floored_by(terms.map(|(row, w)| w * i128::from(row[c])).sum(), total)
            };
            let selected = grid.iter().map(|&w| w > 0).collect();
            (total > 0).then(|| ((0..rows[0].len()).map(column).collect(), selected))
        }
        Rule::WeightedMean { cap } => {
            let weights: Vec<i128> = state.weights.unwrap().iter().map(|&w| w.min(cap).into()).collect();
            let total: i128 = weights.iter().sum();
            let column = |c: usize| {
                let terms = rows.iter().zip(&weights);
                floored_by(terms.map(|(row, w)| w * i128::from(row[c])).sum(), total)
            };
            let selected = weights.iter().map(|&w| w > 0).collect();
            (total > 0).then(|| ((0..rows[0].len()).map(column).collect(), selected))
        }
        _ => Some(aggregate_alone(rule, rows)),
    }
}

fn product(a: &[i32], b: &[i32]) -> i128 {
    a.iter().zip(b).map(|(&a, &b)| i128::from(a) * i128::from(b)).sum()
}

fn projection(row: &[i32], start: caf::PowerStart) -> f64 {
    let terms = (0..).zip(row).map(|(c, &v)| start.at(c) as i64 * i64::from(v));
    terms.sum::<i64>() as f64
}

fn aggregate_alone(rule: Rule, rows: &[&[i32]]) -> (Vec<i32>, Vec<bool>) {
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
        Rule::Meamed { f } => (0..rows[0].len()).map(|c| around_median(rows, c, n - f)).collect(),
        Rule::SignMajority => per_column(&|column| {
            let votes: i128 = column.iter().map(|v| v.signum()).sum();
            votes.signum() as i32
        }),
        Rule::Krum { f, neighbours } => {
            return average(rows, &by_score(rows, &(0..n).collect::<Vec<_>>(), f, neighbours)[..1]);
        }
        Rule::MultiKrum { f, select, neighbours } => {
            return average(
                rows,
                &by_score(rows, &(0..n).collect::<Vec<_>>(), f, neighbours)[..select],
            );
        }
        Rule::Bulyan { f, stage, neighbours } => {
            let mut left: Vec<usize> = (0..n).collect();
            let mut chosen = Vec::new();
            if stage == bulyan::Stage::Once {
                chosen = by_score(rows, &left, f, neighbours)[..n - 2 * f].to_vec();
            }
            while chosen.len() < n - 2 * f {
                let best = by_score(rows, &left, f, neighbours)[0];
                left.retain(|&row| row != best);
                chosen.push(best);
            }
            chosen.sort();
            let picked: Vec<&[i32]> = chosen.iter().map(|&i| rows[i]).collect();
            let values = (0..rows[0].len())
                .map(|c| around_median(&picked, c, n - 4 * f))
                .collect();
            return (values, (0..n).map(|i| chosen.contains(&i)).collect());
        }
        Rule::Mda { f } => {
            let subsets = (0_u32..1 << n).filter(|set| set.count_ones() as usize == n - f);
            let members = subsets.map(|set| (0..n).filter(|row| set >> row & 1 == 1).collect::<Vec<usize>>());
            let diameter = |rows_of: &Vec<usize>| {
                let pairs = rows_of.iter().flat_map(|&i| rows_of.iter().map(move |&j| (i, j)));
                pairs.map(|(i, j)| squared_distance(rows[i], rows[j])).max().unwrap()
            };
            let (_, chosen) = members.map(|subset| (diameter(&subset), subset)).min().unwrap();
            return average(rows, &chosen);
        }
        Rule::Monna { f, index } => {
            let mut order: Vec<usize> = (0..n).collect();
            order.sort_by_key(|&i| (i != index, squared_distance(rows[i], rows[index]), i));
            return average(rows, &order[..n - f]);
        }
        Rule::Caf { f, start, power } => {
            let squared = Square::from_fn(n, |i, j| squared_distance(rows[i], rows[j]) as f64).unwrap();
            let projections: Vec<f64> = rows.iter().map(|row| projection(row, start)).collect();
            let weights = caf::filter(&squared, &projections, f, power).unwrap().weights;
            let values = combined(rows, &rows[0].iter().map(|_| 0).collect::<Vec<i32>>(), 0.0, &weights);
            return (values, weights.iter().map(|&w| w > 0.0).collect());
        }
        Rule::Smea { f, start, power } => {
            let squared = Square::from_fn(n, |i, j| squared_distance(rows[i], rows[j]) as f64).unwrap();
            let projections: Vec<f64> = rows.iter().map(|row| projection(row, start)).collect();
            return average(
                rows,
                smea::select(&squared, &projections, f, power).unwrap().selection.rows(),
            );
        }
        Rule::Dnc {
            f,
            filter_ppm,
            seed,
            count,
            iterations,
        } => {
            let drawn = Coordinates::Drawn {
                seed,
                count,
                iterations,
            };
            let sampled = |list: Vec<usize>| -> Vec<Vec<f64>> {
                rows.iter()
                    .map(|row| list.iter().map(|&c| f64::from(row[c])).collect())
                    .collect()
            };
            let samples: Vec<Vec<Vec<f64>>> = drawn.lists(rows[0].len()).into_iter().map(sampled).collect();
            let samples: Vec<dnc::Sample<'_>> = samples.iter().map(Vec::as_slice).collect();
            let removals = f * filter_ppm as usize / 1_000_000;
            return average(rows, dnc::select(&samples, f, removals).unwrap().rows());
        }
        Rule::Flame => {
            let gram = Square::from_fn(n, |i, j| product(rows[i], rows[j]) as f64).unwrap();
            let flame = flame::select(&gram).unwrap();
            let norms: Vec<f64> = (0..n).map(|i| gram.at(i, i).sqrt()).collect();
            let factors = clipping::factors(&norms, flame.bound).unwrap();
            let admitted = flame.admitted.rows();
            let column = |c: usize| {
                let grid = |i: usize| (factors[i] * 2_f64.powi(30)).floor() as i128;
                let sum = admitted.iter().map(|&i| grid(i) * i128::from(rows[i][c])).sum();
                floored_by(sum, (admitted.len() as i128) << 30)
            };
            return ((0..rows[0].len()).map(column).collect(), flame.admitted.mask());
        }
        Rule::FlTrust | Rule::FoolsGold { .. } | Rule::WeightedMean { .. } => panic!("told something"),
        Rule::GeometricMedian { nu, iterations } => (0..iterations).fold(vec![0; rows[0].len()], |z, _| {
            let next = weiszfeld::step(&lengths(rows, &z), f64::from(nu)).unwrap();
            combined(rows, &z, next.start, &next.weights)
        }),
        Rule::CenteredClipping { tau, iterations } => (0..iterations).fold(vec![0; rows[0].len()], |z, _| {
            let next = centered_clipping::step(&Combination::start(n), &lengths(rows, &z), tau as f64).unwrap();
            combined(rows, &z, next.start, &next.weights)
        }),
        Rule::NormClipping { norm } => {
            return aggregate_alone(
                Rule::CenteredClipping {
                    tau: norm,
                    iterations: 1,
                },
                rows,
            );
        }
    };
    (values, vec![true; n])
}

fn average(rows: &[&[i32]], chosen: &[usize]) -> (Vec<i32>, Vec<bool>) {
    let picked: Vec<&[i32]> = chosen.iter().map(|&i| rows[i]).collect();
    (mean(&picked), (0..rows.len()).map(|i| chosen.contains(&i)).collect())
}

/// The rows named, the one with the smallest Krum score among them first.
fn by_score(rows: &[&[i32]], among: &[usize], f: usize, neighbours: Neighbours) -> Vec<usize> {
    let beside = if neighbours == Neighbours::Blanchard { 2 } else { 1 };
    let count = among.len().saturating_sub(f + beside).max(1).min(among.len() - 1);
    let score = |i: usize| -> u128 {
        let others = among.iter().filter(|&&j| j != i);
        let mut distances: Vec<u128> = others.map(|&j| squared_distance(rows[i], rows[j])).collect();
        distances.sort();
        distances[..count].iter().sum()
    };
    let mut scored: Vec<(u128, usize)> = among.iter().map(|&i| (score(i), i)).collect();
    scored.sort();
    scored.into_iter().map(|(_, i)| i).collect()
}

/// The floored mean of the `kept` values of a column nearest to its median, ties to the lower row.
fn around_median(rows: &[&[i32]], column: usize, kept: usize) -> i32 {
    let values: Vec<i128> = rows.iter().map(|row| i128::from(row[column])).collect();
    let mut sorted = values.clone();
    sorted.sort();
    let twice = sorted[(rows.len() - 1) / 2] + sorted[rows.len() / 2];
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by_key(|&row| ((2 * values[row] - twice).abs(), row));
    floored(order[..kept].iter().map(|&row| values[row]).sum(), kept)
}

fn lengths(rows: &[&[i32]], point: &[i32]) -> Vec<f64> {
    rows.iter()
        .map(|row| (squared_distance(row, point) as f64).sqrt())
        .collect()
}

/// The sum on the grid of 2^-30, floored.
fn combined(rows: &[&[i32]], from: &[i32], start: f64, weights: &[f64]) -> Vec<i32> {
    let shares: Vec<f64> = std::iter::once(start).chain(weights.iter().copied()).collect();
    let grid = on_grid(&shares).unwrap();
    let term = |weight: u32, v: i32| i128::from(weight) * i128::from(v);
    let column = |c: usize| {
        let of_rows: i128 = rows.iter().zip(&grid[1..]).map(|(row, &w)| term(w, row[c])).sum();
        floored_by(of_rows + term(grid[0], from[c]), 1 << 30)
    };
    (0..from.len()).map(column).collect()
}
