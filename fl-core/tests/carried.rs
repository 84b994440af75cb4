//! Mode dp-ftrl at an institution: the noise of its releases is the banded matrix's, and whatever is cut short, lost or changed, a round has one
//! release or none. Records are all alike, so that releases differ by their noise alone.
#![cfg(feature = "node")]
#![allow(missing_docs, clippy::unwrap_used)]

use std::path::Path;

use xfl_core::{
    institution::Wish,
    message::Beginning,
    node::{
        budget::BudgetFile,
        carried::CarriedFile,
        protect::{Practice, ProtectError},
    },
    plan::Plan,
    seed::Seed,
    train::{Device, Limits, Table, contribution::ContributionError},
};
use xfl_privacy::{
    Delta, Epsilon, Rho,
    accounting::Loss,
    budget::{self, Limit},
};

const RUN: Beginning = Beginning([7; 32]);
const FEATURES: usize = 300;
const BATCH: usize = 4;
const SEPARATION: u64 = 4;
/// Noise that is drawn, in grid steps.
const SIGMA: f64 = 1000.0;

fn plan(privacy: &str) -> Plan {
    let text = format!(
        "[federation]\nid = \"{}\"\nname = \"alike\"\ncoordinator = \"{}\"\n[rounds]\ncount = 12\nquorum = 3\n\
         [model]\nkind = \"logistic\"\n[training]\nbatch = {BATCH}\n\
         [privacy]\nunit = \"record\"\nclip = 1.0\nstep = 0.001\n{privacy}\
         [aggregation]\nrule = \"mean\"\n[score]\nkind = \"participation\"\n[reward]\nbudget = 0\n\
         [data]\ntask = \"classification\"\nlabel = \"y\"\nclasses = [\"a\", \"b\"]\ncolumns = [{{ prefix = \"p\", count = {FEATURES} }}]\n",
        "22".repeat(32),
        "33".repeat(32)
    );
    Plan::parse(&text, "federation.toml").unwrap()
}

fn carrying() -> Plan {
    plan(&format!(
        "mode = \"dp-ftrl\"\nseparation = {SEPARATION}\nnoise_multiplier = 1.0\n"
    ))
}

/// An institution in this folder, with `records` equal records that hold `value`.
fn practice(folder: &Path, plan: &Plan, records: usize, value: f64) -> Practice {
    let header: String = (0..FEATURES).map(|i| format!("p{i},")).collect();
    let row = format!("{value},").repeat(FEATURES);
    let csv = format!("{header}y\n{}", format!("{row}b\n").repeat(records));
    let terms = plan.terms();
    let limit = Limit {
        epsilon: Epsilon::new(1e6).unwrap(),
        delta: Delta::new(1e-5).unwrap(),
        per_federation: None,
    };
    let model = terms.model.build(&terms.data, Device::Cpu).unwrap();
    Practice {
        plan: plan.clone(),
        run: RUN,
        mechanism: plan.mechanism(model.dimension()).unwrap(),
        model,
        data: Box::new(Table::read("alike", csv.as_bytes(), &terms.data, Limits::default()).unwrap()),
        seed: Seed::from_number(1),
        budget: BudgetFile::open(&folder.join("budget.jsonl"), limit).unwrap(),
        carried: Some(CarriedFile::open(&folder.join("noise.redb"), RUN).unwrap()),
        attack: None,
    }
}

fn usual(folder: &Path) -> Practice {
    practice(folder, &carrying(), BATCH * SEPARATION as usize, 0.3)
}

fn wish(round: u64, attempt: u32) -> Wish {
    Wish {
        charge: (round, attempt),
        model: vec![0.0; FEATURES + 1],
        scale: 1.0,
        seen: Vec::new(),
        drawn: false,
    }
}

fn released(practice: &mut Practice, round: u64) -> Result<Vec<i32>, ProtectError> {
    practice.release(&wish(round, 0)).map(|release| release.values)
}

/// `C^-1` of a band of four, from its first coefficients `1, 1/2, 3/8, 5/16`.
fn inverse(rounds: usize) -> Vec<Vec<f64>> {
    let c = [1.0, 0.5, 0.375, 0.3125];
    let mut d: Vec<f64> = vec![1.0];
    for j in 1..rounds {
        let past: f64 = (1..c.len().min(j + 1)).map(|k| c[k] * d[j - k]).sum();
        d.push(-past);
    }
    let row = |t: usize| (0..rounds).map(|s| if s <= t { d[t - s] } else { 0.0 }).collect();
    (0..rounds).map(row).collect()
}

/// Covariances of every two of ten rounds over 20 institutions of 301 coordinates: a standard error of at most `sqrt(2 / 6020)` = 1.8 % of the larger
/// variance (1.28 of what is drawn); six of it are allowed, a false alarm in ten million for all 55 pairs.
#[test]
fn releases_carry_the_banded_matrix() {
    let silent = plan("noise_multiplier = 0.0\n");
    let nowhere = tempfile::tempdir().unwrap();
    let exact = released(&mut practice(nowhere.path(), &silent, BATCH, 0.3), 1).unwrap();
    let (institutions, rounds) = (20, 10);
    let mut products = vec![vec![0.0; rounds]; rounds];
    let mut sums = 0.0;
    for _ in 0..institutions {
        let folder = tempfile::tempdir().unwrap();
        let mut practice = usual(folder.path());
        let noise: Vec<Vec<f64>> = (1..=rounds as u64)
            .map(|round| {
                let values = released(&mut practice, round).unwrap();
                values
                    .iter()
                    .zip(&exact)
                    .map(|(y, x)| f64::from(y - x) / SIGMA)
                    .collect()
            })
            .collect();
        for (s, t) in (0..rounds).flat_map(|s| (0..=s).map(move |t| (s, t))) {
            products[s][t] += noise[s].iter().zip(&noise[t]).map(|(a, b)| a * b).sum::<f64>();
        }
        sums += (0..=FEATURES)
            .map(|i| noise.iter().map(|n| n[i]).sum::<f64>().powi(2))
            .sum::<f64>();
    }
    let count = (institutions * (FEATURES + 1)) as f64;
    let inverse = inverse(rounds);
    for (s, t) in (0..rounds).flat_map(|s| (0..=s).map(move |t| (s, t))) {
        let expected: f64 = inverse[s].iter().zip(&inverse[t]).map(|(a, b)| a * b).sum();
        let got = products[s][t] / count;
        assert!(
            (got - expected).abs() < 6.0 * 0.0182 * 1.28,
            "{s} {t}: {got}, expected {expected}"
        );
    }
    // The sum, which a model follows: what the plan's own check says, and less than half of independent noise of the same size.
    let mechanism = carrying().mechanism(FEATURES + 1).unwrap();
    let (got, expected) = (sums / count, (mechanism.summed_sigma(rounds as u64) / SIGMA).powi(2));
    assert!((got / expected - 1.0).abs() < 0.11, "{got}, expected {expected}");
    assert!(got < 0.5 * rounds as f64, "{got}");
}

#[test]
fn a_restart_repeats_the_round_and_carries_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = usual(folder.path());
    released(&mut first, 1).unwrap();
    let second = released(&mut first, 2).unwrap();
    drop(first);
    let mut again = usual(folder.path());
    // The same bits, for another (masked) attempt too, and nothing is charged again.
    assert_eq!(released(&mut again, 2).unwrap(), second);
    let attempt = again.release(&wish(2, 1)).unwrap();
    assert_eq!((attempt.values, attempt.charged), (second, 2));
    let other = Wish {
        model: vec![0.1; FEATURES + 1],
        ..wish(2, 0)
    };
    assert!(matches!(
        again.release(&other),
        Err(ProtectError::OtherModel { round: 2 })
    ));
    released(&mut again, 3).unwrap();
    assert!(released(&mut again, 1).is_ok(), "kept as long as its block lasts");
    // A block is paid for by its first round.
    let ledger = again.budget.ledger();
    let paid: Vec<f64> = ledger.releases().map(|r| r.loss.rho().get()).collect();
    assert_eq!(paid, [again.mechanism.rho_per_release().get(), 0.0, 0.0]);
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(folder.path().join("noise.redb"))
            .unwrap()
            .permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
}

/// A release that was charged and cut short before it was kept may have been drawn: that round is lost, the next one isn't.
#[test]
fn a_round_that_was_cut_short_is_never_drawn_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut practice = usual(folder.path());
    let broken = Wish {
        model: Vec::new(),
        ..wish(1, 0)
    };
    assert!(matches!(practice.release(&broken), Err(ProtectError::Contribution(_))));
    drop(practice);
    let mut again = usual(folder.path());
    assert!(matches!(released(&mut again, 1), Err(ProtectError::Drawn { round: 1 })));
    released(&mut again, 2).unwrap();
    assert!(matches!(released(&mut again, 1), Err(ProtectError::Drawn { round: 1 })));
    let paid: Vec<bool> = again
        .budget
        .ledger()
        .releases()
        .map(|r| r.loss.rho().get() > 0.0)
        .collect();
    assert_eq!(paid, [true, false]);
}

#[test]
fn noise_that_was_lost_ends_the_block() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = usual(folder.path());
    released(&mut first, 1).unwrap();
    let old = folder.path().join("old.redb");
    drop(first);
    std::fs::copy(folder.path().join("noise.redb"), &old).unwrap();
    released(&mut usual(folder.path()), 2).unwrap();
    // Put back to what it was after the first round, then gone.
    std::fs::rename(&old, folder.path().join("noise.redb")).unwrap();
    for _ in 0..2 {
        for round in [2, 3, 4] {
            let lost = released(&mut usual(folder.path()), round);
            assert!(matches!(lost, Err(ProtectError::Forgotten { next: 5, .. })), "{lost:?}");
        }
        std::fs::remove_file(folder.path().join("noise.redb")).unwrap();
    }
    let mut again = usual(folder.path());
    released(&mut again, 5).unwrap();
    let paid: Vec<bool> = again
        .budget
        .ledger()
        .releases()
        .map(|r| r.loss.rho().get() > 0.0)
        .collect();
    assert_eq!(paid, [true, false, true]);
}

/// Records that changed may stand at other places of the rotation, and come again before they rested.
#[test]
fn other_data_wait_for_the_next_block() {
    let folder = tempfile::tempdir().unwrap();
    released(&mut usual(folder.path()), 1).unwrap();
    let other = |value| practice(folder.path(), &carrying(), BATCH * SEPARATION as usize, value);
    let mut more = practice(folder.path(), &carrying(), 1 + BATCH * SEPARATION as usize, 0.3);
    assert!(matches!(
        released(&mut more, 2),
        Err(ProtectError::Reordered { round: 1, next: 5 })
    ));
    drop(more);
    assert!(matches!(
        released(&mut other(0.4), 4),
        Err(ProtectError::Reordered { round: 1, next: 5 })
    ));
    released(&mut other(0.4), 5).unwrap();
    released(&mut other(0.4), 6).unwrap();
    // Fewer records than the plan's separation needs: refused before anything is charged.
    let few = tempfile::tempdir().unwrap();
    let mut practice = practice(few.path(), &carrying(), BATCH * SEPARATION as usize - 1, 0.3);
    let refused = released(&mut practice, 1);
    assert!(
        matches!(
            refused,
            Err(ProtectError::Contribution(ContributionError::TooSoon {
                needed: 16,
                ..
            }))
        ),
        "{refused:?}"
    );
    assert_eq!(practice.budget.ledger().lines(), 0);
    practice.carried = None;
    practice.data = usual(tempfile::tempdir().unwrap().path()).data;
    assert!(matches!(released(&mut practice, 1), Err(ProtectError::NothingCarried)));
}

/// The block was paid for under one plan: another of the same name, with less noise or other batches, has to wait for the next, and pay.
#[test]
fn another_plan_of_the_same_name_pays_for_itself() {
    let folder = tempfile::tempdir().unwrap();
    released(&mut usual(folder.path()), 1).unwrap();
    let quiet = plan(&format!(
        "mode = \"dp-ftrl\"\nseparation = {SEPARATION}\nnoise_multiplier = 0.1\n"
    ));
    assert_eq!(quiet.federation(), carrying().federation());
    let larger = Plan::parse(&carrying().text().replace("batch = 4", "batch = 3"), "federation.toml").unwrap();
    for other in [&quiet, &larger] {
        let mut other = practice(folder.path(), other, BATCH * SEPARATION as usize, 0.3);
        for round in 2..=4 {
            let refused = released(&mut other, round);
            assert!(
                matches!(refused, Err(ProtectError::Reordered { round: 1, next: 5 })),
                "{refused:?}"
            );
        }
        assert_eq!(other.budget.ledger().lines(), 1);
    }
    let mut again = practice(folder.path(), &quiet, BATCH * SEPARATION as usize, 0.3);
    released(&mut again, 5).unwrap();
    let paid = again
        .budget
        .ledger()
        .releases()
        .map(|r| r.loss.rho())
        .collect::<Vec<_>>();
    assert_eq!(paid[1], again.mechanism.rho_per_release());
    assert!(paid[1] > paid[0]);
}

/// The coordinator begins the same plan anew, and the institution has one budget and one folder for both runs.
#[test]
fn another_run_is_drawn_anew_and_paid_for() {
    let folder = tempfile::tempdir().unwrap();
    let mut practice = usual(folder.path());
    let first = released(&mut practice, 1).unwrap();
    assert_eq!(released(&mut practice, 1).unwrap(), first);
    let spent = |practice: &Practice| {
        let releases = practice.budget.ledger().releases();
        releases.map(|release| release.loss.rho().get()).sum::<f64>()
    };
    let once = spent(&practice);
    drop(practice.carried.take());
    practice.run = Beginning([8; 32]);
    practice.carried = Some(CarriedFile::open(&folder.path().join("noise.redb"), practice.run).unwrap());
    assert_ne!(released(&mut practice, 1).unwrap(), first);
    assert!(once > 0.0 && spent(&practice) == 2.0 * once);
}

/// A budget in which the block's first round has another price than the plan's.
#[test]
fn a_block_that_was_paid_otherwise_is_not_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    released(&mut usual(folder.path()), 1).unwrap();
    std::fs::remove_file(folder.path().join("budget.jsonl")).unwrap();
    let mut practice = usual(folder.path());
    let charge = budget::Release {
        federation: practice.plan.federation().0,
        run: practice.run.0,
        round: 1,
        attempt: 0,
        unit: practice.mechanism.unit(),
        relation: practice.mechanism.relation(),
        loss: Loss::unsampled(Rho::ZERO),
    };
    practice.budget.charge(&charge).unwrap();
    assert!(matches!(
        released(&mut practice, 2),
        Err(ProtectError::PaidOtherwise { round: 1, next: 5 })
    ));
    released(&mut practice, 5).unwrap();
}

#[test]
fn what_no_round_takes_back_is_forgotten() {
    let remembered = |practice: &Practice| -> Vec<u64> {
        let file = practice.carried.as_ref().unwrap();
        (1..=12).filter(|round| file.remembers(*round).unwrap()).collect()
    };
    // With the plan's last round; which is repeated all the same.
    let folder = tempfile::tempdir().unwrap();
    let mut whole = usual(folder.path());
    for round in 1..=11 {
        released(&mut whole, round).unwrap();
    }
    assert_eq!(remembered(&whole), [8, 9, 10, 11]);
    let last = released(&mut whole, 12).unwrap();
    assert!(remembered(&whole).is_empty());
    assert_eq!(released(&mut whole, 12).unwrap(), last);
    // At the federation's end, where the last rounds were missed. Nothing is drawn twice then either.
    let folder = tempfile::tempdir().unwrap();
    let mut part = usual(folder.path());
    for round in [1, 2, 4, 6, 7] {
        released(&mut part, round).unwrap();
    }
    assert_eq!(remembered(&part), [4, 6, 7]);
    part.finished().unwrap();
    assert!(remembered(&part).is_empty());
    assert!(matches!(released(&mut part, 7), Err(ProtectError::Drawn { round: 7 })));
    assert_eq!(part.budget.ledger().lines(), 5);
}

/// A separation is asked for in mode dp-ftrl only: a whole institution may have fewer records than a batch, and too few of single ones are refused as ever.
#[test]
fn other_modes_ask_for_no_separation() {
    let folder = tempfile::tempdir().unwrap();
    let local = plan("noise_multiplier = 1.0\n");
    let few = released(&mut practice(folder.path(), &local, BATCH - 1, 0.3), 1).unwrap_err();
    assert!(
        matches!(&few, ProtectError::Contribution(ContributionError::Train(error)) if error.to_string().contains("batch")),
        "{few}"
    );
    let text = local.text().replace("unit = \"record\"", "unit = \"institution\"");
    let whole = Plan::parse(&text, "federation.toml").unwrap();
    let folder = tempfile::tempdir().unwrap();
    released(&mut practice(folder.path(), &whole, BATCH - 1, 0.3), 1).unwrap();
}
