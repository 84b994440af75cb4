//! What must be true of a run after its end, found out without the protocol's own state.

use std::collections::BTreeSet;

use xfl_aggregation::limits::Limits;
use xfl_core::{
    audit::{self, Verdict},
    identity::NodeId,
    plan::{Plan, RuleName, ServerName},
    round::aggregate::{model_root, moved},
    transcript::{Aggregated, Entry, Reader},
};
use xfl_settlement::row::aggregate_tree;

use crate::{
    cast::{self, Frugal},
    sim::{End, World},
};

/// Checks a world that came to its end.
pub(crate) fn judge(world: &World, end: &End) {
    let (scenario, office) = (&world.scenario, &world.office);
    let journal = office.journal();
    let finished = replay_by_hand(world, &journal);
    let count = scenario.plan.terms().rounds.count;
    match end {
        End::Finished => assert_eq!(finished, count, "finished, and not all rounds are"),
        End::Failed(reason) => {
            assert!(
                !scenario.must_finish(),
                "{:?} failed: {reason}; {:?}",
                scenario.class,
                scenario.characters
            );
            let clear = ["connected and the quorum", "was abandoned", "signatures of"];
            assert!(clear.iter().any(|c| reason.contains(c)), "no quorum error: {reason}");
        }
    }
    let audit = audit::replay(&journal, Some(&mut Frugal));
    let wrong: Vec<String> = audit
        .checks
        .iter()
        .filter(|c| c.verdict != Verdict::Holds)
        .map(ToString::to_string)
        .collect();
    assert!(audit.holds() && wrong.is_empty(), "the audit says {wrong:?}");
    let posted: Vec<_> = audit.posted.iter().map(|p| &p.header).collect();
    let chain: Vec<_> = office.chain.values().take(posted.len()).collect();
    assert_eq!(posted, chain, "the chain holds what the transcript says");
    assert!(office.chain.len() <= posted.len() + 1);
    for host in &world.members {
        assert!(journal.starts_with(&host.copy), "the copy of {} differs", host.place);
        if host.finished {
            let posted = rounds_in(&host.copy);
            assert_eq!(posted, count, "the copy of {} isn't whole", host.place);
        }
    }
}

/// Rounds that a transcript says are posted.
fn rounds_in(transcript: &[u8]) -> u64 {
    let (mut reader, mut posted) = (Reader::new(transcript), 0);
    while let Some(entry) = reader.next().unwrap() {
        posted += u64::from(matches!(entry, Entry::Posted { .. }));
    }
    posted
}

/// Follows the transcript with nothing but the members' true updates; the number of finished rounds.
fn replay_by_hand(world: &World, journal: &[u8]) -> u64 {
    let plan = &world.scenario.plan;
    let mut model = cast::genesis(&world.scenario).model;
    let (mut at, mut finished, mut next) = ((0, 0), 0, Vec::new());
    let mut closed: BTreeSet<NodeId> = BTreeSet::new();
    let mut reader = Reader::new(journal);
    while let Some(entry) = reader.next().unwrap() {
        match entry {
            Entry::Begun { round, attempt, .. } => at = (round, attempt),
            Entry::Closed { members, phase, .. }
                if !matches!(phase, xfl_core::round::Phase::Agree | xfl_core::round::Phase::Open) =>
            {
                closed = members.into_iter().collect();
            }
            Entry::Aggregated(aggregated) => {
                let of = |id: &NodeId| {
                    let host = world.members.iter().find(|m| m.id() == *id).unwrap();
                    host.releases[&(at.0, if plan.masked() { at.1 } else { 0 })].clone()
                };
                next = recompute(plan, &model, &aggregated, &closed, of);
            }
            Entry::Posted { .. } => {
                finished += 1;
                assert_eq!(at.0, finished, "rounds finish in sequence");
                model = std::mem::take(&mut next);
            }
            _ => {}
        }
    }
    finished
}

fn recompute(
    plan: &Plan,
    model: &[f32],
    aggregated: &Aggregated,
    closed: &BTreeSet<NodeId>,
    of: impl Fn(&NodeId) -> Vec<i32>,
) -> Vec<f32> {
    let all: BTreeSet<NodeId> = aggregated.members.iter().chain(&aggregated.refused).copied().collect();
    assert_eq!(all, *closed, "whoever answered in time is either in or refused");
    let mechanism = plan.mechanism(model.len()).unwrap();
    let limits = Limits {
        max_abs: mechanism.max_abs().unsigned_abs(),
        max_norm_squared: mechanism.max_norm_squared(),
    };
    let updates: Vec<Vec<i32>> = aggregated.members.iter().map(&of).collect();
    assert!(
        updates.iter().all(|u| limits.check(u, model.len()).is_ok()),
        "an update over the norm is in"
    );
    assert!(
        aggregated
            .refused
            .iter()
            .all(|m| limits.check(&of(m), model.len()).is_err()),
        "refused for nothing"
    );
    let a = &plan.terms().aggregation;
    let cut = |n: usize| match a.rule {
        _ if !a.pre.is_empty() || plan.terms().training.server != ServerName::FedAvg => None,
        RuleName::Mean => Some(0),
        RuleName::Median => Some((n - 1) / 2),
        // A refused update is one of the bad ones.
        RuleName::TrimmedMean => Some(a.byzantine.saturating_sub(aggregated.refused.len())),
        // The crate of the rules compares these with other implementations; that replaying gives the same is the audit's.
        _ => None,
    };
    let weighted = a.rule == RuleName::WeightedMean && a.pre.is_empty();
    if plan.terms().training.server == ServerName::FedAvg && weighted {
        let cap = a.weight_cap.unwrap();
        let weight = |m: &NodeId| a.weights.get(m).map_or(1, |w| *w.min(&cap)) as i64;
        let weights: Vec<i64> = aggregated.members.iter().map(weight).collect();
        let column = |i: usize| -> i64 { updates.iter().zip(&weights).map(|(u, w)| w * i64::from(u[i])).sum() };
        let floored = |i: usize| column(i).div_euclid(weights.iter().sum()) as i32;
        return led_to(
            plan,
            model,
            aggregated,
            &(0..model.len()).map(floored).collect::<Vec<_>>(),
        );
    }
    let Some(cut) = cut(updates.len()) else {
        return model.to_vec();
    };
    let values: Vec<i32> = (0..model.len())
        .map(|i| {
            let mut column: Vec<i64> = updates.iter().map(|u| i64::from(u[i])).collect();
            column.sort_unstable();
            let kept = &column[cut..column.len() - cut];
            kept.iter().sum::<i64>().div_euclid(kept.len() as i64) as i32
        })
        .collect();
    led_to(plan, model, aggregated, &values)
}

/// The model that an aggregate leads to, if the transcript has the same.
fn led_to(plan: &Plan, model: &[f32], aggregated: &Aggregated, values: &[i32]) -> Vec<f32> {
    assert_eq!(
        aggregate_tree(values).unwrap().root(),
        aggregated.aggregate_root,
        "a wrong aggregate"
    );
    let next = moved(model, values, plan.parameter_step());
    assert_eq!(model_root(&next), aggregated.model_root, "a wrong model");
    next
}
