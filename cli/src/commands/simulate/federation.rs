//! What every simulation of one command shares: plan, model, examples, and how they are dealt out.

use xfl_core::{
    attack::Attack,
    plan::Plan,
    schema::Task,
    seed::Seed,
    simulate::{Simulated, Simulation, SimulationError},
    train::{Data, Device, Limits, Model, Table, split::split},
};
use xfl_privacy::Unit;

use super::Args;
use crate::failure::Failure;

/// Plan, model, and one table of examples.
pub(super) struct Federation {
    pub(super) plan: Plan,
    model: Box<dyn Model>,
    examples: Table,
    shares: Vec<u32>,
    held_out_rows: usize,
    /// Attackers where there is an attack.
    pub(super) byzantine: usize,
}

/// One seed's examples, dealt out.
pub(super) struct Deal {
    tables: Vec<Table>,
    held_out: Table,
    seed: Seed,
}

impl Federation {
    /// Reads plan and examples.
    pub(super) fn open(args: &Args) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(&args.plan).map_err(|e| Failure::file(&args.plan, &e))?;
        let plan = Plan::parse(&text, &args.plan.display().to_string())?;
        let terms = plan.terms();
        let examples = Table::open(&args.data, &terms.data, Limits::default())?;
        let shares = match args.shares.as_slice() {
            [] => vec![1; args.clients as usize],
            shares => shares.to_vec(),
        };
        let byzantine = args.byzantine.unwrap_or(terms.aggregation.byzantine.max(1));
        Ok(Self {
            model: terms.model.build(&terms.data, Device::Cpu)?,
            held_out_rows: examples.len() * args.held_out_percent as usize / 100,
            examples,
            shares,
            byzantine,
            plan,
        })
    }

    /// Institutions.
    pub(super) fn institutions(&self) -> usize {
        self.shares.len()
    }

    /// Whether classes are predicted.
    pub(super) fn classifies(&self) -> bool {
        matches!(self.plan.terms().data.task, Task::Classification { .. })
    }

    /// That somebody is honest, and that this attack can be tried on this task.
    pub(super) fn admits(&self, attack: &Attack) -> Result<(), Failure> {
        let (byzantine, institutions) = (self.byzantine, self.institutions());
        if byzantine == 0 || byzantine >= institutions {
            let what = format!("{byzantine} attackers among {institutions} institutions");
            return Err(Failure::usage(what).hint(format!("write --byzantine from 1 to {}", institutions - 1)));
        }
        if attack.needs_classes() && !self.classifies() {
            let what = format!("{attack} poisons labels, and the plan's task is a regression");
            return Err(Failure::usage(what).hint("choose another --attack, or a plan with classes"));
        }
        Ok(())
    }

    /// The examples as one seed deals them out.
    pub(super) fn deal(&self, number: u64) -> Result<Deal, Failure> {
        let seed = Seed::from_number(number);
        let wrong = |e: &dyn std::fmt::Display| {
            Failure::usage(e.to_string()).hint("write fewer --clients, other --shares, or a smaller --held-out-percent")
        };
        let parts = split(self.examples.len(), self.held_out_rows, &self.shares, &seed).map_err(|e| wrong(&e))?;
        let batch = self.plan.terms().training.batch;
        if let Some(fewest) = parts.institutions.iter().map(Vec::len).min()
            && self.plan.terms().privacy.unit == Unit::Record
            && fewest < batch
        {
            return Err(wrong(&format!(
                "an institution would have {fewest} examples, and a step needs training.batch = {batch}"
            )));
        }
        let select = |rows: &[usize]| self.examples.select(rows).map_err(|e| wrong(&e));
        Ok(Deal {
            tables: parts
                .institutions
                .iter()
                .map(|rows| select(rows))
                .collect::<Result<_, _>>()?,
            held_out: select(&parts.held_out)?,
            seed: seed.derive("repeat", &[]),
        })
    }

    /// Simulates a plan's rounds on a deal; `change` says how it differs from a federation of honest institutions. The plan is
    /// the one read, or the same under another rule.
    pub(super) fn simulate(
        &self,
        plan: &Plan,
        deal: &Deal,
        change: impl FnOnce(&mut Simulation<'_>),
    ) -> Result<Vec<Simulated>, SimulationError> {
        let institutions: Vec<&dyn Data> = deal.tables.iter().map(|t| t as &dyn Data).collect();
        let mut simulation = Simulation::new(plan, self.model.as_ref(), &institutions, &deal.held_out, deal.seed);
        simulation.byzantine = self.byzantine;
        change(&mut simulation);
        Ok(simulation.run()?.1)
    }
}

/// The rule's name, after those of the stages before it.
pub(super) fn rule_name(plan: &Plan) -> String {
    let stages = plan.terms().aggregation.pre.iter().map(|stage| stage.name());
    let names: Vec<_> = stages.chain([plan.terms().aggregation.rule.name()]).collect();
    names.join(" + ")
}

/// Why a simulation ended early, for people.
pub(super) fn failed(error: SimulationError) -> Failure {
    match error {
        SimulationError::Plan(error) => error.into(),
        SimulationError::Train(error) => error.into(),
        error @ (SimulationError::Backdoor(_) | SimulationError::Flip(_) | SimulationError::Attack(_)) => {
            Failure::usage(error.to_string()).hint("see `xfl simulate --help` for --param")
        }
        error => Failure::failed(error.to_string()),
    }
}
