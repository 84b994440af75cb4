//! The rules on floating-point updates, as a library: f32 or f64 rows in, f64 out.
//!
//! | rule | tolerates | cost | one coordinate alone | needs single updates |
//! |---|---|---|---|---|
//! | [mean](Rule::Mean) | nothing | n*d | yes | no |
//! | [weighted mean](Rule::WeightedMean) | nothing; weights capped | n*d | yes | no |
//! | [median](Rule::Median) | fewer than n/2 | n*d*log^2 n | yes | yes |
//! | [trimmed mean](Rule::TrimmedMean) | f < n/2 | n*d*log^2 n | yes | yes |
//! | [meamed](Rule::Meamed) | f < n/2 | n*d*log^2 n | yes | yes |
//! | [geometric median](Rule::GeometricMedian) | fewer than n/2 | n*d per step | no | yes |
//! | [krum, multi-krum](Rule::MultiKrum) | f, n >= 2f+3 | n^2*d | no | yes, or sketches |
//! | [centered clipping](Rule::CenteredClipping) | f bounded by tau | n*d per step | no | yes |
//! | [monna](Rule::Monna) | f < n/2, its own row good | n*d | no | yes, or sketches |
//! | [norm clipping](Rule::NormClipping) | f bounded by the norm | n*d | no | yes |
//! | [bulyan](Rule::Bulyan) | f, n >= 4f+3 | n^2*d + n^3 | no | yes |
//! | [mda](Rule::Mda) | f < n/2 | n^2*d, and a search that may be refused | no | yes, or sketches |
//! | [caf](Rule::Caf) | f < n/2 | n^2*d | no | yes, or sketches |
//! | [smea](Rule::Smea) | f < n/2 | n^2*d + C(n, f)*n^2, or refused | no | yes, or sketches |
//! | [dnc](Rule::Dnc) | f < n/2, no worst case | n*d + n^3 | no | yes |
//! | [fltrust](Rule::FlTrust) | any, if the reference is right | n*d | no | yes, or sketches |
//! | [flame](Rule::Flame) | fewer than n/2 | n^2*d | no | yes, or sketches |
//! | [foolsgold](Rule::FoolsGold) | Sybils, not f | n^2*d | no | yes |
//! | [sign majority](Rule::SignMajority) | fewer than half of the votes | n*d | yes | yes, or signs |
//!
//! - **Checked.** A [`Table`] has no NaN, infinity or value above [`MAX_MAGNITUDE`], so every rule's result is finite;
//!   what can't be aggregated is an error that names the row.
//! - **The same bits** on any number of threads: where columns are cut and the order of every sum depend on n and d
//!   only, and only +, -, *, / and square roots are used, which IEEE 754 rounds in one way. Sums are f64, also for f32
//!   rows.
//! - **Digits kept.** Distances are sums of squared differences ([`distances`]), never differences of squared norms.
//! - **Small.** A few MiB besides the d numbers returned, whatever d is; [stages](Stage) before a rule are applied
//!   block by block, never stored.
//! - **Out of core.** Rows that don't fit in memory are a [`Spool`]: read in blocks by the caller's [`Source`], the result
//!   handed over in blocks, with the same bits ([`Rule::aggregate_spool`]).
//!
//! What each rule decides by, its conventions and its source are in [`crate::decide`]; here are the passes over the rows.
//!
//! It does not decide what is honest, and does not know who sent a row. Its results are not exact: whoever must agree
//! on every bit with a contract uses the integers of [`crate::Rule`].
//!
//! ```
//! use xfl_aggregation::real::{Rule, Stage, State, Table};
//!
//! let updates = [[1.0_f32, -0.5], [1.1, -0.4], [0.9, -0.6], [1e12, 1e12]];
//! let table = Table::new(updates.iter().map(|row| &row[..]).collect())?;
//!
//! let median = Rule::Median.aggregate(&table, &[], State::default())?;
//! assert!((median.values[0] - 1.05).abs() < 1e-6);
//!
//! // Clip every row to norm 2 first; then even the mean is off by no more than 2/4.
//! let clipped = Rule::Mean.aggregate(&table, &[Stage::StaticClip { norm: 2.0 }], State::default())?;
//! assert!((clipped.values[0] - 1.0).abs() < 0.5);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod by_angle;
mod by_distance;
mod decision;
mod element;
mod error;
mod iteration;
mod meamed;
mod median;
mod order;
mod pairs;
mod point;
mod rule;
mod sampled;
mod sign_majority;
mod spool;
mod stage;
mod state;
mod strip;
mod table;
mod trimmed_mean;
mod view;
mod window;

pub use decision::Aggregate;
pub use element::{MAX_MAGNITUDE, Real};
pub use error::RuleError;
pub use iteration::MAX_ITERATIONS;
pub use pairs::{distances, gram};
pub use rule::Rule;
pub use sampled::{Coordinates, MAX_SAMPLED};
pub use spool::{Sink, Source, Spool, StorageError};
pub use stage::{MAX_STAGES, Stage};
pub use state::{State, add_to_history};
pub use table::{Table, TableError};

#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;
