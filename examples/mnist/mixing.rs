//! Table (b): 10 honest clients and 4 attackers; clipping and nearest-neighbour mixing before the trimmed mean.
//!
//! Allouah et al., Fixing by mixing: A recipe for optimal Byzantine ML under heterogeneity, AISTATS 2023; the figures are
//! those of ByzFL's benchmark, whose configuration this is (`byzfl/benchmark/README.md`): clipping at 2, NNM, trimmed mean; batch 25,
//! rate 0.1, weight decay 0.0001, worker momentum m = 0.9 m + 0.1 g, 800 steps; four fifths of the 60,000 digits to train
//! on, dealt out with gamma-similarity, the others for validation; sign flip, optimal IPM and optimal ALIE, the last two searching
//! their factor in 20 runs of the defence a step as ByzFL searches (from 0 in steps of 10).
//!
//! For each attack, the step whose validation accuracy, averaged over the seeds, is best (evaluated every 50 steps); the figure is the
//! test accuracy at that step, and the worst of the three attacks counts.
//!
//! What differs here: the model, a perceptron with one hidden layer instead of two convolutions; the plain mean without attackers,
//! for comparison.

use xfl_aggregation::attack::{Attack, Divisor, LineSearch, Walk};
use xfl_aggregation::real::Rule;
use xfl_core::seed::Seed;
use xfl_core::train::Data;

use crate::adversary::Adversary;
use crate::cell::{Cell, Line};
use crate::deal::{DealError, similar};
use crate::defence::{Before, Defence};
use crate::training::{Curve, Momentum, Setting};

const HONEST: usize = 10;
const BYZANTINE: usize = 4;
const STEPS: usize = 800;
const EVALUATE: usize = 50;
/// Degrees of likeness, and the published accuracy under the worst attack.
const GAMMAS: [(f64, f64); 2] = [(1.0, 98.0), (0.33, 91.0)];
/// Attacks tried for each.
const ATTACKS: usize = 3;
/// The name of the line that counts.
const WORST: &str = "worst";
/// The name of the line without attackers, for comparison.
const NONE: &str = "none";

/// Who has which examples.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Deal {
    /// How alike the clients are.
    pub(crate) gamma: f64,
    /// Each honest client's.
    pub(crate) clients: Vec<Vec<usize>>,
    /// To choose the step by.
    pub(crate) validation: Vec<usize>,
}

/// The deals of the table, the same for every seed of training, as in the benchmark.
///
/// # Errors
/// Where there are too few examples.
pub(crate) fn deals(data: &dyn Data) -> Result<Vec<Deal>, DealError> {
    let mut stream = Seed::from_number(0).derive("validation", &[]).stream();
    let mut train = stream.permutation(data.len());
    let validation = train.split_off(data.len() - data.len() / 5);
    let deal = |(gamma, _)| {
        Ok(Deal {
            gamma,
            clients: similar(data, &train, HONEST, gamma, &mut stream)?,
            validation: validation.clone(),
        })
    };
    GAMMAS.into_iter().map(deal).collect()
}

/// The table's cells, a deal's one after the other; with fewer steps than the paper's, without its figures.
pub(crate) fn cells(steps: Option<usize>) -> Vec<Cell> {
    let steps = steps.unwrap_or(STEPS);
    let peace = |gamma| Cell {
        rule: "mean",
        before: "",
        attack: NONE,
        gamma: Some(gamma),
        published: None,
        setting: setting(steps, None, Defence::of(Rule::Mean)),
    };
    let defence = Defence {
        before: vec![Before::Clip(2.0), Before::Nnm(BYZANTINE)],
        ..Defence::of(Rule::TrimmedMean { f: BYZANTINE })
    };
    let cell = |gamma, published, attack, adversary: &Attack| Cell {
        rule: "trimmed-mean",
        before: "clipping 2, nnm",
        attack,
        gamma: Some(gamma),
        published: Some(published).filter(|_| steps == STEPS),
        setting: setting(steps, Some(Adversary::Always(adversary.clone())), defence.clone()),
    };
    let search = LineSearch {
        walk: Walk::Byzfl,
        ..LineSearch::default()
    };
    let attacks: [(&'static str, Attack); ATTACKS] = [
        ("sign-flip", Attack::SignFlip { scale: 1.0 }),
        ("optimal-ipm", Attack::OptimalIpm { search }),
        (
            "optimal-alie",
            Attack::OptimalAlie {
                search,
                divisor: Divisor::RowsLessOne,
            },
        ),
    ];
    let mut cells = Vec::new();
    for (gamma, published) in GAMMAS {
        cells.push(peace(gamma));
        cells.extend(
            attacks
                .iter()
                .map(|(attack, adversary)| cell(gamma, published, attack, adversary)),
        );
    }
    cells
}

fn setting(steps: usize, adversary: Option<Adversary>, defence: Defence) -> Setting {
    Setting {
        attack: adversary.map(|adversary| (BYZANTINE, adversary)),
        defence,
        batch: 25,
        per_pass: usize::MAX,
        steps,
        rate: 0.1,
        decay: 1e-4,
        momentum: Momentum::Average(0.9),
        evaluate: EVALUATE,
    }
}

/// For each run the test accuracy at the step that is best on the mean of the runs' validation accuracies, the first of
/// equal ones.
pub(crate) fn scores(curves: &[Curve]) -> Vec<f64> {
    let points = curves.iter().map(|curve| curve.points.len()).min().unwrap_or(0);
    let validation = |point: usize| -> f64 {
        let of_runs = curves.iter().map(|curve| curve.points[point].validation.unwrap_or(0.0));
        of_runs.sum()
    };
    let best = (1..points).fold(0, |best, point| {
        if validation(point) > validation(best) {
            point
        } else {
            best
        }
    });
    curves
        .iter()
        .filter_map(|curve| Some(curve.points.get(best)?.test))
        .collect()
}

/// The lines with, after those of each gamma, the one under the worst attack, which alone keeps the published figure, and
/// that only where all attacks were run.
pub(crate) fn with_worst(lines: Vec<Line>) -> Vec<Line> {
    let mut all: Vec<Line> = Vec::with_capacity(lines.len() + GAMMAS.len());
    for group in lines.chunk_by(|a, b| a.gamma == b.gamma) {
        let attacked = || group.iter().filter(|line| line.attack != NONE);
        let worst = attacked().min_by(|a, b| a.ours.total_cmp(&b.ours)).cloned();
        all.extend(group.iter().cloned().map(|line| Line {
            published: None,
            ..line
        }));
        all.extend(worst.map(|line| Line {
            attack: WORST,
            published: line.published.filter(|_| attacked().count() == ATTACKS),
            curves: Vec::new(),
            ..line
        }));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::training::Point;

    fn curve(accuracies: &[(f64, f64)]) -> Curve {
        let point = |(i, &(validation, test)): (usize, &(f64, f64))| Point {
            step: 50 * i,
            test,
            validation: Some(validation),
        };
        Curve {
            points: accuracies.iter().enumerate().map(point).collect(),
            diverged: None,
        }
    }

    #[test]
    fn the_step_is_chosen_by_validation_alone() {
        let runs = [
            curve(&[(0.1, 0.9), (0.8, 0.6), (0.7, 0.95)]),
            curve(&[(0.1, 0.9), (0.7, 0.5), (0.7, 0.95)]),
        ];
        assert_eq!(scores(&runs), [0.6, 0.5]);
        assert!(scores(&[]).is_empty());
    }

    #[test]
    fn the_worst_attack_of_each_gamma_counts() {
        let cells = cells(None);
        let accuracy = [0.5, 0.98, 0.97, 0.99, 0.5, 0.9, 0.95, 0.93];
        let lines = cells.iter().zip(accuracy).map(|(cell, a)| Line::of(cell, &[a], vec![]));
        let lines = with_worst(lines.collect());
        let worst: Vec<_> = lines.iter().filter(|line| line.attack == WORST).collect();
        assert_eq!((lines.len(), worst.len()), (10, 2));
        assert_eq!(
            (worst[0].gamma, worst[0].ours, worst[0].published),
            (Some(1.0), 97.0, Some(98.0))
        );
        assert_eq!(
            (worst[1].gamma, worst[1].ours, worst[1].published),
            (Some(0.33), 90.0, Some(91.0))
        );
        assert_eq!(lines.iter().filter(|line| line.published.is_some()).count(), 2);
        let some = cells[..3].iter().map(|cell| Line::of(cell, &[0.9], vec![]));
        assert!(with_worst(some.collect()).iter().all(|line| line.published.is_none()));
    }
}
