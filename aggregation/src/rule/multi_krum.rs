//! Multi-Krum: the floored mean of the rows whose nearest neighbours are nearest.
//!
//! score(i) = the sum of the k smallest squared Euclidean distances from row i to the other rows; the `select` rows with the
//! smallest scores are averaged, ties going to the lower row index. k is n-f-2 in the paper (and Flower), n-f-1 in ByzFL:
//! [`Neighbours`]. Distances and scores are exact integers, so that close rows of large values are never confused.
//!
//! Tolerates f arbitrary rows where n >= 2f+3 (paper). Averaging is limited to n-f rows: more would average a bad row for certain.
//! Cost n^2*d multiplications and n^2 distances of memory. Not coordinate-wise: the evidence is the distances and scores returned.
//! Source: Blanchard et al., *Machine Learning with Adversaries: Byzantine Tolerant Gradient Descent*, NeurIPS 2017.

use super::by_distance::mean_of;
use super::error::of_rule;
use super::{Aggregate, RuleError};
use crate::decide::{Square, krum};
use crate::distances::SquaredDistances;
use crate::view::View;
use std::fmt;

/// Most rows Krum works on: the distances of one thread then take 32 MiB.
pub const MAX_KRUM_ROWS: usize = 2048;

/// How many neighbours a Krum score sums over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Neighbours {
    /// n-f-2, as in the paper and in Flower; needs n >= 2f+3.
    #[default]
    Blanchard,
    /// n-f-1, as in ByzFL; needs n >= 2f+1 and two rows.
    ByzFl,
}

/// What a Krum selection was decided by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KrumDistances {
    /// Exact squared distances between all pairs of rows after the stages, in squared grid units.
    pub squared: SquaredDistances,
    /// Each row's score: the sum of its smallest squared distances.
    pub scores: Vec<u128>,
}

impl Neighbours {
    /// The number of neighbours for n rows; at least 1 where n >= [`Neighbours::minimum_cohort`].
    pub(crate) fn count(self, n: usize, f: usize) -> usize {
        let beside = match self {
            Neighbours::Blanchard => 2,
            Neighbours::ByzFl => 1,
        };
        n.saturating_sub(f).saturating_sub(beside)
    }

    pub(crate) fn minimum_cohort(self, f: usize) -> usize {
        match self {
            Neighbours::Blanchard => f.saturating_mul(2).saturating_add(3),
            Neighbours::ByzFl => f.saturating_mul(2).saturating_add(1).max(2),
        }
    }
}

impl fmt::Display for Neighbours {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Neighbours::Blanchard => "blanchard",
            Neighbours::ByzFl => "byzfl",
        })
    }
}

/// `f` and `select` have been checked against n by the caller.
pub(super) fn aggregate(
    view: &View<'_>,
    f: usize,
    select: usize,
    neighbours: Neighbours,
    squared: SquaredDistances,
) -> Result<Aggregate, RuleError> {
    // At most 2^11 distances of at most 2^64 * 2^40 each: a score is below 2^115.
    let krum = Square::try_from(&squared).and_then(|square| krum::select(&square, f, select, neighbours));
    let krum = krum.map_err(of_rule("multi-krum"))?;
    let aggregate = mean_of(view, &krum.selection)?;
    Ok(Aggregate {
        distances: Some(KrumDistances {
            squared,
            scores: krum.scores,
        }),
        ..aggregate
    })
}
