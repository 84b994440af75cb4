//! `xfl simulate`: the same federation.toml, any number of institutions in one process, seeded, with attacks.

use std::path::PathBuf;

use xfl_core::attack::{Attack, NAMES};

use super::aggregate::Params;
use crate::{
    failure::Failure,
    printer::{Outcome, Printer},
};

mod federation;
mod matrix;
mod settings;

use federation::Federation;

/// Rehearse a federation: train, protect, aggregate and score in one process, with seeded noise that never leaves it.
///
/// With --attack the last institutions are attackers; those who make their updates from honest ones know all of the round's.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The plan.
    #[arg(long, env = "XFL_PLAN", default_value = "federation.toml", hide_env_values = true)]
    plan: PathBuf,
    /// The examples, one file; they are split among the institutions, another way in each repeat.
    #[arg(long, env = "XFL_DATA", hide_env_values = true)]
    data: PathBuf,
    /// Institutions.
    #[arg(long, env = "XFL_CLIENTS", default_value_t = 5, value_parser = clap::value_parser!(u32).range(2..=1000), hide_env_values = true)]
    clients: u32,
    /// Their shares of the examples, such as 33,24,17,14,12; equal where absent.
    #[arg(long, env = "XFL_SHARES", value_delimiter = ',', hide_env_values = true)]
    shares: Vec<u32>,
    /// Percent of the examples that no institution gets and models are evaluated on.
    #[arg(long, env = "XFL_HELD_OUT_PERCENT", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=90), hide_env_values = true)]
    held_out_percent: u32,
    /// What the last institutions do: sign-flip, ipm, alie, optimal-ipm, optimal-alie, mimic, gaussian, non-finite, label-flip,
    /// min-max, min-sum, backdoor, free-rider or copied-update.
    #[arg(long, value_name = "NAME", env = "XFL_ATTACK", hide_env_values = true)]
    attack: Option<String>,
    /// How many of them; the plan's aggregation.byzantine, and at least 1, where absent.
    #[arg(long, env = "XFL_BYZANTINE", hide_env_values = true)]
    byzantine: Option<usize>,
    /// A parameter of the attack, as NAME=VALUE. sign-flip: scale (a number, or bound); gaussian: mean, deviation (grid steps); mimic: row,
    /// warmup; non-finite: value (inf, -inf, nan); label-flip: fraction; backdoor: target (a class), size, value, fraction, boost; the
    /// others' are in `xfl attack --list`.
    #[arg(
        long = "param",
        value_name = "NAME=VALUE",
        env = "XFL_PARAM",
        value_delimiter = ',',
        hide_env_values = true
    )]
    param: Vec<String>,
    /// Repeats, each with the next seed.
    #[arg(long, env = "XFL_REPEATS", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=10_000), hide_env_values = true)]
    repeats: u64,
    /// The first seed.
    #[arg(long, env = "XFL_SEED", default_value_t = 0, hide_env_values = true)]
    seed: u64,
    #[command(flatten)]
    matrix: matrix::Args,
}

pub(crate) fn run(args: &Args, printer: Printer) -> Result<Outcome, Failure> {
    let attack = args
        .attack
        .as_deref()
        .map(|name| attack(name, &args.param))
        .transpose()?;
    if attack.is_none() && !args.param.is_empty() {
        return Err(Failure::usage("--param without --attack").hint("name the attack whose parameter it is"));
    }
    let federation = Federation::open(args)?;
    if args.matrix.matrix {
        return matrix::run(&args.matrix, args.seed, &federation, printer);
    }
    settings::run(args, &federation, attack.as_ref(), printer)
}

/// The attack of a name, with its parameters.
fn attack(name: &str, given: &[String]) -> Result<Attack, Failure> {
    let unknown = || Failure::usage(format!("no attack {name:?}")).hint(format!("there are {}", NAMES.join(", ")));
    let mut attack = Attack::named(name).ok_or_else(unknown)?;
    for (parameter, value) in Params::parse(given)?.into_pairs() {
        attack.set(&parameter, &value).map_err(|error| {
            Failure::usage(format!("--param {parameter}={value}: {error}"))
                .hint(format!("{name} takes {}", attack.parameters().join(", ")))
        })?;
    }
    Ok(attack)
}

/// Mean and standard error of the mean, where there are enough values.
fn mean(values: &[f64]) -> (Option<f64>, Option<f64>) {
    let n = values.len() as f64;
    if values.is_empty() {
        return (None, None);
    }
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (Some(mean), (values.len() > 1).then(|| (variance / n).sqrt()))
}
