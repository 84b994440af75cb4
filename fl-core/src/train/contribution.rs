//! An institution's contribution to a round: trained, clipped and on the grid, not yet noised.
//!
//! Unit `record`: one batch of the plan's fixed size, each example's negative gradient clipped and rounded by itself, then
//! summed. Unit `institution`: local training, the whole update clipped. Either way the coordinator *adds* what comes out.

use xfl_privacy::{ClipError, Mechanism, QuantiseError, Quantised, RecordError, RecordSum, Unit, clip};

use super::{
    batches::rotation,
    data::Data,
    local::{LocalOptions, train_locally},
    model::{AddError, Model, TrainError},
};
use crate::{plan::Plan, seed::Seed};

/// Why there is no contribution.
#[derive(Debug, thiserror::Error)]
pub enum ContributionError {
    /// Training failed.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// An example's gradient can't be clipped or counted.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The update can't be clipped.
    #[error(transparent)]
    Clip(#[from] ClipError),
    /// The update can't be put on the grid.
    #[error(transparent)]
    Quantise(#[from] QuantiseError),
}

impl From<AddError> for ContributionError {
    fn from(error: AddError) -> Self {
        match error {
            AddError::Train(error) => error.into(),
            AddError::Record(error) => error.into(),
        }
    }
}

/// Trains on `data` from `parameters` for `round`; a function of its arguments.
///
/// # Errors
/// [`ContributionError`].
pub fn contribution(
    plan: &Plan,
    mechanism: &Mechanism,
    model: &dyn Model,
    data: &dyn Data,
    parameters: &[f32],
    round: u64,
    seed: &Seed,
) -> Result<Quantised, ContributionError> {
    let training = &plan.terms().training;
    match mechanism.unit() {
        Unit::Record => {
            let batch = rotation(seed, data.len(), training.batch, round)?;
            let mut sum = RecordSum::new(mechanism)?;
            model.add_clipped(parameters, data, &batch, &mut sum)?;
            Ok(sum.finish()?)
        }
        Unit::Institution => {
            let options = LocalOptions {
                epochs: u32::try_from(training.epochs).unwrap_or(u32::MAX),
                batch: training.batch,
                learning_rate: training.learning_rate as f32,
                momentum: 0.0,
            };
            let update = train_locally(model, parameters, data, &options, &seed.derive("round", &[round]))?;
            Ok(clip(update.delta, mechanism)?.quantise()?)
        }
    }
}
