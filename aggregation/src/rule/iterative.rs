//! Geometric median, centered clipping and norm clipping on the grid.
//!
//! Every point is a vector of integers. A step measures the exact squared distances of the rows to it, takes their square roots
//! as doubles, decides by [`weiszfeld::step`] or [`centered_clipping::step`], puts the weights (of the rows and of the point it comes
//! from, which sum to 1) on the grid of 2^-30 by largest remainders, and floors the exact weighted sum: that is the next point.
//! Nothing but + - * / and square roots is used on doubles, in a fixed order, so all machines get the same bits. A coordinate of a
//! step differs from the same step on doubles by less than one unit (the floor) and n * 2^-30 of the largest value (the grid).
//! Norm clipping is one step of centered clipping from zero.
//!
//! Cost n*d twice per step, and two vectors of d. Not coordinate-wise.

use super::error::of_rule;
use super::weighted::on_shares;
use super::{Aggregate, RuleError};
use crate::decide::{Combination, DecisionError, centered_clipping, weiszfeld};
use crate::view::View;
use crate::view::passes::squared_distances_to;

/// Most steps; each passes over all rows twice.
pub(super) const MAX_ITERATIONS: u32 = 1000;

pub(super) fn geometric_median(
    view: &View<'_>,
    nu: u32,
    iterations: u32,
    start: Option<&[i32]>,
) -> Result<Aggregate, RuleError> {
    iterate(view, iterations, start, |_, distances| {
        weiszfeld::step(distances, f64::from(nu))
    })
    .map_err(of_rule("geometric-median"))
}

pub(super) fn centered_clipping(
    view: &View<'_>,
    tau: u64,
    iterations: u32,
    start: Option<&[i32]>,
) -> Result<Aggregate, RuleError> {
    let tau = tau as f64;
    iterate(view, iterations, start, |from, distances| {
        centered_clipping::step(from, distances, tau)
    })
    .map_err(of_rule("centered-clipping"))
}

pub(super) fn norm_clipping(view: &View<'_>, norm: u64) -> Result<Aggregate, RuleError> {
    let norm = norm as f64;
    iterate(view, 1, None, |from, distances| {
        centered_clipping::step(from, distances, norm)
    })
    .map_err(of_rule("norm-clipping"))
}

fn iterate(
    view: &View<'_>,
    iterations: u32,
    start: Option<&[i32]>,
    step: impl Fn(&Combination, &[f64]) -> Result<Combination, DecisionError>,
) -> Result<Aggregate, DecisionError> {
    let n = view.n();
    let mut at = start.map_or_else(|| vec![0; view.d()], <[i32]>::to_vec);
    let here = Combination::start(n);
    let mut weights = vec![0.0; n];
    for _ in 0..iterations {
        let distances = squared_distances_to(view, &at)
            .into_iter()
            .map(|squared| (squared as f64).sqrt());
        let next = step(&here, &distances.collect::<Vec<f64>>())?;
        for (weight, next_weight) in weights.iter_mut().zip(&next.weights) {
            *weight = next.start * *weight + next_weight;
        }
        let shares: Vec<f64> = std::iter::once(next.start).chain(next.weights).collect();
        let reached = on_shares(view, Some(&at), &shares)?;
        if reached == at {
            break;
        }
        at = reached;
    }
    Ok(Aggregate {
        values: at,
        selected: vec![true; n],
        weights: Some(weights),
        distances: None,
    })
}
