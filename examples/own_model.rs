//! Five hospitals train the crate's own model under attack, in one process: `cargo run --release -p xfl-examples --bin own_model`.

use std::{error::Error, io::Write};

use xfl_core::{
    attack::{Alone, Attack},
    plan::Plan,
    seed::Seed,
    simulate::Simulation,
    train::{Data, Limits, Table, split::split},
};
use xfl_examples::Svm;

const PATIENTS: &str = include_str!("data/breast_cancer_wisconsin.csv");
const SCHEMA: &str = include_str!("data/breast_cancer_wisconsin.toml");

fn main() -> Result<(), Box<dyn Error>> {
    let nobody = "11".repeat(32);
    let text = format!(
        "[federation]\nid = \"{nobody}\"\nname = \"own model\"\ncoordinator = \"{nobody}\"\n\
         [rounds]\ncount = 8\nquorum = 3\n[model]\nkind = \"logistic\"\n\
         [training]\nbatch = 52\nserver_learning_rate = 0.5\n\
         [privacy]\nunit = \"record\"\nclip = 1.0\nstep = 0.001\nnoise_multiplier = 2.0\n\
         [aggregation]\nrule = \"trimmed-mean\"\nbyzantine = 1\n[data]\n{SCHEMA}"
    );
    let plan = Plan::parse(&text, "own_model.rs")?;
    let table = Table::read("patients", PATIENTS.as_bytes(), &plan.terms().data, Limits::default())?;
    let seed = Seed::from_number(1);
    let parts = split(table.len(), 114, &[33, 24, 17, 14, 12], &seed)?;
    let tables = parts
        .institutions
        .iter()
        .map(|rows| table.select(rows))
        .collect::<Result<Vec<_>, _>>()?;
    let institutions: Vec<&dyn Data> = tables.iter().map(|t| t as &dyn Data).collect();
    let held_out = table.select(&parts.held_out)?;
    let model = Svm { width: table.width() };
    let simulation = Simulation {
        attack: Some(Attack::Alone(Alone::SignFlip)),
        byzantine: 1,
        ..Simulation::new(&plan, &model, &institutions, &held_out, seed)
    };
    let (before, rounds) = simulation.run()?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "before: {:.1}%", 100.0 * before.accuracy.unwrap_or_default())?;
    for (number, round) in (1..).zip(&rounds) {
        writeln!(
            out,
            "round {number}: {:.1}%",
            100.0 * round.evaluation.accuracy.unwrap_or_default()
        )?;
    }
    Ok(())
}
