//! Rows whose digits are easily lost: close ones, huge outliers, ties, crowds, equal rows.

use super::*;

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
