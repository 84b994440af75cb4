//! One institution's part of a round, before protection.
//!
//! Where the unit of privacy is the *institution*, it trains for some epochs on its own and hands over the whole
//! update, new parameters minus old ([`train_locally`]). Where the unit is the *record*, [`Model::add_clipped`] clips every
//! example's gradient before it is summed, and an unclipped sum never exists.
//!
//! Local training is stochastic gradient descent with momentum: `v = momentum * v + g`, `x = x - learning_rate * v`
//! (Polyak 1964), over batches of a seeded order, a new one each epoch; the last batch may be smaller.

use super::data::Data;
use super::model::{Model, TrainError};
use crate::seed::Seed;

/// How an institution trains locally.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalOptions {
    /// Passes over the data, at least 1.
    pub epochs: u32,
    /// Examples of a step, at least 1; more than there are means all of them.
    pub batch: usize,
    /// Step size, finite and above 0.
    pub learning_rate: f32,
    /// Share of the last step's velocity kept, in `[0, 1)`.
    pub momentum: f32,
}

/// What local training leaves.
#[derive(Clone, Debug, PartialEq)]
pub struct LocalUpdate {
    /// New parameters minus old.
    pub delta: Vec<f32>,
    /// Mean loss over the examples of the last epoch, each at the parameters of its own step.
    pub loss: f64,
    /// Steps taken.
    pub steps: u64,
}

impl LocalOptions {
    /// Checks the ranges above.
    ///
    /// # Errors
    /// [`TrainError::Option`] names the first option out of range.
    pub fn validate(&self) -> Result<(), TrainError> {
        let fail = |option, expected, got: String| Err(TrainError::Option { option, expected, got });
        if self.epochs == 0 {
            return fail("epochs", "at least 1", self.epochs.to_string());
        }
        if self.batch == 0 {
            return fail("batch", "at least 1", self.batch.to_string());
        }
        if !(self.learning_rate.is_finite() && self.learning_rate > 0.0) {
            return fail(
                "learning_rate",
                "a finite number above 0",
                self.learning_rate.to_string(),
            );
        }
        if !(0.0..1.0).contains(&self.momentum) {
            return fail("momentum", "a number from 0 to below 1", self.momentum.to_string());
        }
        Ok(())
    }
}

/// Trains from `parameters` on all of `data`; the result is a function of the arguments.
///
/// # Errors
/// Where options or arguments don't fit, or training diverges.
pub fn train_locally(
    model: &dyn Model,
    parameters: &[f32],
    data: &dyn Data,
    options: &LocalOptions,
    seed: &Seed,
) -> Result<LocalUpdate, TrainError> {
    options.validate()?;
    if data.is_empty() {
        return Err(TrainError::NoExamples);
    }
    let mut current = parameters.to_vec();
    let mut velocity = vec![0.0f32; current.len()];
    let mut gradient = vec![0.0f32; current.len()];
    let mut loss = 0.0;
    let mut steps = 0;
    for epoch in 0..options.epochs {
        let order = seed
            .derive("shuffle", &[u64::from(epoch)])
            .stream()
            .permutation(data.len());
        loss = 0.0;
        for batch in order.chunks(options.batch) {
            loss += model.loss_gradient(&current, data, batch, &mut gradient)? * batch.len() as f64;
            for ((x, v), g) in current.iter_mut().zip(&mut velocity).zip(&gradient) {
                *v = options.momentum * *v + g;
                *x -= options.learning_rate * *v;
            }
            if current.iter().any(|x| !x.is_finite()) {
                return Err(TrainError::Diverged { what: "a parameter" });
            }
            steps += 1;
        }
    }
    let delta: Vec<f32> = current.iter().zip(parameters).map(|(new, old)| new - old).collect();
    if delta.iter().any(|x| !x.is_finite()) {
        return Err(TrainError::Diverged { what: "the update" });
    }
    Ok(LocalUpdate {
        delta,
        loss: loss / data.len() as f64,
        steps,
    })
}

#[cfg(test)]
mod tests;
