use std::ops::ControlFlow;

use super::*;
use crate::schema::Schema;
use crate::seed::Stream;
use crate::spec::{ModelSpec, TensorShape};
use crate::train::Device;
use crate::train::data::{Table, Target};
use crate::train::model::{Evaluation, check_arguments};

/// One parameter x, loss (x - target)^2 / 2: every step can be worked out by hand.
struct Parabola;

impl Model for Parabola {
    fn tensors(&self) -> Vec<TensorShape> {
        vec![TensorShape {
            name: "x".into(),
            shape: vec![1],
        }]
    }

    fn init(&self, _: &Seed) -> Vec<f32> {
        vec![0.0]
    }

    fn loss_gradient(
        &self,
        parameters: &[f32],
        data: &dyn Data,
        indices: &[usize],
        gradient: &mut [f32],
    ) -> Result<f64, TrainError> {
        let mut loss = 0.0;
        let mut sum = 0.0;
        self.example_gradients(parameters, data, indices, &mut |_, g| {
            loss += 0.5 * f64::from(g[0]).powi(2);
            sum += g[0];
            ControlFlow::Continue(())
        })?;
        gradient[0] = sum / indices.len() as f32;
        Ok(loss / indices.len() as f64)
    }

    fn example_gradients(
        &self,
        parameters: &[f32],
        data: &dyn Data,
        indices: &[usize],
        each: &mut dyn FnMut(usize, &[f32]) -> ControlFlow<()>,
    ) -> Result<(), TrainError> {
        check_arguments(1, 1, parameters, data, indices)?;
        for &index in indices {
            let Target::Value(target) = data.target(index) else {
                continue;
            };
            if each(index, &[parameters[0] - target]).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn evaluate(&self, _: &[f32], data: &dyn Data) -> Result<Evaluation, TrainError> {
        Ok(Evaluation {
            loss: 0.0,
            accuracy: None,
            rmse: None,
            examples: data.len(),
        })
    }
}

fn values(targets: &[f32]) -> Table {
    Table::new(
        1,
        vec![0.0; targets.len()],
        targets.iter().map(|&y| Target::Value(y)).collect(),
    )
    .unwrap()
}

const OPTIONS: LocalOptions = LocalOptions {
    epochs: 1,
    batch: 1,
    learning_rate: 0.5,
    momentum: 0.0,
};

#[test]
fn momentum_is_as_written() {
    let seed = Seed::from_number(0);
    let options = LocalOptions {
        epochs: 3,
        momentum: 0.5,
        ..OPTIONS
    };
    let update = train_locally(&Parabola, &[0.0], &values(&[1.0]), &options, &seed).unwrap();
    // g = x - 1; v: -1, -1, -0.5; x: 0.5, 1, 1.25. The last epoch saw x = 1, where the loss is 0.
    assert_eq!(
        update,
        LocalUpdate {
            delta: vec![1.25],
            loss: 0.0,
            steps: 3
        }
    );
}

#[test]
fn the_update_is_a_difference() {
    let seed = Seed::from_number(0);
    let update = train_locally(&Parabola, &[3.0], &values(&[1.0]), &OPTIONS, &seed).unwrap();
    assert_eq!(
        update,
        LocalUpdate {
            delta: vec![-1.0],
            loss: 2.0,
            steps: 1
        }
    );
}

#[test]
fn a_large_batch_means_everything_and_a_last_one_may_be_small() {
    let seed = Seed::from_number(0);
    let data = values(&[1.0, 2.0, 3.0]);
    let steps = |batch| {
        let options = LocalOptions {
            epochs: 2,
            batch,
            ..OPTIONS
        };
        train_locally(&Parabola, &[0.0], &data, &options, &seed).unwrap().steps
    };
    assert_eq!([steps(1), steps(2), steps(3), steps(100)], [6, 4, 2, 2]);
}

#[test]
fn the_order_follows_from_the_seed() {
    let data = values(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let run = |number| train_locally(&Parabola, &[0.0], &data, &OPTIONS, &Seed::from_number(number)).unwrap();
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn divergence_is_an_error() {
    let options = LocalOptions {
        epochs: 1000,
        learning_rate: 1e3,
        ..OPTIONS
    };
    let error = train_locally(&Parabola, &[0.0], &values(&[1.0]), &options, &Seed::from_number(0)).unwrap_err();
    assert!(matches!(error, TrainError::Diverged { .. }));
}

#[test]
fn options_out_of_range_are_named() {
    let nan = f32::NAN;
    for (options, name) in [
        (LocalOptions { epochs: 0, ..OPTIONS }, "epochs"),
        (LocalOptions { batch: 0, ..OPTIONS }, "batch"),
        (
            LocalOptions {
                learning_rate: 0.0,
                ..OPTIONS
            },
            "learning_rate",
        ),
        (
            LocalOptions {
                learning_rate: nan,
                ..OPTIONS
            },
            "learning_rate",
        ),
        (
            LocalOptions {
                momentum: 1.0,
                ..OPTIONS
            },
            "momentum",
        ),
        (
            LocalOptions {
                momentum: nan,
                ..OPTIONS
            },
            "momentum",
        ),
    ] {
        let error = train_locally(&Parabola, &[0.0], &values(&[1.0]), &options, &Seed::from_number(0)).unwrap_err();
        assert!(matches!(error, TrainError::Option { option, .. } if option == name));
    }
    let none = values(&[]);
    let error = train_locally(&Parabola, &[0.0], &none, &OPTIONS, &Seed::from_number(0)).unwrap_err();
    assert_eq!(error, TrainError::NoExamples);
}

/// Noisy points of y = 3 a - 2 b + 0.5.
fn plane(rows: usize, stream: &mut Stream) -> Table {
    let mut features = Vec::new();
    let mut targets = Vec::new();
    for _ in 0..rows {
        let (a, b) = (stream.normal(), stream.normal());
        features.extend([a as f32, b as f32]);
        targets.push(Target::Value((3.0 * a - 2.0 * b + 0.5 + 0.01 * stream.normal()) as f32));
    }
    Table::new(2, features, targets).unwrap()
}

#[test]
fn linear_regression_recovers_the_coefficients() {
    let schema: Schema = toml::from_str(
        "task = \"regression\"\nlabel = \"y\"\nlabel_scale = 10.0\ncolumns = [{ prefix = \"x\", count = 2 }]",
    )
    .unwrap();
    let model = ModelSpec::Linear.build(&schema, Device::Cpu).unwrap();
    let seed = Seed::from_number(4);
    let data = plane(200, &mut seed.derive("plane", &[]).stream());
    let options = LocalOptions {
        epochs: 20,
        batch: 20,
        learning_rate: 0.1,
        momentum: 0.5,
    };
    let start = model.init(&seed);
    let update = train_locally(model.as_ref(), &start, &data, &options, &seed).unwrap();
    for (got, expected) in update.delta.iter().zip([3.0, -2.0, 0.5]) {
        assert!((got - expected).abs() < 0.01, "{:?}", update.delta);
    }
    let after = model.evaluate(&update.delta, &data).unwrap();
    // The noise has standard deviation 0.01 in standardised units, 0.1 in the label's.
    assert!((after.rmse.unwrap() - 0.1).abs() < 0.02, "{after:?}");
    assert_eq!((after.accuracy, after.examples), (None, 200));
}
