//! `xfl join`: takes part in a federation as an institution. `--check` looks at everything and spends nothing.

mod check;
mod practice;
mod runs;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::json;
use xfl_core::{
    attack::Alone,
    identity::NodeId,
    node::{
        endpoint,
        institution::{self, Event, Setup, Summary},
        refused::REFUSED,
    },
    plan::Plan,
};

use crate::{
    failure::{Code, Failure},
    files,
    node::Node,
    printer::{Outcome, Printer},
    progress::Progress,
    signals::Stop,
};

/// Arguments of `xfl join`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where the coordinator listens, as host:port.
    #[arg(
        long,
        default_value = "127.0.0.1:7700",
        env = "XFL_COORDINATOR",
        hide_env_values = true
    )]
    coordinator: String,
    /// The coordinator's public key, 64 hex digits; the plan's where --plan is given.
    #[arg(long, env = "XFL_COORDINATOR_KEY", hide_env_values = true)]
    coordinator_key: Option<NodeId>,
    /// The institution's node key.
    #[arg(long, default_value = "node.pem", env = "XFL_KEY", hide_env_values = true)]
    key: PathBuf,
    /// The key that signs rounds and receives rewards. Beside it, with .runs at the end, is noted in which directory it signs for which run.
    #[arg(long, default_value = "payout.key", env = "XFL_PAYOUT_KEY", hide_env_values = true)]
    payout_key: PathBuf,
    /// The institution's examples, as a CSV file; they never leave.
    #[arg(long, default_value = "data.csv", env = "XFL_DATA", hide_env_values = true)]
    data: PathBuf,
    /// The institution's state: journal, budget, its own copy of the transcript.
    #[arg(long, default_value = "institution", env = "XFL_DIR", hide_env_values = true)]
    dir: PathBuf,
    /// The plan as agreed outside; a coordinator that signs another one is refused.
    #[arg(long, env = "XFL_PLAN", hide_env_values = true)]
    plan: Option<PathBuf>,
    /// Where to train: cpu, cuda or cuda:N.
    #[arg(long, default_value = "cpu", env = "XFL_DEVICE", hide_env_values = true)]
    device: String,
    /// The institution's own limits; node.toml where there is one, else epsilon 10 at delta 1e-5. `xfl budget --example` prints one.
    #[arg(long, env = "XFL_NODE", hide_env_values = true)]
    node: Option<PathBuf>,
    /// The most epsilon to spend over all federations, per unit and relation, instead of node.toml's.
    #[arg(long, env = "XFL_EPSILON_LIMIT", hide_env_values = true)]
    epsilon_limit: Option<f64>,
    /// The delta at which the limit is read off, instead of node.toml's.
    #[arg(long, env = "XFL_DELTA_LIMIT", hide_env_values = true)]
    delta_limit: Option<f64>,
    /// The privacy budget's file, shared by all federations of this institution; budget.jsonl in --dir where absent, unless something was spent in
    /// directories of other runs.
    #[arg(long, env = "XFL_BUDGET", hide_env_values = true)]
    budget: Option<PathBuf>,
    /// Seconds to go on trying while the coordinator can't be reached.
    #[arg(long, default_value_t = 60, env = "XFL_PATIENCE", hide_env_values = true)]
    patience: u64,
    /// Chain on which to be paid, by its id: any of the federation's; its home chain where absent. It is fixed by the first join.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..), env = "XFL_PAYOUT_CHAIN", hide_env_values = true)]
    payout_chain: Option<u64>,
    /// Look at everything that joining needs, spend nothing, and say what is wrong.
    #[arg(long, env = "XFL_CHECK", hide_env_values = true)]
    check: bool,
    /// For rehearsals: send a malicious update (sign-flip, gaussian or free-rider) instead of the honest one.
    #[arg(long, alias = "attack", hide = true, env = "XFL_POISON", hide_env_values = true)]
    poison: Option<Alone>,
}

impl Args {
    fn budget(&self) -> PathBuf {
        self.budget.clone().unwrap_or_else(|| self.dir.join("budget.jsonl"))
    }

    /// The institution's own terms.
    fn own(&self) -> Result<Node, Failure> {
        match &self.node {
            Some(path) => Node::read(path, true),
            None => Node::read(Path::new("node.toml"), false),
        }
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(self.patience)
    }

    /// The coordinator's key, by flag or by plan.
    fn pinned(&self, plan: Option<&Plan>) -> Result<NodeId, Failure> {
        let planned = plan.map(|plan| plan.terms().federation.coordinator);
        match (self.coordinator_key, planned) {
            (Some(flag), Some(plan)) if flag != plan => Err(Failure::new(
                Code::Network,
                format!("--coordinator-key is {flag}, the plan's coordinator is {plan}"),
            )
            .hint("ask the coordinator which one is right, by another channel")),
            (Some(key), _) | (None, Some(key)) => Ok(key),
            (None, None) => Err(Failure::usage("the coordinator's key is not known")
                .hint("give --coordinator-key HEX, or --plan federation.toml, as the coordinator sent them to you")),
        }
    }

    async fn address(&self) -> Result<SocketAddr, Failure> {
        let unknown = |what: String| {
            Failure::new(Code::Network, format!("{}: {what}", self.coordinator))
                .hint("write --coordinator as host:port, for instance 10.0.0.5:7700")
        };
        let found = endpoint::resolve(&self.coordinator)
            .await
            .map_err(|error| unknown(error.to_string()))?;
        found.first().copied().ok_or_else(|| unknown("no address".into()))
    }
}

/// Runs the command.
pub(crate) fn run(args: &Args, printer: &Printer) -> Result<Outcome, Failure> {
    if args.check {
        return crate::runtime()?.block_on(check::run(args));
    }
    let plan = args.plan.as_deref().map(files::plan).transpose()?;
    let coordinator_key = args.pinned(plan.as_ref())?;
    let key = files::node_key(&args.key)?;
    let payout = files::payout_key(&args.payout_key)?;
    let (node, practice) = (key.node_id(), practice::Maker::new(args, plan, key.node_id())?);
    crate::runtime()?.block_on(async {
        let stop = Stop::on_interrupt(*printer);
        let coordinator = args.address().await?;
        let (dir, patience) = (args.dir.clone(), args.patience());
        let setup = Setup {
            dir,
            coordinator,
            coordinator_key,
            key,
            payout,
            payout_chain: args.payout_chain,
            patience,
        };
        let mut progress = Progress::new(*printer, 1, 0);
        let refused = practice.refusal();
        let notes = practice.notes();
        let mut kept = false;
        let tell = |event| {
            kept |= matches!(event, Event::Refused { .. });
            for line in notes
                .lock()
                .map(|mut notes| std::mem::take(&mut *notes))
                .unwrap_or_default()
            {
                progress.line(&line);
            }
            tell(event, &mut progress);
        };
        let result = institution::run(setup, |plan, genesis| practice.make(plan, genesis), stop.watch(), tell).await;
        progress.clear();
        let why = refused.lock().ok().and_then(|mut refused| refused.take());
        let summary = result.map_err(|error| {
            let failure = why.unwrap_or_else(|| error.into());
            if kept && failure.code == Code::Audit {
                failure.hint(kept_hint(&args.dir))
            } else {
                failure
            }
        })?;
        outcome(&node, &summary)
    })
}

/// What to do about a round that wasn't signed.
fn kept_hint(dir: &Path) -> String {
    let kept = dir.join(REFUSED);
    format!(
        "what was shown is kept in {}; once it is posted, `xfl challenge {} --dry-run` says what can be proved of it",
        kept.display(),
        dir.display()
    )
}

fn tell(event: Event, progress: &mut Progress) {
    match event {
        Event::Connected => progress.line("connected"),
        Event::Disconnected(why) => progress.line(&format!("disconnected: {why}; trying again")),
        Event::Joined { name, rounds } => {
            progress.total(rounds);
            progress.line(&format!("joined {name:?}, {rounds} rounds"));
        }
        Event::Training { round } => progress.stage(round, "train", 0, 1),
        Event::Protected { round, seconds } => {
            progress.stage(round, "protect", 1, 1);
            tracing::info!(round, seconds, "protected");
        }
        Event::Signed { round, score } => {
            let score = score.map(|score| format!("score {score} ppm")).unwrap_or_default();
            progress.finished(round, &score);
        }
        Event::Refused { round } => progress.line(&format!(
            "round {round}: not signed; what was shown is kept in {REFUSED}"
        )),
        Event::Declined { round, reason } => progress.line(&format!("round {round}: not taking part: {reason}")),
    }
}

fn outcome(node: &NodeId, summary: &Summary) -> Result<Outcome, Failure> {
    let Summary {
        finished,
        score,
        earned,
        declined,
        stopped,
    } = summary;
    let how = if *stopped { ", stopped; join again to go on" } else { "" };
    let text = format!(
        "{finished} rounds finished and verified, {declined} declined{how}\nscore  {score} ppm\nearned {earned} tokens\n"
    );
    // A 128-bit number doesn't fit every reader's integers.
    let earned = earned.to_string();
    let data = json!({
        "node": node, "finished": finished, "declined": declined, "stopped": stopped, "score_ppm": score, "earned": earned,
    });
    Outcome::new(data, text)
}
