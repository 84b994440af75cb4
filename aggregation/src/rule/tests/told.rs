//! Rules that are told something besides the rows: FLTrust's reference, FoolsGold's history, an iteration's start.

use super::*;

/// A state's vectors, all of them or none.
type Told = (Vec<i32>, Vec<Vec<i64>>);

fn told(n: Range<usize>, d: Range<usize>) -> impl Strategy<Value = (Vec<Vec<i32>>, Told)> {
    table(n, d, hostile()).prop_flat_map(|rows| {
        let (n, d) = (rows.len(), rows[0].len());
        let sums = prop_oneof![
            -5..5_i64,
            any::<i32>().prop_map(i64::from),
            prop::sample::select(vec![MAX_HISTORY, -MAX_HISTORY])
        ];
        let history = prop::collection::vec(prop::collection::vec(sums, d), n);
        let reference = prop::collection::vec(hostile(), d);
        (Just(rows), (reference, history))
    })
}

use std::ops::Range;

proptest! {
    #[test]
    fn rules_that_are_told_something_are_their_definition((rows, (reference, history)) in told(1..9, 1..40)) {
        let slices: Vec<&[i32]> = rows.iter().map(Vec::as_slice).collect();
        let first = State { reference: Some(&reference), ..State::default() };
        let later = State { history: Some(&history), ..first };
        for state in [first, later] {
            for rule in [Rule::FlTrust, Rule::FoolsGold { kappa_ppm: 1_000_000 }, Rule::FoolsGold { kappa_ppm: 300_000 }] {
                let got = rule.aggregate_after(&rows_of(&rows), &[], state);
                match reference::aggregate_told(rule, &slices, state) {
                    Some((values, selected)) => {
                        let got = got.unwrap();
                        prop_assert_eq!((&got.values, &got.selected), (&values, &selected), "{}", rule);
                    }
                    None => prop_assert!(matches!(got, Err(RuleError::Decision { .. })), "{}: {:?}", rule, got),
                }
            }
        }
    }

    #[test]
    fn a_history_is_the_sum_of_all_rounds(rounds in prop::collection::vec(table(3..4, 7..8, hostile()), 1..5)) {
        let mut history = vec![vec![0; 7]; 3];
        for rows in &rounds {
            add_to_history(&mut history, &rows_of(rows)).unwrap();
        }
        for (row, sums) in history.iter().enumerate() {
            for (c, &sum) in sums.iter().enumerate() {
                prop_assert_eq!(sum, rounds.iter().map(|rows| i64::from(rows[row][c])).sum::<i64>());
            }
        }
    }

    #[test]
    fn a_history_after_stages_is_of_the_rows_left(rows in table(5..6, 1..40, hostile())) {
        let chain = [Stage::Bucketing { size: 2, permutation: vec![4, 0, 3, 1, 2] }, Stage::Nnm { f: 1 }];
        let left = chain.iter().fold(rows.clone(), reference::staged);
        let mut history = vec![vec![10; rows[0].len()]; 3];
        add_to_history_after(&mut history, &rows_of(&rows), &chain).unwrap();
        for (sums, row) in history.iter().zip(&left) {
            prop_assert!(sums.iter().zip(row).all(|(&sum, &v)| sum == 10 + i64::from(v)));
        }
    }
}

#[test]
fn sybils_lose_their_weight_over_the_rounds() {
    // Row 2 says nothing of interest in this round; over the rounds it is row 1's copy.
    let rows = [vec![100, 0, 10], vec![-100, -100, 500], vec![-90, -110, 500]];
    let history = vec![
        vec![0, 900, -90],
        vec![-4000, -4000, 20_000],
        vec![-4000, -4000, 20_000],
    ];
    let state = State {
        history: Some(&history),
        ..State::default()
    };
    let rule = Rule::FoolsGold { kappa_ppm: 1_000_000 };
    let round = rule.aggregate_after(&rows_of(&rows), &[], state).unwrap();
    assert_eq!(round.values, rows[0]);
    assert_eq!(round.selected, [true, false, false]);
    assert_eq!(round.weights.unwrap(), [1.0, 0.0, 0.0]);
    let copies = vec![vec![1, 2]; 3];
    let error = rule.aggregate(&rows_of(&copies)).unwrap_err();
    assert!(error.to_string().contains("foolsgold trusts no row"), "{error}");
}

#[test]
fn a_reference_decides_and_no_length_buys_weight() {
    // One row along the reference and huge, one against it, one tiny.
    let rows = [vec![300_000_000, 400_000_000], vec![-3, -4], vec![3, 4]];
    let reference = [30, 40];
    let state = State {
        reference: Some(&reference),
        ..State::default()
    };
    let round = Rule::FlTrust.aggregate_after(&rows_of(&rows), &[], state).unwrap();
    assert_eq!(round.values, reference);
    assert_eq!(round.selected, [true, false, true]);
    // A row of length 1 beside a reference of length 2^31 * 10^3: a weight of more than 2^40, and no error.
    let rows = [vec![1; 1_000_000], vec![i32::MAX; 1_000_000]];
    let reference = vec![i32::MAX; 1_000_000];
    let state = State {
        reference: Some(&reference),
        ..State::default()
    };
    let round = Rule::FlTrust.aggregate_after(&rows_of(&rows), &[], state).unwrap();
    assert_eq!(round.values, reference);
    // All of the reference's length on one coordinate does not fit 32 bits and is held at their end.
    let mut spike = vec![0; 1_000_000];
    spike[7] = -1;
    let turned: Vec<i32> = reference.iter().map(|v| -v).collect();
    let state = State {
        reference: Some(&turned),
        ..State::default()
    };
    let round = Rule::FlTrust.aggregate_after(&rows_of(&[spike]), &[], state).unwrap();
    assert_eq!((round.values[7], round.values[6]), (i32::MIN, 0));
}

#[test]
fn what_is_told_must_fit() {
    let rows = vec![vec![1, 2]; 3];
    let refused = |rule: Rule, state: State<'_>| rule.aggregate_after(&rows_of(&rows), &[], state).unwrap_err();
    let foolsgold = Rule::FoolsGold { kappa_ppm: 1_000_000 };
    let missing = RuleError::Missing {
        rule: "fltrust",
        what: "reference",
    };
    assert_eq!(Rule::FlTrust.aggregate(&rows_of(&rows)), Err(missing));
    let reference = State {
        reference: Some(&[1]),
        ..State::default()
    };
    let error = RuleError::VectorLength {
        what: "reference",
        expected: 2,
        got: 1,
    };
    assert_eq!(refused(Rule::FlTrust, reference), error);
    let zero = State {
        reference: Some(&[0, 0]),
        ..State::default()
    };
    assert!(matches!(
        refused(Rule::FlTrust, zero),
        RuleError::Decision { rule: "fltrust", .. }
    ));
    let few = vec![vec![0; 2]; 2];
    let mut large = vec![vec![0; 2]; 3];
    large[1][1] = -MAX_HISTORY - 1;
    let mut long = vec![vec![0; 2]; 3];
    long[2].push(0);
    let with = |history| State {
        history: Some(history),
        ..State::default()
    };
    let rows_missing = RuleError::HistoryRows { expected: 3, got: 2 };
    assert_eq!(refused(foolsgold, with(&few)), rows_missing);
    let too_large = RuleError::HistoryValue {
        row: 1,
        coordinate: 1,
        got: -MAX_HISTORY - 1,
    };
    assert_eq!(refused(foolsgold, with(&large)), too_large);
    assert!(matches!(
        refused(foolsgold, with(&long)),
        RuleError::VectorLength { .. }
    ));
    let mut history = large.clone();
    assert_eq!(add_to_history(&mut history, &rows_of(&rows)), Err(too_large));
    assert_eq!(history, large);
    // A sum is held at its bound, so that no number of rounds makes a history that is refused.
    let mut history = vec![vec![MAX_HISTORY - 1, 1 - MAX_HISTORY]; 3];
    add_to_history(&mut history, &rows_of(&vec![vec![i32::MAX, i32::MIN]; 3])).unwrap();
    assert_eq!(history, vec![vec![MAX_HISTORY, -MAX_HISTORY]; 3]);
    assert_eq!(
        refused(Rule::FoolsGold { kappa_ppm: 0 }, State::default()).to_string(),
        "foolsgold: expected kappa in ppm from 1 to 18446744073709551615, got 0"
    );
    let dnc = |count, iterations| Rule::Dnc {
        f: 1,
        filter_ppm: 1_000_000,
        seed: 0,
        count,
        iterations,
    };
    assert!(matches!(
        refused(dnc(0, 1), State::default()),
        RuleError::Decision { rule: "dnc", .. }
    ));
    assert!(matches!(
        refused(dnc(1, usize::MAX), State::default()),
        RuleError::Decision { .. }
    ));
    let greedy = Rule::Dnc {
        f: 1,
        filter_ppm: u64::MAX,
        seed: 0,
        count: 1,
        iterations: 1,
    };
    assert_eq!(greedy.minimum_cohort(), 18_446_744_073_710);
    assert!(matches!(
        refused(greedy, State::default()),
        RuleError::CohortTooSmall { .. }
    ));
}

#[test]
fn weighted_means_after_stages_weigh_what_is_left() {
    let rows = [vec![2, 1], vec![4, 2], vec![9, -9], vec![i32::MAX, i32::MIN]];
    let pairs = [Stage::Bucketing {
        size: 2,
        permutation: vec![3, 2, 1, 0],
    }];
    let round = weighted_mean_after(&rows_of(&rows), &pairs, &[0, u64::MAX], Some(7)).unwrap();
    assert_eq!(round.values, [3, 1]);
    assert_eq!(round.selected, [true, true, false, false]);
    assert_eq!(round.weights.unwrap(), [0.5, 0.5, 0.0, 0.0]);
    let error = weighted_mean_after(&rows_of(&rows), &pairs, &[1; 4], None).unwrap_err();
    assert_eq!(error, RuleError::WeightCount { expected: 2, got: 4 });
}
