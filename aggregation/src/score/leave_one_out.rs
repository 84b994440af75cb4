//! Leave-one-out: score(i) = v(all) - v(all without i), where v is the value of a coalition's aggregate.
//!
//! v is the caller's: typically the accuracy on held-out data of the model after this aggregate. It is called once for the whole
//! cohort and once for each aggregate that differs from it; where leaving a row out changes no bit of the aggregate (a row Krum did
//! not select, say), the score is zero without asking. [`LeaveOneOut::evaluations`] tells how often v was asked. Scores are
//! differences of integers, so nothing is rounded here.
//!
//! Laws: a row whose absence changes nothing scores 0; equal rows score the same under coordinate-wise rules; reordering rows reorders
//! scores there. There is no efficiency law: scores need not add up to v(all), and two copies of a row that either would replace
//! both score 0. Cost n+1 aggregates and up to n+1 evaluations; Krum's distances are computed once.
//! Source: Cook, *Detection of Influential Observation in Linear Regression*, 1977; as a contribution score Ghorbani and Zou, *Data
//! Shapley*, ICML 2019, who compare it with Shapley values.

use super::ppm::Ppm;
use crate::distances::SquaredDistances;
use crate::rows::{Rows, RowsError};
use crate::rule::{Rule, RuleError};
use thiserror::Error;

/// Scores of a cohort and what they cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaveOneOut {
    /// v(all): the value of the whole cohort's aggregate.
    pub value_of_all: Ppm,
    /// For each row, how much value is lost without it; negative where the rest does better.
    pub scores: Vec<Ppm>,
    /// How often the value was asked for.
    pub evaluations: usize,
}

/// Why there are no scores.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ScoreError<E> {
    /// The rule has no result for the cohort, or for the cohort less one row.
    #[error("no aggregate of a coalition: {0}")]
    Rule(#[from] RuleError),
    /// There is no cohort less one row.
    #[error("no coalition: {0}")]
    Rows(#[from] RowsError),
    /// The caller's value failed.
    #[error("no value of a coalition: {0}")]
    Value(E),
    /// Two values are further apart than a score can say.
    #[error("score of row {row} out of range: expected a difference of 64 bits, got {of_all} less {of_others}")]
    OutOfRange {
        /// Index of the row.
        row: usize,
        /// v(all).
        of_all: Ppm,
        /// v(all without the row).
        of_others: Ppm,
    },
}

/// Scores each row by what the aggregate under rule `coalition` is worth without it. `value` gets the d coordinates of an aggregate
/// and must depend on nothing else.
///
/// # Errors
/// [`ScoreError::Rule`] before anything is computed where the rule can't work on n or on n-1 rows; then what `value` returns.
pub fn leave_one_out<E>(
    rows: &Rows<'_>,
    coalition: &Rule,
    mut value: impl FnMut(&[i32]) -> Result<Ppm, E>,
) -> Result<LeaveOneOut, ScoreError<E>> {
    coalition.check_cohort(rows.n())?;
    coalition.check_cohort(rows.n() - 1)?;
    let all = coalition.aggregate(rows)?;
    let value_of_all = value(&all.values).map_err(ScoreError::Value)?;
    let squared = all.distances.map(|distances| distances.squared);
    let mut evaluations = 1;
    let mut scores = Vec::with_capacity(rows.n());
    for row in 0..rows.n() {
        let others = coalition.aggregate_with(&rows.without(row)?, |others| match &squared {
            Some(squared) => squared.without(row),
            None => SquaredDistances::seen(others),
        })?;
        let score = if others.values == all.values {
            Ppm::ZERO
        } else {
            evaluations += 1;
            let of_others = value(&others.values).map_err(ScoreError::Value)?;
            let difference = value_of_all.checked_sub(of_others);
            difference.ok_or(ScoreError::OutOfRange {
                row,
                of_all: value_of_all,
                of_others,
            })?
        };
        scores.push(score);
    }
    Ok(LeaveOneOut {
        value_of_all,
        scores,
        evaluations,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::{hostile, table};
    use crate::rule::Neighbours;
    use proptest::prelude::*;
    use std::convert::Infallible;

    fn rows_of(rows: &[Vec<i32>]) -> Rows<'_> {
        Rows::new(rows.iter().map(Vec::as_slice).collect()).unwrap()
    }

    /// A value with no structure the rules could share: a weighted sum of the coordinates.
    fn weighted(values: &[i32]) -> Result<Ppm, Infallible> {
        Ok(Ppm(values
            .iter()
            .enumerate()
            .map(|(i, &v)| (i as i64 * 7 % 13 - 6) * i64::from(v))
            .sum()))
    }

    #[test]
    fn krum_asks_only_about_rows_it_would_miss() {
        let cohort: Vec<Vec<i32>> = vec![
            vec![10, 10],
            vec![10, 10],
            vec![10, 10],
            vec![10, 10],
            vec![10, 10],
            vec![900, -900],
        ];
        let krum = Rule::MultiKrum {
            f: 1,
            select: 3,
            neighbours: Neighbours::Blanchard,
        };
        let scored = leave_one_out(&rows_of(&cohort), &krum, weighted).unwrap();
        assert_eq!(scored.scores, [Ppm::ZERO; 6]);
        assert_eq!(scored.evaluations, 1);
    }

    #[test]
    fn a_cohort_that_cannot_lose_a_row_is_refused_before_any_evaluation() {
        let three = vec![vec![1], vec![2], vec![3]];
        let mut asked = 0;
        let refused = leave_one_out(&rows_of(&three), &Rule::TrimmedMean { f: 1 }, |_| {
            asked += 1;
            Ok::<_, Infallible>(Ppm::ZERO)
        });
        let expected = RuleError::CohortTooSmall {
            rule: "trimmed-mean",
            expected: 3,
            got: 2,
        };
        assert_eq!(refused, Err(ScoreError::Rule(expected)));
        let alone = leave_one_out(&rows_of(&three[..1]), &Rule::Mean, weighted);
        assert!(matches!(
            alone,
            Err(ScoreError::Rule(RuleError::CohortTooSmall { got: 0, .. }))
        ));
        assert_eq!(asked, 0);
    }

    #[test]
    fn a_failed_or_absurd_value_is_an_error() {
        let pair = vec![vec![1], vec![2]];
        let failed = leave_one_out(&rows_of(&pair), &Rule::Mean, |_| Err::<Ppm, _>("no data"));
        assert_eq!(failed, Err(ScoreError::Value("no data")));
        let mut values = [Ppm(i64::MIN), Ppm(1)].into_iter();
        let absurd = leave_one_out(&rows_of(&pair), &Rule::Mean, |_| values.next().ok_or("asked too often"));
        let expected = ScoreError::OutOfRange {
            row: 0,
            of_all: Ppm(i64::MIN),
            of_others: Ppm(1),
        };
        assert_eq!(absurd, Err(expected));
    }

    proptest! {
        #[test]
        fn is_the_definition(rows in table(6..9, 1..20, hostile()), which in 0_usize..4) {
            let rule = [
                Rule::Mean,
                Rule::Median,
                Rule::TrimmedMean { f: 2 },
                Rule::MultiKrum { f: 1, select: 2, neighbours: Neighbours::Blanchard },
            ][which];
            let scored = leave_one_out(&rows_of(&rows), &rule, weighted).unwrap();
            let all = weighted(&rule.aggregate(&rows_of(&rows)).unwrap().values).unwrap();
            prop_assert_eq!(scored.value_of_all, all);
            prop_assert!((1..=rows.len() + 1).contains(&scored.evaluations));
            for i in 0..rows.len() {
                let mut others = rows.clone();
                others.remove(i);
                let of_others = weighted(&rule.aggregate(&rows_of(&others)).unwrap().values).unwrap();
                prop_assert_eq!(scored.scores[i], Ppm(all.0 - of_others.0), "row {}", i);
            }
        }

        #[test]
        fn equal_rows_score_the_same_under_coordinate_wise_rules(rows in table(3..7, 1..20, hostile()), copied in 0_usize..3) {
            let mut rows = rows;
            rows.push(rows[copied].clone());
            for rule in [Rule::Mean, Rule::Median, Rule::TrimmedMean { f: 1 }] {
                let scored = leave_one_out(&rows_of(&rows), &rule, weighted).unwrap();
                prop_assert_eq!(scored.scores[copied], scored.scores[rows.len() - 1]);
            }
        }
    }
}
