//! Calibration, the recipes' plans, and a quick table.

use xfl_privacy::{Delta, Epsilon, Guarantee, Mode, Unit};

use crate::cell::Cell;
use crate::federation::Federation;
use crate::report::{Accuracies, Report};
use crate::runs::{Bench, BenchError};
use crate::way::{Instead, WAYS, Way};

fn delta() -> Delta {
    Delta::new(1e-5).unwrap()
}

fn cell(federation: &Federation, way: Way) -> Cell<'_> {
    Cell {
        federation,
        way,
        recipe: federation.recipe(way),
        delta: delta(),
    }
}

fn bench<'a>(federations: &'a [Federation], epsilons: &'a [Epsilon], only: &'a str) -> Bench<'a> {
    Bench {
        federations,
        epsilons,
        delta: delta(),
        seeds: Some(2),
        threads: 2,
        only,
        instead: Instead::default(),
        plans: None,
    }
}

/// The guarantee is at most what was asked for, and a thousandth less noise would break the promise.
#[test]
fn calibration_keeps_its_promise_with_the_least_noise() {
    let federation = Federation::patients().unwrap();
    for way in WAYS {
        let cell = cell(&federation, way);
        for target in [1.0, 8.0] {
            let epsilon = Epsilon::new(target).unwrap();
            let found = cell.calibrate(epsilon).unwrap();
            let of = |plan: &xfl_core::plan::Plan| {
                let mechanism = plan.mechanism(31).unwrap();
                assert_eq!((mechanism.mode(), mechanism.unit()), (way.mode, way.unit));
                Guarantee::of(&mechanism, plan.terms().rounds.count, delta())
            };
            assert_eq!(of(&found.plan), found.guarantee, "{way}");
            assert_eq!(found.plan.terms().privacy.noise_multiplier, found.noise_multiplier);
            assert!(found.guarantee.epsilon <= epsilon, "{way}: {}", found.guarantee);
            assert!(
                found.guarantee.epsilon.get() > 0.98 * target,
                "{way}: {}",
                found.guarantee
            );
            let less = cell.text(0.999 * found.noise_multiplier);
            let less = xfl_core::plan::Plan::parse(&less, "less noise").unwrap();
            assert!(of(&less).epsilon > epsilon, "{way}: {}", of(&less));
        }
    }
}

#[test]
fn no_noise_means_no_promise_and_the_same_plan_otherwise() {
    let federation = Federation::patients().unwrap();
    for way in WAYS {
        let plan = cell(&federation, way).without_noise().unwrap();
        let privacy = &plan.terms().privacy;
        assert_eq!((privacy.noise_multiplier, privacy.clip_quantile), (0.0, None));
        assert_eq!(
            privacy.trust_coordinator,
            matches!(way.mode, Mode::Distributed | Mode::Central)
        );
        let guarantee = Guarantee::of(&plan.mechanism(31).unwrap(), 1, delta());
        assert!(!guarantee.epsilon.is_finite());
    }
}

#[test]
fn an_epsilon_out_of_reach_says_so() {
    let federation = Federation::patients().unwrap();
    let way = Way {
        mode: Mode::Local,
        unit: Unit::Record,
    };
    let error = cell(&federation, way)
        .calibrate(Epsilon::new(1e-7).unwrap())
        .unwrap_err();
    // Either the multiplier or, before that, the grid ends.
    let text = error.to_string();
    assert!(text.contains("noise multiplier"), "{text}");
}

/// Record-level privacy at epsilon 8 costs little here, and a reader finds every way in the table.
#[test]
fn a_quick_table_has_its_rows() {
    let federations = [Federation::patients().unwrap()];
    let epsilons = [8.0, 1.0].map(|e| Epsilon::new(e).unwrap());
    let report = bench(&federations, &epsilons, "").run().unwrap();
    let table = &report.tables[0];
    assert_eq!(table.lines.iter().map(|l| l.way).collect::<Vec<_>>(), WAYS);
    assert!(table.centralised.mean > 0.93, "{:?}", table.centralised);
    for line in &table.lines {
        assert_eq!((line.private.len(), line.without_noise.runs.len()), (2, 2));
        assert!(line.without_noise.mean > 0.88, "{}: {:?}", line.way, line.without_noise);
        if line.way.unit == Unit::Record {
            assert!(
                line.private[0].accuracy.mean > 0.85,
                "{}: {:?}",
                line.way,
                line.private[0]
            );
        }
    }
    let mut out = Vec::new();
    report.print(&mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    for way in WAYS {
        assert_eq!(
            text.lines().filter(|l| l.starts_with(&format!("| {way} |"))).count(),
            3,
            "{text}"
        );
    }
    assert!(text.contains("unit institution, neighbours by zero-out"), "{text}");
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["tables"][0]["lines"][0]["private"][0]["target"], 8.0);
    assert_eq!(json["tables"][0]["lines"][0]["unit"], "record");
}

/// The seeds decide, not the threads.
#[test]
fn a_table_is_a_function_of_its_seeds() {
    let federations = [Federation::patients().unwrap()];
    let epsilons = [Epsilon::new(3.0).unwrap()];
    let run = |threads| -> Report {
        let bench = Bench {
            threads,
            ..bench(&federations, &epsilons, "institution, central")
        };
        bench.run().unwrap()
    };
    assert_eq!(run(1).tables, run(2).tables);
}

#[test]
fn a_way_that_does_not_exist_is_named_with_those_that_do() {
    let federations = [Federation::patients().unwrap()];
    let error = bench(&federations, &[], "nobody").run().unwrap_err();
    assert!(matches!(error, BenchError::Nothing { .. }));
    let text = error.to_string();
    assert!(text.contains("nobody") && text.contains("\"record, dp-sgd\""), "{text}");
}

#[test]
fn spread_is_the_standard_deviation() {
    let three = Accuracies::of(vec![0.5, 0.6, 0.7]);
    assert!((three.mean - 0.6).abs() < 1e-12 && (three.deviation.unwrap() - 0.1).abs() < 1e-12);
    assert_eq!(Accuracies::of(vec![0.5]).deviation, None);
}
