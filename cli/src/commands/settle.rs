//! `xfl settle`: posts what a run's transcript says is signed and its chains don't hold, without running rounds. Anybody may; deploying and
//! admitting is the coordinator's. It also writes `rewards-ROUND.xfl`, from which members can claim without the transcript.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::json;
use xfl_core::node::settle::{Endpoint, Site, Standing};
use xfl_settlement::{chain::client::SettlementClient, payout::PayoutKey};

use crate::{
    chains::{self, Federation},
    failure::{Code, Failure},
    files,
    printer::{Outcome, Printer},
    signals::Stop,
};

/// How often chains are looked at while waiting.
const LOOK: Duration = Duration::from_secs(2);

/// Arguments of `xfl settle`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A run's or an institution's directory, or a copy of the transcript.
    #[arg(long, default_value = "run", env = "XFL_DIR", hide_env_values = true)]
    dir: PathBuf,
    /// The key that sends and pays the gas: the coordinator's, or anybody's.
    #[arg(
        long,
        default_value = "coordinator-payout.key",
        env = "XFL_PAYOUT_KEY",
        hide_env_values = true
    )]
    payout_key: PathBuf,
    /// A chain's JSON-RPC url, as URL, ID=URL, or ID=URL,URL for several that must agree; again for each chain (in XFL_RPC after a semicolon). As the run's directory
    /// remembers where absent.
    #[arg(long, env = "XFL_RPC", hide_env_values = true, value_delimiter = ';', value_parser = crate::unshown::unshown::<Endpoint>())]
    rpc: Vec<Endpoint>,
    /// Bring up this chain alone.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..), env = "XFL_CHAIN_ID", hide_env_values = true)]
    chain_id: Option<u64>,
    /// Stay until every chain holds every signed round, or all before one that was voided, through dispute windows and failures; else what can't be done now is said.
    #[arg(long, env = "XFL_WAIT", hide_env_values = true)]
    wait: bool,
    /// Blocks that a transaction must have before it counts, its own included.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1000), env = "XFL_CONFIRMATIONS", hide_env_values = true)]
    confirmations: u64,
}

/// Runs the command.
pub(crate) fn run(args: &Args, printer: &Printer) -> Result<Outcome, Failure> {
    let key = files::payout_key(&args.payout_key)?;
    crate::runtime()?.block_on(async {
        let federation = Federation::read(&args.dir, &args.rpc).await?;
        match federation.write_rewards() {
            Ok(Some(path)) => printer.talk(&format!("rewards of the last round: {}", path.display())),
            Ok(None) => {}
            // Posting needs no file.
            Err(failure) => printer.warn(&format!("the file of rewards wasn't written: {}", failure.message)),
        }
        let mut chains = Chains::new(&federation, args.chain_id, &key, args.confirmations)?;
        let stop = Stop::on_interrupt(*printer);
        chains.bring_up(args.wait, &stop, *printer).await
    })
}

/// Goes on settling a finished run until every chain holds every round, or the user stops it; for a coordinator that goes on serving.
pub(crate) async fn go_on(
    dir: &Path,
    key: &PayoutKey,
    confirmations: u64,
    stop: &Stop,
    printer: Printer,
) -> Result<(), Failure> {
    let federation = Federation::read(dir, &[]).await?;
    let mut chains = Chains::new(&federation, None, key, confirmations)?;
    chains.bring_up(true, stop, printer).await.map(|_| ())
}

/// The chains to be brought up.
struct Chains<'a> {
    federation: &'a Federation,
    sites: Vec<Site>,
    /// Mirrors ask it which rounds are final, whether it is brought up here or not.
    home: Option<SettlementClient>,
    failed: Option<Failure>,
}

impl<'a> Chains<'a> {
    fn new(
        federation: &'a Federation,
        only: Option<u64>,
        key: &PayoutKey,
        confirmations: u64,
    ) -> Result<Self, Failure> {
        let (mut sites, mut failed) = (Vec::new(), None);
        for (place, chain) in federation.chains(only)? {
            match federation.site(place, &chain, Some(key), confirmations) {
                Ok(site) => sites.push(site),
                Err(failure) => failed = failed.or(Some(failure)),
            }
        }
        let home = federation.rounds.genesis().contracts;
        let home = federation.site(0, &home, None, 1).map(|site| site.client().clone());
        Ok(Self {
            federation,
            sites,
            home: home.ok(),
            failed,
        })
    }

    async fn bring_up(&mut self, wait: bool, stop: &Stop, printer: Printer) -> Result<Outcome, Failure> {
        let mut told: Vec<Standing> = Vec::new();
        loop {
            let (standings, failure) = pass(self.federation, &mut self.sites, self.home.as_ref()).await;
            for standing in &standings {
                let before = told.iter().find(|told| told.chain_id == standing.chain_id);
                if standing.is_news(before) {
                    printer.talk(&chains::line(standing));
                }
            }
            told = standings;
            let over = told.iter().all(Standing::is_final);
            if over || !wait || stop.interrupted() {
                return outcome(&told, self.failed.take().or(failure));
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = stop.interruption() => {}
            }
        }
    }
}

/// Every chain once; the first failure beside where all stand.
async fn pass(
    federation: &Federation,
    sites: &mut [Site],
    home: Option<&SettlementClient>,
) -> (Vec<Standing>, Option<Failure>) {
    let (mut standings, mut failure) = (Vec::new(), None);
    for site in sites {
        let asked = home.filter(|_| !site.is_home());
        let unknown = site.unknown(&federation.book);
        if !site.is_home() && asked.is_none() {
            let trouble = Some("the home chain isn't at hand, which says what is final".to_owned());
            standings.push(Standing { trouble, ..unknown });
            continue;
        }
        match site.pass(&federation.book, asked).await {
            Ok((standing, _)) => standings.push(standing),
            Err(error) => {
                let trouble = Some(error.to_string());
                standings.push(Standing { trouble, ..unknown });
                failure = failure.or(Some(error.into()));
            }
        }
    }
    (standings, failure)
}

fn outcome(standings: &[Standing], failure: Option<Failure>) -> Result<Outcome, Failure> {
    let done = failure.is_none() && standings.iter().all(Standing::done);
    let data = json!({ "done": done, "chains": standings });
    let text = chains::lines(standings);
    match failure {
        Some(failure) => Err(failure.with(data, text)),
        None if standings.iter().any(|standing| standing.trouble.is_some()) => {
            let failure = Failure::new(Code::Network, "a chain could not be brought up");
            Err(failure
                .hint("name its url, and the home chain's, with --rpc")
                .with(data, text))
        }
        None => match standings.iter().find_map(|standing| standing.void) {
            Some(round) => {
                let failure = Failure::new(Code::Audit, format!("round {round} was voided; this run can't go on"));
                Err(failure.hint(chains::VOIDED).with(data, text))
            }
            None => Outcome::new(data, text),
        },
    }
}
