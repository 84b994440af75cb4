//! Select: a round begins with its cohort. Every admitted member that is there takes part.

use super::{Phase, RoundError, Rounds, Work, mask::Masked};
use crate::identity::NodeId;

impl Rounds {
    pub(super) fn select(&mut self, round: u64, attempt: u32, cohort: &[NodeId]) -> Result<(), RoundError> {
        if self.phase() != Phase::Idle || self.all_done() {
            return Err(self.out_of_place("a round begins"));
        }
        let next = self.finished() + 1;
        let attempt_due = if self.round == next { self.attempt } else { 0 };
        if (round, attempt) != (next, attempt_due) {
            let expected = format!("{next} {attempt_due}");
            return Err(RoundError::Differs {
                what: "round and attempt",
                expected,
                got: format!("{round} {attempt}"),
            });
        }
        if !cohort.is_sorted_by(|a, b| a < b) || !cohort.iter().all(|m| self.joined.contains_key(m)) {
            return Err(self.out_of_place("a cohort out of order, or with a member that never joined"));
        }
        if cohort.len() < self.plan().terms().rounds.quorum {
            return Err(self.out_of_place("a cohort smaller than the quorum"));
        }
        let mask = if self.plan().masked() {
            Some(Masked::new(self, round, attempt, cohort)?)
        } else {
            None
        };
        self.phase = if mask.is_some() {
            Phase::Advertise
        } else {
            Phase::Commit
        };
        if round != self.round || attempt == 0 {
            self.shown.clear();
        }
        (self.round, self.attempt) = (round, attempt);
        self.work = Work {
            cohort: cohort.to_vec(),
            expected: cohort.iter().copied().collect(),
            mask,
            ..Work::default()
        };
        Ok(())
    }
}
