//! Means over a matrix's seeds, and the worst of each rule.

use std::collections::BTreeMap;

use super::{
    Matrix,
    cells::{Cell, Job},
};
use crate::commands::simulate::mean;

/// Mean and standard error over the seeds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Mean {
    pub(super) mean: f64,
    /// None for a single seed.
    pub(super) error: Option<f64>,
}

/// A rule under an attack.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Square {
    /// Accuracy, or root mean squared error for a regression.
    Measured(Mean),
    /// The federation stood still, at least once; why, the first time.
    Failed(String),
}

/// A rule under all attacks.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// In the attacks' order; empty where the rule can't run on so few updates.
    pub(super) squares: Vec<Square>,
    /// The attack that hurts most, and what it leaves.
    pub(super) worst: Option<(usize, Square)>,
    /// How often the backdoor's trigger works, and how often it does where nobody teaches it.
    pub(super) backdoor: Option<[Mean; 2]>,
}

/// All lines, in the rules' order.
#[derive(Clone, Debug)]
pub(super) struct Summary {
    pub(super) lines: Vec<Line>,
}

impl Summary {
    pub(super) fn of(matrix: &Matrix<'_>, cells: &BTreeMap<Job, Cell>) -> Self {
        let lines = (0..matrix.rules.len()).map(|rule| {
            if matrix.rules[rule].needs.is_some() {
                return Line {
                    squares: Vec::new(),
                    worst: None,
                    backdoor: None,
                };
            }
            let of = |attack: usize| {
                let job = move |seed| Job { rule, attack, seed };
                (0..matrix.seeds.len()).filter_map(move |seed| cells.get(&job(seed)))
            };
            let squares: Vec<Square> = (0..matrix.attacks.len())
                .map(|attack| square(of(attack), matrix.classifies))
                .collect();
            Line {
                worst: worst(&squares, matrix.classifies),
                squares,
                backdoor: backdoor(matrix, of),
            }
        });
        Self { lines: lines.collect() }
    }
}

fn square<'a>(cells: impl Iterator<Item = &'a Cell>, classifies: bool) -> Square {
    let mut values = Vec::new();
    for cell in cells {
        match cell {
            Ok(figures) => values.extend(if classifies { figures.accuracy } else { figures.rmse }),
            Err(why) => return Square::Failed(why.clone()),
        }
    }
    over(&values).map_or_else(|| Square::Failed("no value".into()), Square::Measured)
}

fn over(values: &[f64]) -> Option<Mean> {
    let (mean, error) = mean(values);
    mean.map(|mean| Mean { mean, error })
}

/// The least accuracy or the largest error among the attacks; a federation that stands still is worse than either.
fn worst(squares: &[Square], classifies: bool) -> Option<(usize, Square)> {
    let harm = |square: &Square| match square {
        Square::Failed(_) => f64::INFINITY,
        Square::Measured(m) if classifies => -m.mean,
        Square::Measured(m) => m.mean,
    };
    let attacked = squares.iter().enumerate().skip(1);
    let worst = attacked.max_by(|(i, a), (j, b)| harm(a).total_cmp(&harm(b)).then(j.cmp(i)));
    worst.map(|(attack, square)| (attack, square.clone()))
}

fn backdoor<'a, I: Iterator<Item = &'a Cell>>(matrix: &Matrix<'_>, of: impl Fn(usize) -> I) -> Option<[Mean; 2]> {
    let attack = (0..matrix.attacks.len()).find(|attack| matrix.attack(*attack) == "backdoor")?;
    let success = |attack| {
        let figures = of(attack).filter_map(|cell| cell.as_ref().ok());
        over(&figures.filter_map(|f| f.backdoor_success).collect::<Vec<_>>())
    };
    Some([success(attack)?, success(0)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(mean: f64) -> Square {
        Square::Measured(Mean { mean, error: None })
    }

    #[test]
    fn the_worst_is_the_least_accuracy_or_the_largest_error_of_an_attack() {
        let squares = [
            measured(0.1),
            measured(0.9),
            measured(0.3),
            measured(0.3),
            measured(0.95),
        ];
        assert_eq!(worst(&squares, true), Some((2, measured(0.3))));
        assert_eq!(worst(&squares, false), Some((4, measured(0.95))));
        let stuck = [measured(0.9), Square::Failed("stuck".into()), measured(0.0)];
        assert_eq!(worst(&stuck, true), Some((1, Square::Failed("stuck".into()))));
        assert_eq!(worst(&squares[..1], true), None);
    }
}
