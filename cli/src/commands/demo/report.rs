//! What the demo prints at its end.

use std::fmt;

use serde::Serialize;
use xfl_core::node::coordinator::RoundMetrics;

use super::references::References;
use crate::printer::table;

/// The demo in numbers.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    /// Where everything lies.
    pub(crate) dir: String,
    /// Whether that folder is kept.
    pub(crate) kept: bool,
    /// Whether updates were masked.
    pub(crate) masked: bool,
    /// The fewest updates in a sum that is opened.
    pub(crate) least_sum: usize,
    /// What the plan's own check says.
    pub(crate) plan: Vec<String>,
    /// The aggregation rule.
    pub(crate) rule: String,
    /// Rounds, as the coordinator measured them.
    pub(crate) rounds: Vec<RoundMetrics>,
    /// The comparison.
    pub(crate) references: References,
    /// By hospital.
    pub(crate) hospitals: Vec<HospitalReport>,
    /// The auditor's verdict and how many checks it made.
    pub(crate) audit: AuditReport,
    /// Seconds it all took.
    pub(crate) seconds: f64,
}

/// A hospital at the end.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct HospitalReport {
    pub(crate) name: String,
    pub(crate) patients: usize,
    pub(crate) attacker: bool,
    /// Privacy spent, with unit, delta and relation.
    pub(crate) privacy: String,
    pub(crate) epsilon: f64,
    pub(crate) score_ppm: i64,
    pub(crate) reward: u64,
    /// What it claimed on the chain.
    pub(crate) claimed: String,
}

/// The audit in short.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct AuditReport {
    pub(crate) holds: bool,
    pub(crate) checks: usize,
    pub(crate) unchecked: usize,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.plan {
            writeln!(f, "{finding}")?;
        }
        writeln!(
            f,
            "\naccuracy on held-out patients after each round\n{}",
            table(&self.accuracies())
        )?;
        writeln!(f, "each hospital\n{}", table(&self.hospital_rows()))?;
        if self.masked {
            let least = self.least_sum;
            writeln!(
                f,
                "masked: the coordinator saw sums of at least {least} updates, no single one; rewards are by participation"
            )?;
        } else {
            writeln!(
                f,
                "rule {}; scores are leave-one-out on held-out patients, a round pays whose update helped, by its score so far",
                self.rule
            )?;
        }
        let verdict = if self.audit.holds { "holds" } else { "FAILS" };
        writeln!(
            f,
            "audit {verdict}: {} checks, {} of them not possible here",
            self.audit.checks, self.audit.unchecked
        )?;
        write!(f, "{:.1} s", self.seconds)?;
        if self.kept {
            write!(f, ", kept in {}", self.dir)
        } else {
            Ok(())
        }
    }
}

impl Report {
    fn accuracies(&self) -> Vec<Vec<String>> {
        let plain = self.references.plain_mean.as_ref();
        let mut header = vec!["round".to_owned(), "this federation".into(), "pooled, no noise".into()];
        header.extend(plain.map(|_| "plain mean, same attack".to_owned()));
        let mut rows = vec![header];
        for (i, round) in self.rounds.iter().enumerate() {
            let at = |values: &Vec<f64>| percent(values.get(i).copied());
            let mut row = vec![
                round.round.to_string(),
                percent(round.accuracy),
                at(&self.references.pooled),
            ];
            row.extend(plain.map(at));
            rows.push(row);
        }
        rows
    }

    fn hospital_rows(&self) -> Vec<Vec<String>> {
        let header = ["", "patients", "alone", "epsilon", "score ppm", "reward", "claimed"];
        let mut rows = vec![header.map(str::to_owned).to_vec()];
        for (i, h) in self.hospitals.iter().enumerate() {
            let alone = self.references.alone.get(i).and_then(|(_, a)| a.last().copied());
            rows.push(vec![
                if h.attacker {
                    format!("{} (poisons)", h.name)
                } else {
                    h.name.clone()
                },
                h.patients.to_string(),
                percent(alone),
                if h.epsilon.is_finite() {
                    format!("{:.2}", h.epsilon)
                } else {
                    "infinite".into()
                },
                h.score_ppm.to_string(),
                h.reward.to_string(),
                h.claimed.clone(),
            ]);
        }
        rows
    }
}

fn percent(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |v| format!("{:.1}%", 100.0 * v))
}
