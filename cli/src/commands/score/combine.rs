//! What makes one update of a coalition's rows: a rule by its name, or a plan's own stages and rule as a round has them.
//!
//! **The plan's.** For k rows it is what the plan says of k updates, none refused; buckets and sampled coordinates are drawn from the
//! number that `--rule-param seed=` gives. It works on whole steps of the plan's grid, so rows of floats are rounded to that. What a rule
//! has from the rounds before is nothing unless given: `start=` (the last aggregate: geometric-median, centered-clipping), `history=`
//! (sums of each row's sender: foolsgold). Rows have no keys, so `weights=` says what each weighs under weighted-mean.

use std::{fmt::Display, path::PathBuf};

use xfl_aggregation::{
    Rows, RuleError, State,
    real::{self, Table},
};
use xfl_core::{
    plan::{Plan, RuleName, StageName},
    seed::Seed,
};

use super::updates::{Update, Updates};
use crate::{
    commands::aggregate::{Params, Told, catalogue, vectors},
    failure::Failure,
};

/// The rule that makes one update of the rows of a coalition, whatever their number.
pub(super) struct Combine {
    name: String,
    how: How,
}

enum How {
    /// By name and parameters.
    Named {
        byzantine: usize,
        params: Vec<String>,
        told: Option<Told>,
    },
    /// As a round of the plan does it.
    Planned(Box<Planned>),
}

struct Planned {
    plan: Plan,
    coin: Seed,
    start: Option<Vec<i32>>,
    /// For each row of the file.
    history: Option<Vec<Vec<i64>>>,
    /// For each row of the file.
    weights: Option<Vec<u64>>,
}

impl Combine {
    /// The rule `name`, tried for all of `updates`' rows.
    pub(super) fn new(name: &str, byzantine: usize, params: &[String], updates: &Updates) -> Result<Self, Failure> {
        if name == "weighted-mean" {
            return Err(Failure::usage("weighted-mean weighs rows by a file of their weights")
                .hint("name another rule, or \"plan\" for a plan that has it, with --rule-param weights=FILE.npy"));
        }
        let mut told = None;
        let mut given = Params::parse(params)?;
        if updates.integers() {
            catalogue::exact(name, byzantine, updates.n(), &mut given)?;
        } else {
            let rule = catalogue::rule(name, byzantine, updates.n(), &mut given)?;
            told = Some(Told::read(&rule, updates.d(), &mut given)?);
        }
        given.finish(name)?;
        let params = params.to_vec();
        Ok(Self {
            name: name.to_owned(),
            how: How::Named {
                byzantine,
                params,
                told,
            },
        })
    }

    /// The plan's stages and rule.
    pub(super) fn planned(plan: Plan, params: &[String], updates: &Updates) -> Result<Self, Failure> {
        use RuleName::{CenteredClipping, Dnc, FoolsGold, GeometricMedian, WeightedMean};
        let a = &plan.terms().aggregation;
        let mut given = Params::parse(params)?;
        let draws = a.rule == Dnc || a.pre.contains(&StageName::Bucketing);
        let seed = match draws {
            true => given.needed("seed", "the number that buckets and sampled coordinates are drawn from")?,
            false => 0,
        };
        let (n, d) = (updates.n(), updates.d());
        let (mut start, mut history, mut weights) = (None, None, None);
        match a.rule {
            GeometricMedian | CenteredClipping => {
                let file: Option<PathBuf> = given.maybe("start")?;
                start = file.map(|file| vectors::steps(&file, d)).transpose()?;
            }
            FoolsGold => {
                let file: Option<PathBuf> = given.maybe("history")?;
                history = file.map(|file| vectors::integer_rows(&file)).transpose()?;
            }
            WeightedMean => {
                let what = "a .npy file of a whole number for each row: the plan weighs members by their keys, which rows don't have";
                let file: PathBuf = given.needed("weights", what)?;
                weights = Some(vectors::naturals(&file, n)?);
            }
            _ => {}
        }
        let mut names: Vec<&str> = a.pre.iter().map(|stage| stage.name()).collect();
        names.push(a.rule.name());
        let name = names.join(" + ");
        given.finish(&format!("the plan's {name}"))?;
        if let Some(got) = history.as_ref().map(Vec::len).filter(|got| *got != n) {
            return Err(Failure::usage(format!(
                "a history of {got} rows, expected one for each of the {n} rows"
            )));
        }
        let planned = Planned {
            plan,
            coin: Seed::from_number(seed),
            start,
            history,
            weights,
        };
        Ok(Self {
            name,
            how: How::Planned(Box::new(planned)),
        })
    }

    /// Stages and rule.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// What it makes of rows of floats.
    pub(super) fn floats<T: real::Real>(&self, rows: Vec<&[T]>) -> Result<Update, Failure> {
        let How::Named {
            byzantine,
            params,
            told,
        } = &self.how
        else {
            return Err(Failure::failed(
                "the plan's rule was given rows that are not on its grid",
            ));
        };
        let mut params = Params::parse(params)?;
        let rule = catalogue::rule(&self.name, *byzantine, rows.len(), &mut params)?;
        let state = told.as_ref().map_or(real::State::default(), Told::state);
        let table = Table::new(rows).map_err(|error| self.fails(&error))?;
        let made = rule.aggregate(&table, &[], state).map_err(|error| self.fails(&error))?;
        Ok(Update::Floats(made.values))
    }

    /// What it makes of rows of integers, `numbers` of the file's.
    pub(super) fn integers(&self, rows: Vec<&[i32]>, numbers: &[usize]) -> Result<Update, Failure> {
        let rows = Rows::new(rows).map_err(|error| self.fails(&error))?;
        let made = match &self.how {
            How::Named { byzantine, params, .. } => {
                let mut params = Params::parse(params)?;
                catalogue::exact(&self.name, *byzantine, rows.n(), &mut params)?.aggregate(&rows)
            }
            How::Planned(planned) => planned.aggregate(&rows, numbers),
        };
        Ok(Update::Integers(made.map_err(|error| self.fails(&error))?.values))
    }

    fn fails(&self, error: &dyn Display) -> Failure {
        let failure = Failure::usage(error.to_string());
        match (self.name.as_str(), &self.how) {
            ("mean", _) => failure,
            (_, How::Named { .. }) => {
                failure.hint("the mean works on coalitions of any size: leave --rule out, or make --byzantine smaller")
            }
            (_, How::Planned(_)) => failure.hint(
                "rounds value coalitions by their mean, which works on any size: leave --rule out, or score by --aggregate",
            ),
        }
    }
}

impl Planned {
    fn aggregate(&self, rows: &Rows<'_>, numbers: &[usize]) -> Result<xfl_aggregation::Aggregate, RuleError> {
        let pipeline = self.plan.pipeline(rows.n(), 0, &self.coin);
        let of_rows = |all: &Vec<Vec<i64>>| -> Vec<Vec<i64>> { numbers.iter().map(|&row| all[row].clone()).collect() };
        let history = self.history.as_ref().map(of_rows);
        let weights: Option<Vec<u64>> = self
            .weights
            .as_ref()
            .map(|all| numbers.iter().map(|&row| all[row]).collect());
        let state = State {
            start: self.start.as_deref(),
            history: history.as_deref(),
            weights: weights.as_deref(),
            ..State::default()
        };
        pipeline.rule.aggregate_after(rows, &pipeline.pre, state)
    }
}
