//! Aggregation rules: n updates in, one update out, exact and the same bits everywhere.
//!
//! | rule | tolerates | cost | one coordinate alone | needs single updates |
//! |---|---|---|---|---|
//! | [mean](Rule::Mean) | nothing | n*d | yes | no |
//! | [weighted mean](Rule::WeightedMean) | nothing; weights capped | n*d | yes, with the weights | no |
//! | [median](Rule::Median) | fewer than n/2 | n*d*log^2 n | yes | yes |
//! | [trimmed mean](Rule::TrimmedMean) | f < n/2 | n*d*log^2 n | yes | yes |
//! | [meamed](Rule::Meamed) | f < n/2 | n*d*log^2 n | yes | yes |
//! | [sign majority](Rule::SignMajority) | fewer than half of the votes | n*d | yes | yes, or signs |
//! | [krum](Rule::Krum), [multi-krum](Rule::MultiKrum) | f, n >= 2f+3 | n^2*d | no | yes |
//! | [bulyan](Rule::Bulyan) | f, n >= 4f+3 | n^2*d + n^3 | no | yes |
//! | [mda](Rule::Mda) | f < n/2 | n^2*d, and a search that may be refused | no | yes |
//! | [monna](Rule::Monna) | f < n/2, its own row good | n*d | no | yes |
//! | [caf](Rule::Caf) | f < n/2 | n^2*d | no | yes |
//! | [smea](Rule::Smea) | f < n/2 | n^2*d + C(n, f)*n^2, or refused | no | yes |
//! | [dnc](Rule::Dnc) | f < n/2, no worst case | n*d + n^3 | no | yes |
//! | [fltrust](Rule::FlTrust) | any, if the reference is right | n*d | no | yes |
//! | [flame](Rule::Flame) | fewer than n/2 | n^2*d | no | yes |
//! | [foolsgold](Rule::FoolsGold) | Sybils, not f | n^2*d | no | yes |
//! | [geometric median](Rule::GeometricMedian) | fewer than n/2 | n*d per step | no | yes |
//! | [centered clipping](Rule::CenteredClipping) | f bounded by tau | n*d per step | no | yes |
//! | [norm clipping](Rule::NormClipping) | f bounded by the norm | n*d | no | yes |
//!
//! Mean to MoNNA are integers throughout. The others decide in doubles from exact
//! integers, by a fixed order of + - * / and square roots, and end in exact sums: of the rows selected, or with weights put on the
//! grid of 2^-30 (FLTrust: 2^-62) first.
//!
//! What is done to the rows before a rule is a chain of [`Stage`]s ([`Rule::aggregate_after`]), integers throughout too.
//!
//! How: columns are worked in blocks that stay in cache, blocks are spread over the current rayon pool, and every sum
//! is an integer sum, so neither the block size nor the number of threads can show in the result. Extra memory is a
//! block per thread (tens of KiB for cohorts of tens) besides the d values returned, and n^2 distances for rules that need them.
//!
//! A rule does not check that rows are within a plan's bounds ([`crate::limits`]) and does not know who sent them.

mod aggregate;
mod by_angle;
mod by_distance;
mod column;
mod error;
mod iterative;
mod meamed;
mod mean;
mod median;
mod middle;
mod multi_krum;
pub(crate) mod network;
mod properties;
mod sampled;
mod sign_majority;
mod state;
mod trimmed_mean;
mod weighted;

pub use aggregate::Aggregate;
pub use error::RuleError;
pub(crate) use error::of_rule;
pub use mean::mean_of_sum;
pub use multi_krum::{KrumDistances, MAX_KRUM_ROWS, Neighbours};
pub use state::{MAX_HISTORY, State, add_to_history, add_to_history_after};
pub use weighted::{weighted_mean, weighted_mean_after};

use crate::decide::bulyan;
use crate::decide::caf::PowerStart;
use crate::distances::SquaredDistances;
use crate::real::Coordinates;
use crate::rows::Rows;
use crate::spool::Spool;
use crate::stage::{self, Stage};
use crate::view::View;
use middle::NETWORK_ROWS;

/// Which rule, with its parameters. `f` is the number of rows that may be arbitrary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// Per coordinate, floor(sum / n) towards negative infinity.
    Mean,
    /// Per coordinate, floor(sum of w_i * x_i / sum of w_i) with the weights of [`State::weights`], each capped; rows of weight 0 are not
    /// selected.
    WeightedMean {
        /// The most that a weight counts.
        cap: u64,
    },
    /// Per coordinate, the middle value; for even n the floor of the mean of the two middle values.
    Median,
    /// Per coordinate, the floor of the mean of what is left without the `f` smallest and the `f` largest values.
    TrimmedMean {
        /// Rows that may be arbitrary; n >= 2f+1.
        f: usize,
    },
    /// The floored mean of the `select` rows with the smallest Krum scores; `select: 1` is Krum.
    MultiKrum {
        /// Rows that may be arbitrary; n >= 2f+3 (Blanchard) or n >= 2f+1 (ByzFL).
        f: usize,
        /// Rows averaged, from 1 to n-f; n-f is the usual choice.
        select: usize,
        /// How many neighbours a score sums over.
        neighbours: Neighbours,
    },
    /// Per coordinate, the floor of the mean of the n-f values nearest to the median; ties go to the lower row.
    Meamed {
        /// Rows that may be arbitrary; n >= 2f+1.
        f: usize,
    },
    /// Per coordinate 1, 0 or -1: the sign that more rows have.
    SignMajority,
    /// The row with the smallest Krum score.
    Krum {
        /// Rows that may be arbitrary; n >= 2f+3 (Blanchard) or n >= 2f+1 (ByzFL).
        f: usize,
        /// How many neighbours a score sums over.
        neighbours: Neighbours,
    },
    /// Krum repeated to select n-2f rows, then per coordinate the floored mean of the n-4f values nearest to their median.
    Bulyan {
        /// Rows that may be arbitrary; n >= 4f+3.
        f: usize,
        /// How the rows are selected.
        stage: bulyan::Stage,
        /// How many neighbours a score sums over.
        neighbours: Neighbours,
    },
    /// The floored mean of the n-f rows of least diameter.
    Mda {
        /// Rows that may be arbitrary; n >= 2f+1.
        f: usize,
    },
    /// The floored mean of the n-f rows nearest to one trusted row, itself among them; ties go to the lower row.
    Monna {
        /// Rows that may be arbitrary; n >= 2f+1.
        f: usize,
        /// The row trusted, usually the caller's own.
        index: usize,
    },
    /// The covariance-bound agnostic filter: rows that stick out lose weight until 2f rows' worth is gone.
    Caf {
        /// Rows that may be arbitrary; n >= 2f+1.
        f: usize,
        /// What the power method starts from.
        start: PowerStart,
        /// Steps of the power method, 1 to 10,000; ByzFL takes 1.
        power: usize,
    },
    /// The floored mean of the n-f rows whose greatest spread along a direction is least.
    Smea {
        /// Rows that may be arbitrary; n >= 2f+1.
        f: usize,
        /// What the power method starts from.
        start: PowerStart,
        /// Steps of the power method, 1 to 10,000; ByzFL takes 1.
        power: usize,
    },
    /// The floored mean of the rows that don't stick out in sampled coordinates.
    Dnc {
        /// Rows that may be arbitrary; n >= 2f+1.
        f: usize,
        /// floor(filter * f) rows are left out per iteration, in parts per million: 1,000,000 is the paper's 1.
        filter_ppm: u64,
        /// What the coordinates are drawn by ([`Coordinates::Drawn`]); from randomness drawn after the rows were fixed.
        seed: u64,
        /// Coordinates per iteration, at least 1; the paper's go up to 10,000.
        count: usize,
        /// Iterations, at least 1; only rows good in every one are kept.
        iterations: usize,
    },
    /// Rows weighted by how far they point where [`State::reference`] does, each brought to its length.
    FlTrust,
    /// The floored mean of the majority that points one way, each row shortened to the median norm; the paper's noise is left to the
    /// caller.
    Flame,
    /// The floored mean weighted by how unlike a row's history ([`State::history`], and this round) is to all others'.
    FoolsGold {
        /// The paper's confidence in parts per million, at least 1: 1,000,000 is its 1.
        kappa_ppm: u64,
    },
    /// Smoothed Weiszfeld steps towards the point with the least sum of distances, each floored to the grid.
    GeometricMedian {
        /// Distances below it count as it, in grid units; at least 1.
        nu: u32,
        /// Steps, at most 1000.
        iterations: u32,
    },
    /// Steps of the mean of clipped differences, each floored to the grid; usually from the last round's result
    /// ([`Rule::aggregate_from`]).
    CenteredClipping {
        /// Longest difference that counts in full, in grid units.
        tau: u64,
        /// Steps, at most 1000.
        iterations: u32,
    },
    /// The floored mean of the rows, each shortened to `norm` first.
    NormClipping {
        /// Largest Euclidean norm, in grid units.
        norm: u64,
    },
}

impl Rule {
    /// Aggregates a round.
    ///
    /// # Errors
    /// [`RuleError`] where the cohort is too small or too large for the parameters, the selection is impossible, or the rows leave the
    /// rule nothing to decide on; [`RuleError::Missing`] for FLTrust, which needs [`Rule::aggregate_after`].
    pub fn aggregate(&self, rows: &Rows<'_>) -> Result<Aggregate, RuleError> {
        self.aggregate_with(rows, SquaredDistances::seen)
    }

    /// The same, iterative rules starting from `start` (d grid integers) instead of zero; others don't look at it.
    ///
    /// # Errors
    /// Those of [`Rule::aggregate`], and [`RuleError::StartLength`].
    pub fn aggregate_from(&self, rows: &Rows<'_>, start: &[i32]) -> Result<Aggregate, RuleError> {
        let state = State {
            start: Some(start),
            ..State::default()
        };
        self.aggregate_after(rows, &[], state)
    }

    /// Aggregates what the stages of `pre` leave of a round, with what the rule carries over or is told. Parameters and state count
    /// the rows after the stages; the [`Aggregate`] says of the rows given who was used.
    ///
    /// # Errors
    /// Those of [`Rule::aggregate`] for the rows after the stages; [`RuleError`] where a stage does not fit its rows
    /// ([`RuleError::StageSize`], [`RuleError::TooManyStages`]) or the state does not ([`RuleError::StartLength`],
    /// [`RuleError::VectorLength`], [`RuleError::HistoryRows`], [`RuleError::HistoryValue`], [`RuleError::WeightCount`], [`RuleError::NoWeight`]).
    pub fn aggregate_after(&self, rows: &Rows<'_>, pre: &[Stage], state: State<'_>) -> Result<Aggregate, RuleError> {
        let view = stage::chain(rows, pre)?;
        let seen = self.run(&view, state, SquaredDistances::seen)?;
        Ok(seen.of_rows_given(&view))
    }

    /// The same of rows that are not in memory, with the same result.
    ///
    /// # Errors
    /// Those of [`Rule::aggregate_after`], and [`RuleError::Read`].
    pub fn aggregate_spool(&self, spool: &Spool<'_>, pre: &[Stage], state: State<'_>) -> Result<Aggregate, RuleError> {
        let (rows, failed) = View::of_spool(spool);
        let made = stage::chained(rows, pre).and_then(|view| {
            let seen = self.run(&view, state, SquaredDistances::seen)?;
            Ok(seen.of_rows_given(&view))
        });
        // Whatever was made of rows that could not be read, that is why.
        failed.error().map_or(made, Err)
    }

    /// The same without stages or state, with the distances taken from `distances` where the rule needs them.
    pub(crate) fn aggregate_with(
        &self,
        rows: &Rows<'_>,
        distances: impl FnOnce(&View<'_>) -> SquaredDistances,
    ) -> Result<Aggregate, RuleError> {
        self.run(&View::of(rows), State::default(), distances)
    }

    /// The rule on the rows seen.
    fn run(
        &self,
        view: &View<'_>,
        state: State<'_>,
        distances: impl FnOnce(&View<'_>) -> SquaredDistances,
    ) -> Result<Aggregate, RuleError> {
        let (rule, n) = (self.name(), view.n());
        self.check_cohort(n)?;
        state.check(n, view.d())?;
        let start = state.start;
        match *self {
            Rule::Mean => Ok(Aggregate::of_all(mean::mean(view)?, n, true)),
            Rule::WeightedMean { cap } => weighted::capped_mean(view, state.weights.unwrap_or_default(), cap),
            Rule::Median => Ok(Aggregate::of_all(median::median(view)?, n, false)),
            Rule::TrimmedMean { f } => Ok(Aggregate::of_all(trimmed_mean::trimmed_mean(view, f)?, n, false)),
            Rule::Meamed { f } => Ok(Aggregate::of_all(
                meamed::meamed(view, f, rule, NETWORK_ROWS)?,
                n,
                false,
            )),
            Rule::SignMajority => Ok(Aggregate::of_all(sign_majority::sign_majority(view), n, false)),
            Rule::GeometricMedian { nu, iterations } => iterative::geometric_median(view, nu, iterations, start),
            Rule::CenteredClipping { tau, iterations } => iterative::centered_clipping(view, tau, iterations, start),
            Rule::NormClipping { norm } => iterative::norm_clipping(view, norm),
            Rule::Krum { f, neighbours } => multi_krum::aggregate(view, f, 1, neighbours, distances(view)),
            Rule::MultiKrum { f, select, neighbours } => {
                multi_krum::aggregate(view, f, select, neighbours, distances(view))
            }
            Rule::Bulyan { f, stage, neighbours } => by_distance::bulyan(view, f, stage, neighbours, &distances(view)),
            Rule::Mda { f } => by_distance::mda(view, f, &distances(view)),
            Rule::Monna { f, index } => by_distance::monna(view, f, index),
            Rule::Caf { f, start, power } => by_distance::caf(view, f, start, power, &distances(view)),
            Rule::Smea { f, start, power } => by_distance::smea(view, f, start, power, &distances(view)),
            Rule::Dnc {
                f,
                filter_ppm,
                seed,
                count,
                iterations,
            } => {
                let coordinates = Coordinates::Drawn {
                    seed,
                    count,
                    iterations,
                };
                sampled::aggregate(view, f, sampled::removals(f, filter_ppm), &coordinates)
            }
            Rule::FlTrust => match state.reference {
                Some(reference) => by_angle::fltrust(view, reference),
                None => Err(RuleError::Missing {
                    rule,
                    what: "reference",
                }),
            },
            Rule::Flame => by_angle::flame(view),
            Rule::FoolsGold { kappa_ppm } => by_angle::foolsgold(view, state.history, kappa_ppm),
        }
    }
}

#[cfg(test)]
mod tests;
