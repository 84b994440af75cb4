//! Agreement with Flower 1.41.0: every case and every optimiser of `vectors/flower.json`, which `examples/byzfl/flower.py` made.

#[path = "vectors/given.rs"]
mod given;

use given::{list, numbers, text};
use serde_json::Value;
use std::collections::BTreeMap;
use xfl_aggregation::Neighbours;
use xfl_aggregation::server::{Adaptive, BiasCorrection, SecondMoment, Server};

#[test]
fn every_case_agrees() {
    let (flower, byzfl) = (given::read("flower.json"), given::read("byzfl.json"));
    let mut failures = Vec::new();
    let mut names: BTreeMap<&str, usize> = BTreeMap::new();
    for case in list(&flower["cases"]) {
        let (input, name) = (text(&case["input"]), text(&case["rule"]));
        match given::difference(&byzfl["inputs"][input], case, Neighbours::Blanchard) {
            Ok(difference) if difference <= given::TOLERANCE => *names.entry(name).or_default() += 1,
            Ok(difference) => failures.push(format!("{input} {name} {}: off by {difference:e}", case["parameters"])),
            Err(error) => failures.push(format!("{input} {name} {}: {error}", case["parameters"])),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    let kept = [
        ("bulyan", 30),
        ("krum", 16),
        ("mean", 18),
        ("median", 18),
        ("multi-krum", 32),
        ("trimmed-mean", 18),
    ];
    assert_eq!(names, BTreeMap::from(kept));
}

/// Flower's conventions: second moments start at 0, and FedAdam's rate is corrected as if a round more had passed. Its FedAdagrad
/// has no momentum.
fn optimiser(case: &Value) -> Server {
    let given = |name: &str| {
        case["parameters"][name]
            .as_f64()
            .unwrap_or_else(|| panic!("{name} of {case}"))
    };
    let adaptive = |beta1| Adaptive {
        eta: given("eta"),
        beta1,
        tau: given("tau"),
        second: SecondMoment::Zero,
    };
    match text(&case["optimiser"]) {
        "fedavgm" => Server::FedAvgM {
            eta: given("server_learning_rate"),
            momentum: given("server_momentum"),
        },
        "fedadagrad" => Server::FedAdagrad(adaptive(0.0)),
        "fedadam" => Server::FedAdam {
            adaptive: adaptive(given("beta_1")),
            beta2: given("beta_2"),
            correction: BiasCorrection::Flower,
        },
        "fedyogi" => Server::FedYogi {
            adaptive: adaptive(given("beta_1")),
            beta2: given("beta_2"),
        },
        other => panic!("no optimiser {other}"),
    }
}

#[test]
fn every_optimiser_agrees() {
    let flower = given::read("flower.json");
    let cases = list(&flower["optimisers"]);
    assert_eq!(cases.len(), 4);
    for case in cases {
        let server = optimiser(case);
        let mut model = numbers(&case["start"]);
        let mut state = server.start(model.len()).expect("a state");
        let rounds = list(&case["averages"]).iter().zip(list(&case["rounds"]));
        assert_eq!(rounds.len(), 5);
        for (round, (average, expected)) in rounds.enumerate() {
            let average = numbers(average);
            let update: Vec<f64> = average.iter().zip(&model).map(|(new, old)| new - old).collect();
            server.step(&mut model, &update, &mut state).expect("a step");
            let apart = given::apart(&model, &numbers(expected), 0.0).expect("as many coordinates");
            assert!(
                apart <= given::TOLERANCE,
                "{} round {round}: off by {apart:e}",
                server.name()
            );
        }
    }
}
