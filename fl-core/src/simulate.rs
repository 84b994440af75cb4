//! A federation in one process: the plan's own training, protection, rule and scores, with seeded noise.
//!
//! The noise is [`RehearsalNoise`], whose type can't become a release: what is simulated never leaves. The result is a
//! function of plan, data, attack and seed. References without federation ([`centralised`]) take the same number of steps
//! at the same step size, without noise.

use xfl_aggregation::{
    Rows, Rule,
    limits::Limits,
    score::{Ppm, leave_one_out},
};
use xfl_privacy::{Mechanism, Noise, Noised, Quantised, Rehearsal, RehearsalNoise};

use crate::{
    attack::Attack,
    plan::{Plan, PlanError},
    round::aggregate::moved,
    seed::Seed,
    train::{
        Data, Evaluation, Model, TrainError,
        contribution::{ContributionError, contribution},
    },
};

/// What is simulated.
pub struct Simulation<'a> {
    /// The federation's plan.
    pub plan: &'a Plan,
    /// The model.
    pub model: &'a dyn Model,
    /// Each institution's data.
    pub institutions: &'a [&'a dyn Data],
    /// What models are evaluated on.
    pub held_out: &'a dyn Data,
    /// What the last `byzantine` institutions do.
    pub attack: Option<Attack>,
    /// How many of them.
    pub byzantine: usize,
    /// The rule instead of the plan's.
    pub rule: Option<Rule>,
    /// Decides initialisation, batches and noise.
    pub seed: Seed,
}

/// A simulated round.
#[derive(Clone, Debug)]
pub struct Simulated {
    /// After the round.
    pub evaluation: Evaluation,
    /// For each institution: did the rule use its update.
    pub selected: Vec<bool>,
    /// For each institution, its leave-one-out score on held-out data.
    pub scores: Vec<i64>,
}

/// Why a simulation can't go on.
#[derive(Debug, thiserror::Error)]
pub enum SimulationError {
    /// The plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// Training.
    #[error(transparent)]
    Contribution(#[from] ContributionError),
    /// Evaluation.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// Noise.
    #[error(transparent)]
    Noise(#[from] xfl_privacy::NoiseError),
    /// The rule.
    #[error("{0}")]
    Rule(String),
}

impl Simulation<'_> {
    /// Runs the plan's rounds, and one evaluation before the first.
    ///
    /// # Errors
    /// [`SimulationError`].
    pub fn run(&self) -> Result<(Evaluation, Vec<Simulated>), SimulationError> {
        let mechanism = self.plan.mechanism(self.model.dimension())?;
        let mut parameters = self.model.init(&Seed::from_number(self.plan.terms().training.seed));
        let before = self.model.evaluate(&parameters, self.held_out)?;
        let mut rounds = Vec::new();
        for round in 1..=self.plan.terms().rounds.count {
            let updates = self.updates(&mechanism, &parameters, round)?;
            let (next, simulated) = self.aggregate(&mechanism, &parameters, &updates)?;
            parameters = next;
            rounds.push(simulated);
        }
        Ok((before, rounds))
    }

    fn updates(&self, mechanism: &Mechanism, parameters: &[f32], round: u64) -> Result<Vec<Vec<i32>>, SimulationError> {
        let honest = self.institutions.len().saturating_sub(self.byzantine);
        let mut updates = Vec::new();
        for (i, data) in self.institutions.iter().enumerate() {
            let seed = self.seed.derive("institution", &[i as u64]);
            let quantised: Quantised = contribution(self.plan, mechanism, self.model, *data, parameters, round, &seed)?;
            let noise = seed.derive("noise", &[round]);
            let noised: Noised<Rehearsal> = RehearsalNoise::from_seed(noise.0).noise(quantised)?;
            updates.push(match self.attack {
                Some(attack) if i >= honest => attack.apply(noised.values(), mechanism, &noise),
                _ => noised.values().to_vec(),
            });
        }
        Ok(updates)
    }

    fn aggregate(
        &self,
        mechanism: &Mechanism,
        parameters: &[f32],
        updates: &[Vec<i32>],
    ) -> Result<(Vec<f32>, Simulated), SimulationError> {
        let fail = |e: &dyn std::fmt::Display| SimulationError::Rule(e.to_string());
        let limits = Limits {
            max_abs: mechanism.max_abs().unsigned_abs(),
            max_norm_squared: mechanism.max_norm_squared(),
        };
        let fits: Vec<bool> = updates
            .iter()
            .map(|u| limits.check(u, parameters.len()).is_ok())
            .collect();
        let rows = updates
            .iter()
            .zip(&fits)
            .filter(|(_, fits)| **fits)
            .map(|(u, _)| u.as_slice())
            .collect();
        let rows = Rows::new(rows).map_err(|e| fail(&e))?;
        let rule = self
            .rule
            .unwrap_or_else(|| self.plan.pipeline(rows.n(), &self.seed).rule);
        let aggregate = rule.aggregate(&rows).map_err(|e| fail(&e))?;
        let step = self.plan.parameter_step();
        let value = |mean: &[i32]| {
            let evaluation = self.model.evaluate(&moved(parameters, mean, step), self.held_out)?;
            Ok::<_, TrainError>(Ppm((-evaluation.loss * 1e6).round() as i64))
        };
        let game = leave_one_out(&rows, &Rule::Mean, value).map_err(|e| fail(&e))?;
        let next = moved(parameters, &aggregate.values, step);
        let evaluation = self.model.evaluate(&next, self.held_out)?;
        let (mut selected, mut scores) = (aggregate.selected.into_iter(), game.scores.into_iter());
        let simulated = Simulated {
            evaluation,
            selected: fits.iter().map(|f| *f && selected.next().unwrap_or_default()).collect(),
            scores: fits
                .iter()
                .map(|f| if *f { scores.next().map_or(0, |s| s.0) } else { 0 })
                .collect(),
        };
        Ok((next, simulated))
    }
}

/// Trains on one place's data without federation and without noise: the plan's number of steps, each over all of `data`.
///
/// # Errors
/// Training fails or diverges.
pub fn centralised(
    plan: &Plan,
    model: &dyn Model,
    data: &dyn Data,
    held_out: &dyn Data,
) -> Result<Vec<Evaluation>, TrainError> {
    let mut parameters = model.init(&Seed::from_number(plan.terms().training.seed));
    let mut gradient = vec![0.0; model.dimension()];
    let all: Vec<usize> = (0..data.len()).collect();
    let rate = match plan.terms().privacy.unit {
        xfl_privacy::Unit::Record => plan.terms().training.server_learning_rate,
        xfl_privacy::Unit::Institution => plan.terms().training.learning_rate,
    };
    let mut evaluations = Vec::new();
    for _ in 0..plan.terms().rounds.count {
        model.loss_gradient(&parameters, data, &all, &mut gradient)?;
        for (p, g) in parameters.iter_mut().zip(&gradient) {
            *p = (f64::from(*p) - rate * f64::from(*g)) as f32;
        }
        evaluations.push(model.evaluate(&parameters, held_out)?);
    }
    Ok(evaluations)
}
