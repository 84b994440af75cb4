//! Every rule on one drawn table of integers.

use super::draw::{self, Draw};
use xfl_aggregation::decide::bulyan;
use xfl_aggregation::decide::caf::PowerStart;
use xfl_aggregation::{Aggregate, Neighbours, Rows, Rule, score};

fn rules(draw: &mut Draw, n: usize) -> Vec<Rule> {
    let neighbours = draw.of_these(&[Neighbours::Blanchard, Neighbours::ByzFl]);
    let start = draw.of_these(&[PowerStart::Ones, PowerStart::Seed(7)]);
    let power = draw.of_these(&[1, 1, 1, 3, 0, 10_001]);
    let iterations = draw.of_these(&[0, 1, 3, 3, 10, 1000, 1001, u32::MAX]);
    let length = draw.of_these(&[0, 1, 1000, 1 << 40, u64::MAX]);
    let stage = draw.of_these(&[bulyan::Stage::Iterated, bulyan::Stage::Once]);
    vec![
        Rule::Mean,
        Rule::Median,
        Rule::TrimmedMean { f: draw.f(n) },
        Rule::Meamed { f: draw.f(n) },
        Rule::SignMajority,
        Rule::Krum {
            f: draw.f(n),
            neighbours,
        },
        Rule::MultiKrum {
            f: draw.f(n),
            select: if draw.once_in(2) { draw.f(n) } else { 1 },
            neighbours,
        },
        Rule::Bulyan {
            f: draw.f(n),
            stage,
            neighbours,
        },
        Rule::Mda {
            f: if draw.once_in(200) { draw.f(n) } else { draw.f(n).min(3) },
        },
        Rule::Monna {
            f: draw.f(n),
            index: draw.below(n + 1),
        },
        Rule::Caf {
            f: draw.f(n),
            start,
            power,
        },
        Rule::GeometricMedian {
            nu: draw.of_these(&[0, 1, 1000, u32::MAX]),
            iterations,
        },
        Rule::CenteredClipping {
            tau: length,
            iterations,
        },
        Rule::NormClipping { norm: length },
    ]
}

/// Draws rows and tries every rule on them. How many aggregates were made.
pub(crate) fn case(seed: u64) -> usize {
    let mut draw = Draw::of(seed);
    let (n, d) = (draw.rows(), draw.coordinates());
    let rows = draw::integers(&mut draw, n, d);
    let table = Rows::new(rows.iter().map(Vec::as_slice).collect()).expect("rows of equal lengths");
    let order = draw.permutation(n);
    let other = Rows::new(order.iter().map(|&row| &rows[row][..]).collect()).expect("the same rows");
    let start: Vec<i32> = draw::integers(&mut draw, 1, d).remove(0);
    let mut made = 0;
    for rule in rules(&mut draw, n) {
        let outcome = match draw.once_in(3) {
            true => rule.aggregate_from(&table, &start),
            false => rule.aggregate(&table),
        };
        let Ok(round) = outcome else {
            let error = outcome.expect_err("not a result").to_string();
            assert!(!error.is_empty() && !error.ends_with('.'), "{error}");
            continue;
        };
        made += 1;
        assert_eq!((round.values.len(), round.selected.len()), (d, n), "{rule:?}");
        between(&rule, &round, &rows);
        if rule.coordinate_wise() {
            let column = draw.below(d);
            let values: Vec<i32> = rows.iter().map(|row| row[column]).collect();
            assert_eq!(rule.recompute_coordinate(&values), Ok(round.values[column]), "{rule:?}");
            twice(&rule, &round, &rows);
        }
        let settled = matches!(
            rule,
            Rule::Mean | Rule::Median | Rule::TrimmedMean { .. } | Rule::SignMajority
        );
        if settled {
            assert_eq!(
                rule.aggregate(&other).map(|round| round.values),
                Ok(round.values.clone()),
                "{rule:?}"
            );
        }
        if let Ok(scores) = score::cosine_to_aggregate(&table, &round.values) {
            assert!(
                scores.iter().all(|score| score.0.abs() <= 1_000_000),
                "{rule:?}: {scores:?}"
            );
        }
    }
    made
}

/// What chooses or orders stays between the rows; what shortens them stays between them and zero.
fn between(rule: &Rule, round: &Aggregate, rows: &[Vec<i32>]) {
    use Rule::{CenteredClipping, GeometricMedian, NormClipping, SignMajority};
    if *rule == SignMajority {
        assert!(round.values.iter().all(|v| v.abs() <= 1));
        return;
    }
    if matches!(
        rule,
        CenteredClipping { .. } | GeometricMedian { .. } | NormClipping { .. }
    ) {
        return;
    }
    for (c, &value) in round.values.iter().enumerate() {
        let column = || rows.iter().map(|row| row[c]);
        let (least, most) = (column().min().expect("a row"), column().max().expect("a row"));
        // CAF's weights are on a grid, and everything is floored.
        let slack = i32::from(matches!(rule, Rule::Caf { .. }));
        let range = least.saturating_sub(slack)..=most.saturating_add(slack);
        assert!(
            range.contains(&value),
            "{rule:?} coordinate {c}: {value} outside {range:?}"
        );
    }
}

/// Every row twice, with twice as many bad ones, is the same round.
fn twice(rule: &Rule, round: &Aggregate, rows: &[Vec<i32>]) {
    let double = match *rule {
        Rule::TrimmedMean { f } => Rule::TrimmedMean { f: 2 * f },
        Rule::Meamed { .. } => return,
        rule => rule,
    };
    let rows = Rows::new(rows.iter().chain(rows).map(Vec::as_slice).collect()).expect("the same rows");
    let doubled = double.aggregate(&rows).expect("as good a cohort");
    assert_eq!(doubled.values, round.values, "{rule:?}");
}
