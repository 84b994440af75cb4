//! Meamed, the mean around the median: per coordinate, the floored mean of the n-f values nearest to the median.
//!
//! The median is exact: for even n the mean m of the two middle values, halves and all, so that 2m is the integer compared with.
//! Of two values equally far from it the one of the lower row is nearer. Tolerates f arbitrary rows where n >= 2f+1; Bulyan's second
//! stage uses it with any f < n. Cost n*d*log^2 n. One coordinate can be recomputed alone, from its values in the order of rows.
//!
//! How: in the sorted column the values kept are neighbours. Starting from the lowest n-f, the lowest is given up for the next
//! higher value as long as it is farther from the median: f comparisons. Only where both are equally far and different is the
//! column looked at row by row. Source: Xie et al., *Generalized Byzantine-tolerant SGD*, 2018 (mean around median).

use super::RuleError;
use super::middle::{LANES, Lanes, gather};
use super::network::Network;
use crate::floor::FloorMean;
use crate::rows::MAX_ROWS;
use crate::view::View;

/// Up to `network_rows` rows are sorted by a network.
pub(super) fn meamed(
    view: &View<'_>,
    f: usize,
    rule: &'static str,
    network_rows: usize,
) -> Result<Vec<i32>, RuleError> {
    let n = view.n();
    let Some(floor) = FloorMean::of(n.saturating_sub(f)) else {
        let expected = f.saturating_add(1);
        return Err(match n < expected {
            true => RuleError::CohortTooSmall { rule, expected, got: n },
            false => RuleError::CohortTooLarge {
                rule,
                expected: MAX_ROWS,
                got: n,
            },
        });
    };
    let network = (n <= network_rows).then(|| Network::sorting(n));
    Ok(view.map(
        || (vec![[0; LANES]; n], Vec::with_capacity(n)),
        |(lanes, column), _, rows, out| {
            for (group, out) in out.chunks_mut(LANES).enumerate() {
                let start = group * LANES;
                gather(rows, start, out.len(), lanes);
                match &network {
                    Some(network) => network.run(lanes),
                    None => sort_columns(lanes, column),
                }
                let (sums, ties) = sums(lanes, n - f);
                for (lane, out) in out.iter_mut().enumerate() {
                    let sum = match ties[lane] {
                        true => by_row(rows.iter().map(|row| row[start + lane]), n - f),
                        false => sums[lane],
                    };
                    *out = floor.floor(sum);
                }
            }
        },
    ))
}

fn sort_columns(lanes: &mut [Lanes], column: &mut Vec<i32>) {
    for lane in 0..LANES {
        column.clear();
        column.extend(lanes.iter().map(|values| values[lane]));
        column.sort_unstable();
        for (values, &value) in lanes.iter_mut().zip(&*column) {
            values[lane] = value;
        }
    }
}

/// Sixteen sums of the values kept, and the lanes in which a tie must be settled by row. All numbers stay below 2^50.
fn sums(sorted: &[Lanes], kept: usize) -> ([i64; LANES], [bool; LANES]) {
    let n = sorted.len();
    let (mut sums, mut ties) = ([0_i64; LANES], [false; LANES]);
    for values in &sorted[..kept] {
        for (sum, &v) in sums.iter_mut().zip(values) {
            *sum = sum.wrapping_add(i64::from(v));
        }
    }
    let (lower, upper) = (&sorted[(n - 1) / 2], &sorted[n / 2]);
    for (low, high) in sorted.iter().zip(&sorted[kept..]) {
        for lane in 0..LANES {
            let twice_median = i64::from(lower[lane]) + i64::from(upper[lane]);
            let (low, high) = (i64::from(low[lane]), i64::from(high[lane]));
            let (below, above) = (twice_median - 2 * low, 2 * high - twice_median);
            sums[lane] = sums[lane].wrapping_add(if below > above { high - low } else { 0 });
            ties[lane] |= (below == above) & (low < high);
        }
    }
    (sums, ties)
}

/// The sum of the `kept` values nearest to the median of a column in the order of rows, by distance, then row.
pub(super) fn by_row(column: impl Iterator<Item = i32>, kept: usize) -> i64 {
    let column: Vec<i64> = column.map(i64::from).collect();
    let mut sorted = column.clone();
    sorted.sort_unstable();
    let n = column.len();
    let twice_median = sorted[(n - 1) / 2] + sorted[n / 2];
    let mut ranked: Vec<(i64, usize)> = column
        .iter()
        .enumerate()
        .map(|(row, v)| ((2 * v - twice_median).abs(), row))
        .collect();
    ranked.sort_unstable();
    ranked[..kept].iter().map(|&(_, row)| column[row]).sum()
}
