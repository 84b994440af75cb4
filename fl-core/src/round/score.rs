//! Score: what each update contributed, in parts per million, and the round's budget shared out by it.
//!
//! Leave-one-out plays its game on the plain mean: the coalition's value is minus the held-out loss of the model moved by
//! the mean of its updates. The robust rule decides the model; the mean decides what each update would have done to it,
//! which is what a poisoner must not be paid for.

use xfl_aggregation::{
    Rows, Rule,
    score::{Ppm, cosine_to_aggregate, leave_one_out},
};
use xfl_settlement::reward::apportion;

use super::{Outcome, RoundError, Rounds};
use crate::{plan::ScoreKind, transcript::Scored};

/// Evaluates a model on data that the members don't have.
pub trait Referee {
    /// The model's value, larger is better, in parts per million.
    ///
    /// # Errors
    /// [`RefereeError`] where the model can't be evaluated.
    fn value(&mut self, model: &[f32]) -> Result<i64, RefereeError>;
}

/// Why a model has no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the model can't be evaluated: {0}")]
pub struct RefereeError(pub String);

impl Rounds {
    /// Scores and rewards of the aggregate; `None` where they need a referee and there is none.
    pub(super) fn score(&self, referee: Option<&mut dyn Referee>) -> Result<Option<Scored>, RoundError> {
        let Some(outcome) = self.outcome() else {
            return Err(self.out_of_place("scores without an aggregate"));
        };
        let n = outcome.aggregated.members.len();
        let scores = match (self.plan().terms().score.kind, referee) {
            (ScoreKind::Participation, _) => vec![1_000_000; n],
            (ScoreKind::Cosine, _) => {
                let rows = self.visible_rows(outcome)?;
                cosine_to_aggregate(&rows, &outcome.values)
                    .map_err(impossible)?
                    .into_iter()
                    .map(|p| p.0)
                    .collect()
            }
            (ScoreKind::LeaveOneOut, None) => return Ok(None),
            (ScoreKind::LeaveOneOut, Some(referee)) => {
                let rows = self.visible_rows(outcome)?;
                let value = |mean: &[i32]| referee.value(&self.moved(mean)).map(Ppm);
                let result = leave_one_out(&rows, &Rule::Mean, value).map_err(impossible)?;
                result.scores.into_iter().map(|p| p.0).collect()
            }
        };
        let rewards = self.rewards(&scores);
        Ok(Some(Scored { scores, rewards }))
    }

    /// The round's budget shared out among those whose update helped in it, by what they contributed so far.
    pub(super) fn rewards(&self, scores: &[i64]) -> Vec<u64> {
        let members = self
            .outcome()
            .map(|o| o.aggregated.members.as_slice())
            .unwrap_or_default();
        let before = members.iter().map(|m| self.scores.get(m).copied().unwrap_or(0));
        let weights: Vec<u64> = scores
            .iter()
            .zip(before)
            .map(|(score, before)| weight(before, *score))
            .collect();
        let budget = self.plan().terms().reward.budget;
        // Parts of a budget that fits u64 fit u64.
        let parts = apportion(u128::from(budget), &weights);
        parts.into_iter().map(|r| u64::try_from(r).unwrap_or(budget)).collect()
    }

    pub(super) fn check_scores(&self, got: &Scored, referee: Option<&mut dyn Referee>) -> Result<(), RoundError> {
        let differs = |what, expected: String, got: String| Err(RoundError::Differs { what, expected, got });
        let n = self.outcome().map_or(0, |o| o.aggregated.members.len());
        if got.scores.len() != n {
            return differs("number of scores", n.to_string(), got.scores.len().to_string());
        }
        let rewards = self.rewards(&got.scores);
        if rewards != got.rewards {
            return differs("rewards", format!("{rewards:?}"), format!("{:?}", got.rewards));
        }
        let tolerance = match self.plan().terms().score.kind {
            ScoreKind::LeaveOneOut => u64::from(self.plan().terms().score.tolerance_ppm),
            _ => 0,
        };
        if let Some(own) = self.score(referee)? {
            let off = own
                .scores
                .iter()
                .zip(&got.scores)
                .position(|(a, b)| a.abs_diff(*b) > tolerance);
            if let Some(i) = off {
                return differs(
                    "score",
                    format!("{} ±{tolerance}", own.scores[i]),
                    got.scores[i].to_string(),
                );
            }
        }
        Ok(())
    }

    fn visible_rows<'a>(&'a self, outcome: &Outcome) -> Result<Rows<'a>, RoundError> {
        let rows = outcome
            .aggregated
            .members
            .iter()
            .filter_map(|m| self.work.uploads.get(m));
        Rows::new(rows.map(super::upload::Assembly::values).collect()).map_err(impossible)
    }
}

/// What a member's claim on a round's budget weighs: its summed score, if the round's own is positive.
///
/// By the round's score alone, a poisoner could take a whole budget in a late round in which everybody's score is next to
/// nothing and its own happens to be positive; by the sum alone, somebody could live off earlier rounds.
fn weight(before: i64, score: i64) -> u64 {
    if score > 0 {
        u64::try_from(before.saturating_add(score)).unwrap_or(0)
    } else {
        0
    }
}

pub(super) fn impossible(error: impl std::fmt::Display) -> RoundError {
    RoundError::Impossible(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::weight;

    /// Seen in a demo: a poisoner at -290,475 ppm over ten rounds took a ninth of all rewards, because in one late round it
    /// alone scored above zero.
    #[test]
    fn one_lucky_round_pays_no_poisoner() {
        assert_eq!(weight(-290_000, 40), 0);
        assert_eq!(weight(50_000, -1), 0, "nor does an old merit pay for a harmful round");
        assert_eq!((weight(0, 7), weight(10, 7), weight(-3, 7)), (7, 17, 4));
        assert_eq!(weight(i64::MAX, 1), i64::MAX as u64);
    }
}
