//! Rows that are alike, alone or at the ends of the range: a result that can be said beforehand, or a typed error; never a panic.

use super::*;

fn everything(n: usize) -> Vec<Rule> {
    let mut all = rules(n);
    all.extend([
        Rule::FlTrust,
        Rule::WeightedMean { cap: u64::MAX },
        Rule::WeightedMean { cap: 3 },
        Rule::FoolsGold { kappa_ppm: 1_000_000 },
        Rule::FoolsGold { kappa_ppm: u64::MAX },
        Rule::GeometricMedian {
            nu: u32::MAX,
            iterations: 1000,
        },
    ]);
    all
}

/// Whether the rule's result is the row where all rows are equal.
fn keeps_equal_rows(rule: Rule) -> bool {
    !matches!(
        rule,
        Rule::SignMajority | Rule::NormClipping { .. } | Rule::CenteredClipping { .. }
    )
}

#[test]
fn equal_rows_are_their_own_aggregate() {
    for v in [i32::MIN, i32::MIN + 1, -1, 0, 1, 7, i32::MAX] {
        for (n, d) in [(1, 1), (1, 3), (2, 1), (3, 2), (6, 1), (7, 40)] {
            let rows = vec![vec![v; d]; n];
            let weights: Vec<u64> = (0..n).map(|i| u64::MAX >> (9 * i)).collect();
            let chain = [Stage::Nnm { f: n / 3 }, Stage::Arc { f: n / 3 }];
            for chain in [&[][..], &chain] {
                for rule in everything(n) {
                    let state = State {
                        reference: Some(&rows[0]),
                        weights: Some(&weights),
                        ..State::default()
                    };
                    match rule.aggregate_after(&rows_of(&rows), chain, state) {
                        Ok(round) if keeps_equal_rows(rule) => assert_eq!(round.values, rows[0], "{rule} n={n} d={d}"),
                        Ok(_) => {}
                        Err(RuleError::Decision { rule: "foolsgold", .. }) => assert!(n > 1 && v != 0),
                        Err(RuleError::Decision { rule: "fltrust", .. }) => assert_eq!(v, 0),
                        Err(error) => panic!("{rule} n={n} d={d} v={v}: {error}"),
                    }
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Copies of rows, and rows at both ends of the range: whatever the parameters, no result leaves the range of the rows and zero.
    #[test]
    fn copies_and_extremes_stay_in_range(
        rows in table(1..5, 1..12, hostile()),
        copies in prop::collection::vec(0_usize..5, 1..6),
        order in Just((0..9).collect::<Vec<usize>>()).prop_shuffle(),
    ) {
        let mut all = rows.clone();
        all.extend(copies.iter().map(|&row| rows[row % rows.len()].clone()));
        let n = all.len();
        let pairs = Stage::Bucketing { size: 2, permutation: order.into_iter().filter(|&row| row < n).collect() };
        let most = all.iter().flatten().fold(1, |most, v| v.unsigned_abs().max(most));
        for chain in [vec![], vec![Stage::Clipping { norm: u64::MAX }], vec![pairs, Stage::Nnm { f: 0 }]] {
            let left = chain.iter().fold(n, |n, stage| stage.rows_after(n));
            let weights: Vec<u64> = (0..left as u64).map(|i| i * (u64::MAX / 9) + 1).collect();
            for rule in everything(left) {
                let state = State {
                    reference: Some(&all[0]),
                    start: Some(&all[n - 1]),
                    weights: Some(&weights),
                    ..State::default()
                };
                match rule.aggregate_after(&rows_of(&all), &chain, state) {
                    // FLTrust's result has at most the reference's length, whatever single values are.
                    Ok(round) if rule != Rule::FlTrust => {
                        // A floored value of at most -2^31 is still one of 32 bits; one unit below a smaller one is the floor's.
                        prop_assert!(round.values.iter().all(|v| v.unsigned_abs() <= most.saturating_add(1)), "{}", rule);
                        prop_assert_eq!(round.selected.len(), n);
                        prop_assert!(round.weights.is_none_or(|w| w.len() == n && w.iter().all(|w| (0.0..=1.0 + 1e-9).contains(w))));
                    }
                    Ok(_) => {}
                    Err(error) => prop_assert!(matches!(error, RuleError::Decision { .. }), "{}: {}", rule, error),
                }
            }
        }
    }
}
