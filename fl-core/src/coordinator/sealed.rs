//! Sealed rounds: updates for the coordinator alone, and the sum that it publishes; see [`crate::round::sealed`].

use xfl_privacy::NoisedSum;

use super::{Coordinator, Millis, Output};
use crate::{
    identity::NodeId,
    message::{Envelope, Report},
    round::RoundError,
    transcript::Entry,
};

/// Why a coordinator that was started again abandons a sealed round.
pub(super) const LOST: &str =
    "the coordinator was started again, and it keeps updates that are for it alone in memory only";

impl Coordinator {
    /// A part of an update that is for the coordinator alone: kept in memory, and out of the transcript.
    pub(super) fn receive_sealed(
        &mut self,
        from: NodeId,
        envelope: &Envelope,
        report: Report,
    ) -> Result<(), RoundError> {
        let misplaced = |what: &str| {
            let (member, what) = (from, what.into());
            Err(RoundError::Misplaced { member, what })
        };
        let Report::Upload(upload) = report else {
            return misplaced("not an upload");
        };
        if (envelope.round, envelope.attempt) != self.rounds.position() {
            return misplaced("an upload of another attempt");
        }
        if !self.rounds.take_sealed(from, upload)? {
            return Ok(());
        }
        let entry = Entry::Received { member: from };
        let frame = self.rounds.apply(&entry, None)?;
        self.outputs.push_back(Output::Journal { entry, frame });
        if let Some(root) = self.rounds.work().commits.get(&from).map(|c| c.commit.root) {
            self.receipt(from, root);
        }
        Ok(())
    }

    /// The sum that [`Output::Noise`] asked for, noised.
    pub fn noised<S>(&mut self, now: Millis, sum: &NoisedSum<S>) {
        self.noising = false;
        if self.rounds.wants_sum() {
            let values = sum.values().to_vec();
            self.commit(Entry::Summed { values });
            self.since = now;
        }
        self.advance(now);
    }

    /// The noise can't be had.
    pub fn unnoised(&mut self, reason: &str) {
        self.fail(format!("the coordinator's noise: {reason}"));
    }

    /// Sealed rounds: the sum comes before what follows from it.
    pub(super) fn step_sum(&mut self, now: Millis) -> bool {
        if self.noising {
            return false;
        }
        if !self.rounds.holds_sealed() {
            return self.abandon(now, LOST);
        }
        match self.rounds.sum_of_shares() {
            Some(values) => {
                self.commit(Entry::Summed { values });
                self.since = now;
                true
            }
            None => {
                self.noising = true;
                self.outputs.push_back(Output::Noise);
                false
            }
        }
    }
}
