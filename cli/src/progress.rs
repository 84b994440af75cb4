//! Progress: bars on a terminal, plain lines otherwise, nothing with `--json` or `-q`.

use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::printer::Printer;

/// Rounds, and what the current one waits for.
pub(crate) struct Progress {
    printer: Printer,
    bars: Option<Bars>,
    last: String,
}

struct Bars {
    all: MultiProgress,
    rounds: ProgressBar,
    stage: ProgressBar,
}

impl Progress {
    /// Progress towards `total` rounds, of which `done` are finished.
    pub(crate) fn new(printer: Printer, total: u64, done: u64) -> Self {
        let bars = printer.draws().then(|| {
            let all = MultiProgress::new();
            let rounds = all.add(ProgressBar::new(total).with_style(style("rounds {bar:30} {pos}/{len}  {msg}")));
            let stage = all.add(ProgressBar::new(1).with_style(style("{spinner} {prefix:10} {bar:24} {pos}/{len}")));
            rounds.set_position(done);
            stage.enable_steady_tick(Duration::from_millis(120));
            Bars { all, rounds, stage }
        });
        Self {
            printer,
            bars,
            last: String::new(),
        }
    }

    /// There are so many rounds, as is known only now.
    pub(crate) fn total(&self, rounds: u64) {
        if let Some(bars) = &self.bars {
            bars.rounds.set_length(rounds);
        }
    }

    /// A line that stays.
    pub(crate) fn line(&self, text: &str) {
        match &self.bars {
            Some(bars) => bars.all.suspend(|| self.printer.talk(text)),
            None if self.printer.speaks() => self.printer.talk(text),
            None => {}
        }
    }

    /// How many answered in a round's stage.
    pub(crate) fn stage(&mut self, round: u64, stage: &str, answered: u64, of: u64) {
        match &self.bars {
            Some(bars) => {
                bars.stage.set_prefix(stage.to_owned());
                bars.stage.set_length(of);
                bars.stage.set_position(answered);
            }
            None => {
                // One line a stage; how many answered is only worth a line where it can be redrawn.
                let now = format!("round {round}: {stage}");
                if now != self.last {
                    self.line(&now);
                    self.last = now;
                }
            }
        }
    }

    /// So many rounds are finished; `note` says what came of the last.
    pub(crate) fn finished(&mut self, rounds: u64, note: &str) {
        match &self.bars {
            Some(bars) => {
                bars.rounds.set_position(rounds);
                bars.rounds.set_message(note.to_owned());
            }
            None => self.line(format!("round {rounds}: done  {note}").trim_end()),
        }
    }

    /// Takes the bars away.
    pub(crate) fn clear(&self) {
        if let Some(bars) = &self.bars {
            bars.stage.finish_and_clear();
            bars.rounds.finish_and_clear();
        }
    }
}

/// What is done one after the other and looks alike: a bar on a terminal, nothing elsewhere. Shared by the threads that evaluate.
pub(crate) struct Evaluations(Option<ProgressBar>);

impl Evaluations {
    /// Up to `most` models that are evaluated.
    pub(crate) fn new(printer: Printer, most: u64) -> Self {
        Self::of("evaluations", printer, most)
    }

    /// Up to `most` of something.
    pub(crate) fn of(what: &str, printer: Printer, most: u64) -> Self {
        let bar = || ProgressBar::new(most).with_style(style(&format!("{what} {{bar:30}} {{pos}}/{{len}}  {{eta}}")));
        Self(printer.draws().then(bar))
    }

    /// One more is done.
    pub(crate) fn tick(&self) {
        if let Some(bar) = &self.0 {
            bar.inc(1);
        }
    }

    /// Takes the bar away.
    pub(crate) fn clear(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    // The templates are constants that indicatif knows; the default is the worst that could come of a mistake.
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}
