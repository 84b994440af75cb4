//! A rule on rows of integers, exact: as a round does it.

use std::{path::PathBuf, time::Instant};

use serde_json::json;
use xfl_aggregation::{Aggregate, KrumDistances, Rows, Rule, State, spool::Spool};

use super::{Made, Values, catalogue, params::Params, stages, updates::Updates, vectors};
use crate::failure::Failure;

/// What was asked for.
pub(super) struct Asked<'a> {
    pub(super) rule: &'a str,
    pub(super) pre: &'a [String],
    pub(super) byzantine: usize,
    /// When reading began.
    pub(super) began: Instant,
}

/// A rule with what it is told, ready for the rows.
struct Ready {
    rule: Rule,
    start: Option<Vec<i32>>,
    reference: Option<Vec<i32>>,
    history: Option<Vec<Vec<i64>>>,
    weights: Option<Vec<u64>>,
}

/// Aggregates the rows, held in memory up to `memory` bytes of them; the seconds are of reading and of the rule.
pub(super) fn aggregate(
    updates: &Updates,
    memory: u64,
    asked: &Asked<'_>,
    mut params: Params,
) -> Result<(Made, [f64; 2]), Failure> {
    let (n, d) = (updates.n(), updates.d());
    let stages = stages::exact(asked.pre, asked.byzantine, n, &mut params)?;
    let ready = Ready::parse(asked, stages.rows, d, &mut params)?;
    params.finish(asked.rule)?;
    let (pre, state) = (&stages.stages[..], ready.state());
    let (read, made);
    if updates.bytes() <= memory {
        let values = updates.held::<i32>()?;
        let rows = Rows::new(values.chunks_exact(d).collect()).map_err(|error| updates.not_rows(&error))?;
        read = asked.began.elapsed().as_secs_f64();
        made = ready.rule.aggregate_after(&rows, pre, state);
    } else {
        let spool = Spool::new(updates).map_err(|error| updates.not_rows(&error))?;
        read = asked.began.elapsed().as_secs_f64();
        made = ready.rule.aggregate_spool(&spool, pre, state);
        updates.unchanged()?;
    }
    let made = made.map_err(|error| updates.exact_failure(&error))?;
    let aggregated = asked.began.elapsed().as_secs_f64() - read;
    Ok((ready.described(made), [read, aggregated]))
}

impl Ready {
    /// `n` counts the rows after the stages.
    fn parse(asked: &Asked<'_>, n: usize, d: usize, params: &mut Params) -> Result<Self, Failure> {
        let rule = catalogue::exact(asked.rule, asked.byzantine, n, params)?;
        let mut ready = Self {
            rule,
            start: None,
            reference: None,
            history: None,
            weights: None,
        };
        let vector = |path: PathBuf| vectors::integers(&path, d);
        match rule {
            Rule::GeometricMedian { .. } | Rule::CenteredClipping { .. } => {
                ready.start = params.maybe("start")?.map(vector).transpose()?;
            }
            Rule::FlTrust => {
                let what = "a .npy file of the update that the coordinator trusts, its own, in grid steps";
                ready.reference = Some(vector(params.needed("reference", what)?)?);
            }
            Rule::FoolsGold { .. } => {
                let history: Option<PathBuf> = params.maybe("history")?;
                ready.history = history.map(|path| vectors::integer_rows(&path)).transpose()?;
            }
            Rule::WeightedMean { .. } => {
                let file: PathBuf = params.needed("weights", "a .npy file of a whole number for each row")?;
                ready.weights = Some(vectors::naturals(&file, n)?);
            }
            _ => {}
        }
        Ok(ready)
    }

    fn state(&self) -> State<'_> {
        State {
            start: self.start.as_deref(),
            reference: self.reference.as_deref(),
            history: self.history.as_deref(),
            weights: self.weights.as_deref(),
        }
    }

    /// Whether the rule keeps some rows as a whole and leaves out others.
    fn selects(&self) -> bool {
        use Rule::{Bulyan, Dnc, Flame, Krum, Mda, Monna, MultiKrum, Smea};
        matches!(
            self.rule,
            Krum { .. }
                | MultiKrum { .. }
                | Bulyan { .. }
                | Mda { .. }
                | Monna { .. }
                | Smea { .. }
                | Dnc { .. }
                | Flame
        )
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
