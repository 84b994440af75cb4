//! The institution's shell: connects, and again when the connection breaks; trains, protects, remembers; performs what
//! [`crate::institution`] decides.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use tokio::sync::{mpsc, watch};
use xfl_settlement::payout::PayoutKey;

use super::{
    endpoint::TransportLimits,
    entropy,
    journal::{Journal, JournalError},
    peer::{CloseCode, CloseReason, Connection, Dialer, LinkLimits, backoff},
    protect::{Practice, ProtectError},
    refused::{self, REFUSED},
    settle,
    tls::TlsError,
};
use crate::{
    challenge::refused,
    identity::{NodeId, NodeKey},
    institution::{Identity, Institution, InstitutionError, Note, Output, Release, Wish},
    message::{Envelope, decode, encode},
    plan::Plan,
    transcript::{Entry, Head},
};

pub use super::peer::ConnectError;

const MASKED: &[u8] = b"masked attempt";

/// File of an institution's directory with the receipts that it holds, a line each.
pub const RECEIPTS: &str = "receipts.jsonl";

/// What an institution runs with.
pub struct Setup {
    /// Its state directory: journal and its own copy of the transcript.
    pub dir: PathBuf,
    /// Where the coordinator listens.
    pub coordinator: SocketAddr,
    /// The coordinator's public key.
    pub coordinator_key: NodeId,
    /// The institution's node key.
    pub key: Arc<NodeKey>,
    /// The key that signs headers and receives rewards.
    pub payout: PayoutKey,
    /// Chain on which rewards are wanted; the federation's home chain where absent.
    pub payout_chain: Option<u64>,
    /// How long to go on trying to connect.
    pub patience: Duration,
}

/// Something worth telling.
#[derive(Clone, Debug)]
pub enum Event {
    /// Connected.
    Connected,
    /// The connection broke; it is tried again.
    Disconnected(String),
    /// Agreed to a plan.
    Joined {
        /// The federation's name.
        name: String,
        /// Rounds planned.
        rounds: u64,
    },
    /// Training began.
    Training {
        /// The round.
        round: u64,
    },
    /// An update is protected and on its way.
    Protected {
        /// The round.
        round: u64,
        /// Seconds of training and protection.
        seconds: f64,
    },
    /// A round was checked and signed.
    Signed {
        /// The round.
        round: u64,
        /// Own score, parts per million.
        score: Option<i64>,
    },
    /// A round wasn't signed; what was shown is kept in [`REFUSED`].
    Refused {
        /// The round.
        round: u64,
    },
    /// Couldn't take part in a round.
    Declined {
        /// The round.
        round: u64,
        /// Why.
        reason: String,
    },
}

/// How taking part ended.
#[derive(Debug)]
pub struct Summary {
    /// Rounds that are finished and posted, as verified.
    pub finished: u64,
    /// Own score, summed over rounds, parts per million.
    pub score: i64,
    /// Tokens earned.
    pub earned: u128,
    /// Rounds in which this institution had to decline.
    pub declined: u64,
    /// Whether it was told to stop before the end.
    pub stopped: bool,
}

/// Why an institution stops.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// TLS can't be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The coordinator can't be reached, or refuses.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The same key is used elsewhere.
    #[error("another process joined with this node key; one key, one process")]
    Replaced,
    /// The coordinator doesn't keep to the protocol.
    #[error(transparent)]
    Protocol(#[from] InstitutionError),
    /// What the institution won't agree to.
    #[error("{0}")]
    Plan(String),
    /// The federation is finished, and its noise can't be forgotten.
    #[error("the federation is finished, and the noise of mode dp-ftrl can't be removed: {0}; remove the file by hand")]
    Noise(ProtectError),
    /// Files.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What happened.
        source: std::io::Error,
    },
}

type Sends = mpsc::UnboundedSender<(Practice, Trained)>;
type Receives = mpsc::UnboundedReceiver<(Practice, Trained)>;
type Trained = ((u64, u32), Result<Release, ProtectError>, f64);

/// Takes part until the federation is finished; `practice` is made once the plan is known, and may refuse it.
///
/// # Errors
/// [`JoinError`]; what was released and charged stays on record, and joining again goes on from there.
pub async fn run<P, T>(
    setup: Setup,
    practice: P,
    mut stop: watch::Receiver<bool>,
    tell: T,
) -> Result<Summary, JoinError>
where
    P: FnOnce(&Plan, &crate::transcript::Genesis) -> Result<Practice, String> + Send,
    T: FnMut(Event),
{
    super::private_dir(&setup.dir).map_err(|source| JoinError::File {
        path: setup.dir.clone(),
        source,
    })?;
    let journal = Journal::open(&setup.dir.join("institution.redb"))?;
    let mut shell = Shell::open(setup, journal, practice, tell)?;
    if shell.machine.rounds().is_some_and(crate::round::Rounds::all_done) {
        // Started again after the end: everything is on record already.
        return Ok(shell.summary(false));
    }
    let mut attempt = 0;
    let mut waited = Duration::ZERO;
    let dialer = {
        // Enough for any plan: what a coordinator may send is bounded again by what a plan's round needs.
        let link = LinkLimits::for_messages_up_to(1 << 30);
        Dialer::new(shell.setup.key.clone(), link, TransportLimits::default())?
    };
    loop {
        let deadline = Duration::from_secs(10);
        match dialer
            .connect(shell.setup.coordinator, shell.setup.coordinator_key, deadline)
            .await
        {
            Ok(connection) => {
                (attempt, waited) = (0, Duration::ZERO);
                (shell.tell)(Event::Connected);
                match shell.serve(connection, &mut stop).await? {
                    Served::Finished => return Ok(shell.summary(false)),
                    Served::Stopped => return Ok(shell.summary(true)),
                    Served::Broken(reason) => {
                        (shell.tell)(Event::Disconnected(reason));
                        shell.machine.disconnected();
                    }
                }
            }
            Err(error) if error.is_transient() && waited < shell.setup.patience => {}
            Err(error) => return Err(error.into()),
        }
        let mut rng = entropy::generator().map_err(|source| JoinError::File {
            path: "entropy".into(),
            source,
        })?;
        let pause = backoff::delay(attempt, Duration::from_millis(100), Duration::from_secs(5), &mut rng);
        attempt = attempt.saturating_add(1);
        waited += pause;
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stop.changed() => if *stop.borrow() { return Ok(shell.summary(true)) }
        }
    }
}

enum Served {
    Finished,
    Stopped,
    Broken(String),
}

struct Shell<P, T> {
    setup: Setup,
    journal: Journal,
    machine: Institution,
    make: Option<P>,
    practice: Option<Practice>,
    tell: T,
    declined: u64,
    finished: bool,
    trained: (Sends, Receives),
}

impl<P, T> Shell<P, T>
where
    P: FnOnce(&Plan, &crate::transcript::Genesis) -> Result<Practice, String> + Send,
    T: FnMut(Event),
{
    fn open(setup: Setup, journal: Journal, make: P, tell: T) -> Result<Self, JoinError> {
        let io = |source| JoinError::File {
            path: setup.dir.clone(),
            source,
        };
        let identity = Identity {
            node: setup.key.clone(),
            payout: setup.payout.clone(),
            payout_chain: setup.payout_chain,
            rng: Box::new(entropy::generator().map_err(io)?),
        };
        let (mut notes, mut receipts, mut copy) = (Vec::new(), Vec::new(), Vec::new());
        for record in journal.records()? {
            let note = decode::<Note>(&record).map_err(InstitutionError::from)?;
            match &note {
                Note::Receipt(envelope) => receipts.push(envelope.clone()),
                Note::Genesis(genesis) => copy.extend(Head::START.append(&Entry::Genesis(genesis.clone())).0),
                Note::Verified(frames) => copy.extend(frames),
                _ => {}
            }
            notes.push(note);
        }
        if let Some(masked) = journal.kept(MASKED)? {
            notes.push(decode::<Note>(&masked).map_err(InstitutionError::from)?);
        }
        let machine = Institution::restore(identity, setup.coordinator_key, notes)?;
        let (make, practice, trained) = (Some(make), None, mpsc::unbounded_channel());
        let shell = Self {
            setup,
            journal,
            machine,
            make,
            practice,
            tell,
            declined: 0,
            finished: false,
            trained,
        };
        // Both anew from the journal: a crash may have come between it and the files.
        let path = shell.setup.dir.join("transcript.xfl");
        if !copy.is_empty() && std::fs::read(&path).ok().as_ref() != Some(&copy) {
            std::fs::write(&path, copy).map_err(|source| JoinError::File { path, source })?;
        }
        let lines: String = receipts
            .iter()
            .filter_map(|envelope| shell.receipt_line(envelope))
            .collect();
        if !lines.is_empty() {
            let path = shell.setup.dir.join(RECEIPTS);
            std::fs::write(&path, lines).map_err(|source| JoinError::File { path, source })?;
        }
        Ok(shell)
    }

    async fn serve(
        &mut self,
        mut connection: Connection,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<Served, JoinError> {
        loop {
            if let Some(reason) = self.perform(&connection).await? {
                return Ok(Served::Broken(reason));
            }
            if self.finished {
                connection.close(Duration::from_secs(2)).await;
                return Ok(Served::Finished);
            }
            tokio::select! {
                message = connection.recv() => match message {
                    Ok(bytes) => if let Err(error) = self.machine.order(&bytes) {
                        if let Err(lost) = self.keep_refused(&bytes) {
                            tracing::error!(%lost, "what was refused couldn't be kept");
                        }
                        return Err(error.into());
                    },
                    Err(CloseReason::Peer(CloseCode::Replaced)) => return Err(JoinError::Replaced),
                    Err(CloseReason::Peer(CloseCode::Malformed)) => {
                        let what = "the coordinator closed the connection: it didn't accept a message of ours";
                        return Err(InstitutionError::RefusedByCoordinator(what.into()).into());
                    }
                    Err(reason) => return Ok(Served::Broken(reason.to_string())),
                },
                Some((practice, trained)) = self.trained.1.recv() => {
                    self.practice = Some(practice);
                    self.take(trained)?;
                }
                _ = stop.changed() => if *stop.borrow() {
                    connection.close(Duration::from_secs(2)).await;
                    return Ok(Served::Stopped);
                }
            }
        }
    }

    fn take(&mut self, (at, result, seconds): Trained) -> Result<(), JoinError> {
        match result {
            Ok(release) => {
                (self.tell)(Event::Protected { round: at.0, seconds });
                self.machine.trained(at, release)?;
            }
            Err(error) => {
                self.declined += 1;
                (self.tell)(Event::Declined {
                    round: at.0,
                    reason: error.to_string(),
                });
                self.machine.untrained(at);
            }
        }
        Ok(())
    }

    /// Performs what the machine asks for; a reason if the connection broke on the way.
    async fn perform(&mut self, connection: &Connection) -> Result<Option<String>, JoinError> {
        let mut broken = None;
        while let Some(output) = self.machine.poll() {
            match output {
                Output::Remember(note) => self.remember(&note)?,
                Output::Send(parcel) => {
                    if broken.is_none() {
                        broken = connection.send(parcel.encode()).await.err().map(|e| e.to_string());
                    }
                }
                Output::Train(wish) => self.train(wish),
                Output::Signed { round, score } => (self.tell)(Event::Signed { round, score }),
                Output::Finished => {
                    self.finished = true;
                    if let Some(practice) = &mut self.practice {
                        practice
                            .finished()
                            .map_err(ProtectError::from)
                            .map_err(JoinError::Noise)?;
                    }
                }
            }
        }
        Ok(broken)
    }

    fn remember(&mut self, note: &Note) -> Result<(), JoinError> {
        match note {
            // Secrets of an attempt replace those of the one before: nothing of a past round can be opened later.
            Note::Masked(_) => self.journal.keep(MASKED, &encode(note))?,
            Note::Genesis(genesis) => {
                if let Some(plan) = self.machine.plan() {
                    settle::check_contracts(plan, genesis).map_err(|error| JoinError::Plan(error.to_string()))?;
                }
                self.agree(genesis)?;
                self.journal.append(&encode(note))?;
                let plan = self.machine.plan();
                let (name, rounds) = plan
                    .map(|p| (p.terms().federation.name.clone(), p.terms().rounds.count))
                    .unwrap_or_default();
                let frame = Head::START
                    .append(&crate::transcript::Entry::Genesis(genesis.clone()))
                    .0;
                self.copy(&frame)?;
                (self.tell)(Event::Joined { name, rounds });
            }
            Note::Verified(frames) => {
                self.journal.append(&encode(note))?;
                self.copy(frames)?;
            }
            Note::Receipt(envelope) => {
                self.journal.append(&encode(note))?;
                if let Some(line) = self.receipt_line(envelope) {
                    self.append(RECEIPTS, line.as_bytes())?;
                }
            }
            _ => self.journal.append(&encode(note))?,
        }
        Ok(())
    }

    /// A receipt as a line of JSON, for whoever takes it to a contract.
    fn receipt_line(&self, envelope: &Envelope) -> Option<String> {
        let receipt = self.machine.receipt_in(envelope)?;
        Some(serde_json::to_string(&receipt).ok()? + "\n")
    }

    /// Appends to the institution's own copy of the transcript.
    fn copy(&self, frames: &[u8]) -> Result<(), JoinError> {
        self.append("transcript.xfl", frames)
    }

    /// Keeps what was refused, if it tells of rounds: whoever can be shown it can be held to it.
    fn keep_refused(&mut self, message: &[u8]) -> Result<(), JoinError> {
        let Some(beginning) = self.machine.rounds().map(crate::round::Rounds::beginning) else {
            return Ok(());
        };
        let copy = self.setup.dir.join("transcript.xfl");
        let copy = std::fs::read(&copy).map_err(|source| JoinError::File { path: copy, source })?;
        if let Some((round, transcript)) = refused(message, self.setup.coordinator_key, beginning, &copy) {
            let path = self.setup.dir.join(REFUSED);
            refused::keep(&self.setup.dir, &transcript).map_err(|source| JoinError::File { path, source })?;
            (self.tell)(Event::Refused { round });
        }
        Ok(())
    }

    fn append(&self, name: &str, frames: &[u8]) -> Result<(), JoinError> {
        use std::io::Write;
        let path = self.setup.dir.join(name);
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&path);
        file.and_then(|mut f| f.write_all(frames))
            .map_err(|source| JoinError::File { path, source })
    }

    /// Makes the practice that the plan asks for, or refuses the plan before anything is promised.
    fn agree(&mut self, genesis: &crate::transcript::Genesis) -> Result<(), JoinError> {
        if let (Some(make), Some(plan)) = (self.make.take(), self.machine.plan()) {
            self.practice = Some(make(plan, genesis).map_err(JoinError::Plan)?);
        }
        Ok(())
    }

    fn train(&mut self, wish: Wish) {
        let (round, attempt) = wish.charge;
        if self.practice.is_none() {
            // After a restart the plan is remembered rather than heard.
            let genesis = self.machine.rounds().map(|r| r.genesis().clone());
            if let Some(genesis) = genesis
                && let Err(error) = self.agree(&genesis)
            {
                let reason = error.to_string();
                self.declined += 1;
                self.machine.untrained((round, attempt));
                return (self.tell)(Event::Declined { round, reason });
            }
        }
        let Some(mut practice) = self.practice.take() else {
            return;
        };
        (self.tell)(Event::Training { round });
        let done = self.trained.0.clone();
        tokio::task::spawn_blocking(move || {
            let began = std::time::Instant::now();
            let result = practice.release(&wish);
            // The shell may be gone already; then nobody needs the result.
            let _ = done.send((practice, ((round, attempt), result, began.elapsed().as_secs_f64())));
        });
    }

    fn summary(&self, stopped: bool) -> Summary {
        let rounds = self.machine.rounds();
        let id = self.machine.id();
        Summary {
            finished: rounds.map_or(0, crate::round::Rounds::finished),
            score: rounds.and_then(|r| r.scores().get(&id).copied()).unwrap_or_default(),
            earned: rounds.map_or(0, |r| r.ledger().earned(&id.0)),
            declined: self.declined,
            stopped,
        }
    }
}
