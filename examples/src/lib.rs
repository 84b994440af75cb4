//! A model of one's own: a linear support vector machine, written against the public [`Model`] trait without burn.
//!
//! Loss of an example with label y in {-1, 1}: `max(0, 1 - y (w·x + b))^2 / 2`, the squared hinge (Chang, Hsieh and Lin
//! 2008). Everything else - clipping, noise, rounds, rules, scores, rewards - works with it as with the built-in models.
//!
//! ```
//! use xfl_core::train::Model;
//! assert_eq!(xfl_examples::Svm { width: 30 }.dimension(), 31);
//! ```

use std::ops::ControlFlow;

use xfl_core::{
    seed::Seed,
    spec::TensorShape,
    train::{Data, Evaluation, Model, Target, TrainError, model::check_arguments},
};

/// A linear support vector machine for two classes; class 1 is positive.
#[derive(Clone, Copy, Debug)]
pub struct Svm {
    /// Features of an example.
    pub width: usize,
}

impl Svm {
    /// Signed distance times label, and the example's features.
    fn margin(
        &self,
        parameters: &[f32],
        data: &dyn Data,
        index: usize,
        x: &mut [f32],
    ) -> Result<(f32, f32), TrainError> {
        data.features_into(index, x);
        let y = match data.target(index) {
            Target::Class(1) => 1.0,
            Target::Class(0) => -1.0,
            got => {
                return Err(TrainError::WrongTarget {
                    index,
                    expected: "class 0 or 1".into(),
                    got,
                });
            }
        };
        let (w, b) = parameters.split_at(self.width);
        let score: f32 = w.iter().zip(x.iter()).map(|(w, x)| w * x).sum::<f32>() + b[0];
        Ok((y * score, y))
    }
}

impl Model for Svm {
    fn tensors(&self) -> Vec<TensorShape> {
        let tensor = |name: &str, shape| TensorShape {
            name: name.into(),
            shape,
        };
        vec![tensor("weight", vec![1, self.width]), tensor("bias", vec![1])]
    }

    fn init(&self, _seed: &Seed) -> Vec<f32> {
        vec![0.0; self.dimension()]
    }

    fn loss_gradient(
        &self,
        parameters: &[f32],
        data: &dyn Data,
        indices: &[usize],
        gradient: &mut [f32],
    ) -> Result<f64, TrainError> {
        gradient.fill(0.0);
        let share = 1.0 / indices.len() as f32;
        self.example_gradients(parameters, data, indices, &mut |_, own| {
            gradient.iter_mut().zip(own).for_each(|(g, o)| *g += share * o);
            ControlFlow::Continue(())
        })?;
        let mut x = vec![0.0; self.width];
        let mut loss = 0.0;
        for &index in indices {
            let (margin, _) = self.margin(parameters, data, index, &mut x)?;
            loss += f64::from((1.0 - margin).max(0.0)).powi(2) / 2.0;
        }
        Ok(loss / indices.len() as f64)
    }

    fn example_gradients(
        &self,
        parameters: &[f32],
        data: &dyn Data,
        indices: &[usize],
        each: &mut dyn FnMut(usize, &[f32]) -> ControlFlow<()>,
    ) -> Result<(), TrainError> {
        check_arguments(self.dimension(), self.width, parameters, data, indices)?;
        let mut gradient = vec![0.0; self.dimension()];
        for &index in indices {
            let (x, bias) = gradient.split_at_mut(self.width);
            let (margin, y) = self.margin(parameters, data, index, x)?;
            let pull = -y * (1.0 - margin).max(0.0);
            x.iter_mut().for_each(|x| *x *= pull);
            bias[0] = pull;
            if each(index, &gradient).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn evaluate(&self, parameters: &[f32], data: &dyn Data) -> Result<Evaluation, TrainError> {
        let mut x = vec![0.0; self.width];
        let (mut loss, mut right) = (0.0, 0usize);
        for index in 0..data.len() {
            let (margin, _) = self.margin(parameters, data, index, &mut x)?;
            loss += f64::from((1.0 - margin).max(0.0)).powi(2) / 2.0;
            right += usize::from(margin > 0.0);
        }
        if data.is_empty() {
            return Err(TrainError::NoExamples);
        }
        let n = data.len() as f64;
        Ok(Evaluation {
            loss: loss / n,
            accuracy: Some(right as f64 / n),
            rmse: None,
            examples: data.len(),
        })
    }
}
