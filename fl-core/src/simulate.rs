//! A federation in one process: the plan's own training, protection, rule and scores, with seeded noise and attackers.
//!
//! The noise is [`RehearsalNoise`], whose type can't become a release: what is simulated never leaves. The result is a
//! function of plan, data, attack and seed, on any number of threads. What the plan's stages and rule draw, and what they remember
//! from round to round, is as in a real round; the coin comes from the seed.
//!
//! The last [`Simulation::byzantine`] institutions carry out the [`Attack`]; the others are honest, and their updates come
//! first in every round. Attackers who make their updates from honest ones see those of the same round, as they are sent; those who
//! try their update against the rule know its stages, its memory and the round's coin.
//! An update that breaks the plan's range or norm, or that no integers can carry, is refused: the round goes on without.
//!
//! References without federation ([`centralised()`]) take the same number of steps at the same step size, without noise.
//!
//! **Not here**: dropouts, delays, lies in the protocol. The rounds' own tests have those.

use xfl_aggregation::{
    Aggregate, Rows, RowsError, Rule, RuleError,
    attack::{AttackError, Defence, DefenceError},
    limits::Limits,
    mean_of_sum,
    score::{Ppm, leave_one_out},
    server::ServerError,
};
use xfl_privacy::{
    Carried, CarriedError, Carrying, ClearSum, Mechanism, Mode, Noise, Noised, ParameterError, Rehearsal,
    RehearsalNoise, SumError,
};

use crate::{
    attack::{Attack, Backdoor, BackdoorError, FlipError, Trigger},
    plan::{Plan, PlanError},
    round::{Past, aggregate::moved},
    seed::Seed,
    train::{
        Data, Evaluation, Model, TrainError,
        contribution::{ContributionError, Task, contribution},
    },
};

mod attackers;
mod centralised;

use attackers::Attackers;
pub use centralised::centralised;

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
    /// How many of them; at least one institution is honest.
    pub byzantine: usize,
    /// A backdoor whose success is measured though nobody may teach it; that of the attack is measured anyway.
    pub probe: Option<Backdoor>,
    /// Whether contributions are scored: one evaluation of a model for each institution and round.
    pub scored: bool,
    /// Decides initialisation, batches, noise, and what attackers draw.
    pub seed: Seed,
}

/// A simulated round.
#[derive(Clone, Debug, PartialEq)]
pub struct Simulated {
    /// After the round.
    pub evaluation: Evaluation,
    /// For each institution: did the rule use its update.
    pub selected: Vec<bool>,
    /// For each institution: was its update refused before the rule.
    pub refused: Vec<bool>,
    /// For each institution, its leave-one-out score on held-out data in parts per million; zeros where not scored.
    pub scores: Vec<i64>,
    /// The fraction of held-out examples of other labels that pass for the backdoor's target once they carry its trigger;
    /// none without a backdoor.
    pub backdoor_success: Option<f64>,
    /// The round's clip norm, in the model's unit.
    pub clip_norm: f64,
}

/// Why a simulation can't go on.
#[derive(Debug, thiserror::Error)]
pub enum SimulationError {
    /// Nobody is honest.
    #[error("expected fewer attackers than institutions, got {byzantine} among {institutions}")]
    NobodyHonest {
        /// Attackers.
        byzantine: usize,
        /// Institutions.
        institutions: usize,
    },
    /// The plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// Labels can't be flipped.
    #[error(transparent)]
    Flip(#[from] FlipError),
    /// The backdoor doesn't fit the data.
    #[error(transparent)]
    Backdoor(#[from] BackdoorError),
    /// Training.
    #[error(transparent)]
    Contribution(#[from] ContributionError),
    /// Evaluation.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// Mode dp-ftrl: noise of another plan.
    #[error(transparent)]
    Carried(#[from] CarriedError),
    /// Noise.
    #[error(transparent)]
    Noise(#[from] xfl_privacy::NoiseError),
    /// A clip norm that left the numbers.
    #[error("the round's clip norm: {0}")]
    Clip(#[from] ParameterError),
    /// Mode central: updates that make no sum.
    #[error(transparent)]
    Sum(#[from] SumError),
    /// The attack has no updates to send.
    #[error(transparent)]
    Attack(#[from] AttackError),
    /// No update was left, or they differ in length.
    #[error(transparent)]
    Rows(#[from] RowsError),
    /// The rule, or a stage before it.
    #[error(transparent)]
    Rule(#[from] RuleError),
    /// The server's optimiser.
    #[error("no new model: {0}; lower training.server_learning_rate")]
    Server(#[from] ServerError),
    /// The scores.
    #[error("{0}")]
    Score(String),
}

impl<'a> Simulation<'a> {
    /// A federation of honest institutions under the plan's rule, scored.
    pub fn new(
        plan: &'a Plan,
        model: &'a dyn Model,
        institutions: &'a [&'a dyn Data],
        held_out: &'a dyn Data,
        seed: Seed,
    ) -> Self {
        Self {
            plan,
            model,
            institutions,
            held_out,
            attack: None,
            byzantine: 0,
            probe: None,
            scored: true,
            seed,
        }
    }

    /// Runs the plan's rounds, and one evaluation before the first.
    ///
    /// # Errors
    /// [`SimulationError`].
    pub fn run(&self) -> Result<(Evaluation, Vec<Simulated>), SimulationError> {
        let institutions = self.institutions.len();
        if self.byzantine >= institutions {
            let byzantine = self.byzantine;
            return Err(SimulationError::NobodyHonest {
                byzantine,
                institutions,
            });
        }
        let mechanism = self.plan.mechanism(self.model.dimension())?;
        let mut attackers = Attackers::of(self, &mechanism)?;
        let trigger = self.trigger()?;
        let poisoned = attackers::poisoned(self, &attackers, trigger.as_ref())?;
        let data: Vec<&dyn Data> = std::iter::zip(self.institutions, &poisoned)
            .map(|(own, poisoned)| poisoned.as_deref().map_or(*own, |data| data as &dyn Data))
            .collect();
        let mut state = State {
            parameters: self.model.init(&Seed::from_number(self.plan.terms().training.seed)),
            past: Past::start(self.plan, self.model.dimension())?,
            coin: self.seed,
        };
        let before = self.model.evaluate(&state.parameters, self.held_out)?;
        let mut rounds = Vec::new();
        let mut carried = match mechanism.mode() {
            Mode::DpFtrl => data
                .iter()
                .map(|_| Carried::new(&mechanism))
                .collect::<Result<_, _>>()?,
            _ => Vec::new(),
        };
        for round in 1..=self.plan.terms().rounds.count {
            state.coin = self.seed.derive("coin", &[round]);
            let updates = self.updates(&mechanism, (&mut attackers, &mut carried), &data, &state, round)?;
            let (aggregate, mut simulated) = self.aggregate(&mechanism, &mut state, &updates)?;
            attackers.remember(&aggregate);
            if let Some(trigger) = &trigger {
                simulated.backdoor_success = trigger.success(self.model, &state.parameters, self.held_out)?;
            }
            rounds.push(simulated);
        }
        Ok((before, rounds))
    }

    /// The trigger of the attack's backdoor or of the one probed for.
    fn trigger(&self) -> Result<Option<Trigger>, SimulationError> {
        let backdoor = match &self.attack {
            Some(Attack::Backdoor(backdoor)) => Some(backdoor),
            _ => self.probe.as_ref(),
        };
        let attackers = &self.institutions[self.institutions.len().saturating_sub(self.byzantine)..];
        let trigger = backdoor.map(|backdoor| backdoor.trigger(&self.plan.terms().data, attackers));
        Ok(trigger.transpose()?)
    }

    /// Everybody's updates in a round, the honest ones first; none for one that can't be sent.
    fn updates(
        &self,
        mechanism: &Mechanism,
        (attackers, carried): (&mut Attackers<'_>, &mut [Carried<Rehearsal>]),
        data: &[&dyn Data],
        state: &State,
        round: u64,
    ) -> Result<Vec<Option<Vec<i32>>>, SimulationError> {
        let honest = data.len().saturating_sub(attackers.count());
        let mechanism = mechanism.scaled(state.past.scale())?;
        let mut make = |i: usize| -> Result<(Vec<i32>, Seed), SimulationError> {
            let seed = self.seed.derive("institution", &[i as u64]);
            let noise = seed.derive("noise", &[round]);
            let task = Task {
                plan: self.plan,
                mechanism: &mechanism,
                model: self.model,
                data: data[i],
                parameters: &state.parameters,
                round,
                seed: &seed,
            };
            let mut source = RehearsalNoise::from_seed(noise.0);
            let noised: Noised<Rehearsal> = match carried.get_mut(i) {
                None => contribution(&task, &mut source)?,
                Some(carried) => {
                    let noise = &mut source;
                    contribution(&task, &mut Carrying { round, carried, noise })?
                }
            };
            Ok((noised.values().to_vec(), noise))
        };
        let mut updates = Vec::new();
        for i in 0..honest {
            updates.push(make(i)?.0);
        }
        let mut own = Vec::new();
        if attackers.train() {
            own = (honest..data.len()).map(make).collect::<Result<_, _>>()?;
        }
        let defence = Defended { plan: self.plan, state };
        let malicious = attackers.send(&updates, &own, &defence, round)?;
        Ok(updates.into_iter().map(Some).chain(malicious).collect())
    }

    /// Moves the model by a round's aggregate, which it gives with what came of it.
    fn aggregate(
        &self,
        mechanism: &Mechanism,
        state: &mut State,
        updates: &[Option<Vec<i32>>],
    ) -> Result<(Vec<i32>, Simulated), SimulationError> {
        let limits = limits(mechanism);
        let fits = |update: &Option<Vec<i32>>| {
            let update = update.as_ref();
            update.is_some_and(|u| limits.check(u, mechanism.length() as usize).is_ok())
        };
        let refused: Vec<bool> = updates.iter().map(|update| !fits(update)).collect();
        let admitted = updates.iter().zip(&refused).filter(|(_, refused)| !**refused);
        let rows = Rows::new(admitted.filter_map(|(update, _)| update.as_deref()).collect())?;
        let members: Vec<usize> = (0..updates.len()).filter(|i| !refused[*i]).collect();
        // What can't be sent at all is nobody's update; what is sent and not admitted is known to be bad.
        let sent = updates
            .iter()
            .zip(&refused)
            .filter(|(update, refused)| **refused && update.is_some());
        let aggregate = match mechanism.mode() {
            Mode::Central => Aggregate {
                values: self.noised_mean(mechanism, &rows, &state.coin)?,
                selected: vec![true; rows.n()],
                weights: None,
                distances: None,
            },
            _ => state.aggregate(self.plan, &members, sent.count(), &rows)?,
        };
        let mut scores = vec![0; rows.n()];
        if self.scored {
            scores = self.scores(&state.parameters, &rows, state.past.scale())?;
        }
        state.parameters = state.past.step(self.plan, &state.parameters, &aggregate.values)?;
        let scale = state.past.scale();
        state.past.adapt(self.plan, mechanism, &aggregate.values);
        let (mut selected, mut scores) = (aggregate.selected.into_iter(), scores.into_iter());
        let simulated = Simulated {
            evaluation: self.model.evaluate(&state.parameters, self.held_out)?,
            selected: refused
                .iter()
                .map(|r| !r && selected.next().unwrap_or_default())
                .collect(),
            scores: refused
                .iter()
                .map(|r| if *r { 0 } else { scores.next().unwrap_or_default() })
                .collect(),
            refused,
            backdoor_success: None,
            clip_norm: mechanism.clip().get() * scale,
        };
        Ok((aggregate.values, simulated))
    }

    /// Mode central: the mean of the sum with the coordinator's noise on it.
    fn noised_mean(&self, mechanism: &Mechanism, rows: &Rows<'_>, coin: &Seed) -> Result<Vec<i32>, SimulationError> {
        let sum = ClearSum::of(mechanism, rows.iter())?;
        let mut noise = RehearsalNoise::from_seed(coin.derive("coordinator's noise", &[]).0);
        Ok(mean_of_sum(noise.noise_sum(sum)?.values(), rows.n())?)
    }

    /// What each of the rows adds to their mean on held-out data, in parts per million.
    fn scores(&self, parameters: &[f32], rows: &Rows<'_>, scale: f64) -> Result<Vec<i64>, SimulationError> {
        let step = self.plan.value_step() * scale;
        let value = |mean: &[i32]| {
            let evaluation = self.model.evaluate(&moved(parameters, mean, step), self.held_out)?;
            Ok::<_, TrainError>(Ppm((-evaluation.loss * 1e6).round() as i64))
        };
        let game = leave_one_out(rows, &Rule::Mean, value).map_err(|e| SimulationError::Score(e.to_string()))?;
        Ok(game.scores.into_iter().map(|score| score.0).collect())
    }
}

/// A federation between two rounds.
struct State {
    parameters: Vec<f32>,
    past: Past<usize>,
    /// The coming round's.
    coin: Seed,
}

impl State {
    fn aggregate(
        &mut self,
        plan: &Plan,
        members: &[usize],
        refused: usize,
        rows: &Rows<'_>,
    ) -> Result<Aggregate, RuleError> {
        let pipeline = plan.pipeline(rows.n(), refused, &self.coin);
        self.past.aggregate(plan, &pipeline, members, rows)
    }
}

/// The plan's stages and rule with what they remember, as an attacker tries its update against them.
struct Defended<'a> {
    plan: &'a Plan,
    state: &'a State,
}

impl Defence<i32> for Defended<'_> {
    fn aggregate(&self, rows: Vec<&[i32]>) -> Result<Vec<f64>, DefenceError> {
        let members: Vec<usize> = (0..rows.len()).collect();
        let rows = Rows::new(rows)?;
        let pipeline = self.plan.pipeline(rows.n(), 0, &self.state.coin);
        let aggregate = self
            .state
            .past
            .clone()
            .aggregate(self.plan, &pipeline, &members, &rows)?;
        Ok(aggregate.values.into_iter().map(f64::from).collect())
    }
}

/// What a coordinator admits, in grid steps.
fn limits(mechanism: &Mechanism) -> Limits {
    Limits {
        max_abs: mechanism.max_abs().unsigned_abs(),
        max_norm_squared: mechanism.max_norm_squared(),
    }
}
