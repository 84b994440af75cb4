//! An institution without sockets, disk or clock: the coordinator's orders in, reports out.
//!
//! **Driver's contract.** Call [`Institution::order`] with what arrives, [`Institution::trained`] or
//! [`Institution::untrained`] when an [`Output::Train`] is done, and perform [`Output`]s from [`Institution::poll`] in order:
//! a [`Output::Remember`] must be on disk before what follows is sent. After a crash, [`Institution::restore`] with the
//! remembered notes answers as before: the same bytes, never a second release for one charge, never a second opening,
//! never two headers for one round.
//!
//! **Claim.** The institution believes nothing that it can compute: it replays the transcript that it is asked to sign with
//! the coordinator's own rules ([`Rounds`]), finds its own update in it, and signs the header that follows. It keeps its
//! own copy of the transcript. What it can't check are the values of models on held-out data that only the coordinator and the
//! auditor have; that scores and rewards follow from the values told, it does ([`crate::transcript::Scored::values`]).

mod check;
mod masked;
mod memory;

use std::{collections::VecDeque, sync::Arc};

use rand_core::CryptoRng;
use xfl_settlement::{binding::Binding, payout::PayoutKey};

use crate::{
    identity::{NodeId, NodeKey},
    message::{Beginning, Commit, Envelope, Join, MessageError, Order, Parcel, Report, Upload, Welcome},
    plan::Plan,
    round::{RoundError, Rounds, join::BINDING_DOMAIN},
    transcript::{Contracts, Genesis, TranscriptError},
    update,
};

use self::memory::Memory;
pub use self::memory::{Note, Release};

/// What the driver must do, in this order.
#[derive(Debug)]
pub enum Output {
    /// Keep durably before anything that follows.
    Remember(Note),
    /// Send to the coordinator.
    Send(Parcel),
    /// Train on these parameters, protect the update and call [`Institution::trained`].
    Train(Wish),
    /// A round was checked and signed.
    Signed {
        /// The round.
        round: u64,
        /// Own score in it, parts per million.
        score: Option<i64>,
    },
    /// The federation is finished.
    Finished,
}

/// A training that is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Wish {
    /// Its round, and the attempt that the budget is charged for; always 0 but for masked rounds. (In mode dp-ftrl another attempt repeats the
    /// round's integers at no further charge.)
    pub charge: (u64, u32),
    /// The global model's parameters.
    pub model: Vec<f32>,
    /// The round's clip norm over the plan's.
    pub scale: f64,
    /// Heads that this node's budget file had when it made releases: it must know them still.
    pub seen: Vec<[u8; 32]>,
    /// Whether a commitment for this charge was signed by this node before, and what it committed to is lost: another draw would be another
    /// release under the same charge.
    pub drawn: bool,
}

/// Why an institution stops.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum InstitutionError {
    /// Not the coordinator's message.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// A transcript that breaks.
    #[error(transparent)]
    Transcript(#[from] TranscriptError),
    /// A round that doesn't follow from the plan.
    #[error("the coordinator's round doesn't follow: {0}")]
    Round(#[from] RoundError),
    /// The coordinator asks for something this institution won't do.
    #[error("refused: {0}")]
    Refused(String),
    /// The coordinator began anew.
    #[error("the coordinator tells of another beginning than before: it began a new run")]
    AnotherRun,
    /// The coordinator's round isn't what this institution knows it to be, and doesn't get its signature.
    #[error("the coordinator's round isn't signed: {0}")]
    WontSign(String),
    /// The federation doesn't pay there.
    #[error("this federation pays on chains {chains}, not on {wanted}")]
    PayoutChain {
        /// Wanted by the operator.
        wanted: u64,
        /// Those of the federation.
        chains: String,
    },
    /// The coordinator won't have us.
    #[error("the coordinator refuses: {0}")]
    RefusedByCoordinator(String),
}

/// The keys that an institution acts with, and its source of randomness.
pub struct Identity {
    /// Signs messages.
    pub node: Arc<NodeKey>,
    /// Signs headers and receives rewards.
    pub payout: PayoutKey,
    /// Chain on which it wants its rewards; the home chain where absent. It stays what it was when the institution joined.
    pub payout_chain: Option<u64>,
    /// Fresh entropy; never the same after a restart.
    pub rng: Box<dyn CryptoRng + Send>,
}

/// A training under way or to come: round and attempt charged for, and the model.
struct Training {
    charge: (u64, u32),
    root: [u8; 32],
    model: Vec<f32>,
    scale: f64,
}

/// A live institution.
pub struct Institution {
    identity: Identity,
    coordinator: NodeId,
    rounds: Option<Rounds>,
    memory: Memory,
    training: Option<Training>,
    next: Option<Training>,
    /// What the coordinator showed of this node's last commitment.
    seen: Option<((u64, u32), [u8; 32])>,
    masked: masked::Masked,
    outputs: VecDeque<Output>,
}

impl Institution {
    /// An institution that remembers `notes`; none if it never ran.
    ///
    /// # Errors
    /// Notes that don't follow from each other.
    pub fn restore(
        identity: Identity,
        coordinator: NodeId,
        notes: impl IntoIterator<Item = Note>,
    ) -> Result<Self, InstitutionError> {
        let memory = Memory::default();
        let masked = masked::Masked::default();
        let mut this = Self {
            identity,
            coordinator,
            rounds: None,
            memory,
            training: None,
            next: None,
            seen: None,
            masked,
            outputs: VecDeque::new(),
        };
        for note in notes {
            this.recall(note)?;
        }
        Ok(this)
    }

    /// The federation's state as this institution verified it.
    pub fn rounds(&self) -> Option<&Rounds> {
        self.rounds.as_ref()
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// This institution's node id.
    pub fn id(&self) -> NodeId {
        self.identity.node.node_id()
    }

    /// The connection is gone: what was asked over it will be asked again.
    pub fn disconnected(&mut self) {
        self.masked.disconnected();
    }

    /// Bytes from the coordinator.
    ///
    /// # Errors
    /// [`InstitutionError`]: the coordinator doesn't keep to the protocol, and the institution won't go on with it.
    pub fn order(&mut self, bytes: &[u8]) -> Result<(), InstitutionError> {
        let parcel = Parcel::decode(bytes)?;
        let envelope = &parcel.envelope;
        if envelope.sender != self.coordinator {
            return Err(MessageError::Sender {
                expected: self.coordinator,
                got: envelope.sender,
            }
            .into());
        }
        // Before the first greeting no run is known: the greeting tells its beginning, and has to be of it.
        let beginning = self.rounds.as_ref().map_or(envelope.beginning, Rounds::beginning);
        if envelope.beginning != beginning {
            return Err(InstitutionError::AnotherRun);
        }
        let order: Order = envelope.open(beginning)?;
        let at = (envelope.round, envelope.attempt);
        let asks = !matches!(
            order,
            Order::Welcome(_)
                | Order::Receipt { .. }
                | Order::Statement { .. }
                | Order::Done { .. }
                | Order::Refused(_)
        );
        if asks && self.stale(at) {
            return Ok(());
        }
        match order {
            Order::Welcome(welcome) => self.welcomed(&welcome, envelope.beginning),
            Order::Begin { model, cohort, scale } => {
                self.begin(at, model, &cohort, f64::from_bits(scale), &parcel.attachment)
            }
            Order::Reveal { commitments, have } => self.reveal(at, &commitments, &have),
            Order::Keys(advertisements) => self.keys(at, &advertisements),
            Order::Dealt { lists, shares, have } => self.dealt(at, &lists, shares, have),
            Order::Survivors(commitments) => self.survivors(at, &commitments),
            Order::Opening(agreements) => self.opening(at, &agreements),
            Order::Statement { header, from } => self.statement(at, &header, from, &parcel.attachment),
            Order::Receipt { root, signature } => self.receipt(at, root, signature, &parcel.envelope),
            Order::Done { from } => self.done(from, &parcel.attachment),
            Order::Refused(reason) => Err(InstitutionError::RefusedByCoordinator(reason)),
        }
    }

    /// Training is done and the update is protected.
    ///
    /// # Errors
    /// [`InstitutionError::Refused`] if the release is not what was asked for.
    pub fn trained(&mut self, at: (u64, u32), release: Release) -> Result<(), InstitutionError> {
        let trained = self.training.take_if(|t| t.charge == at);
        let Some(Training { root: model, .. }) = trained else {
            return refuse(format!(
                "an update for round {} attempt {} that nobody asked for",
                at.0, at.1
            ));
        };
        self.train_next();
        let d = self.rounds_ref()?.update_len();
        if release.values.len() != d {
            return refuse(format!("an update of {} values, expected {d}", release.values.len()));
        }
        let note = Note::Release {
            round: at.0,
            attempt: at.1,
            model,
            release,
        };
        self.remember(note)?;
        if self.rounds_ref()?.plan().masked() {
            return self.mask_if_ready(at);
        }
        self.send_commit(at.0)
    }

    /// Training or protection failed: the round goes on without this institution.
    pub fn untrained(&mut self, at: (u64, u32)) {
        self.training.take_if(|t| t.charge == at);
        self.train_next();
        let masked = self.plan().is_some_and(Plan::masked);
        // What was asked since then is another matter.
        let Some(asked) = self
            .memory
            .asked
            .filter(|a| if masked { *a == at } else { a.0 == at.0 })
        else {
            return;
        };
        // Why is the institution's own affair: it may depend on its data, or on what it spent elsewhere.
        self.report(asked, &Report::Decline(DECLINED.into()));
    }

    /// Starts what was asked for while another training was under way.
    fn train_next(&mut self) {
        if let Some(next) = self.next.take() {
            self.train(next);
        }
    }

    /// Trains now, or when what is under way is done: one at a time, the latest wish counts.
    fn train(&mut self, wish: Training) {
        match &self.training {
            Some(now) if now.charge == wish.charge => self.next = None,
            Some(_) => self.next = Some(wish),
            None => {
                let own = self.rounds.as_ref().and_then(|r| r.spent().get(&self.id()));
                let shown = self.seen.map(|(_, head)| head);
                let seen = own
                    .map(|spent| spent.head)
                    .into_iter()
                    .chain(shown)
                    .chain(self.memory.heads());
                let masked = self.plan().is_some_and(Plan::masked);
                let before = |at: (u64, u32)| (at.0, if masked { at.1 } else { 0 }) == wish.charge;
                self.outputs.push_back(Output::Train(Wish {
                    charge: wish.charge,
                    model: wish.model.clone(),
                    scale: wish.scale,
                    seen: seen.collect(),
                    drawn: self.seen.is_some_and(|(at, _)| before(at)),
                }));
                self.training = Some(Training {
                    model: Vec::new(),
                    ..wish
                });
            }
        }
    }

    /// Whether an order is about an attempt that is over, by what is known here: it was delayed on its way.
    fn stale(&self, at: (u64, u32)) -> bool {
        let finished = self.rounds.as_ref().is_some_and(|r| at.0 <= r.finished());
        finished || self.memory.asked.max(self.masked.at()).is_some_and(|known| at < known)
    }

    fn welcomed(&mut self, welcome: &Welcome, said_of: Beginning) -> Result<(), InstitutionError> {
        let genesis: Genesis = crate::message::decode(&welcome.genesis)?;
        if genesis.beginning() != said_of {
            return refuse("greeted with another beginning than the one that the greeting is of".into());
        }
        match &self.rounds {
            Some(rounds) if rounds.beginning() != said_of => return Err(InstitutionError::AnotherRun),
            Some(_) => {}
            None => {
                let rounds = Rounds::begin(genesis.clone())?;
                if rounds.plan().terms().federation.coordinator != self.coordinator {
                    return refuse("the plan names another coordinator".into());
                }
                if rounds.member(&self.id()).is_none() {
                    return refuse(format!("the plan's members don't include this node, {}", self.id()));
                }
                self.payout_chain(&genesis)?;
                self.remember(Note::Genesis(Box::new(genesis)))?;
            }
        }
        if let Some(envelope) = &welcome.seen {
            match envelope.open::<Report>(self.rounds_ref()?.beginning())? {
                Report::Commit(commit) if envelope.sender == self.id() => {
                    self.seen = Some(((envelope.round, envelope.attempt), commit.budget_head));
                }
                _ => return refuse("shown a commitment of this node's that it never made".into()),
            }
        }
        let join = self.join()?;
        self.report((0, 0), &Report::Join(join));
        Ok(())
    }

    /// Where the institution wants to be paid, if the federation pays there.
    fn payout_chain(&self, genesis: &Genesis) -> Result<u64, InstitutionError> {
        let wanted = self.identity.payout_chain.unwrap_or(genesis.contracts.chain_id);
        if genesis.chains().any(|chain| chain.chain_id == wanted) {
            return Ok(wanted);
        }
        let chains: Vec<String> = genesis.chains().map(|chain| chain.chain_id.to_string()).collect();
        Err(InstitutionError::PayoutChain {
            wanted,
            chains: chains.join(", "),
        })
    }

    fn join(&self) -> Result<Join, InstitutionError> {
        let rounds = self.rounds_ref()?;
        let genesis = rounds.genesis();
        let joined = rounds.joined().get(&self.id()).map(|joined| joined.binding.chain_id);
        let chain_id = match joined {
            Some(chain_id) => chain_id,
            None => self.payout_chain(genesis)?,
        };
        let binding = Binding {
            federation: rounds.plan().federation().0,
            node_key: self.id().0,
            payout: self.identity.payout.account(),
            chain_id,
            nonce: 1,
            expiry: u64::MAX,
        };
        let sign = |chain: &Contracts| -> Result<_, InstitutionError> {
            let domain = chain.registry_domain(binding.federation);
            let payout = binding
                .sign(&domain, &self.identity.payout)
                .map_err(|e| InstitutionError::Refused(e.to_string()))?;
            let node = self.identity.node.sign(BINDING_DOMAIN, &binding.digest(&domain));
            Ok((payout, node))
        };
        let (payout_signature, node_signature) = sign(&genesis.contracts)?;
        let mirrors = genesis.mirrors.iter().map(sign).collect::<Result<_, _>>()?;
        let height = rounds.head().height;
        Ok(Join {
            binding,
            payout_signature,
            node_signature,
            mirrors,
            height,
        })
    }

    fn begin(
        &mut self,
        at: (u64, u32),
        model: [u8; 32],
        cohort: &[NodeId],
        scale: f64,
        bytes: &[u8],
    ) -> Result<(), InstitutionError> {
        let rounds = self.rounds_ref()?;
        check::begun(rounds, at, cohort, scale)?;
        if self
            .memory
            .scale
            .is_some_and(|(round, known)| round == at.0 && known != scale)
        {
            return refuse(format!("told of two clip norms for round {}", at.0));
        }
        let masked = rounds.plan().masked();
        let d = self.rounds_ref()?.model().len();
        if *blake3::hash(bytes).as_bytes() != model || bytes.len() != 4 * d {
            return refuse(format!(
                "a model of {} bytes, expected {} with the announced hash",
                bytes.len(),
                4 * d
            ));
        }
        if !cohort.contains(&self.id()) {
            return refuse("asked to train for a cohort that it isn't in".into());
        }
        if self
            .memory
            .trained_on
            .is_some_and(|(round, known)| round == at.0 && known != model)
        {
            return refuse(format!("told of two models for round {}", at.0));
        }
        self.memory.asked = Some(at);
        self.memory.scale = Some((at.0, scale));
        self.memory.trained_on = Some((at.0, model));
        if masked {
            self.advertise(at, cohort)?;
        }
        let charge = (at.0, if masked { at.1 } else { 0 });
        if self.memory.release(charge).is_some() {
            return if masked {
                self.mask_if_ready(at)
            } else {
                self.send_commit(at.0)
            };
        }
        let parameters: Vec<f32> = bytes
            .as_chunks::<4>()
            .0
            .iter()
            .map(|b| f32::from_le_bytes(*b))
            .collect();
        if !parameters.iter().all(|v| v.is_finite()) {
            return refuse("a model that isn't finite".into());
        }
        self.train(Training {
            charge,
            root: model,
            model: parameters,
            scale,
        });
        Ok(())
    }

    /// Commits to the round's release, for the attempt that was asked last.
    fn send_commit(&mut self, round: u64) -> Result<(), InstitutionError> {
        let Some(at) = self.memory.asked.filter(|at| at.0 == round) else {
            return Ok(());
        };
        if let Some(release) = self.memory.release((round, 0)) {
            let commit = commit_of(release, at, release.root(at));
            self.report(at, &Report::Commit(commit));
        }
        Ok(())
    }

    fn reveal(&mut self, at: (u64, u32), commitments: &[Envelope], have: &[u32]) -> Result<(), InstitutionError> {
        let Some(release) = self.memory.release((at.0, 0)) else {
            return refuse("asked to show an update that was never made".into());
        };
        let rounds = self.rounds_ref()?;
        if rounds.plan().masked() {
            return refuse("asked for an update in the clear in a masked federation".into());
        }
        check::commitments(rounds, at, commitments)?;
        if !commitments.iter().any(|e| e.sender == self.id()) {
            return refuse("asked to show an update before its commitment counts".into());
        }
        let parts: Vec<Upload> = (0..update::parts(release.values.len()))
            .filter(|part| !have.contains(part))
            .map(|part| {
                let start = part as usize * update::PART;
                let end = start + update::part_len(release.values.len(), part);
                Upload {
                    part,
                    salt_key: release.salt_key(at),
                    values: release.values[start..end].to_vec(),
                }
            })
            .collect();
        for upload in parts {
            self.report(at, &Report::Upload(upload));
        }
        Ok(())
    }

    fn report(&mut self, at: (u64, u32), report: &Report) {
        self.report_with(at, report, Vec::new());
    }

    fn report_with(&mut self, at: (u64, u32), report: &Report, attachment: Vec<u8>) {
        let Some(rounds) = &self.rounds else { return };
        let envelope = Envelope::seal(&self.identity.node, rounds.beginning(), at.0, at.1, report);
        self.outputs.push_back(Output::Send(Parcel { envelope, attachment }));
    }

    /// The plan that this institution agreed to.
    pub fn plan(&self) -> Option<&Plan> {
        self.rounds.as_ref().map(Rounds::plan)
    }
}

/// All that a coordinator is told of why an institution can't take part.
const DECLINED: &str = "training or protection failed";

fn commit_of(release: &Release, at: (u64, u32), root: [u8; 32]) -> Commit {
    let salt_hash = update::salt_hash(&release.salt_key(at));
    Commit {
        root,
        salt_hash,
        protected: release.protected,
        charged: release.charged,
        budget_head: release.budget_head,
    }
}

/// Of a round that isn't so.
fn wont_sign<T>(what: String) -> Result<T, InstitutionError> {
    Err(InstitutionError::WontSign(what))
}

fn refuse<T>(what: String) -> Result<T, InstitutionError> {
    Err(InstitutionError::Refused(what))
}
