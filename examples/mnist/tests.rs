//! A whole run on the committed 8 x 8 digits: the plain mean is lost to attackers that robust rules withstand.

use xfl_aggregation::attack::Attack;
use xfl_aggregation::real::Rule;
use xfl_core::schema::Schema;
use xfl_core::seed::Seed;
use xfl_core::spec::ModelSpec;
use xfl_core::train::{Data, Device, Limits, Model, Table};

use crate::adversary::Adversary;
use crate::deal::{similar, sorted_by_label};
use crate::defence::{Before, Defence};
use crate::digits::Part;
use crate::training::{Curve, Examples, Momentum, Setting};

struct World {
    model: Box<dyn Model>,
    data: Table,
    train: Vec<usize>,
    test: Vec<usize>,
}

fn world() -> World {
    let schema: Schema = toml::from_str(include_str!("../data/digits.toml")).unwrap();
    let csv = include_bytes!("../data/digits.csv");
    let data = Table::read("digits", &csv[..], &schema, Limits::default()).unwrap();
    let mut train = Seed::from_number(3).stream().permutation(data.len());
    let test = train.split_off(1400);
    let spec = ModelSpec::mlp(vec![16]);
    World {
        model: spec.build(&schema, Device::Cpu).unwrap(),
        data,
        train,
        test,
    }
}

fn setting(defence: Defence, attack: Option<Attack>) -> Setting {
    Setting {
        attack: attack.map(|attack| (4, Adversary::Always(attack))),
        defence,
        batch: 20,
        per_pass: usize::MAX,
        steps: 120,
        rate: 0.1,
        decay: 1e-4,
        momentum: Momentum::Average(0.9),
        evaluate: 40,
    }
}

fn run(world: &World, clients: &[Vec<usize>], setting: &Setting) -> Curve {
    let test = Part {
        of: &world.data,
        rows: world.test.clone(),
    };
    let examples = Examples {
        train: &world.data,
        clients,
        test: &test,
        validation: None,
    };
    setting.run(&*world.model, &examples, &Seed::from_number(1)).unwrap()
}

fn last(curve: &Curve) -> f64 {
    curve.points.last().unwrap().test
}

#[test]
fn attackers_break_the_mean_and_not_the_robust_rule() {
    let world = world();
    let mut stream = Seed::from_number(2).stream();
    let clients = similar(&world.data, &world.train, 10, 1.0, &mut stream).unwrap();
    let mixed = Defence {
        before: vec![Before::Clip(2.0), Before::Nnm(4)],
        ..Defence::of(Rule::TrimmedMean { f: 4 })
    };
    let flip = Attack::SignFlip { scale: 10.0 };
    let peace = run(&world, &clients, &setting(Defence::of(Rule::Mean), None));
    let mean = run(&world, &clients, &setting(Defence::of(Rule::Mean), Some(flip.clone())));
    let robust = run(&world, &clients, &setting(mixed, Some(flip)));
    assert!(last(&peace) > 0.85, "{peace:?}");
    assert!(last(&mean) < 0.3, "{mean:?}");
    assert!(last(&robust) > 0.8, "{robust:?}");
    let steps: Vec<usize> = robust.points.iter().map(|point| point.step).collect();
    assert_eq!(steps, [0, 40, 80, 120]);
}

#[test]
fn bucketing_saves_the_geometric_median_on_sorted_labels() {
    let world = world();
    let clients = sorted_by_label(&world.data, &world.train, 16).unwrap();
    let rfa = Defence::of(Rule::GeometricMedian { nu: 0.1, iterations: 8 });
    let bucketed = Defence {
        before: vec![Before::Buckets(2)],
        ..rfa.clone()
    };
    let ipm = Attack::Ipm { epsilon: 0.1 };
    let plain = run(&world, &clients, &setting(rfa, Some(ipm.clone())));
    let bucketed = run(&world, &clients, &setting(bucketed, Some(ipm)));
    assert!(last(&bucketed) > last(&plain) + 0.1, "{plain:?} {bucketed:?}");
}

#[test]
fn the_same_seed_gives_the_same_bits() {
    let world = world();
    let clients = sorted_by_label(&world.data, &world.train, 8).unwrap();
    let defence = Defence {
        before: vec![Before::Buckets(2)],
        carries: true,
        ..Defence::of(Rule::CenteredClipping {
            tau: 1.0,
            iterations: 2,
        })
    };
    let short = Setting {
        steps: 10,
        evaluate: 5,
        attack: Some((2, Adversary::Mimic { rounds: 3 })),
        ..setting(defence, None)
    };
    let one = run(&world, &clients, &short);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    let three = pool.install(|| run(&world, &clients, &short));
    assert_eq!(one, three);
}

#[test]
fn divergence_is_a_result() {
    let world = world();
    let clients = sorted_by_label(&world.data, &world.train, 8).unwrap();
    let wild = Setting {
        rate: 1e30,
        ..setting(Defence::of(Rule::Mean), None)
    };
    let curve = run(&world, &clients, &wild);
    assert!(curve.diverged.is_some_and(|step| step <= 40), "{curve:?}");
    assert_eq!(curve.points.len(), 4);
    assert!(curve.points.iter().all(|point| point.test.is_finite()));
}
