//! What a challenge found and did, as JSON and for people.

use serde_json::{Value, json};
use xfl_settlement::chain::challenge::Slashed;

use crate::files;

/// A call that was sent, or would be.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) function: &'static str,
    /// What it does, for people.
    pub(super) what: String,
    /// Used, or estimated; none where it can't be told before an earlier step is done.
    pub(super) gas: Option<u64>,
    /// The transaction, where it was sent.
    pub(super) transaction: Option<[u8; 32]>,
    /// To whom, what and with how many coins, where it was not sent.
    pub(super) unsent: Option<([u8; 20], Vec<u8>, u128)>,
    pub(super) slashed: Vec<Slashed>,
}

/// One round on the chain.
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub(super) round: u64,
    pub(super) digest: [u8; 32],
    /// Lies and their evidence, in words.
    pub(super) lies: Vec<String>,
    /// What doesn't follow and can't be shown to a contract.
    pub(super) doubts: Vec<String>,
    /// What isn't known.
    pub(super) unknown: Vec<String>,
    pub(super) steps: Vec<Step>,
}

/// Everything.
#[derive(Debug, Default)]
pub(super) struct Report(Vec<Heard>);

impl Heard {
    fn is_news(&self) -> bool {
        !self.lies.is_empty() || !self.doubts.is_empty() || !self.steps.is_empty()
    }

    fn data(&self) -> Value {
        json!({
            "round": self.round,
            "digest": files::hex(&self.digest),
            "lies": self.lies,
            "doubts": self.doubts,
            "unknown": self.unknown,
            "steps": self.steps.iter().map(Step::data).collect::<Vec<_>>(),
        })
    }

    fn text(&self) -> String {
        let mut text = format!("round {}  {}\n", self.round, files::hex(&self.digest));
        let mut lines = |mark: &str, list: &[String]| {
            list.iter().for_each(|line| text += &format!("  {mark}  {line}\n"));
        };
        lines("lie     ", &self.lies);
        lines("differs ", &self.doubts);
        lines("unknown ", &self.unknown);
        if self.lies.is_empty() && self.doubts.is_empty() && self.unknown.is_empty() {
            text += "  honest    everything that a contract can be shown follows\n";
        }
        self.steps.iter().for_each(|step| text += &step.text());
        text
    }
}

impl Step {
    fn data(&self) -> Value {
        let slashed: Vec<Value> = self
            .slashed
            .iter()
            .map(|s| json!({ "account": files::account(&s.account), "amount": s.amount.to_string() }))
            .collect();
        let mut data = json!({
            "function": self.function,
            "what": self.what,
            "gas": self.gas,
            "transaction": self.transaction.map(|hash| files::hex(&hash)),
            "slashed": slashed,
        });
        if let (Some((to, calldata, value)), Value::Object(fields)) = (&self.unsent, &mut data) {
            fields.insert("to".into(), files::account(to).into());
            fields.insert("calldata".into(), files::hex(calldata).into());
            fields.insert("value".into(), value.to_string().into());
        }
        data
    }

    fn text(&self) -> String {
        let gas = self.gas.map_or_else(
            || "gas is known once the lie is proved".to_owned(),
            |gas| format!("{gas} gas"),
        );
        let mut text = format!("  {:<10}{}: {gas}\n", self.function, self.what);
        if let Some(hash) = &self.transaction {
            text += &format!("            transaction {}\n", files::hex(hash));
        }
        for s in &self.slashed {
            text += &format!("            slashed {} by {}\n", files::account(&s.account), s.amount);
        }
        if let Some((to, calldata, value)) = &self.unsent {
            text += &format!(
                "            to {} with {value} coins\n            calldata {}\n",
                files::account(to),
                files::hex(calldata)
            );
        }
        text
    }
}

impl Report {
    /// Adds what was heard of a round; hearing again what is known adds nothing.
    pub(super) fn add(&mut self, heard: Heard) {
        let known = self.0.iter().any(|h| h.digest == heard.digest);
        if heard.is_news() || !known {
            let repeated = |h: &Heard| h.digest == heard.digest && h.doubts == heard.doubts && heard.steps.is_empty();
            if !self.0.iter().any(repeated) {
                self.0.push(heard);
            }
        }
    }

    pub(super) fn rounds(&self) -> usize {
        self.0.len()
    }

    /// The first thing that doesn't follow and can't be shown.
    pub(super) fn doubt(&self) -> Option<(u64, &str)> {
        let first = |heard: &Heard| !heard.doubts.is_empty() && heard.lies.is_empty();
        let heard = self.0.iter().find(|heard| first(heard))?;
        Some((heard.round, heard.doubts.first()?))
    }

    fn totals(&self) -> (u64, u128) {
        let steps = || self.0.iter().flat_map(|heard| &heard.steps);
        let gas = steps().filter_map(|step| step.gas).fold(0, u64::saturating_add);
        let amounts = steps().flat_map(|step| &step.slashed).map(|s| s.amount);
        (gas, amounts.fold(0, u128::saturating_add))
    }

    pub(super) fn data(&self) -> Value {
        let (gas, slashed) = self.totals();
        let lies = self.0.iter().filter(|heard| !heard.lies.is_empty()).count();
        json!({
            "rounds": self.0.iter().map(Heard::data).collect::<Vec<_>>(),
            "lies": lies,
            "gas": gas,
            "slashed": slashed.to_string(),
        })
    }

    /// From this round heard on.
    pub(super) fn text_from(&self, first: usize) -> String {
        let mut text: String = self.0[first.min(self.0.len())..].iter().map(Heard::text).collect();
        if self
            .0
            .iter()
            .all(|heard| heard.lies.is_empty() && heard.doubts.is_empty())
        {
            text += "nothing to challenge\n";
        } else {
            let (gas, slashed) = self.totals();
            text += &format!("slashed {slashed} in all; {gas} gas\n");
        }
        text
    }
}
