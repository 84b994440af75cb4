//! The coordinator without sockets, disk or clock: inputs in, outputs out.
//!
//! **Driver's contract.** Call [`Coordinator::connected`], [`disconnected`](Coordinator::disconnected),
//! [`message`](Coordinator::message), [`posted`](Coordinator::posted) and [`tick`](Coordinator::tick) as things happen, then
//! take [`Output`]s from [`Coordinator::poll`] until there are none, performing each before the next: an
//! [`Output::Journal`] must be on disk before what follows it is sent. Call `tick` at the latest at
//! [`Coordinator::wake`]. After a crash, [`Coordinator::restore`] from the journaled entries goes on inside the round;
//! members that connect again are asked again for what is still missing.
//!
//! **Guarantees.** A stage ends when everybody answered, or when a quorum did and the rest declined, is gone for the
//! plan's grace, or the stage's time is over. Without a quorum the attempt is abandoned, and after the plan's number of
//! attempts the job fails. A peer that breaks the protocol is dropped, and the round goes on.

mod request;
mod sealed;
mod step;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use xfl_settlement::{
    payout::{self, PayoutKey},
    statement::RoundHeader,
};

use crate::{
    identity::{NodeId, NodeKey},
    message::{Envelope, Parcel, Report},
    round::{Joined, Phase, Referee, RoundError, Rounds},
    transcript::{Entry, Head},
};

/// Milliseconds since 1970.
pub type Millis = u64;

/// What the driver must do, in this order.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Append to the journal, durably, before anything that follows.
    Journal {
        /// The entry.
        entry: Entry,
        /// Its frame.
        frame: Vec<u8>,
    },
    /// Keep sealed shares until the round is over: they are relayed, and stay out of the transcript.
    Keep {
        /// Their round and attempt.
        at: (u64, u32),
        /// Their dealer.
        dealer: NodeId,
        /// The shares.
        sealed: Vec<u8>,
    },
    /// Send to a connected peer.
    Send {
        /// Whom.
        to: NodeId,
        /// What.
        parcel: Parcel,
    },
    /// Send with the journal's frames from entry `from` attached.
    SendTranscript {
        /// Whom.
        to: NodeId,
        /// The signed part.
        envelope: Envelope,
        /// Number of the first entry to attach.
        from: u64,
    },
    /// Close a peer's connection.
    Drop {
        /// Whose.
        peer: NodeId,
        /// Why, for the log and the peer.
        reason: String,
    },
    /// Admit a member's binding on the chain (idempotent).
    Admit(Box<Joined>),
    /// Post a round on the chain (idempotent), then call [`Coordinator::posted`].
    Post {
        /// The header.
        header: RoundHeader,
        /// Members' signatures.
        signatures: Vec<payout::Signature>,
    },
    /// Add the plan's noise to [`Rounds::clear_sum`], then call [`Coordinator::noised`], or [`Coordinator::unnoised`].
    Noise,
    /// All rounds are finished.
    Finished,
    /// The job failed for want of a quorum.
    Failed(String),
}

/// The live coordinator.
pub struct Coordinator {
    rounds: Rounds,
    key: Arc<NodeKey>,
    payout: PayoutKey,
    referee: Option<Box<dyn Referee + Send>>,
    peers: BTreeMap<NodeId, Peer>,
    since: Millis,
    nudged: Millis,
    seen: Millis,
    posting: bool,
    noising: bool,
    ended: bool,
    misbehaved: u64,
    told: BTreeSet<NodeId>,
    outputs: VecDeque<Output>,
}

#[derive(Clone, Copy, Debug)]
struct Peer {
    connected: bool,
    ready: bool,
    gone: Millis,
    /// Entries that it holds for certain.
    height: u64,
    /// Entries that it will hold for certain once it signs.
    offered: Option<u64>,
}

impl Coordinator {
    /// A coordinator whose journal holds the entries that `rounds` went through. `payout` is the key of its account in the contracts, which signs
    /// receipts.
    pub fn restore(
        rounds: Rounds,
        key: Arc<NodeKey>,
        payout: PayoutKey,
        referee: Option<Box<dyn Referee + Send>>,
        now: Millis,
    ) -> Self {
        let gone = Peer {
            connected: false,
            ready: false,
            gone: now,
            height: 0,
            offered: None,
        };
        let peers = rounds.genesis().members.iter().map(|m| (m.id, gone)).collect();
        let outputs = rounds
            .joined()
            .values()
            .map(|j| Output::Admit(Box::new(j.clone())))
            .collect();
        let (posting, noising, ended, misbehaved) = (false, false, false, 0);
        let mut this = Self {
            rounds,
            key,
            payout,
            referee,
            peers,
            since: now,
            nudged: now,
            seen: now,
            posting,
            noising,
            ended,
            misbehaved,
            told: BTreeSet::new(),
            outputs,
        };
        this.advance(now);
        this
    }

    /// The federation's state.
    pub fn rounds(&self) -> &Rounds {
        &self.rounds
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Members that are connected and joined.
    pub fn ready(&self) -> Vec<NodeId> {
        self.peers
            .iter()
            .filter(|(_, p)| p.connected && p.ready)
            .map(|(id, _)| *id)
            .collect()
    }

    /// Members that joined and were not yet told that all rounds are done.
    pub fn untold(&self) -> usize {
        self.rounds.joined().keys().filter(|m| !self.told.contains(m)).count()
    }

    /// Protocol violations so far.
    pub fn misbehaved(&self) -> u64 {
        self.misbehaved
    }

    /// When [`tick`](Self::tick) must be called at the latest.
    pub fn wake(&self) -> Option<Millis> {
        if self.ended || self.posting || self.noising {
            return None;
        }
        let grace = self.grace();
        let leaving = self
            .peers
            .values()
            .filter(|p| !p.connected)
            .map(|p| p.gone.saturating_add(grace));
        let deadline = self.since.saturating_add(self.patience());
        let (begin, late) = (
            self.since.saturating_add(self.gathering()),
            self.since.saturating_add(self.stage()),
        );
        let nudge = self.nudged.saturating_add(self.nudge_interval());
        // What was due at the last call and didn't help then won't help now.
        leaving
            .chain([deadline, begin, late])
            .filter(|t| *t > self.seen)
            .chain([nudge])
            .min()
    }

    /// Sealed shares that the driver kept over a restart, to be relayed again.
    pub fn relay(&mut self, dealer: NodeId, sealed: &[u8]) {
        // Shares that no longer fit were kept for an attempt that is over.
        let _ = self.rounds.relay(dealer, sealed);
    }

    /// A member's connection is up; one of a node that is no member is closed again.
    pub fn connected(&mut self, now: Millis, id: NodeId) {
        if self.rounds.member(&id).is_none() {
            return self.outputs.push_back(Output::Drop {
                peer: id,
                reason: "not a member".into(),
            });
        }
        self.peers.insert(
            id,
            Peer {
                connected: true,
                ready: false,
                gone: now,
                height: 0,
                offered: None,
            },
        );
        let order = self.welcome(&id);
        self.order(id, &order);
        self.advance(now);
    }

    /// A member's connection is gone.
    pub fn disconnected(&mut self, now: Millis, id: NodeId) {
        if let Some(peer) = self.peers.get_mut(&id) {
            *peer = Peer {
                connected: false,
                ready: false,
                gone: now,
                ..*peer
            };
        }
        self.advance(now);
    }

    /// Bytes from a member.
    pub fn message(&mut self, now: Millis, from: NodeId, bytes: &[u8]) {
        match self.receive(from, bytes) {
            Ok(()) | Err(RoundError::Misplaced { .. }) => {}
            Err(error) => {
                self.misbehaved += 1;
                self.outputs.push_back(Output::Drop {
                    peer: from,
                    reason: error.to_string(),
                });
            }
        }
        self.advance(now);
    }

    /// The chain has the round's header.
    pub fn posted(&mut self, now: Millis, transaction: [u8; 32], block: u64) {
        self.posting = false;
        if self.rounds.phase() == Phase::Post {
            self.commit(Entry::Posted { transaction, block });
            self.since = now;
        }
        self.advance(now);
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Millis) {
        self.advance(now);
        if !self.ended && now >= self.nudged.saturating_add(self.nudge_interval()) {
            self.nudged = now;
            self.welcome_again();
            self.ask_outstanding();
        }
    }

    /// Greets again who is connected and never answered the first greeting.
    fn welcome_again(&mut self) {
        let silent: Vec<NodeId> = self
            .peers
            .iter()
            .filter(|(_, p)| p.connected && !p.ready)
            .map(|(id, _)| *id)
            .collect();
        for id in silent {
            let order = self.welcome(&id);
            self.order(id, &order);
        }
    }

    fn receive(&mut self, from: NodeId, bytes: &[u8]) -> Result<(), RoundError> {
        let parcel = Parcel::decode(bytes)?;
        let sender = parcel.envelope.sender;
        if sender != from {
            return Err(crate::message::MessageError::Sender {
                expected: from,
                got: sender,
            }
            .into());
        }
        let report: Report = parcel.envelope.open(self.rounds.beginning())?;
        if let Report::Join(join) = &report {
            return self.greet(from, join.height, parcel.clone());
        }
        if let Report::Deal(hashes) = &report {
            // Checked before the list counts: a list whose shares can't be relayed is none.
            crate::round::mask::split_shares(&parcel.attachment, hashes)
                .map_err(|what| RoundError::Misbehaved { member: from, what })?;
        }
        if let (Report::Upload(_), true) = (&report, self.rounds.plan().sealed()) {
            return self.receive_sealed(from, &parcel.envelope, report);
        }
        let entry = Entry::Accepted(Parcel::bare(parcel.envelope.clone()));
        let frame = self.rounds.apply(&entry, None)?;
        if matches!(report, Report::Deal(_)) {
            self.rounds.relay(from, &parcel.attachment)?;
            let at = self.rounds.position();
            self.outputs.push_back(Output::Keep {
                at,
                dealer: from,
                sealed: parcel.attachment,
            });
        }
        self.outputs.push_back(Output::Journal { entry, frame });
        if let (Report::Endorse(_), Some(peer)) = (&report, self.peers.get_mut(&from)) {
            // It keeps what it checked before it signs, so that it needn't be sent again.
            peer.height = peer.height.max(peer.offered.take().unwrap_or_default());
        }
        let uploaded = matches!(report, Report::Upload(_) | Report::Masked(_));
        let root = self.rounds.work().commits.get(&from).map(|c| c.commit.root);
        if let Some(root) = root.filter(|_| uploaded && self.rounds.complete().contains(&from)) {
            self.receipt(from, root);
        }
        Ok(())
    }

    /// A member joined, perhaps not for the first time.
    fn greet(&mut self, from: NodeId, height: u64, parcel: Parcel) -> Result<(), RoundError> {
        let entry = Entry::Accepted(Parcel::bare(parcel.envelope));
        match self.rounds.apply(&entry, None) {
            Ok(frame) => {
                self.outputs.push_back(Output::Journal { entry, frame });
                let joined = self.rounds.joined().get(&from).cloned();
                self.outputs.extend(joined.map(|j| Output::Admit(Box::new(j))));
            }
            Err(RoundError::Misplaced { .. }) if self.rounds.joined().contains_key(&from) => {}
            Err(error) => return Err(error),
        }
        if let Some(peer) = self.peers.get_mut(&from) {
            peer.ready = true;
            peer.height = height.min(self.rounds.head().height);
        }
        if self.rounds.all_done() {
            self.farewell(from);
        } else if self.rounds.outstanding().contains(&from) {
            if matches!(self.rounds.phase(), Phase::Deal | Phase::Mask) {
                // A member that was started again has its keys, but lost the training that began with them.
                self.begin(from);
            }
            self.ask(from);
        }
        Ok(())
    }

    /// Applies an entry of our own making and journals it.
    fn commit(&mut self, entry: Entry) {
        let referee = self.referee.as_deref_mut().map(|r| r as &mut dyn Referee);
        match self.rounds.apply(&entry, referee) {
            Ok(frame) => self.outputs.push_back(Output::Journal { entry, frame }),
            Err(error) => self.fail(format!("the coordinator's own entry doesn't follow: {error}")),
        }
    }

    /// The transcript's head.
    pub fn head(&self) -> Head {
        self.rounds.head()
    }
}
