//! A rule on rows of integers, exact: as a round does it.

use std::{fmt::Display, path::PathBuf, time::Instant};

use serde_json::json;
use xfl_aggregation::{Aggregate, KrumDistances, Rows, Rule, Stage, State, weighted_mean_after};

use super::{Made, Values, catalogue, params::Params, stages, vectors};
use crate::failure::Failure;

/// What was asked for.
pub(super) struct Asked<'a> {
    pub(super) rule: &'a str,
    pub(super) pre: &'a [String],
    pub(super) byzantine: usize,
    /// When reading began.
    pub(super) began: Instant,
    /// Says of the file what is wrong with it.
    pub(super) refused: &'a dyn Fn(&dyn Display) -> Failure,
}

/// A rule with what it is told, ready for the rows.
enum Ready {
    Rule(Rule, Told),
    WeightedMean { weights: Vec<u64>, cap: Option<u64> },
}

/// What a rule is told besides the rows.
#[derive(Default)]
struct Told {
    start: Option<Vec<i32>>,
    reference: Option<Vec<i32>>,
    history: Option<Vec<Vec<i64>>>,
}

/// Aggregates rows of `d` values each; the seconds are of reading and of the rule.
pub(super) fn aggregate(
    values: &[i32],
    d: usize,
    asked: &Asked<'_>,
    mut params: Params,
) -> Result<(Made, [f64; 2]), Failure> {
    let n = values.len() / d.max(1);
    let stages = stages::exact(asked.pre, asked.byzantine, n, &mut params)?;
    let ready = Ready::parse(asked, stages.rows, d, &mut params)?;
    params.finish(asked.rule)?;
    let rows = Rows::new(values.chunks_exact(d.max(1)).collect()).map_err(|error| (asked.refused)(&error))?;
    let read = asked.began.elapsed().as_secs_f64();
    let made = ready.run(&rows, &stages.stages);
    let made = made.map_err(|error| (asked.refused)(&error))?;
    let aggregated = asked.began.elapsed().as_secs_f64() - read;
    Ok((ready.described(made), [read, aggregated]))
}

impl Ready {
    /// `n` counts the rows after the stages.
    fn parse(asked: &Asked<'_>, n: usize, d: usize, params: &mut Params) -> Result<Self, Failure> {
        if asked.rule == "weighted-mean" {
            let file: PathBuf = params.needed("weights", "a .npy file of a whole number for each row")?;
            return Ok(Ready::WeightedMean {
                weights: vectors::naturals(&file, n)?,
                cap: params.maybe("cap")?,
            });
        }
        let rule = catalogue::exact(asked.rule, asked.byzantine, n, params)?;
        let mut told = Told::default();
        let vector = |path: PathBuf| vectors::integers(&path, d);
        match rule {
            Rule::GeometricMedian { .. } | Rule::CenteredClipping { .. } => {
                told.start = params.maybe("start")?.map(vector).transpose()?;
            }
            Rule::FlTrust => {
                let what = "a .npy file of the update that the coordinator trusts, its own, in grid steps";
                told.reference = Some(vector(params.needed("reference", what)?)?);
            }
            Rule::FoolsGold { .. } => {
                let history: Option<PathBuf> = params.maybe("history")?;
                told.history = history.map(|path| vectors::integer_rows(&path)).transpose()?;
            }
            _ => {}
        }
        Ok(Ready::Rule(rule, told))
    }

    fn run(&self, rows: &Rows<'_>, pre: &[Stage]) -> Result<Aggregate, xfl_aggregation::RuleError> {
        match self {
            Ready::Rule(rule, told) => rule.aggregate_after(
                rows,
                pre,
                State {
                    start: told.start.as_deref(),
                    reference: told.reference.as_deref(),
                    history: told.history.as_deref(),
                },
            ),
            Ready::WeightedMean { weights, cap } => weighted_mean_after(rows, pre, weights, *cap),
        }
    }

    /// Whether the rule keeps some rows as a whole and leaves out others.
    fn selects(&self) -> bool {
        use Rule::{Bulyan, Dnc, Flame, Krum, Mda, Monna, MultiKrum, Smea};
        match self {
            Ready::Rule(Krum { .. } | MultiKrum { .. } | Bulyan { .. } | Mda { .. } | Monna { .. }, _) => true,
            Ready::Rule(Smea { .. } | Dnc { .. } | Flame, _) => true,
            Ready::Rule(..) | Ready::WeightedMean { .. } => false,
        }
    }

    fn described(&self, made: Aggregate) -> Made {
        // Exact integers don't fit every reader's numbers.
        let exact = |krum: &KrumDistances, i, j| json!(krum.squared.get(i, j).map(|v| v.to_string()));
        let distances = made.distances.as_ref().map(|krum| {
            let n = krum.squared.n();
            (0..n).map(|i| (0..n).map(|j| exact(krum, i, j)).collect()).collect()
        });
        Made {
            values: Values::Integers(made.values),
            selected: self.selects().then_some(made.selected),
            weights: made.weights,
            scores: made
                .distances
                .map(|krum| krum.scores.into_iter().map(|score| score as f64).collect()),
            distances,
        }
    }
}
