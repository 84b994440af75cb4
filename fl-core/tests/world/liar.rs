//! A coordinator that lies about scores - true entries up to a round's scores, and then something else - or that gives up attempts which could
//! go on, to draw another coin.

use xfl_core::{
    plan::ScoreKind,
    round::{Phase, RoundError, Rounds},
    transcript::{Entry, Reader, Scored},
};

use crate::{cast::Frugal, sim::World};

/// Tries every lie at every scored round of a finished world; how many rounds had values of models to lie about.
pub(crate) fn lies(world: &World) -> usize {
    let journal = world.office.journal();
    let (mut rounds, mut reader) = begin(&journal);
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

/// Wants to give up every attempt of a finished world, before each of its entries: how often that was refused, and how often it was tried
/// where an attempt lacked something.
pub(crate) fn gives_up(world: &World) -> (usize, usize) {
    let journal = world.office.journal();
    let (mut refused, mut lacking) = (0, Vec::new());
    let (mut rounds, mut entries) = begin(&journal);
    let mut height = 0;
    while let Some(entry) = entries.next().unwrap() {
        let lacks = rounds.gathers() && rounds.complete().len() < rounds.needed();
        let trusted = rounds.plan().sealed() && matches!(rounds.phase(), Phase::Upload | Phase::Aggregate);
        if lacks && rounds.phase() != Phase::Endorse {
            lacking.push(height);
        } else if !trusted {
            give_up(&mut rounds).unwrap_err();
            refused += 1;
        }
        rounds.apply(&entry, Some(&mut Frugal)).unwrap();
        height += 1;
    }
    // What is refused changes nothing, so one replay did for all of it; what isn't takes one each.
    let some = lacking.into_iter().step_by(9);
    let given_up = some.map(|height| {
        let (mut rounds, mut entries) = begin(&journal);
        for _ in 0..height {
            rounds
                .apply(&entries.next().unwrap().unwrap(), Some(&mut Frugal))
                .unwrap();
        }
        give_up(&mut rounds).unwrap();
        assert_eq!(rounds.phase(), Phase::Idle);
    });
    (refused, given_up.count())
}

fn give_up(rounds: &mut Rounds) -> Result<(), RoundError> {
    let entry = Entry::Abandoned {
        reason: "the coin is unlucky".into(),
        at: 0,
    };
    rounds.apply(&entry, Some(&mut Frugal)).map(drop)
}

fn begin(journal: &[u8]) -> (Rounds, Reader<'_>) {
    let mut entries = Reader::new(journal);
    let Some(Entry::Genesis(genesis)) = entries.next().unwrap() else {
        panic!("a transcript without a beginning");
    };
    (Rounds::begin(*genesis).unwrap(), entries)
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
