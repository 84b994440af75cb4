//! Score: what each update contributed, in parts per million.
//!
//! Scorers that need held-out data play their game on the plain mean: a coalition is worth minus the held-out loss of the model
//! moved by the mean of its updates. The robust rule decides the model; the mean decides what each update would have done to
//! it, which is what a poisoner must not be paid for.
//!
//! **What an auditor can check.** A model's value is the only thing here that is not exact, so the values are in the transcript, in the
//! order in which the scorer asked for them ([`Scored::values`]). From them everybody recomputes the scores exactly; whoever has
//! the held-out data checks each value within the plan's tolerance. A scorer that decides by values (a walk cut short, say) thus
//! decides the same for all.

use xfl_aggregation::{
    Rows, Rule,
    score::{
        Coalition, Cosines, Game, GtgTerms, Ppm, ShapleyError, coalition_aggregate, cosine_to_aggregate, exact_shapley,
        gtg_shapley, leave_one_out, truncated_shapley,
    },
};

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

/// What a scorer made of a round.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Played {
    pub(super) scores: Vec<i64>,
    /// CGSV's reputations after the round; empty for other scorers.
    pub(super) reputations: Vec<Ppm>,
}

/// Makes the aggregate of the coalition that is to be valued.
type Make<'a> = &'a dyn Fn() -> Result<Vec<i32>, RoundError>;

impl Rounds {
    /// Scores and rewards of the aggregate; `None` where they need a referee and there is none.
    pub(super) fn score(&self, referee: Option<&mut dyn Referee>) -> Result<Option<Scored>, RoundError> {
        let needed = self.plan().terms().score.kind.needs_held_out();
        let (mut values, mut referee) = (Vec::new(), referee);
        if needed && referee.is_none() {
            return Ok(None);
        }
        let played = self.play(&mut |make| {
            let value = match referee.as_deref_mut() {
                Some(referee) => self.judge(referee, &make()?)?,
                None => return Err(self.out_of_place("a value without a referee")),
            };
            values.push(value);
            Ok(Ppm(value))
        })?;
        let rewards = self.rewards(&played.scores)?;
        Ok(Some(Scored {
            values,
            scores: played.scores,
            rewards,
        }))
    }

    /// Compares the transcript's scores with what follows from its values, and those with the referee's where there is one.
    pub(super) fn check_scores(
        &self,
        got: &Scored,
        mut referee: Option<&mut dyn Referee>,
    ) -> Result<Played, RoundError> {
        let differs = |what, expected: String, got: String| RoundError::Differs { what, expected, got };
        let tolerance = u64::from(self.plan().terms().score.tolerance_ppm);
        let mut told = got.values.iter().copied();
        let played = self.play(&mut |make| {
            let Some(value) = told.next() else {
                return Err(differs(
                    "number of values",
                    "one more".into(),
                    got.values.len().to_string(),
                ));
            };
            if let Some(referee) = referee.as_deref_mut() {
                let own = self.judge(referee, &make()?)?;
                if own.abs_diff(value) > tolerance {
                    return Err(differs(
                        "value of a model",
                        format!("{own} ±{tolerance}"),
                        value.to_string(),
                    ));
                }
            }
            Ok(Ppm(value))
        })?;
        if told.next().is_some() {
            return Err(differs(
                "number of values",
                "fewer".into(),
                got.values.len().to_string(),
            ));
        }
        if played.scores != got.scores {
            return Err(differs(
                "scores",
                format!("{:?}", played.scores),
                format!("{:?}", got.scores),
            ));
        }
        let rewards = self.rewards(&got.scores)?;
        if rewards != got.rewards {
            return Err(differs("rewards", format!("{rewards:?}"), format!("{:?}", got.rewards)));
        }
        Ok(played)
    }

    fn judge(&self, referee: &mut dyn Referee, aggregate: &[i32]) -> Result<i64, RoundError> {
        referee.value(&self.moved(aggregate)).map_err(impossible)
    }

    /// Plays the plan's scorer; `value` answers what a coalition is worth, and what it says is wrong is what is wrong.
    fn play(&self, value: &mut dyn FnMut(Make<'_>) -> Result<Ppm, RoundError>) -> Result<Played, RoundError> {
        let mut fault = None;
        let played = self.play_with(&mut |make| {
            value(make).inspect_err(|error| {
                fault.get_or_insert_with(|| error.clone());
            })
        });
        played.map_err(|error| fault.unwrap_or(error))
    }

    fn play_with(&self, value: &mut dyn FnMut(Make<'_>) -> Result<Ppm, RoundError>) -> Result<Played, RoundError> {
        let Some(outcome) = self.outcome() else {
            return Err(self.out_of_place("scores without an aggregate"));
        };
        let members = &outcome.aggregated.members;
        let kind = self.plan().terms().score.kind;
        if kind == ScoreKind::Participation {
            return Ok(Played {
                scores: vec![1_000_000; members.len()],
                ..Played::default()
            });
        }
        let rows = self.visible_rows(outcome)?;
        let plain = |scores: Vec<Ppm>| Played {
            scores: scores.into_iter().map(|p| p.0).collect(),
            ..Played::default()
        };
        Ok(match kind {
            ScoreKind::Participation | ScoreKind::Cosine => {
                plain(cosine_to_aggregate(&rows, &outcome.values).map_err(impossible)?)
            }
            ScoreKind::Cgsv => {
                let cosines = Cosines::of(&rows).map_err(impossible)?;
                let round = self.past().cosine_gradient(members, &cosines).map_err(impossible)?;
                Played {
                    reputations: round.reputations,
                    ..plain(round.scores)
                }
            }
            ScoreKind::LeaveOneOut => {
                let asked = |mean: &[i32]| value(&|| Ok(mean.to_vec()));
                plain(leave_one_out(&rows, &Rule::Mean, asked).map_err(impossible)?.scores)
            }
            ScoreKind::Shapley | ScoreKind::TruncatedShapley | ScoreKind::GtgShapley => {
                plain(self.shapley(&rows, value)?)
            }
        })
    }

    fn shapley(
        &self,
        rows: &Rows<'_>,
        value: &mut dyn FnMut(Make<'_>) -> Result<Ppm, RoundError>,
    ) -> Result<Vec<Ppm>, RoundError> {
        let score = &self.plan().terms().score;
        let one = |coalition: &Coalition| {
            let make = || coalition_aggregate::<RoundError>(rows, &Rule::Mean, *coalition).map_err(impossible);
            value(&make)
        };
        let mut one = one;
        let mut game =
            Game::new(rows.n(), |batch: &[Coalition]| batch.iter().map(&mut one).collect()).map_err(impossible)?;
        let orders = |count: usize| -> Vec<Vec<usize>> {
            let mut stream = self.coin().derive("orders", &[]).stream();
            let mut order: Vec<usize> = (0..rows.n()).collect();
            let drawn = (0..count).map(|_| {
                stream.shuffle(&mut order);
                order.clone()
            });
            drawn.collect()
        };
        let failed = |error: ShapleyError<RoundError>| impossible(error);
        Ok(match score.kind {
            ScoreKind::TruncatedShapley => {
                truncated_shapley(&mut game, &orders(score.orders() as usize), score.truncation())
                    .map_err(failed)?
                    .scores
            }
            ScoreKind::GtgShapley => {
                let terms = GtgTerms {
                    round_tolerance: score.truncation(),
                    walk_tolerance: score.truncation(),
                    ..GtgTerms::default()
                };
                gtg_shapley(&mut game, &orders(score.orders() as usize), &terms)
                    .map_err(failed)?
                    .sampled
                    .scores
            }
            _ => exact_shapley(&mut game).map_err(failed)?.scores,
        })
    }

    pub(super) fn visible_rows<'a>(&'a self, outcome: &Outcome) -> Result<Rows<'a>, RoundError> {
        let rows = outcome
            .aggregated
            .members
            .iter()
            .filter_map(|m| self.work.uploads.get(m));
        Rows::new(rows.map(super::upload::Assembly::values).collect()).map_err(impossible)
    }
}

pub(super) fn impossible(error: impl std::fmt::Display) -> RoundError {
    RoundError::Impossible(error.to_string())
}
