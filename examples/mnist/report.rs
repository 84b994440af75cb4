//! Tables for people, in Markdown, and for programs, in JSON.

use std::io::{self, Write};

use serde::Serialize;
use xfl_core::spec::ModelSpec;

use crate::cell::Line;

/// All that was measured; the schema's number is its version.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Report {
    /// 1.
    pub(crate) version: u32,
    /// The model trained.
    pub(crate) model: ModelSpec,
    /// Seeds of the runs.
    pub(crate) seeds: Vec<u64>,
    /// One entry for each table.
    pub(crate) tables: Vec<Table>,
}

/// One table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Table {
    /// What it reproduces.
    pub(crate) title: &'static str,
    /// Steps of each run.
    pub(crate) steps: usize,
    /// Wall time of all its runs.
    pub(crate) seconds: f64,
    /// Threads, each with a run of its own.
    pub(crate) threads: usize,
    /// The lines.
    pub(crate) lines: Vec<Line>,
}

impl Table {
    /// Writes the table; a column that is empty everywhere is left out.
    ///
    /// # Errors
    /// Where writing fails.
    pub(crate) fn print(&self, out: &mut impl Write) -> io::Result<()> {
        let gamma = self.lines.iter().any(|line| line.gamma.is_some());
        let gamma_column = |text: String| if gamma { format!(" {text} |") } else { String::new() };
        writeln!(out, "{}\n", self.title)?;
        writeln!(
            out,
            "|{} rule | before it | attack | published | here | difference |",
            gamma_column("gamma".into())
        )?;
        writeln!(out, "|{}---|---|---|---|---|---|", if gamma { "---|" } else { "" })?;
        for line in &self.lines {
            let difference = line.published.map(|published| format!("{:+.1}", line.ours - published));
            writeln!(
                out,
                "|{} {} | {} | {} | {} | {} | {} |",
                gamma_column(line.gamma.map_or_else(String::new, |gamma| gamma.to_string())),
                line.rule,
                line.before,
                line.attack,
                line.published
                    .map_or_else(String::new, |published| format!("{published:.1}")),
                ours(line),
                difference.unwrap_or_default(),
            )?;
        }
        writeln!(
            out,
            "\n{} steps a run, {:.0} s on {} threads\n",
            self.steps, self.seconds, self.threads
        )
    }
}

fn ours(line: &Line) -> String {
    let mut text = format!("{:.1}", line.ours);
    if let Some(error) = line.standard_error {
        text += &format!(" ± {error:.1}");
    }
    match line.diverged.iter().flatten().count() {
        0 => text,
        count => text + &format!(" (diverged: {count} of {})", line.diverged.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_reads_as_markdown() {
        let line = Line {
            rule: "krum",
            before: "bucketing s=2",
            attack: "ipm",
            gamma: None,
            published: Some(46.8),
            ours: 12.34,
            standard_error: Some(1.26),
            diverged: vec![None, Some(7)],
            curves: vec![],
        };
        let table = Table {
            title: "Title",
            steps: 600,
            seconds: 59.6,
            threads: 2,
            lines: vec![line],
        };
        let mut out = Vec::new();
        table.print(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let expected = "| krum | bucketing s=2 | ipm | 46.8 | 12.3 ± 1.3 (diverged: 1 of 2) | -34.5 |";
        assert!(text.contains(expected), "{text}");
        assert!(text.contains("600 steps a run, 60 s on 2 threads"), "{text}");
    }
}
