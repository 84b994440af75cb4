//! Rules that move a point in steps: the geometric median ([`weiszfeld`]) and centered clipping ([`centered_clipping`]).
//!
//! The point is held as weights over the start and the rows ([`Combination`]); a step is one pass of cost n*d that makes
//! the point block by block and measures every row's distance to it, so T steps take T+1 passes and nothing of size d is
//! kept between them. Steps that no longer change the weights are left out: they would give the same bits.

use super::element::Real;
use super::error::{Fault, RuleError};
use super::point::{Point, squared_norms};
use super::view::View;
use crate::decide::{Combination, DecisionError, centered_clipping, weiszfeld};

/// Most steps of an iterative rule; each is a pass over all rows, so this bounds the time.
pub const MAX_ITERATIONS: u32 = 1000;

/// Where an iteration ended, and the squared distances by which its last step was decided; none where none was made.
pub(super) type Reached = (Combination, Option<Vec<f64>>);

pub(super) fn geometric_median<T: Real>(
    view: &View<'_, T>,
    nu: f64,
    iterations: u32,
    start: Option<&[f64]>,
) -> Result<Reached, Fault> {
    iterate(view, iterations, start, |_, distances| weiszfeld::step(distances, nu))
}

pub(super) fn centered_clipping<T: Real>(
    view: &View<'_, T>,
    tau: f64,
    iterations: u32,
    start: Option<&[f64]>,
) -> Result<Reached, Fault> {
    iterate(view, iterations, start, |from, distances| {
        centered_clipping::step(from, distances, tau)
    })
}

fn iterate<T: Real>(
    view: &View<'_, T>,
    iterations: u32,
    start: Option<&[f64]>,
    next: impl Fn(&Combination, &[f64]) -> Result<Combination, DecisionError>,
) -> Result<Reached, Fault> {
    let mut at = Combination::start(view.n());
    let mut scores = None;
    for step in 0..iterations {
        let squared = match start {
            None if step == 0 => squared_norms(view)?,
            _ => squared_distances(view, &at, start)?,
        };
        let distances: Vec<f64> = squared.iter().map(|squared| squared.sqrt()).collect();
        let reached = next(&at, &distances)?;
        let settled = reached == at;
        at = reached;
        scores = Some(squared);
        if settled {
            break;
        }
    }
    Ok((at, scores))
}

fn squared_distances<T: Real>(view: &View<'_, T>, at: &Combination, start: Option<&[f64]>) -> Result<Vec<f64>, Fault> {
    let point = Point {
        weights: &at.weights,
        divisor: 1.0,
        start: start.map(|start| (at.start, start)),
    };
    point.squared_distances(view)
}

pub(super) fn check(rule: &'static str, iterations: u32) -> Result<(), RuleError> {
    if iterations <= MAX_ITERATIONS {
        return Ok(());
    }
    Err(RuleError::TooManyIterations {
        rule,
        expected: MAX_ITERATIONS,
        got: iterations,
    })
}
