//! An institution's rounds as an auditor rehearses them: the plan's training and protection, and a model that moves by what is released.

use std::iter;

use xfl_core::{
    plan::{Plan, PlanError},
    round::past::Past,
    seed::Seed,
    train::{
        Data, Model, TrainError,
        contribution::{ContributionError, Task, contribution},
        data::TableError,
    },
};
use xfl_privacy::{
    Mechanism, MechanismError, Mode, OpenDpNoise, ParameterError, RehearsalNoise, Relation, Settings, Unit,
};

use super::planted::{Planted, Role};
use crate::failure::Failure;

/// Where noise comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Entropy {
    /// The seed: every audit can be repeated. Nothing of it leaves.
    Seed,
    /// OpenDP and the operating system, as in a round.
    Os,
}

/// Who is rehearsed, and under which protection.
#[derive(Clone, Copy)]
pub(super) struct Rehearsal<'a> {
    pub(super) plan: &'a Plan,
    pub(super) model: &'a dyn Model,
    /// What is done to contributions.
    pub(super) mechanism: Mechanism,
    pub(super) rounds: u64,
    pub(super) entropy: Entropy,
}

/// Canaries in one run: whom to look for, and what each does where it is in.
pub(super) struct Planting<'a> {
    pub(super) data: &'a dyn Data,
    pub(super) canaries: &'a [Canary],
    /// Whether each is in.
    pub(super) coins: &'a [bool],
}

/// One canary.
#[derive(Clone, Copy, Debug)]
pub(super) struct Canary {
    /// Its record; under unit `institution` all records together are one canary.
    pub(super) record: usize,
    pub(super) kind: Kind,
}

/// What a canary hands over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    /// The longest contribution there is, along an axis.
    Axis { axis: usize, downhill: f32 },
    /// Its own gradient.
    Gradient,
}

/// Why a rehearsal ended early.
#[derive(Debug, thiserror::Error)]
pub(super) enum RehearsalError {
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error(transparent)]
    Mechanism(#[from] MechanismError),
    #[error(transparent)]
    Contribution(#[from] ContributionError),
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    #[error("no new model: {0}; lower training.server_learning_rate")]
    Server(#[from] xfl_aggregation::server::ServerError),
    #[error(transparent)]
    Train(#[from] TrainError),
    #[error(transparent)]
    Table(#[from] TableError),
}

impl From<RehearsalError> for Failure {
    fn from(error: RehearsalError) -> Self {
        match error {
            RehearsalError::Plan(error) => error.into(),
            RehearsalError::Train(error) | RehearsalError::Contribution(ContributionError::Train(error)) => {
                error.into()
            }
            error => Failure::failed(error.to_string()),
        }
    }
}

/// The same mechanism without noise.
///
/// # Errors
/// None that a valid mechanism leads to.
pub(super) fn silent(mechanism: &Mechanism) -> Result<Mechanism, MechanismError> {
    Mechanism::try_from(Settings {
        noise_multiplier: 0.0,
        count_noise: None,
        ..Settings::from(*mechanism)
    })
}

impl Canary {
    fn role(&self, times: f32) -> Role {
        match self.kind {
            Kind::Axis { axis, downhill } => Role::Axis {
                axis,
                downhill: times * downhill,
            },
            Kind::Gradient => Role::Noted { times },
        }
    }
}

impl Rehearsal<'_> {
    /// What a record hands over where it is out, in shares of what it does where it is in.
    fn out(&self) -> f32 {
        match self.mechanism.relation() {
            Relation::ZeroOut => 0.0,
            Relation::Replace => -1.0,
        }
    }

    /// One run: the score of each canary, the likelihood ratio of all releases if nothing but its coin were unknown.
    ///
    /// In mode local the other records train, and what they add is subtracted: an attacker may know all of them. In mode dp-sgd that depends
    /// on noise and coins, so the attacker has chosen others who add nothing.
    ///
    /// # Errors
    /// [`RehearsalError`].
    pub(super) fn scores(&self, planting: &Planting<'_>, seed: &Seed) -> Result<Vec<f64>, RehearsalError> {
        let Planting { data, canaries, coins } = planting;
        let (out, steps) = (self.out(), self.mechanism.mode() == Mode::DpSgd);
        let known = self.roles(planting, |_| 0.0);
        let real = self.roles(planting, |at| if coins[at] { 1.0 } else { out });
        let silent = silent(&self.mechanism)?;
        let mut run = Run::start(self, *seed)?;
        let mut scores = vec![0.0; canaries.len()];
        for round in 1..=self.rounds {
            let mut noted = Vec::new();
            let mut expected = Vec::new();
            if !steps {
                let planted = Planted::new(self.model, &known);
                expected = run.contribution(&silent, Entropy::Os, &planted, *data, round)?;
                noted = planted.noted();
            }
            let released = run.release(&Planted::new(self.model, &real), *data, round)?;
            let known = expected.into_iter().chain(iter::repeat(0));
            let residual: Vec<f64> = iter::zip(&released, known)
                .map(|(a, b)| f64::from(*a) - f64::from(b))
                .collect();
            for (score, canary) in scores.iter_mut().zip(*canaries) {
                let (along, squared) = self.along(canary, &noted, &residual);
                // The ratio of a normal around the contribution to one around `out` times it, times the variance.
                let out = f64::from(out);
                *score += along * (1.0 - out) - squared * (1.0 - out * out) / 2.0;
            }
            run.move_by(&released)?;
        }
        Ok(scores)
    }

    /// What every record hands over, a canary so many times what it does where it is in.
    fn roles(&self, planting: &Planting<'_>, times: impl Fn(usize) -> f32) -> Vec<Role> {
        let others = match self.mechanism.mode() {
            Mode::DpSgd => Role::Absent,
            _ => Role::Present,
        };
        let mut roles = vec![others; planting.data.len()];
        for (at, canary) in planting.canaries.iter().enumerate() {
            let role = canary.role(times(at));
            match self.mechanism.unit() {
                Unit::Institution => roles.fill(role),
                Unit::Record => roles.iter_mut().skip(canary.record).take(1).for_each(|own| *own = role),
            }
        }
        roles
    }

    /// The residual along a canary's clipped contribution, in squared grid steps, and that contribution's squared length.
    fn along(&self, canary: &Canary, noted: &[(usize, Vec<f32>)], residual: &[f64]) -> (f64, f64) {
        let clip = f64::from(self.mechanism.clip_steps());
        match canary.kind {
            Kind::Axis { axis, .. } => (clip * residual.get(axis).copied().unwrap_or_default(), clip * clip),
            Kind::Gradient => {
                let Some((_, gradient)) = noted.iter().find(|(record, _)| *record == canary.record) else {
                    // Not in this round's batch.
                    return (0.0, 0.0);
                };
                let length = gradient.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
                if length == 0.0 {
                    return (0.0, 0.0);
                }
                let clipped = clip.min(length / self.mechanism.grid().step());
                let dot: f64 = iter::zip(gradient, residual).map(|(g, r)| -f64::from(*g) * r).sum();
                (dot / length * clipped, clipped * clipped)
            }
        }
    }

    /// The model after a run in which the records without a coin hand over nothing.
    ///
    /// # Errors
    /// [`RehearsalError`].
    pub(super) fn trained(&self, data: &dyn Data, coins: &[bool], seed: &Seed) -> Result<Vec<f32>, RehearsalError> {
        let role = |coin: &bool| if *coin { Role::Present } else { Role::Absent };
        let roles: Vec<Role> = coins.iter().map(role).collect();
        let mut run = Run::start(self, *seed)?;
        for round in 1..=self.rounds {
            let released = run.release(&Planted::new(self.model, &roles), data, round)?;
            run.move_by(&released)?;
        }
        Ok(run.parameters)
    }
}

/// A model on its way.
struct Run<'a> {
    rehearsal: &'a Rehearsal<'a>,
    parameters: Vec<f32>,
    past: Past<usize>,
    seed: Seed,
}

impl<'a> Run<'a> {
    fn start(rehearsal: &'a Rehearsal<'a>, seed: Seed) -> Result<Self, RehearsalError> {
        let Rehearsal { plan, model, .. } = rehearsal;
        Ok(Self {
            rehearsal,
            parameters: model.init(&Seed::from_number(plan.terms().training.seed)),
            past: Past::start(plan, model.dimension())?,
            seed,
        })
    }

    /// What a mechanism makes of the records, on the grid.
    fn contribution(
        &self,
        mechanism: &Mechanism,
        entropy: Entropy,
        model: &Planted<'_>,
        data: &dyn Data,
        round: u64,
    ) -> Result<Vec<i32>, RehearsalError> {
        let mechanism = mechanism.scaled(self.past.scale())?;
        let task = Task {
            plan: self.rehearsal.plan,
            mechanism: &mechanism,
            model,
            data,
            parameters: &self.parameters,
            round,
            seed: &self.seed,
        };
        Ok(match entropy {
            Entropy::Os => contribution(&task, &mut OpenDpNoise)?.values().to_vec(),
            Entropy::Seed => {
                let seed = self.seed.derive("noise", &[round]);
                contribution(&task, &mut RehearsalNoise::from_seed(seed.0))?
                    .values()
                    .to_vec()
            }
        })
    }

    /// What leaves in a round.
    fn release(&self, model: &Planted<'_>, data: &dyn Data, round: u64) -> Result<Vec<i32>, RehearsalError> {
        let Rehearsal { mechanism, entropy, .. } = self.rehearsal;
        self.contribution(mechanism, *entropy, model, data, round)
    }

    fn move_by(&mut self, released: &[i32]) -> Result<(), RehearsalError> {
        let Rehearsal { plan, mechanism, .. } = self.rehearsal;
        self.parameters = self.past.step(plan, &self.parameters, released)?;
        self.past.adapt(plan, mechanism, released);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
