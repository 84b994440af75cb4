//! After the last round on a chain outside this process: until it is final its rows can be demanded, and whoever signed it is slashed if nobody
//! shows them. So the command stays, shows rows and settles; who stops it is told what that risks, and until when.

use std::{path::Path, time::Duration};

use tokio::sync::watch;
use xfl_core::node::{
    coordinator::{Status, Summary},
    settle::{Standing, answer_demands},
};
use xfl_settlement::{
    chain::client::{ClientError, SettlementClient},
    payout::PayoutKey,
};

use crate::{chains::Federation, commands::settle, failure::Failure, printer::Printer, signals::Stop};

/// How often the chain is asked whether its last round is final.
const LOOK: Duration = Duration::from_secs(5);
/// The longest pause after a failure.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How long other chains may take after that to be brought up.
const SETTLING: Duration = Duration::from_secs(20);

/// The last round on the home chain, where that isn't final.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Open {
    /// The round.
    pub(super) round: u64,
    /// Until when rows can be demanded, at least; Unix seconds.
    pub(super) until: Option<u64>,
}

/// The federation of a run that settles outside this process, and its home chain.
pub(super) struct Stay<'a> {
    dir: &'a Path,
    key: &'a PayoutKey,
    confirmations: u64,
    client: SettlementClient,
}

impl<'a> Stay<'a> {
    /// None where the home chain is the embedded one: it has no dispute window.
    pub(super) async fn of(dir: &'a Path, key: &'a PayoutKey, confirmations: u64) -> Result<Option<Self>, Failure> {
        let federation = Federation::read(dir, &[]).await?;
        let home = federation.rounds.genesis().contracts;
        if home.embedded {
            return Ok(None);
        }
        let client = federation.client(&home, Some(key)).await?;
        Ok(Some(Self {
            dir,
            key,
            confirmations,
            client,
        }))
    }

    /// The last round on the chain, if it isn't final.
    pub(super) async fn open(&self) -> Result<Option<Open>, ClientError> {
        let round = self.client.latest_round().await?;
        if round == 0 || self.client.is_active(round).await? {
            return Ok(None);
        }
        if let Ok(true) = self.client.is_active_next(round).await {
            return Ok(None);
        }
        let until = self.client.active_at(round).await?;
        let held = self.client.held_back().await?.map(|(_, until)| until);
        let until = until.max(held);
        Ok(Some(Open { round, until }))
    }

    /// Shows rows and settles until the last round is final, or somebody presses Ctrl-C; true once every chain holds every round.
    pub(super) async fn until_final(&self, stop: &Stop, printer: Printer) -> bool {
        let transcript = self.dir.join("transcript.xfl");
        let answering = tokio::spawn(answer_demands(self.client.clone(), transcript));
        let (sender, mut over) = watch::channel(false);
        let settling = async {
            tokio::select! {
                settled = settle::go_on(self.dir, self.key, self.confirmations, stop, printer) => match settled {
                    Ok(()) => !stop.interrupted(),
                    Err(failure) => {
                        printer.warn(&format!("{}; `xfl settle` goes on", failure.message));
                        false
                    }
                },
                () = async {
                    // The sender outlives this.
                    let _ = over.wait_for(|over| *over).await;
                    tokio::time::sleep(SETTLING).await;
                } => false,
            }
        };
        let waiting = async {
            self.wait(stop, printer).await;
            sender.send_replace(true);
        };
        let (settled, ()) = tokio::join!(settling, waiting);
        answering.abort();
        settled
    }

    async fn wait(&self, stop: &Stop, printer: Printer) {
        let (mut pause, mut told) = (LOOK, None);
        while !stop.interrupted() {
            match self.open().await {
                Ok(None) => return,
                Ok(Some(open)) => {
                    if told != Some(open) {
                        told = Some(open);
                        self.note(Some(open));
                        let until = until(open);
                        printer.talk(&format!(
                            "round {} isn't final: showing rows to those who demand them, until {until}; Ctrl-C stops that",
                            open.round
                        ));
                    }
                    pause = LOOK;
                }
                Err(error) => {
                    let wait = pause.as_secs();
                    printer.warn(&format!(
                        "whether the last round is final isn't known: {error}; asking again in {wait} s"
                    ));
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.interruption() => {}
            }
        }
    }

    /// Says in `status.json` what is waited for; a file that isn't there or isn't writable is nothing to fail for now.
    pub(super) fn note(&self, open: Option<Open>) {
        let path = self.dir.join("status.json");
        let Some(mut status) = std::fs::read(&path)
            .ok()
            .and_then(|bytes| serde_json::from_slice::<Status>(&bytes).ok())
        else {
            return;
        };
        wait_for(&mut status.chains, open);
        let new = path.with_extension("new");
        let written = serde_json::to_vec_pretty(&status)
            .map_err(std::io::Error::other)
            .and_then(|bytes| std::fs::write(&new, bytes))
            .and_then(|()| std::fs::rename(&new, &path));
        if let Err(error) = written {
            tracing::warn!(%error, "status.json couldn't be written");
        }
    }
}

/// Puts down what the home chain waits for.
pub(super) fn wait_for(chains: &mut [Standing], open: Option<Open>) {
    for home in chains.iter_mut().filter(|standing| standing.home) {
        let what = |open: Open| format!("round {} to be final: rows of it can be demanded", open.round);
        home.waits_for = open.map(what);
        home.until = open.and_then(|open| open.until);
    }
}

/// Marks every chain as brought up.
pub(super) fn settled(summary: &mut Summary) {
    for standing in &mut summary.chains {
        let (chain_id, home, signed) = (standing.chain_id, standing.home, standing.signed);
        *standing = Standing {
            chain_id,
            home,
            posted: Some(signed),
            signed,
            waits_for: None,
            until: None,
            trouble: None,
        };
    }
}

/// What is at stake while a round isn't final and nobody shows its rows.
pub(super) fn warning(dir: &Path, open: Open) -> String {
    format!(
        "round {} isn't final, and nobody shows its rows now: they can be demanded until {}, and if none are shown in time the round is void and \
         whoever signed it is slashed; `xfl round` again, or `xfl challenge {} --watch --answer`, shows them",
        open.round,
        until(open),
        dir.display()
    )
}

fn until(open: Open) -> String {
    let at = open.until.map(|until| format!("Unix time {until} at least"));
    at.unwrap_or_else(|| "a time that isn't known".into())
}
