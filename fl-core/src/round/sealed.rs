//! Sealed uploads: updates that go to a trusted coordinator alone, and the sum that everybody sees.
//!
//! In modes central and distributed (without masks) an update carries no noise or a share of it, so it must not be in the transcript that
//! members and auditors read. The coordinator keeps it in memory for the round, says in the transcript *that* it has it
//! ([`Entry::Received`](crate::transcript::Entry)), and publishes the sum with the promised noise
//! ([`Entry::Summed`](crate::transcript::Entry)). From there on everything follows again, bit for bit.
//!
//! **Trusted, and said so.** That an update opened its commitment and lay within the plan's bounds, and that the sum is what the updates and
//! the noise add up to, is the coordinator's word: no member and no auditor can check it without seeing updates.
//!
//! **One sum a round.** After its sum a round's attempt can't be abandoned, so updates that were charged once are released once.

use std::collections::BTreeSet;

use xfl_privacy::{ClearSum, Mode, SumError};

use super::{Phase, RoundError, Rounds, upload::Assembly};
use crate::{identity::NodeId, message::Upload};

/// A round's sealed uploads, as far as the transcript tells.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sealed {
    received: BTreeSet<NodeId>,
    sum: Option<Vec<i64>>,
}

impl Sealed {
    /// Whether the coordinator has a member's update.
    pub(crate) fn received(&self, member: &NodeId) -> bool {
        self.received.contains(member)
    }

    /// Whether the sum is published.
    pub(crate) fn is_summed(&self) -> bool {
        self.sum.is_some()
    }

    pub(super) fn sum(&self) -> Option<&[i64]> {
        self.sum.as_deref()
    }
}

impl Rounds {
    /// The coordinator's own: takes a part of a sealed upload, outside the transcript; true if the update is whole and within the bounds,
    /// so that it can be said to be received.
    ///
    /// # Errors
    /// As for an upload in the clear; and an update that is out of bounds.
    pub(crate) fn take_sealed(&mut self, member: NodeId, upload: Upload) -> Result<bool, RoundError> {
        if self.phase != Phase::Upload || !self.work.expected.contains(&member) || self.work.sealed.received(&member) {
            let what = "a sealed upload that isn't waited for".into();
            return Err(RoundError::Misplaced { member, what });
        }
        self.upload(member, upload)?;
        let Some(whole) = self.work.uploads.get(&member).filter(|u| u.complete()) else {
            return Ok(false);
        };
        if self.mechanism.admits(whole.values()) {
            return Ok(true);
        }
        self.work.uploads.remove(&member);
        Err(RoundError::Misbehaved {
            member,
            what: "its update is out of range or over the norm".into(),
        })
    }

    /// The coordinator's own: whether it still has every update that it said it received.
    pub(crate) fn holds_sealed(&self) -> bool {
        let whole = |m: &NodeId| self.work.uploads.get(m).is_some_and(Assembly::complete);
        self.work.sealed.is_summed() || self.work.sealed.received.iter().all(whole)
    }

    /// Whether the round's sum is published.
    pub(crate) fn is_summed(&self) -> bool {
        self.work.sealed.is_summed()
    }

    /// The coordinator's own: whether the stage waits for its sum.
    pub(crate) fn wants_sum(&self) -> bool {
        self.phase == Phase::Aggregate && self.plan.sealed() && !self.work.sealed.is_summed()
    }

    /// The sum of the shares of noised updates, which needs no more noise (mode distributed).
    pub(crate) fn sum_of_shares(&self) -> Option<Vec<i64>> {
        if self.plan.terms().privacy.mode != Mode::Distributed {
            return None;
        }
        let mut sum = vec![0i64; self.update_len()];
        for update in self.sealed_updates() {
            // At most 10,000 members, 32 bits each.
            sum.iter_mut().zip(update).for_each(|(s, v)| *s += i64::from(*v));
        }
        Some(sum)
    }

    /// The sum that the coordinator's noise is added to (mode central).
    ///
    /// # Errors
    /// Another mode, or updates out of bounds: not for those that were received.
    pub fn clear_sum(&self) -> Result<ClearSum, SumError> {
        ClearSum::of(&self.mechanism, self.sealed_updates())
    }

    fn sealed_updates(&self) -> impl Iterator<Item = &[i32]> {
        let members = self.work.expected.iter();
        members.filter_map(|m| self.work.uploads.get(m)).map(Assembly::values)
    }

    pub(super) fn received(&mut self, member: NodeId) -> Result<(), RoundError> {
        let expected = self.phase == Phase::Upload && self.plan.sealed() && self.work.expected.contains(&member);
        if !expected || !self.work.sealed.received.insert(member) {
            return Err(self.out_of_place("an update that the coordinator alone has"));
        }
        Ok(())
    }

    pub(super) fn summed(&mut self, values: &[i64]) -> Result<(), RoundError> {
        if !self.wants_sum() || values.len() != self.update_len() {
            return Err(self.out_of_place("a sum"));
        }
        let n = self.work.expected.len() as u64;
        // Noise of one Gaussian passes fifty of its deviations never; a mean fits 32 bits then.
        let most =
            n * u64::from(self.mechanism.max_abs().unsigned_abs()) + 50 * u64::from(self.mechanism.promised_sigma());
        if let Some(i) = values.iter().position(|v| v.unsigned_abs() > most) {
            return Err(self.out_of_place(&format!(
                "a sum whose coordinate {i} is {}, expected at most {most}",
                values[i]
            )));
        }
        self.work.sealed.sum = Some(values.to_vec());
        // Nothing of the updates is kept longer than needed.
        self.work.uploads.clear();
        Ok(())
    }
}
