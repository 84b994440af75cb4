mod spooled;

use super::reference::{self, hostile, table};
use super::*;
use crate::Neighbours;
use crate::decide::caf::PowerStart;
use crate::decide::weights::Cap;
use crate::decide::{Mixing, bulyan};
use proptest::prelude::*;

mod digits;
mod laws;
mod refused;
mod vectors;

fn rows_of<T>(rows: &[Vec<T>]) -> Vec<&[T]> {
    rows.iter().map(Vec::as_slice).collect()
}

/// Every rule that works on n rows, with f as large as it may be.
fn rules(n: usize) -> Vec<Rule> {
    let f = (n - 1) / 2;
    let weights = (0..n).map(|i| (i % 3) as f64 + 0.5).collect();
    let mut rules = vec![
        Rule::Mean,
        Rule::WeightedMean {
            weights,
            cap: Cap::Claim(1.5),
        },
        Rule::Median,
        Rule::TrimmedMean { f },
        Rule::TrimmedMean { f: f / 2 },
        Rule::Meamed { f },
        Rule::Meamed { f: f / 2 },
        Rule::SignMajority,
        Rule::GeometricMedian { nu: 0.1, iterations: 3 },
        Rule::CenteredClipping {
            tau: 1.5,
            iterations: 3,
        },
        Rule::Monna { f, index: n / 2 },
        Rule::NormClipping { norm: 1.0 },
        Rule::Mda { f },
        Rule::Caf {
            f,
            start: PowerStart::Ones,
            power: 1,
        },
        Rule::Caf {
            f: f / 2,
            start: PowerStart::Seed(7),
            power: 3,
        },
        Rule::Smea {
            f: f / 2,
            start: PowerStart::Seed(7),
            power: 1,
        },
        Rule::Dnc {
            f,
            filter: 1.0,
            coordinates: Coordinates::Listed(vec![vec![0]]),
        },
        Rule::Flame,
    ];
    if n >= 2 {
        let neighbours = Neighbours::ByzFl;
        rules.extend([
            Rule::Krum { f, neighbours },
            Rule::MultiKrum {
                f,
                select: n - f,
                neighbours,
            },
        ]);
    }
    if n >= 3 {
        for stage in [bulyan::Stage::Iterated, bulyan::Stage::Once] {
            let neighbours = Neighbours::Blanchard;
            let f = (n - 3) / 4;
            rules.push(Rule::Bulyan { f, stage, neighbours });
        }
        let f = (n - 3) / 2;
        rules.push(Rule::MultiKrum {
            f,
            select: n - f,
            neighbours: Neighbours::Blanchard,
        });
    }
    rules
}

fn from(start: &[f64]) -> State<'_> {
    State {
        start: Some(start),
        ..State::default()
    }
}

/// Whether a hair's breadth between two rows can change the result by more than a hair's breadth.
fn decides(rule: &Rule) -> bool {
    use Rule::*;
    matches!(
        rule,
        Krum { .. } | MultiKrum { .. } | Monna { .. } | Meamed { .. } | SignMajority
    ) || matches!(
        rule,
        Bulyan { .. } | Mda { .. } | Caf { .. } | Smea { .. } | Dnc { .. } | Flame
    )
}

fn assert_near(got: &[f64], expected: &[f64], scale: f64, what: &dyn std::fmt::Debug) {
    assert_eq!(got.len(), expected.len());
    for (c, (got, expected)) in got.iter().zip(expected).enumerate() {
        assert!(
            (got - expected).abs() <= 1e-12 * scale,
            "{what:?} coordinate {c}: {got:e} instead of {expected:e}"
        );
    }
}

fn largest(rows: &[Vec<f64>]) -> f64 {
    rows.iter().flatten().fold(0.0, |most: f64, v| most.max(v.abs()))
}

/// Pseudo-random rows, the same on every run: long enough for many segments.
fn long_rows(n: usize, d: usize) -> Vec<Vec<f64>> {
    let mut state = 88_172_645_463_325_252_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1_u64 << 53) as f64 - 0.5
    };
    (0..n).map(|_| (0..d).map(|_| next()).collect()).collect()
}

fn on_threads<R: Send>(threads: usize, work: impl FnOnce() -> R + Send) -> R {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .unwrap()
        .install(work)
}

fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|v| v.to_bits()).collect()
}

#[test]
fn the_same_bits_on_any_number_of_threads() {
    let rows = long_rows(6, 70_001);
    let table = &Table::new(rows_of(&rows)).unwrap();
    let matrix: Vec<Vec<f64>> = (0..5)
        .map(|i| (0..6).map(|j| f64::from(u8::from(i != j)) / 5.0).collect())
        .collect();
    let stages = [
        Stage::Mix(Mixing::new(5, 6, matrix.concat()).unwrap()),
        Stage::StaticClip { norm: 20.0 },
    ];
    let gram_bits = |threads| on_threads(threads, || bits(gram(table).unwrap().values()));
    assert_eq!(gram_bits(1), gram_bits(2));
    for stages in [&[][..], &stages] {
        for rule in rules(6 - usize::from(!stages.is_empty())) {
            if stages.is_empty() || !matches!(rule, Rule::WeightedMean { .. }) {
                let run = |threads| on_threads(threads, || rule.aggregate(table, stages, State::default()).unwrap());
                let one = run(1);
                for threads in [2, 3] {
                    let more = run(threads);
                    assert_eq!(bits(&more.values), bits(&one.values), "{rule:?} on {threads} threads");
                    assert_eq!(more, one);
                }
            }
        }
    }
}

#[test]
fn every_segment_is_counted_once() {
    let rows = long_rows(5, 50_003);
    let table = Table::new(rows_of(&rows)).unwrap();
    for rule in rules(5) {
        let round = rule.aggregate(&table, &[], State::default()).unwrap();
        assert_near(
            &round.values,
            &reference::aggregate(&rule, &rows, State::default()),
            1.0,
            &rule,
        );
    }
    let (distances, gram) = (distances(&table).unwrap(), gram(&table).unwrap());
    for i in 0..5 {
        for j in 0..5 {
            let expected = reference::distance(&rows[i], &rows[j]).powi(2);
            assert!((distances.at(i, j) - expected).abs() <= 1e-12 * expected);
            let expected: f64 = rows[i].iter().zip(&rows[j]).map(|(a, b)| a * b).sum();
            assert!((gram.at(i, j) - expected).abs() <= 1e-12 * 50_003.0);
        }
    }
}

#[test]
fn no_step_leaves_an_iterative_rule_at_its_start() {
    let rows = vec![vec![1.0, 2.0]; 4];
    let table = Table::new(rows_of(&rows)).unwrap();
    for rule in [
        Rule::GeometricMedian { nu: 0.1, iterations: 0 },
        Rule::CenteredClipping {
            tau: 1.0,
            iterations: 0,
        },
    ] {
        let start = [3.0, -4.0];
        assert_eq!(rule.aggregate(&table, &[], from(&start)).unwrap().values, start);
        assert_eq!(
            rule.aggregate(&table, &[], State::default()).unwrap().values,
            [0.0, 0.0]
        );
    }
}

#[test]
fn rules_that_are_told_something_are_their_definition() {
    let rows = long_rows(7, 20_011);
    let told = long_rows(8, 20_011);
    let table = Table::new(rows_of(&rows)).unwrap();
    let state = State {
        reference: Some(&rows[2]),
        history: Some(&told[..7]),
        ..State::default()
    };
    for rule in [
        Rule::FlTrust,
        Rule::FoolsGold { kappa: 1.0 },
        Rule::FoolsGold { kappa: 0.3 },
    ] {
        let round = rule.aggregate(&table, &[], state).unwrap();
        assert_near(&round.values, &reference::aggregate(&rule, &rows, state), 1.0, &rule);
        let pair = [1, 2].map(|threads| on_threads(threads, || rule.aggregate(&table, &[], state).unwrap()));
        assert_eq!(bits(&pair[0].values), bits(&pair[1].values));
    }
    // The first round has no history; the second has the first round's rows.
    let rule = Rule::FoolsGold { kappa: 1.0 };
    let first = rule.aggregate(&table, &[], State::default()).unwrap();
    let nothing = vec![vec![0.0; 20_011]; 7];
    let none = State {
        history: Some(&nothing),
        ..State::default()
    };
    assert_eq!(rule.aggregate(&table, &[], none).unwrap(), first);
    let mut history = nothing.clone();
    add_to_history(&mut history, &table, &[]).unwrap();
    assert_eq!(history, rows);
    let stages = [Stage::Bucketing {
        size: 4,
        permutation: (0..7).collect(),
    }];
    let mut buckets = vec![vec![0.0; 20_011]; 2];
    add_to_history(&mut buckets, &table, &stages).unwrap();
    assert_near(
        &buckets[1],
        &reference::weighted(&rows[4..], &[1.0 / 3.0; 3]),
        1.0,
        &stages,
    );

    let refused = |rule: Rule, state: State<'_>| rule.aggregate(&table, &[], state).unwrap_err();
    assert!(matches!(
        refused(Rule::FlTrust, State::default()),
        RuleError::Missing { .. }
    ));
    let short = State {
        history: Some(&told[..6]),
        ..State::default()
    };
    assert_eq!(refused(rule, short), RuleError::HistoryRows { expected: 7, got: 6 });
    let opposite: Vec<f64> = rows[0].iter().map(|v| -v).collect();
    let alone = Table::new(vec![&rows[0][..]]).unwrap();
    let against = State {
        reference: Some(&opposite),
        ..State::default()
    };
    let error = Rule::FlTrust.aggregate(&alone, &[], against).unwrap_err();
    assert!(matches!(error, RuleError::Decision { rule: "fltrust", .. }), "{error}");
}

/// With a confidence next to zero the rates are a few times the least number there is, and so were the products with them: the mean
/// of values of 0.9 came out as 1.
#[test]
fn rates_next_to_zero_are_weights_like_others() {
    let rows = [vec![0.9, 0.1], vec![0.1, -0.9], vec![-0.9, 0.3]];
    let table = Table::new(rows_of(&rows)).unwrap();
    for kappa in [5e-324, 1e-310, 1e-200] {
        let round = Rule::FoolsGold { kappa }
            .aggregate(&table, &[], State::default())
            .unwrap();
        let rates = round.scores.unwrap();
        let total: f64 = rates.iter().map(|rate| rate * 1e300).sum();
        let weights: Vec<f64> = rates.iter().map(|rate| rate * 1e300 / total).collect();
        assert_near(&round.values, &reference::weighted(&rows, &weights), 1.0, &kappa);
        assert!(total > 0.0);
    }
}

#[test]
fn drawn_coordinates_are_those_listed() {
    let rows = long_rows(9, 500);
    let table = Table::new(rows_of(&rows)).unwrap();
    let dnc = |coordinates| {
        let rule = Rule::Dnc {
            f: 2,
            filter: 1.0,
            coordinates,
        };
        rule.aggregate(&table, &[], State::default()).unwrap()
    };
    let every = Coordinates::Listed(vec![(0..500).collect()]);
    let drawn = Coordinates::Drawn {
        seed: 3,
        count: 1000,
        iterations: 1,
    };
    assert_eq!(dnc(drawn), dnc(every));
}

#[test]
fn stages_are_the_mixing_of_their_decision() {
    let rows = long_rows(7, 3000);
    let table = Table::new(rows_of(&rows)).unwrap();
    let permutation = vec![3, 1, 6, 0, 2, 5, 4];
    let norms: Vec<f64> = rows.iter().map(|row| reference::norm(row)).collect();
    let distances = distances(&table).unwrap();
    for (stage, mixing) in [
        (Stage::Nnm { f: 2 }, crate::decide::nnm::mixing(&distances, 2)),
        (
            Stage::Bucketing {
                size: 3,
                permutation: permutation.clone(),
            },
            crate::decide::bucketing::mixing(&permutation, 3),
        ),
        (
            Stage::Arc { f: 2 },
            Mixing::scaling(&crate::decide::clipping::arc(&norms, 2).unwrap().factors),
        ),
    ] {
        let by_matrix = [Stage::Mix(mixing.unwrap())];
        for rule in [Rule::Median, Rule::TrimmedMean { f: 1 }, Rule::Mean] {
            let got = rule
                .aggregate(&table, std::slice::from_ref(&stage), State::default())
                .unwrap();
            let expected = rule.aggregate(&table, &by_matrix, State::default()).unwrap();
            assert_near(&got.values, &expected.values, 1.0, &stage);
        }
    }
    let short = Stage::Bucketing {
        size: 2,
        permutation: vec![0, 1],
    };
    let refused = |stage: Stage| Rule::Mean.aggregate(&table, &[stage], State::default()).unwrap_err();
    assert!(matches!(
        refused(short),
        RuleError::MixingSize {
            expected: 7,
            got: 2,
            ..
        }
    ));
    assert!(matches!(
        refused(Stage::Nnm { f: 7 }),
        RuleError::Decision { rule: "nnm", .. }
    ));
}
