//! What an institution trains with, made once the coordinator's plan is known; or why it won't take part under that plan.

use std::sync::{Arc, Mutex};

use xfl_core::{
    identity::NodeId,
    node::{
        budget::BudgetFile,
        protect::{self, Practice},
    },
    plan::Plan,
    seed::Seed,
    train::{
        Device,
        data::{Data, Limits, Table},
    },
    transcript::Genesis,
};
use xfl_privacy::{Delta, Epsilon, Guarantee, Mechanism, Protection, Unit, accounting, budget::Limit};

use super::Args;
use crate::failure::Failure;

/// Makes the practice, and remembers why it couldn't.
pub(super) struct Maker<'a> {
    args: &'a Args,
    plan: Option<Plan>,
    node: NodeId,
    device: Device,
    limit: Limit,
    refusal: Arc<Mutex<Option<Failure>>>,
    notes: Arc<Mutex<Vec<String>>>,
}

impl<'a> Maker<'a> {
    /// Checks what can be checked without a plan.
    pub(super) fn new(args: &'a Args, plan: Option<Plan>, node: NodeId) -> Result<Self, Failure> {
        let device = device(&args.device)?;
        let limit = limit(args)?;
        Ok(Self {
            args,
            plan,
            node,
            device,
            limit,
            refusal: Arc::default(),
            notes: Arc::default(),
        })
    }

    /// Why the practice couldn't be made, after [`Maker::make`].
    pub(super) fn refusal(&self) -> Arc<Mutex<Option<Failure>>> {
        self.refusal.clone()
    }

    /// What to say about it.
    pub(super) fn notes(&self) -> Arc<Mutex<Vec<String>>> {
        self.notes.clone()
    }

    /// The practice under the coordinator's plan.
    pub(super) fn make(self, plan: &Plan, genesis: &Genesis) -> Result<Practice, String> {
        let refusal = self.refusal.clone();
        self.build(plan, genesis).map_err(|failure| {
            let words = failure.message.clone();
            if let Ok(mut refusal) = refusal.lock() {
                *refusal = Some(failure);
            }
            words
        })
    }

    fn build(self, plan: &Plan, genesis: &Genesis) -> Result<Practice, Failure> {
        if self.plan.as_ref().is_some_and(|agreed| agreed.text() != plan.text()) {
            return Err(
                Failure::usage("the coordinator's plan is not the one given with --plan")
                    .hint("ask the coordinator for the plan that counts, and read it before joining"),
            );
        }
        let terms = plan.terms();
        let model = terms.model.build(&terms.data, self.device)?;
        if genesis.model.len() != model.dimension() {
            let (expected, got) = (model.dimension(), genesis.model.len());
            return Err(Failure::usage(format!(
                "the plan's model has {expected} parameters, the coordinator's {got}"
            )));
        }
        let data = Table::open(&self.args.data, &terms.data, Limits::default())?;
        enough(&data, plan, &self.args.data.display())?;
        let mechanism = plan.mechanism(model.dimension())?;
        let budget = protect::open_budget(&self.args.budget(), self.limit)?;
        let (note, _) = cost(plan, &mechanism, &budget)?;
        if let Ok(mut notes) = self.notes.lock() {
            notes.push(format!("budget: {note}"));
        }
        // The order of examples; each institution's own, so that equal files don't give equal batches.
        let seed = Seed::from_number(terms.training.seed).derive(&format!("institution {}", self.node), &[]);
        let attack = self.args.poison;
        Ok(Practice {
            plan: plan.clone(),
            mechanism,
            model,
            data: Box::new(data),
            seed,
            budget,
            attack,
        })
    }
}

/// The device, checked.
pub(super) fn device(name: &str) -> Result<Device, Failure> {
    let device = Device::parse(name)?;
    device.check()?;
    Ok(device)
}

/// The institution's limit.
pub(super) fn limit(args: &Args) -> Result<Limit, Failure> {
    let wrong = |flag: &str, error: xfl_privacy::ParameterError| Failure::usage(format!("--{flag}: {error}"));
    Ok(Limit {
        epsilon: Epsilon::new(args.epsilon_limit).map_err(|error| wrong("epsilon-limit", error))?,
        delta: Delta::new(args.delta_limit).map_err(|error| wrong("delta-limit", error))?,
    })
}

/// Whether there are examples for one step.
pub(super) fn enough(data: &Table, plan: &Plan, file: &dyn std::fmt::Display) -> Result<(), Failure> {
    let (have, batch) = (data.len(), plan.terms().training.batch);
    if plan.terms().privacy.unit == Unit::Record && have < batch {
        let what = format!("{file}: {have} examples, and training.batch is {batch}");
        return Err(Failure::usage(what).hint("with unit = \"record\" every institution needs a whole batch"));
    }
    Ok(())
}

/// What the plan's rounds cost, and whether the budget allows for all of them.
pub(super) fn cost(plan: &Plan, mechanism: &Mechanism, budget: &BudgetFile) -> Result<(String, bool), Failure> {
    if mechanism.protection() == Protection::None {
        return Ok((
            "the plan has no noise: taking part has no privacy guarantee and costs no budget".into(),
            true,
        ));
    }
    let (ledger, count) = (budget.ledger(), plan.terms().rounds.count);
    let (unit, relation, limit) = (mechanism.unit(), mechanism.relation(), ledger.limit());
    let before = ledger.spent(unit, relation);
    let federation = plan.federation().0;
    let here = ledger
        .federations()
        .filter(|(f, u, r, _)| **f == federation && (*u, *r) == (unit, relation));
    let here = here
        .map(|(.., rho)| rho)
        .fold(xfl_privacy::Rho::ZERO, xfl_privacy::Rho::plus);
    // What this federation has cost already is part of what its rounds cost in all.
    let planned = mechanism.rho_per_release().times(count);
    let rest = (planned.get() - here.get()).max(0.0);
    let total = before.plus(xfl_privacy::Rho::new(rest).map_err(|error| Failure::failed(error.to_string()))?);
    let fits = total.get() <= accounting::largest_rho(limit.epsilon, limit.delta).get();
    let guarantee = Guarantee::new(unit, relation, total, limit.delta);
    let spent = accounting::epsilon(before, limit.delta);
    let verdict = if fits { "" } else { "; later rounds will be refused" };
    Ok((
        format!(
            "epsilon {spent} spent, after all {count} rounds {guarantee}; limit {}{verdict}",
            limit.epsilon
        ),
        fits,
    ))
}
