//! The rules on floating-point rows, with their parameters.

use super::decision::{Aggregate, Decision};
use super::element::Real;
use super::error::{Fault, RuleError};
use super::iteration;
use super::meamed::Meamed;
use super::point::squared_norms;
use super::sampled::{self, Coordinates};
use super::sign_majority::SignMajority;
use super::spool::{Sink, Spool};
use super::stage::{self, Stage};
use super::state::State;
use super::table::{Table, TableError};
use super::view::View;
use super::{by_angle, by_distance, median, trimmed_mean};
use crate::decide::caf::{MAX_POWER, PowerStart};
use crate::decide::weights::{Cap, capped};
use crate::decide::{DecisionError, bulyan, clipping, not_negative, of_length, positive};
use crate::rows::MAX_ROWS;
use crate::rule::{MAX_KRUM_ROWS, Neighbours};

/// Which rule, with its parameters. `f` is the number of rows that may be arbitrary; n counts the rows after the stages.
#[derive(Clone, Debug, PartialEq)]
pub enum Rule {
    /// Per coordinate, sum / n.
    Mean,
    /// Per coordinate, sum of w_i * x_i / sum of w_i, every weight capped first.
    WeightedMean {
        /// One weight per row; finite, at least 0, not all 0.
        weights: Vec<f64>,
        /// What bounds them.
        cap: Cap,
    },
    /// Per coordinate, the middle value; for even n the mean of the two middle ones.
    Median,
    /// Per coordinate, the mean of what is left without the `f` smallest and the `f` largest values.
    TrimmedMean {
        /// Rows that may be arbitrary; n >= 2f+1.
        f: usize,
    },
    /// Per coordinate, the mean of the n-f values nearest to the median.
    Meamed {
        /// Rows that may be arbitrary; n >= 2f+1.
        f: usize,
    },
    /// Smoothed Weiszfeld steps towards the point with the least sum of distances, from [`State::start`] or zero.
    GeometricMedian {
        /// Distances below it count as it; above 0, in the unit of the values. ByzFL's default is 0.1.
        nu: f64,
        /// Steps, at most [`MAX_ITERATIONS`](super::MAX_ITERATIONS). ByzFL's default is 3.
        iterations: u32,
    },
    /// The row whose nearest neighbours are nearest.
    Krum {
        /// Rows that may be arbitrary; n >= 2f+3 (Blanchard) or n >= 2f+1 (ByzFL).
        f: usize,
        /// How many neighbours a score sums over.
        neighbours: Neighbours,
    },
    /// The mean of the `select` rows with the smallest Krum scores.
    MultiKrum {
        /// Rows that may be arbitrary; n >= 2f+3 (Blanchard) or n >= 2f+1 (ByzFL).
        f: usize,
        /// Rows averaged, from 1 to n-f; n-f is the usual choice.
        select: usize,
        /// How many neighbours a score sums over.
        neighbours: Neighbours,
    },
    /// Steps of the mean of clipped differences, from [`State::start`] or zero.
    CenteredClipping {
        /// Longest difference that counts in full, in the unit of the values; at least 0. ByzFL's default is 100.
        tau: f64,
        /// Steps, at most [`MAX_ITERATIONS`](super::MAX_ITERATIONS). ByzFL's default is 1.
        iterations: u32,
    },
    /// The mean of the n-f rows nearest to one trusted row, itself among them; ties go to the lower row.
    Monna {
        /// Rows that may be arbitrary; n >= 2f+1.
        f: usize,
        /// The row trusted, usually the caller's own.
        index: usize,
    },
    /// The mean of the rows, each shortened to `norm` first.
    NormClipping {
        /// Largest Euclidean norm, in the unit of the values; at least 0.
        norm: f64,
    },
    /// Per coordinate 1, 0 or -1: the sign that more rows have.
    SignMajority,
    /// Krum repeated to select n-2f rows, then per coordinate the mean of the n-4f values nearest to their median.
    Bulyan {
        /// Rows that may be arbitrary; n >= 4f+3.
        f: usize,
        /// How the rows are selected.
        stage: bulyan::Stage,
        /// How many neighbours a score sums over.
        neighbours: Neighbours,
    },
    /// The mean of the n-f rows of least diameter.
    Mda {
        /// Rows that may be arbitrary; n >= 2f+1.
        f: usize,
    },
    /// The covariance-bound agnostic filter: rows that stick out lose weight until 2f rows' worth is gone.
    Caf {
        /// Rows that may be arbitrary; n >= 2f+1.
        f: usize,
        /// What the power method starts from; ByzFL draws it.
        start: PowerStart,
        /// Steps of the power method, at least 1; ByzFL takes 1.
        power: usize,
    },
    /// The mean of the n-f rows whose greatest spread along a direction is least.
    Smea {
        /// Rows that may be arbitrary; n >= 2f+1.
        f: usize,
        /// What the power method starts from; ByzFL draws it.
        start: PowerStart,
        /// Steps of the power method, at least 1; ByzFL takes 1.
        power: usize,
    },
    /// The mean of the rows that don't stick out in sampled coordinates.
    Dnc {
        /// Rows that may be arbitrary; n >= 2f+1.
        f: usize,
        /// floor(filter * f) rows are left out per iteration; the paper's is 1.
        filter: f64,
        /// The coordinates looked at.
        coordinates: Coordinates,
    },
    /// Rows weighted by how far they point where [`State::reference`] does, each brought to its length.
    FlTrust,
    /// The mean of the majority that points one way, each row shortened to the median norm; the paper's noise is left to
    /// the caller ([`Aggregate::bound`]).
    Flame,
    /// The mean weighted by how unlike a row's history ([`State::history`], and this round) is to all others'.
    FoolsGold {
        /// The paper's confidence; [`foolsgold::KAPPA`](crate::decide::foolsgold::KAPPA) there.
        kappa: f64,
    },
}

impl Rule {
    /// Aggregates a round: the stages of `pre` in their order, then the rule.
    ///
    /// # Errors
    /// [`RuleError`] where a parameter is out of range, the cohort does not fit the parameters, the state or a stage does
    /// not fit the rows, or the rows leave the rule nothing to decide on.
    pub fn aggregate<T: Real>(
        &self,
        table: &Table<'_, T>,
        pre: &[Stage],
        state: State<'_>,
    ) -> Result<Aggregate, RuleError> {
        T::aggregate(self, table, pre, state)
    }

    /// The same for rows that are not in memory: the same bits, handed to `into` block by block instead of being returned. A
    /// result may have been handed over in part where an error is returned.
    ///
    /// # Errors
    /// As [`Rule::aggregate`]; [`RuleError::Rows`] where a value is refused or a part of a row can't be read,
    /// [`RuleError::Write`] where `into` fails.
    pub fn aggregate_spool<T: Real>(
        &self,
        spool: &Spool<'_, T>,
        pre: &[Stage],
        state: State<'_>,
        into: &Sink<'_>,
    ) -> Result<Aggregate, RuleError> {
        T::aggregate_spool(self, spool, pre, state, into)
    }

    pub(super) fn run_on<T: Real>(
        &self,
        table: &Table<'_, T>,
        pre: &[Stage],
        state: State<'_>,
    ) -> Result<Aggregate, RuleError> {
        self.run(View::of(table), pre, state)
    }

    pub(super) fn run_on_spool<T: Real>(
        &self,
        spool: &Spool<'_, T>,
        pre: &[Stage],
        state: State<'_>,
        into: &Sink<'_>,
    ) -> Result<Aggregate, RuleError> {
        match self.run(View::of_spool(spool, into), pre, state) {
            Err(RuleError::Rows(found @ TableError::Value { .. })) => Err(spool.first_at_fault(found).into()),
            outcome => outcome,
        }
    }

    fn run<T: Real>(&self, view: View<'_, T>, pre: &[Stage], state: State<'_>) -> Result<Aggregate, RuleError> {
        let view = &stage::chain(view, pre)?;
        let (n, d) = (view.n(), view.d());
        self.check(n, d)?;
        state.check(n, d)?;
        let reference = state.reference.unwrap_or_default();
        if *self == Rule::FlTrust && reference.is_empty() {
            return Err(RuleError::Missing {
                rule: self.name(),
                what: "reference",
            });
        }
        self.decide(view, state, reference)
            .map_err(|fault| fault.of(self.name()))
    }

    /// The rule itself; what it is given has been checked.
    fn decide<T: Real>(&self, view: &View<'_, T>, state: State<'_>, reference: &[f64]) -> Result<Aggregate, Fault> {
        let n = view.n();
        match self {
            Rule::Mean => Decision::weighted(vec![1.0; n], n as f64).combine(view, None),
            Rule::WeightedMean { weights, cap } => Decision::weighted(capped(weights, *cap)?, 1.0).combine(view, None),
            Rule::Median => Ok(Aggregate::column_wise(view.map(&median::kernel(n))?)),
            Rule::TrimmedMean { f } => Ok(Aggregate::column_wise(view.map(&trimmed_mean::kernel(n, *f))?)),
            Rule::Meamed { f } => Ok(Aggregate::column_wise(view.map(&Meamed::new(n, *f))?)),
            Rule::SignMajority => Ok(Aggregate::column_wise(view.map(&SignMajority)?)),
            Rule::Krum { f, neighbours } => by_distance::multi_krum(view, *f, 1, *neighbours),
            Rule::MultiKrum { f, select, neighbours } => by_distance::multi_krum(view, *f, *select, *neighbours),
            Rule::Bulyan { f, stage, neighbours } => by_distance::bulyan(view, *f, *stage, *neighbours),
            Rule::Mda { f } => by_distance::mda(view, *f),
            Rule::Monna { f, index } => by_distance::monna(view, *f, *index),
            Rule::Caf { f, start, power } => by_distance::caf(view, *f, *start, *power),
            Rule::Smea { f, start, power } => by_distance::smea(view, *f, *start, *power),
            Rule::Dnc { f, filter, coordinates } => sampled::aggregate(view, *f, *filter, coordinates),
            Rule::FlTrust => by_angle::fltrust(view, reference),
            Rule::Flame => by_angle::flame(view),
            Rule::FoolsGold { kappa } => by_angle::foolsgold(view, state.history, *kappa),
            Rule::NormClipping { norm } => {
                let norms: Vec<f64> = squared_norms(view)?.into_iter().map(f64::sqrt).collect();
                let decision = Decision::weighted(clipping::factors(&norms, *norm)?, n as f64);
                decision.with_scores(Some(norms)).combine(view, None)
            }
            Rule::GeometricMedian { nu, iterations } => {
                let (at, scores) = iteration::geometric_median(view, *nu, *iterations, state.start)?;
                Decision::of(at).with_scores(scores).combine(view, state.start)
            }
            Rule::CenteredClipping { tau, iterations } => {
                let (at, scores) = iteration::centered_clipping(view, *tau, *iterations, state.start)?;
                Decision::of(at).with_scores(scores).combine(view, state.start)
            }
        }
    }

    /// The name used in configuration and on the command line.
    pub fn name(&self) -> &'static str {
        match self {
            Rule::Mean => "mean",
            Rule::WeightedMean { .. } => "weighted-mean",
            Rule::Median => "median",
            Rule::TrimmedMean { .. } => "trimmed-mean",
            Rule::Meamed { .. } => "meamed",
            Rule::GeometricMedian { .. } => "geometric-median",
            Rule::Krum { .. } => "krum",
            Rule::MultiKrum { .. } => "multi-krum",
            Rule::CenteredClipping { .. } => "centered-clipping",
            Rule::Monna { .. } => "monna",
            Rule::NormClipping { .. } => "norm-clipping",
            Rule::SignMajority => "sign-majority",
            Rule::Bulyan { .. } => "bulyan",
            Rule::Mda { .. } => "mda",
            Rule::Caf { .. } => "caf",
            Rule::Smea { .. } => "smea",
            Rule::Dnc { .. } => "dnc",
            Rule::FlTrust => "fltrust",
            Rule::Flame => "flame",
            Rule::FoolsGold { .. } => "foolsgold",
        }
    }

    /// Whether the rule must see each update; the means can also be taken of a sum.
    pub fn needs_single_updates(&self) -> bool {
        !matches!(self, Rule::Mean | Rule::WeightedMean { .. })
    }

    /// Whether a coordinate of the result depends on that coordinate of the rows only.
    pub fn coordinate_wise(&self) -> bool {
        matches!(
            self,
            Rule::Mean
                | Rule::WeightedMean { .. }
                | Rule::Median
                | Rule::TrimmedMean { .. }
                | Rule::Meamed { .. }
                | Rule::SignMajority
        )
    }

    /// The fewest rows the rule works on with these parameters. Saturates, so that an absurd `f` is never met.
    pub fn minimum_cohort(&self) -> usize {
        match *self {
            Rule::TrimmedMean { f } | Rule::Meamed { f } | Rule::Monna { f, .. } => majority(f),
            Rule::Mda { f } | Rule::Caf { f, .. } | Rule::Smea { f, .. } | Rule::Dnc { f, .. } => majority(f),
            Rule::Bulyan { f, .. } => f.saturating_mul(4).saturating_add(3),
            Rule::Krum { f, neighbours } => neighbours.minimum_cohort(f),
            Rule::MultiKrum { f, select, neighbours } => neighbours.minimum_cohort(f).max(select.saturating_add(f)),
            _ => 1,
        }
    }

    /// The most rows the rule works on: where it needs a number for each pair of rows, fewer.
    pub fn maximum_cohort(&self) -> usize {
        match self {
            Rule::Krum { .. } | Rule::MultiKrum { .. } | Rule::Bulyan { .. } | Rule::Mda { .. } => MAX_KRUM_ROWS,
            Rule::Caf { .. } | Rule::Smea { .. } | Rule::Dnc { .. } => MAX_KRUM_ROWS,
            Rule::Flame | Rule::FoolsGold { .. } => MAX_KRUM_ROWS,
            _ => MAX_ROWS,
        }
    }

    /// Whether the rule works on `n` rows of `d` coordinates with these parameters; before any pass over them.
    fn check(&self, n: usize, d: usize) -> Result<(), RuleError> {
        let rule = self.name();
        if let Rule::GeometricMedian { iterations, .. } | Rule::CenteredClipping { iterations, .. } = *self {
            iteration::check(rule, iterations)?;
        }
        self.check_parameters(n, d)
            .map_err(|error| RuleError::Decision { rule, error })?;
        let (least, most) = (self.minimum_cohort(), self.maximum_cohort());
        if n < least {
            let expected = least;
            return Err(RuleError::CohortTooSmall { rule, expected, got: n });
        }
        if n > most {
            let expected = most;
            return Err(RuleError::CohortTooLarge { rule, expected, got: n });
        }
        Ok(())
    }

    fn check_parameters(&self, n: usize, d: usize) -> Result<(), DecisionError> {
        match self {
            Rule::WeightedMean { weights, .. } => of_length("weights", n, weights.len()),
            Rule::GeometricMedian { nu, .. } => positive("nu", *nu),
            Rule::CenteredClipping { tau, .. } => not_negative("tau", *tau),
            Rule::NormClipping { norm } => not_negative("norm", *norm),
            Rule::FoolsGold { kappa } => positive("kappa", *kappa),
            Rule::Dnc {
                filter, coordinates, ..
            } => {
                not_negative("filter", *filter)?;
                coordinates.check(n, d)
            }
            Rule::Caf { power, .. } | Rule::Smea { power, .. } if *power == 0 || *power > MAX_POWER => {
                Err(DecisionError::Parameter {
                    name: "power",
                    expected: "1 to 10000 steps",
                    got: *power as f64,
                })
            }
            Rule::MultiKrum { f, select, neighbours } => {
                let most = n.saturating_sub(*f);
                match *select == 0 || (n >= neighbours.minimum_cohort(*f) && *select > most) {
                    true => Err(DecisionError::Select { most, got: *select }),
                    false => Ok(()),
                }
            }
            Rule::Monna { index, .. } if *index >= n => Err(DecisionError::NoSuchRow { row: *index, n }),
            _ => Ok(()),
        }
    }
}

fn majority(f: usize) -> usize {
    f.saturating_mul(2).saturating_add(1)
}
