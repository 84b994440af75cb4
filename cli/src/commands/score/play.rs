//! Scores of a game, and what they cost.

use rayon::prelude::*;
use serde_json::{Map, Value, json};
use xfl_aggregation::score::{
    Coalition, Game, GameError, GtgEnd, Ppm, SampledShapley, ShapleyError, exact_shapley, gtg_shapley,
    truncated_shapley,
};

use super::{
    scorer::{Scorer, USUALLY, USUALLY_GUIDED},
    worth::{Models, NoValue, Worth},
};
use crate::{failure::Failure, progress::Evaluations};

/// Scores, row by row, and what they cost.
#[derive(Debug, Default)]
pub(super) struct Scored {
    /// In ppm.
    pub(super) scores: Vec<Ppm>,
    /// Standard errors of estimates.
    pub(super) errors: Option<Vec<f64>>,
    /// What rewards go by, where not by the scores.
    pub(super) reputations: Option<Vec<Ppm>>,
    /// Values of coalitions that were asked of their source.
    pub(super) evaluations: usize,
    /// Values that were known by then.
    pub(super) cache_hits: usize,
    /// What else the scorer says.
    pub(super) details: Map<String, Value>,
}

/// Plays `scorer` for `n` rows.
pub(super) fn play(scorer: &Scorer, worth: &Worth, n: usize, ticks: &Evaluations) -> Result<Scored, Failure> {
    if let (Scorer::LeaveOneOut, Worth::Models(models)) = (scorer, worth) {
        // Not by coalitions, which tell 64 rows apart.
        return leave_one_out(models, n, ticks).map_err(|NoValue(failure)| failure);
    }
    let mut game = worth.game(n, ticks).map_err(|error| explained(error.into()))?;
    match scorer {
        Scorer::Shapley => exact(&mut game),
        Scorer::TruncatedShapley { orders, tolerance } => {
            let orders = orders.draw(n, USUALLY);
            truncated_shapley(&mut game, &orders, *tolerance).map(|made| sampled(made, n))
        }
        Scorer::GtgShapley { orders, terms } => {
            let orders = orders.draw(n, USUALLY_GUIDED.max(n));
            gtg_shapley(&mut game, &orders, terms).map(|made| {
                let mut scored = sampled(made.sampled, n);
                let end = match made.end {
                    GtgEnd::RoundSkipped => "the round changed too little",
                    GtgEnd::Converged => "converged",
                    GtgEnd::OutOfOrders => "out of orders",
                };
                scored.details.insert("ended".into(), end.into());
                scored
            })
        }
        _ => without_each(&mut game),
    }
    .map_err(explained)
}

/// Leave-one-out on models: nothing is evaluated for a row whose absence changes no bit of the update.
fn leave_one_out(models: &Models, n: usize, ticks: &Evaluations) -> Result<Scored, NoValue> {
    let everybody: Vec<usize> = (0..n).collect();
    let whole = models.update(&everybody)?;
    let of_all = models.value(&whole, &everybody)?;
    ticks.tick();
    let without = |row: usize| {
        let others: Vec<usize> = (0..n).filter(|&other| other != row).collect();
        let update = models.update(&others)?;
        let value = if update == whole {
            None
        } else {
            Some(models.value(&update, &others)?)
        };
        ticks.tick();
        Ok(value)
    };
    let others: Vec<Option<Ppm>> = (0..n).into_par_iter().map(without).collect::<Result<_, NoValue>>()?;
    let evaluations = 1 + others.iter().flatten().count();
    let lost = |(row, other): (usize, &Option<Ppm>)| match other {
        None => Ok(Ppm::ZERO),
        Some(other) => less(row, of_all, *other).map_err(|error| NoValue(explained(error))),
    };
    Ok(Scored {
        scores: others.iter().enumerate().map(lost).collect::<Result<_, _>>()?,
        evaluations,
        cache_hits: n + 1 - evaluations,
        details: ends(None, of_all),
        ..Scored::default()
    })
}

/// Leave-one-out on any game.
fn without_each(game: &mut Game<'_, NoValue>) -> Result<Scored, ShapleyError<NoValue>> {
    let n = game.players();
    let everybody = Coalition::first(n);
    let mut asked = vec![everybody];
    asked.extend((0..n).map(|row| everybody.without(row)));
    let values = game.ask(&asked)?;
    let others = values[1..].iter().enumerate();
    let scores = others.map(|(row, &other)| less(row, values[0], other));
    Ok(Scored {
        scores: scores.collect::<Result<_, _>>()?,
        evaluations: game.evaluations(),
        details: ends(None, values[0]),
        ..Scored::default()
    })
}

fn exact(game: &mut Game<'_, NoValue>) -> Result<Scored, ShapleyError<NoValue>> {
    let made = exact_shapley(game)?;
    let mut details = ends(Some(made.value_of_none), made.value_of_all);
    // Exact integers don't fit every reader's numbers.
    let numerators: Vec<String> = made.numerators.iter().map(i128::to_string).collect();
    let fractions = json!({ "numerators": numerators, "denominator": made.denominator.to_string() });
    details.insert("exact".into(), fractions);
    Ok(Scored {
        scores: made.scores,
        evaluations: made.evaluations,
        details,
        ..Scored::default()
    })
}

fn sampled(made: SampledShapley, n: usize) -> Scored {
    let mut details = ends(Some(made.value_of_none), made.value_of_all);
    details.insert("orders".into(), made.orders.into());
    details.insert("steps_truncated".into(), made.truncated.into());
    // The two ends, and every step of every walk but those cut off.
    let asked = (made.orders * n + 2).saturating_sub(made.truncated);
    Scored {
        scores: made.scores,
        errors: made.standard_errors,
        evaluations: made.evaluations,
        cache_hits: asked.saturating_sub(made.evaluations),
        details,
        ..Scored::default()
    }
}

fn ends(none: Option<Ppm>, all: Ppm) -> Map<String, Value> {
    let mut details = Map::new();
    details.extend(none.map(|none| ("value_of_nobody".to_owned(), none.0.into())));
    details.insert("value_of_all".into(), all.0.into());
    details
}

/// What is lost without a row.
fn less(row: usize, all: Ppm, others: Ppm) -> Result<Ppm, ShapleyError<NoValue>> {
    all.checked_sub(others).ok_or(ShapleyError::OutOfRange { row })
}

/// What went wrong, and what to do.
fn explained(error: ShapleyError<NoValue>) -> Failure {
    match error {
        ShapleyError::Game(GameError::Value(NoValue(failure))) => failure,
        error @ ShapleyError::TooManyPlayers { .. } => Failure::usage(error.to_string())
            .hint("--scorer truncated-shapley or gtg-shapley sample up to 64 rows; leave-one-out takes any number"),
        error @ ShapleyError::TooFewOrders { .. } => Failure::usage(error.to_string())
            .hint("ask for a sweep at least: --param orders= as many as there are rows"),
        error @ ShapleyError::Game(GameError::TooManyPlayers { .. }) => {
            Failure::usage(error.to_string()).hint("leave-one-out on held-out data, cosine and cgsv take more rows")
        }
        error => Failure::usage(error.to_string()),
    }
}
