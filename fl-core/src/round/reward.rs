//! Reward: the round's budget shared out by scores ([`xfl_aggregation::reward`]), in whole units of the token.
//!
//! A claim weighs its owner's summed score where the round's own is positive: by the round's score alone, a poisoner could take a
//! whole budget in a late round in which everybody's score is next to nothing and its own happens to be positive; by the sum alone,
//! somebody could live off earlier rounds.

use xfl_aggregation::{
    reward::{Claim, Offence, split},
    score::{Cosines, Ppm, copies},
};

use super::{RoundError, Rounds, score::impossible};

impl Rounds {
    /// What each member of the aggregate earns, in their order; together at most the budget.
    pub(super) fn rewards(&self, scores: &[i64]) -> Result<Vec<u64>, RoundError> {
        let Some(outcome) = self.outcome() else {
            return Err(self.out_of_place("rewards without an aggregate"));
        };
        let members = &outcome.aggregated.members;
        if members.len() != scores.len() {
            let (expected, got) = (members.len().to_string(), scores.len().to_string());
            return Err(RoundError::Differs {
                what: "number of scores",
                expected,
                got,
            });
        }
        let copied = self.copied()?;
        let claim = |(i, (member, score)): (usize, (_, &i64))| {
            let before = self.scores.get(member).copied().unwrap_or(0);
            let offences: &[Offence] = if copied.get(i) == Some(&true) {
                &[Offence::Copied]
            } else {
                &[]
            };
            Claim {
                offences,
                ..Claim::new(Ppm(*score), Ppm(before))
            }
        };
        let claims: Vec<Claim<'_>> = members.iter().zip(scores).enumerate().map(claim).collect();
        let reward = &self.plan().terms().reward;
        let split = split(reward.budget.into(), &claims, &reward.terms()).map_err(impossible)?;
        // Parts of a budget that fits u64 fit u64.
        Ok(split
            .parts
            .into_iter()
            .map(|part| u64::try_from(part).unwrap_or(reward.budget))
            .collect())
    }

    /// Whose update is a copy of one that was committed to earlier; empty where the plan doesn't look for them.
    fn copied(&self) -> Result<Vec<bool>, RoundError> {
        let (Some(least), Some(outcome)) = (self.plan().terms().reward.copies_ppm, self.outcome()) else {
            return Ok(Vec::new());
        };
        let cosines = Cosines::of(&self.visible_rows(outcome)?).map_err(impossible)?;
        // Who was first counts from the round's first attempt on: updates shown in one that was abandoned are known to all in the next.
        let first = |row: &usize| {
            self.shown
                .get(&outcome.aggregated.members[*row])
                .map(|shown| shown.first)
        };
        let mut order: Vec<usize> = (0..cosines.n()).collect();
        order.sort_by_key(first);
        let found = copies(&cosines, &order, Ppm(least.into())).map_err(impossible)?;
        Ok(found.into_iter().map(|original| original.is_some()).collect())
    }
}
