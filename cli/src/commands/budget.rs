//! `xfl budget`: what an institution has spent of its privacy, on which federation and round, and what a plan would cost it.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use xfl_core::{
    message::Beginning,
    node::budget::BudgetFile,
    plan::{FederationId, Plan},
};
use xfl_privacy::{Guarantee, Mode, Protection, Rho, budget::Release};

use crate::{
    failure::Failure,
    files,
    node::{self, Node},
    printer::{Outcome, Printer, table},
};

/// Arguments of `xfl budget`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The budget's file.
    #[arg(
        long,
        default_value = "institution/budget.jsonl",
        env = "XFL_BUDGET",
        hide_env_values = true
    )]
    budget: PathBuf,
    /// The institution's own limits; node.toml where there is one.
    #[arg(long, env = "XFL_NODE", hide_env_values = true)]
    node: Option<PathBuf>,
    /// A plan: what its rounds would cost, and whether that is left.
    #[arg(long, env = "XFL_PLAN", hide_env_values = true)]
    plan: Option<PathBuf>,
    /// Every release, not only sums.
    #[arg(long, env = "XFL_RELEASES", hide_env_values = true)]
    releases: bool,
    /// Print a commented node.toml with every limit, and nothing else.
    #[arg(long, env = "XFL_EXAMPLE", hide_env_values = true)]
    example: bool,
}

/// What a plan's rounds cost.
pub(crate) struct Cost {
    /// In words.
    pub(crate) text: String,
    /// Rounds that the budget allows for, of those that aren't charged yet.
    pub(crate) affordable: u64,
    /// Rounds that aren't charged yet.
    pub(crate) ahead: u64,
    /// After all rounds; none without noise.
    after: Option<Guarantee>,
    /// The arithmetic of the first round that isn't allowed.
    pub(crate) refusal: Option<String>,
}

/// Runs the command.
pub(crate) fn run(args: &Args, _printer: &Printer) -> Result<Outcome, Failure> {
    if args.example {
        return Outcome::new(json!({ "node.toml": node::EXAMPLE }), node::EXAMPLE.to_owned());
    }
    let node = match &args.node {
        Some(path) => Node::read(path, true)?,
        None => Node::read(Path::new("node.toml"), false)?,
    };
    let limit = node.limit(None, None)?;
    let file = copy(&args.budget, limit)?;
    let ledger = file.ledger();
    let mut text = String::new();
    let head = ["federation", "unit", "neighbours", "releases", "loss", "epsilon"].map(str::to_owned);
    let mut rows = vec![head.to_vec()];
    let mut federations = Vec::new();
    for (federation, unit, relation, total) in ledger.federations() {
        let count = ledger
            .releases()
            .filter(|r| (r.federation, r.unit, r.relation) == (*federation, unit, relation))
            .count();
        let name = FederationId(*federation).to_string();
        let epsilon = total.epsilon(limit.delta);
        rows.push(vec![
            short(&name),
            unit.to_string(),
            relation.to_string(),
            count.to_string(),
            total.to_string(),
            epsilon.to_string(),
        ]);
        federations.push(json!({
            "federation": name, "unit": unit, "relation": relation, "releases": count, "rho": total.rho(), "epsilon": epsilon,
            "accountant": total.accountant(),
        }));
    }
    match federations.is_empty() {
        true => text += "nothing was spent\n",
        false => text += &table(&rows),
    }
    for total in ledger.totals() {
        text += &format!("in all  {total}, of {}\n", limit.epsilon);
    }
    if ledger.torn().rho() > Rho::ZERO {
        text += &format!(
            "of it {} for lines that a crash cut short, which count everywhere\n",
            ledger.torn()
        );
    }
    let own = limit
        .per_federation
        .map_or("none of its own".to_owned(), |epsilon| format!("epsilon {epsilon}"));
    text += &format!(
        "limit   epsilon {} at delta {}; for one federation {own}\n",
        limit.epsilon, limit.delta
    );
    let head: String = ledger.head().iter().map(|byte| format!("{byte:02x}")).collect();
    text += &format!("head    {head} after {} lines\n", ledger.lines());
    if args.releases {
        text += &listed(ledger.releases());
    }
    let planned = args
        .plan
        .as_deref()
        .map(|path| planned(path, &node, &file))
        .transpose()?;
    if let Some((plan, cost)) = &planned {
        text += &format!("plan    {:?}: {}\n", plan.terms().federation.name, cost.text);
        if let Some(refusal) = &cost.refusal {
            text += &format!(
                "        {} of {} rounds ahead can be paid for: {refusal}\n",
                cost.affordable, cost.ahead
            );
        }
    }
    let releases: Vec<Value> = ledger.releases().map(|release| as_json(&release)).collect();
    let data = json!({
        "budget": args.budget, "federations": federations, "totals": ledger.totals(), "torn_rho": ledger.torn().rho(),
        "limit": { "epsilon": limit.epsilon, "delta": limit.delta, "epsilon_per_federation": limit.per_federation },
        "head": head, "lines": ledger.lines(), "releases": releases,
        "plan": planned.as_ref().map(|(plan, cost)| json!({
            "federation": plan.federation().to_string(), "rounds_ahead": cost.ahead, "affordable": cost.affordable,
            "after": cost.after, "refusal": cost.refusal,
        })),
    });
    Outcome::new(data, text)
}

/// What the rounds of a run cost that aren't charged yet; where it isn't known which run, of the one that was charged last.
pub(crate) fn cost(plan: &Plan, run: Option<Beginning>, file: &BudgetFile) -> Result<Cost, Failure> {
    let d = plan.terms().model.dimension(&plan.terms().data)?;
    let mechanism = plan.mechanism(d)?;
    if mechanism.protection() == Protection::None {
        return Ok(Cost {
            text: "the plan has no noise: taking part has no privacy guarantee and costs no budget".into(),
            affordable: plan.terms().rounds.count,
            ahead: plan.terms().rounds.count,
            after: None,
            refusal: None,
        });
    }
    let (ledger, count) = (file.ledger(), plan.terms().rounds.count);
    let (unit, relation, limit) = (mechanism.unit(), mechanism.relation(), ledger.limit());
    let federation = plan.federation().0;
    let run = run.map(|run| run.0).or_else(|| ledger.latest_run(&federation));
    // Masked, the last round charged may be charged again, for another attempt; in the clear a round is charged once.
    let charged: BTreeSet<u64> = ledger
        .releases()
        .filter(|r| r.federation == federation && Some(r.run) == run && (1..=count).contains(&r.round))
        .map(|r| r.round)
        .collect();
    let done = match mechanism.mode() {
        // Another attempt repeats the round's integers; a block of rounds is paid for by its first.
        Mode::DpFtrl => charged.last().copied().unwrap_or(0),
        _ => charged.len() as u64 - u64::from(plan.masked() && !charged.is_empty()),
    };
    let ahead = count - done;
    let each = mechanism.loss();
    let charges = |rounds: u64| mechanism.charges(done + rounds) - mechanism.charges(done);
    let fits = |rounds: u64| ledger.fits(federation, unit, relation, &each, charges(rounds));
    // The most rounds that fit; a loss grows with their number.
    let (mut affordable, mut past) = (0, ahead + 1);
    while past - affordable > 1 {
        let middle = affordable + (past - affordable) / 2;
        if fits(middle).is_ok() {
            affordable = middle
        } else {
            past = middle
        }
    }
    let refusal = (affordable < ahead).then(|| fits(affordable + 1).err()).flatten();
    let before = ledger.spent(unit, relation);
    let spent = before.epsilon(limit.delta);
    let after = Guarantee::new(unit, relation, &before.with(&each, charges(ahead)), limit.delta);
    Ok(Cost {
        text: format!(
            "epsilon {spent} spent, after {ahead} rounds {after}; limit {}",
            limit.epsilon
        ),
        affordable,
        ahead,
        after: Some(after),
        refusal: refusal.map(|error| error.to_string()),
    })
}

fn planned(path: &Path, node: &Node, file: &BudgetFile) -> Result<(Plan, Cost), Failure> {
    let plan = files::plan(path)?;
    node.allows(&plan)?;
    let cost = cost(&plan, None, file)?;
    Ok((plan, cost))
}

/// Reads the budget as it is, or as it would begin: in a throwaway copy, so that a `join` beside this one goes on undisturbed.
pub(crate) fn copy(path: &Path, limit: xfl_privacy::budget::Limit) -> Result<BudgetFile, Failure> {
    let aside = tempfile::tempdir().map_err(|error| Failure::file(Path::new("temporary folder"), &error))?;
    let copy = aside.path().join("budget.jsonl");
    if path.exists() {
        // `copy` keeps the mode, which is part of what is checked.
        std::fs::copy(path, &copy).map_err(|error| Failure::file(path, &error))?;
    }
    BudgetFile::open(&copy, limit).map_err(|error| {
        let failure = Failure::from(error);
        let message = failure
            .message
            .replace(&copy.display().to_string(), &path.display().to_string());
        Failure { message, ..failure }
    })
}

fn listed(releases: impl Iterator<Item = Release>) -> String {
    let head = ["federation", "run", "round", "attempt", "unit", "neighbours", "loss"].map(str::to_owned);
    let row = |r: Release| {
        vec![
            short(&FederationId(r.federation).to_string()),
            short(&Beginning(r.run).to_string()),
            r.round.to_string(),
            r.attempt.to_string(),
            r.unit.to_string(),
            r.relation.to_string(),
            r.loss.to_string(),
        ]
    };
    table(
        &std::iter::once(head.to_vec())
            .chain(releases.map(row))
            .collect::<Vec<_>>(),
    )
}

fn as_json(r: &Release) -> Value {
    json!({
        "federation": FederationId(r.federation).to_string(), "run": Beginning(r.run).to_string(), "round": r.round,
        "attempt": r.attempt, "unit": r.unit, "relation": r.relation, "rho": r.loss.rho(), "sampled": r.loss.steps(),
    })
}

fn short(id: &str) -> String {
    id.chars().take(12).collect()
}
