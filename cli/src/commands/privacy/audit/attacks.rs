//! The three attacks: canaries along axes, canaries with wrong labels, and membership of the user's own records.
//!
//! | attack | the attacker sees | looks for | scores are independent |
//! |---|---|---|---|
//! | `gradient` | every release, and knows all other contributions | a contribution of full length along an axis, in every round (dp-sgd: whenever it is drawn) | yes |
//! | `mislabelled` | the same, and knows the seed of the batches | a record with a wrong label, whenever it is in a batch | no |
//! | `membership` | the last model, and shadow models of its own | a record's log-odds under the model (LiRA) | no |
//!
//! The first is the worst case that the claim speaks of; the last is what somebody who gets the model can do.

use std::collections::BTreeMap;

use rayon::prelude::*;
use xfl_core::{
    schema::Task,
    seed::{Seed, Stream},
    train::{Data, Table, Target},
};
use xfl_privacy::{
    Mode, Unit,
    audit::{Trial, likelihood_ratio},
};

use super::{
    planted::{Alone, Mislabelled},
    rehearsal::{Canary, Kind, Planting, Rehearsal, RehearsalError},
};

/// By how many clip norms a canary along an axis is too long: clipping has something to do, also where the clip norm has grown.
const TOO_LONG: f64 = 1e6;
/// By how much a wrong value is off, in the label's scale.
const OFF: f32 = 3.0;

/// What one attack has found.
pub(super) struct Found {
    pub(super) trials: Vec<Trial>,
    /// Independent runs that the canaries were in.
    pub(super) runs: u64,
}

/// How many runs a number of canaries takes.
pub(super) fn runs(canaries: usize, each: usize) -> u64 {
    canaries.div_ceil(each.max(1)) as u64
}

/// Canaries of a run along axes: at most half of a batch, so that real records train too.
pub(super) fn axes(rehearsal: &Rehearsal<'_>, canaries: usize) -> usize {
    match rehearsal.mechanism.unit() {
        Unit::Institution => 1,
        Unit::Record => {
            let half = (rehearsal.plan.terms().training.batch / 2).max(1);
            rehearsal.model.dimension().min(half).min(canaries)
        }
    }
}

/// Canaries along axes. Every record of a batch takes part in every round, which is what the claim charges for.
pub(super) fn gradient(
    rehearsal: &Rehearsal<'_>,
    examples: &Table,
    canaries: usize,
    seed: &Seed,
    tick: &(dyn Fn() + Sync),
) -> Result<Found, RehearsalError> {
    let (each, training) = (axes(rehearsal, canaries), &rehearsal.plan.terms().training);
    let runs = runs(canaries, each);
    let clip = (rehearsal.mechanism.clip().get() * TOO_LONG).min(1e30);
    let downhill = match rehearsal.mechanism.unit() {
        Unit::Record => clip as f32,
        // The update is the learning rate times the gradient, summed over the steps.
        Unit::Institution => (clip / training.learning_rate) as f32,
    };
    let play = |run: u64| {
        let seed = seed.derive("gradient", &[run]);
        let mut stream = seed.derive("canaries", &[]).stream();
        let rows = stream.permutation(examples.len());
        // In mode dp-sgd everybody is drawn by a coin; else a file of one batch is drawn whole.
        let batch = match rehearsal.mechanism.mode() {
            Mode::DpSgd => &rows[..],
            _ => &rows[..training.batch.min(rows.len())],
        };
        let data = examples.select(batch)?;
        let axes = stream.permutation(rehearsal.model.dimension());
        let canary = |(record, axis): (usize, usize)| Canary {
            record,
            kind: Kind::Axis { axis, downhill },
        };
        let canaries: Vec<Canary> = axes.into_iter().take(each).enumerate().map(canary).collect();
        played(rehearsal, &data, &canaries, &mut stream, &seed, tick)
    };
    together(runs, play)
}

/// Records of a run that get wrong labels: a quarter of them.
pub(super) fn wrong_labels(examples: &Table, canaries: usize) -> usize {
    (examples.len() / 4).max(1).min(canaries)
}

/// Canaries with wrong labels among the user's own records, in the plan's own batches. Unit `record` and mode local only.
pub(super) fn mislabelled(
    rehearsal: &Rehearsal<'_>,
    examples: &Table,
    canaries: usize,
    seed: &Seed,
    tick: &(dyn Fn() + Sync),
) -> Result<Found, RehearsalError> {
    let each = wrong_labels(examples, canaries);
    let play = |run: u64| {
        let seed = seed.derive("mislabelled", &[run]);
        let mut stream = seed.derive("canaries", &[]).stream();
        let chosen: Vec<usize> = stream.permutation(examples.len()).into_iter().take(each).collect();
        let wrong: BTreeMap<usize, Target> = chosen
            .iter()
            .map(|&i| (i, wrong(rehearsal, examples.target(i))))
            .collect();
        let data = Mislabelled { data: examples, wrong };
        let kind = Kind::Gradient;
        let canaries: Vec<Canary> = chosen.into_iter().map(|record| Canary { record, kind }).collect();
        played(rehearsal, &data, &canaries, &mut stream, &seed, tick)
    };
    together(runs(canaries, each), play)
}

fn wrong(rehearsal: &Rehearsal<'_>, target: Target) -> Target {
    match (target, &rehearsal.plan.terms().data.task) {
        (Target::Class(class), Task::Classification { classes }) => Target::Class((class + 1) % classes.len().max(1)),
        (Target::Class(class), _) => Target::Class(class),
        (Target::Value(value), _) => Target::Value(value + OFF),
    }
}

fn played(
    rehearsal: &Rehearsal<'_>,
    data: &dyn Data,
    canaries: &[Canary],
    stream: &mut Stream,
    seed: &Seed,
    tick: &(dyn Fn() + Sync),
) -> Result<Vec<Trial>, RehearsalError> {
    let coins = coins(stream, canaries.len());
    let planting = Planting {
        data,
        canaries,
        coins: &coins,
    };
    let scores = rehearsal.scores(&planting, seed)?;
    tick();
    Ok(trials(scores, coins))
}

fn coins(stream: &mut Stream, count: usize) -> Vec<bool> {
    (0..count).map(|_| stream.next_u64() & 1 == 1).collect()
}

fn trials(scores: Vec<f64>, coins: Vec<bool>) -> Vec<Trial> {
    let trial = |(score, included)| Trial { score, included };
    std::iter::zip(scores, coins).map(trial).collect()
}

/// All runs, in order.
fn together(
    runs: u64,
    play: impl Fn(u64) -> Result<Vec<Trial>, RehearsalError> + Sync + Send,
) -> Result<Found, RehearsalError> {
    let all: Result<Vec<_>, _> = (0..runs).into_par_iter().map(play).collect();
    Ok(Found {
        trials: all?.concat(),
        runs,
    })
}

/// Membership of the user's own records in `targets` models, by the log-odds that each gives a record's label beside those of
/// `shadows` models whose members are known (Carlini et al. 2022). Shadows and targets are independent, so that what is found of
/// the targets' records may be counted as guesses about canaries.
pub(super) fn membership(
    rehearsal: &Rehearsal<'_>,
    examples: &Table,
    (shadows, targets): (u64, u64),
    seed: &Seed,
    tick: &(dyn Fn() + Sync),
) -> Result<Found, RehearsalError> {
    let train = |run: u64| -> Result<_, RehearsalError> {
        let seed = seed.derive("membership", &[run]);
        let coins = coins(&mut seed.derive("canaries", &[]).stream(), examples.len());
        let parameters = rehearsal.trained(examples, &coins, &seed)?;
        let odds = |index| log_odds(rehearsal, &parameters, examples, index);
        let odds: Result<Vec<f64>, _> = (0..examples.len()).map(odds).collect();
        tick();
        Ok((odds?, coins))
    };
    let models: Result<Vec<_>, _> = (0..shadows.saturating_add(targets))
        .into_par_iter()
        .map(train)
        .collect();
    let mut shadow: Vec<(Vec<f64>, Vec<bool>)> = models?;
    let target = shadow.split_off(shadow.len().min(shadows as usize));
    let (scores, known): (Vec<_>, Vec<_>) = shadow.into_iter().unzip();
    let guess = |(odds, coins): (Vec<f64>, Vec<bool>)| trials(likelihood_ratio(&scores, &known, &odds), coins);
    Ok(Found {
        trials: target.into_iter().flat_map(guess).collect(),
        runs: targets,
    })
}

/// How sure a model is of a record's label: `ln(p / (1 - p))` of its class, minus the loss of a number.
fn log_odds(
    rehearsal: &Rehearsal<'_>,
    parameters: &[f32],
    data: &dyn Data,
    index: usize,
) -> Result<f64, RehearsalError> {
    let evaluation = rehearsal.model.evaluate(parameters, &Alone { data, index })?;
    let loss = evaluation.loss.clamp(1e-12, 1e12);
    Ok(match evaluation.accuracy {
        // Far from 0 the odds are the probability.
        Some(_) if loss < 30.0 => -loss.exp_m1().ln(),
        _ => -loss,
    })
}
