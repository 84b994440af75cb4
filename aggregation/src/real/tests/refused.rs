//! What is refused, and what it says.

use super::*;

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
