//! `xfl simulate`: the same federation.toml, any number of institutions in one process, seeded, with attacks.

use std::path::PathBuf;

use serde::Serialize;
use xfl_aggregation::Rule;
use xfl_core::{
    attack::Attack,
    plan::Plan,
    seed::Seed,
    simulate::Simulation,
    train::{Data, Device, Limits, Table, split::split},
};

use crate::{
    failure::Failure,
    printer::{Outcome, Printer, table},
};

/// Rehearse a federation: train, protect, aggregate and score in one process, with seeded noise that never leaves it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The plan.
    #[arg(long, env = "XFL_PLAN", default_value = "federation.toml")]
    plan: PathBuf,
    /// The examples, one file; they are split among the institutions, another way in each repeat.
    #[arg(long, env = "XFL_DATA")]
    data: PathBuf,
    /// Institutions.
    #[arg(long, env = "XFL_CLIENTS", default_value_t = 5, value_parser = clap::value_parser!(u32).range(2..=1000))]
    clients: u32,
    /// Their shares of the examples, such as 33,24,17,14,12; equal where absent.
    #[arg(long, env = "XFL_SHARES", value_delimiter = ',')]
    shares: Vec<u32>,
    /// Percent of the examples that no institution gets and models are evaluated on.
    #[arg(long, env = "XFL_HELD_OUT_PERCENT", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=90))]
    held_out_percent: u32,
    /// What the last institutions do: sign-flip, gaussian or free-rider.
    #[arg(long, env = "XFL_ATTACK")]
    attack: Option<Attack>,
    /// How many of them.
    #[arg(long, env = "XFL_BYZANTINE", default_value_t = 1)]
    byzantine: usize,
    /// Repeats, each with the next seed.
    #[arg(long, env = "XFL_REPEATS", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    repeats: u64,
    /// The first seed.
    #[arg(long, env = "XFL_SEED", default_value_t = 0)]
    seed: u64,
}

/// One way to run it, over all repeats.
#[derive(Debug, Serialize)]
struct Row {
    rule: String,
    attack: String,
    /// Mean over the repeats of the last round's accuracy; none for regression.
    accuracy: Option<f64>,
    /// Its standard error; none for a single repeat.
    accuracy_error: Option<f64>,
    /// Mean loss.
    loss: f64,
    /// Mean of the summed leave-one-out scores of honest institutions, parts per million.
    honest_ppm: f64,
    /// The same of attackers.
    attacker_ppm: Option<f64>,
}

pub(crate) fn run(args: &Args, printer: Printer) -> Result<Outcome, Failure> {
    let text = std::fs::read_to_string(&args.plan).map_err(|e| Failure::file(&args.plan, &e))?;
    let plan = Plan::parse(&text, &args.plan.display().to_string())?;
    let terms = plan.terms();
    let examples = Table::open(&args.data, &terms.data, Limits::default())?;
    let shares = if args.shares.is_empty() {
        vec![1; args.clients as usize]
    } else {
        args.shares.clone()
    };
    if args.attack.is_some() && args.byzantine >= shares.len() {
        return Err(Failure::usage(format!(
            "{} attackers among {} institutions",
            args.byzantine,
            shares.len()
        ))
        .hint("write a smaller --byzantine"));
    }
    let mut ways: Vec<(Option<Attack>, Option<Rule>)> = vec![(None, None)];
    if let Some(attack) = args.attack {
        ways.push((Some(attack), None));
        ways.push((Some(attack), Some(Rule::Mean)));
    }
    let mut rows = Vec::new();
    for (attack, rule) in ways {
        rows.push(repeat(args, &plan, &examples, &shares, attack, rule)?);
        printer.talk(&format!(
            "{} of {} settings done",
            rows.len(),
            if args.attack.is_some() { 3 } else { 1 }
        ));
    }
    let text = describe(&rows, args);
    Outcome::new(
        serde_json::json!({ "repeats": args.repeats, "first_seed": args.seed, "rows": rows }),
        text,
    )
}

fn repeat(
    args: &Args,
    plan: &Plan,
    examples: &Table,
    shares: &[u32],
    attack: Option<Attack>,
    rule: Option<Rule>,
) -> Result<Row, Failure> {
    let terms = plan.terms();
    let model = terms.model.build(&terms.data, Device::Cpu)?;
    let held_out_rows = examples.len() * args.held_out_percent as usize / 100;
    let byzantine = if attack.is_some() { args.byzantine } else { 0 };
    let (mut accuracies, mut losses, mut honest, mut attackers) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for number in args.seed..args.seed.saturating_add(args.repeats) {
        let seed = Seed::from_number(number);
        let parts = split(examples.len(), held_out_rows, shares, &seed).map_err(|e| Failure::usage(e.to_string()))?;
        let select = |rows: &[usize]| examples.select(rows).map_err(|e| Failure::usage(e.to_string()));
        let tables = parts
            .institutions
            .iter()
            .map(|rows| select(rows))
            .collect::<Result<Vec<_>, _>>()?;
        let institutions: Vec<&dyn Data> = tables.iter().map(|t| t as &dyn Data).collect();
        let held_out = select(&parts.held_out)?;
        let simulation = Simulation {
            plan,
            model: model.as_ref(),
            institutions: &institutions,
            held_out: &held_out,
            attack,
            byzantine,
            rule,
            seed: seed.derive("repeat", &[]),
        };
        let (_, rounds) = simulation.run().map_err(|e| Failure::failed(e.to_string()))?;
        let Some(last) = rounds.last() else { continue };
        accuracies.extend(last.evaluation.accuracy);
        losses.push(last.evaluation.loss);
        let sum = |i: usize| rounds.iter().map(|r| r.scores[i] as f64).sum::<f64>();
        let first_attacker = institutions.len() - byzantine;
        honest.extend((0..first_attacker).map(sum));
        attackers.extend((first_attacker..institutions.len()).map(sum));
    }
    let (accuracy, accuracy_error) = mean(&accuracies);
    Ok(Row {
        rule: rule.map_or_else(
            || plan.terms().aggregation.rule.name().to_owned(),
            |r| r.name().to_owned(),
        ),
        attack: attack.map_or_else(|| "none".into(), |a| a.to_string()),
        accuracy,
        accuracy_error,
        loss: mean(&losses).0.unwrap_or(f64::NAN),
        honest_ppm: mean(&honest).0.unwrap_or_default(),
        attacker_ppm: mean(&attackers).0,
    })
}

/// Mean and standard error, where there are enough values.
fn mean(values: &[f64]) -> (Option<f64>, Option<f64>) {
    let n = values.len() as f64;
    if values.is_empty() {
        return (None, None);
    }
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (Some(mean), (values.len() > 1).then(|| (variance / n).sqrt()))
}

fn describe(rows: &[Row], args: &Args) -> String {
    let mut lines = vec![
        [
            "rule",
            "attack",
            "accuracy",
            "error",
            "loss",
            "honest ppm",
            "attacker ppm",
        ]
        .map(str::to_owned)
        .to_vec(),
    ];
    for row in rows {
        let percent = |v: Option<f64>| v.map_or("-".into(), |v| format!("{:.2}%", 100.0 * v));
        lines.push(vec![
            row.rule.clone(),
            row.attack.clone(),
            percent(row.accuracy),
            percent(row.accuracy_error),
            format!("{:.4}", row.loss),
            format!("{:.0}", row.honest_ppm),
            row.attacker_ppm.map_or("-".into(), |v| format!("{v:.0}")),
        ]);
    }
    format!(
        "{}means over {} repeats; error is the standard error of the mean\n",
        table(&lines),
        args.repeats
    )
}
