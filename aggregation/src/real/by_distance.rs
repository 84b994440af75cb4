//! Rules decided by the squared distances between rows: Krum, Multi-Krum, Bulyan, MDA, MoNNA, CAF and SMEA.
//!
//! One pass of cost n^2*d/2 measures the distances (MoNNA: n*d, from its own row alone; CAF and SMEA: one more for the
//! rows' projections on the start vector), [`crate::decide`] decides, and one pass of cost n*d applies the weights.

use super::decision::{Aggregate, Decision};
use super::element::Real;
use super::error::Fault;
use super::meamed::Meamed;
use super::pairs::squared_distances;
use super::point::Point;
use super::strip;
use super::view::{Kernel, View};
use crate::decide::caf::PowerStart;
use crate::decide::{Selection, Square, bulyan, caf, krum, mda, monna, smea};
use crate::rule::Neighbours;

type Outcome = Result<Aggregate, Fault>;

pub(super) fn multi_krum<T: Real>(view: &View<'_, T>, f: usize, select: usize, neighbours: Neighbours) -> Outcome {
    let distances = squared_distances(view)?;
    let krum = krum::select(&distances, f, select, neighbours)?;
    mean_of(view, &krum.selection, Some(krum.scores), Some(distances))
}

/// The second stage is Meamed with 2f over the n-2f selected rows, in the order of their indices.
pub(super) fn bulyan<T: Real>(view: &View<'_, T>, f: usize, stage: bulyan::Stage, neighbours: Neighbours) -> Outcome {
    let distances = squared_distances(view)?;
    let bulyan = bulyan::select(&distances, f, stage, neighbours)?;
    let mut rows = bulyan.selection.rows().to_vec();
    rows.sort_unstable();
    let around_median = Meamed::new(rows.len(), rows.len() - bulyan.nearest);
    Ok(Aggregate {
        selected: Some(bulyan.selection.mask()),
        distances: Some(distances),
        ..Aggregate::column_wise(view.picked(&rows).map(&around_median)?)
    })
}

pub(super) fn mda<T: Real>(view: &View<'_, T>, f: usize) -> Outcome {
    let distances = squared_distances(view)?;
    let mda = mda::select(&distances, f, mda::DEFAULT_LIMIT)?;
    mean_of(view, &mda.selection, None, Some(distances))
}

pub(super) fn monna<T: Real>(view: &View<'_, T>, f: usize, index: usize) -> Outcome {
    let mut weights = vec![0.0; view.n()];
    weights[index] = 1.0;
    let trusted = Point {
        weights: &weights,
        divisor: 1.0,
        start: None,
    };
    let squared = trusted.squared_distances(view)?;
    let selection = monna::nearest(&squared, f, index)?;
    mean_of(view, &selection, Some(squared), None)
}

pub(super) fn caf<T: Real>(view: &View<'_, T>, f: usize, start: PowerStart, power: usize) -> Outcome {
    let distances = squared_distances(view)?;
    let caf = caf::filter(&distances, &projections(view, start)?, f, power)?;
    let decision = Decision::weighted(caf.weights, 1.0);
    decision.with_distances(distances).combine(view, None)
}

pub(super) fn smea<T: Real>(view: &View<'_, T>, f: usize, start: PowerStart, power: usize) -> Outcome {
    let distances = squared_distances(view)?;
    let smea = smea::select(&distances, &projections(view, start)?, f, power)?;
    mean_of(view, &smea.selection, None, Some(distances))
}

fn mean_of<T: Real>(
    view: &View<'_, T>,
    selection: &Selection,
    scores: Option<Vec<f64>>,
    distances: Option<Square<f64>>,
) -> Outcome {
    let mut decision = Decision::mean_of(selection).with_scores(scores);
    decision.evidence.distances = distances;
    decision.combine(view, None)
}

/// The scalar product of each row with the start vector.
fn projections<T: Real>(view: &View<'_, T>, start: PowerStart) -> Result<Vec<f64>, Fault> {
    view.sum(&Projections(start), view.n())
}

struct Projections(PowerStart);

impl Kernel for Projections {
    const WIDTH: usize = 512;
    type Scratch<E: Real> = Vec<f64>;

    fn scratch<E: Real>(&self, _: usize) -> Vec<f64> {
        vec![0.0; Self::WIDTH]
    }

    #[inline(always)]
    fn block<E: Real>(&self, signs: &mut Vec<f64>, start: usize, rows: &[&[E]], totals: &mut [f64]) {
        let signs = &mut signs[..rows.first().map_or(0, |row| row.len())];
        for (coordinate, sign) in (start..).zip(signs.iter_mut()) {
            *sign = self.0.at(coordinate as u64);
        }
        for (total, row) in totals.iter_mut().zip(rows) {
            *total += strip::sum(row, signs, strip::product);
        }
    }
}
