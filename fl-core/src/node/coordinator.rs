//! The coordinator's shell: performs what [`crate::coordinator`] decides. Journal first, act second.
//!
//! One task owns the state machine; QUIC, the chain and the clock feed it. The run's directory holds `journal.redb` (what
//! a restart goes on from), `transcript.xfl` (the same entries as a file for auditors), `models/`, `metrics.jsonl`,
//! `status.json`, and `chain/` where the embedded chain is used.

mod files;
mod open;
mod report;

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use tokio::sync::{mpsc, watch};
use xfl_privacy::{Noise, NoisedSum, OpenDpNoise, Os};
use xfl_settlement::{chain::server::ServerHandle, payout::PayoutKey};

use super::{
    entropy::now,
    journal::{Journal, JournalError, shares_key},
    peer::{CloseCode, Event as PeerWhat, Events, PeerEvent, ServeError, Server, ServerLimits},
    settle::{Answer, ChainChoice, Command, SettleError},
};
use crate::{
    coordinator::{Coordinator, Output},
    identity::NodeKey,
    message::Parcel,
    plan::{Plan, PlanError},
    round::RoundError,
    train::HeldOut,
    transcript::{Entry, Member, TranscriptError},
};

pub use self::report::{Event, Metrics, RoundMetrics, Status};

/// What a coordinator runs with.
pub struct Setup {
    /// The run's directory; created if missing.
    pub dir: PathBuf,
    /// Where to listen for institutions.
    pub listen: SocketAddr,
    /// The coordinator's node key.
    pub key: Arc<NodeKey>,
    /// The key that deploys and posts.
    pub payout: PayoutKey,
    /// The plan.
    pub plan: Plan,
    /// The allowlist.
    pub members: Vec<Member>,
    /// The model to start from.
    pub model: Vec<f32>,
    /// Names and shapes of the model's tensors.
    pub tensors: Vec<crate::spec::TensorShape>,
    /// Held-out data and the file they came from, where there are any.
    pub held_out: Option<(HeldOut, Vec<u8>)>,
    /// A second copy for the metrics of each round.
    pub judge: Option<HeldOut>,
    /// Where to settle.
    pub chain: ChainChoice,
    /// Where to serve the embedded chain's JSON-RPC.
    pub rpc_listen: SocketAddr,
}

/// How a run ended.
#[derive(Debug)]
pub struct Summary {
    /// Rounds finished.
    pub finished: u64,
    /// Rounds planned.
    pub planned: u64,
    /// Protocol violations by peers.
    pub misbehaved: u64,
    /// Whether it was told to stop before the end.
    pub stopped: bool,
    /// Loss and accuracy after the last round, where held-out data are at hand.
    pub evaluation: Option<crate::train::model::Evaluation>,
    /// The embedded chain's server, still up.
    pub chain: Option<ServerHandle>,
}

/// Why a run can't begin or go on.
#[derive(Debug, thiserror::Error)]
pub enum CoordinateError {
    /// The plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// What the journal holds isn't a transcript.
    #[error("the journal: {0}")]
    Transcript(#[from] TranscriptError),
    /// What the journal holds doesn't follow.
    #[error("the journal: {0}")]
    Replay(#[from] RoundError),
    /// The journal is another federation's, or the plan changed since.
    #[error("{0}")]
    OtherFederation(String),
    /// The socket.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// The chain.
    #[error(transparent)]
    Settle(#[from] SettleError),
    /// A file of the run's directory.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What happened.
        source: std::io::Error,
    },
    /// Not enough members.
    #[error("no quorum: {0}")]
    Quorum(String),
}

/// Runs a federation to its end, telling `tell` what happens; `stop` asks for an end at the next stage's.
///
/// # Errors
/// [`CoordinateError`]; everything up to then is journaled, and starting again goes on from there.
pub async fn run(
    setup: Setup,
    stop: watch::Receiver<bool>,
    mut tell: impl FnMut(Event),
) -> Result<Summary, CoordinateError> {
    let open::Opened {
        journal,
        rounds,
        kept,
        client,
        chain,
        mut files,
    } = open::open(&setup, &mut tell).await?;
    let contracts = rounds.genesis().contracts;
    if contracts.coordinator != setup.payout.account() {
        let what = "the payout key isn't the one that this run's contracts know as the coordinator's; \
                    name that one with --payout-key, or begin a new run with another --dir";
        return Err(CoordinateError::OtherFederation(what.into()));
    }
    let threshold = rounds.plan().settlement_threshold();
    let max_message = message_limit(rounds.model().len(), rounds.genesis().members.len());
    let referee = setup
        .held_out
        .map(|(h, _)| Box::new(h) as Box<dyn crate::round::Referee + Send>);
    let mut machine = Coordinator::restore(rounds, setup.key.clone(), setup.payout.clone(), referee, now());
    for (dealer, sealed) in kept {
        machine.relay(dealer, &sealed);
    }
    let allow: Vec<_> = machine.rounds().genesis().members.iter().map(|m| m.id).collect();
    let admit = move |id: &crate::identity::NodeId| allow.contains(id);
    let limits = ServerLimits::for_messages_up_to(max_message);
    let (server, events) = Server::bind(setup.listen, setup.key.clone(), admit, limits)?;
    let address = server.local_addr().map_err(|source| CoordinateError::File {
        path: "socket".into(),
        source,
    })?;
    tell(Event::Listening(address));
    files.address(address, chain.as_ref().map(ServerHandle::url))?;
    let (commands, command_queue) = mpsc::unbounded_channel();
    let (answer_queue, answers) = mpsc::unbounded_channel();
    let settle = tokio::spawn(super::settle::serve(
        client,
        threshold,
        contracts.embedded,
        command_queue,
        answer_queue,
    ));
    let mut report = report::Reporter::new(setup.judge, &machine);
    if files.behind(machine.rounds()) {
        let metrics = report.metrics(&machine);
        files.round(&metrics, machine.rounds(), &setup.tensors)?;
    }
    let mut shell = Shell {
        machine,
        journal,
        server,
        commands,
        files,
        report,
        tensors: setup.tensors,
        tell,
        end: None,
        noised: mpsc::unbounded_channel(),
    };
    let ended = shell.drive(events, answers, stop).await;
    let Shell {
        machine,
        server,
        commands,
        report,
        ..
    } = shell;
    drop(commands);
    server.shutdown(Duration::from_secs(5)).await;
    settle.abort();
    let stopped = match ended? {
        End::Finished => false,
        End::Stopped => true,
        End::Failed(reason) => return Err(CoordinateError::Quorum(reason)),
    };
    Ok(Summary {
        finished: machine.rounds().finished(),
        planned: machine.rounds().plan().terms().rounds.count,
        misbehaved: machine.misbehaved(),
        stopped,
        evaluation: report.evaluate(machine.rounds().model()),
        chain,
    })
}

/// The longest message of a federation: a transcript of one round with every member's update, generously.
pub fn message_limit(d: usize, members: usize) -> u32 {
    let round = (d as u64)
        .saturating_mul(12)
        .saturating_add(64 * 1024)
        .saturating_mul(members as u64 + 1);
    u32::try_from(round.saturating_mul(4)).unwrap_or(u32::MAX).min(1 << 30)
}

enum End {
    Finished,
    Stopped,
    Failed(String),
}

struct Shell<T: FnMut(Event)> {
    machine: Coordinator,
    journal: Journal,
    server: Server,
    commands: mpsc::UnboundedSender<Command>,
    files: files::Files,
    report: report::Reporter,
    tensors: Vec<crate::spec::TensorShape>,
    tell: T,
    end: Option<End>,
    noised: (mpsc::UnboundedSender<Noised>, mpsc::UnboundedReceiver<Noised>),
}

/// The sum of a round in mode central, or why it has no noise.
type Noised = Result<NoisedSum<Os>, String>;

impl<T: FnMut(Event)> Shell<T> {
    async fn drive(
        &mut self,
        mut events: Events,
        mut answers: mpsc::UnboundedReceiver<Answer>,
        mut stop: watch::Receiver<bool>,
    ) -> Result<End, CoordinateError> {
        loop {
            self.perform()?;
            if let Some(end) = self.end.take() {
                if matches!(end, End::Finished) {
                    self.wait_for_farewells(&mut events).await;
                }
                return Ok(end);
            }
            let wake = self.machine.wake().map_or(Duration::from_secs(1), |at| {
                Duration::from_millis(at.saturating_sub(now()))
            });
            let wake = wake.clamp(Duration::from_millis(5), Duration::from_secs(1));
            tokio::select! {
                event = events.recv() => match event {
                    Some(event) => self.heard(event),
                    None => return Ok(End::Stopped),
                },
                Some(answer) = answers.recv() => self.answered(answer),
                Some(noised) = self.noised.1.recv() => match noised {
                    Ok(sum) => self.machine.noised(now(), &sum),
                    Err(error) => self.machine.unnoised(&error),
                },
                () = tokio::time::sleep(wake) => self.machine.tick(now()),
                changed = stop.changed() => {
                    if changed.is_err() || *stop.borrow() {
                        self.perform()?;
                        return Ok(End::Stopped);
                    }
                }
            }
        }
    }

    fn heard(&mut self, event: PeerEvent) {
        let node = event.node;
        match event.event {
            PeerWhat::Connected { .. } => self.machine.connected(now(), node),
            PeerWhat::Message(bytes) => {
                self.report.received(node, bytes.len());
                self.machine.message(now(), node, &bytes);
            }
            PeerWhat::Closed(reason) => {
                // A newer connection of the same node may be up already; then this one's end means nothing.
                if !self.server.connected().contains(&node) {
                    self.machine.disconnected(now(), node);
                    (self.tell)(Event::Left {
                        node,
                        why: reason.to_string(),
                    });
                }
            }
        }
    }

    fn answered(&mut self, answer: Answer) {
        match answer {
            Answer::Admitted(_) => {}
            Answer::Posted {
                transaction,
                block,
                gas,
            } => {
                (self.tell)(Event::Posted {
                    round: self.machine.rounds().position().0,
                    block,
                    gas,
                });
                self.machine.posted(now(), transaction, block);
            }
            Answer::Retrying { what } => (self.tell)(Event::ChainTrouble(what)),
        }
    }

    fn perform(&mut self) -> Result<(), CoordinateError> {
        while let Some(output) = self.machine.poll() {
            match output {
                Output::Journal { entry, frame } => {
                    self.journal.append(&frame)?;
                    self.files.transcript(&frame)?;
                    self.recorded(&entry)?;
                }
                Output::Keep { at, dealer, sealed } => self.journal.keep(&shares_key(at, &dealer), &sealed)?,
                Output::Send { to, parcel } => self.send(to, parcel),
                Output::SendTranscript { to, envelope, from } => {
                    let attachment = self.journal.records_from(from)?.concat();
                    self.send(to, Parcel { envelope, attachment });
                }
                Output::Drop { peer, reason } => {
                    self.server.disconnect(&peer, CloseCode::Malformed);
                    (self.tell)(Event::Dropped {
                        node: peer,
                        why: reason,
                    });
                }
                Output::Admit(joined) => {
                    // The task ends only with this shell.
                    let _ = self.commands.send(Command::Admit(joined));
                }
                Output::Post { header, signatures } => {
                    let _ = self.commands.send(Command::Post {
                        header: Box::new(header),
                        signatures,
                    });
                }
                Output::Noise => self.noise(),
                Output::Finished => self.end = Some(End::Finished),
                Output::Failed(reason) => self.end = Some(End::Failed(reason)),
            }
        }
        Ok(())
    }

    /// Mode central: OpenDP's noise on the sum of the round's updates, which takes most of a minute for ten million of them.
    fn noise(&mut self) {
        let done = self.noised.0.clone();
        match self.machine.rounds().clear_sum() {
            Ok(sum) => drop(tokio::task::spawn_blocking(move || {
                // The shell may be gone already; then nobody needs the sum.
                let _ = done.send(OpenDpNoise.noise_sum(sum).map_err(|error| error.to_string()));
            })),
            Err(error) => self.machine.unnoised(&error.to_string()),
        }
    }

    fn send(&mut self, to: crate::identity::NodeId, parcel: Parcel) {
        let bytes = parcel.encode();
        self.report.sent(to, bytes.len());
        if let Err(error) = self.server.send(&to, bytes) {
            tracing::debug!(node = %to, %error, "not sent; it will be asked again when it is back");
        }
    }

    /// Files and progress after an entry is journaled.
    fn recorded(&mut self, entry: &Entry) -> Result<(), CoordinateError> {
        for event in self.report.entry(entry, &self.machine) {
            if let Event::RoundDone(metrics) = &event {
                self.files.round(metrics, self.machine.rounds(), &self.tensors)?;
                self.journal.forget(b"shares")?;
            }
            (self.tell)(event);
        }
        self.files.status(&self.report.status(&self.machine))
    }

    /// Lets members take the end of the transcript before the socket closes, those too that are just coming back.
    async fn wait_for_farewells(&mut self, events: &mut Events) {
        let deadline = tokio::time::Instant::now() + self.machine.rounds().plan().grace() + Duration::from_secs(12);
        while !self.server.connected().is_empty() || self.machine.untold() > 0 {
            match tokio::time::timeout_at(deadline, events.recv()).await {
                Ok(Some(event)) => {
                    self.heard(event);
                    if self.perform().is_err() {
                        return;
                    }
                    self.end = None;
                }
                _ => return,
            }
        }
    }
}
