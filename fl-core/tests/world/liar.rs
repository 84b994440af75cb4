//! A coordinator that lies about scores: true entries up to a round's scores, and then something else.

use xfl_core::{
    plan::ScoreKind,
    round::{RoundError, Rounds},
    transcript::{Entry, Reader, Scored},
};

use crate::{cast::Frugal, sim::World};

/// Tries every lie at every scored round of a finished world; how many rounds had values of models to lie about.
pub(crate) fn lies(world: &World) -> usize {
    let journal = world.office.journal();
    let mut reader = Reader::new(&journal);
    let Some(Entry::Genesis(genesis)) = reader.next().unwrap() else {
        panic!("a transcript without a beginning");
    };
    let mut rounds = Rounds::begin(*genesis).unwrap();
    let kind = rounds.plan().terms().score.kind;
    let mut tried = 0;
    while let Some(entry) = reader.next().unwrap() {
        if let Entry::Scored(told) = &entry {
            paid_too_much(&mut rounds, told);
            if kind.needs_held_out() {
                values(&mut rounds, told, kind);
                tried += 1;
            }
        }
        rounds.apply(&entry, Some(&mut Frugal)).unwrap();
    }
    tried
}

fn differs(rounds: &mut Rounds, scored: Scored, judged: bool) -> &'static str {
    let mut frugal = Frugal;
    let referee = judged.then_some(&mut frugal as &mut dyn xfl_core::round::Referee);
    match rounds.apply(&Entry::Scored(scored), referee) {
        Err(RoundError::Differs { what, .. }) => what,
        other => panic!("a lie was believed: {other:?}"),
    }
}

/// Whoever replays notices, with the held-out data or without.
fn paid_too_much(rounds: &mut Rounds, told: &Scored) {
    let mut lie = told.clone();
    lie.rewards[0] += 1;
    assert_eq!(differs(rounds, lie, true), "rewards");
    let mut lie = told.clone();
    lie.scores[0] += 1;
    assert_eq!(differs(rounds, lie, false), "scores");
    let mut lie = told.clone();
    lie.values.push(0);
    assert_eq!(differs(rounds, lie, false), "number of values");
}

/// A value alone is believed by those who have no held-out data, but not what was paid for it; the auditor who has them
/// believes neither.
fn values(rounds: &mut Rounds, told: &Scored, kind: ScoreKind) {
    let tolerance = i64::from(rounds.plan().terms().score.tolerance_ppm);
    let mut lie = told.clone();
    lie.values[0] += tolerance + 1;
    assert_eq!(differs(rounds, lie, true), "value of a model");
    let mut lie = told.clone();
    lie.values.pop();
    assert_eq!(differs(rounds, lie, false), "number of values");
    if kind == ScoreKind::Shapley {
        // The value of everybody: all scores grow with it.
        let mut lie = told.clone();
        *lie.values.last_mut().unwrap() += 1_000_000;
        assert_eq!(differs(rounds, lie, false), "scores");
    }
}
