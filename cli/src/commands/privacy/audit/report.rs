//! What an audit has found, for people and machines.

use std::path::Path;

use serde_json::{Value, json};
use xfl_privacy::{
    Delta, Mode,
    audit::{Confidence, Gaussian, OneRun, Rates, Roc, Trials},
};

use super::{Attack, Claim, Found};
use crate::{
    failure::{Code, Failure},
    printer::{Outcome, table},
};

/// Points of a curve that are kept.
const POINTS: usize = 60;

/// One attack on one protection.
pub(super) struct Audit {
    attack: &'static str,
    protection: &'static str,
    runs: u64,
    canaries: usize,
    roc: Roc,
    one_run: OneRun,
    /// Where canaries have noise of their own.
    rates: Option<Rates>,
    /// And where the trade-off curve is a Gaussian's.
    gaussian: Option<Gaussian>,
}

impl Audit {
    pub(super) fn of(
        attack: Attack,
        protection: &'static str,
        found: Found,
        (mode, delta): (Mode, Delta),
        confidence: Confidence,
    ) -> Result<Self, Failure> {
        let runs = found.runs;
        let trials = Trials::new(found.trials).map_err(|error| {
            Failure::usage(error.to_string()).hint("write more --canaries, or name a larger --data")
        })?;
        let [independent, gaussian] = [attack.independent(), attack.independent() && mode == Mode::Local];
        Ok(Self {
            attack: attack.name(),
            protection,
            runs,
            canaries: trials.all().len(),
            roc: trials.roc(),
            one_run: trials.one_run(delta, confidence),
            rates: independent.then(|| trials.rates(delta, confidence)),
            gaussian: gaussian.then(|| trials.gaussian(delta, confidence)),
        })
    }

    /// The largest of the bounds.
    fn epsilon(&self) -> f64 {
        let rates = self.rates.map_or(0.0, |rates| rates.epsilon);
        let gaussian = self.gaussian.map_or(0.0, |gaussian| gaussian.epsilon);
        self.one_run.epsilon.max(rates).max(gaussian)
    }

    /// What can't be if the claim is true.
    fn refutes(&self, claim: &Claim) -> bool {
        let mu = self
            .gaussian
            .zip(claim.mu)
            .is_some_and(|(gaussian, mu)| gaussian.mu > mu);
        self.protection == "plan" && (mu || self.epsilon() > claim.tight.get())
    }

    fn json(&self) -> Value {
        json!({
            "attack": self.attack,
            "protection": self.protection,
            "canaries": self.canaries,
            "runs": self.runs,
            "epsilon_at_least": self.epsilon(),
            "one_run": self.one_run,
            "rates": self.rates,
            "gaussian": self.gaussian,
            "area": self.roc.area,
            "true_positives_at_1_percent": self.roc.true_positives_at(0.01),
            "true_positives_at_0_1_percent": self.roc.true_positives_at(0.001),
            "curve": self.roc.points(POINTS),
        })
    }

    fn row(&self) -> Vec<String> {
        let percent = |share: f64| format!("{:.1}%", 100.0 * share);
        let bound = |epsilon: Option<f64>| epsilon.map_or_else(String::new, |epsilon| format!("{epsilon:.2}"));
        vec![
            self.attack.to_owned(),
            if self.protection == "plan" {
                "as planned"
            } else {
                "no noise"
            }
            .to_owned(),
            self.canaries.to_string(),
            self.runs.to_string(),
            format!("{:.3}", self.roc.area),
            percent(self.roc.true_positives_at(0.01)),
            percent(self.roc.true_positives_at(0.001)),
            bound(Some(self.one_run.epsilon)),
            bound(self.rates.map(|rates| rates.epsilon)),
            bound(self.gaussian.map(|gaussian| gaussian.epsilon)),
        ]
    }
}

/// All of them beside the claim.
pub(super) struct Report<'a> {
    pub(super) plan: &'a Path,
    pub(super) claim: &'a Claim,
    pub(super) confidence: Confidence,
    pub(super) audits: Vec<Audit>,
}

const HEAD: [&str; 10] = [
    "attack",
    "protection",
    "canaries",
    "runs",
    "area",
    "TPR at 1%",
    "at 0.1%",
    "one-run",
    "rates",
    "gaussian",
];

impl Report<'_> {
    /// The outcome, which is a failure where a bound passes the claim.
    pub(super) fn outcome(self) -> Result<Outcome, Failure> {
        let refuted: Vec<&str> = self
            .audits
            .iter()
            .filter(|audit| audit.refutes(self.claim))
            .map(|a| a.attack)
            .collect();
        let data = json!({
            "plan": self.plan,
            "claim": self.claim.json(),
            "confidence": self.confidence,
            "refuted": !refuted.is_empty(),
            "audits": self.audits.iter().map(Audit::json).collect::<Vec<_>>(),
        });
        let text = self.text(&refuted);
        if refuted.is_empty() {
            return Outcome::new(data, text);
        }
        let what = format!(
            "more leaks than is claimed: {} found more than the claim allows",
            refuted.join(", ")
        );
        let hint = "try another --seed and --confidence 0.999; if it stays so, don't rely on this protection, and tell its authors";
        Err(Failure::new(Code::Audit, what).hint(hint).with(data, text))
    }

    fn text(&self, refuted: &[&str]) -> String {
        let mut rows = vec![HEAD.map(str::to_owned).to_vec()];
        rows.extend(self.audits.iter().map(Audit::row));
        let percent = 100.0 * self.confidence.get();
        let mut text = format!("{}\n{}", self.claim.text(), table(&rows));
        text += "area: of the attacker's curve, 0.5 is guessing; TPR: members found at that rate of false alarms\n";
        text += &format!(
            "one-run, rates, gaussian: epsilon is larger than that (all of them together at {percent} %), by guesses right, by rates of \
             error, and by rates of error under Gaussian noise\n"
        );
        text += match refuted {
            [] => "no bound passes the claim\n",
            _ => "A BOUND PASSES THE CLAIM\n",
        };
        text
    }
}
