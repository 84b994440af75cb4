//! What must be true of a run after its end, found out without the protocol's own state.

use std::collections::BTreeSet;

use xfl_aggregation::limits::Limits;
use xfl_core::{
    audit::{self, Verdict},
    identity::NodeId,
    message::Report,
    plan::{Plan, RuleName, ServerName},
    round::aggregate::{model_root, moved},
    transcript::{Aggregated, Entry, Reader},
};
use xfl_privacy::Mode;
use xfl_settlement::row::aggregate_tree;

use crate::{
    accuser,
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
        // What the coordinator alone can know is said to be unchecked: that answers didn't come, and all of a sealed round.
        .filter(|c| {
            let word = c.text.contains("coordinator's word") || c.text.contains("its word");
            let given_up = c.text.starts_with("abandoned");
            !(c.verdict == Verdict::Unchecked && word && (given_up || scenario.plan.sealed()))
        })
        .map(ToString::to_string)
        .collect();
    assert!(audit.holds() && wrong.is_empty(), "the audit says {wrong:?}");
    let posted: Vec<_> = audit.posted.iter().map(|p| &p.header).collect();
    let chain: Vec<_> = office.chain.values().take(posted.len()).collect();
    assert_eq!(posted, chain, "the chain holds what the transcript says");
    assert!(office.chain.len() <= posted.len() + 1);
    let genesis = audit.rounds.as_ref().unwrap().genesis();
    accuser::finds_nothing(world, &journal, genesis);
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
    let genesis = cast::genesis(&world.scenario);
    let beginning = genesis.beginning();
    let mut model = genesis.model;
    let (mut at, mut finished, mut next) = ((0, 0), 0, (Vec::new(), 1.0));
    let (mut scale, mut sum) = (1.0, None);
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
            Entry::Accepted(parcel) if plan.sealed() => {
                let report: Report = parcel.envelope.open(beginning).unwrap();
                assert!(
                    !matches!(report, Report::Upload(_)),
                    "an update that is for the coordinator alone"
                );
            }
            Entry::Summed { values } => {
                assert!(
                    sum.replace((at, values)).is_none_or(|(before, _)| before.0 < at.0),
                    "a second sum of a round"
                );
            }
            Entry::Aggregated(aggregated) => {
                let of = |id: &NodeId| {
                    let host = world.members.iter().find(|m| m.id() == *id).unwrap();
                    host.releases[&(at.0, if plan.masked() { at.1 } else { 0 })].clone()
                };
                let sum = sum.as_ref().map(|(_, values): &(_, Vec<i64>)| values.as_slice());
                next = recompute(plan, (&model, scale), &aggregated, &closed, of, sum);
            }
            Entry::Posted { .. } => {
                finished += 1;
                assert_eq!(at.0, finished, "rounds finish in sequence");
                (model, scale) = std::mem::take(&mut next);
            }
            _ => {}
        }
    }
    finished
}

fn recompute(
    plan: &Plan,
    (model, scale): (&[f32], f64),
    aggregated: &Aggregated,
    closed: &BTreeSet<NodeId>,
    of: impl Fn(&NodeId) -> Vec<i32>,
    published: Option<&[i64]>,
) -> (Vec<f32>, f64) {
    let all: BTreeSet<NodeId> = aggregated.members.iter().chain(&aggregated.refused).copied().collect();
    assert_eq!(all, *closed, "whoever answered in time is either in or refused");
    let mechanism = plan.mechanism(model.len()).unwrap();
    let limits = Limits {
        max_abs: mechanism.max_abs().unsigned_abs(),
        max_norm_squared: mechanism.max_norm_squared(),
    };
    let d = mechanism.length() as usize;
    let updates: Vec<Vec<i32>> = aggregated.members.iter().map(&of).collect();
    assert!(
        updates.iter().all(|u| limits.check(u, d).is_ok()),
        "an update over the norm is in"
    );
    assert!(
        aggregated.refused.iter().all(|m| limits.check(&of(m), d).is_err()),
        "refused for nothing"
    );
    let a = &plan.terms().aggregation;
    let cut = |n: usize| match a.rule {
        _ if !a.pre.is_empty() || plan.terms().training.server != ServerName::FedAvg => None,
        RuleName::Mean | RuleName::WeightedMean => Some(0),
        RuleName::Median => Some((n - 1) / 2),
        // A refused update is one of the bad ones.
        RuleName::TrimmedMean => Some(a.byzantine.saturating_sub(aggregated.refused.len())),
        // The crate of the rules compares these with other implementations; that replaying gives the same is the audit's.
        _ => None,
    };
    let Some(cut) = cut(updates.len()) else {
        return (model.to_vec(), scale);
    };
    // Signed by all before the first round.
    let weight = |m: &NodeId| a.weights.get(m).map_or(1, |w| (*w).min(a.weight_cap.unwrap())) as i64;
    let weights: Vec<i64> = aggregated.members.iter().map(weight).collect();
    let values: Vec<i32> = (0..d)
        .map(|i| {
            let mut column: Vec<i64> = updates.iter().map(|u| i64::from(u[i])).collect();
            if a.rule == RuleName::WeightedMean {
                let sum: i64 = column.iter().zip(&weights).map(|(v, w)| v * w).sum();
                return sum.div_euclid(weights.iter().sum()) as i32;
            }
            if plan.sealed() {
                let (published, n) = (published.unwrap()[i], updates.len() as i64);
                let noise = published - column.iter().sum::<i64>();
                // Six standard deviations: one in 500 million.
                let most = match mechanism.mode() {
                    Mode::Central => 6 * i64::from(mechanism.promised_sigma()),
                    _ => 0,
                };
                assert!(noise.abs() <= most, "a sum with noise of {noise}");
                return published.div_euclid(n) as i32;
            }
            column.sort_unstable();
            let kept = &column[cut..column.len() - cut];
            kept.iter().sum::<i64>().div_euclid(kept.len() as i64) as i32
        })
        .collect();
    assert_eq!(
        aggregate_tree(&values).unwrap().root(),
        aggregated.aggregate_root,
        "a wrong aggregate"
    );
    let next = moved(model, &values, plan.parameter_step() * scale);
    assert_eq!(model_root(&next), aggregated.model_root, "a wrong model");
    let next_scale = plan.adaptive().map_or(scale, |adaptive| {
        let within = 0.5 + 0.5 * f64::from(values[d - 1]) / f64::from(mechanism.count_steps());
        scale * libm::exp(-adaptive.rate * (within.clamp(0.0, 1.0) - adaptive.quantile))
    });
    (next, next_scale)
}
