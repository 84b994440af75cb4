//! Laws of the rules on any rows: each equals its plain definition, whole or mixed, and the weights reported make the values.

use super::*;

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
