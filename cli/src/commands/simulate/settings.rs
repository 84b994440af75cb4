//! One attack beside none, under the plan's rule and under plain averaging.

use serde::Serialize;
use xfl_core::{attack::Attack, plan::Plan};

use super::{
    Args,
    federation::{Federation, failed, rule_name},
    mean,
};
use crate::{
    failure::Failure,
    printer::{Outcome, Printer, table},
};

/// One way to run it, over all repeats.
#[derive(Debug, Serialize)]
struct Row {
    rule: String,
    attack: String,
    /// Mean over the repeats of the last round's accuracy; none for regression.
    accuracy: Option<f64>,
    /// Its standard error; none for a single repeat.
    accuracy_error: Option<f64>,
    /// Mean of the last round's root mean squared error, in the label's unit; none for classification.
    rmse: Option<f64>,
    /// Its standard error.
    rmse_error: Option<f64>,
    /// Mean loss.
    loss: f64,
    /// Mean of the fraction of held-out examples that the trigger makes pass for the target; none without a backdoor.
    backdoor_success: Option<f64>,
    /// Its standard error.
    backdoor_error: Option<f64>,
    /// Updates refused before the rule, over all repeats and rounds.
    refused: usize,
    /// Mean of the summed leave-one-out scores of honest institutions, parts per million.
    honest_ppm: f64,
    /// The same of attackers.
    attacker_ppm: Option<f64>,
}

pub(super) fn run(
    args: &Args,
    federation: &Federation,
    attack: Option<&Attack>,
    printer: Printer,
) -> Result<Outcome, Failure> {
    let (plan, averaging) = (&federation.plan, federation.plan.averaging());
    let mut ways: Vec<(Option<&Attack>, &Plan)> = vec![(None, plan)];
    if let Some(attack) = attack {
        federation.admits(attack)?;
        ways.extend([(Some(attack), plan), (Some(attack), &averaging)]);
    }
    let mut rows = Vec::new();
    for (done, plan) in &ways {
        rows.push(repeat(args, federation, attack, *done, plan)?);
        if printer.speaks() {
            printer.talk(&format!("{} of {} settings done", rows.len(), ways.len()));
        }
    }
    let text = describe(&rows, args, federation);
    let data = serde_json::json!({
        "repeats": args.repeats, "first_seed": args.seed, "institutions": federation.institutions(),
        "byzantine": attack.map(|_| federation.byzantine), "rows": rows,
    });
    Outcome::new(data, text)
}

/// All repeats of one setting; `attack` is the one that the command is about, `done` the one carried out.
fn repeat(
    args: &Args,
    federation: &Federation,
    attack: Option<&Attack>,
    done: Option<&Attack>,
    plan: &Plan,
) -> Result<Row, Failure> {
    let probe = match attack {
        Some(Attack::Backdoor(backdoor)) => Some(backdoor),
        _ => None,
    };
    let attackers = if done.is_some() { federation.byzantine } else { 0 };
    let mut last = Last::default();
    let (mut honest, mut malicious) = (Vec::new(), Vec::new());
    for number in args.seed..args.seed.saturating_add(args.repeats) {
        let deal = federation.deal(number)?;
        let rounds = federation.simulate(plan, &deal, |simulation| {
            simulation.attack = done.cloned();
            simulation.probe = probe.cloned();
            // Who would attack decides where the trigger's values come from, also where nobody does.
            if attack.is_none() {
                simulation.byzantine = 0;
            }
        });
        let rounds = rounds.map_err(failed)?;
        let Some(round) = rounds.last() else { continue };
        last.accuracies.extend(round.evaluation.accuracy);
        last.rmses.extend(round.evaluation.rmse);
        last.losses.push(round.evaluation.loss);
        last.successes.extend(round.backdoor_success);
        last.refused += rounds
            .iter()
            .flat_map(|r| &r.refused)
            .filter(|refused| **refused)
            .count();
        let sum = |i: usize| rounds.iter().map(|r| r.scores[i] as f64).sum::<f64>();
        let first_attacker = federation.institutions() - attackers;
        honest.extend((0..first_attacker).map(sum));
        malicious.extend((first_attacker..federation.institutions()).map(sum));
    }
    let (accuracy, accuracy_error) = mean(&last.accuracies);
    let (rmse, rmse_error) = mean(&last.rmses);
    let (backdoor_success, backdoor_error) = mean(&last.successes);
    Ok(Row {
        rule: rule_name(plan),
        attack: done.map_or("none", Attack::name).to_owned(),
        accuracy,
        accuracy_error,
        rmse,
        rmse_error,
        loss: mean(&last.losses).0.unwrap_or(f64::NAN),
        backdoor_success,
        backdoor_error,
        refused: last.refused,
        honest_ppm: mean(&honest).0.unwrap_or_default(),
        attacker_ppm: mean(&malicious).0,
    })
}

/// The last rounds' figures, one of each repeat.
#[derive(Default)]
struct Last {
    accuracies: Vec<f64>,
    rmses: Vec<f64>,
    losses: Vec<f64>,
    successes: Vec<f64>,
    refused: usize,
}

fn describe(rows: &[Row], args: &Args, federation: &Federation) -> String {
    let classifies = federation.classifies();
    let backdoor = rows.iter().any(|row| row.backdoor_success.is_some());
    let mut head = vec![
        "rule",
        "attack",
        if classifies { "accuracy" } else { "rmse" },
        "error",
        "loss",
    ];
    if backdoor {
        head.extend(["backdoor success", "error"]);
    }
    head.extend(["honest ppm", "attacker ppm"]);
    let mut lines = vec![head.into_iter().map(str::to_owned).collect::<Vec<_>>()];
    for row in rows {
        let percent = |v: Option<f64>| v.map_or("-".into(), |v| format!("{:.2}%", 100.0 * v));
        let number = |v: Option<f64>| v.map_or("-".into(), |v| format!("{v:.4}"));
        let mut line = vec![row.rule.clone(), row.attack.clone()];
        line.extend(match classifies {
            true => [percent(row.accuracy), percent(row.accuracy_error)],
            false => [number(row.rmse), number(row.rmse_error)],
        });
        line.push(format!("{:.4}", row.loss));
        if backdoor {
            line.extend([percent(row.backdoor_success), percent(row.backdoor_error)]);
        }
        line.push(format!("{:.0}", row.honest_ppm));
        line.push(row.attacker_ppm.map_or("-".into(), |v| format!("{v:.0}")));
        lines.push(line);
    }
    let mut text = format!(
        "{}means over {} repeats; error is the standard error of the mean\n",
        table(&lines),
        args.repeats
    );
    let refused: usize = rows.iter().map(|row| row.refused).sum();
    if refused > 0 {
        text += &format!(
            "{refused} updates were refused before the rule saw them: out of range or norm, or not on the grid\n"
        );
    }
    if backdoor {
        text += "backdoor success: held-out examples of other labels that pass for the target once they carry the trigger\n";
    }
    text
}
