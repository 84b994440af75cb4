//! What is wrong with a plan, where, and what to write instead.

use std::fmt;

/// An error in `federation.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanError {
    /// The file, where known.
    pub file: String,
    /// The line, from 1, where known.
    pub line: Option<usize>,
    /// The key, as `table.key`; empty for the whole file.
    pub key: String,
    /// What is wrong.
    pub what: String,
    /// What to write.
    pub hint: String,
}

impl PlanError {
    pub(crate) fn at(key: &str, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            file: String::new(),
            line: None,
            key: key.into(),
            what: what.into(),
            hint: hint.into(),
        }
    }

    pub(super) fn too_long(file: &str, got: usize) -> Self {
        let what = format!("the plan has {got} bytes; at most {} are read", super::MAX_PLAN_BYTES);
        Self {
            file: file.into(),
            ..Self::at("", what, "shorten the comments")
        }
    }

    /// What a TOML parser says, with the line and key that it is about.
    pub fn syntax(file: &str, text: &str, error: &toml::de::Error) -> Self {
        let line = error.span().map(|s| line_at(text, s.start));
        let key = error.span().map(|s| key_at(text, s.start)).unwrap_or_default();
        let hint = "run `xfl init` in an empty folder for a commented example of every key";
        Self {
            file: file.into(),
            line,
            key,
            what: error.message().trim().to_owned(),
            hint: hint.into(),
        }
    }

    /// Adds the file and the line that the key stands on.
    #[must_use]
    pub fn locate(mut self, file: &str, text: &str) -> Self {
        self.file = file.into();
        self.line = self.line.or_else(|| find(text, &self.key));
        self
    }
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = if self.file.is_empty() { "the plan" } else { &self.file };
        match self.line {
            Some(line) => write!(f, "{file}:{line}: ")?,
            None => write!(f, "{file}: ")?,
        }
        if !self.key.is_empty() {
            write!(f, "`{}`: ", self.key)?;
        }
        write!(f, "{}", self.what)
    }
}

impl std::error::Error for PlanError {}

fn line_at(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|b| *b == b'\n').count() + 1
}

/// The key whose line holds `offset`, with its table.
fn key_at(text: &str, offset: usize) -> String {
    let mut table = String::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim();
        if let Some(name) = header(trimmed) {
            name.clone_into(&mut table);
        }
        at += line.len();
        if at > offset {
            return match trimmed.split_once('=') {
                Some((key, _)) if table.is_empty() => key.trim().to_owned(),
                Some((key, _)) => format!("{table}.{}", key.trim()),
                None => table,
            };
        }
    }
    table
}

/// The line of `table.key`, or of `[table]` where the key is absent.
fn find(text: &str, key: &str) -> Option<usize> {
    let (wanted_table, wanted_key) = key.rsplit_once('.').unwrap_or((key, ""));
    let mut table = "";
    let mut table_line = None;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(name) = header(line) {
            table = name;
            if table == wanted_table {
                table_line = table_line.or(Some(number + 1));
            }
        } else if table == wanted_table && line.split_once('=').is_some_and(|(k, _)| k.trim() == wanted_key) {
            return Some(number + 1);
        }
    }
    table_line
}

fn header(line: &str) -> Option<&str> {
    let inner = line.strip_prefix('[')?.split(']').next()?;
    Some(inner.trim_start_matches('[').trim())
}
