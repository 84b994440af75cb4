//! `xfl join --check`: a preflight, one line per item. It reads, connects and greets; it signs nothing and charges nothing.

use std::{path::Path, time::Duration};

use serde_json::json;
use xfl_core::{
    identity::NodeId,
    message::Beginning,
    node::{
        endpoint::TransportLimits,
        entropy,
        peer::{Dialer, LinkLimits},
    },
    plan::Plan,
    train::{
        Data,
        data::{Limits, Table},
    },
    transcript::{Entry, Reader},
};
use xfl_settlement::payout::PayoutKey;

use super::{Args, practice};
use crate::{
    commands,
    failure::{Code, Failure},
    files,
    printer::Outcome,
};

/// Clocks further apart than this are worth a word; nothing in the protocol depends on them.
const CLOCKS: u64 = 5_000;
const PATIENCE: Duration = Duration::from_secs(5);

/// The items so far.
#[derive(Default)]
struct Items {
    lines: Vec<(&'static str, &'static str, String)>,
    failures: Vec<Failure>,
}

impl Items {
    fn ok(&mut self, item: &'static str, text: impl Into<String>) {
        self.lines.push((item, "ok", text.into()));
    }

    fn note(&mut self, item: &'static str, text: impl Into<String>) {
        self.lines.push((item, "--", text.into()));
    }

    fn fail(&mut self, item: &'static str, failure: Failure) {
        let hint = failure
            .hint
            .as_ref()
            .map(|hint| format!("; {hint}"))
            .unwrap_or_default();
        self.lines.push((item, "FAIL", format!("{}{hint}", failure.message)));
        self.failures.push(failure);
    }

    /// The value, where there is one; its failure is an item.
    fn take<T>(&mut self, item: &'static str, result: Result<T, Failure>) -> Option<T> {
        result.map_err(|failure| self.fail(item, failure)).ok()
    }
}

/// Looks at everything.
pub(super) async fn run(args: &Args) -> Result<Outcome, Failure> {
    let mut items = Items::default();
    let plan = match &args.plan {
        Some(path) => items.take("plan", files::plan(path)),
        None => None,
    };
    if let Some(plan) = &plan {
        items.ok(
            "plan",
            format!(
                "{:?}, {} rounds",
                plan.terms().federation.name,
                plan.terms().rounds.count
            ),
        );
    }
    if let Some(key) = items.take("node key", files::node_key(&args.key)) {
        items.ok("node key", key.node_id().to_string());
        if let Some(pinned) = items.take("coordinator", args.pinned(plan.as_ref())) {
            reach(args, key, pinned, &mut items).await;
        }
    }
    if let Some(payout) = items.take("payout key", files::payout_key(&args.payout_key)) {
        binding(&payout, &mut items);
    }
    if let Some(device) = items.take("device", practice::device(&args.device)) {
        items.ok("device", device.to_string());
    }
    data(args, plan.as_ref(), &mut items);
    budget(args, plan.as_ref(), &mut items);
    finish(items)
}

async fn reach(args: &Args, key: std::sync::Arc<xfl_core::identity::NodeKey>, pinned: NodeId, items: &mut Items) {
    let Some(address) = items.take("coordinator", args.address().await) else {
        return;
    };
    let dialer = Dialer::new(key, LinkLimits::for_messages_up_to(1 << 20), TransportLimits::default());
    let Some(dialer) = items.take(
        "coordinator",
        dialer.map_err(|e| Failure::new(Code::Network, e.to_string())),
    ) else {
        return;
    };
    match dialer.probe(address, pinned, PATIENCE).await {
        Ok(probe) => {
            let rtt = probe.rtt.as_secs_f64() * 1e3;
            items.ok(
                "coordinator",
                format!("{address} answers, its key is the one expected, {rtt:.1} ms"),
            );
            let theirs = probe
                .coordinator_clock
                .duration_since(std::time::UNIX_EPOCH)
                .unwrap_or_default();
            let apart = entropy::now().abs_diff(u64::try_from(theirs.as_millis()).unwrap_or(u64::MAX));
            let text = format!("{:.1} s from the coordinator's", apart as f64 / 1e3);
            match apart > CLOCKS {
                true => items.note(
                    "clock",
                    text + "; times in the transcript will look odd, nothing else depends on it",
                ),
                false => items.ok("clock", text),
            }
        }
        Err(error) => {
            if error.answered() {
                items.ok("udp", format!("{address} answers"));
            }
            items.fail("coordinator", error.into());
        }
    }
}

/// Whether the payout key can sign a binding that recovers to its account.
fn binding(payout: &PayoutKey, items: &mut Items) {
    let digest = [0x5a; 32];
    let recovered = payout.sign(&digest).and_then(|signature| signature.recover(&digest));
    match recovered {
        Ok(account) if account == payout.account() => {
            items.ok(
                "payout key",
                format!("{}, signs what a binding needs", files::account(&account)),
            );
        }
        Ok(_) => items.fail(
            "payout key",
            Failure::failed("its signatures recover to another account"),
        ),
        Err(error) => items.fail("payout key", Failure::failed(error.to_string())),
    }
}

fn data(args: &Args, plan: Option<&Plan>, items: &mut Items) {
    let Some(plan) = plan else {
        match std::fs::metadata(&args.data) {
            Ok(file) if file.is_file() => {
                items.note(
                    "data",
                    format!(
                        "{} is there; not checked against a schema without --plan",
                        args.data.display()
                    ),
                );
            }
            Ok(_) => items.fail("data", Failure::usage(format!("{} is not a file", args.data.display()))),
            Err(error) => items.fail("data", Failure::file(&args.data, &error)),
        }
        return;
    };
    let schema = &plan.terms().data;
    let Some(table) = items.take(
        "data",
        Table::open(&args.data, schema, Limits::default()).map_err(Failure::from),
    ) else {
        return;
    };
    let Some(()) = items.take("data", practice::enough(&table, plan, &args.data.display())) else {
        return;
    };
    let counts = table.class_counts(schema);
    let counts = if counts.is_empty() {
        String::new()
    } else {
        format!(", {counts:?} by class")
    };
    items.ok(
        "data",
        format!("{} examples of {} features{counts}", table.len(), table.width()),
    );
}

/// The run whose transcript a directory has.
fn begun_in(dir: &Path) -> Option<Beginning> {
    let bytes = files::read(&dir.join("transcript.xfl"), files::MAX_FILE).ok()?;
    match Reader::new(&bytes).next() {
        Ok(Some(Entry::Genesis(genesis))) => Some(genesis.beginning()),
        _ => None,
    }
}

/// What is spent, or what the plan would cost; in a throwaway copy, so that not even a file is made.
fn budget(args: &Args, plan: Option<&Plan>, items: &mut Items) {
    let Some(own) = items.take("limits", args.own()) else {
        return;
    };
    if let Some(plan) = plan
        && items.take("limits", own.allows(plan)).is_none()
    {
        return;
    }
    let seen = || -> Result<String, Failure> {
        let limit = own.limit(args.epsilon_limit, args.delta_limit)?;
        let file = commands::budget::copy(&args.budget(), limit)?;
        if let Some(plan) = plan {
            // Where no run is taken part in, all rounds of one are ahead.
            let run = begun_in(&args.dir).unwrap_or(Beginning([0; 32]));
            return practice::worth(&commands::budget::cost(plan, Some(run), &file)?, &own);
        }
        let totals = file.ledger().totals();
        let spent = totals.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        let spent = if spent.is_empty() { "nothing".to_owned() } else { spent };
        Ok(format!(
            "spent: {spent}; limit epsilon {} at delta {}",
            limit.epsilon, limit.delta
        ))
    };
    match seen() {
        Ok(text) => items.ok("budget", text),
        Err(failure) => items.fail("budget", failure),
    }
}

fn finish(items: Items) -> Result<Outcome, Failure> {
    let text: String = items
        .lines
        .iter()
        .map(|(item, mark, text)| format!("{mark:<4}  {item:<11}  {text}\n"))
        .collect();
    let verdict = |mark: &str| match mark {
        "ok" => "holds",
        "FAIL" => "fails",
        _ => "note",
    };
    let list: Vec<_> = items
        .lines
        .iter()
        .map(|(item, mark, text)| json!({ "item": item, "verdict": verdict(mark), "text": text }))
        .collect();
    let data = json!({ "items": list });
    let failed = items.failures.len();
    match items.failures.into_iter().next() {
        None => Outcome::new(data, text + "ready to join\n"),
        Some(first) => {
            let rest = if failed > 1 {
                format!(" (and {} more)", failed - 1)
            } else {
                String::new()
            };
            Err(Failure {
                message: format!("not ready to join: {}{rest}", first.message),
                ..first
            }
            .with(data, text))
        }
    }
}
