//! `xfl privacy explain`: what a plan means for an institution, in plain words.

use std::path::PathBuf;

use serde_json::json;
use xfl_core::plan::{MaskMode, Plan};
use xfl_privacy::{Delta, Guarantee, Mechanism, Mode, Noising, Protection, Relation, Unit, accounting::Total};

use crate::{
    failure::Failure,
    files,
    printer::{Outcome, Printer},
};

/// Arguments of `xfl privacy explain`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The plan.
    #[arg(default_value = "federation.toml", env = "XFL_PLAN", hide_env_values = true)]
    plan: PathBuf,
    /// The institutions that will take part; the quorum where absent.
    #[arg(long, env = "XFL_MEMBERS_COUNT", hide_env_values = true)]
    members: Option<usize>,
}

/// A heading and its sentences.
type Part = (&'static str, Vec<String>);

/// Runs the command.
pub(super) fn run(args: &Args, _printer: &Printer) -> Result<Outcome, Failure> {
    let plan = files::plan(&args.plan)?;
    let terms = plan.terms();
    let d = terms.model.dimension(&terms.data)?;
    let mechanism = plan.mechanism(d)?;
    // Never fails: the plan was checked.
    let delta = Delta::new(terms.privacy.delta).map_err(|error| Failure::usage(error.to_string()))?;
    let all = Guarantee::of(&mechanism, terms.rounds.count, delta);
    // What is charged at once: a round, or a block of rounds.
    let once = Guarantee::of(&mechanism, 1, delta);
    let members = args.members.unwrap_or(terms.rounds.quorum);
    let findings = plan.check(d, members)?.findings;
    let parts: Vec<Part> = vec![
        ("protected", protected(&mechanism)),
        ("what leaves", leaves(&plan, &mechanism)),
        ("who sees what", seen(&plan, &mechanism)),
        ("cost", cost(&plan, &mechanism, &once, &all)),
        ("not protected", not_protected(&mechanism)),
        (
            "the plan's own check",
            findings
                .iter()
                .map(|f| format!("{}{}", if f.warning { "warning: " } else { "" }, f.text))
                .collect(),
        ),
    ];
    let mut text = format!("{:?}, {} rounds\n", terms.federation.name, terms.rounds.count);
    for (heading, sentences) in &parts {
        text += &format!("\n{heading}\n");
        text.extend(sentences.iter().map(|sentence| format!("  - {sentence}\n")));
    }
    let words: serde_json::Map<_, _> = parts
        .iter()
        .map(|(heading, said)| ((*heading).to_owned(), json!(said)))
        .collect();
    let data = json!({
        "federation": plan.federation().to_string(), "mode": mechanism.mode(), "adversary": mechanism.mode().adversary(),
        "unit": mechanism.unit(), "relation": mechanism.relation(), "round": once, "all_rounds": all, "words": words,
        "sigma_steps": mechanism.sigma(), "promised_sigma_steps": mechanism.promised_sigma(), "clip_steps": mechanism.clip_steps(),
        "trusted_coordinator": plan.sealed(), "rounds_of_a_charge": mechanism.block(),
        "released_sigma_steps": mechanism.released_sigma(), "summed_sigma_steps": mechanism.summed_sigma(terms.rounds.count),
    });
    Outcome::new(data, text)
}

fn unit(mechanism: &Mechanism) -> &'static str {
    match mechanism.unit() {
        Unit::Record => "record",
        Unit::Institution => "institution",
    }
}

fn protected(mechanism: &Mechanism) -> Vec<String> {
    let whose = match mechanism.unit() {
        Unit::Record => {
            "one record, that is one line of an institution's file: whether it was in the file at all. A patient with k lines is protected k \
             times less (epsilon grows about k-fold)"
        }
        Unit::Institution => "one institution: all that its data did to an update, every record of it at once",
    };
    let change = match mechanism.relation() {
        Relation::ZeroOut => {
            "the two worlds that can't be told apart: with this contribution, and with nothing in its place"
        }
        Relation::Replace => {
            "the two worlds that can't be told apart: with this contribution, and with any other in its place"
        }
    };
    vec![
        whose.into(),
        change.into(),
        format!("mode {}: {}", mechanism.mode(), mechanism.mode().adversary()),
    ]
}

fn leaves(plan: &Plan, mechanism: &Mechanism) -> Vec<String> {
    let training = &plan.terms().training;
    let (clip, step) = (mechanism.clip().get(), mechanism.grid().step());
    let mut said = vec![match (mechanism.noising(), mechanism.unit()) {
        (Noising::DpSgd { rate, steps }, _) => format!(
            "the total of {steps} local steps; for each, coins that nobody else sees draw about {} records (each with probability {} at most), \
             their gradients are clipped to norm {clip}, rounded to steps of {step} and summed, and noise is added before anything else uses the sum",
            training.batch,
            rate.get()
        ),
        (_, Unit::Record) => format!(
            "the sum of exactly {} records' gradients, each clipped to norm {clip} and rounded to steps of {step}",
            training.batch
        ),
        (_, Unit::Institution) => {
            format!(
                "the update of {} local passes, clipped to norm {clip} and rounded to steps of {step}",
                training.epochs
            )
        }
    }];
    if let Some(adaptive) = plan.adaptive() {
        said.push(format!(
            "{clip} is the first round's clip norm: it then follows a noised count, so that a share of {} stays within it",
            adaptive.quantile
        ));
    }
    let (sigma, promised) = (mechanism.sigma(), mechanism.promised_sigma());
    said.push(match mechanism.mode() {
        _ if mechanism.protection() == Protection::None => "no noise at all: what leaves gives the data away as far as it can".into(),
        Mode::Local => format!("discrete Gaussian noise of {sigma} steps on every one of {} numbers", mechanism.length()),
        Mode::DpSgd => format!("discrete Gaussian noise of {sigma} steps on every one of {} numbers, at each local step", mechanism.length()),
        Mode::DpFtrl => format!(
            "discrete Gaussian noise of {sigma} steps on every one of {} numbers, drawn anew in each round, less part of what your earlier rounds carried: \
             {:.0} steps at most in a round, and {:.0} on the sum of all {} rounds, which is what the model follows",
            mechanism.length(),
            mechanism.released_sigma(),
            mechanism.summed_sigma(plan.terms().rounds.count),
            plan.terms().rounds.count
        ),
        Mode::Distributed => format!(
            "a share of the noise, {sigma} steps on every one of {} numbers: the shares of {} honest institutions make {promised}",
            mechanism.length(),
            plan.honest()
        ),
        Mode::Central => format!("no noise: the coordinator adds {promised} steps to the sum before anybody else sees it"),
    });
    said
}

fn seen(plan: &Plan, mechanism: &Mechanism) -> Vec<String> {
    let masked = plan.terms().masking.mode == MaskMode::Lwe;
    let noised = match mechanism.protection() {
        Protection::None => "without noise",
        Protection::Noise { .. } => "with its noise",
    };
    let coordinator = match (plan.sealed(), masked, mechanism.mode()) {
        (true, _, Mode::Central) => "the coordinator sees your update without noise, and is trusted with it".into(),
        (true, ..) => "the coordinator sees your update with a share of the noise, and is trusted with it".into(),
        (false, true, _) => format!(
            "the coordinator sees a sum over at least {} institutions, and no single update unless more than {} collude",
            plan.terms().rounds.quorum,
            plan.terms().masking.colluders
        ),
        (false, false, _) => format!("the coordinator sees your update, {noised}"),
    };
    let others = if plan.sealed() || masked {
        "other institutions and auditors see the sum, the models, and that you took part"
    } else {
        "other institutions and auditors see every update in the transcript, as the coordinator does"
    };
    vec![
        coordinator,
        others.into(),
        "whoever gets the model sees what the models of all rounds say".into(),
    ]
}

fn cost(plan: &Plan, mechanism: &Mechanism, once: &Guarantee, all: &Guarantee) -> Vec<String> {
    let (count, what) = (plan.terms().rounds.count, unit(mechanism));
    if !all.epsilon.is_finite() {
        return vec!["epsilon is infinite: there is no guarantee, and nothing is charged to a budget".into()];
    }
    let total = Total::of(&mechanism.loss(), mechanism.charges(count));
    let found = |false_alarms: f64| power(&total, false_alarms) * 100.0;
    let sampled = match mechanism.mode() {
        Mode::DpSgd => "records are drawn by the institution's own coins, which counts in its favour".to_owned(),
        Mode::DpFtrl => format!(
            "a record is used at most once in any {} rounds, to which your node holds: it refuses a plan for which its data have too few batches of {}, and \
             releases nothing in the rest of a block in which data or order changed",
            mechanism.block(),
            mechanism.batch()
        ),
        _ => "every round counts in full, whether or not a record's batch was drawn".to_owned(),
    };
    let first = match mechanism.mode() {
        Mode::DpFtrl => format!(
            "each block of {} rounds, with its first: {once}; the rounds after it are on record at no further cost",
            mechanism.block()
        ),
        _ => format!("one round: {once}"),
    };
    vec![
        first,
        format!("all {count} rounds: {all}, by {} accounting; {sampled}", all.accountant),
        format!(
            "in other words: whoever tests for one {what}, knows everything else and accepts 1 false alarm in 100 finds it in at most {:.1} of \
             100 cases; with 1 false alarm in 1000 in at most {:.1}",
            found(0.01),
            found(0.001)
        ),
        "your budget is charged before anything leaves; `xfl budget --plan` shows what this plan would leave of it"
            .into(),
    ]
}

/// The most that a test with this rate of false alarms can find: epsilon at any delta bounds it by `delta + e^epsilon * false alarms`
/// (Wasserman and Zhou 2010), and the least of those holds.
fn power(total: &Total, false_alarms: f64) -> f64 {
    let deltas = [0.5, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01, 3e-3, 1e-3, 1e-4, 1e-6];
    let bounds = deltas.into_iter().filter_map(|delta| {
        let epsilon = total.epsilon(Delta::new(delta).ok()?);
        Some(delta + epsilon.get().exp() * false_alarms)
    });
    bounds.fold(1.0, f64::min)
}

fn not_protected(mechanism: &Mechanism) -> Vec<String> {
    let mut said = vec![
        "that you take part, when, and how long your training took".to_owned(),
        "what holds for people in general: a model that learns that a symptom means a disease says so of everybody"
            .to_owned(),
    ];
    if mechanism.mode() == Mode::DpFtrl {
        said.push("the journal of noise in your folder (noise.redb) from whoever reads your disk: with it and the transcript, your updates can be had without noise".into());
    }
    if mechanism.unit() == Unit::Record {
        said.push("what many of your records have in common, such as how ill your patients are on average".into());
    }
    said
}
