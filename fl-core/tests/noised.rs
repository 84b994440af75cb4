//! Nothing leaves an institution without the noise that its mode says: releases of institutions whose records are all alike differ by their noise
//! alone, so the spread of the differences is the noise's.
#![cfg(feature = "node")]
#![allow(missing_docs, clippy::unwrap_used)]

use xfl_core::{
    institution::Wish,
    message::Beginning,
    node::{
        budget::BudgetFile,
        protect::{Practice, ProtectError},
    },
    plan::Plan,
    seed::Seed,
    train::{Device, Limits, Table},
};
use xfl_privacy::{Delta, Epsilon, Mode, budget::Limit};

const RUN: Beginning = Beginning([7; 32]);
const SCHEMA: &str =
    "task = \"classification\"\nlabel = \"y\"\nclasses = [\"a\", \"b\"]\ncolumns = [{ prefix = \"p\", count = 30 }]\n";

/// Records, all the same, so that every batch of a size has the same gradients.
const RECORDS: usize = 20;

/// Releases compared.
const RELEASES: u64 = 60;

fn plan(privacy: &str, unit: &str) -> Plan {
    let text = format!(
        "[federation]\nid = \"{}\"\nname = \"alike\"\ncoordinator = \"{}\"\n[rounds]\ncount = 1000\nquorum = 3\n\
         [model]\nkind = \"logistic\"\n[training]\nbatch = {RECORDS}\nlearning_rate = 0.000001\n\
         [privacy]\nunit = \"{unit}\"\nclip = 1.0\nstep = 0.001\nnoise_multiplier = 1.0\n{privacy}\
         [aggregation]\nrule = \"mean\"\n[score]\nkind = \"participation\"\n[reward]\nbudget = 0\n[data]\n{SCHEMA}",
        "22".repeat(32),
        "33".repeat(32)
    );
    Plan::parse(&text, "federation.toml").unwrap()
}

/// The variance of what the noise adds to a coordinate, from the differences of releases one after the other.
fn variance(plan: &Plan) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let header: Vec<String> = (0..30).map(|i| format!("p{i}")).collect();
    let row: Vec<String> = (0..30).map(|i| format!("0.{i}")).collect();
    let csv = format!(
        "{},y\n{}",
        header.join(","),
        format!("{},b\n", row.join(",")).repeat(RECORDS)
    );
    let terms = plan.terms();
    let data = Table::read("alike", csv.as_bytes(), &terms.data, Limits::default()).unwrap();
    let model = terms.model.build(&terms.data, Device::Cpu).unwrap();
    let limit = Limit {
        epsilon: Epsilon::new(1e6).unwrap(),
        delta: Delta::new(1e-5).unwrap(),
        per_federation: None,
    };
    let start = model.init(&Seed::from_number(0));
    let mut practice = Practice {
        plan: plan.clone(),
        run: RUN,
        mechanism: plan.mechanism(model.dimension()).unwrap(),
        model,
        data: Box::new(data),
        seed: Seed::from_number(1),
        budget: BudgetFile::open(&folder.path().join("budget.jsonl"), limit).unwrap(),
        carried: None,
        attack: None,
    };
    let releases: Vec<Vec<i32>> = (1..=RELEASES)
        .map(|round| {
            let wish = Wish {
                charge: (round, 0),
                model: start.clone(),
                scale: 1.0,
                seen: Vec::new(),
                drawn: false,
            };
            practice.release(&wish).unwrap().values
        })
        .collect();
    assert_eq!(
        practice.budget.ledger().lines(),
        RELEASES,
        "one charge for each release"
    );
    // Begun anew, the same round of the same plan is another release.
    let wish = Wish {
        charge: (1, 0),
        model: start,
        scale: 1.0,
        seen: Vec::new(),
        drawn: false,
    };
    let late = practice.release(&wish).map(drop);
    assert!(
        matches!(late, Err(ProtectError::Drawn { round: 1 })),
        "later rounds were released"
    );
    practice.run = Beginning([8; 32]);
    practice.release(&wish).unwrap();
    assert_eq!(practice.budget.ledger().lines(), RELEASES + 1, "in each run");
    // Pairs that share no release, so that the differences are independent.
    let differences = releases.chunks_exact(2).flat_map(|pair| pair[0].iter().zip(&pair[1]));
    let squares: Vec<f64> = differences
        .map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2))
        .collect();
    squares.iter().sum::<f64>() / squares.len() as f64 / 2.0
}

/// Each estimate is of 30 x 31 independent differences: its relative standard error is `sqrt(2 / 930)` = 4.7 %; six of them are allowed for, a false
/// alarm in 500 million.
#[test]
fn every_release_carries_the_noise_that_its_mode_says() {
    let sgd = "mode = \"dp-sgd\"\nsample_rate = 1.0\nlocal_steps = 3\n";
    let shares = "mode = \"distributed\"\ntrust_coordinator = true\n";
    let cases = [
        ("", "record", 1_000_000.0),
        ("", "institution", 1_000_000.0),
        // Half of what is promised, as variances go: two of a quorum of three are honest. 708 steps.
        (shares, "record", 501_264.0),
        (shares, "institution", 501_264.0),
        // Three steps of 1,000 each; the local model hardly moves, and neither do its gradients.
        (sgd, "record", 3_000_000.0),
    ];
    for (privacy, unit, expected) in cases {
        let plan = plan(privacy, unit);
        let got = variance(&plan);
        assert!(
            (got / expected - 1.0).abs() < 6.0 * 0.047,
            "{privacy}{unit}: {got}, expected {expected}"
        );
    }
    let central = plan("mode = \"central\"\ntrust_coordinator = true\n", "record");
    assert_eq!((central.terms().privacy.mode, central.sealed()), (Mode::Central, true));
    assert_eq!(
        variance(&central),
        0.0,
        "what a trusted coordinator alone gets is exact"
    );
}
