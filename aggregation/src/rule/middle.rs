//! The floored mean of the middle order statistics of every column; median and trimmed mean are instances.
//!
//! For up to [`NETWORK_ROWS`] rows, sixteen columns at a time are copied side by side and put in order by a pruned sorting network
//! ([`super::network`]): the same minima and maxima whatever the values, so nothing branches and the compiler uses vector
//! instructions. Above, each column is partitioned by selection, which costs n instead of n*log^2 n. Both are exact, so they agree.

use super::RuleError;
use super::network::Network;
use crate::floor::FloorMean;
use crate::rows::MAX_ROWS;
use crate::view::View;

/// Above this many rows, selection per column is faster than a network.
pub(super) const NETWORK_ROWS: usize = 512;

/// Columns handled together: one cache line of every row.
pub(super) const LANES: usize = 16;

/// Sixteen columns' values at one position of the order.
pub(super) type Lanes = [i32; LANES];

/// Per coordinate, the floor of the mean of the values at ranks `cut..n-cut`. Needs n >= 2*cut + 1. Up to `network_rows` rows are
/// sorted by a network.
pub(super) fn mean_of_middle(
    view: &View<'_>,
    cut: usize,
    rule: &'static str,
    network_rows: usize,
) -> Result<Vec<i32>, RuleError> {
    let n = view.n();
    let kept = n.saturating_sub(cut.saturating_mul(2));
    let floor = match FloorMean::of(kept) {
        Some(floor) => floor,
        None if kept == 0 => {
            return Err(RuleError::CohortTooSmall {
                rule,
                expected: cut.saturating_mul(2).saturating_add(1),
                got: n,
            });
        }
        None => {
            return Err(RuleError::CohortTooLarge {
                rule,
                expected: MAX_ROWS,
                got: n,
            });
        }
    };
    let network = (n <= network_rows).then(|| Network::keeping_middle(n, cut));
    Ok(view.map(
        || (vec![[0; LANES]; n], vec![0; if network.is_some() { 0 } else { n }]),
        |(lanes, column), _, rows, out| {
            for (group, out) in out.chunks_mut(LANES).enumerate() {
                gather(rows, group * LANES, out.len(), lanes);
                match &network {
                    Some(network) => network.run(lanes),
                    None => partition_columns(lanes, column, cut),
                }
                write_means(&lanes[cut..n - cut], floor, out);
            }
        },
    ))
}

/// Copies `width` columns of a block from `start` on; lanes past `width` keep what they held and are never read out.
pub(super) fn gather(rows: &[&[i32]], start: usize, width: usize, lanes: &mut [Lanes]) {
    for (lane, row) in lanes.iter_mut().zip(rows) {
        match row[start..start + width].as_array::<LANES>() {
            Some(whole) => *lane = *whole,
            None => lane[..width].copy_from_slice(&row[start..start + width]),
        }
    }
}

fn partition_columns(lanes: &mut [Lanes], column: &mut [i32], cut: usize) {
    let n = column.len();
    for lane in 0..LANES {
        for (value, values) in column.iter_mut().zip(&*lanes) {
            *value = values[lane];
        }
        if cut > 0 {
            // Ranks below `cut` go left of it, then ranks from n-cut on go right of the rest.
            let (_, _, upper) = column.select_nth_unstable(cut - 1);
            upper.select_nth_unstable(n - 2 * cut);
        }
        for (value, values) in column.iter().zip(lanes.iter_mut()) {
            values[lane] = *value;
        }
    }
}

fn write_means(kept: &[Lanes], floor: FloorMean, out: &mut [i32]) {
    let mut sums = [0_i64; LANES];
    for lane in kept {
        for (sum, &v) in sums.iter_mut().zip(lane) {
            // At most MAX_ROWS values below 2^31 each: below 2^47.
            *sum = sum.wrapping_add(i64::from(v));
        }
    }
    for (value, &sum) in out.iter_mut().zip(&sums) {
        *value = floor.floor(sum);
    }
}
