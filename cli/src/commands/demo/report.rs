//! What the demo prints at its end.

use std::fmt;

use serde::Serialize;
use xfl_core::node::coordinator::RoundMetrics;

use super::references::References;

/// The demo in numbers.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    /// Where everything lies.
    pub(crate) dir: String,
    /// Whether that folder is kept.
    pub(crate) kept: bool,
    /// Whether updates were masked.
    pub(crate) masked: bool,
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
        let percent = |v: Option<f64>| v.map_or("     -".into(), |v| format!("{:5.1}%", 100.0 * v));
        writeln!(f, "accuracy on held-out patients after each round")?;
        let plain = self.references.plain_mean.as_ref();
        write!(f, "  round   federation   pooled, no noise")?;
        writeln!(f, "{}", if plain.is_some() { "   plain mean, same attack" } else { "" })?;
        for (i, round) in self.rounds.iter().enumerate() {
            let pooled = percent(self.references.pooled.get(i).copied());
            write!(f, "  {:>5}       {}             {pooled}", round.round, percent(round.accuracy))?;
            match plain {
                Some(plain) => writeln!(f, "                    {}", percent(plain.get(i).copied()))?,
                None => writeln!(f)?,
            }
        }
        writeln!(f, "\neach hospital")?;
        writeln!(f, "  {:<12} {:>8}  {:>6}  {:>8}  {:>10}  {:>9}  {:>9}", "", "patients", "alone", "epsilon", "score ppm", "reward", "claimed")?;
        for (i, h) in self.hospitals.iter().enumerate() {
            let alone = self.references.alone.get(i).and_then(|(_, a)| a.last().copied());
            let who = if h.attacker { format!("{} (poisons)", h.name) } else { h.name.clone() };
            let epsilon = if h.epsilon.is_finite() { format!("{:.2}", h.epsilon) } else { "infinite".into() };
            writeln!(
                f,
                "  {who:<18} {:>2}  {:>6}  {epsilon:>8}  {:>10}  {:>9}  {:>9}",
                h.patients,
                percent(alone).trim(),
                h.score_ppm,
                h.reward,
                h.claimed
            )?;
        }
        if let Some(h) = self.hospitals.first() {
            writeln!(f, "  {}", h.privacy)?;
        }
        if self.masked {
            writeln!(f, "  masked: the coordinator saw sums of at least {} updates, no single one; rewards are by participation", 4)?;
        } else {
            writeln!(f, "  rule {}, scores by leave-one-out on held-out patients", self.rule)?;
        }
        let verdict = if self.audit.holds { "holds" } else { "FAILS" };
        writeln!(f, "\naudit: {verdict} ({} checks, {} of them not possible here)", self.audit.checks, self.audit.unchecked)?;
        write!(f, "{:.1} s", self.seconds)?;
        if self.kept { write!(f, ", kept in {}", self.dir) } else { Ok(()) }
    }
}
