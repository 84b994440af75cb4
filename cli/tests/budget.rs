//! `xfl budget` and node.toml: what an institution spent, what a plan would cost, and plans that it rules out.

#![allow(clippy::unwrap_used, reason = "what goes wrong in a helper fails its test")]

use std::{fs, path::Path, process::Command};

use serde_json::Value;
use xfl_core::node::budget::BudgetFile;
use xfl_privacy::{
    Delta, Epsilon, Relation, Rho, Unit,
    accounting::Loss,
    budget::{Limit, Release},
};

/// Standard output, standard error and exit code of a command in `dir`.
fn xfl(dir: &Path, line: &str) -> (String, String, i32) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xfl"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("XFL_")) {
        command.env_remove(name);
    }
    let output = command.args(line.split_whitespace()).current_dir(dir).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr), output.status.code().unwrap())
}

fn data(dir: &Path, line: &str) -> Value {
    let (out, err, code) = xfl(dir, line);
    assert_eq!(code, 0, "{err}");
    let value: Value = serde_json::from_str(&out).unwrap();
    value["data"].clone()
}

/// A folder with a plan of ten rounds, keys, patients, and a budget in which another federation spent `rho` in each of two rounds.
fn institution(rho: f64) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(xfl(dir.path(), "init --rounds 10").2, 0);
    assert_eq!(xfl(dir.path(), "keygen --out .").2, 0);
    let csv = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/data/breast_cancer_wisconsin.csv");
    fs::copy(csv, dir.path().join("data.csv")).unwrap();
    fs::create_dir(dir.path().join("institution")).unwrap();
    let limit = Limit {
        epsilon: Epsilon::new(100.0).unwrap(),
        per_federation: None,
        delta: Delta::new(1e-5).unwrap(),
    };
    let mut file = BudgetFile::open(&dir.path().join("institution/budget.jsonl"), limit).unwrap();
    for round in 1..=2 {
        let release = Release {
            federation: [0xab; 32],
            run: [1; 32],
            round,
            attempt: 0,
            unit: Unit::Record,
            relation: Relation::ZeroOut,
            loss: Loss::unsampled(Rho::new(rho).unwrap()),
        };
        file.charge(&release).unwrap();
    }
    dir
}

#[test]
fn says_what_was_spent_and_what_a_plan_would_cost() {
    let dir = institution(0.01);
    let seen = data(dir.path(), "budget --json --plan federation.toml --releases");
    assert_eq!(seen["federations"][0]["releases"], 2);
    assert_eq!(seen["federations"][0]["rho"].as_f64(), Some(0.02));
    assert_eq!(seen["releases"].as_array().unwrap().len(), 2);
    assert_eq!(
        (
            seen["plan"]["rounds_ahead"].as_u64(),
            seen["plan"]["affordable"].as_u64()
        ),
        (Some(10), Some(10))
    );
    // Ten releases of 1 / (2 * 2^2) on top, up to the upward rounding of sigma.
    let after = seen["plan"]["after"]["rho"].as_f64().unwrap();
    assert!((after - 1.27).abs() < 1e-3, "{after}");
    let text = xfl(dir.path(), "budget").0;
    assert!(
        text.contains("abababababab") && text.contains("limit   epsilon 10"),
        "{text}"
    );
    // Looking changes nothing, not even the file's lock.
    let before = fs::read(dir.path().join("institution/budget.jsonl")).unwrap();
    xfl(dir.path(), "budget --plan federation.toml");
    assert_eq!(fs::read(dir.path().join("institution/budget.jsonl")).unwrap(), before);
    // An institution that never spent anything.
    let fresh = xfl(dir.path(), "budget --budget other.jsonl");
    assert!(fresh.0.starts_with("nothing was spent") && !dir.path().join("other.jsonl").exists());
}

/// Mode dp-ftrl: ten rounds are three blocks of four, whatever part of a block is on record already; `xfl privacy explain` says so too.
#[test]
fn a_block_of_rounds_is_paid_for_once() {
    let dir = institution(0.01);
    let path = dir.path().join("federation.toml");
    let plan = fs::read_to_string(&path).unwrap();
    let plan = plan.replace(
        "unit = \"record\" ",
        "mode = \"dp-ftrl\"\nseparation = 4\nunit = \"record\" ",
    );
    fs::write(&path, plan).unwrap();
    let explained = data(dir.path(), "privacy explain --json");
    assert_eq!(
        (&explained["mode"], explained["rounds_of_a_charge"].as_u64()),
        (&"dp-ftrl".into(), Some(4))
    );
    let block = explained["round"]["rho"].as_f64().unwrap();
    let squares = 1.0 + 0.25 + 0.375f64.powi(2) + 0.3125f64.powi(2);
    assert!((block / (squares / 8.0) - 1.0).abs() < 1e-3, "{block}");
    assert!((explained["all_rounds"]["rho"].as_f64().unwrap() / (3.0 * block) - 1.0).abs() < 1e-12);
    let words = explained["words"]["what leaves"].to_string();
    assert!(
        words.contains("less part of what your earlier rounds carried"),
        "{words}"
    );

    let seen = data(dir.path(), "budget --json --plan federation.toml");
    let after = |seen: &Value| seen["plan"]["after"]["rho"].as_f64().unwrap();
    assert!((after(&seen) - 0.02 - 3.0 * block).abs() < 1e-9);
    let federation = id_of(seen["plan"]["federation"].as_str().unwrap());
    let limit = Limit {
        epsilon: Epsilon::new(100.0).unwrap(),
        per_federation: None,
        delta: Delta::new(1e-5).unwrap(),
    };
    let mut file = BudgetFile::open(&dir.path().join("institution/budget.jsonl"), limit).unwrap();
    for (round, rho) in [(1, block), (2, 0.0), (4, 0.0)] {
        let release = Release {
            federation,
            run: [1; 32],
            round,
            attempt: 0,
            unit: Unit::Record,
            relation: Relation::ZeroOut,
            loss: Loss::unsampled(Rho::new(rho).unwrap()),
        };
        file.charge(&release).unwrap();
    }
    drop(file);
    let seen = data(dir.path(), "budget --json --plan federation.toml");
    assert_eq!(seen["plan"]["rounds_ahead"].as_u64(), Some(6));
    assert!((after(&seen) - 0.02 - 3.0 * block).abs() < 1e-9);
}

/// 64 hexadecimal digits.
fn id_of(text: &str) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap();
    }
    bytes
}

#[test]
fn a_plan_past_the_limit_is_refused_before_training_with_the_arithmetic() {
    let dir = institution(0.5);
    fs::write(dir.path().join("node.toml"), "[limits]\nepsilon = 6.0\n").unwrap();
    let seen = data(dir.path(), "budget --json --plan federation.toml");
    let affordable = seen["plan"]["affordable"].as_u64().unwrap();
    assert!((0..10).contains(&affordable), "{affordable}");
    let refusal = seen["plan"]["refusal"].as_str().unwrap();
    assert!(
        refusal.contains("the limit is epsilon 6") && refusal.contains("from rho 1"),
        "{refusal}"
    );
    let (out, err, code) = xfl(
        dir.path(),
        "join --check --plan federation.toml --key node.pem --patience 1",
    );
    assert_ne!(code, 0);
    assert!(
        out.contains("the limit is epsilon 6") || err.contains("the limit is epsilon 6"),
        "{out}{err}"
    );
    // One federation's own limit, with room in all.
    fs::write(
        dir.path().join("node.toml"),
        "[limits]\nepsilon = 50.0\nepsilon_per_federation = 3.0\n",
    )
    .unwrap();
    let seen = data(dir.path(), "budget --json --plan federation.toml");
    let refusal = seen["plan"]["refusal"].as_str().unwrap();
    assert!(
        refusal.contains("this federation's total") && refusal.contains("from rho 0 "),
        "{refusal}"
    );
}

#[test]
fn what_the_institution_rules_out_is_named() {
    let dir = institution(0.01);
    for (limits, words) in [
        ("units = [\"institution\"]", "limits.units"),
        ("unmasked = false", "limits.unmasked"),
    ] {
        fs::write(dir.path().join("node.toml"), format!("[limits]\n{limits}\n")).unwrap();
        let (_, err, code) = xfl(dir.path(), "budget --plan federation.toml");
        assert!(code == 2 && err.contains(words), "{err}");
    }
    for (text, words) in [
        ("[limits]\nepsilom = 3\n", "node.toml:2"),
        ("[limits]\nepsilon = -1\n", "limits.epsilon"),
        ("[limits]\ndelta = 1.5\n", "limits.delta"),
        ("[limits]\nepsilon = nan\n", "limits.epsilon"),
    ] {
        fs::write(dir.path().join("node.toml"), text).unwrap();
        let (_, err, code) = xfl(dir.path(), "budget");
        assert!(code == 2 && err.contains(words), "{text}: {err}");
    }
    let (_, err, code) = xfl(dir.path(), "budget --node nowhere.toml");
    assert!(code == 2 && err.contains("nowhere.toml"), "{err}");
}

#[test]
fn the_example_is_a_node_toml_of_defaults() {
    let dir = institution(0.01);
    let example = xfl(dir.path(), "budget --example").0;
    fs::write(dir.path().join("node.toml"), &example).unwrap();
    let (out, err, code) = xfl(dir.path(), "budget");
    assert!(code == 0 && out.contains("limit   epsilon 10 at delta"), "{out}{err}");
    // Every key of it is one that is known.
    let set: String = example
        .lines()
        .map(|l| {
            l.strip_prefix("# ")
                .filter(|l| l.contains(" = "))
                .unwrap_or(l)
                .to_owned()
                + "\n"
        })
        .collect();
    fs::write(dir.path().join("node.toml"), &set).unwrap();
    let (out, err, code) = xfl(dir.path(), "budget");
    assert!(code == 0 && out.contains("for one federation epsilon 4"), "{out}{err}");
}
