//! What an institution trains with, made once the coordinator's plan is known; or why it won't take part under that plan.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use xfl_core::{
    identity::NodeId,
    node::{
        carried::CarriedFile,
        protect::{self, Practice},
    },
    plan::Plan,
    seed::Seed,
    train::{
        Device,
        contribution::{rate_of, separated},
        data::{Data, Limits, Table},
    },
    transcript::Genesis,
};
use xfl_privacy::{Mode, Unit, budget::Limit};

use super::{Args, runs};
use crate::{
    commands::budget::{Cost, cost},
    failure::Failure,
    node::Node,
};

/// Makes the practice, and remembers why it couldn't.
pub(super) struct Maker<'a> {
    args: &'a Args,
    plan: Option<Plan>,
    node: NodeId,
    device: Device,
    own: Node,
    limit: Limit,
    refusal: Arc<Mutex<Option<Failure>>>,
    notes: Arc<Mutex<Vec<String>>>,
}

impl<'a> Maker<'a> {
    /// Checks what can be checked without a plan.
    pub(super) fn new(args: &'a Args, plan: Option<Plan>, node: NodeId) -> Result<Self, Failure> {
        let device = device(&args.device)?;
        let own = args.own()?;
        let limit = own.limit(args.epsilon_limit, args.delta_limit)?;
        Ok(Self {
            args,
            plan,
            node,
            device,
            own,
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
        self.own.allows(plan)?;
        let domain = genesis.contracts.rounds_domain(plan.federation().0);
        let claimed = runs::claim(&self.args.payout_key, &self.args.dir, &domain)?;
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        if !claimed.noted {
            let key = self.args.payout_key.display();
            notes.push(format!(
                "warning: {key}.runs can't be written: nothing keeps this key from signing for the same contracts in another --dir"
            ));
        }
        drop(notes);
        counted(self.args, &claimed.elsewhere)?;
        let terms = plan.terms();
        let model = terms.model.build(&terms.data, self.device)?;
        if genesis.model.len() != model.dimension() {
            let (expected, got) = (model.dimension(), genesis.model.len());
            return Err(Failure::usage(format!(
                "the plan's model has {expected} parameters, the coordinator's {got}"
            ))
            .hint("the coordinator doesn't keep to its plan: ask it which model it started from"));
        }
        let data = Table::open(&self.args.data, &terms.data, Limits::default())?;
        enough(&data, plan, &self.args.data.display())?;
        let mechanism = plan.mechanism(model.dimension())?;
        let budget = protect::open_budget(&self.args.budget(), self.limit)?;
        let run = genesis.beginning();
        let cost = cost(plan, Some(run), &budget)?;
        let note = worth(&cost, &self.own)?;
        if let Ok(mut notes) = self.notes.lock() {
            notes.push(format!("budget: {note}"));
        }
        let carried = match mechanism.mode() {
            Mode::DpFtrl => Some(CarriedFile::open(&self.args.dir.join("noise.redb"), run)?),
            _ => None,
        };
        // The order of examples; each institution's own, so that equal files don't give equal batches.
        let seed = Seed::from_number(terms.training.seed).derive(&format!("institution {}", self.node), &[]);
        let attack = self.args.poison;
        Ok(Practice {
            plan: plan.clone(),
            run,
            mechanism,
            model,
            data: Box::new(data),
            seed,
            budget,
            carried,
            attack,
        })
    }
}

/// Whether what was spent in directories of other runs counts: a budget is the data's, whatever run spends it. Where a run was begun on a budget of
/// its own already, that goes on.
fn counted(args: &Args, elsewhere: &[PathBuf]) -> Result<(), Failure> {
    let spent = |budget: &PathBuf| budget.metadata().is_ok_and(|found| found.len() > 0);
    if args.budget.is_some() || spent(&args.budget()) {
        return Ok(());
    }
    let there: Vec<PathBuf> = elsewhere
        .iter()
        .map(|dir| dir.join("budget.jsonl"))
        .filter(spent)
        .collect();
    let Some(last) = there.last() else { return Ok(()) };
    let all: Vec<String> = there.iter().map(|budget| budget.display().to_string()).collect();
    Err(Failure::usage(format!(
        "the holder of this payout key spent privacy in other directories, and that wouldn't count here: {}",
        all.join(", ")
    ))
    .hint(format!(
        "go on with it: --budget {}; or, if other data was spent there, say so with --budget {}",
        last.display(),
        args.budget().display()
    )))
}

/// The device, checked.
pub(super) fn device(name: &str) -> Result<Device, Failure> {
    let device = Device::parse(name)?;
    device.check()?;
    Ok(device)
}

/// Whether there are examples for one step.
pub(super) fn enough(data: &Table, plan: &Plan, file: &dyn std::fmt::Display) -> Result<(), Failure> {
    let (have, batch) = (data.len(), plan.terms().training.batch);
    if plan.terms().privacy.mode == Mode::DpSgd {
        return rate_of(plan, have).map(|_| ()).map_err(|error| {
            Failure::usage(format!("{file}: {error}"))
                .hint("agree on a smaller training.batch or a larger privacy.sample_rate; the latter costs epsilon")
        });
    }
    separated(plan, have).map_err(|error| {
        Failure::usage(format!("{file}: {error}"))
            .hint("agree on a smaller training.batch or a smaller privacy.separation; the latter costs epsilon")
    })?;
    if plan.terms().privacy.unit == Unit::Record && have < batch {
        let what = format!("{file}: {have} examples, and training.batch is {batch}");
        return Err(Failure::usage(what).hint("with unit = \"record\" every institution needs a whole batch"));
    }
    Ok(())
}

/// What to say of a plan's cost; a refusal where the budget doesn't allow for all of its rounds, unless the institution wants to take part
/// as long as it does.
pub(super) fn worth(cost: &Cost, own: &Node) -> Result<String, Failure> {
    match &cost.refusal {
        None => Ok(cost.text.clone()),
        Some(_) if own.partial() && cost.affordable > 0 => Ok(format!(
            "{}; enough for {} of {} rounds, later ones will be refused",
            cost.text, cost.affordable, cost.ahead
        )),
        Some(refusal) => Err(Failure::usage(format!(
            "the budget allows for {} of the plan's {} rounds ahead: {refusal}",
            cost.affordable, cost.ahead
        ))
        .hint("take part up to there with limits.partial = true in node.toml, raise limits.epsilon, or agree on more noise or fewer rounds")),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn args(dir: &Path, budget: Option<&Path>) -> Args {
        let mut line = vec!["join".into(), "--dir".into(), dir.as_os_str().to_owned()];
        if let Some(budget) = budget {
            line.extend(["--budget".into(), budget.as_os_str().to_owned()]);
        }
        Line::parse_from(line).args
    }

    #[test]
    fn what_was_spent_elsewhere_counts_or_is_said_to_be_of_other_data() {
        let folder = tempfile::tempdir().unwrap();
        let dirs = ["one", "two", "here"].map(|name| folder.path().join(name));
        dirs.iter().for_each(|dir| fs::create_dir(dir).unwrap());
        let budgets = dirs.each_ref().map(|dir| dir.join("budget.jsonl"));
        let [one, _, here] = &budgets;
        let elsewhere = &dirs[..2];
        let counts = |budget: Option<&Path>| counted(&args(&dirs[2], budget), elsewhere);

        counts(None).unwrap();
        fs::write(&budgets[1], "").unwrap();
        counts(None).unwrap();
        fs::write(one, "spent").unwrap();
        let refused = counts(None).unwrap_err();
        let hint = refused.hint.clone().unwrap_or_default();
        let [one_said, here_said] = [one, here].map(|budget| format!("--budget {}", budget.display()));
        assert!(hint.contains(&one_said) && hint.contains(&here_said), "{hint}");
        assert!(!refused.message.contains("two/budget.jsonl"), "{}", refused.message);
        counts(Some(one)).unwrap();
        counts(Some(here)).unwrap();
        // A run that began on its own budget goes on with it.
        fs::write(here, "spent").unwrap();
        counts(None).unwrap();
    }
}
