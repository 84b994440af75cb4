//! What the server does with a round's rows: stages, then a rule, all of them the library's.

use xfl_aggregation::real::{Aggregate, Rule, RuleError, Stage, State, Table};
use xfl_core::seed::Stream;

/// One step before the rule; bucketing is drawn anew every round.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Before {
    /// Rows longer than this are shortened to it.
    Clip(f64),
    /// Nearest-neighbour mixing against so many bad rows.
    Nnm(usize),
    /// Means of so many rows each, in an order drawn every round.
    Buckets(usize),
}

/// A rule, what is done before it, and whether it starts where it ended the round before.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Defence {
    /// The rule.
    pub(crate) rule: Rule,
    /// The stages before it.
    pub(crate) before: Vec<Before>,
    /// Whether the last aggregate is the rule's start (centered clipping); zero in the first round.
    pub(crate) carries: bool,
}

impl Defence {
    /// A rule alone.
    pub(crate) fn of(rule: Rule) -> Self {
        Self {
            rule,
            before: Vec::new(),
            carries: false,
        }
    }

    /// This round's stages for `rows` rows.
    pub(crate) fn stages(&self, rows: usize, stream: &mut Stream) -> Vec<Stage> {
        let mut rows = rows;
        let mut stages = Vec::with_capacity(self.before.len());
        for before in &self.before {
            stages.push(match *before {
                Before::Clip(norm) => Stage::StaticClip { norm },
                Before::Nnm(f) => Stage::Nnm { f },
                Before::Buckets(size) => {
                    let permutation = stream.permutation(rows);
                    rows = rows.div_ceil(size.max(1));
                    Stage::Bucketing { size, permutation }
                }
            });
        }
        stages
    }

    /// What the rule reads besides the rows.
    pub(crate) fn state<'a>(&self, last: Option<&'a [f64]>) -> State<'a> {
        State {
            start: last.filter(|_| self.carries),
            ..State::default()
        }
    }

    /// The aggregate of a round.
    ///
    /// # Errors
    /// The rule's.
    pub(crate) fn aggregate(
        &self,
        rows: &Table<'_, f32>,
        stages: &[Stage],
        last: Option<&[f64]>,
    ) -> Result<Aggregate, RuleError> {
        self.rule.aggregate(rows, stages, self.state(last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use xfl_core::seed::Seed;

    #[test]
    fn buckets_are_drawn_anew_and_fit_what_comes_before() {
        let defence = Defence {
            before: vec![Before::Buckets(2), Before::Buckets(3)],
            ..Defence::of(Rule::Mean)
        };
        let mut stream = Seed::from_number(1).stream();
        let [first, second] = [(); 2].map(|()| defence.stages(25, &mut stream));
        assert_ne!(first, second);
        let rows: Vec<Vec<f32>> = (0..25).map(|i| vec![i as f32]).collect();
        let table = Table::new(rows.iter().map(|row| &row[..]).collect()).unwrap();
        assert!(defence.aggregate(&table, &first, None).is_ok());
    }

    #[test]
    fn only_a_rule_that_carries_starts_at_the_last_aggregate() {
        let rule = Rule::CenteredClipping {
            tau: 1.0,
            iterations: 1,
        };
        let carries = Defence {
            carries: true,
            ..Defence::of(rule.clone())
        };
        let table = Table::new(vec![&[10.0_f32][..]]).unwrap();
        let last = [5.0];
        assert_eq!(carries.aggregate(&table, &[], Some(&last)).unwrap().values, [6.0]);
        assert_eq!(
            Defence::of(rule).aggregate(&table, &[], Some(&last)).unwrap().values,
            [1.0]
        );
    }
}
