//! Bulyan, MDA, MoNNA, CAF and SMEA on exact distances: decided by [`crate::decide`], ending in an exact floored mean.
//!
//! The first three only compare and add distances, so they are exact throughout. CAF and SMEA decide in doubles from exact integers
//! turned into the nearest doubles, by a fixed order of + - * / and square roots: the same bits on every machine. CAF's weights are
//! put on the grid of 2^-30 and the weighted mean is exact; SMEA ends in a selection and so in an exact mean.

use super::error::of_rule;
use super::middle::NETWORK_ROWS;
use super::{Aggregate, Neighbours, RuleError, meamed, mean, weighted};
use crate::decide::caf::PowerStart;
use crate::decide::{Selection, Square, bulyan, caf, mda, monna, smea};
use crate::distances::SquaredDistances;
use crate::view::View;
use crate::view::passes::{projections, squared_distances_to_row};

pub(super) fn bulyan(
    view: &View<'_>,
    f: usize,
    stage: bulyan::Stage,
    neighbours: Neighbours,
    squared: &SquaredDistances,
) -> Result<Aggregate, RuleError> {
    let rule = "bulyan";
    let squared = Square::try_from(squared).map_err(of_rule(rule))?;
    let bulyan = bulyan::select(&squared, f, stage, neighbours).map_err(of_rule(rule))?;
    let chosen = ascending(&bulyan.selection);
    Ok(Aggregate {
        values: meamed::meamed(&view.picked(&chosen), chosen.len() - bulyan.nearest, rule, NETWORK_ROWS)?,
        selected: bulyan.selection.mask(),
        weights: None,
        distances: None,
    })
}

pub(super) fn mda(view: &View<'_>, f: usize, squared: &SquaredDistances) -> Result<Aggregate, RuleError> {
    let squared = Square::try_from(squared).map_err(of_rule("mda"))?;
    let mda = mda::select(&squared, f, mda::DEFAULT_LIMIT).map_err(of_rule("mda"))?;
    mean_of(view, &mda.selection)
}

/// `index` is below n.
pub(super) fn monna(view: &View<'_>, f: usize, index: usize) -> Result<Aggregate, RuleError> {
    let squared = squared_distances_to_row(view, index);
    let selection = monna::nearest(&squared, f, index).map_err(of_rule("monna"))?;
    mean_of(view, &selection)
}

pub(super) fn caf(
    view: &View<'_>,
    f: usize,
    start: PowerStart,
    power: usize,
    squared: &SquaredDistances,
) -> Result<Aggregate, RuleError> {
    let rule = "caf";
    let squared = Square::try_from(squared).map_err(of_rule(rule))?.map(|d| d as f64);
    let caf = caf::filter(&squared, &projections(view, start), f, power).map_err(of_rule(rule))?;
    Ok(Aggregate {
        values: weighted::on_shares(view, None, &caf.weights).map_err(of_rule(rule))?,
        selected: caf.weights.iter().map(|&weight| weight > 0.0).collect(),
        weights: Some(caf.weights),
        distances: None,
    })
}

pub(super) fn smea(
    view: &View<'_>,
    f: usize,
    start: PowerStart,
    power: usize,
    squared: &SquaredDistances,
) -> Result<Aggregate, RuleError> {
    let rule = "smea";
    let squared = Square::try_from(squared).map_err(of_rule(rule))?.map(|d| d as f64);
    let smea = smea::select(&squared, &projections(view, start), f, power).map_err(of_rule(rule))?;
    mean_of(view, &smea.selection)
}

/// The floored mean of the rows selected.
pub(super) fn mean_of(view: &View<'_>, selection: &Selection) -> Result<Aggregate, RuleError> {
    Ok(Aggregate {
        values: mean::mean(&view.picked(&ascending(selection)))?,
        selected: selection.mask(),
        weights: Some(selection.weights()),
        distances: None,
    })
}

fn ascending(selection: &Selection) -> Vec<usize> {
    let mut rows = selection.rows().to_vec();
    rows.sort_unstable();
    rows
}
