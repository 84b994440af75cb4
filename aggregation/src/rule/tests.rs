//! Laws of the rules: each equals its plain definition, on any input, order, thread count and block size.

use super::*;
use crate::real;
use crate::reference::{self, hostile, table};
use crate::rows::MAX_ROWS;
use proptest::prelude::*;

mod extremes;
mod floats;
mod stages;
mod told;

fn rows_of(rows: &[Vec<i32>]) -> Rows<'_> {
    Rows::new(rows.iter().map(Vec::as_slice).collect()).unwrap()
}

/// Every rule and choice of f, select and neighbours that n rows allow.
fn rules(n: usize) -> Vec<Rule> {
    let mut rules = vec![Rule::Mean, Rule::Median];
    rules.extend((0..=(n - 1) / 2).map(|f| Rule::TrimmedMean { f }));
    for neighbours in [Neighbours::Blanchard, Neighbours::ByzFl] {
        for f in (0..n).filter(|&f| n >= neighbours.minimum_cohort(f)) {
            rules.extend((1..=n - f).map(|select| Rule::MultiKrum { f, select, neighbours }));
            rules.push(Rule::Krum { f, neighbours });
        }
    }
    for f in 0..=(n - 1) / 2 {
        let power_starts = [PowerStart::Ones, PowerStart::Seed(5)];
        rules.extend([Rule::Meamed { f }, Rule::Mda { f }, Rule::Monna { f, index: f }]);
        rules.extend(power_starts.map(|start| Rule::Caf { f, start, power: 1 + f }));
        rules.extend(power_starts.map(|start| Rule::Smea { f, start, power: 1 + f }));
        rules.push(Rule::Dnc {
            f,
            filter_ppm: 1_000_000,
            seed: f as u64,
            count: 5,
            iterations: 1,
        });
    }
    for f in (0..n).filter(|f| n >= 4 * f + 3) {
        for stage in [bulyan::Stage::Iterated, bulyan::Stage::Once] {
            let (one, other) = (Neighbours::Blanchard, Neighbours::ByzFl);
            rules.extend([one, other].map(|neighbours| Rule::Bulyan { f, stage, neighbours }));
        }
    }
    rules.extend([
        Rule::SignMajority,
        Rule::GeometricMedian { nu: 1, iterations: 3 },
        Rule::GeometricMedian {
            nu: 1000,
            iterations: 1,
        },
        Rule::CenteredClipping {
            tau: 1000,
            iterations: 3,
        },
        Rule::CenteredClipping { tau: 0, iterations: 2 },
        Rule::CenteredClipping {
            tau: u64::MAX,
            iterations: 1,
        },
        Rule::NormClipping { norm: 70_000 },
        Rule::Flame,
    ]);
    rules
}

fn coordinate_wise(n: usize) -> Vec<Rule> {
    rules(n).into_iter().filter(Rule::coordinate_wise).collect()
}

#[test]
fn means_floor_towards_negative_infinity() {
    let rows = [vec![-1, 1, i32::MIN, i32::MAX], vec![0, 0, i32::MIN, i32::MAX]];
    for rule in [Rule::Mean, Rule::Median, Rule::TrimmedMean { f: 0 }] {
        assert_eq!(
            rule.aggregate(&rows_of(&rows)).unwrap().values,
            [-1, 0, i32::MIN, i32::MAX],
            "{rule}"
        );
    }
}

#[test]
fn one_row_of_one_coordinate_is_its_own_aggregate() {
    for rule in [Rule::Mean, Rule::Median, Rule::TrimmedMean { f: 0 }] {
        for v in [i32::MIN, -1, 0, i32::MAX] {
            let aggregate = rule.aggregate(&rows_of(&[vec![v]])).unwrap();
            assert_eq!((aggregate.values, aggregate.selected), (vec![v], vec![true]));
        }
    }
}

#[test]
fn krum_breaks_ties_by_the_lower_row() {
    let rows = vec![vec![5, 5]; 6];
    let krum = Rule::MultiKrum {
        f: 1,
        select: 2,
        neighbours: Neighbours::Blanchard,
    };
    let aggregate = krum.aggregate(&rows_of(&rows)).unwrap();
    assert_eq!(aggregate.selected, [true, true, false, false, false, false]);
    assert_eq!(aggregate.distances.unwrap().scores, [0; 6]);
}

#[test]
fn the_two_conventions_of_krum_can_choose_differently() {
    // n = 5, f = 1: two neighbours (the paper) favour an end of the close triple, three (ByzFL) the row between all.
    let rows = [vec![0], vec![1], vec![5], vec![8], vec![9]];
    let krum = |neighbours| {
        Rule::MultiKrum {
            f: 1,
            select: 1,
            neighbours,
        }
        .aggregate(&rows_of(&rows))
        .unwrap()
    };
    assert_eq!(
        krum(Neighbours::Blanchard).distances.unwrap().scores,
        [26, 17, 25, 10, 17]
    );
    assert_eq!(krum(Neighbours::ByzFl).distances.unwrap().scores, [90, 66, 41, 59, 81]);
    assert_eq!(krum(Neighbours::Blanchard).values, [8]);
    assert_eq!(krum(Neighbours::ByzFl).values, [5]);
}

#[test]
fn impossible_parameters_are_errors_that_say_what_was_expected() {
    let four = vec![vec![1]; 4];
    let fails = |rule: Rule| rule.aggregate(&rows_of(&four)).unwrap_err();
    let small = |rule, expected| RuleError::CohortTooSmall { rule, expected, got: 4 };
    let krum = |f, select| Rule::MultiKrum {
        f,
        select,
        neighbours: Neighbours::Blanchard,
    };
    assert_eq!(fails(Rule::TrimmedMean { f: 2 }), small("trimmed-mean", 5));
    assert_eq!(
        fails(Rule::TrimmedMean { f: usize::MAX }),
        small("trimmed-mean", usize::MAX)
    );
    assert_eq!(fails(krum(1, 1)), small("multi-krum", 5));
    assert_eq!(fails(krum(usize::MAX, usize::MAX)), small("multi-krum", usize::MAX));
    assert_eq!(fails(krum(0, 0)), RuleError::SelectsNone);
    assert_eq!(fails(krum(0, 5)), RuleError::SelectsTooMany { select: 5, f: 0, n: 4 });
    let byzfl = Rule::MultiKrum {
        f: 1,
        select: 4,
        neighbours: Neighbours::ByzFl,
    };
    assert_eq!(fails(byzfl), RuleError::SelectsTooMany { select: 4, f: 1, n: 4 });
    let crowd = vec![vec![1]; MAX_KRUM_ROWS + 1];
    let refused = krum(0, 1).aggregate(&rows_of(&crowd)).unwrap_err();
    assert_eq!(
        refused,
        RuleError::CohortTooLarge {
            rule: "multi-krum",
            expected: MAX_KRUM_ROWS,
            got: 2049
        }
    );
    assert_eq!(
        krum(0, 1).recompute_coordinate(&[1, 2, 3]),
        Err(RuleError::NotCoordinateWise { rule: "multi-krum" })
    );
    assert!(Rule::Median.recompute_coordinate(&[]).is_err());
    assert!(Rule::TrimmedMean { f: 1 }.recompute_coordinate(&[1, 2]).is_err());
}

#[test]
fn what_the_newer_rules_refuse_is_named() {
    let rows = vec![vec![1, 2]; 4];
    let refused = |rule: Rule| rule.aggregate(&rows_of(&rows)).unwrap_err().to_string();
    for (rule, part) in [
        (
            Rule::Monna { f: 0, index: 4 },
            "no such row for monna: expected an index below 4, got 4",
        ),
        (
            Rule::GeometricMedian { nu: 0, iterations: 3 },
            "geometric-median: expected nu from 1 to",
        ),
        (
            Rule::CenteredClipping {
                tau: 1,
                iterations: 1001,
            },
            "expected iterations from 0 to 1000, got 1001",
        ),
        (
            Rule::Caf {
                f: 0,
                start: PowerStart::Ones,
                power: 0,
            },
            "caf: expected power from 1 to 10000, got 0",
        ),
        (
            Rule::Mda { f: 2 },
            "cohort too small for mda: expected at least 5 rows, got 4",
        ),
        (Rule::Meamed { f: usize::MAX }, "cohort too small for meamed"),
        (
            Rule::Bulyan {
                f: 1,
                stage: bulyan::Stage::Iterated,
                neighbours: Neighbours::Blanchard,
            },
            "cohort too small for bulyan: expected at least 7 rows, got 4",
        ),
    ] {
        let message = refused(rule);
        assert!(message.contains(part), "{message}");
    }
    let start = Rule::CenteredClipping { tau: 1, iterations: 1 }.aggregate_from(&rows_of(&rows), &[0]);
    assert_eq!(start, Err(RuleError::StartLength { expected: 2, got: 1 }));
}

#[test]
fn a_sum_must_be_one_that_n_values_can_have() {
    assert_eq!(mean_of_sum(&[-7, 7], 2).unwrap(), [-4, 3]);
    assert_eq!(mean_of_sum(&[], 2).unwrap(), [0_i32; 0]);
    assert!(matches!(
        mean_of_sum(&[1], 0),
        Err(RuleError::CohortTooSmall { got: 0, .. })
    ));
    assert!(matches!(
        mean_of_sum(&[1], MAX_ROWS + 1),
        Err(RuleError::CohortTooLarge { .. })
    ));
    let beyond = 2 * i64::from(i32::MAX) + 1;
    let error = RuleError::SumOutOfRange {
        coordinate: 1,
        n: 2,
        got: beyond,
    };
    assert_eq!(mean_of_sum(&[0, beyond, i64::MIN], 2), Err(error));
    assert!(mean_of_sum(&[i64::MIN], MAX_ROWS).is_err() && mean_of_sum(&[i64::MAX], 1).is_err());
}

#[test]
fn minimum_cohorts_are_exactly_where_errors_end() {
    for n in 1..12 {
        let rows = vec![vec![3, -4]; n];
        for f in 0..8 {
            let mut candidates = vec![Rule::TrimmedMean { f }];
            for neighbours in [Neighbours::Blanchard, Neighbours::ByzFl] {
                candidates.extend((1..8).map(|select| Rule::MultiKrum { f, select, neighbours }));
            }
            for rule in candidates {
                assert_eq!(
                    rule.aggregate(&rows_of(&rows)).is_ok(),
                    n >= rule.minimum_cohort(),
                    "{rule} n={n}"
                );
            }
        }
    }
}

proptest! {
    #[test]
    fn every_rule_is_its_definition(rows in table(1..9, 1..40, hostile())) {
        let slices: Vec<&[i32]> = rows.iter().map(Vec::as_slice).collect();
        for rule in rules(rows.len()) {
            let aggregate = rule.aggregate(&rows_of(&rows)).unwrap();
            let (values, selected) = reference::aggregate(rule, &slices);
            prop_assert_eq!(&aggregate.values, &values, "{}", rule);
            prop_assert_eq!(&aggregate.selected, &selected, "{}", rule);
        }
    }

    #[test]
    fn larger_cohorts_are_the_definition_too(rows in table(20..70, 1..20, hostile()), f in 0_usize..9, select in 1_usize..11) {
        let slices: Vec<&[i32]> = rows.iter().map(Vec::as_slice).collect();
        let krum = Rule::MultiKrum { f: f.min((rows.len() - 3) / 2), select, neighbours: Neighbours::Blanchard };
        for rule in [Rule::Mean, Rule::Median, Rule::TrimmedMean { f }, Rule::Meamed { f }, krum] {
            let aggregate = rule.aggregate(&rows_of(&rows)).unwrap();
            let (values, selected) = reference::aggregate(rule, &slices);
            prop_assert_eq!((&aggregate.values, &aggregate.selected), (&values, &selected), "{}", rule);
        }
    }

    #[test]
    fn networks_and_selection_agree(rows in table(1..30, 1..40, hostile()), cut in 0_usize..15) {
        let cut = cut.min((rows.len() - 1) / 2);
        let by = |network_rows| middle::mean_of_middle(&View::of(&rows_of(&rows)), cut, "", network_rows).unwrap();
        prop_assert_eq!(by(usize::MAX), by(0));
    }

    #[test]
    fn meamed_by_network_and_by_sorting_agree(rows in table(1..30, 1..80, hostile()), f in 0_usize..15, block in 1_usize..70) {
        let f = f.min(rows.len() - 1);
        let by = |block, network_rows| {
            meamed::meamed(&View::of(&rows_of(&rows)).in_blocks(block), f, "", network_rows).unwrap()
        };
        prop_assert_eq!(by(block, usize::MAX), by(64, 0));
    }

    #[test]
    fn steps_on_the_grid_stay_near_steps_on_doubles(rows in table(3..9, 1..40, -1_000_000..1_000_000_i32), start in -1000..1000_i32) {
        let start = vec![start; rows[0].len()];
        let wide: Vec<Vec<f64>> = rows.iter().map(|row| row.iter().copied().map(f64::from).collect()).collect();
        let table = real::Table::new(wide.iter().map(Vec::as_slice).collect()).unwrap();
        let doubles: Vec<f64> = start.iter().copied().map(f64::from).collect();
        let state = real::State { start: Some(&doubles), ..Default::default() };
        for (rule, on_doubles) in [
            (Rule::GeometricMedian { nu: 10, iterations: 1 }, real::Rule::GeometricMedian { nu: 10.0, iterations: 1 }),
            (Rule::CenteredClipping { tau: 900, iterations: 1 }, real::Rule::CenteredClipping { tau: 900.0, iterations: 1 }),
        ] {
            let exact = rule.aggregate_from(&rows_of(&rows), &start).unwrap().values;
            let near = on_doubles.aggregate(&table, &[], state).unwrap().values;
            for (exact, near) in exact.into_iter().zip(near) {
                prop_assert!((-1.01..=0.01).contains(&(f64::from(exact) - near)), "{}: {} and {}", rule, exact, near);
            }
        }
    }

    #[test]
    fn block_sizes_do_not_show(rows in table(3..9, 1..200, hostile()), block in 1_usize..150) {
        let rows = rows_of(&rows);
        let view = View::of(&rows).in_blocks(block);
        for rule in rules(rows.n()) {
            let in_blocks = rule.run(&view, State::default(), SquaredDistances::seen);
            prop_assert_eq!(in_blocks, rule.aggregate(&rows), "{}", rule);
        }
    }

    #[test]
    fn the_order_of_clients_does_not_matter(
        (rows, order) in table(5..9, 1..30, hostile())
            .prop_flat_map(|rows| { let order: Vec<usize> = (0..rows.len()).collect(); (Just(rows), Just(order).prop_shuffle()) })
    ) {
        let moved: Vec<Vec<i32>> = order.iter().map(|&i| rows[i].clone()).collect();
        // Meamed settles ties by the lower row.
        for rule in coordinate_wise(rows.len()).into_iter().filter(|rule| !matches!(rule, Rule::Meamed { .. })) {
            let before = rule.aggregate(&rows_of(&rows)).unwrap();
            prop_assert_eq!(rule.aggregate(&rows_of(&moved)).unwrap(), before, "{}", rule);
        }
        let krum = Rule::MultiKrum { f: 1, select: 2, neighbours: Neighbours::Blanchard };
        let (before, after) = (krum.aggregate(&rows_of(&rows)).unwrap(), krum.aggregate(&rows_of(&moved)).unwrap());
        let (before_scores, after_scores) = (before.distances.unwrap().scores, after.distances.unwrap().scores);
        let mut sorted = before_scores.clone();
        sorted.sort();
        for (to, &from) in order.iter().enumerate() {
            prop_assert_eq!(before_scores[from], after_scores[to]);
        }
        // A tie across the cut is broken by row index, so only without one must the values agree.
        if sorted[1] < sorted[2] {
            prop_assert_eq!(before.values, after.values);
        }
    }

    #[test]
    fn one_column_recomputes_one_coordinate(rows in table(1..9, 1..40, hostile())) {
        for rule in coordinate_wise(rows.len()) {
            let values = rule.aggregate(&rows_of(&rows)).unwrap().values;
            for (coordinate, value) in values.into_iter().enumerate() {
                let column: Vec<i32> = rows.iter().map(|row| row[coordinate]).collect();
                prop_assert_eq!(rule.recompute_coordinate(&column), Ok(value), "{}", rule);
            }
        }
    }

    #[test]
    fn a_masked_sum_gives_the_mean_of_its_rows(rows in table(1..9, 1..40, hostile())) {
        let sum: Vec<i64> = (0..rows[0].len()).map(|c| rows.iter().map(|row| i64::from(row[c])).sum()).collect();
        prop_assert_eq!(mean_of_sum(&sum, rows.len()).unwrap(), Rule::Mean.aggregate(&rows_of(&rows)).unwrap().values);
    }

    /// Poisoners far from everybody, wherever they sit in the cohort, never enter a Krum selection and never move a median or a
    /// trimmed mean out of the honest range.
    #[test]
    fn far_poisoners_are_never_selected(
        honest in table(7..12, 1..40, -1000..1000_i32),
        poison in prop::collection::vec(prop::sample::select(vec![i32::MIN, i32::MAX, 1 << 29, -(1 << 28)]), 2),
        at in 0_usize..7,
    ) {
        let d = honest[0].len();
        let mut rows = honest.clone();
        for &v in &poison {
            rows.insert(at, vec![v; d]);
        }
        let n = rows.len();
        for neighbours in [Neighbours::Blanchard, Neighbours::ByzFl] {
            let krum = Rule::MultiKrum { f: 2, select: n - 4, neighbours };
            let selected = krum.aggregate(&rows_of(&rows)).unwrap().selected;
            prop_assert!(!selected[at] && !selected[at + 1]);
        }
        for rule in [Rule::Median, Rule::TrimmedMean { f: 2 }] {
            for (c, value) in rule.aggregate(&rows_of(&rows)).unwrap().values.into_iter().enumerate() {
                let column = honest.iter().map(|row| row[c]);
                prop_assert!(column.clone().min() <= Some(value) && Some(value) <= column.max());
            }
        }
    }
}

proptest! {
    // A hundred rules on pools of their own.
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn threads_do_not_show(rows in table(7..8, 4000..9000, -2000..2000_i32)) {
        let on = |threads: usize, rule: Rule| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| rule.aggregate(&rows_of(&rows)).unwrap())
        };
        for rule in rules(rows.len()) {
            prop_assert_eq!(on(1, rule), on(2, rule), "{}", rule);
        }
    }
}
