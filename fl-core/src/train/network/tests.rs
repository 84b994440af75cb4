use super::*;
use crate::schema::Column;
use crate::spec::Norm;
use crate::train::data::{Limits, Table, Target};
use crate::train::local::{LocalOptions, train_locally};
use crate::train::split::split;
use std::path::{Path, PathBuf};

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../examples/data")
        .join(name)
}

pub(super) fn tabular(features: usize, rest: &str) -> Schema {
    toml::from_str(&format!(
        "label = \"y\"\ncolumns = [{{ prefix = \"x\", count = {features} }}]\n{rest}"
    ))
    .unwrap()
}

pub(super) const BINARY: &str = "task = \"classification\"\nclasses = [\"a\", \"b\"]";
pub(super) const THREE: &str = "task = \"classification\"\nclasses = [\"a\", \"b\", \"c\"]";
pub(super) const VALUE: &str = "task = \"regression\"\nlabel_scale = 2.0";

pub(super) fn random(schema: &Schema, rows: usize, seed: &Seed) -> Table {
    let mut stream = seed.stream();
    let width = schema.features();
    let mut features = Vec::with_capacity(rows * width);
    for _ in 0..rows {
        for column in &schema.columns {
            features.extend((0..column.features()).map(|_| match column {
                Column::Tokens { vocabulary, .. } => stream.below(*vocabulary as u64) as f32,
                _ => stream.normal() as f32,
            }));
        }
    }
    let targets = (0..rows).map(|_| match &schema.task {
        crate::schema::Task::Classification { classes } => Target::Class(stream.below(classes.len() as u64) as usize),
        crate::schema::Task::Regression { .. } => Target::Value(stream.normal() as f32),
    });
    Table::new(width, features, targets.collect()).unwrap()
}

pub(super) fn noisy_start(model: &dyn Model, seed: &Seed) -> Vec<f32> {
    let mut stream = seed.derive("start", &[]).stream();
    (0..model.dimension()).map(|_| 0.5 * stream.normal() as f32).collect()
}

/// Every kind of model with every kind of head.
pub(super) fn zoo() -> Vec<(ModelSpec, Schema)> {
    let mlp = ModelSpec::mlp(vec![7, 4]);
    let cnn = ModelSpec::cnn(vec![2, 3], vec![5]);
    let image = |rest| {
        tabular(
            2 * 6 * 5,
            &format!("{rest}\nimage = {{ height = 6, width = 5, channels = 2 }}"),
        )
    };
    let embedding = |norm| ModelSpec::Mlp {
        hidden: vec![6],
        norm,
        embedding: Some(3),
    };
    let tokens: Schema = toml::from_str(&format!(
        "label = \"y\"\n{THREE}\ncolumns = [{{ name = \"a\", tokens = 4 }}, {{ prefix = \"x\", count = 2 }}, \
         {{ name = \"b\" }}, {{ prefix = \"t\", count = 5, tokens = 6 }}]"
    ))
    .unwrap();
    let normed = |norm| ModelSpec::Cnn {
        channels: vec![4, 2],
        hidden: vec![4],
        norm: Some(norm),
    };
    vec![
        (embedding(None), tokens.clone()),
        (embedding(Some(Norm::Group(2))), tokens),
        (normed(Norm::Layer), image(BINARY)),
        (normed(Norm::Group(2)), image(THREE)),
        (
            ModelSpec::Mlp {
                hidden: vec![7, 4],
                norm: Some(Norm::Layer),
                embedding: None,
            },
            tabular(5, VALUE),
        ),
        (ModelSpec::Logistic, tabular(5, BINARY)),
        (ModelSpec::Logistic, tabular(5, THREE)),
        (ModelSpec::Linear, tabular(5, VALUE)),
        (mlp.clone(), tabular(5, BINARY)),
        (mlp.clone(), tabular(5, THREE)),
        (mlp, tabular(5, VALUE)),
        (cnn.clone(), image(BINARY)),
        (cnn.clone(), image(THREE)),
        (cnn, image(VALUE)),
    ]
}

pub(super) fn close(a: f64, b: f64, tolerance: f64) -> bool {
    (a - b).abs() <= tolerance * (1.0 + a.abs().max(b.abs()))
}

#[test]
fn per_example_gradients_are_those_of_single_examples() {
    let seed = Seed::from_number(1);
    for (spec, schema) in zoo() {
        let model = spec.build(&schema, Device::Cpu).unwrap();
        let data = random(&schema, 9, &seed);
        let parameters = noisy_start(model.as_ref(), &seed);
        let indices = [8, 0, 3, 3];
        let mut seen = Vec::new();
        let mut alone = vec![0.0; model.dimension()];
        let mut sum = vec![0.0f64; model.dimension()];
        model
            .example_gradients(&parameters, &data, &indices, &mut |index, gradient| {
                seen.push(index);
                model.loss_gradient(&parameters, &data, &[index], &mut alone).unwrap();
                for ((g, a), s) in gradient.iter().zip(&alone).zip(&mut sum) {
                    assert!(close(f64::from(*g), f64::from(*a), 1e-5), "{spec:?}: {g} and {a}");
                    *s += f64::from(*g);
                }
                ControlFlow::Continue(())
            })
            .unwrap();
        assert_eq!(seen, indices);
        model.loss_gradient(&parameters, &data, &indices, &mut alone).unwrap();
        assert!(
            sum.iter().zip(&alone).all(|(s, m)| close(s / 4.0, f64::from(*m), 1e-5)),
            "{spec:?}"
        );
    }
}

#[test]
fn gradients_are_slopes() {
    let seed = Seed::from_number(2);
    for (spec, schema) in zoo() {
        let model = spec.build(&schema, Device::Cpu).unwrap();
        let data = random(&schema, 6, &seed);
        let parameters = noisy_start(model.as_ref(), &seed);
        let all: Vec<usize> = (0..data.len()).collect();
        let mut gradient = vec![0.0; model.dimension()];
        let loss = model.loss_gradient(&parameters, &data, &all, &mut gradient).unwrap();
        assert!(
            close(loss, model.evaluate(&parameters, &data).unwrap().loss, 1e-5),
            "{spec:?}"
        );
        // Along a random direction, small enough to cross few kinks of the ReLUs.
        let mut stream = seed.derive("direction", &[]).stream();
        let direction: Vec<f32> = gradient.iter().map(|_| stream.normal() as f32).collect();
        let slope: f64 = gradient.iter().zip(&direction).map(|(g, d)| f64::from(g * d)).sum();
        let at = |step: f32| {
            let moved: Vec<f32> = parameters.iter().zip(&direction).map(|(x, d)| x + step * d).collect();
            model.evaluate(&moved, &data).unwrap().loss
        };
        let measured = (at(1e-3) - at(-1e-3)) / 2e-3;
        assert!(close(slope, measured, 2e-2), "{spec:?}: {slope} and {measured}");
    }
}

#[test]
fn one_machine_gives_the_same_bits_on_any_thread() {
    let seed = Seed::from_number(3);
    for (spec, schema) in zoo() {
        let model = spec.build(&schema, Device::Cpu).unwrap();
        let data = random(&schema, 40, &seed);
        let options = LocalOptions {
            epochs: 2,
            batch: 8,
            learning_rate: 0.05,
            momentum: 0.9,
        };
        let run = || {
            let start = model.init(&seed);
            let update = train_locally(model.as_ref(), &start, &data, &options, &seed).unwrap();
            let mut bits: Vec<u32> = update.delta.iter().map(|x| x.to_bits()).collect();
            model
                .example_gradients(&start, &data, &[0, 1, 2], &mut |_, g| {
                    bits.extend(g.iter().map(|x| x.to_bits()));
                    ControlFlow::Continue(())
                })
                .unwrap();
            bits
        };
        let once = run();
        let beside: Vec<_> = std::thread::scope(|scope| {
            let threads = [scope.spawn(run), scope.spawn(run)];
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(beside, [once.clone(), once], "{spec:?}");
    }
}

#[test]
fn large_outputs_have_finite_losses() {
    for (rest, class) in [(BINARY, 0), (THREE, 1)] {
        let schema = tabular(1, rest);
        let model = ModelSpec::Logistic.build(&schema, Device::Cpu).unwrap();
        let data = Table::new(1, vec![1000.0], vec![Target::Class(class)]).unwrap();
        let mut parameters = vec![0.0; model.dimension()];
        parameters[0] = 10.0;
        let mut gradient = vec![0.0; model.dimension()];
        let loss = model.loss_gradient(&parameters, &data, &[0], &mut gradient).unwrap();
        assert!(close(loss, 10_000.0, 1e-6) && gradient.iter().all(|g| g.is_finite()));
        assert!(close(model.evaluate(&parameters, &data).unwrap().loss, 10_000.0, 1e-6));
    }
}

#[test]
fn arguments_that_do_not_fit_are_refused() {
    let schema = tabular(2, BINARY);
    let model = ModelSpec::Logistic.build(&schema, Device::Cpu).unwrap();
    let data = random(&schema, 3, &Seed::from_number(0));
    let try_on = |parameters: &[f32], data: &dyn Data, indices: &[usize]| {
        model
            .loss_gradient(parameters, data, indices, &mut [0.0; 3])
            .unwrap_err()
    };
    assert_eq!(
        try_on(&[0.0; 2], &data, &[0]),
        TrainError::Parameters { expected: 3, got: 2 }
    );
    assert!(matches!(
        try_on(&[0.0, f32::NAN, 0.0], &data, &[0]),
        TrainError::NotFiniteParameter { index: 1, .. }
    ));
    assert_eq!(try_on(&[0.0; 3], &data, &[]), TrainError::NoExamples);
    assert_eq!(
        try_on(&[0.0; 3], &data, &[0, 3]),
        TrainError::Example { index: 3, len: 3 }
    );
    let wide = random(&tabular(4, BINARY), 3, &Seed::from_number(0));
    assert_eq!(
        try_on(&[0.0; 3], &wide, &[0]),
        TrainError::Features { expected: 2, got: 4 }
    );
    let values = random(&tabular(2, VALUE), 3, &Seed::from_number(0));
    assert!(matches!(
        try_on(&[0.0; 3], &values, &[1]),
        TrainError::WrongTarget { index: 1, .. }
    ));
    let third = Table::new(2, vec![0.0; 2], vec![Target::Class(2)]).unwrap();
    assert!(matches!(
        try_on(&[0.0; 3], &third, &[0]),
        TrainError::WrongTarget { index: 0, .. }
    ));
    let first = Table::new(2, vec![1.0; 2], vec![Target::Class(0)]).unwrap();
    assert_eq!(
        try_on(&[f32::MAX; 3], &first, &[0]),
        TrainError::Diverged { what: "the loss" }
    );
    let short = model.loss_gradient(&[0.0; 3], &data, &[0], &mut [0.0; 2]);
    assert_eq!(short, Err(TrainError::Gradient { expected: 3, got: 2 }));
    assert_eq!(
        model.evaluate(&[0.0; 3], &data.select(&[]).unwrap()),
        Err(TrainError::NoExamples)
    );
}

/// Data of a user's own that breaks its promise.
struct Leaky;

impl Data for Leaky {
    fn len(&self) -> usize {
        1
    }

    fn width(&self) -> usize {
        2
    }

    fn features_into(&self, _: usize, features: &mut [f32]) {
        features.fill(f32::NAN);
    }

    fn target(&self, _: usize) -> Target {
        Target::Class(0)
    }
}

#[test]
fn features_that_are_not_finite_are_refused() {
    let model = ModelSpec::Logistic.build(&tabular(2, BINARY), Device::Cpu).unwrap();
    let error = model.evaluate(&[0.0; 3], &Leaky).unwrap_err();
    assert!(matches!(error, TrainError::NotFiniteFeature { index: 0, .. }));
}

#[test]
fn starts_follow_from_the_seed_and_have_their_spread() {
    let spec = ModelSpec::mlp(vec![50]);
    let model = spec.build(&tabular(24, BINARY), Device::Cpu).unwrap();
    let start = model.init(&Seed::from_number(1));
    assert_eq!(start, model.init(&Seed::from_number(1)));
    assert_ne!(start, model.init(&Seed::from_number(2)));
    let (hidden, rest) = start.split_at(24 * 50);
    // Uniform on +-sqrt(6/24): variance 1/12.
    let variance = hidden.iter().map(|x| f64::from(x * x)).sum::<f64>() / 1200.0;
    assert!((variance * 12.0 - 1.0).abs() < 0.15 && hidden.iter().all(|x| x.abs() <= 0.5));
    assert!(rest[..50].iter().all(|&x| x == 0.0));
    let convex = ModelSpec::Logistic.build(&tabular(24, BINARY), Device::Cpu).unwrap();
    assert_eq!(convex.init(&Seed::from_number(1)), vec![0.0; 25]);
}

/// The schema of the committed file, standardised with the constants of `examples/data/README.md`.
fn breast_cancer() -> (Schema, Table) {
    let text = std::fs::read_to_string(example("breast_cancer_wisconsin.toml")).unwrap();
    let schema: Schema = toml::from_str(&text).unwrap();
    let table = Table::open(&example("breast_cancer_wisconsin.csv"), &schema, Limits::default()).unwrap();
    (schema, table)
}

fn digits() -> (Schema, Table) {
    let text = std::fs::read_to_string(example("digits.toml")).unwrap();
    let schema: Schema = toml::from_str(&text).unwrap();
    let table = Table::open(&example("digits.csv"), &schema, Limits::default()).unwrap();
    (schema, table)
}

/// Held-out accuracy after training on the rest.
fn learn(spec: &ModelSpec, schema: &Schema, table: &Table, held_out: usize, options: LocalOptions) -> f64 {
    let seed = Seed::from_number(11);
    let parts = split(table.len(), held_out, &[1], &seed).unwrap();
    let train = table.select(&parts.institutions[0]).unwrap();
    let test = table.select(&parts.held_out).unwrap();
    let model = spec.build(schema, Device::Cpu).unwrap();
    let start = model.init(&seed);
    let update = train_locally(model.as_ref(), &start, &train, &options, &seed).unwrap();
    let trained: Vec<f32> = start.iter().zip(&update.delta).map(|(x, d)| x + d).collect();
    let after = model.evaluate(&trained, &test).unwrap();
    assert_eq!(after.examples, held_out);
    after.accuracy.unwrap()
}

#[test]
fn the_committed_data_is_the_published_data() {
    let (schema, table) = breast_cancer();
    assert_eq!((table.len(), schema.features()), (569, 30));
    // 357 benign, 212 malignant (Street, Wolberg and Mangasarian 1993).
    assert_eq!(table.class_counts(&schema), [357, 212]);
    let (schema, table) = digits();
    assert_eq!((table.len(), schema.features(), schema.outputs()), (1797, 64, 10));
    assert_eq!(
        table.class_counts(&schema),
        [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    );
}

#[test]
fn logistic_regression_learns_breast_cancer_on_full_batches() {
    let (schema, table) = breast_cancer();
    let options = LocalOptions {
        epochs: 100,
        batch: 1000,
        learning_rate: 0.5,
        momentum: 0.0,
    };
    let accuracy = learn(&ModelSpec::Logistic, &schema, &table, 114, options);
    assert!(accuracy > 0.94, "{accuracy}");
}

#[test]
fn a_perceptron_learns_breast_cancer() {
    let (schema, table) = breast_cancer();
    let options = LocalOptions {
        epochs: 15,
        batch: 32,
        learning_rate: 0.05,
        momentum: 0.9,
    };
    let accuracy = learn(&ModelSpec::mlp(vec![16]), &schema, &table, 114, options);
    assert!(accuracy > 0.94, "{accuracy}");
}

#[test]
fn softmax_regression_learns_digits() {
    let (schema, table) = digits();
    let options = LocalOptions {
        epochs: 10,
        batch: 64,
        learning_rate: 0.1,
        momentum: 0.9,
    };
    let accuracy = learn(&ModelSpec::Logistic, &schema, &table, 360, options);
    assert!(accuracy > 0.9, "{accuracy}");
}

#[test]
fn a_convolutional_network_learns_digits() {
    let (schema, table) = digits();
    let options = LocalOptions {
        epochs: 3,
        batch: 32,
        learning_rate: 0.05,
        momentum: 0.9,
    };
    let accuracy = learn(&ModelSpec::cnn(vec![8, 16], vec![]), &schema, &table, 360, options);
    assert!(accuracy > 0.85, "{accuracy}");
}
