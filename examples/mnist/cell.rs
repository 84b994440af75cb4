//! One cell of a table: a rule under an attack, the published accuracy where there is one, and ours from a few runs.

use serde::Serialize;

use crate::training::{Curve, Setting};

/// A cell before it is run.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    /// The rule.
    pub(crate) rule: &'static str,
    /// What is done before it.
    pub(crate) before: &'static str,
    /// The attack.
    pub(crate) attack: &'static str,
    /// How alike the clients' data are, where the table varies it.
    pub(crate) gamma: Option<f64>,
    /// The accuracy published, in percent.
    pub(crate) published: Option<f64>,
    /// What is run.
    pub(crate) setting: Setting,
}

/// A line of a table, after the runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Line {
    /// The rule.
    pub(crate) rule: &'static str,
    /// What is done before it.
    pub(crate) before: &'static str,
    /// The attack.
    pub(crate) attack: &'static str,
    /// How alike the clients' data are, where the table varies it.
    pub(crate) gamma: Option<f64>,
    /// The accuracy published, in percent.
    pub(crate) published: Option<f64>,
    /// Ours, in percent: the mean over the seeds.
    pub(crate) ours: f64,
    /// Standard error of that mean; none for a single seed.
    pub(crate) standard_error: Option<f64>,
    /// For each seed the step in which training diverged.
    pub(crate) diverged: Vec<Option<usize>>,
    /// For each seed its run.
    pub(crate) curves: Vec<Curve>,
}

impl Line {
    /// The line for a cell's runs, of which `accuracies` are the scores, one for each seed, in shares of 1.
    pub(crate) fn of(cell: &Cell, accuracies: &[f64], curves: Vec<Curve>) -> Self {
        let (mean, standard_error) = mean_and_error(accuracies);
        Self {
            rule: cell.rule,
            before: cell.before,
            attack: cell.attack,
            gamma: cell.gamma,
            published: cell.published,
            ours: 100.0 * mean,
            standard_error: standard_error.map(|error| 100.0 * error),
            diverged: curves.iter().map(|curve| curve.diverged).collect(),
            curves,
        }
    }
}

/// The mean, and its standard error where there are at least two values.
fn mean_and_error(values: &[f64]) -> (f64, Option<f64>) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    if values.len() < 2 {
        return (mean, None);
    }
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, Some((squares / (n - 1.0) / n).sqrt()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standard_error_by_hand() {
        assert_eq!(mean_and_error(&[0.5]), (0.5, None));
        let (mean, error) = mean_and_error(&[1.0, 2.0, 3.0]);
        assert_eq!(mean, 2.0);
        // Variance 1, divided by n = 3.
        assert!((error.unwrap() - (1.0_f64 / 3.0).sqrt()).abs() < 1e-15);
    }
}
