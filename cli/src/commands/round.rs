//! `xfl round`: coordinates a federation's rounds. Started again after a crash or a stop it goes on where it was.

mod report;
mod setup;
mod stay;
mod tell;

use std::{net::SocketAddr, path::PathBuf};

use xfl_core::node::{
    coordinator::{self, CoordinateError},
    settle::ChainChoice,
};

use super::settle;
use crate::{
    failure::Failure,
    printer::{Outcome, Printer},
    progress::Progress,
    signals::Stop,
};

/// Arguments of `xfl round`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The run's directory: journal, transcript, models, metrics.
    #[arg(long, default_value = "run", env = "XFL_DIR", hide_env_values = true)]
    dir: PathBuf,
    /// The plan.
    #[arg(long, default_value = "federation.toml", env = "XFL_PLAN", hide_env_values = true)]
    plan: PathBuf,
    /// Who may take part.
    #[arg(long, default_value = "members.toml", env = "XFL_MEMBERS", hide_env_values = true)]
    members: PathBuf,
    /// The coordinator's node key.
    #[arg(long, default_value = "coordinator.pem", env = "XFL_KEY", hide_env_values = true)]
    key: PathBuf,
    /// The key that deploys the contracts and posts rounds.
    #[arg(
        long,
        default_value = "coordinator-payout.key",
        env = "XFL_PAYOUT_KEY",
        hide_env_values = true
    )]
    payout_key: PathBuf,
    /// UDP address for institutions; 0.0.0.0:7700 lets other machines in.
    #[arg(long, default_value = "127.0.0.1:7700", env = "XFL_LISTEN", hide_env_values = true)]
    listen: SocketAddr,
    /// Stop cleanly after this many more rounds; all that the plan has where absent. On a chain outside this process the command stays after them
    /// until the last one is final, and shows rows of it to those who demand them.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..), env = "XFL_ROUNDS", hide_env_values = true)]
    rounds: Option<u64>,
    /// Data that no institution has, to score contributions and print accuracy; committed to before the first round.
    #[arg(long, env = "XFL_HELD_OUT", hide_env_values = true)]
    held_out: Option<PathBuf>,
    /// A safetensors file to start from, instead of the plan's initialisation.
    #[arg(long, env = "XFL_MODEL", hide_env_values = true)]
    model: Option<PathBuf>,
    /// Where to settle: "embedded" (a chain of its own in the run's directory), or any EVM chain's JSON-RPC url; several of one chain,
    /// separated by commas, must agree.
    #[arg(
        long,
        visible_alias = "rpc",
        default_value = "embedded",
        env = "XFL_CHAIN",
        hide_env_values = true,
        value_parser = crate::unshown::unshown::<ChainChoice>()
    )]
    chain: ChainChoice,
    /// Another chain on which members can be paid, as URL or ID=URL; again for each (in XFL_MIRROR after a semicolon). With its id, it may be down when the federation begins.
    #[arg(long, env = "XFL_MIRROR", hide_env_values = true, value_delimiter = ';', value_parser = crate::unshown::unshown::<ChainChoice>())]
    mirror: Vec<ChainChoice>,
    /// Blocks that a transaction must have before it counts, its own included; on chains outside this process.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1000), env = "XFL_CONFIRMATIONS", hide_env_values = true)]
    confirmations: u64,
    /// TCP address where the embedded chain is served as JSON-RPC; port 0 is any free one.
    #[arg(
        long,
        default_value = "127.0.0.1:7701",
        env = "XFL_RPC_LISTEN",
        hide_env_values = true
    )]
    rpc_listen: SocketAddr,
    /// Go on serving the embedded chain after the last round, until Ctrl-C.
    #[arg(long, env = "XFL_SERVE", hide_env_values = true)]
    serve: bool,
}

/// Runs the command.
pub(crate) fn run(args: &Args, printer: &Printer) -> Result<Outcome, Failure> {
    let setup = setup::prepare(args, *printer)?;
    let payout = setup.payout.clone();
    let (planned, done) = (setup.plan.terms().rounds.count, report::finished(&args.dir));
    crate::runtime()?.block_on(async {
        let stop = Stop::on_interrupt(*printer);
        let mut progress = Progress::new(*printer, planned, done);
        let mut left = args.rounds;
        let names = setup.members.iter().map(|m| (m.id, m.name.clone())).collect();
        let tell = |event| {
            let round_done = matches!(event, coordinator::Event::RoundDone(_));
            tell::event(event, &names, &mut progress);
            if let Some(left) = left.as_mut().filter(|_| round_done) {
                *left = left.saturating_sub(1);
                if *left == 0 {
                    stop.wish();
                }
            }
        };
        let mut result = coordinator::run(setup, stop.watch(), tell).await;
        progress.clear();
        // A run that failed for want of a quorum has signed rounds that others can hold it to, too.
        let ran = matches!(result, Ok(_) | Err(CoordinateError::Quorum(_)));
        let stay = match args.chain != ChainChoice::Embedded && ran {
            true => stay::Stay::of(&args.dir, &payout, args.confirmations)
                .await
                .unwrap_or_else(|failure| {
                    printer.warn(&format!(
                        "whether the last round is final can't be told: {}",
                        failure.message
                    ));
                    None
                }),
            false => None,
        };
        let mut open = None;
        if let Some(stay) = &stay {
            let settled = result.is_ok() && !stop.interrupted() && stay.until_final(&stop, *printer).await;
            open = stay.open().await.unwrap_or_else(|error| {
                printer.warn(&format!("whether the last round is final can't be told: {error}"));
                None
            });
            stay.note(open);
            if let Some(open) = open {
                printer.warn(&stay::warning(&args.dir, open));
            }
            if let (true, Ok(summary)) = (settled, result.as_mut()) {
                stay::settled(summary);
            }
        }
        let mut summary = result?;
        stay::wait_for(&mut summary.chains, open);
        let url = summary.chain.as_ref().map(|chain| chain.url());
        if let (true, Some(url), false) = (args.serve, &url, stop.interrupted()) {
            printer.talk(&format!("done; serving the chain at {url} until Ctrl-C"));
            if summary.chains.iter().any(|standing| !standing.is_final())
                && let Err(failure) = settle::go_on(&args.dir, &payout, args.confirmations, &stop, *printer).await
            {
                printer.warn(&format!("{}; `xfl settle` goes on", failure.message));
            }
            if !stop.interrupted() {
                stop.interruption().await;
            }
        }
        report::outcome(&args.dir, &summary)
    })
}
