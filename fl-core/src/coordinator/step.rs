//! What the coordinator does next by itself, and when: beginning an attempt, ending a stage, deriving what follows, posting, giving up.

use super::{Coordinator, Millis, Output, sealed};
use crate::{
    identity::NodeId,
    round::{Phase, Referee},
    transcript::Entry,
};

impl Coordinator {
    pub(super) fn advance(&mut self, now: Millis) {
        self.seen = now;
        while !self.ended && self.step(now) {}
    }

    /// One step of what follows by itself; false when there is nothing to do but wait.
    fn step(&mut self, now: Millis) -> bool {
        match self.rounds.phase() {
            Phase::Idle => self.step_idle(now),
            Phase::Aggregate if self.rounds.wants_sum() => self.step_sum(now),
            Phase::Aggregate | Phase::Score | Phase::Settle => {
                let referee = self.referee.as_deref_mut().map(|r| r as &mut dyn Referee);
                match self.rounds.derive(&self.key, referee) {
                    Ok(Some(entry)) => self.commit(entry),
                    Ok(None) => return false,
                    Err(error) => return self.abandon(now, &error.to_string()),
                }
                self.since = now;
                self.ask_outstanding();
                true
            }
            Phase::Post => self.step_post(),
            _ => self.step_gather(now),
        }
    }

    fn step_idle(&mut self, now: Millis) -> bool {
        if self.rounds.all_done() {
            self.ended = true;
            self.ready().into_iter().for_each(|m| self.farewell(m));
            self.outputs.push_back(Output::Finished);
            return false;
        }
        let (ready, members) = (self.ready(), self.rounds.genesis().members.len());
        let quorum = self.rounds.plan().terms().rounds.quorum;
        let waited = now.saturating_sub(self.since);
        if ready.len() == members || (ready.len() >= quorum && waited >= self.gathering()) {
            let (round, attempt) = self.next_attempt();
            self.commit(Entry::Begun {
                round,
                attempt,
                cohort: ready,
                at: now,
            });
            self.since = now;
            self.nudged = now;
            self.ask_outstanding();
            return true;
        }
        if waited >= self.patience() {
            self.fail(format!(
                "{} of {members} members are connected and the quorum is {quorum}",
                ready.len()
            ));
        }
        false
    }

    fn step_gather(&mut self, now: Millis) -> bool {
        if self.rounds.phase() == Phase::Upload && !self.rounds.holds_sealed() {
            return self.abandon(now, sealed::LOST);
        }
        let (outstanding, complete) = (self.rounds.outstanding(), self.rounds.complete());
        let needed = self.rounds.needed();
        let waited = now.saturating_sub(self.since);
        let (late, hopeless) = (waited >= self.stage(), waited >= self.patience());
        let grace = self.grace();
        let gone = |m: &NodeId| {
            self.peers
                .get(m)
                .is_none_or(|p| !p.connected && now >= p.gone.saturating_add(grace))
        };
        if complete.len() >= needed && (late || outstanding.iter().all(gone)) {
            let phase = self.rounds.phase();
            self.commit(Entry::Closed {
                phase,
                members: complete,
                at: now,
            });
            self.since = now;
            self.nudged = now;
            self.ask_outstanding();
            return true;
        }
        if self.rounds.phase() == Phase::Endorse {
            // A header that somebody signed must not be replaced: a second one for the round would be an equivocation.
            if hopeless {
                self.fail(format!(
                    "the header has {} signatures of {needed} needed; start again to go on",
                    complete.len()
                ));
            }
            return false;
        }
        if late || outstanding.len() + complete.len() < needed {
            let reason = format!(
                "stage {:?} has {} answers of {needed} needed",
                self.rounds.phase(),
                complete.len()
            );
            return self.abandon(now, &reason);
        }
        false
    }

    fn step_post(&mut self) -> bool {
        let Some(settled) = self.rounds.settled().filter(|_| !self.posting) else {
            return false;
        };
        let header = settled.header;
        let signatures = self.rounds.endorsements().values().cloned().collect();
        self.posting = true;
        self.outputs.push_back(Output::Post { header, signatures });
        false
    }

    pub(super) fn abandon(&mut self, now: Millis, reason: &str) -> bool {
        if self.rounds.is_summed() {
            // The sum is out, and paid for: another one would be another release.
            self.fail(reason.into());
            return false;
        }
        let (round, attempt) = self.rounds.position();
        self.commit(Entry::Abandoned {
            reason: reason.into(),
            at: now,
        });
        self.since = now;
        if attempt + 1 >= self.rounds.plan().terms().rounds.attempts {
            self.fail(format!(
                "round {round} was abandoned {} times, last because {reason}",
                attempt + 1
            ));
            return false;
        }
        true
    }

    pub(super) fn fail(&mut self, reason: String) {
        self.ended = true;
        self.outputs.push_back(Output::Failed(reason));
    }

    fn next_attempt(&self) -> (u64, u32) {
        let next = self.rounds.finished() + 1;
        let (round, attempt) = self.rounds.position();
        (next, if round == next { attempt } else { 0 })
    }

    /// How long a round waits for all members before it begins with a quorum of them.
    pub(super) fn gathering(&self) -> Millis {
        let plan = self.rounds.plan();
        millis(if self.rounds.finished() == 0 {
            plan.join_time()
        } else {
            plan.grace()
        })
    }

    /// How long the current phase may last.
    pub(super) fn patience(&self) -> Millis {
        let plan = self.rounds.plan();
        match self.rounds.phase() {
            Phase::Idle => millis(plan.join_time()).saturating_add(self.stage()),
            Phase::Endorse => self.stage().saturating_mul(u64::from(plan.terms().rounds.attempts)),
            _ => self.stage(),
        }
    }

    /// How long a stage waits for those who don't answer, once a quorum did.
    pub(super) fn stage(&self) -> Millis {
        millis(self.rounds.plan().stage_time())
    }

    /// How long a member may be gone before nobody waits for it.
    pub(super) fn grace(&self) -> Millis {
        millis(self.rounds.plan().grace())
    }

    /// How long between two requests to those who haven't answered.
    pub(super) fn nudge_interval(&self) -> Millis {
        (self.stage() / 4).max(50)
    }
}

fn millis(time: std::time::Duration) -> Millis {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
