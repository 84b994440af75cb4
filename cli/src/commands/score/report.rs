//! What `xfl score` says: a line for each row, and what the scores cost.

use serde_json::{Map, Value, json};
use xfl_aggregation::score::{Cosines, Ppm};

use super::{pay::Paid, play::Scored};
use crate::{
    failure::Failure,
    printer::{Outcome, list, table},
};

/// What was scored and how.
pub(super) struct Told {
    pub(super) scorer: &'static str,
    /// Rows, and coordinates where there is a file of them.
    pub(super) rows: (usize, Option<usize>),
    /// What coalitions are worth, for people and programs.
    pub(super) value: Option<(String, Value)>,
    /// What the rule made of the rows, where the scorer compares with it.
    pub(super) compared: Option<String>,
    /// The row that each copies; nothing where that wasn't looked for.
    pub(super) copies: Option<Vec<Option<usize>>>,
    pub(super) zeros: Vec<bool>,
    /// Outside the plan's bounds.
    pub(super) refused: Vec<bool>,
    /// Reading, scoring.
    pub(super) seconds: [f64; 2],
}

impl Told {
    /// Remarks on a row.
    fn remarks(&self, row: usize) -> Vec<String> {
        let is = |all: &[bool]| all.get(row).copied().unwrap_or_default();
        let copied = self.copies.as_ref().and_then(|copies| *copies.get(row)?);
        let mut remarks: Vec<String> = copied.map(|of| format!("copy of row {of}")).into_iter().collect();
        if is(&self.zeros) {
            remarks.push("zeros".to_owned());
        }
        if is(&self.refused) {
            remarks.push("outside the plan's bounds".to_owned());
        }
        remarks
    }

    fn head(&self) -> Vec<Vec<String>> {
        let rows = match self.rows {
            (n, Some(d)) => format!("{n} of {d} coordinates"),
            (n, None) => n.to_string(),
        };
        let mut lines = vec![line("scorer", self.scorer), line("rows", &rows)];
        lines.extend(self.value.as_ref().map(|(text, _)| line("value", text)));
        lines.extend(self.compared.as_ref().map(|what| line("compared", what)));
        lines
    }

    fn data(&self) -> Map<String, Value> {
        let remarks: Vec<_> = (0..self.rows.0).map(|row| self.remarks(row)).collect();
        let mut data = Map::new();
        let mut put = |name: &str, value: Value| data.insert(name.to_owned(), value);
        put("scorer", self.scorer.into());
        put("rows", self.rows.0.into());
        put("coordinates", self.rows.1.into());
        put("value", self.value.as_ref().map(|(_, data)| data.clone()).into());
        put("copies", json!(self.copies));
        put("remarks", json!(remarks));
        put("timings", json!({ "read": self.seconds[0], "score": self.seconds[1] }));
        data
    }

    /// The outcome of scores.
    pub(super) fn scores(&self, scored: &Scored, paid: Option<&Paid>, out: Option<&str>) -> Result<Outcome, Failure> {
        let merits = scored.reputations.as_ref().unwrap_or(&scored.scores);
        let shares = shares(merits);
        let mut lines = self.head();
        if self.value.is_some() {
            let spent = format!(
                "{} ({} answered from the cache) in {:.3} s",
                scored.evaluations, scored.cache_hits, self.seconds[1]
            );
            lines.push(line("evaluations", &spent));
        }
        let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let short = scored.details.iter().filter(|(_, v)| v.is_number() || v.is_string());
        lines.extend(short.map(|(name, value)| line(&name.replace('_', " "), &plain(value))));
        lines.extend(paid.map(|paid| line("paid to nobody", &paid.rest().to_string())));
        lines.extend(out.map(|out| line("written", out)));

        let mut head = vec!["row".to_owned(), "score ppm".to_owned()];
        head.extend(scored.errors.is_some().then(|| "±".to_owned()));
        head.extend(scored.reputations.is_some().then(|| "reputation ppm".to_owned()));
        head.push("share".to_owned());
        head.extend(paid.map(|_| "paid".to_owned()));
        head.push("remarks".to_owned());
        let mut rows = vec![head];
        for (row, score) in scored.scores.iter().enumerate() {
            let mut cells = vec![row.to_string(), score.0.to_string()];
            cells.extend(scored.errors.as_ref().map(|errors| format!("{:.0}", errors[row])));
            cells.extend(scored.reputations.as_ref().map(|all| all[row].0.to_string()));
            cells.push(format!("{:.1} %", 100.0 * shares[row]));
            cells.extend(paid.map(|paid| paid.part(row).to_string()));
            cells.push(self.remarks(row).join(", "));
            rows.push(cells);
        }

        let ppm = |all: &[Ppm]| -> Vec<i64> { all.iter().map(|p| p.0).collect() };
        let mut data = self.data();
        data.extend(scored.details.clone());
        data.insert("scores".into(), json!(ppm(&scored.scores)));
        data.insert("standard_errors".into(), json!(scored.errors));
        data.insert("reputations".into(), json!(scored.reputations.as_deref().map(ppm)));
        data.insert("shares".into(), json!(shares));
        data.insert("evaluations".into(), scored.evaluations.into());
        data.insert("cache_hits".into(), scored.cache_hits.into());
        data.insert("rewards".into(), paid.map(Paid::data).into());
        data.insert("out".into(), out.into());
        Outcome::new(data, format!("{}\n{}", list(&lines), table(&rows)))
    }

    /// The outcome of a search for copies.
    pub(super) fn copies(&self, cosines: &Cosines) -> Result<Outcome, Failure> {
        let n = cosines.n();
        let between = |i: usize, j: usize| cosines.get(i, j).unwrap_or_default().0;
        let nearest = |row: usize| {
            (0..n)
                .filter(|&other| other != row)
                .max_by_key(|&other| (between(row, other), n - other))
        };
        let head = ["row", "nearest", "cosine ppm", "remarks"].map(str::to_owned).to_vec();
        let mut rows = vec![head];
        for row in 0..n {
            let other = nearest(row);
            let text = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
            rows.push(vec![
                row.to_string(),
                text(other.map(|other| other.to_string())),
                text(other.map(|other| between(row, other).to_string())),
                self.remarks(row).join(", "),
            ]);
        }
        let mut data = self.data();
        let matrix: Vec<Vec<i64>> = (0..n).map(|i| (0..n).map(|j| between(i, j)).collect()).collect();
        data.insert("cosines".into(), json!(matrix));
        Outcome::new(data, format!("{}\n{}", list(&self.head()), table(&rows)))
    }
}

fn line(name: &str, value: &str) -> Vec<String> {
    vec![name.to_owned(), value.to_owned()]
}

/// Each positive score's part of all positive ones; zeros where none is.
fn shares(merits: &[Ppm]) -> Vec<f64> {
    let positive = |merit: &Ppm| merit.0.max(0) as f64;
    let sum: f64 = merits.iter().map(positive).sum();
    let share = |merit: &Ppm| if sum > 0.0 { positive(merit) / sum } else { 0.0 };
    merits.iter().map(share).collect()
}
