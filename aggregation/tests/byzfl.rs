//! Agreement with ByzFL 0.0.11: every case and every attack of `vectors/byzfl.json`, which `examples/byzfl/vectors.py` made.

#[path = "vectors/given.rs"]
mod given;

use given::{count, numbers, text};
use serde_json::Value;
use std::collections::BTreeMap;
use xfl_aggregation::Neighbours;
use xfl_aggregation::attack::{Attack, Knowledge, RealDefence};
use xfl_aggregation::real::{State, Table};

#[test]
fn every_case_agrees() {
    let vectors = given::read("byzfl.json");
    let cases = vectors["cases"].as_array().expect("cases");
    assert!(cases.len() > 600, "{} cases", cases.len());
    let mut failures = Vec::new();
    let mut worst: BTreeMap<String, f64> = BTreeMap::new();
    for case in cases {
        let input = case["input"].as_str().expect("an input's name");
        let name = case["rule"].as_str().expect("a rule's name");
        match given::difference(&vectors["inputs"][input], case, Neighbours::ByzFl) {
            Ok(difference) if difference <= given::TOLERANCE => {
                let worst = worst.entry(name.to_owned()).or_default();
                *worst = worst.max(difference);
            }
            Ok(difference) => failures.push(format!("{input} {} {name}: off by {difference:e}", case["pre"])),
            Err(error) => failures.push(format!("{input} {} {name}: {error}", case["pre"])),
        }
    }
    assert!(
        failures.is_empty(),
        "{} of {}:\n{}",
        failures.len(),
        cases.len(),
        failures.join("\n")
    );
    assert_eq!(worst.len(), 12, "a rule of ByzFL is missing: {worst:?}");
}

/// The attack that a case asks for: ByzFL's names for parameters, its search, and its standard deviation, which divides by n-1.
fn attack(case: &Value) -> Attack {
    let mut attack = Attack::named(text(&case["attack"])).expect("an attack's name");
    let mut set = |name: &str, value: &str| attack.set(name, value).expect("a parameter");
    for (name, value) in case["parameters"].as_object().expect("parameters") {
        let name = match (name.as_str(), text(&case["attack"])) {
            ("tau", "ipm") => "epsilon",
            ("tau", "alie") => "z",
            ("index", _) => "row",
            ("evals", _) => "evaluations",
            ("delta", _) => "step",
            (name, _) => name,
        };
        set(name, &value.to_string());
    }
    if attack.needs_defence() {
        attack.set("walk", "byzfl").expect("a walk");
    }
    if attack.parameters().contains(&"divisor") {
        attack.set("divisor", "n-1").expect("a divisor");
    }
    attack
}

#[test]
fn every_attack_agrees() {
    let vectors = given::read("byzfl.json");
    let cases = given::list(&vectors["attacks"]);
    let mut names: BTreeMap<&str, usize> = BTreeMap::new();
    for case in cases {
        let input = &vectors["inputs"][text(&case["input"])];
        let honest = given::rows(input);
        let table = Table::new(honest.iter().map(Vec::as_slice).collect()).expect("honest rows");
        let against = case.get("against").map(|rule| given::asked(rule, Neighbours::ByzFl));
        let defence = against.as_ref().map(|(pre, rule)| RealDefence {
            rule,
            pre,
            state: State::default(),
        });
        let knowledge = Knowledge {
            defence: defence.as_ref().map(|defence| defence as _),
            ..Knowledge::of(count(&case["f"]))
        };
        let made = attack(case).rows(&table, knowledge);
        let made = made.unwrap_or_else(|error| panic!("{case}: {error}"));
        assert_eq!(made.iter().len(), count(&case["f"]));
        let largest = input["honest"].as_f64().expect("honest");
        for row in made.iter() {
            let apart = given::apart(row, &numbers(&case["values"]), largest).expect("as many coordinates");
            assert!(apart <= given::TOLERANCE, "{case}: off by {apart:e}");
        }
        *names.entry(text(&case["attack"])).or_default() += 1;
    }
    let kept = [
        ("alie", 1),
        ("ipm", 1),
        ("mimic", 1),
        ("optimal-alie", 4),
        ("optimal-ipm", 4),
        ("sign-flip", 1),
    ];
    assert_eq!(names, BTreeMap::from(kept));
}
