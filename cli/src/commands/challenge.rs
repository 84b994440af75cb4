//! `xfl challenge`: finds lies in rounds that are posted and not yet active, proves them on the chain and has their signers slashed.
//!
//! It goes by what members signed, in any copy of the transcript: nothing that the coordinator derived is believed. Everything it does can
//! be done again: what is proved, punished, demanded or shown already is left alone.

mod court;
mod material;
mod report;
mod rows;

use std::{collections::BTreeSet, path::PathBuf, time::Duration};

use xfl_core::{challenge::Dossier, node::settle::Endpoint};
use xfl_settlement::chain::client::SettlementClient;

use self::{court::Court, material::Material, report::Report};
use crate::{
    failure::{Code, Failure},
    files,
    printer::{Outcome, Printer},
    signals::Stop,
};

/// Arguments of `xfl challenge`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A run's or an institution's directory, a transcript, or a file that `xfl audit --export` wrote.
    #[arg(default_value = "run")]
    target: PathBuf,
    /// The home chain's JSON-RPC url, as URL, ID=URL, or ID=URL,URL for several that must agree (other chains' may be named too, in XFL_RPC after
    /// a semicolon). Where the directory remembers it, or the embedded chain of a coordinator on this machine, where absent.
    #[arg(long, env = "XFL_RPC", hide_env_values = true, value_delimiter = ';')]
    rpc: Vec<Endpoint>,
    /// The key that pays the gas and earns half of what is slashed; any account will do.
    #[arg(long, default_value = "payout.key", env = "XFL_PAYOUT_KEY", hide_env_values = true)]
    payout_key: PathBuf,
    /// Look at this round alone; at all that aren't final where absent.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..), env = "XFL_ROUND", hide_env_values = true)]
    round: Option<u64>,
    /// Receipts for updates, a line of JSON each; receipts.jsonl of the directory where absent.
    #[arg(long, env = "XFL_RECEIPTS", hide_env_values = true)]
    receipts: Option<PathBuf>,
    /// Models after each round, from which aggregates follow; models/ of the directory where absent.
    #[arg(long, env = "XFL_MODELS", hide_env_values = true)]
    models: Option<PathBuf>,
    /// Another copy of the transcript, for headers that were signed twice; may be given several times.
    #[arg(long, env = "XFL_OTHER", hide_env_values = true)]
    other: Vec<PathBuf>,
    /// Demand at most this many rows of a round that is over something nobody has shown, a bond each; 0 demands none.
    #[arg(long, default_value_t = 8, env = "XFL_DEMANDS", hide_env_values = true)]
    demands: u64,
    /// Show rows of honest rounds to those who demand them, and earn their bonds: without anybody who does, the round is void.
    #[arg(long, env = "XFL_ANSWER", hide_env_values = true)]
    answer: bool,
    /// Send nothing: print calldata and gas.
    #[arg(long, env = "XFL_DRY_RUN", hide_env_values = true)]
    dry_run: bool,
    /// Go on watching for new rounds, until Ctrl-C or until the plan's last round is final.
    #[arg(long, conflicts_with = "dry_run", env = "XFL_WATCH", hide_env_values = true)]
    watch: bool,
    /// Seconds between two looks at the chain, while waiting or watching.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3600), env = "XFL_POLL", hide_env_values = true)]
    poll: u64,
}

/// Runs the command.
pub(crate) fn run(args: &Args, printer: &Printer) -> Result<Outcome, Failure> {
    let key = match files::payout_key(&args.payout_key) {
        Ok(key) => Some(key),
        // What a call would cost doesn't depend on who pays.
        Err(_) if args.dry_run => None,
        Err(failure) => {
            return Err(
                failure.hint("name a key that has coins for gas with --payout-key, or look first with --dry-run")
            );
        }
    };
    crate::runtime()?.block_on(async {
        let stop = Stop::on_interrupt(*printer);
        let (mut report, mut finals) = (Report::default(), BTreeSet::new());
        let mut material = Material::gather(args)?;
        loop {
            if material.is_stale(args) {
                material = Material::gather(args)?;
            }
            let (client, count) = material.home(args, key.as_ref()).await?;
            let before = report.rounds();
            let last = pass((args, &material, &client, &stop, printer), &mut finals, &mut report).await?;
            if args.watch && report.rounds() > before {
                printer.talk(report.text_from(before).trim_end());
            }
            if !args.watch || last >= count || stop.interrupted() {
                break;
            }
            let mut interrupted = stop.watch();
            tokio::select! {
                () = tokio::time::sleep(Duration::from_secs(args.poll)) => {}
                _ = interrupted.changed() => break,
            }
        }
        finish(report)
    })
}

/// Looks at every round on the chain that isn't final, and acts; the last round that is final. What is final once stays so, and isn't asked
/// for again.
async fn pass(
    (args, material, client, stop, printer): (&Args, &Material, &SettlementClient, &Stop, &Printer),
    finals: &mut BTreeSet<(u64, [u8; 32])>,
    report: &mut Report,
) -> Result<u64, Failure> {
    let mut open = Vec::new();
    for told in client.posted().await? {
        let (round, place) = (told.header.round, (told.header.round, told.digest));
        if finals.contains(&place) {
            continue;
        }
        let standing = client.header_digest(round).await? == Some(told.digest);
        if standing && client.is_active(round).await? {
            finals.insert(place);
        } else if args.round.is_none_or(|only| only == round) {
            open.push((told, standing));
        }
    }
    let rounds: Vec<u64> = open.iter().map(|(told, _)| told.header.round).collect();
    let read = |transcript: &[u8]| Dossier::read(transcript, |round| rounds.contains(&round));
    let dossier = read(&material.transcript).map_err(|error| material::unfit(&args.target, &error))?;
    let mut others = Vec::new();
    for (path, transcript) in &material.others {
        others.push(read(transcript).map_err(|error| material::unfit(path, &error))?);
    }
    let court = Court {
        args,
        material,
        client,
        dossier: &dossier,
        others: &others,
        stop,
        printer,
    };
    for (told, standing) in open {
        let heard = court.hear(&told, standing).await?;
        report.add(heard);
    }
    Ok(finals.last().map_or(0, |(round, _)| *round))
}

/// Fails where something doesn't follow that no contract can be shown.
fn finish(report: Report) -> Result<Outcome, Failure> {
    let (data, text) = (report.data(), report.text_from(0));
    match report.doubt() {
        None => Outcome::new(data, text),
        Some((round, what)) => Err(Failure::new(Code::Audit, format!("round {round}: {what}"))
            .hint("no contract can be shown this: ask the coordinator for a veto before the round is active, and sign nothing after it")
            .with(data, text)),
    }
}
