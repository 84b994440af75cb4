//! The two halves of this crate beside each other: what integers decide and add up is what doubles do, up to the roundings stated.

use super::*;

/// Pseudo-random rows around a common one, two of them far off; the same on every run, and without a near tie.
fn updates(n: usize, d: usize) -> Vec<Vec<i32>> {
    let mut state = 88_172_645_463_325_252_u64;
    let mut noise = |spread: i64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 20) as i64 % (2 * spread + 1) - spread
    };
    let common: Vec<i64> = (0..d).map(|_| noise(1_000_000)).collect();
    let row = |i: usize| {
        let from = |v: i64, noise: i64| if i + 2 < n { v + noise } else { 9 * noise - 3 * v };
        let noisy: Vec<i32> = common.iter().map(|&v| from(v, noise(400_000)) as i32).collect();
        noisy
    };
    (0..n).map(row).collect::<Vec<_>>()
}

fn doubles(rows: &[Vec<i32>]) -> Vec<Vec<f64>> {
    rows.iter()
        .map(|row| row.iter().copied().map(f64::from).collect())
        .collect()
}

fn on_floats(stage: &Stage) -> real::Stage {
    match stage.clone() {
        Stage::Clipping { norm } => real::Stage::StaticClip { norm: norm as f64 },
        Stage::Arc { f } => real::Stage::Arc { f },
        Stage::Nnm { f } => real::Stage::Nnm { f },
        Stage::Bucketing { size, permutation } => real::Stage::Bucketing { size, permutation },
    }
}

/// Each rule of integers with its twin of doubles.
fn twins(n: usize) -> Vec<(Rule, real::Rule)> {
    use real::Rule as Float;
    let (f, neighbours, stage) = ((n - 3) / 4, Neighbours::Blanchard, bulyan::Stage::Iterated);
    let (start, power, select) = (PowerStart::Seed(3), 2, n - f);
    let coordinates = Coordinates::Drawn {
        seed: 5,
        count: 100,
        iterations: 2,
    };
    vec![
        (Rule::Mean, Float::Mean),
        (Rule::Median, Float::Median),
        (Rule::TrimmedMean { f }, Float::TrimmedMean { f }),
        (Rule::Meamed { f }, Float::Meamed { f }),
        (Rule::SignMajority, Float::SignMajority),
        (Rule::Krum { f, neighbours }, Float::Krum { f, neighbours }),
        (
            Rule::MultiKrum { f, select, neighbours },
            Float::MultiKrum { f, select, neighbours },
        ),
        (
            Rule::Bulyan { f, stage, neighbours },
            Float::Bulyan { f, stage, neighbours },
        ),
        (Rule::Mda { f }, Float::Mda { f }),
        (Rule::Monna { f, index: 1 }, Float::Monna { f, index: 1 }),
        (Rule::Caf { f, start, power }, Float::Caf { f, start, power }),
        (Rule::Smea { f, start, power }, Float::Smea { f, start, power }),
        (
            Rule::Dnc {
                f,
                filter_ppm: 1_500_000,
                seed: 5,
                count: 100,
                iterations: 2,
            },
            Float::Dnc {
                f,
                filter: 1.5,
                coordinates,
            },
        ),
        (
            Rule::GeometricMedian { nu: 10, iterations: 3 },
            Float::GeometricMedian {
                nu: 10.0,
                iterations: 3,
            },
        ),
        (
            Rule::CenteredClipping {
                tau: 9_000_000,
                iterations: 3,
            },
            Float::CenteredClipping {
                tau: 9e6,
                iterations: 3,
            },
        ),
        (
            Rule::NormClipping { norm: 9_000_000 },
            Float::NormClipping { norm: 9e6 },
        ),
        (Rule::FlTrust, Float::FlTrust),
        (Rule::Flame, Float::Flame),
        (
            Rule::FoolsGold { kappa_ppm: 1_000_000 },
            Float::FoolsGold { kappa: 1.0 },
        ),
    ]
}

#[test]
fn integers_and_doubles_agree() {
    let (n, d) = (12, 700);
    let rows = updates(n, d);
    let wide = doubles(&rows);
    let table = real::Table::new(wide.iter().map(Vec::as_slice).collect()).unwrap();
    let (reference, wide_reference) = (&rows[0], &wide[0]);
    let (clip, arc, nnm) = (
        Stage::Clipping { norm: 8_000_000 },
        Stage::Arc { f: 2 },
        Stage::Nnm { f: 2 },
    );
    let bucketing = Stage::Bucketing {
        size: 2,
        permutation: vec![3, 11, 7, 0, 1, 9, 5, 2, 10, 4, 6, 8],
    };
    let chains = [
        vec![],
        vec![clip.clone()],
        vec![arc.clone()],
        vec![nnm.clone()],
        vec![bucketing.clone()],
        vec![clip, nnm],
        vec![bucketing, Stage::Nnm { f: 1 }, arc],
    ];
    for chain in &chains {
        let left = chain.iter().fold(n, |n, stage| stage.rows_after(n));
        let history = vec![vec![1_000; d]; left];
        let wide_history = vec![vec![1_000.0; d]; left];
        let stages: Vec<real::Stage> = chain.iter().map(on_floats).collect();
        for (rule, twin) in twins(left) {
            let state = State {
                reference: Some(reference),
                history: Some(&history),
                ..State::default()
            };
            let exact = rule.aggregate_after(&rows_of(&rows), chain, state).unwrap();
            let state = real::State {
                reference: Some(wide_reference),
                history: Some(&wide_history),
                ..real::State::default()
            };
            let near = twin.aggregate(&table, &stages, state).unwrap();
            // Less than one unit for each stage, each step and the rule itself, towards zero or below.
            let allowed = chain.len() as f64 + 3.1;
            let mut differ = 0;
            for (exact, near) in exact.values.iter().zip(&near.values) {
                let off = (f64::from(*exact) - near).abs();
                // A sign or the order of two near values may turn on a unit.
                differ += usize::from(off > allowed);
            }
            let turns = matches!(rule, Rule::SignMajority | Rule::Meamed { .. } | Rule::Bulyan { .. });
            assert!(differ <= if turns { 3 } else { 0 }, "{rule} after {chain:?}: {differ}");
            match (&exact.weights, &near.weights) {
                (Some(exact), Some(near)) => {
                    for (exact, near) in exact.iter().zip(near) {
                        assert!(
                            (exact - near).abs() < 1e-6,
                            "{rule} after {chain:?}: {exact} and {near}"
                        );
                    }
                }
                (exact, near) => assert_eq!(exact.is_some(), near.is_some(), "{rule}"),
            }
            if let (Some(selected), true) = (&near.selected, chain.is_empty()) {
                assert_eq!(&exact.selected, selected, "{rule}");
            }
        }
    }
}

#[test]
fn reported_weights_make_the_values() {
    let rows = updates(12, 300);
    for chain in [
        vec![],
        vec![Stage::Nnm { f: 2 }],
        vec![Stage::Arc { f: 3 }, Stage::Nnm { f: 3 }],
    ] {
        for (rule, _) in twins(12) {
            let state = State {
                reference: Some(&rows[3]),
                ..State::default()
            };
            let round = rule.aggregate_after(&rows_of(&rows), &chain, state).unwrap();
            let Some(weights) = round.weights else { continue };
            for (c, &value) in round.values.iter().enumerate() {
                let sum: f64 = rows.iter().zip(&weights).map(|(row, w)| w * f64::from(row[c])).sum();
                let off = f64::from(value) - sum;
                assert!(off.abs() <= chain.len() as f64 + 3.1, "{rule} after {chain:?}: {off}");
            }
        }
    }
}
