//! A federation's rounds as a pure function of its transcript.
//!
//! **Claim.** [`Rounds::apply`] takes one [`Entry`] after the other and either moves on or says what is wrong with it. The
//! coordinator runs it on what it is about to journal, a restarted coordinator on what it journaled, an institution on
//! what it is asked to sign, an auditor on what it was handed: there is one set of rules, and all of them run it.
//!
//! **How.** Given entries (signed messages, closings) change the state; derived entries (aggregate, scores, header) are
//! computed by [`Rounds::derive`] and compared with what the transcript says. Nothing here reads a clock, draws a random
//! number or touches a disk; a model is evaluated through [`Referee`] where a score needs it.
//!
//! The stages, a file each: [`join`], [`select`], [`commit`], [`upload`] (or [`sealed`]), [`mask`], [`aggregate`], [`score`], `reward`, [`settle`];
//! when an attempt may be given up is in `abandon`, what random choices follow from in `coin`, what one round remembers of those before in [`past`].

mod abandon;
pub mod aggregate;
mod coin;
pub mod commit;
pub mod join;
pub mod mask;
pub mod past;
mod reward;
pub mod score;
pub mod sealed;
pub mod select;
pub mod settle;
pub mod upload;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use xfl_privacy::{Delta, Guarantee, Mechanism, Mode, accounting::Total};
use xfl_settlement::ledger::Ledger;

use crate::{
    identity::NodeId,
    message::{Beginning, MessageError, Parcel, Report},
    plan::{Plan, PlanError},
    transcript::{Chained, Entry, Genesis, Head, Member},
};

pub use self::{
    aggregate::Outcome,
    join::Joined,
    past::Past,
    score::{Referee, RefereeError},
};

/// Where a round stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Phase {
    /// Between rounds.
    Idle,
    /// Institutions train, protect and commit.
    Commit,
    /// Institutions show what they committed to.
    Upload,
    /// Masked: keys for the shares.
    Advertise,
    /// Masked: shares of the masks' keys.
    Deal,
    /// Masked: commitments and ciphertexts.
    Mask,
    /// Masked: signatures over the set of survivors.
    Agree,
    /// Masked: shares of the key sum.
    Open,
    /// The rule runs.
    Aggregate,
    /// Contributions are measured.
    Score,
    /// Rewards and header are made.
    Settle,
    /// Members sign the header.
    Endorse,
    /// The header goes to the chain.
    Post,
}

/// The state of a federation after some of its transcript.
#[derive(Debug)]
pub struct Rounds {
    plan: Plan,
    genesis: Genesis,
    beginning: Beginning,
    mechanism: Mechanism,
    head: Head,
    joined: BTreeMap<NodeId, Joined>,
    model: Vec<f32>,
    round: u64,
    attempt: u32,
    finished: u64,
    parent: [u8; 32],
    ledger: Ledger,
    scores: BTreeMap<NodeId, i64>,
    past: Past<NodeId>,
    spent: BTreeMap<NodeId, commit::Spent>,
    /// Updates shown in any attempt of the round.
    shown: BTreeMap<NodeId, upload::Shown>,
    phase: Phase,
    work: Work,
}

/// What the current attempt gathered.
#[derive(Debug, Default)]
pub(crate) struct Work {
    pub(crate) cohort: Vec<NodeId>,
    pub(crate) expected: BTreeSet<NodeId>,
    pub(crate) declined: BTreeSet<NodeId>,
    pub(crate) commits: BTreeMap<NodeId, commit::Committed>,
    pub(crate) uploads: BTreeMap<NodeId, upload::Assembly<i32>>,
    pub(crate) salts: BTreeMap<NodeId, [u8; 32]>,
    pub(crate) sealed: sealed::Sealed,
    pub(crate) mask: Option<mask::Masked>,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) settled: Option<settle::Settled>,
    pub(crate) endorsements: BTreeMap<NodeId, xfl_settlement::payout::Signature>,
}

/// Why an entry can't follow.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RoundError {
    /// A member's message that is not one.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// A member said something that this stage has no place for; the message alone is refused.
    #[error("{member}: {what}")]
    Misplaced {
        /// Who.
        member: NodeId,
        /// What.
        what: String,
    },
    /// A member broke the protocol.
    #[error("{member}: {what}")]
    Misbehaved {
        /// Who.
        member: NodeId,
        /// How.
        what: String,
    },
    /// An entry at the wrong place of a transcript.
    #[error("in stage {phase:?} there is no place for this entry: {what}")]
    OutOfPlace {
        /// The stage.
        phase: Phase,
        /// The entry.
        what: String,
    },
    /// A derived entry that isn't what follows from the given ones.
    #[error("{what}: expected {expected}, got {got}")]
    Differs {
        /// What was compared.
        what: &'static str,
        /// By replay.
        expected: String,
        /// In the transcript.
        got: String,
    },
    /// What was gathered isn't enough to go on: the attempt must be abandoned.
    #[error("{0}")]
    Impossible(String),
    /// The plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
}

impl Rounds {
    /// The state after a transcript's first entry.
    ///
    /// # Errors
    /// A plan that isn't one, a signature that isn't the coordinator's, a model that isn't finite.
    pub fn begin(genesis: Genesis) -> Result<Self, RoundError> {
        let plan = Plan::parse(&genesis.plan, "federation.toml")?;
        let out_of_place = |what: &str| RoundError::OutOfPlace {
            phase: Phase::Idle,
            what: what.into(),
        };
        if !genesis.signed_by(&plan.terms().federation.coordinator) {
            return Err(out_of_place("the beginning isn't signed by the plan's coordinator"));
        }
        if genesis.model.is_empty() || !genesis.model.iter().all(|v| v.is_finite()) {
            return Err(out_of_place("the initial model is empty or not finite"));
        }
        if !genesis.members.is_sorted_by(|a, b| a.id < b.id) || genesis.members.len() < plan.terms().rounds.quorum {
            return Err(out_of_place(
                "members are out of order, doubled, or fewer than the quorum",
            ));
        }
        if plan.terms().score.kind.needs_held_out() && genesis.held_out.is_none() {
            return Err(out_of_place(
                "scores need held-out data, and the beginning commits to none",
            ));
        }
        plan.weighs_members(|id| genesis.members.iter().any(|m| m.id == *id))?;
        let mechanism = plan.mechanism(genesis.model.len())?;
        if let Some(fault) = genesis.chains_fault() {
            return Err(out_of_place(fault));
        }
        let mut ledger = Ledger::new(plan.federation().0);
        for chain in genesis.chains() {
            ledger.add_venue(chain.venue()).map_err(score::impossible)?;
        }
        let past = Past::start(&plan, genesis.model.len()).map_err(score::impossible)?;
        let head = Head::START.append(&Entry::Genesis(Box::new(genesis.clone()))).1;
        Ok(Self {
            mechanism,
            head,
            joined: BTreeMap::new(),
            model: genesis.model.clone(),
            round: 0,
            attempt: 0,
            finished: 0,
            parent: [0; 32],
            ledger,
            scores: BTreeMap::new(),
            past,
            spent: BTreeMap::new(),
            shown: BTreeMap::new(),
            phase: Phase::Idle,
            work: Work::default(),
            plan,
            beginning: genesis.beginning(),
            genesis,
        })
    }

    /// Moves on by one entry, and returns its frame of the transcript; on an error nothing has changed.
    ///
    /// # Errors
    /// [`RoundError`]: who or what is wrong.
    pub fn apply(&mut self, entry: &Entry, referee: Option<&mut dyn Referee>) -> Result<Vec<u8>, RoundError> {
        self.advance(entry, referee)?;
        let (frame, head) = self.head.append(entry);
        self.head = head;
        Ok(frame)
    }

    /// The same for an entry whose head is known: nothing is encoded and hashed again.
    ///
    /// # Errors
    /// As [`Self::apply`], and an entry that doesn't follow the last one.
    pub fn apply_chained(&mut self, read: &Chained, referee: Option<&mut dyn Referee>) -> Result<(), RoundError> {
        if read.before() != self.head {
            return Err(self.out_of_place("it follows another one than the last"));
        }
        self.advance(read.entry(), referee)?;
        self.head = read.head();
        Ok(())
    }

    fn advance(&mut self, entry: &Entry, referee: Option<&mut dyn Referee>) -> Result<(), RoundError> {
        match entry {
            Entry::Genesis(_) => return Err(self.out_of_place("a second beginning")),
            Entry::Accepted(parcel) => self.accept(parcel)?,
            Entry::Begun {
                round,
                attempt,
                cohort,
                at: _,
            } => self.select(*round, *attempt, cohort)?,
            Entry::Received { member } => self.received(*member)?,
            Entry::Summed { values } => self.summed(values)?,
            Entry::Closed { phase, members, at: _ } => self.close(*phase, members)?,
            Entry::Abandoned { .. } => self.abandon(referee)?,
            Entry::Aggregated(_) | Entry::Scored(_) | Entry::Settled { .. } => self.compare(entry, referee)?,
            Entry::Posted { .. } => self.posted()?,
        }
        Ok(())
    }

    /// The phase's members that have not answered in full, declining ones left out.
    pub fn outstanding(&self) -> Vec<NodeId> {
        self.work
            .expected
            .iter()
            .filter(|m| !self.answered(m) && !self.work.declined.contains(m))
            .copied()
            .collect()
    }

    /// The phase's members that have answered in full.
    pub fn complete(&self) -> Vec<NodeId> {
        self.work
            .expected
            .iter()
            .filter(|m| self.answered(m))
            .copied()
            .collect()
    }

    /// Whether the phase waits for members.
    pub fn gathers(&self) -> bool {
        !matches!(
            self.phase,
            Phase::Idle | Phase::Aggregate | Phase::Score | Phase::Settle | Phase::Post
        )
    }

    /// Answers that the phase can't end without.
    pub fn needed(&self) -> usize {
        match self.phase {
            Phase::Endorse => self.plan.settlement_threshold(),
            Phase::Agree | Phase::Open => self.plan.terms().masking.threshold,
            _ => self.plan.terms().rounds.quorum,
        }
    }

    fn answered(&self, member: &NodeId) -> bool {
        let work = &self.work;
        match self.phase {
            Phase::Commit => work.commits.contains_key(member),
            Phase::Upload if self.plan.sealed() => work.sealed.received(member),
            Phase::Upload => work.uploads.get(member).is_some_and(upload::Assembly::complete),
            Phase::Advertise | Phase::Deal | Phase::Mask | Phase::Agree | Phase::Open => {
                work.mask.as_ref().is_some_and(|m| m.answered(self.phase, member))
            }
            Phase::Endorse => work.endorsements.contains_key(member),
            _ => false,
        }
    }

    fn accept(&mut self, parcel: &Parcel) -> Result<(), RoundError> {
        let envelope = &parcel.envelope;
        let report: Report = envelope.open(self.beginning)?;
        let member = envelope.sender;
        if self.member(&member).is_none() {
            return Err(RoundError::Misbehaved {
                member,
                what: "not a member".into(),
            });
        }
        if let Report::Join(join) = report {
            return self.join(member, join);
        }
        if (envelope.round, envelope.attempt) != (self.round, self.attempt) {
            let what = format!(
                "round {} attempt {}, here it is {} {}",
                envelope.round, envelope.attempt, self.round, self.attempt
            );
            return Err(RoundError::Misplaced { member, what });
        }
        if !self.work.expected.contains(&member) {
            return Err(RoundError::Misplaced {
                member,
                what: format!("not waited for in stage {:?}", self.phase),
            });
        }
        match (self.phase, report) {
            (_, Report::Decline(reason)) => self.decline(member, &reason),
            (Phase::Commit | Phase::Mask, Report::Commit(commit)) => self.commit(member, parcel, commit),
            (Phase::Upload, Report::Upload(part)) if !self.plan.sealed() => self.upload(member, part),
            (Phase::Advertise, Report::Advertise(keys)) => self.advertise(member, parcel, keys),
            (Phase::Deal, Report::Deal(hashes)) => self.deal(member, parcel, hashes),
            (Phase::Mask, Report::Masked(part)) => self.masked(member, part),
            (Phase::Agree, Report::Agree(digest)) => self.agree(member, parcel, digest),
            (Phase::Open, Report::Open(share)) => self.open(member, share),
            (Phase::Endorse, Report::Endorse(signature)) => self.endorse(member, signature),
            (phase, other) => {
                let what = format!("message {} in stage {phase:?}", crate::message::Body::sequence(&other));
                Err(RoundError::Misplaced { member, what })
            }
        }
    }

    fn close(&mut self, phase: Phase, members: &[NodeId]) -> Result<(), RoundError> {
        let complete = self.complete();
        if phase != self.phase || !self.gathers() {
            return Err(self.out_of_place(&format!("closing {phase:?}")));
        }
        if complete != members {
            return Err(RoundError::Differs {
                what: "members whose answers count",
                expected: format!("{} of them", complete.len()),
                got: format!("{} of them", members.len()),
            });
        }
        if members.len() < self.needed() {
            return Err(self.out_of_place(&format!(
                "closing {phase:?} with {} of {}",
                members.len(),
                self.needed()
            )));
        }
        let next = match phase {
            Phase::Commit => Phase::Upload,
            Phase::Advertise => Phase::Deal,
            Phase::Deal => Phase::Mask,
            Phase::Mask => Phase::Agree,
            Phase::Agree => Phase::Open,
            Phase::Endorse => Phase::Post,
            _ => Phase::Aggregate,
        };
        if matches!(next, Phase::Deal | Phase::Mask | Phase::Agree) {
            self.mask_advance(next, members)?;
        }
        self.work.expected = members.iter().copied().collect();
        self.phase = next;
        Ok(())
    }

    fn decline(&mut self, member: NodeId, _reason: &str) -> Result<(), RoundError> {
        if !self.work.declined.insert(member) {
            return Err(RoundError::Misplaced {
                member,
                what: "declined already".into(),
            });
        }
        Ok(())
    }

    pub(crate) fn out_of_place(&self, what: &str) -> RoundError {
        RoundError::OutOfPlace {
            phase: self.phase,
            what: what.into(),
        }
    }
}

/// What can be asked of a state.
impl Rounds {
    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What every message of the run carries.
    pub fn beginning(&self) -> Beginning {
        self.beginning
    }

    /// The beginning.
    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// The privacy mechanism, as it is in the first round: grid and clip norm may be scaled since, integers stay.
    pub fn mechanism(&self) -> &Mechanism {
        &self.mechanism
    }

    /// The mechanism at the coming aggregate's clip norm.
    ///
    /// # Errors
    /// A clip norm that left the numbers.
    pub fn mechanism_now(&self) -> Result<Mechanism, RoundError> {
        self.mechanism.scaled(self.past.scale()).map_err(score::impossible)
    }

    /// The coming aggregate's clip norm over the plan's.
    pub fn scale(&self) -> f64 {
        self.past.scale()
    }

    /// Integers of an update.
    pub fn update_len(&self) -> usize {
        // At most 2^31 + 1.
        self.mechanism.length() as usize
    }

    /// The head of the transcript so far.
    pub fn head(&self) -> Head {
        self.head
    }

    /// The global model's parameters.
    pub fn model(&self) -> &[f32] {
        &self.model
    }

    /// The stage.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The round under way or last begun, and its attempt.
    pub fn position(&self) -> (u64, u32) {
        (self.round, self.attempt)
    }

    /// Rounds that are finished and posted.
    pub fn finished(&self) -> u64 {
        self.finished
    }

    /// Whether every round of the plan is finished.
    pub fn all_done(&self) -> bool {
        self.finished >= self.plan.terms().rounds.count
    }

    /// Who is owed what.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Sum of each member's scores so far, parts per million.
    pub fn scores(&self) -> &BTreeMap<NodeId, i64> {
        &self.scores
    }

    /// What this round remembers of those before.
    pub(crate) fn past(&self) -> &Past<NodeId> {
        &self.past
    }

    /// What each member last said of its budget.
    pub fn spent(&self) -> &BTreeMap<NodeId, commit::Spent> {
        &self.spent
    }

    /// What a member's releases in this run guarantee together, by what it says it charged; `None` before its first.
    pub fn guarantee(&self, member: &NodeId) -> Option<Guarantee> {
        let delta = Delta::new(self.plan.terms().privacy.delta).ok()?;
        let (unit, relation) = (self.mechanism.unit(), self.mechanism.relation());
        let total = Total::of(&self.mechanism.loss(), self.charges(member)?);
        Some(Guarantee::new(unit, relation, &total, delta))
    }

    /// How often a member paid a release's loss at most: as often as it says it charged, in mode dp-ftrl once for every block of rounds that had begun
    /// by its last commitment. `None` before its first.
    pub fn charges(&self, member: &NodeId) -> Option<u64> {
        let spent = self.spent.get(member)?;
        let charged = spent.charged.max(1);
        Some(match self.mechanism.mode() {
            Mode::DpFtrl => charged.min(self.mechanism.charges(spent.envelope.round)),
            _ => charged,
        })
    }

    /// Members that joined, with their bindings.
    pub fn joined(&self) -> &BTreeMap<NodeId, Joined> {
        &self.joined
    }

    /// A member of the allowlist.
    pub fn member(&self, id: &NodeId) -> Option<&Member> {
        self.genesis
            .members
            .binary_search_by(|m| m.id.cmp(id))
            .ok()
            .map(|i| &self.genesis.members[i])
    }

    /// The attempt's cohort, ascending.
    pub fn cohort(&self) -> &[NodeId] {
        &self.work.cohort
    }

    /// The aggregate under way, from its computation to the round's end.
    pub fn outcome(&self) -> Option<&Outcome> {
        self.work.outcome.as_ref()
    }

    /// The header under way, from its making to the round's end.
    pub fn settled(&self) -> Option<&settle::Settled> {
        self.work.settled.as_ref()
    }

    /// Signatures over the header so far.
    pub fn endorsements(&self) -> &BTreeMap<NodeId, xfl_settlement::payout::Signature> {
        &self.work.endorsements
    }

    pub(crate) fn work(&self) -> &Work {
        &self.work
    }
}
