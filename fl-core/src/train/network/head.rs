//! The end of a network: what its outputs mean, the loss, and how predictions are judged.

use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, activation};

use super::{Evaluation, TrainError};
use crate::schema::{Schema, Task};
use crate::train::data::Target;

/// What the outputs of a network mean.
#[derive(Clone, Copy, Debug)]
pub(super) enum Head {
    /// One output, the log-odds of class 1.
    Binary,
    /// One output a class, softmax.
    Classes(usize),
    /// One output, the standardised value; `scale` turns it back into the label's units.
    Value { scale: f64 },
}

/// Sums over the examples judged so far.
#[derive(Default)]
pub(super) struct Tally {
    loss: f64,
    correct: usize,
    examples: usize,
}

impl Head {
    pub(super) fn of(schema: &Schema) -> Self {
        match &schema.task {
            Task::Regression { scale, .. } => Self::Value { scale: *scale },
            Task::Classification { .. } if schema.outputs() == 1 => Self::Binary,
            Task::Classification { classes } => Self::Classes(classes.len()),
        }
    }

    pub(super) fn outputs(&self) -> usize {
        if let Self::Classes(classes) = self { *classes } else { 1 }
    }

    /// Appends the encoded target: the sign (+1 for class 1, else -1), one 1 among zeros, or the value.
    pub(super) fn encode(&self, index: usize, target: Target, into: &mut Vec<f32>) -> Result<(), TrainError> {
        let wrong = |expected: String| {
            Err(TrainError::WrongTarget {
                index,
                expected,
                got: target,
            })
        };
        match (self, target) {
            (Self::Binary, Target::Class(class)) if class < 2 => into.push(if class == 1 { 1.0 } else { -1.0 }),
            (Self::Classes(classes), Target::Class(class)) if class < *classes => {
                into.extend((0..*classes).map(|i| if i == class { 1.0 } else { 0.0 }));
            }
            (Self::Value { .. }, Target::Value(value)) if value.is_finite() => into.push(value),
            (Self::Binary, _) => return wrong("a class below 2".into()),
            (Self::Classes(classes), _) => return wrong(format!("a class below {classes}")),
            (Self::Value { .. }, _) => return wrong("a finite value".into()),
        }
        Ok(())
    }

    /// The sum of the examples' losses, from outputs and encoded targets `[rows, outputs]`.
    pub(super) fn loss<B: Backend>(&self, outputs: Tensor<B, 2>, targets: Tensor<B, 2>) -> Tensor<B, 1> {
        match self {
            Self::Binary => activation::log_sigmoid(outputs * targets).sum().neg(),
            Self::Classes(_) => (activation::log_softmax(outputs, 1) * targets).sum().neg(),
            Self::Value { .. } => {
                let error = outputs - targets;
                (error.clone() * error).sum() * 0.5
            }
        }
    }

    /// Judges outputs `[rows, outputs]` against encoded targets. Ties go to the earlier class.
    pub(super) fn tally(&self, outputs: &[f32], targets: &[f32], tally: &mut Tally) {
        for (output, target) in outputs.chunks(self.outputs()).zip(targets.chunks(self.outputs())) {
            tally.examples += 1;
            match self {
                Self::Binary => {
                    let margin = f64::from(output[0]) * f64::from(target[0]);
                    tally.loss += (-margin).max(0.0) + (-margin.abs()).exp().ln_1p();
                    tally.correct += usize::from((output[0] > 0.0) == (target[0] > 0.0));
                }
                Self::Classes(_) => {
                    let largest = output.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                    let sum: f64 = output.iter().map(|&z| f64::from(z - largest).exp()).sum();
                    let class = target.iter().position(|&t| t > 0.0).unwrap_or(0);
                    tally.loss += sum.ln() + f64::from(largest) - f64::from(output[class]);
                    tally.correct += usize::from(output.iter().position(|&z| z == largest) == Some(class));
                }
                Self::Value { .. } => {
                    let error = f64::from(output[0]) - f64::from(target[0]);
                    tally.loss += 0.5 * error * error;
                }
            }
        }
    }

    pub(super) fn evaluation(&self, tally: &Tally) -> Result<Evaluation, TrainError> {
        if !tally.loss.is_finite() {
            return Err(TrainError::Diverged { what: "the loss" });
        }
        let examples = tally.examples;
        let loss = tally.loss / examples as f64;
        let (accuracy, rmse) = match self {
            Self::Value { scale } => (None, Some((2.0 * loss).sqrt() * scale)),
            _ => (Some(tally.correct as f64 / examples as f64), None),
        };
        Ok(Evaluation {
            loss,
            accuracy,
            rmse,
            examples,
        })
    }
}
