//! Robust aggregation and contribution scores on integers, exact and reproducible.
//!
//! A round's updates arrive as integers on a fixed-point grid. This crate turns n of them into one ([`Rule`]), clips or mixes them
//! before that ([`Stage`]), says how much each mattered ([`score`]), and checks that each stays within a plan's bounds ([`limits`]).
//!
//! - **Exact.** Sums, order statistics, distances and scores are integers of sufficient width; each rounding is stated (means
//!   round towards negative infinity, scores towards zero). The same rows give the same bits on every machine, on any number of
//!   threads and for any block size, so an auditor or a contract can recompute them.
//! - **Total.** Every input gives a defined result or a typed error naming what was expected and got: no panic on `i32::MIN`, on
//!   n <= 2f, on duplicates, ties, one row or one coordinate.
//! - **Small.** Columns are worked in cache-sized blocks; nothing of size n*d is copied.
//! - **Pure.** No IO, clock or entropy; rayon's current pool is the only thing used besides the arguments.
//!
//! The same rules and stages for f32 and f64 rows, as a library, are in [`real`]; they are reproducible, not exact. What rules decide by is in [`decide`], for both; what a server
//! does with an aggregate is in [`server`].
//!
//! It does not decide what is honest: a rule tolerates as many bad rows as its `f` says and no more, and no rule can see through noise
//! larger than the updates. It does not authenticate rows or weigh them by what clients claim.
//!
//! ```
//! use xfl_aggregation::{Neighbours, Rows, Rule, Stage, State, limits::Limits, score};
//!
//! // Six updates of three coordinates; the last one is poisoned.
//! let updates = [[10, -4, 7], [11, -5, 7], [9, -4, 8], [10, -5, 6], [10, -4, 7], [9_000, 9_000, 9_000]];
//! let rows = Rows::new(updates.iter().map(|row| &row[..]).collect())?;
//!
//! assert_eq!(Rule::Median.aggregate(&rows)?.values, [10, -4, 7]);
//! assert_eq!(Rule::TrimmedMean { f: 1 }.aggregate(&rows)?.values, [10, -5, 7]);
//!
//! let krum = Rule::MultiKrum { f: 1, select: 3, neighbours: Neighbours::Blanchard };
//! let round = krum.aggregate(&rows)?;
//! assert!(!round.selected[5]);
//! // The plain mean is lost to one bad row.
//! assert_eq!(Rule::Mean.aggregate(&rows)?.values, [1508, 1496, 1505]);
//!
//! // Clipped to norm 14 and mixed with its neighbours first, it can't do that: every coordinate is an exact integer again.
//! let pre = [Stage::Clipping { norm: 14 }, Stage::Nnm { f: 1 }];
//! assert_eq!(Rule::Mean.aggregate_after(&rows, &pre, State::default())?.values, [9, -5, 7]);
//!
//! // A plan's bounds would have refused the poisoned row before any rule saw it.
//! let limits = Limits { max_abs: 100, max_norm_squared: 1_000 };
//! assert!(limits.check(&updates[0], 3).is_ok());
//! assert!(limits.check(&updates[5], 3).is_err());
//!
//! // Scores need no held-out data here: direction compared with the aggregate, in parts per million.
//! let scores = score::cosine_to_aggregate(&rows, &round.values)?;
//! assert!(scores[0] > score::Ppm(990_000) && scores[5] < score::Ppm(700_000));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! References are given with each rule and score.

pub mod attack;
pub mod decide;
mod distances;
mod floor;
pub mod limits;
pub mod real;
pub mod reward;
mod rows;
mod rule;
pub mod score;
pub mod server;
pub mod spool;
mod stage;
mod vectors;
mod view;

#[cfg(test)]
mod reference;

pub use distances::SquaredDistances;
pub use rows::{MAX_COORDINATES, MAX_ROWS, Rows, RowsError};
pub use rule::{
    Aggregate, KrumDistances, MAX_HISTORY, MAX_KRUM_ROWS, Neighbours, Rule, RuleError, State, add_to_history,
    add_to_history_after, mean_of_sum, weighted_mean, weighted_mean_after,
};
pub use stage::Stage;
