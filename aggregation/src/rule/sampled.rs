//! DnC on exact integers at sampled coordinates ([`dnc`]): which are looked at follows from a seed ([`Coordinates::Drawn`]).
//!
//! Only the sampled values of each row are gathered, n*k integers per iteration, whatever d is; they are turned into doubles, which
//! hold them exactly, the decision is a fixed order of + - * / and square roots, and the mean of what it keeps is exact. The seed must
//! come from randomness drawn after the rows were fixed, such as a round's coin.

use super::by_distance::mean_of;
use super::error::of_rule;
use super::{Aggregate, RuleError};
use crate::decide::dnc;
use crate::real::Coordinates;
use crate::view::View;

/// How many rows an iteration leaves out: floor(filter * f) for a filter in parts per million, saturating.
pub(super) fn removals(f: usize, filter_ppm: u64) -> usize {
    let product = (f as u128).saturating_mul(u128::from(filter_ppm));
    usize::try_from(product / 1_000_000).unwrap_or(usize::MAX)
}

pub(super) fn aggregate(
    view: &View<'_>,
    f: usize,
    removals: usize,
    coordinates: &Coordinates,
) -> Result<Aggregate, RuleError> {
    let rule = "dnc";
    coordinates.check(view.n(), view.d()).map_err(of_rule(rule))?;
    let sampled = |list: &Vec<usize>| -> Vec<Vec<f64>> {
        let rows = view.at(list);
        let doubles = |row: &Vec<i32>| row.iter().copied().map(f64::from).collect();
        rows.iter().map(doubles).collect()
    };
    let samples: Vec<Vec<Vec<f64>>> = coordinates.lists(view.d()).iter().map(sampled).collect();
    let samples: Vec<dnc::Sample<'_>> = samples.iter().map(Vec::as_slice).collect();
    mean_of(view, &dnc::select(&samples, f, removals).map_err(of_rule(rule))?)
}
