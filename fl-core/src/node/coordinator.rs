//! The coordinator's shell: performs what [`crate::coordinator`] decides. Journal first, act second.
//!
//! One task owns the state machine; QUIC, the chain and the clock feed it. The run's directory holds `journal.redb` (what
//! a restart goes on from), `transcript.xfl` (the same entries as a file for auditors), `models/`, `metrics.jsonl`,
//! `status.json`, and `chain/` where the embedded chain is used.

mod files;
mod open;
mod report;

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};
use xfl_privacy::{Noise, NoisedSum, OpenDpNoise, Os};
use xfl_settlement::{chain::server::ServerHandle, payout::PayoutKey};

use super::{
    entropy::now,
    journal::{Journal, JournalError, shares_key},
    peer::{CloseCode, Event as PeerWhat, Events, PeerEvent, ServeError, Server, ServerLimits},
    settle::{self, Answer, Book, ChainChoice, Endpoints, SettleError, Signed, Standing},
};
use crate::{
    coordinator::{Coordinator, Output},
    identity::NodeKey,
    message::Parcel,
    plan::{Plan, PlanError},
    round::{Phase, RoundError},
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
    /// Where to settle: the home chain.
    pub chain: ChainChoice,
    /// Other chains on which members can be paid. Where a run goes on, those of its beginning that aren't named are reached as before.
    pub mirrors: Vec<ChainChoice>,
    /// Where chains are reached that nobody names now and the run's directory doesn't know.
    pub endpoints: Endpoints,
    /// Blocks that a transaction on a chain outside this process must have, its own included.
    pub confirmations: u64,
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
    /// Where each chain stands, the home chain first.
    pub chains: Vec<Standing>,
    /// The embedded chain's server, still up.
    pub chain: Option<ServerHandle>,
}

/// How long chains may take after the last round to be brought up to it.
const SETTLING: Duration = Duration::from_secs(20);

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
    /// A round was voided on the home chain, and all that comes after builds on it.
    #[error("round {round} was voided on chain {chain_id}; this run can't go on")]
    Voided {
        /// The round.
        round: u64,
        /// The home chain.
        chain_id: u64,
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
        sites,
        book,
        chain,
        mut files,
    } = open::open(&setup, &mut tell).await?;
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
    let (book, readers) = watch::channel(book);
    let (answer_queue, mut answers) = mpsc::unbounded_channel();
    let home = sites.first().filter(|_| !machine.rounds().genesis().contracts.embedded);
    let transcript = setup.dir.join("transcript.xfl");
    let answering = home.map(|site| tokio::spawn(settle::answer_demands(site.client().clone(), transcript)));
    let mut tasks = settle::spawn(sites, &readers, &answer_queue);
    drop((readers, answer_queue));
    let mut report = report::Reporter::new(setup.judge, &machine);
    if files.behind(machine.rounds()) {
        let metrics = report.metrics(&machine);
        files.round(&metrics, machine.rounds(), &setup.tensors)?;
    }
    let mut shell = Shell {
        machine,
        journal,
        server,
        book: Some(book),
        standings: BTreeMap::new(),
        files,
        report,
        tensors: setup.tensors,
        tell,
        end: None,
        noised: mpsc::unbounded_channel(),
    };
    let ended = shell.drive(events, &mut answers, stop).await;
    if matches!(ended, Ok(End::Finished)) {
        shell.settle_down(&mut tasks, &mut answers).await?;
    }
    tasks.shutdown().await;
    if let Some(answering) = answering {
        answering.abort();
    }
    let chains = shell.chains();
    let Shell {
        machine,
        server,
        report,
        ..
    } = shell;
    server.shutdown(Duration::from_secs(5)).await;
    if let Err(error) = settle::write_rewards(&setup.dir, machine.rounds()) {
        tracing::warn!(%error, "the file of rewards couldn't be written; `xfl settle` makes it");
    }
    let stopped = match ended? {
        End::Finished => false,
        End::Stopped => true,
        End::Failed(reason) => return Err(CoordinateError::Quorum(reason)),
        End::Voided { round, chain_id } => return Err(CoordinateError::Voided { round, chain_id }),
    };
    Ok(Summary {
        finished: machine.rounds().finished(),
        planned: machine.rounds().plan().terms().rounds.count,
        misbehaved: machine.misbehaved(),
        stopped,
        evaluation: report.evaluate(machine.rounds().model()),
        chains,
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
    /// A round was voided: another would be trained, at the cost of privacy budget, for nothing.
    Voided {
        round: u64,
        chain_id: u64,
    },
}

struct Shell<T: FnMut(Event)> {
    machine: Coordinator,
    journal: Journal,
    server: Server,
    /// What chains must hold; their tasks end when it is dropped.
    book: Option<watch::Sender<Book>>,
    standings: BTreeMap<u64, Standing>,
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
        answers: &mut mpsc::UnboundedReceiver<Answer>,
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
                Some(answer) = answers.recv() => self.answered(answer)?,
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

    fn answered(&mut self, answer: Answer) -> Result<(), CoordinateError> {
        match answer {
            Answer::Posted {
                round,
                transaction,
                block,
                gas,
            } => {
                let rounds = self.machine.rounds();
                if rounds.phase() == Phase::Post && rounds.position().0 == round {
                    (self.tell)(Event::Posted { round, block, gas });
                    self.machine.posted(now(), transaction, block);
                }
            }
            Answer::Standing(standing) => {
                let before = self.standings.insert(standing.chain_id, standing.clone());
                if standing.is_news(before.as_ref()) {
                    (self.tell)(Event::Standing(standing.clone()));
                }
                self.write_status()?;
                if let (true, Some(round)) = (standing.home, standing.void) {
                    let chain_id = standing.chain_id;
                    self.end = Some(End::Voided { round, chain_id });
                }
            }
        }
        Ok(())
    }

    fn noted(&self, change: impl FnOnce(&mut Book)) {
        if let Some(book) = &self.book {
            book.send_modify(change);
        }
    }

    /// Where each chain stands, the home chain first.
    fn chains(&self) -> Vec<Standing> {
        let mut chains: Vec<Standing> = self.standings.values().cloned().collect();
        chains.sort_by_key(|standing| (!standing.home, standing.chain_id));
        chains
    }

    fn write_status(&mut self) -> Result<(), CoordinateError> {
        let chains = self.chains();
        self.files.status(&self.report.status(&self.machine, chains))
    }

    /// After the last round: what can be done on the chains at once is done; what must wait is said.
    async fn settle_down(
        &mut self,
        tasks: &mut JoinSet<()>,
        answers: &mut mpsc::UnboundedReceiver<Answer>,
    ) -> Result<(), CoordinateError> {
        self.book = None;
        let all = async { while tasks.join_next().await.is_some() {} };
        // What isn't done by then is `xfl settle`'s.
        let _ = tokio::time::timeout(SETTLING, all).await;
        while let Ok(answer) = answers.try_recv() {
            self.answered(answer)?;
        }
        Ok(())
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
                    let node = crate::identity::NodeId(joined.binding.node_key);
                    self.noted(|book| {
                        book.joined.retain(|(known, _)| *known != node);
                        book.joined.push((node, *joined));
                    });
                }
                Output::Post { header, signatures } => {
                    self.noted(|book| book.pending = Some(Signed { header, signatures }));
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
        if matches!(entry, Entry::Posted { .. }) {
            self.noted(|book| book.rounds.extend(book.pending.take()));
        }
        for event in self.report.entry(entry, &self.machine) {
            if let Event::RoundDone(metrics) = &event {
                self.files.round(metrics, self.machine.rounds(), &self.tensors)?;
                self.journal.forget(b"shares")?;
            }
            (self.tell)(event);
        }
        self.write_status()
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
