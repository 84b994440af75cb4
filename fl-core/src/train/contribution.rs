//! An institution's contribution to a round: trained, clipped, on the grid and noised, in that order.
//!
//! - Unit `institution`: local training, the whole update clipped.
//! - Unit `record`: one batch of the plan's fixed size, each example's negative gradient clipped and rounded by itself, then summed.
//! - Mode `dp-sgd`: local steps, each over the records that the noise's own coins draw; every sum is noised before the local model moves by it.
//!   An institution of `N` records draws each with probability `batch / N`, which must not pass the plan's `sample_rate`, so that everybody's
//!   divisor is the public batch and nobody's size shows.
//! - Mode `dp-ftrl`: as unit `record`, refused where the data have fewer than `separation` batches, so that the rotation keeps to it; the noise is a
//!   [`xfl_privacy::Carrying`], which knows what earlier rounds carried.
//!
//! Either way the coordinator *adds* what comes out.

use xfl_privacy::{
    ClipError, Mechanism, Mode, Noise, NoiseError, Noised, Noising, QuantiseError, RecordError, RecordSum, SampleRate,
    Steps, StepsError, Unit, clip,
};

use super::{
    batches::rotation,
    data::Data,
    local::{LocalOptions, train_locally},
    model::{AddError, Model, TrainError},
};
use crate::{plan::Plan, round::aggregate::moved, seed::Seed};

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
    /// The noise.
    #[error(transparent)]
    Noise(#[from] NoiseError),
    /// The local steps.
    #[error(transparent)]
    Steps(#[from] StepsError),
    /// Too little data for the plan's sample rate.
    #[error("{got} examples, and a batch of {batch} at a sample rate of at most {rate} needs {needed}")]
    TooFew {
        /// Examples there are.
        got: usize,
        /// Expected examples of a step.
        batch: usize,
        /// The plan's.
        rate: f64,
        /// Examples that are enough.
        needed: usize,
    },
    /// Too little data for a record to rest as long as the plan says.
    #[error("{got} examples, and batches of {batch} of which a record is in one of any {separation} need {needed}")]
    TooSoon {
        /// Examples there are.
        got: usize,
        /// Examples of a batch.
        batch: usize,
        /// The plan's.
        separation: u32,
        /// Examples that are enough.
        needed: usize,
    },
}

impl From<AddError> for ContributionError {
    fn from(error: AddError) -> Self {
        match error {
            AddError::Train(error) => error.into(),
            AddError::Record(error) => error.into(),
        }
    }
}

/// What an institution trains, and where it stands.
#[derive(Clone, Copy)]
pub struct Task<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// Its mechanism, at the round's clip norm.
    pub mechanism: &'a Mechanism,
    /// The model.
    pub model: &'a dyn Model,
    /// The institution's data.
    pub data: &'a dyn Data,
    /// The global parameters.
    pub parameters: &'a [f32],
    /// The round.
    pub round: u64,
    /// Decides the order of examples; never a source of privacy.
    pub seed: &'a Seed,
}

/// Trains and protects; but for the noise a function of its arguments.
///
/// # Errors
/// [`ContributionError`].
pub fn contribution<N: Noise>(task: &Task<'_>, noise: &mut N) -> Result<Noised<N::Source>, ContributionError> {
    let training = &task.plan.terms().training;
    match (task.mechanism.mode(), task.mechanism.unit()) {
        (Mode::DpSgd, _) => local_steps(task, noise),
        (_, Unit::Record) => {
            separated(task.plan, task.data.len())?;
            let batch = rotation(task.seed, task.data.len(), training.batch, task.round)?;
            Ok(noise.noise(summed(task, task.parameters, &batch)?.finish()?)?)
        }
        (_, Unit::Institution) => {
            let options = LocalOptions {
                epochs: u32::try_from(training.epochs).unwrap_or(u32::MAX),
                batch: training.batch,
                learning_rate: training.learning_rate as f32,
                momentum: 0.0,
            };
            let seed = task.seed.derive("round", &[task.round]);
            let delta = match train_locally(task.model, task.parameters, task.data, &options, &seed) {
                Ok(update) => update.delta,
                // Whether it diverges depends on the data and on a model that somebody chose for them: what leaves then is noise alone.
                Err(TrainError::Diverged { .. }) => vec![0.0; task.model.dimension()],
                Err(error) => return Err(error.into()),
            };
            Ok(noise.noise(clip(delta, task.mechanism)?.quantise()?)?)
        }
    }
}

/// Whether data of `records` have enough batches for the plan's separation: the rotation then uses a record at most once in so many rounds. Modes
/// without a separation ask for nothing here.
///
/// # Errors
/// [`ContributionError::TooSoon`].
pub fn separated(plan: &Plan, records: usize) -> Result<(), ContributionError> {
    let Some(separation) = plan.terms().privacy.separation else {
        return Ok(());
    };
    let batch = plan.terms().training.batch;
    let needed = batch.saturating_mul(separation as usize);
    if records >= needed {
        return Ok(());
    }
    Err(ContributionError::TooSoon {
        got: records,
        batch,
        separation,
        needed,
    })
}

/// The probability with which an institution of `records` draws each for a step.
///
/// # Errors
/// [`ContributionError::TooFew`] where that would pass the plan's.
pub fn rate_of(plan: &Plan, records: usize) -> Result<SampleRate, ContributionError> {
    let (batch, most) = (
        plan.terms().training.batch,
        plan.terms().privacy.sample_rate.unwrap_or(1.0),
    );
    let rate = batch as f64 / records as f64;
    match SampleRate::new(rate) {
        Ok(rate) if rate.get() <= most => Ok(rate),
        _ => Err(ContributionError::TooFew {
            got: records,
            batch,
            rate: most,
            needed: (batch as f64 / most).ceil() as usize,
        }),
    }
}

fn local_steps<N: Noise>(task: &Task<'_>, noise: &mut N) -> Result<Noised<N::Source>, ContributionError> {
    let rate = rate_of(task.plan, task.data.len())?;
    let mut steps = Steps::new(task.mechanism)?;
    let unit = task.plan.grid_unit() * (task.mechanism.grid().step() / task.plan.terms().privacy.step);
    let mut current = task.parameters.to_vec();
    let Noising::DpSgd { steps: count, .. } = task.mechanism.noising() else {
        return Ok(steps.finish()?);
    };
    for _ in 0..count {
        let drawn = noise.draw(task.data.len(), rate)?;
        let sum = summed(task, &current, &drawn)?.finish()?;
        steps.add(&noise.noise(sum)?)?;
        current = moved(task.parameters, steps.total(), unit);
    }
    Ok(steps.finish()?)
}

/// The clipped and rounded gradients, downhill, of the records at `indices`.
fn summed(task: &Task<'_>, parameters: &[f32], indices: &[usize]) -> Result<RecordSum, ContributionError> {
    let mut sum = RecordSum::new(task.mechanism)?;
    // A draw of nobody is a draw.
    if !indices.is_empty() {
        task.model.add_clipped(parameters, task.data, indices, &mut sum)?;
    }
    Ok(sum)
}
