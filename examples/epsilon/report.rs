//! Tables for people, in Markdown, and for programs, in JSON.

use std::io::{self, Write};

use serde::Serialize;
use xfl_privacy::{Delta, Epsilon, Guarantee};

use crate::way::{Recipe, Way};

/// All that was measured; the schema's number is its version.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Report {
    /// 1.
    pub(crate) version: u32,
    /// Where every epsilon was read off.
    pub(crate) delta: Delta,
    /// The epsilons asked for.
    pub(crate) epsilons: Vec<Epsilon>,
    /// One table for each federation.
    pub(crate) tables: Vec<Table>,
    /// Wall time of everything.
    pub(crate) seconds: f64,
    /// Runs side by side.
    pub(crate) threads: usize,
}

/// One federation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Table {
    /// Whose records.
    pub(crate) name: &'static str,
    /// Institutions.
    pub(crate) institutions: usize,
    /// Records of each.
    pub(crate) records: usize,
    /// Parameters of the model.
    pub(crate) parameters: usize,
    /// Seeds of the runs.
    pub(crate) seeds: Vec<u64>,
    /// What guessing the most frequent class gets.
    pub(crate) guessing: f64,
    /// Training on all records in one place, without clipping or noise.
    pub(crate) centralised: Accuracies,
    /// The ways.
    pub(crate) lines: Vec<Line>,
}

/// One way.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Line {
    /// Whose privacy, and who adds the noise.
    #[serde(flatten)]
    pub(crate) way: Way,
    /// What it was run with.
    pub(crate) recipe: Recipe,
    /// The same federation without noise, at a clip norm that stays.
    pub(crate) without_noise: Accuracies,
    /// One entry for each epsilon.
    pub(crate) private: Vec<Private>,
}

/// One way at one epsilon.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Private {
    /// What was asked for.
    pub(crate) target: Epsilon,
    /// The plan's multiplier.
    pub(crate) noise_multiplier: f64,
    /// What all rounds guarantee.
    pub(crate) guarantee: Guarantee,
    /// On held-out records.
    pub(crate) accuracy: Accuracies,
}

/// Accuracies under several seeds, from 0 to 1.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Accuracies {
    /// Their mean.
    pub(crate) mean: f64,
    /// Their standard deviation; none of a single run.
    pub(crate) deviation: Option<f64>,
    /// One entry for each seed.
    pub(crate) runs: Vec<f64>,
}

impl Accuracies {
    /// Mean and standard deviation of these runs.
    pub(crate) fn of(runs: Vec<f64>) -> Self {
        let count = runs.len() as f64;
        let mean = runs.iter().sum::<f64>() / count.max(1.0);
        let squares: f64 = runs.iter().map(|run| (run - mean).powi(2)).sum();
        Self {
            mean,
            deviation: (runs.len() > 1).then(|| (squares / (count - 1.0)).sqrt()),
            runs,
        }
    }

    fn percent(&self) -> String {
        let mean = format!("{:.1}", 100.0 * self.mean);
        self.deviation
            .map_or(mean.clone(), |deviation| format!("{mean} ± {:.1}", 100.0 * deviation))
    }
}

impl Report {
    /// Writes accuracies, then the noise behind them.
    ///
    /// # Errors
    /// Where writing fails.
    pub(crate) fn print(&self, out: &mut impl Write) -> io::Result<()> {
        for table in &self.tables {
            self.accuracies(table, out)?;
            self.noise(table, out)?;
        }
        writeln!(out, "{:.0} s on {} threads", self.seconds, self.threads)
    }

    fn accuracies(&self, table: &Table, out: &mut impl Write) -> io::Result<()> {
        writeln!(
            out,
            "### {}: {} institutions with {} records each, {} parameters\n\n\
             Accuracy in percent, mean ± standard deviation over {} seeds. Centralised training: {}; guessing: {:.1}.\n",
            table.name,
            table.institutions,
            table.records,
            table.parameters,
            table.seeds.len(),
            table.centralised.percent(),
            100.0 * table.guessing,
        )?;
        let epsilons: Vec<String> = self.epsilons.iter().map(|e| format!("epsilon {}", e.get())).collect();
        writeln!(out, "| unit, mode | no noise | {} |", epsilons.join(" | "))?;
        writeln!(out, "|---|---|{}", "---|".repeat(epsilons.len()))?;
        for line in &table.lines {
            let private: Vec<String> = line.private.iter().map(|p| p.accuracy.percent()).collect();
            let without = line.without_noise.percent();
            writeln!(out, "| {} | {without} | {} |", line.way, private.join(" | "))?;
        }
        writeln!(out)
    }

    fn noise(&self, table: &Table, out: &mut impl Write) -> io::Result<()> {
        writeln!(
            out,
            "| unit, mode | rounds | noise multiplier | guarantee of all rounds | accountant |"
        )?;
        writeln!(out, "|---|---|---|---|---|")?;
        for line in &table.lines {
            for private in &line.private {
                writeln!(
                    out,
                    "| {} | {} | {} | {} | {} |",
                    line.way,
                    line.recipe.rounds,
                    private.noise_multiplier,
                    private.guarantee,
                    private.guarantee.accountant
                )?;
            }
        }
        writeln!(out)
    }
}
