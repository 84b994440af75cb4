//! All cells: first the noise of each, then every seed of each, side by side.

use std::io;
use std::path::Path;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use rayon::ThreadPoolBuildError;
use thiserror::Error;
use xfl_core::plan::Plan;
use xfl_privacy::{Delta, Epsilon, Mode, Unit};

use crate::cell::{Calibrated, Cell, CellError};
use crate::federation::Federation;
use crate::jobs;
use crate::report::{Accuracies, Line, Private, Report, Table};
use crate::way::{Instead, Recipe, WAYS, Way};

/// Why there is no report.
#[derive(Debug, Error)]
pub(crate) enum BenchError {
    /// A cell.
    #[error("{federation}, {way}: {error}")]
    Cell {
        federation: &'static str,
        way: Way,
        error: Box<CellError>,
    },
    /// A thread.
    #[error(transparent)]
    Threads(#[from] ThreadPoolBuildError),
    /// A plan can't be written.
    #[error("{path}: {error}")]
    Plans { path: String, error: io::Error },
    /// No way is left.
    #[error("no unit and mode contain {only:?}; the ways are {}", WAYS.map(|way| format!("\"{way}\"")).join(", "))]
    Nothing { only: String },
}

/// What is asked for.
pub(crate) struct Bench<'a> {
    /// Whose records.
    pub(crate) federations: &'a [Federation],
    /// For all rounds together.
    pub(crate) epsilons: &'a [Epsilon],
    /// Where they are read off.
    pub(crate) delta: Delta,
    /// Runs of each cell; each federation's own number where none is said.
    pub(crate) seeds: Option<u64>,
    /// Runs side by side.
    pub(crate) threads: usize,
    /// Text that unit and mode of a way contain.
    pub(crate) only: &'a str,
    /// In place of the recipes' own choices.
    pub(crate) instead: Instead,
    /// Where plans are written to.
    pub(crate) plans: Option<&'a Path>,
}

/// What one plan is run for.
enum What {
    Pooled,
    Federated(Box<Plan>),
}

impl Bench<'_> {
    /// Runs everything.
    ///
    /// # Errors
    /// [`BenchError`] names the cell.
    pub(crate) fn run(&self) -> Result<Report, BenchError> {
        let began = Instant::now();
        let ways: Vec<Way> = WAYS
            .into_iter()
            .filter(|way| way.to_string().contains(self.only))
            .collect();
        if ways.is_empty() {
            let only = self.only.to_owned();
            return Err(BenchError::Nothing { only });
        }
        let mut tables = Vec::new();
        for federation in self.federations {
            tables.push(self.table(federation, &ways)?);
        }
        Ok(Report {
            version: 1,
            delta: self.delta,
            epsilons: self.epsilons.to_vec(),
            tables,
            seconds: began.elapsed().as_secs_f64(),
            threads: self.threads,
        })
    }

    fn table(&self, federation: &Federation, ways: &[Way]) -> Result<Table, BenchError> {
        let cells: Vec<Cell<'_>> = ways.iter().map(|way| self.cell(federation, *way)).collect();
        let seeds: Vec<u64> = (1..=self.seeds.unwrap_or(federation.seeds)).collect();
        let calibrated = self.calibrated(federation, &cells)?;
        let reference = pooled(federation, self.delta);
        let parameters = reference.dimension().map_err(|error| named(&reference, error))?;
        let mut plans = vec![(reference, What::Pooled)];
        for (cell, private) in cells.iter().zip(&calibrated) {
            let plan = cell.without_noise().map_err(|error| named(cell, error))?;
            plans.push((*cell, What::Federated(Box::new(plan))));
            plans.extend(
                private
                    .iter()
                    .map(|c| (*cell, What::Federated(Box::new(c.plan.clone())))),
            );
        }
        if let Some(folder) = self.plans {
            write(folder, federation, &plans)?;
        }
        let jobs: Vec<(&Cell<'_>, &What, u64)> = plans
            .iter()
            .flat_map(|(cell, what)| seeds.iter().map(move |seed| (cell, what, *seed)))
            .collect();
        let bar = bar(federation.name, "runs", jobs.len());
        let accuracies = jobs::run(&jobs, self.threads, |&(cell, what, seed)| {
            let accuracy = match what {
                What::Pooled => cell.pooled(seed),
                What::Federated(plan) => cell.accuracy(plan, seed),
            };
            bar.inc(1);
            accuracy.map_err(|error| named(cell, error))
        })?;
        bar.finish_and_clear();
        let accuracies = accuracies.into_iter().collect::<Result<Vec<f64>, _>>()?;
        let mut accuracies = accuracies.chunks(seeds.len()).map(|runs| Accuracies::of(runs.to_vec()));
        let mut next = || accuracies.next().unwrap_or_else(|| Accuracies::of(Vec::new()));
        Ok(Table {
            name: federation.name,
            institutions: federation.institutions,
            records: federation.records,
            parameters,
            guessing: federation.guessing(),
            centralised: next(),
            lines: cells
                .iter()
                .zip(calibrated)
                .map(|(cell, private)| Line {
                    way: cell.way,
                    recipe: cell.recipe,
                    without_noise: next(),
                    private: private
                        .into_iter()
                        .zip(self.epsilons)
                        .map(|(c, target)| line(c, *target, next()))
                        .collect(),
                })
                .collect(),
            seeds,
        })
    }

    fn cell<'f>(&self, federation: &'f Federation, way: Way) -> Cell<'f> {
        Cell {
            federation,
            way,
            recipe: self.instead.of(federation.recipe(way)),
            delta: self.delta,
        }
    }

    /// For each cell its plans, one for each epsilon.
    fn calibrated(&self, federation: &Federation, cells: &[Cell<'_>]) -> Result<Vec<Vec<Calibrated>>, BenchError> {
        let jobs: Vec<(&Cell<'_>, Epsilon)> = cells
            .iter()
            .flat_map(|cell| self.epsilons.iter().map(move |epsilon| (cell, *epsilon)))
            .collect();
        let bar = bar(federation.name, "noise", jobs.len());
        let found = jobs::run(&jobs, self.threads, |(cell, epsilon)| {
            let found = cell.calibrate(*epsilon).map_err(|error| named(cell, error));
            bar.inc(1);
            found
        })?;
        bar.finish_and_clear();
        let found = found.into_iter().collect::<Result<Vec<_>, _>>()?;
        Ok(found
            .chunks(self.epsilons.len().max(1))
            .map(<[Calibrated]>::to_vec)
            .collect())
    }
}

fn line(calibrated: Calibrated, target: Epsilon, accuracy: Accuracies) -> Private {
    Private {
        target,
        noise_multiplier: calibrated.noise_multiplier,
        guarantee: calibrated.guarantee,
        accuracy,
    }
}

/// Training in one place: many steps over everything at the federation's reference rate.
fn pooled(federation: &Federation, delta: Delta) -> Cell<'_> {
    let (rounds, server_learning_rate) = federation.centralised;
    Cell {
        federation,
        way: Way {
            mode: Mode::Local,
            unit: Unit::Record,
        },
        recipe: Recipe {
            rounds,
            batch_share: 1.0,
            clip: 1.0,
            learning_rate: 1.0,
            server_learning_rate,
            local: 1,
            clip_quantile: None,
        },
        delta,
    }
}

fn named(cell: &Cell<'_>, error: CellError) -> BenchError {
    BenchError::Cell {
        federation: cell.federation.name,
        way: cell.way,
        error: Box::new(error),
    }
}

/// Plans as files, named by federation, way and noise.
fn write(folder: &Path, federation: &Federation, plans: &[(Cell<'_>, What)]) -> Result<(), BenchError> {
    let failed = |path: &Path, error| BenchError::Plans {
        path: path.display().to_string(),
        error,
    };
    std::fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    for (cell, what) in plans {
        let What::Federated(plan) = what else { continue };
        let name = format!(
            "{} {} {} {}.toml",
            federation.name,
            cell.way.unit,
            cell.way.mode,
            plan.terms().privacy.noise_multiplier
        );
        let path = folder.join(name.to_lowercase().replace(' ', "-"));
        std::fs::write(&path, plan.text()).map_err(|error| failed(&path, error))?;
    }
    Ok(())
}

/// Progress, where standard error is a terminal.
fn bar(federation: &str, what: &str, jobs: usize) -> ProgressBar {
    // The template is a constant that indicatif knows; the default is the worst that could come of a mistake.
    let style = ProgressStyle::with_template("{prefix} {bar:40} {pos}/{len} {msg}, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(jobs as u64)
        .with_style(style)
        .with_prefix(federation.to_owned())
        .with_message(what.to_owned())
}
