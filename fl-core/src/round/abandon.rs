//! Giving an attempt up, and when a coordinator may.
//!
//! A new attempt draws a new coin ([`super::coin`]), so a coordinator that could give up whatever it liked could draw until the
//! buckets, samples or orders suit it. **Claim.** An attempt that could go on can't be given up: not while it gathers answers and has enough
//! of them, and not afterwards, unless computing what follows fails for everybody who replays it as well.
//!
//! **What it does not do.** Answers count once they are in the transcript, and the coordinator writes that: it can pretend that so many
//! updates never came that no quorum is left. Each of those members knows better, and holds a receipt. So what audits say of an attempt that
//! was given up while it gathered is the coordinator's word; the same goes for updates that were for it alone ([`super::sealed`]) and, without the held-out
//! data, for a model that couldn't be valued ([`Rounds::judges_giving_up`]).

use super::{Phase, Referee, RoundError, Rounds, Work};

impl Rounds {
    /// # Errors
    /// Where there is no attempt, its round's sum or header is out, or it could go on.
    pub(super) fn abandon(&mut self, referee: Option<&mut dyn Referee>) -> Result<(), RoundError> {
        // A sum that was published is what its round's charge paid for: another one would be another release.
        if matches!(self.phase, Phase::Idle | Phase::Endorse | Phase::Post) || self.work.sealed.is_summed() {
            return Err(self.out_of_place("nothing to abandon"));
        }
        if self.could_go_on(referee) {
            return Err(self.out_of_place("abandoning an attempt that has all it needs to go on"));
        }
        self.phase = Phase::Idle;
        self.work = Work::default();
        self.attempt = self.attempt.saturating_add(1);
        self.round = self.finished.saturating_add(1);
        Ok(())
    }

    /// Whether whoever replays an attempt that is given up now computes for itself that it couldn't go on.
    pub(crate) fn judges_giving_up(&self, referee: bool) -> bool {
        match self.phase {
            Phase::Aggregate => !self.plan.sealed(),
            Phase::Score => referee || !self.plan.terms().score.kind.needs_held_out(),
            Phase::Settle => true,
            _ => false,
        }
    }

    fn could_go_on(&self, referee: Option<&mut dyn Referee>) -> bool {
        match self.phase {
            // What the coordinator alone had, it may have lost.
            Phase::Upload | Phase::Aggregate if self.plan.sealed() => false,
            Phase::Aggregate => self.aggregate().is_ok(),
            Phase::Score => matches!(self.score(referee), Ok(Some(_))),
            Phase::Settle => self.settle().is_ok(),
            _ => self.gathers() && self.complete().len() >= self.needed(),
        }
    }
}
