mod spooled;

use super::reference::{self, hostile, table};
use super::*;
use crate::Neighbours;
use crate::decide::caf::PowerStart;
use crate::decide::weights::Cap;
use crate::decide::{Mixing, bulyan};
use proptest::prelude::*;

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

proptest! {
    #[test]
    fn every_rule_is_its_definition(
        rows in table(1..14, 1..300, -1.0..1.0_f64),
        start in prop::collection::vec(-1.0..1.0_f64, 300),
        with_start: bool,
    ) {
        let table = Table::new(rows_of(&rows)).unwrap();
        let state = State {
            start: with_start.then(|| &start[..table.d()]),
            ..State::default()
        };
        for rule in rules(rows.len()) {
            let round = rule.aggregate(&table, &[], state).unwrap();
            assert_near(&round.values, &reference::aggregate(&rule, &rows, state), 1.0, &rule);
        }
    }

    #[test]
    fn a_mixed_view_is_the_table_of_mixed_rows(
        rows in table(2..9, 1..400, -1.0..1.0_f64),
        entries in prop::collection::vec(prop_oneof![Just(0.0), 0.0..0.1_f64], 81),
        norm in 0.5..5.0_f64,
    ) {
        let n = rows.len();
        let matrix: Vec<Vec<f64>> = (0..n).map(|i| entries[i * n..(i + 1) * n].to_vec()).collect();
        let shorten = |row: &Vec<f64>| row.iter().map(|v| v * (norm / reference::norm(row)).min(1.0)).collect();
        let clipped: Vec<Vec<f64>> = rows.iter().map(shorten).collect();
        let mixed: Vec<Vec<f64>> = matrix.iter().map(|weights| reference::weighted(&clipped, weights)).collect();
        let table = Table::new(rows_of(&rows)).unwrap();
        let stages = [Stage::StaticClip { norm }, Stage::Mix(Mixing::new(n, n, matrix.concat()).unwrap())];
        for rule in rules(n) {
            // Two mixed rows may be equally good up to rounding; the rest of Krum is tested on rows as they are.
            if decides(&rule) {
                continue;
            }
            let round = rule.aggregate(&table, &stages, State::default()).unwrap();
            assert_near(&round.values, &reference::aggregate(&rule, &mixed, State::default()), 1.0, &rule);
        }
        for (i, row) in mixed.iter().enumerate() {
            let chosen = Rule::Monna { f: 0, index: i }.aggregate(&table, &stages, State::default()).unwrap();
            let distances: Vec<f64> = mixed.iter().map(|other| reference::distance(row, other).powi(2)).collect();
            assert_near(&chosen.scores.unwrap(), &distances, 1.0, &i);
        }
    }

    #[test]
    fn hostile_rows_give_finite_results_within_the_rows(
        rows in table(1..9, 1..40, hostile()),
        start in prop::collection::vec(hostile(), 40),
    ) {
        let table = Table::new(rows_of(&rows)).unwrap();
        let start = &start[..table.d()];
        let clip = [Stage::StaticClip { norm: 1.0 }];
        for rule in rules(rows.len()) {
            for stages in [&[][..], &clip] {
                let round = rule.aggregate(&table, stages, from(start)).unwrap();
                let most = largest(&rows).max(if rule == Rule::SignMajority { 1.0 } else { largest(&[start.to_vec()]) });
                for value in round.values {
                    prop_assert!(value.abs() <= most * (1.0 + 1e-12), "{:?}: {}", rule, value);
                }
                let numbers = round.weights.into_iter().chain(round.scores).flatten();
                prop_assert!(numbers.into_iter().all(f64::is_finite));
            }
        }
    }

    #[test]
    fn f32_rows_give_the_bits_of_the_same_rows_as_f64(rows in table(1..9, 1..200, -10.0..10.0_f64)) {
        let narrow: Vec<Vec<f32>> = rows.iter().map(|row| row.iter().map(|&v| v as f32).collect()).collect();
        let wide: Vec<Vec<f64>> = narrow.iter().map(|row| row.iter().copied().map(f64::from).collect()).collect();
        let narrow = Table::new(rows_of(&narrow)).unwrap();
        let wide = Table::new(rows_of(&wide)).unwrap();
        for rule in rules(rows.len()) {
            let clip = [Stage::StaticClip { norm: 7.0 }];
            for stages in [&[][..], &clip] {
                let rounds = (rule.aggregate(&narrow, stages, State::default()), rule.aggregate(&wide, stages, State::default()));
                prop_assert_eq!(rounds.0, rounds.1);
            }
        }
    }

    #[test]
    fn reported_weights_make_the_values(
        rows in table(1..9, 1..100, -1.0..1.0_f64),
        start in prop::collection::vec(-1.0..1.0_f64, 100),
    ) {
        let table = Table::new(rows_of(&rows)).unwrap();
        let start = &start[..table.d()];
        for rule in rules(rows.len()) {
            let stages = [Stage::StaticClip { norm: 0.5 }];
            let round = rule.aggregate(&table, &stages, from(start)).unwrap();
            let Some(weights) = round.weights else { continue };
            let mut expected = reference::weighted(&rows, &weights);
            for (expected, v) in expected.iter_mut().zip(start) {
                *expected += round.start_weight * v;
            }
            assert_near(&round.values, &expected, 1.0, &rule);
        }
    }

    /// On integers small enough for f64 to be exact, the two halves of this crate must agree on every row chosen.
    #[test]
    fn krum_chooses_the_rows_that_exact_integers_choose(
        rows in prop::collection::vec(prop::collection::vec(prop_oneof![-3..3_i32, -1_000_000..1_000_000], 50), 5..12),
        near in any::<bool>(),
    ) {
        let place = |v: i32| if near { 1_000_000 + v % 100 } else { v };
        let rows: Vec<Vec<i32>> = rows.into_iter().map(|row| row.into_iter().map(place).collect()).collect();
        let wide: Vec<Vec<f64>> = rows.iter().map(|row| row.iter().copied().map(f64::from).collect()).collect();
        let n = rows.len();
        for neighbours in [Neighbours::Blanchard, Neighbours::ByzFl] {
            let exact = crate::Rule::MultiKrum { f: 1, select: n - 2, neighbours };
            let exact = exact.aggregate(&crate::Rows::new(rows_of(&rows)).unwrap()).unwrap();
            let rule = Rule::MultiKrum { f: 1, select: n - 2, neighbours };
            let round = rule.aggregate(&Table::new(rows_of(&wide)).unwrap(), &[], State::default()).unwrap();
            prop_assert_eq!(round.selected.unwrap(), exact.selected);
            let scores: Vec<f64> = exact.distances.unwrap().scores.into_iter().map(|score| score as f64).collect();
            prop_assert_eq!(round.scores.unwrap(), scores);
        }
    }

    /// Honest rows bound what f liars can do to a coordinate.
    #[test]
    fn liars_stay_between_honest_values(honest in table(3..8, 1..40, -1.0..1.0_f64), lies in table(2..3, 40..41, hostile())) {
        let d = honest[0].len();
        let mut rows = honest.clone();
        rows.extend(lies.iter().map(|lie| lie[..d].to_vec()));
        for rule in [Rule::Median, Rule::TrimmedMean { f: 2 }] {
            let round = rule.aggregate(&Table::new(rows_of(&rows)).unwrap(), &[], State::default()).unwrap();
            for (c, value) in round.values.iter().enumerate() {
                let column = || honest.iter().map(|row| row[c]);
                let (least, most) = (column().fold(f64::MAX, f64::min), column().fold(f64::MIN, f64::max));
                prop_assert!((least - 1e-15..=most + 1e-15).contains(value));
            }
        }
    }
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
fn crowds_are_sorted_column_by_column_to_the_same_order() {
    let rows = long_rows(order::NETWORK_ROWS + 3, 21);
    let table = Table::new(rows_of(&rows)).unwrap();
    for rule in [Rule::Median, Rule::TrimmedMean { f: 100 }, Rule::Meamed { f: 200 }] {
        let round = rule.aggregate(&table, &[], State::default()).unwrap();
        assert_near(
            &round.values,
            &reference::aggregate(&rule, &rows, State::default()),
            1.0,
            &rule,
        );
    }
}

/// Weights near 100 that differ by 0.01: squared norms of 1e7 drown squared distances of 0.1 in f32, and a Gram-matrix
/// Krum there takes a bad row.
#[test]
fn close_rows_of_large_values_keep_their_digits() {
    let spread = long_rows(9, 1000);
    let mut rows: Vec<Vec<f32>> = spread
        .iter()
        .map(|row| row.iter().map(|v| (100.0 + 0.01 * v) as f32).collect())
        .collect();
    let middle: Vec<f32> = vec![100.0; 1000];
    rows[7] = middle;
    let wide: Vec<Vec<f64>> = rows
        .iter()
        .map(|row| row.iter().copied().map(f64::from).collect())
        .collect();
    let rule = Rule::Krum {
        f: 2,
        neighbours: Neighbours::Blanchard,
    };
    let round = rule
        .aggregate(&Table::new(rows_of(&rows)).unwrap(), &[], State::default())
        .unwrap();
    assert_eq!(round.values, reference::aggregate(&rule, &wide, State::default()));
    assert!(round.selected.unwrap()[7]);
    let distances = round.distances.unwrap();
    for i in 0..9 {
        for j in 0..9 {
            let expected = reference::distance(&wide[i], &wide[j]).powi(2);
            assert!((distances.at(i, j) - expected).abs() <= 1e-14 * expected);
        }
    }
}

#[test]
fn huge_outliers_leave_no_trace_in_tiny_rows() {
    let tiny = long_rows(8, 333);
    let mut rows: Vec<Vec<f64>> = tiny.iter().map(|row| row.iter().map(|v| 1e-6 * v).collect()).collect();
    rows.extend([vec![1e12; 333], vec![-1e12; 333]]);
    let honest = largest(&rows[..8]);
    let (neighbours, f) = (Neighbours::Blanchard, 2);
    for rule in [
        Rule::Median,
        Rule::TrimmedMean { f },
        Rule::Meamed { f },
        Rule::Krum { f, neighbours },
        Rule::MultiKrum {
            f,
            select: 8,
            neighbours,
        },
        Rule::Monna { f, index: 0 },
        Rule::Mda { f },
        Rule::Smea {
            f,
            start: PowerStart::Ones,
            power: 1,
        },
    ] {
        let round = rule
            .aggregate(&Table::new(rows_of(&rows)).unwrap(), &[], State::default())
            .unwrap();
        assert_near(
            &round.values,
            &reference::aggregate(&rule, &rows, State::default()),
            honest,
            &rule,
        );
        assert!(largest(&[round.values]) <= honest);
    }
    let steps = Rule::GeometricMedian {
        nu: 1e-9,
        iterations: 200,
    };
    let round = steps
        .aggregate(&Table::new(rows_of(&rows)).unwrap(), &[], State::default())
        .unwrap();
    assert!(largest(&[round.values]) <= honest, "{:?}", round.weights);
}

#[test]
fn meamed_settles_ties_by_the_lower_row() {
    let column = |values: &[f64], f| {
        let rows: Vec<Vec<f64>> = values.iter().map(|&v| vec![v; 17]).collect();
        let round = Rule::Meamed { f }
            .aggregate(&Table::new(rows_of(&rows)).unwrap(), &[], State::default())
            .unwrap();
        assert!(round.values.iter().all(|v| *v == round.values[0]));
        round.values[0]
    };
    // The median is 0; -1 and 1 are equally far.
    assert_eq!(column(&[1.0, 0.0, -1.0], 1), 0.5);
    assert_eq!(column(&[-1.0, 0.0, 1.0], 1), -0.5);
    assert_eq!(column(&[2.0, -2.0, 1.0, -1.0, 0.0], 1), 0.5);
    assert_eq!(column(&[5.0, 5.0, 5.0, 5.0], 1), 5.0);
    assert_eq!(column(&[-0.0], 0).to_bits(), 0);
}

#[test]
fn equal_rows_are_their_own_aggregate() {
    for value in [0.0, 1.0, -1e-300, f64::from(f32::MAX), MAX_MAGNITUDE, 5e-324] {
        let rows = vec![vec![value; 3]; 7];
        let table = Table::new(rows_of(&rows)).unwrap();
        for rule in rules(7) {
            let round = rule.aggregate(&table, &[], from(&rows[0])).unwrap();
            match rule {
                Rule::SignMajority => assert_eq!(round.values, [if value == 0.0 { 0.0 } else { value.signum() }; 3]),
                Rule::NormClipping { .. } if value > 0.5 => {
                    assert!((reference::norm(&round.values) - 1.0).abs() < 1e-12)
                }
                _ => assert_near(&round.values, &rows[0], value.abs().max(5e-312), &rule),
            }
        }
    }
}

#[test]
fn parameters_that_mean_nothing_are_refused() {
    let rows = vec![vec![1.0_f32, 2.0]; 4];
    let table = Table::new(rows_of(&rows)).unwrap();
    let refused = |rule: Rule| rule.aggregate(&table, &[], State::default()).unwrap_err().to_string();
    let neighbours = Neighbours::Blanchard;
    for (rule, part) in [
        (Rule::TrimmedMean { f: 2 }, "expected at least 5 rows, got 4"),
        (Rule::TrimmedMean { f: usize::MAX }, "cohort too small for trimmed-mean"),
        (Rule::Meamed { f: 2 }, "cohort too small for meamed"),
        (Rule::Krum { f: 1, neighbours }, "expected at least 5 rows, got 4"),
        (
            Rule::Krum {
                f: usize::MAX,
                neighbours: Neighbours::ByzFl,
            },
            "cohort too small for krum",
        ),
        (
            Rule::MultiKrum {
                f: 0,
                select: 0,
                neighbours,
            },
            "multi-krum: selection out of range: expected 1 to 4 rows, got 0",
        ),
        (
            Rule::MultiKrum {
                f: 0,
                select: 5,
                neighbours,
            },
            "expected 1 to 4 rows, got 5",
        ),
        (
            Rule::MultiKrum {
                f: 1,
                select: usize::MAX,
                neighbours: Neighbours::ByzFl,
            },
            "multi-krum: selection out of range: expected 1 to 3 rows",
        ),
        (Rule::Monna { f: 0, index: 4 }, "expected an index below 4, got 4"),
        (Rule::Monna { f: 2, index: 0 }, "cohort too small for monna"),
        (
            Rule::GeometricMedian { nu: 0.0, iterations: 3 },
            "geometric-median: parameter nu out of range: expected a finite number above 0, got 0",
        ),
        (
            Rule::GeometricMedian {
                nu: 0.1,
                iterations: u32::MAX,
            },
            "expected at most 1000 iterations",
        ),
        (
            Rule::CenteredClipping {
                tau: f64::NAN,
                iterations: 1,
            },
            "parameter tau out of range: expected a finite number of at least 0, got NaN",
        ),
        (
            Rule::NormClipping { norm: -1.0 },
            "parameter norm out of range: expected a finite number of at least 0, got -1",
        ),
        (
            Rule::WeightedMean {
                weights: vec![1.0; 3],
                cap: Cap::None,
            },
            "wrong number of weights: expected 4, got 3",
        ),
    ] {
        let message = refused(rule);
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn a_state_or_stage_of_another_size_is_refused() {
    let rows = vec![vec![1.0, 2.0]; 4];
    let table = Table::new(rows_of(&rows)).unwrap();
    let clipping = Rule::CenteredClipping {
        tau: 1.0,
        iterations: 1,
    };
    let start = |start: &[f64]| clipping.aggregate(&table, &[], from(start)).unwrap_err();
    assert_eq!(
        start(&[0.0]),
        RuleError::VectorLength {
            what: "start",
            expected: 2,
            got: 1
        }
    );
    assert!(matches!(
        start(&[0.0, f64::NAN]),
        RuleError::VectorValue { coordinate: 1, .. }
    ));
    let staged = |stages: &[Stage]| Rule::Mean.aggregate(&table, stages, State::default()).unwrap_err();
    let pairs = Stage::Mix(Mixing::new(2, 4, vec![0.5, 0.5, 0.0, 0.0, 0.0, 0.0, 0.5, 0.5]).unwrap());
    let error = RuleError::MixingSize {
        stage: 1,
        expected: 2,
        got: 4,
    };
    assert_eq!(staged(&[pairs.clone(), pairs]), error);
    assert_eq!(
        staged(&vec![Stage::StaticClip { norm: 1.0 }; 9]),
        RuleError::TooManyStages { got: 9 }
    );
    assert!(matches!(
        staged(&[Stage::StaticClip { norm: f64::INFINITY }]),
        RuleError::Decision { rule: "clipping", .. }
    ));
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
