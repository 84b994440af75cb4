//! `xfl init`: a commented plan, the coordinator's keys, an empty list of members.

mod template;

use std::path::PathBuf;

use serde_json::json;
use xfl_core::{identity::NodeId, node::entropy, plan::Plan};

use crate::{
    failure::{Code, Failure},
    files, members,
    printer::{Outcome, Printer},
};

/// Arguments of `xfl init`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where to put the files; made if missing.
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// The federation's name, for people.
    #[arg(long, default_value = "my federation", env = "XFL_NAME", hide_env_values = true)]
    name: String,
    /// Rounds to plan.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=1_000_000), env = "XFL_ROUNDS", hide_env_values = true)]
    rounds: u64,
    /// Institutions that every round needs; from 3 on, each round tolerates one poisoner.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(2..=10_000), env = "XFL_QUORUM", hide_env_values = true)]
    quorum: u64,
    /// A file with the keys of the plan's data table; the breast cancer example's where absent.
    #[arg(long, env = "XFL_SCHEMA", hide_env_values = true)]
    schema: Option<PathBuf>,
    /// Encrypt the payout key, as a keystore file; the password is XFL_PASSWORD, or asked for.
    #[arg(long, env = "XFL_ENCRYPT", hide_env_values = true)]
    encrypt: bool,
}

/// Runs the command.
pub(crate) fn run(args: &Args, printer: &Printer) -> Result<Outcome, Failure> {
    let schema = match &args.schema {
        None => template::EXAMPLE_SCHEMA.to_owned(),
        Some(path) => String::from_utf8(files::read(path, 1 << 20)?)
            .map_err(|_| Failure::usage(format!("{}: not UTF-8 text", path.display())))?,
    };
    members::check_name(&args.name).map_err(|what| Failure::usage(what).hint("write a short --name"))?;
    std::fs::create_dir_all(&args.dir).map_err(|error| Failure::file(&args.dir, &error))?;
    let at = |name: &str| args.dir.join(name);
    let (plan, list) = (at("federation.toml"), at("members.toml"));
    let (key, payout) = (at("coordinator.pem"), at("coordinator-payout.key"));
    for path in [&plan, &list, &key, &payout] {
        files::absent(path)?;
    }
    let draw = |coordinator: &NodeId| -> Result<String, Failure> {
        let id = entropy::bytes().map_err(|error| Failure::failed(format!("no entropy: {error}")))?;
        let text = template::plan(&NodeId(*id), coordinator, args, &schema);
        match (Plan::parse(&text, "federation.toml"), &args.schema) {
            (Ok(_), _) => Ok(text),
            (Err(error), Some(path)) => {
                Err(Failure::usage(format!("{}: no [data] table: {}", path.display(), error.what)).hint(error.hint))
            }
            (Err(error), None) => Err(Failure::new(Code::Bug, format!("this is a bug in xfl: {error}"))),
        }
    };
    // Tried with a stand-in first: a schema that doesn't fit leaves no keys behind.
    draw(&NodeId([0; 32]))?;
    let (node, account) = files::new_keys(&key, &payout, args.encrypt)?;
    let node = node.node_id();
    files::create(&plan, draw(&node)?.as_bytes(), 0o644)?;
    files::create(&list, members::EMPTY.as_bytes(), 0o644)?;
    printer.talk(&format!(
        "wrote {}, {}, {} and {}",
        plan.display(),
        list.display(),
        key.display(),
        payout.display()
    ));
    if args.schema.is_none() {
        printer.talk("[data] is the breast cancer example's: write your own columns, label and classes there");
    }
    printer.talk("next: `xfl member add NODE_ID --name NAME` for each institution, then `xfl round`");
    let account = files::account(&account);
    let data = json!({ "coordinator": node, "payout": account, "plan": plan, "members": list, "key": key, "payout_key": payout });
    Outcome::new(data, format!("coordinator  {node}\npayout       {account}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variant_parses_and_its_privacy_is_usable() {
        for quorum in [2, 3, 5, 100] {
            let args = Args {
                dir: ".".into(),
                name: "a \"b\" \\ c".into(),
                rounds: 10,
                quorum,
                schema: None,
                encrypt: false,
            };
            let text = template::plan(&NodeId([1; 32]), &NodeId([2; 32]), &args, template::EXAMPLE_SCHEMA);
            let plan = Plan::parse(&text, "federation.toml").unwrap();
            assert_eq!(plan.terms().federation.name, args.name);
            let d = plan.terms().model.dimension(&plan.terms().data).unwrap();
            plan.check(d, 5).unwrap();
            // Every key that the plan knows is there, if only as a comment.
            for key in [
                "id",
                "name",
                "coordinator",
                "count",
                "quorum",
                "stage_seconds",
                "grace_seconds",
                "join_seconds",
                "attempts",
                "kind",
                "server_learning_rate",
                "learning_rate",
                "epochs",
                "batch",
                "seed",
                "unit",
                "relation",
                "clip",
                "step",
                "noise_multiplier",
                "delta",
                "signal_fraction",
                "trust_coordinator",
                "dishonest",
                "sample_rate",
                "local_steps",
                "separation",
                "clip_quantile",
                "clip_rate",
                "count_noise",
                "mode",
                "colluders",
                "threshold",
                "activation_seconds",
                "penalty",
                "rule",
                "byzantine",
                "select",
                "pre",
                "bucket",
                "norm",
                "neighbours",
                "nu",
                "iterations",
                "tau",
                "sampled",
                "server",
                "server_momentum",
                "server_decay",
                "server_tau",
                "orders",
                "truncation_ppm",
                "floor_ppm",
                "cap_ppm",
                "copies_ppm",
                "tolerance_ppm",
                "budget",
                "task",
                "label",
                "classes",
                "columns",
            ] {
                let given = |line: &str| line.trim_start_matches("# ").starts_with(&format!("{key} ="));
                assert!(text.lines().any(given), "no {key} in the plan");
            }
        }
    }
}
