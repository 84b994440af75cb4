//! What people and programs are told of a run: events as they happen, metrics of each round, the status now.

use std::{collections::BTreeMap, net::SocketAddr};

use serde::{Deserialize, Serialize};

use crate::{
    coordinator::{Coordinator, Millis},
    identity::NodeId,
    node::settle::Standing,
    round::Phase,
    train::{HeldOut, model::Evaluation},
    transcript::Entry,
};

/// Something worth telling.
#[derive(Clone, Debug)]
pub enum Event {
    /// The embedded chain is served here.
    Chain {
        /// As JSON-RPC.
        url: String,
    },
    /// Institutions can connect here.
    Listening(SocketAddr),
    /// The run goes on where it stopped.
    Resumed {
        /// The round under way.
        round: u64,
        /// Its stage.
        phase: Phase,
        /// Rounds finished before.
        finished: u64,
    },
    /// A member joined.
    Joined {
        /// Its name.
        name: String,
    },
    /// A round's attempt began.
    Begun {
        /// The round.
        round: u64,
        /// Its attempt.
        attempt: u32,
        /// Members that take part.
        cohort: usize,
    },
    /// A stage is under way.
    Stage {
        /// The round.
        round: u64,
        /// The stage.
        phase: Phase,
        /// Members that answered.
        answered: usize,
        /// Members asked.
        of: usize,
    },
    /// An attempt came to nothing.
    Abandoned {
        /// The round.
        round: u64,
        /// Why.
        reason: String,
    },
    /// A round is on the chain.
    Posted {
        /// The round.
        round: u64,
        /// The block.
        block: u64,
        /// Gas it took; 0 if it was there already.
        gas: u64,
    },
    /// A round is finished.
    RoundDone(RoundMetrics),
    /// A member's connection ended.
    Left {
        /// Whose.
        node: NodeId,
        /// Why.
        why: String,
    },
    /// A peer was dropped.
    Dropped {
        /// Whose.
        node: NodeId,
        /// Why.
        why: String,
    },
    /// Where a chain stands now.
    Standing(Standing),
}

/// A round in numbers; one line of `metrics.jsonl`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RoundMetrics {
    /// The round.
    pub round: u64,
    /// Attempts it took.
    pub attempts: u32,
    /// Loss on held-out data after it.
    pub loss: Option<f64>,
    /// Accuracy on held-out data after it.
    pub accuracy: Option<f64>,
    /// Seconds in each stage.
    pub seconds: BTreeMap<String, f64>,
    /// By member.
    pub members: Vec<MemberMetrics>,
}

/// A member's part of a round.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MemberMetrics {
    /// Its name.
    pub name: String,
    /// Its node id.
    pub node: String,
    /// Whether the rule used its update.
    pub selected: bool,
    /// Its score, parts per million.
    pub score_ppm: i64,
    /// Its reward.
    pub reward: u64,
    /// Bytes sent to it.
    pub bytes_sent: u64,
    /// Bytes received from it.
    pub bytes_received: u64,
}

/// All rounds' metrics.
pub type Metrics = Vec<RoundMetrics>;

/// Where a run stands; `status.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// The federation's name.
    pub name: String,
    /// Rounds finished.
    pub finished: u64,
    /// Rounds planned.
    pub planned: u64,
    /// The round under way.
    pub round: u64,
    /// Its attempt.
    pub attempt: u32,
    /// Its stage.
    pub stage: String,
    /// Members whose answer is missing, by name.
    pub waiting_for: Vec<String>,
    /// Members connected, by name.
    pub connected: Vec<String>,
    /// Protocol violations so far.
    pub misbehaved: u64,
    /// Tokens earned so far, by member's name.
    pub earned: BTreeMap<String, String>,
    /// Where each chain stands, the home chain first.
    #[serde(default)]
    pub chains: Vec<Standing>,
    /// When this was written, milliseconds since 1970.
    pub at: Millis,
}

/// Turns entries into events and numbers.
pub(super) struct Reporter {
    judge: Option<HeldOut>,
    stage_since: Millis,
    stage: Phase,
    seconds: BTreeMap<String, f64>,
    attempts: u32,
    bytes: BTreeMap<NodeId, (u64, u64)>,
    outcome: Option<(Vec<NodeId>, Vec<bool>)>,
    scored: Option<(Vec<i64>, Vec<u64>)>,
}

impl Reporter {
    pub(super) fn new(judge: Option<HeldOut>, machine: &Coordinator) -> Self {
        let rounds = machine.rounds();
        Self {
            judge,
            stage_since: crate::node::entropy::now(),
            stage: rounds.phase(),
            seconds: BTreeMap::new(),
            attempts: rounds.position().1 + 1,
            bytes: BTreeMap::new(),
            outcome: rounds
                .outcome()
                .map(|o| (o.aggregated.members.clone(), o.aggregated.selected.clone())),
            scored: rounds
                .settled()
                .map(|s| (s.scored.scores.clone(), s.scored.rewards.clone())),
        }
    }

    pub(super) fn sent(&mut self, to: NodeId, bytes: usize) {
        self.bytes.entry(to).or_default().0 += bytes as u64;
    }

    pub(super) fn received(&mut self, from: NodeId, bytes: usize) {
        self.bytes.entry(from).or_default().1 += bytes as u64;
    }

    pub(super) fn evaluate(&self, model: &[f32]) -> Option<Evaluation> {
        self.judge.as_ref().and_then(|j| j.evaluate(model).ok())
    }

    pub(super) fn entry(&mut self, entry: &Entry, machine: &Coordinator) -> Vec<Event> {
        let rounds = machine.rounds();
        let (round, attempt) = rounds.position();
        let mut events = Vec::new();
        match entry {
            Entry::Begun {
                round, attempt, cohort, ..
            } => {
                self.attempts = attempt + 1;
                events.push(Event::Begun {
                    round: *round,
                    attempt: *attempt,
                    cohort: cohort.len(),
                });
            }
            Entry::Abandoned { reason, .. } => events.push(Event::Abandoned {
                round,
                reason: reason.clone(),
            }),
            Entry::Aggregated(a) => self.outcome = Some((a.members.clone(), a.selected.clone())),
            Entry::Scored(s) => self.scored = Some((s.scores.clone(), s.rewards.clone())),
            Entry::Accepted(parcel) if parcel.envelope.round == 0 => {
                let name = rounds.member(&parcel.envelope.sender).map(|m| m.name.clone());
                events.extend(name.map(|name| Event::Joined { name }));
            }
            _ => {}
        }
        let phase = rounds.phase();
        if phase != self.stage {
            let now = crate::node::entropy::now();
            let spent = now.saturating_sub(self.stage_since) as f64 / 1000.0;
            *self.seconds.entry(crate::audit::stage(self.stage)).or_default() += spent;
            (self.stage, self.stage_since) = (phase, now);
        }
        if matches!(entry, Entry::Posted { .. }) {
            events.push(Event::RoundDone(self.metrics(machine)));
        } else if rounds.gathers() {
            let answered = rounds.complete().len();
            events.push(Event::Stage {
                round,
                phase,
                answered,
                of: rounds.outstanding().len() + answered,
            });
        }
        debug_assert!(attempt < u32::MAX);
        events
    }

    /// The last finished round in numbers; without its members where it finished before this process began.
    pub(super) fn metrics(&mut self, machine: &Coordinator) -> RoundMetrics {
        let rounds = machine.rounds();
        let evaluation = self.evaluate(rounds.model());
        let (members, selected) = self.outcome.take().unwrap_or_default();
        let (scores, rewards) = self.scored.take().unwrap_or_default();
        let bytes = std::mem::take(&mut self.bytes);
        let part = |(i, id): (usize, &NodeId)| MemberMetrics {
            name: rounds.member(id).map(|m| m.name.clone()).unwrap_or_default(),
            node: id.to_string(),
            selected: selected.get(i).copied().unwrap_or_default(),
            score_ppm: scores.get(i).copied().unwrap_or_default(),
            reward: rewards.get(i).copied().unwrap_or_default(),
            bytes_sent: bytes.get(id).map_or(0, |b| b.0),
            bytes_received: bytes.get(id).map_or(0, |b| b.1),
        };
        RoundMetrics {
            round: rounds.finished(),
            attempts: self.attempts,
            loss: evaluation.map(|e| e.loss),
            accuracy: evaluation.and_then(|e| e.accuracy),
            seconds: std::mem::take(&mut self.seconds),
            members: members.iter().enumerate().map(part).collect(),
        }
    }

    pub(super) fn status(&self, machine: &Coordinator, chains: Vec<Standing>) -> Status {
        let rounds = machine.rounds();
        let name = |id: &NodeId| {
            rounds
                .member(id)
                .map(|m| m.name.clone())
                .unwrap_or_else(|| id.to_string())
        };
        let (round, attempt) = rounds.position();
        Status {
            name: rounds.plan().terms().federation.name.clone(),
            finished: rounds.finished(),
            planned: rounds.plan().terms().rounds.count,
            round,
            attempt,
            stage: crate::audit::stage(rounds.phase()),
            waiting_for: rounds.outstanding().iter().map(name).collect(),
            connected: machine.ready().iter().map(name).collect(),
            misbehaved: machine.misbehaved(),
            earned: rounds
                .genesis()
                .members
                .iter()
                .map(|m| (m.name.clone(), rounds.ledger().earned(&m.id.0).to_string()))
                .collect(),
            chains,
            at: crate::node::entropy::now(),
        }
    }
}
