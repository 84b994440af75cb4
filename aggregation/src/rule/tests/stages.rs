//! Laws of the integer stages: each equals its plain definition before every rule, and no block size or thread shows.

use super::*;
use crate::distances::squared_norm;
use crate::real::MAX_STAGES;

/// Chains for n rows; `order` is a permutation of the first `order.len()` numbers, n of them at least.
fn chains(n: usize, order: &[usize]) -> Vec<Vec<Stage>> {
    let bucketing = |n: usize, size| Stage::Bucketing {
        size,
        permutation: order.iter().copied().filter(|&row| row < n).collect(),
    };
    let (clip, arc, nnm) = (
        Stage::Clipping { norm: 70_000 },
        |f| Stage::Arc { f },
        |f| Stage::Nnm { f },
    );
    vec![
        vec![clip.clone()],
        vec![arc(n / 3)],
        vec![nnm(n / 2)],
        vec![nnm(0), Stage::Clipping { norm: 1 }],
        vec![bucketing(n, 2)],
        vec![bucketing(n, 3), nnm(n.div_ceil(3) / 3)],
        vec![arc(n / 4), nnm(n / 4), clip, bucketing(n, 2), arc(0)],
    ]
}

fn after(rows: &[Vec<i32>], chain: &[Stage]) -> Vec<Vec<i32>> {
    chain.iter().fold(rows.to_vec(), reference::staged)
}

fn seen(rows: &[Vec<i32>], chain: &[Stage]) -> Vec<Vec<i32>> {
    let columns: Vec<usize> = (0..rows[0].len()).collect();
    stage::chain(&rows_of(rows), chain).unwrap().at(&columns)
}

fn permutation() -> impl Strategy<Value = Vec<usize>> {
    Just((0..9).collect::<Vec<usize>>()).prop_shuffle()
}

proptest! {
    #[test]
    fn what_stages_leave_is_their_definition(rows in table(1..9, 1..60, hostile()), order in permutation()) {
        for chain in chains(rows.len(), &order) {
            let left = seen(&rows, &chain);
            prop_assert_eq!(&left, &after(&rows, &chain), "{:?}", chain);
            let counted = chain.iter().fold(rows.len(), |n, stage| stage.rows_after(n));
            prop_assert_eq!(left.len(), counted);
        }
    }

    /// The bound on a clipped row holds for the integers that are left, to the last unit.
    #[test]
    fn no_clipped_row_is_longer_than_its_bound(
        rows in table(1..7, 1..200, hostile()),
        norm in prop_oneof![0..9_u64, any::<u32>().prop_map(u64::from), any::<u64>()],
        f in 0_usize..7,
    ) {
        let n = rows.len();
        let f = f.min(n - 1);
        for (left, row) in seen(&rows, &[Stage::Clipping { norm }]).iter().zip(&rows) {
            prop_assert!(squared_norm(left) <= u128::from(norm).pow(2));
            prop_assert!(squared_norm(row) > u128::from(norm).pow(2) || left == row);
        }
        let mut norms: Vec<u128> = rows.iter().map(|row| squared_norm(row)).collect();
        norms.sort();
        let bound = norms[n - 1 - 2 * f * (n - f) / n];
        for (left, row) in seen(&rows, &[Stage::Arc { f }]).iter().zip(&rows) {
            prop_assert!(squared_norm(left) <= bound);
            prop_assert!(squared_norm(row) > bound || left == row);
        }
    }

    /// A hostile row can be anything: what it is shortened to still points where it did.
    #[test]
    fn a_clipped_row_keeps_its_direction(row in prop::collection::vec(hostile(), 1..50), norm in 1_000..1_000_000_u64) {
        let left = &seen(std::slice::from_ref(&row), &[Stage::Clipping { norm }])[0];
        let length = (squared_norm(&row) as f64).sqrt();
        let factor = (norm as f64 / length).min(1.0);
        for (&left, &v) in left.iter().zip(&row) {
            prop_assert!((f64::from(left) - factor * f64::from(v)).abs() < 1.0 + 2_f64.powi(-29) * f64::from(v).abs());
        }
    }
}

proptest! {
    // A hundred rules after seven chains each.
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn every_rule_after_every_chain_is_its_definition(
        rows in table(1..9, 1..30, hostile()),
        order in permutation(),
        block in 1_usize..40,
    ) {
        let table = rows_of(&rows);
        for chain in chains(rows.len(), &order) {
            let mixed = after(&rows, &chain);
            let slices: Vec<&[i32]> = mixed.iter().map(Vec::as_slice).collect();
            let view = stage::chain(&table, &chain).unwrap();
            for rule in rules(mixed.len()) {
                let (values, used) = reference::aggregate(rule, &slices);
                let aggregate = rule.aggregate_after(&table, &chain, State::default()).unwrap();
                prop_assert_eq!(&aggregate.values, &values, "{} after {:?}", rule, chain);
                let in_blocks = rule.run(&view.clone().in_blocks(block), State::default(), SquaredDistances::seen);
                let in_blocks = in_blocks.unwrap();
                prop_assert_eq!((&in_blocks.values, &in_blocks.selected), (&values, &used), "{}", rule);
                prop_assert_eq!(in_blocks.of_rows_given(&view), aggregate, "{} after {:?}", rule, chain);
            }
        }
    }
}

#[test]
fn no_chain_changes_nothing() {
    let rows = vec![vec![3, -4], vec![i32::MIN, 7], vec![5, 5]];
    for rule in rules(3) {
        let plain = rule.aggregate(&rows_of(&rows)).unwrap();
        assert_eq!(rule.aggregate_after(&rows_of(&rows), &[], State::default()), Ok(plain));
    }
}

#[test]
fn threads_do_not_show_after_stages() {
    let rows: Vec<Vec<i32>> = (0..7_i32)
        .map(|i| {
            (0..9001_i32)
                .map(|c| (c * (i + 3)).wrapping_mul(40_503) % 100_000)
                .collect()
        })
        .collect();
    for chain in chains(7, &[4, 0, 6, 2, 1, 5, 3]) {
        let n = chain.iter().fold(7, |n, stage| stage.rows_after(n));
        for rule in rules(n) {
            let on = |threads| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| rule.aggregate_after(&rows_of(&rows), &chain, State::default()).unwrap())
            };
            assert_eq!(on(1), on(2), "{rule} after {chain:?}");
        }
    }
}

#[test]
fn who_was_used_is_said_of_the_rows_given() {
    let rows = vec![
        vec![1, 0],
        vec![3, 0],
        vec![900, 900],
        vec![2, 0],
        vec![1, 1],
        vec![2, 2],
    ];
    let chain = [Stage::Bucketing {
        size: 2,
        permutation: vec![0, 2, 1, 3, 5, 4],
    }];
    let rule = Rule::MultiKrum {
        f: 1,
        select: 2,
        neighbours: Neighbours::ByzFl,
    };
    let round = rule.aggregate_after(&rows_of(&rows), &chain, State::default()).unwrap();
    // Buckets (450, 450), (2, 0), (1, 1): the last two are kept.
    assert_eq!(round.values, [1, 0]);
    assert_eq!(round.selected, [false, true, false, true, true, true]);
    assert_eq!(round.weights.unwrap(), [0.0, 0.25, 0.0, 0.25, 0.25, 0.25]);
    assert_eq!(round.distances.unwrap().scores.len(), 3);
    // A row that clipping leaves nothing of has no part in the result.
    let clipped = Rule::Mean.aggregate_after(
        &rows_of(&[vec![0, 0], vec![5, 5]]),
        &[Stage::Clipping { norm: 0 }],
        State::default(),
    );
    let clipped = clipped.unwrap();
    assert_eq!((clipped.values, clipped.selected), (vec![0, 0], vec![true, false]));
    assert_eq!(clipped.weights.unwrap(), [0.5, 0.0]);
}

#[test]
fn stages_that_do_not_fit_are_refused() {
    let rows = vec![vec![1, 2]; 4];
    let refused = |chain: &[Stage]| {
        Rule::Mean
            .aggregate_after(&rows_of(&rows), chain, State::default())
            .unwrap_err()
    };
    let bucketing = |size, permutation: &[usize]| Stage::Bucketing {
        size,
        permutation: permutation.to_vec(),
    };
    let half = bucketing(2, &[3, 2, 1, 0]);
    let error = RuleError::StageSize {
        stage: 1,
        expected: 2,
        got: 4,
    };
    assert_eq!(refused(&[half.clone(), half]), error);
    let long = vec![Stage::Arc { f: 0 }; MAX_STAGES + 1];
    assert_eq!(refused(&long), RuleError::TooManyStages { got: 9 });
    for (stage, part) in [
        (
            Stage::Nnm { f: 4 },
            "cohort too small for nnm: expected at least 5 rows, got 4",
        ),
        (Stage::Arc { f: usize::MAX }, "cohort too small for arc"),
        (bucketing(0, &[0, 1, 2, 3]), "bucketing: parameter size out of range"),
        (bucketing(2, &[0, 1, 1, 3]), "got row 1 twice"),
        (bucketing(2, &[0, 1, 2, 4]), "expected an index below 4, got 4"),
    ] {
        let message = refused(&[stage]).to_string();
        assert!(message.contains(part), "{message}");
    }
    // The rule counts the rows that are left.
    let pairs = [bucketing(2, &[0, 1, 2, 3])];
    let trimmed = Rule::TrimmedMean { f: 1 }.aggregate_after(&rows_of(&rows), &pairs, State::default());
    let error = RuleError::CohortTooSmall {
        rule: "trimmed-mean",
        expected: 3,
        got: 2,
    };
    assert_eq!(trimmed, Err(error));
    let crowd = vec![vec![1]; 2049];
    let mixed = Rule::Mean.aggregate_after(&rows_of(&crowd), &[Stage::Nnm { f: 1 }], State::default());
    assert!(matches!(mixed, Err(RuleError::CohortTooLarge { rule: "nnm", .. })));
}
