//! What the demo's federation is compared with: each hospital alone, pooled data, plain averaging under the same attack.

use serde::Serialize;
use xfl_core::{
    attack::{Alone, Attack},
    seed::Seed,
    simulate::{Simulation, centralised},
    train::{Data, Device, Limits, Table},
};

use super::scenario::Scenario;

/// Accuracies after each round.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct References {
    /// Each hospital alone, on its own patients, without noise.
    pub(crate) alone: Vec<(String, Vec<f64>)>,
    /// All hospitals' patients in one place, without noise.
    pub(crate) pooled: Vec<f64>,
    /// The same federation, averaging plainly, under the same attack; none where nobody attacks.
    pub(crate) plain_mean: Option<Vec<f64>>,
}

/// Trains the references on the scenario's files.
pub(crate) fn train(scenario: &Scenario) -> Result<References, String> {
    let fail = |e: &dyn std::fmt::Display| e.to_string();
    let terms = scenario.plan.terms();
    let read = |path: &std::path::Path| Table::open(path, &terms.data, Limits::default()).map_err(|e| fail(&e));
    let model = terms.model.build(&terms.data, Device::Cpu).map_err(|e| fail(&e))?;
    let held_out = read(&scenario.held_out())?;
    let tables: Vec<Table> = scenario
        .hospitals
        .iter()
        .map(|h| read(&h.data()))
        .collect::<Result<_, _>>()?;
    let accuracy = |data: &dyn Data| -> Result<Vec<f64>, String> {
        let evaluations = centralised(&scenario.plan, model.as_ref(), data, &held_out).map_err(|e| fail(&e))?;
        Ok(evaluations.into_iter().filter_map(|e| e.accuracy).collect())
    };
    let mut alone = Vec::new();
    for (hospital, table) in scenario.hospitals.iter().zip(&tables) {
        alone.push((hospital.name.clone(), accuracy(table)?));
    }
    let width = held_out.width();
    let (mut features, mut targets) = (Vec::new(), Vec::new());
    for table in &tables {
        for i in 0..table.len() {
            features.extend(table.row(i).unwrap_or_default());
            targets.push(table.target(i));
        }
    }
    let pooled = accuracy(&Table::new(width, features, targets).map_err(|e| fail(&e))?)?;
    let institutions: Vec<&dyn Data> = tables.iter().map(|t| t as &dyn Data).collect();
    let plain_mean = match scenario.attacker {
        None => None,
        Some(_) => {
            let (mean, seed) = (scenario.plan.averaging(), Seed::from_number(1));
            let simulation = Simulation {
                attack: Some(Attack::Alone(Alone::SignFlip)),
                byzantine: 1,
                scored: false,
                ..Simulation::new(&mean, model.as_ref(), &institutions, &held_out, seed)
            };
            let (_, rounds) = simulation.run().map_err(|e| fail(&e))?;
            Some(rounds.into_iter().filter_map(|r| r.evaluation.accuracy).collect())
        }
    };
    Ok(References {
        alone,
        pooled,
        plain_mean,
    })
}
