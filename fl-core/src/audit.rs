//! The auditor: replays a transcript and says, check by check, whether it holds.
//!
//! **Claim.** [`replay`] needs no chain, no network and no trust in whoever wrote the transcript: signatures, chain of
//! hashes, commitments and openings, the aggregate bit for bit, scores within the plan's tolerance (with the held-out data
//! at hand), rewards and headers are recomputed from what members signed. Whether a chain holds the same headers is
//! [`xfl_settlement::audit`]'s part.
//!
//! **Not here.** Whether the members are who they say; whether their data are what they say.

use std::{
    collections::BTreeMap,
    fmt,
    sync::mpsc::{Receiver, sync_channel},
    thread::Scope,
};

use serde::Serialize;
use xfl_privacy::Protection;
use xfl_settlement::{
    ledger::RewardTree,
    payout::{Account, Signature},
};

use crate::{
    identity::NodeId,
    round::{Phase, Referee, Rounds},
    transcript::{Chained, Entry, Reader, TranscriptError},
};

/// One thing that was checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// The round, from 1; none for the federation as a whole.
    pub round: Option<u64>,
    /// The stage.
    pub stage: String,
    /// What was checked, and what was found.
    pub text: String,
    /// How it ended.
    pub verdict: Verdict,
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It holds.
    Holds,
    /// It can't be checked with what is at hand; the text says what is missing.
    Unchecked,
    /// It doesn't hold.
    Fails,
}

/// What an audit found.
#[derive(Debug)]
pub struct Audit {
    /// Check by check, in the transcript's order; after the first failure there are none.
    pub checks: Vec<Check>,
    /// The state at the end; none where not even the beginning is valid.
    pub rounds: Option<Rounds>,
    /// The header digests of the posted rounds, in order.
    pub posted: Vec<Posted>,
}

/// A round that the transcript says is posted.
#[derive(Clone, Debug, PartialEq)]
pub struct Posted {
    /// Its header.
    pub header: xfl_settlement::statement::RoundHeader,
    /// The header's digest.
    pub digest: [u8; 32],
    /// The transaction that is said to have posted it.
    pub transaction: [u8; 32],
    /// The members' signatures over the digest, by node id.
    pub signatures: Vec<Signature>,
    /// Payout accounts of those who had joined by then, by node id.
    pub members: Vec<Account>,
    /// Who had earned what after it.
    pub tree: RewardTree,
}

impl Audit {
    /// Whether no check fails.
    pub fn holds(&self) -> bool {
        self.checks.iter().all(|c| c.verdict != Verdict::Fails)
    }

    /// Adds a check.
    pub fn push(&mut self, round: Option<u64>, stage: &str, text: impl Into<String>, verdict: Verdict) {
        self.checks.push(Check {
            round,
            stage: stage.into(),
            text: text.into(),
            verdict,
        });
    }
}

/// Replays a whole transcript.
pub fn replay(transcript: &[u8], mut referee: Option<&mut dyn Referee>) -> Audit {
    let mut audit = Audit {
        checks: Vec::new(),
        rounds: None,
        posted: Vec::new(),
    };
    let mut reader = Reader::new(transcript);
    let mut rounds = match reader.next() {
        Ok(Some(Entry::Genesis(genesis))) => match Rounds::begin(*genesis) {
            Ok(rounds) => rounds,
            Err(error) => {
                audit.push(None, "plan", error.to_string(), Verdict::Fails);
                return audit;
            }
        },
        Ok(_) => {
            audit.push(None, "plan", "the transcript doesn't begin with a plan", Verdict::Fails);
            return audit;
        }
        Err(error) => {
            audit.push(None, "plan", error.to_string(), Verdict::Fails);
            return audit;
        }
    };
    let name = rounds.plan().terms().federation.name.clone();
    let text = format!(
        "\"{name}\", {} members, signed by the coordinator",
        rounds.genesis().members.len()
    );
    audit.push(None, "plan", text, Verdict::Holds);
    std::thread::scope(|scope| {
        for read in ahead(reader, scope) {
            let round = Some(rounds.position().0).filter(|r| *r > 0);
            let read = match read {
                Ok(read) => read,
                Err(error) => return audit.push(round, &stage(rounds.phase()), error.to_string(), Verdict::Fails),
            };
            let lent = referee.as_mut().map(|r| &mut **r as &mut dyn Referee);
            let judged = lent.is_some();
            let before = Before::of(&rounds, judged);
            if let Err(error) = rounds.apply_chained(&read, lent) {
                let at = read.head().height.saturating_sub(1);
                return audit.push(round, &before.stage, format!("entry {at}: {error}"), Verdict::Fails);
            }
            before.tell(&mut audit, &rounds, read.entry(), judged);
        }
        guarantees(&mut audit, &rounds);
        let head = rounds.head();
        let text = format!("{} entries chained, {} rounds finished", head.height, rounds.finished());
        audit.push(None, "transcript", text, Verdict::Holds);
    });
    audit.rounds = Some(rounds);
    audit
}

/// Reads on a thread of its own, an entry ahead of whoever takes them, up to the end or the first error.
fn ahead<'scope, 'a: 'scope>(
    mut reader: Reader<'a>,
    scope: &'scope Scope<'scope, '_>,
) -> Receiver<Result<Chained, TranscriptError>> {
    let (send, receive) = sync_channel(1);
    scope.spawn(move || {
        while let Some(read) = reader.next_chained().transpose() {
            let last = read.is_err();
            // Where nobody takes any more, nothing need be read.
            if send.send(read).is_err() || last {
                return;
            }
        }
    });
    receive
}

/// What members' releases guarantee, by the numbers that they signed: each commitment was checked against the plan's mechanism.
fn guarantees(audit: &mut Audit, rounds: &Rounds) {
    let mode = rounds.plan().terms().privacy.mode;
    if rounds.mechanism().protection() == Protection::None {
        let text = "the plan has no noise: epsilon is infinite for everybody";
        return audit.push(None, "privacy", text, Verdict::Holds);
    }
    let mut groups: BTreeMap<(u64, Option<u64>), Vec<&NodeId>> = BTreeMap::new();
    for (member, spent) in rounds.spent() {
        let key = (spent.charged, rounds.charges(member));
        groups.entry(key).or_default().push(member);
    }
    for ((charged, _), members) in groups {
        let Some(guarantee) = members.first().and_then(|m| rounds.guarantee(m)) else {
            continue;
        };
        let text = format!(
            "{} members signed for {charged} releases each, mode {mode} as planned: {guarantee}, {} accounting",
            members.len(),
            guarantee.accountant
        );
        audit.push(None, "privacy", text, Verdict::Holds);
    }
}

/// What must be known of the state before an entry to speak of it after.
struct Before {
    stage: String,
    settled: Option<crate::round::settle::Settled>,
    endorsements: Vec<Signature>,
    declined: usize,
    cohort: usize,
    /// Whether it can be told that an attempt given up here couldn't go on.
    tells: bool,
}

impl Before {
    fn of(rounds: &Rounds, judged: bool) -> Self {
        Self {
            stage: stage(rounds.phase()),
            settled: rounds.settled().filter(|_| rounds.phase() == Phase::Post).cloned(),
            endorsements: rounds.endorsements().values().copied().collect(),
            declined: rounds.work().declined.len(),
            cohort: rounds.cohort().len(),
            tells: rounds.judges_giving_up(judged),
        }
    }

    fn tell(&self, audit: &mut Audit, rounds: &Rounds, entry: &Entry, judged: bool) {
        let round = Some(rounds.position().0);
        match entry {
            Entry::Closed { members, .. } => {
                let declined = if self.declined > 0 {
                    format!(", {} declined", self.declined)
                } else {
                    String::new()
                };
                let text = format!(
                    "{} of {} members, signatures valid{declined}",
                    members.len(),
                    self.cohort
                );
                let sealed = rounds.plan().sealed() && self.stage == stage(Phase::Upload);
                if sealed {
                    let text = format!(
                        "updates of {} of {} members are with the coordinator alone: its word",
                        members.len(),
                        self.cohort
                    );
                    audit.push(round, &self.stage, text, Verdict::Unchecked);
                } else {
                    audit.push(round, &self.stage, text, Verdict::Holds);
                }
            }
            Entry::Aggregated(a) => {
                let used = a.selected.iter().filter(|s| **s).count();
                let text = format!(
                    "{used} of {} updates used, the aggregate and the model are the same bit for bit",
                    a.members.len()
                );
                audit.push(round, &self.stage, text, Verdict::Holds);
                if !a.refused.is_empty() {
                    let text = format!("{} updates out of range or over the norm, left out", a.refused.len());
                    audit.push(round, &self.stage, text, Verdict::Holds);
                }
            }
            Entry::Scored(s) => {
                let text = format!("{} scores recomputed, rewards follow from them", s.scores.len());
                audit.push(round, &self.stage, text, Verdict::Holds);
                if rounds.plan().terms().score.kind.needs_held_out() {
                    let values = s.values.len();
                    let (text, verdict) = if judged {
                        (
                            format!("{values} models evaluated, as they were valued"),
                            Verdict::Holds,
                        )
                    } else {
                        (
                            format!("{values} models' values need the held-out data"),
                            Verdict::Unchecked,
                        )
                    };
                    audit.push(round, &self.stage, text, verdict);
                }
            }
            Entry::Settled { .. } => audit.push(
                round,
                &self.stage,
                "the header follows, cumulative rewards included",
                Verdict::Holds,
            ),
            Entry::Abandoned { reason, .. } if self.tells => {
                let text = format!("abandoned, and couldn't have gone on: {reason}");
                audit.push(round, &self.stage, text, Verdict::Holds);
            }
            Entry::Abandoned { reason, .. } => {
                let text = format!("abandoned, that it had to be is the coordinator's word: {reason}");
                audit.push(round, &self.stage, text, Verdict::Unchecked);
            }
            Entry::Posted { transaction, .. } => {
                if let Some(settled) = &self.settled {
                    audit.posted.push(Posted {
                        header: settled.header,
                        digest: settled.digest,
                        transaction: *transaction,
                        signatures: self.endorsements.clone(),
                        members: rounds.joined().values().map(|joined| joined.binding.payout).collect(),
                        tree: settled.ledger.tree(),
                    });
                }
                let signed = self.endorsements.len();
                audit.push(
                    round,
                    &self.stage,
                    format!("{signed} members signed the header"),
                    Verdict::Holds,
                );
            }
            Entry::Summed { values } => {
                let text = format!(
                    "the sum of {} integers is the coordinator's word: mode {} trusts it with the updates",
                    values.len(),
                    rounds.plan().terms().privacy.mode
                );
                audit.push(round, &self.stage, text, Verdict::Unchecked);
            }
            Entry::Genesis(_) | Entry::Accepted(_) | Entry::Begun { .. } | Entry::Received { .. } => {}
        }
    }
}

/// A stage's name for people.
pub fn stage(phase: Phase) -> String {
    format!("{phase:?}").to_lowercase()
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.verdict {
            Verdict::Holds => "ok  ",
            Verdict::Unchecked => "--  ",
            Verdict::Fails => "FAIL",
        };
        match self.round {
            Some(round) => write!(f, "{mark} round {round:>3}  {:<10} {}", self.stage, self.text),
            None => write!(f, "{mark} {:<10} {:<10} {}", "", self.stage, self.text),
        }
    }
}
