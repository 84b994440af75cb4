//! The only place that prints: stdout is data, stderr is talk.

use std::{
    io::{IsTerminal, Write},
    process::ExitCode,
};

use serde::Serialize;
use serde_json::Value;

use crate::failure::{Code, Failure};

/// What a command has to say when it is done.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// For machines.
    pub(crate) data: Value,
    /// The same for people; may have several lines.
    pub(crate) text: String,
}

impl Outcome {
    pub(crate) fn new(data: impl Serialize, text: impl Into<String>) -> Result<Self, Failure> {
        let data = serde_json::to_value(data).map_err(|error| {
            Failure::new(
                Code::Bug,
                format!("this is a bug in xfl: the result is no json: {error}"),
            )
        })?;
        Ok(Self {
            data,
            text: text.into(),
        })
    }
}

/// Writes to the terminal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Printer {
    json: bool,
    quiet: bool,
}

impl Printer {
    pub(crate) fn new(json: bool, quiet: bool) -> Self {
        Self { json, quiet }
    }

    /// Whether progress may be drawn: on a terminal, for people.
    pub(crate) fn draws(self) -> bool {
        self.speaks() && std::io::stderr().is_terminal()
    }

    /// Whether progress may be told.
    pub(crate) fn speaks(self) -> bool {
        !self.json && !self.quiet
    }

    /// A line of talk.
    pub(crate) fn talk(self, line: &str) {
        if !self.quiet {
            to_stderr(line);
        }
    }

    /// Something to stop and think about.
    pub(crate) fn warn(self, line: &str) {
        self.talk(&format!("warning: {line}"));
    }

    /// Prints how a command ended.
    pub(crate) fn finish(self, result: Result<Outcome, Failure>) -> ExitCode {
        match result {
            Ok(Outcome { data, .. }) if self.json => {
                envelope("ok", "data", &data);
                ExitCode::SUCCESS
            }
            Ok(Outcome { text, .. }) => {
                if !text.is_empty() {
                    to_stdout(text.trim_end_matches('\n'));
                }
                ExitCode::SUCCESS
            }
            Err(failure) => self.fail(&failure),
        }
    }

    fn fail(self, failure: &Failure) -> ExitCode {
        let code = failure.code as u8;
        if self.json {
            let mut error = match &failure.details {
                Some(Value::Object(details)) => details.clone(),
                _ => serde_json::Map::new(),
            };
            error.insert("message".into(), failure.message.clone().into());
            error.insert("code".into(), code.into());
            error.insert("hint".into(), failure.hint.clone().into());
            envelope("error", "error", &Value::Object(error));
        } else {
            if !failure.text.is_empty() {
                to_stdout(failure.text.trim_end_matches('\n'));
            }
            to_stderr(&format!("error: {}", failure.message));
            if let Some(hint) = &failure.hint {
                to_stderr(&format!("hint: {hint}"));
            }
        }
        ExitCode::from(code)
    }
}

/// What clap has to say: help and versions on stdout, mistakes in the house's form.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        to_stdout(error.render().to_string().trim_end_matches('\n'));
        return ExitCode::SUCCESS;
    }
    let json = std::env::args_os().any(|argument| argument == "--json");
    if !json {
        to_stderr(error.render().to_string().trim_end_matches('\n'));
        return ExitCode::from(Code::Usage as u8);
    }
    let text = error.render().to_string();
    let first = text.lines().next().unwrap_or_default();
    let message = first.strip_prefix("error: ").unwrap_or(first);
    let failure = Failure::usage(message).hint("see `xfl --help` and `xfl COMMAND --help`");
    Printer::new(true, false).finish(Err(failure))
}

// A reader that went away (`xfl status | head -1`) is no failure of ours, so errors are let go.
fn to_stdout(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}");
    let _ = out.flush();
}

fn to_stderr(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// The one line of `--json`.
fn envelope(status: &str, key: &str, content: &Value) {
    to_stdout(&format!("{{\"schema\":1,\"status\":\"{status}\",\"{key}\":{content}}}"));
}

/// Lines up columns under the first row, their heads; a column of numbers to the right.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    aligned(rows, true)
}

/// Lines up rows without heads, all to the left.
pub(crate) fn list(rows: &[Vec<String>]) -> String {
    aligned(rows, false)
}

fn aligned(rows: &[Vec<String>], heads: bool) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let cell = |row: &Vec<String>, i: usize| row.get(i).cloned().unwrap_or_default();
    let number = |text: &str| text.chars().all(|c| c.is_ascii_digit() || "+-.%, ".contains(c));
    let right: Vec<bool> = (0..columns)
        .map(|i| heads && rows.len() > 1 && rows[1..].iter().all(|r| number(&cell(r, i))))
        .collect();
    let widths: Vec<usize> = (0..columns)
        .map(|i| {
            rows.iter()
                .map(|r| cell(r, i).chars().count())
                .max()
                .unwrap_or_default()
        })
        .collect();
    let mut text = String::new();
    for row in rows {
        let cells = (0..columns).map(|i| match right[i] {
            true => format!("{:>width$}", cell(row, i), width = widths[i]),
            false => format!("{:<width$}", cell(row, i), width = widths[i]),
        });
        text += cells.collect::<Vec<_>>().join("  ").trim_end();
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_line_up() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let rows = [
            row(["round", "who", "score"]),
            row(["1", "a", "-5"]),
            row(["10", "bcd", "1000"]),
        ];
        assert_eq!(
            table(&rows),
            "round  who  score\n    1  a       -5\n   10  bcd   1000\n"
        );
    }
}
