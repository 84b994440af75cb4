//! The demo's progress, read from the run's own files: a bar for rounds and a line for each hospital.

use std::{cell::RefCell, time::Duration};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::{processes::read_json, scenario::Scenario};
use crate::printer::Printer;

/// Bars on a terminal, plain lines otherwise.
pub(crate) struct Watch {
    printer: Printer,
    rounds: ProgressBar,
    hospitals: Vec<(String, ProgressBar)>,
    told: RefCell<u64>,
    _bars: MultiProgress,
}

impl Watch {
    pub(crate) fn new(scenario: &Scenario, printer: Printer) -> Self {
        let bars = MultiProgress::new();
        if !printer.draws() {
            bars.set_draw_target(indicatif::ProgressDrawTarget::hidden());
        }
        let style =
            |template: &str| ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let count = scenario.plan.terms().rounds.count;
        let rounds = bars
            .add(ProgressBar::new(count))
            .with_style(style("rounds       [{bar:30}] {pos}/{len} {msg}"));
        let hospitals = scenario
            .hospitals
            .iter()
            .map(|h| {
                let bar = bars
                    .add(ProgressBar::new_spinner())
                    .with_style(style("{prefix:<12} {spinner} {msg}"));
                bar.set_prefix(h.name.clone());
                bar.set_message("starting");
                bar.enable_steady_tick(Duration::from_millis(120));
                (h.name.clone(), bar)
            })
            .collect();
        Self {
            printer,
            rounds,
            hospitals,
            told: RefCell::new(0),
            _bars: bars,
        }
    }

    /// Reads the status; whether all rounds are finished.
    pub(crate) fn look(&self, scenario: &Scenario) -> bool {
        let Some(status) = read_json(&scenario.run_dir().join("status.json")) else {
            return false;
        };
        let number = |key: &str| status[key].as_u64().unwrap_or_default();
        let names = |key: &str| -> Vec<String> {
            let list = status[key].as_array().cloned().unwrap_or_default();
            list.iter().filter_map(|v| v.as_str().map(str::to_owned)).collect()
        };
        let (waiting, connected) = (names("waiting_for"), names("connected"));
        let stage = status["stage"].as_str().unwrap_or_default();
        let finished = number("finished");
        self.rounds.set_position(finished);
        self.rounds.set_message(stage.to_owned());
        for (name, bar) in &self.hospitals {
            let (busy, there) = (waiting.contains(name), connected.contains(name));
            bar.set_message(match (there, busy) {
                (false, _) => "away".to_owned(),
                (true, true) => stage.to_owned(),
                (true, false) => "waits".to_owned(),
            });
        }
        if finished > *self.told.borrow() {
            *self.told.borrow_mut() = finished;
            if !self.printer.draws() {
                self.printer
                    .talk(&format!("round {finished} of {} done", number("planned")));
            }
        }
        finished > 0 && finished == number("planned")
    }

    pub(crate) fn done(&self) {
        self.rounds.finish_and_clear();
        self.hospitals.iter().for_each(|(_, bar)| bar.finish_and_clear());
    }
}
