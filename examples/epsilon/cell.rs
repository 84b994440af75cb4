//! A cell of the table: a plan's text, the noise that its epsilon needs, and a simulated federation.
//!
//! The text goes through [`Plan::parse`] and [`Plan::check`] like any other, and its rounds through [`Simulation`]: clipping, grid, noise, rule
//! and modes are the toolkit's own. Modes distributed and central say `trust_coordinator = true`: a simulation has no masks, and the sum is
//! the same integers with them as without.

use std::fmt::Write as _;

use thiserror::Error;
use xfl_core::{
    plan::{Plan, PlanError},
    seed::Seed,
    simulate::{Simulation, SimulationError, centralised},
    spec::ModelError,
    train::{Data, Device, TrainError},
};
use xfl_privacy::{Delta, Epsilon, Guarantee, Mechanism, Mode, ParameterError, Unit};

use crate::federation::{Federation, FederationError};
use crate::way::{Recipe, Way};

/// Grid steps in a clip norm: rounding towards zero then takes less than half a hundredth off an update of 2,000 coordinates.
const CLIP_STEPS: f64 = 4096.0;
/// Multipliers are written in steps of one ten-thousandth.
const FINENESS: f64 = 1e4;
/// The largest multiplier that is tried.
const MOST: u64 = 1 << 27;

/// Why a cell has no accuracy.
#[derive(Debug, Error)]
pub(crate) enum CellError {
    /// The plan that was written.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A number of it.
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    /// The model.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The records.
    #[error(transparent)]
    Federation(#[from] FederationError),
    /// A round.
    #[error(transparent)]
    Simulation(#[from] SimulationError),
    /// The reference.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// No multiplier is enough.
    #[error(
        "no noise multiplier up to {most} keeps {rounds} rounds within epsilon {epsilon}; write a larger epsilon or fewer rounds"
    )]
    OutOfReach { epsilon: Epsilon, rounds: u64, most: f64 },
    /// Nothing that accuracy could be read from.
    #[error("no round was evaluated")]
    NoRound,
}

/// A federation that is private in one way.
#[derive(Clone, Copy)]
pub(crate) struct Cell<'a> {
    /// Whose records.
    pub(crate) federation: &'a Federation,
    /// Whose privacy, and who adds the noise.
    pub(crate) way: Way,
    /// What it is run with.
    pub(crate) recipe: Recipe,
    /// Where epsilon is read off.
    pub(crate) delta: Delta,
}

/// A plan with the least noise that keeps a promise.
#[derive(Clone, Debug)]
pub(crate) struct Calibrated {
    /// The plan.
    pub(crate) plan: Plan,
    /// Its multiplier.
    pub(crate) noise_multiplier: f64,
    /// What all its rounds guarantee.
    pub(crate) guarantee: Guarantee,
}

impl Cell<'_> {
    /// The plan's text; without noise, nor a clip norm that adapts, which needs some, where the multiplier is 0.
    pub(crate) fn text(&self, noise_multiplier: f64) -> String {
        let (federation, Way { mode, unit }, recipe) = (self.federation, self.way, &self.recipe);
        let nobody = "11".repeat(32);
        let records = federation.records as f64;
        let batch = (recipe.batch_share * records).round().clamp(1.0, records);
        let epochs = if unit == Unit::Institution { recipe.local } else { 1 };
        let mut text = format!(
            "[federation]\nid = \"{nobody}\"\nname = \"{} ({})\"\ncoordinator = \"{nobody}\"\n\
             [rounds]\ncount = {}\nquorum = {}\n\
             [model]\nkind = \"logistic\"\n\
             [training]\nbatch = {batch}\nepochs = {epochs}\nlearning_rate = {:?}\nserver_learning_rate = {:?}\n\
             [privacy]\nunit = \"{unit}\"\nmode = \"{mode}\"\nclip = {:?}\nstep = {:?}\nnoise_multiplier = {noise_multiplier:?}\ndelta = {:?}\n",
            federation.name,
            self.way,
            recipe.rounds,
            federation.institutions,
            recipe.learning_rate,
            recipe.server_learning_rate,
            recipe.clip,
            recipe.clip / CLIP_STEPS,
            self.delta.get(),
        );
        // Writing to a string can't fail.
        if self.way.trusts() {
            text += "trust_coordinator = true\n";
        }
        if mode == Mode::Distributed {
            let _ = writeln!(text, "dishonest = {}", federation.dishonest);
        }
        if mode == Mode::DpSgd {
            let _ = writeln!(
                text,
                "sample_rate = {:?}\nlocal_steps = {}",
                batch / records,
                recipe.local
            );
        }
        if mode == Mode::DpFtrl {
            // As far apart as an institution's records allow.
            let whole = (records / batch)
                .floor()
                .clamp(2.0, (recipe.rounds as f64).clamp(2.0, 256.0));
            let _ = writeln!(text, "separation = {whole}");
        }
        if let Some(quantile) = recipe.clip_quantile.filter(|_| noise_multiplier > 0.0) {
            let _ = writeln!(text, "clip_quantile = {quantile:?}");
        }
        text += "[aggregation]\nrule = \"mean\"\n[score]\nkind = \"participation\"\n[data]\n";
        text + &federation.schema
    }

    /// The plan at a multiplier, and its mechanism.
    fn at(&self, noise_multiplier: f64) -> Result<(Plan, Mechanism), CellError> {
        let plan = Plan::parse(&self.text(noise_multiplier), "federation.toml")?;
        let terms = plan.terms();
        let d = terms.model.dimension(&terms.data)?;
        plan.check(d, self.federation.institutions)?;
        let mechanism = plan.mechanism(d)?;
        Ok((plan, mechanism))
    }

    /// Parameters of the model.
    ///
    /// # Errors
    /// The recipe makes no plan.
    pub(crate) fn dimension(&self) -> Result<usize, CellError> {
        let plan = self.without_noise()?;
        Ok(plan.terms().model.dimension(&plan.terms().data)?)
    }

    /// The plan without noise.
    ///
    /// # Errors
    /// The recipe makes no plan.
    pub(crate) fn without_noise(&self) -> Result<Plan, CellError> {
        Ok(self.at(0.0)?.0)
    }

    /// The plan whose rounds stay within `epsilon`, with the smallest multiplier that does, in steps of a ten-thousandth.
    ///
    /// Bisection; what it returns has been asked for its guarantee, so that only the fineness rests on more noise costing less.
    ///
    /// # Errors
    /// The recipe makes no plan, or no multiplier is enough.
    pub(crate) fn calibrate(&self, epsilon: Epsilon) -> Result<Calibrated, CellError> {
        let try_at = |tenths: u64| -> Result<Calibrated, CellError> {
            let noise_multiplier = tenths as f64 / FINENESS;
            let (plan, mechanism) = self.at(noise_multiplier)?;
            let guarantee = Guarantee::of(&mechanism, self.recipe.rounds, self.delta);
            Ok(Calibrated {
                plan,
                noise_multiplier,
                guarantee,
            })
        };
        let kept = |calibrated: &Calibrated| calibrated.guarantee.epsilon <= epsilon;
        let (mut low, mut high) = (0, FINENESS as u64);
        let mut best = try_at(high)?;
        while !kept(&best) {
            if high >= MOST {
                return Err(CellError::OutOfReach {
                    epsilon,
                    rounds: self.recipe.rounds,
                    most: MOST as f64 / FINENESS,
                });
            }
            (low, high) = (high, high * 2);
            best = try_at(high)?;
        }
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            let tried = try_at(middle)?;
            if kept(&tried) {
                (high, best) = (middle, tried);
            } else {
                low = middle;
            }
        }
        Ok(best)
    }

    /// The accuracy on held-out records after the plan's last round.
    ///
    /// # Errors
    /// A round fails.
    pub(crate) fn accuracy(&self, plan: &Plan, seed: u64) -> Result<f64, CellError> {
        let seed = Seed::from_number(seed);
        let deal = self.federation.deal(&seed)?;
        let institutions: Vec<&dyn Data> = deal.institutions.iter().map(|t| t as &dyn Data).collect();
        let terms = plan.terms();
        let model = terms.model.build(&terms.data, Device::Cpu)?;
        let simulation = Simulation {
            scored: false,
            ..Simulation::new(plan, &*model, &institutions, &deal.held_out, seed)
        };
        let (_, rounds) = simulation.run()?;
        rounds
            .last()
            .and_then(|round| round.evaluation.accuracy)
            .ok_or(CellError::NoRound)
    }

    /// The accuracy of training on all institutions' records in one place, without clipping or noise.
    ///
    /// # Errors
    /// Training fails.
    pub(crate) fn pooled(&self, seed: u64) -> Result<f64, CellError> {
        let deal = self.federation.deal(&Seed::from_number(seed))?;
        let plan = self.without_noise()?;
        let terms = plan.terms();
        let model = terms.model.build(&terms.data, Device::Cpu)?;
        let evaluations = centralised(&plan, &*model, &deal.pooled, &deal.held_out)?;
        evaluations.last().and_then(|e| e.accuracy).ok_or(CellError::NoRound)
    }
}
