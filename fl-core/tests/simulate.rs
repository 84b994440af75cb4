//! Every attack on a small federation; what each does to it.
#![cfg(feature = "train")]
#![allow(missing_docs, clippy::unwrap_used)]

use xfl_aggregation::RuleError;
use xfl_core::{
    attack::{Alone, Attack, Backdoor, LabelFlip, TriggerValue},
    plan::Plan,
    seed::Seed,
    simulate::{Simulated, Simulation, SimulationError},
    train::{Data, Device, Model, Table, Target},
};

/// A plan for five institutions; `task` and `rest` are lines of [data] and [aggregation].
fn plan(aggregation: &str, data: &str) -> Plan {
    let text = format!(
        "[federation]\nid = \"{0}\"\nname = \"test\"\ncoordinator = \"{0}\"\n\
         [rounds]\ncount = 6\nquorum = 5\n[model]\nkind = \"{1}\"\n\
         [training]\nbatch = 20\nserver_learning_rate = 2.0\n\
         [privacy]\nunit = \"record\"\nclip = 1.0\nstep = 0.001\nnoise_multiplier = 0.1\n\
         [aggregation]\n{aggregation}\n[score]\nkind = \"leave-one-out\"\n[data]\n{data}",
        "11".repeat(32),
        if data.contains("regression") {
            "linear"
        } else {
            "logistic"
        },
    );
    Plan::parse(&text, "federation.toml").unwrap()
}

const TRIMMED: &str = "rule = \"trimmed-mean\"\nbyzantine = 1";
const CLASSES: &str =
    "task = \"classification\"\nlabel = \"y\"\nclasses = [\"no\", \"yes\"]\ncolumns = [{ prefix = \"x\", count = 6 }]";
const NUMBERS: &str = "task = \"regression\"\nlabel = \"y\"\ncolumns = [{ prefix = \"x\", count = 6 }]";

/// `rows` examples of six features; the sum of the first three, with some noise, decides the label.
fn examples(rows: usize, number: u64, regression: bool) -> Table {
    let mut stream = Seed::from_number(number).derive("examples", &[]).stream();
    let (mut features, mut targets) = (Vec::new(), Vec::new());
    for _ in 0..rows {
        let own: Vec<f32> = (0..6).map(|_| stream.normal() as f32).collect();
        let sum = own[..3].iter().sum::<f32>() + 0.3 * stream.normal() as f32;
        targets.push(if regression {
            Target::Value(sum)
        } else {
            Target::Class(usize::from(sum > 0.0))
        });
        features.extend(own);
    }
    Table::new(6, features, targets).unwrap()
}

struct World {
    plan: Plan,
    model: Box<dyn Model>,
    tables: Vec<Table>,
    held_out: Table,
}

impl World {
    fn new(aggregation: &str, data: &str) -> Self {
        let plan = plan(aggregation, data);
        let regression = data == NUMBERS;
        Self {
            model: plan.terms().model.build(&plan.terms().data, Device::Cpu).unwrap(),
            plan,
            tables: (0..5).map(|i| examples(60, i, regression)).collect(),
            held_out: examples(200, 99, regression),
        }
    }

    fn run(
        &self,
        attack: Option<Attack>,
        change: impl Fn(&mut Simulation<'_>),
    ) -> Result<Vec<Simulated>, SimulationError> {
        self.run_under(&self.plan, attack, change)
    }

    fn run_under(
        &self,
        plan: &Plan,
        attack: Option<Attack>,
        change: impl Fn(&mut Simulation<'_>),
    ) -> Result<Vec<Simulated>, SimulationError> {
        let institutions: Vec<&dyn Data> = self.tables.iter().map(|t| t as &dyn Data).collect();
        let seed = Seed::from_number(7);
        let mut simulation = Simulation {
            attack,
            byzantine: 1,
            ..Simulation::new(plan, self.model.as_ref(), &institutions, &self.held_out, seed)
        };
        change(&mut simulation);
        Ok(simulation.run()?.1)
    }
}

fn accuracy(rounds: &[Simulated]) -> f64 {
    rounds.last().unwrap().evaluation.accuracy.unwrap()
}

#[test]
fn every_attack_stays_within_the_plans_limits_and_is_reproducible() {
    let world = World::new(TRIMMED, CLASSES);
    for attack in Attack::all() {
        let rounds = world.run(Some(attack.clone()), |_| ()).unwrap();
        assert_eq!(rounds.len(), 6);
        let refused = matches!(attack, Attack::NonFinite(_));
        for round in &rounds {
            assert_eq!(round.refused, [false, false, false, false, refused], "{attack}");
            assert_eq!(round.selected[4], !refused, "{attack}");
            assert!(!refused || round.scores[4] == 0);
            assert_eq!(round.backdoor_success.is_some(), matches!(attack, Attack::Backdoor(_)));
        }
        assert!(
            accuracy(&rounds) > 0.8,
            "{attack}: one in five against a trimmed mean: {}",
            accuracy(&rounds)
        );
        assert_eq!(rounds, world.run(Some(attack), |_| ()).unwrap());
    }
}

#[test]
fn a_sign_flip_at_the_bound_ruins_a_mean_and_not_the_plans_rule() {
    let world = World::new(TRIMMED, CLASSES);
    let flip = || Some(Attack::Alone(Alone::SignFlip));
    let robust = world.run(flip(), |_| ()).unwrap();
    let plain = world.run_under(&world.plan.averaging(), flip(), |_| ()).unwrap();
    assert!(
        accuracy(&robust) > 0.9 && accuracy(&plain) < accuracy(&robust) - 0.2,
        "{} {}",
        accuracy(&robust),
        accuracy(&plain)
    );
    let scored: i64 = robust.iter().map(|round| round.scores[4]).sum();
    assert!(scored < 0, "{scored}");
    let unscored = world.run(flip(), |s| s.scored = false).unwrap();
    assert!(unscored.iter().all(|round| round.scores == [0; 5]));
    assert_eq!(accuracy(&unscored), accuracy(&robust));
}

#[test]
fn label_flips_of_the_majority_turn_the_model_round() {
    let world = World::new("rule = \"mean\"", CLASSES);
    let flip = Some(Attack::LabelFlip(LabelFlip::default()));
    let one = world.run(flip.clone(), |_| ()).unwrap();
    let four = world.run(flip, |s| s.byzantine = 4).unwrap();
    assert!(
        accuracy(&one) > 0.85 && accuracy(&four) < 0.15,
        "{} {}",
        accuracy(&one),
        accuracy(&four)
    );
}

#[test]
fn a_boosted_backdoor_opens_a_mean_and_the_probe_shows_what_a_clean_model_does() {
    let world = World::new("rule = \"mean\"", CLASSES);
    let backdoor = |boost| Backdoor {
        target: Some("yes".into()),
        size: 2,
        value: TriggerValue::Given(4.0),
        fraction: 0.5,
        boost,
    };
    let success = |rounds: &[Simulated]| rounds.last().unwrap().backdoor_success.unwrap();
    let clean = world.run(None, |s| s.probe = Some(backdoor(1.0))).unwrap();
    let boosted = world.run(Some(Attack::Backdoor(backdoor(20.0))), |_| ()).unwrap();
    // The trigger's columns mean nothing to an honest model.
    assert!(success(&clean) < 0.3, "{}", success(&clean));
    assert!(success(&boosted) > 0.7, "{}", success(&boosted));
    assert!(accuracy(&boosted) > 0.7, "{}", accuracy(&boosted));
}

#[test]
fn where_there_are_no_classes_data_poisoning_is_refused_and_the_rest_works() {
    let world = World::new(TRIMMED, NUMBERS);
    for attack in Attack::all() {
        let poisons = attack.needs_classes();
        match world.run(Some(attack), |_| ()) {
            Ok(rounds) => assert!(!poisons && rounds[5].evaluation.rmse.unwrap() < 1.0),
            Err(error) => assert!(poisons && error.to_string().contains("regression"), "{error}"),
        }
    }
}

#[test]
fn somebody_has_to_be_honest() {
    let world = World::new(TRIMMED, CLASSES);
    let error = world.run(None, |s| s.byzantine = 5).unwrap_err();
    assert!(matches!(
        error,
        SimulationError::NobodyHonest {
            byzantine: 5,
            institutions: 5
        }
    ));
    // Two of five rows are too few for a trimmed mean that cuts one from either side.
    let error = world.run(Attack::named("non-finite"), |s| s.byzantine = 3).unwrap_err();
    assert!(
        matches!(
            error,
            SimulationError::Rule(RuleError::CohortTooSmall {
                expected: 3,
                got: 2,
                ..
            })
        ),
        "{error}"
    );
}
