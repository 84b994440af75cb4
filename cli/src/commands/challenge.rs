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
use xfl_settlement::{chain::client::SettlementClient, payout::PayoutKey};

use self::{
    court::Court,
    material::Material,
    report::{Heard, Report},
};
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
    #[arg(long, env = "XFL_RPC", hide_env_values = true, value_delimiter = ';', value_parser = crate::unshown::unshown::<Endpoint>())]
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
    /// Demand at most this many rows of a round that is over something nobody has shown, a bond each; 0 demands none. 8 where absent, and none of
    /// a round that this copy of the transcript doesn't reach: it may be honest.
    #[arg(long, env = "XFL_DEMANDS", hide_env_values = true)]
    demands: Option<u64>,
    /// Show rows of honest rounds to those who demand them, and earn their bonds: without anybody who does, the round is void.
    #[arg(long, env = "XFL_ANSWER", hide_env_values = true)]
    answer: bool,
    /// Send nothing: print calldata and gas. Needs no key, and asks for no password.
    #[arg(long, env = "XFL_DRY_RUN", hide_env_values = true)]
    dry_run: bool,
    /// Go on watching for new rounds, until Ctrl-C or until the plan's last round is final.
    #[arg(long, conflicts_with = "dry_run", env = "XFL_WATCH", hide_env_values = true)]
    watch: bool,
    /// Seconds between two looks at the chain, while waiting or watching.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3600), env = "XFL_POLL", hide_env_values = true)]
    poll: u64,
}

/// The longest pause after a failure while watching.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Runs the command.
pub(crate) fn run(args: &Args, printer: &Printer) -> Result<Outcome, Failure> {
    let key = match args.dry_run {
        // What a call would cost doesn't depend on who pays.
        true => files::open_payout_key(&args.payout_key),
        false => Some(files::payout_key(&args.payout_key).map_err(|failure| {
            failure.hint("name a key that has coins for gas with --payout-key, or look first with --dry-run")
        })?),
    };
    crate::runtime()?.block_on(async {
        let stop = Stop::on_interrupt(*printer);
        let mut watch = Watch {
            args,
            key,
            stop: &stop,
            printer,
            material: Material::gather(args)?,
            home: None,
            finals: BTreeSet::new(),
            report: Report::default(),
        };
        let poll = Duration::from_secs(args.poll);
        let (mut pause, mut began) = (poll, false);
        loop {
            let before = watch.report.rounds();
            let looked = watch.look().await;
            if args.watch && watch.report.rounds() > before {
                printer.talk(watch.report.text_from(before).trim_end());
            }
            let failed = looked.is_err();
            match looked {
                Ok(over) if !args.watch || over || stop.interrupted() => break,
                Ok(_) => (pause, began) = (poll, true),
                // A chain that is down for a while, or refuses one thing, is no reason to look away from all others.
                Err(failure) if args.watch && (began || failure.code == Code::Network) => {
                    let wait = pause.as_secs();
                    printer.warn(&format!("{}; looking again in {wait} s", failure.message));
                }
                Err(failure) if before == watch.report.rounds() => return Err(failure),
                Err(failure) => return Err(failure.with(watch.report.data(), watch.report.text_from(0))),
            }
            let mut interrupted = stop.watch();
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = interrupted.changed() => break,
            }
            if failed {
                pause = (pause * 2).min(LONGEST_PAUSE.max(poll));
            }
        }
        finish(watch.report)
    })
}

/// What goes from one look at the chain to the next.
struct Watch<'a> {
    args: &'a Args,
    key: Option<PayoutKey>,
    stop: &'a Stop,
    printer: &'a Printer,
    material: Material,
    /// The home chain's contracts and the number of rounds planned, once they are reached: what was read there isn't read again.
    home: Option<(SettlementClient, u64)>,
    /// What is final once stays so, and isn't asked for again.
    finals: BTreeSet<(u64, [u8; 32])>,
    report: Report,
}

impl Watch<'_> {
    /// Looks at every round on the chain that isn't final, and acts; whether the plan's last round is final. A failure over one round keeps no
    /// other from being heard; the first one is the result.
    async fn look(&mut self) -> Result<bool, Failure> {
        let args = self.args;
        let (client, count) = match self.home.clone() {
            Some(home) => home,
            None => self
                .home
                .insert(self.material.home(args, self.key.as_ref(), self.printer).await?)
                .clone(),
        };
        let posted = client.posted().await?;
        // Only now: a transcript that was read before a posting needn't know of it.
        if self.material.is_stale(args) {
            self.material = Material::gather(args)?;
        }
        let mut open = Vec::new();
        for told in posted {
            let (round, place) = (told.header.round, (told.header.round, told.digest));
            if self.finals.contains(&place) {
                continue;
            }
            let standing = client.header_digest(round).await? == Some(told.digest);
            if standing && client.is_active(round).await? {
                self.finals.insert(place);
            } else if args.round.is_none_or(|only| only == round) {
                open.push((told, standing));
            }
        }
        let rounds: Vec<u64> = open.iter().map(|(told, _)| told.header.round).collect();
        let read = |transcript: &[u8]| Dossier::read(transcript, |round| rounds.contains(&round));
        let material = &self.material;
        let dossier = read(&material.transcript).map_err(|error| material::unfit(&args.target, &error))?;
        let mut others = Vec::new();
        for (path, transcript) in &material.others {
            others.push(read(transcript).map_err(|error| material::unfit(path, &error))?);
        }
        let court = Court {
            args,
            material,
            client: &client,
            dossier: &dossier,
            others: &others,
            stop: self.stop,
            printer: self.printer,
        };
        let mut failed = None;
        for (told, standing) in open {
            let mut heard = Heard {
                round: told.header.round,
                digest: told.digest,
                ..Heard::default()
            };
            match court.hear(&told, standing, &mut heard).await {
                Ok(()) => self.report.add(heard),
                Err(mut failure) => {
                    failure.message = format!("round {}: {}", heard.round, failure.message);
                    failed.get_or_insert(failure);
                    // What was sent before it is told.
                    if !heard.steps.is_empty() {
                        self.report.add(heard);
                    }
                }
            }
        }
        let last = self.finals.last().map_or(0, |(round, _)| *round);
        failed.map_or(Ok(last >= count), Err)
    }
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
