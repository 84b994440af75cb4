//! The cells of a matrix, simulated on several threads.

use std::{
    collections::BTreeMap,
    fs::File,
    io::Write,
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use indicatif::{ProgressBar, ProgressStyle};
use xfl_core::simulate::SimulationError;

use super::{Matrix, csv};
use crate::{failure::Failure, printer::Printer, signals::Stop};

/// Which cell: positions among the matrix's rules, attacks and seeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Job {
    pub(super) rule: usize,
    pub(super) attack: usize,
    pub(super) seed: usize,
}

/// What the last round of a simulation left.
#[derive(Clone, Debug)]
pub(super) struct Figures {
    pub(super) accuracy: Option<f64>,
    /// In the label's unit.
    pub(super) rmse: Option<f64>,
    pub(super) loss: f64,
    pub(super) backdoor_success: Option<f64>,
    /// Updates refused before the rule, over all rounds.
    pub(super) refused: usize,
}

/// A finished cell: its figures, or why the federation stood still.
pub(super) type Cell = Result<Figures, String>;

/// Simulates all of `jobs`, or those until somebody interrupts; each is a line of `path` once it is finished.
///
/// Cells have threads of their own, as many as rayon has: a rule waits for rayon's, and on one of those the wait could be
/// filled with another whole cell.
pub(super) fn run(
    matrix: &Matrix<'_>,
    jobs: &[Job],
    path: &Path,
    stop: &Stop,
    printer: Printer,
) -> Result<BTreeMap<Job, Cell>, Failure> {
    let mut file = File::create(path).map_err(|error| Failure::file(path, &error))?;
    file.write_all(csv::HEAD.as_bytes())
        .map_err(|error| Failure::file(path, &error))?;
    let done = Mutex::new((file, BTreeMap::new(), None));
    let next = AtomicUsize::new(0);
    let progress = Progress::new(printer, jobs.len());
    let work = || {
        while !stop.interrupted() {
            let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) else {
                return;
            };
            let cell = simulate(matrix, *job);
            let Ok(mut done) = done.lock() else { return };
            let (file, cells, failure) = &mut *done;
            let line = csv::line(matrix, *job, &cell);
            if let Err(error) = file.write_all(line.as_bytes()) {
                *failure = Some(Failure::file(path, &error));
                // The others stop at the end of the list.
                next.store(jobs.len(), Ordering::Relaxed);
                return;
            }
            cells.insert(*job, cell);
            progress.finished(cells.len());
        }
    };
    let threads = rayon::current_num_threads().clamp(1, jobs.len().max(1));
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    progress.clear();
    let (_, cells, failure) = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    failure.map_or(Ok(cells), Err)
}

fn simulate(matrix: &Matrix<'_>, job: Job) -> Cell {
    let deal = matrix
        .federation
        .deal(matrix.seeds[job.seed])
        .map_err(|failure| failure.message)?;
    let attack = &matrix.attacks[job.attack];
    let plan = &matrix.rules[job.rule].plan;
    let rounds = matrix.federation.simulate(plan, &deal, |simulation| {
        simulation.attack = attack.clone();
        simulation.probe = matrix.backdoor().filter(|_| attack.is_none()).cloned();
        simulation.scored = false;
    });
    let rounds = rounds.map_err(|error: SimulationError| error.to_string())?;
    let last = rounds.last().ok_or("no round")?;
    Ok(Figures {
        accuracy: last.evaluation.accuracy,
        rmse: last.evaluation.rmse,
        loss: last.evaluation.loss,
        backdoor_success: last.backdoor_success,
        refused: rounds
            .iter()
            .flat_map(|r| &r.refused)
            .filter(|refused| **refused)
            .count(),
    })
}

/// A bar on a terminal, a line for every tenth otherwise.
struct Progress {
    bar: Option<ProgressBar>,
    printer: Printer,
    total: usize,
}

impl Progress {
    fn new(printer: Printer, total: usize) -> Self {
        let style = ProgressStyle::with_template("cells {bar:40} {pos}/{len}  {eta} left")
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("=> ");
        let bar = printer
            .draws()
            .then(|| ProgressBar::new(total as u64).with_style(style));
        Self { bar, printer, total }
    }

    fn finished(&self, done: usize) {
        match &self.bar {
            Some(bar) => bar.set_position(done as u64),
            None => {
                let tenth = |cells: usize| cells * 10 / self.total.max(1);
                if self.printer.speaks() && tenth(done) > tenth(done.saturating_sub(1)) {
                    self.printer.talk(&format!("{done} of {} cells done", self.total));
                }
            }
        }
    }

    fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
