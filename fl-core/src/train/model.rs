//! The [`Model`] trait: flat parameters in, gradients and evaluations out.
//!
//! A model is a description, without state: its parameters are a flat `&[f32]` that the caller owns, laid out as
//! [`Model::tensors`] says. That is the form in which they are updated, clipped, quantised, stored and audited.
//!
//! Implementations must be deterministic for the same arguments on one machine. The built-in ones are in
//! [`super::network`]; a crate of the user's own can bring others, with burn or without.

use std::ops::ControlFlow;

use xfl_privacy::{RecordError, RecordSum};

use super::data::{Data, Target};
use crate::seed::Seed;
pub use crate::spec::TensorShape;

/// Something that can be trained.
pub trait Model: Send + Sync {
    /// Names and shapes of the parameters' tensors, in order.
    fn tensors(&self) -> Vec<TensorShape>;

    /// The number of parameters.
    fn dimension(&self) -> usize {
        self.tensors().iter().map(TensorShape::len).sum()
    }

    /// Parameters to start from, a function of the seed alone.
    fn init(&self, seed: &Seed) -> Vec<f32>;

    /// The mean over the examples `indices` of the loss, and its gradient into `gradient`.
    ///
    /// # Errors
    /// Where arguments don't fit each other or the result isn't finite.
    fn loss_gradient(
        &self,
        parameters: &[f32],
        data: &dyn Data,
        indices: &[usize],
        gradient: &mut [f32],
    ) -> Result<f64, TrainError>;

    /// Calls `each(index, gradient)` for every one of `indices`, in order, with the gradient of that example's own loss.
    /// Stops early, without an error, where `each` breaks.
    ///
    /// # Errors
    /// Where arguments don't fit each other or a gradient isn't finite.
    fn example_gradients(
        &self,
        parameters: &[f32],
        data: &dyn Data,
        indices: &[usize],
        each: &mut dyn FnMut(usize, &[f32]) -> ControlFlow<()>,
    ) -> Result<(), TrainError>;

    /// Adds the step downhill of every one of `indices` to `sum`: minus the gradient of that example's own loss, clipped and rounded
    /// by itself. Here one after the other; a model that knows its gradients' structure can hand them over as
    /// [`xfl_privacy::Block`]s and never write one out.
    ///
    /// # Errors
    /// As [`Model::example_gradients`], or where the sum can't take an example.
    fn add_clipped(
        &self,
        parameters: &[f32],
        data: &dyn Data,
        indices: &[usize],
        sum: &mut RecordSum,
    ) -> Result<(), AddError> {
        let mut downhill = vec![0.0; self.dimension()];
        let mut added = Ok(());
        self.example_gradients(parameters, data, indices, &mut |_, gradient| {
            downhill.iter_mut().zip(gradient).for_each(|(d, g)| *d = -g);
            added = sum.add_example(&downhill);
            match added {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            }
        })?;
        Ok(added?)
    }

    /// How well the parameters do on all of the data.
    ///
    /// # Errors
    /// Where arguments don't fit each other, there is no example, or the loss isn't finite.
    fn evaluate(&self, parameters: &[f32], data: &dyn Data) -> Result<Evaluation, TrainError>;
}

/// How well a model does on some examples.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Evaluation {
    /// Mean loss: cross-entropy in nats, or half the squared error in standardised units.
    pub loss: f64,
    /// Share of examples whose class was predicted; none for regression.
    pub accuracy: Option<f64>,
    /// Root of the mean squared error in the label's own units; none for classification.
    pub rmse: Option<f64>,
    /// How many examples.
    pub examples: usize,
}

/// Why examples were not added to a sum.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum AddError {
    /// Training failed.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// The sum can't take an example.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// Why a training step or an evaluation failed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TrainError {
    /// The parameters are not this model's.
    #[error("expected {expected} parameters, got {got}")]
    Parameters {
        /// The model's dimension.
        expected: usize,
        /// Numbers given.
        got: usize,
    },
    /// A parameter is NaN or infinite.
    #[error("expected finite parameters, got {value} at {index}")]
    NotFiniteParameter {
        /// Which parameter.
        index: usize,
        /// Its value.
        value: f32,
    },
    /// The space for the gradient is not the model's dimension.
    #[error("expected space for a gradient of {expected} numbers, got {got}")]
    Gradient {
        /// The model's dimension.
        expected: usize,
        /// The slice's length.
        got: usize,
    },
    /// The data has another number of features.
    #[error("expected data with {expected} features, got {got}")]
    Features {
        /// The model's.
        expected: usize,
        /// The data's.
        got: usize,
    },
    /// No examples.
    #[error("expected at least one example, got none")]
    NoExamples,
    /// An example that doesn't exist.
    #[error("expected examples below {len}, got {index}")]
    Example {
        /// The index asked for.
        index: usize,
        /// Examples of the data.
        len: usize,
    },
    /// A target of the wrong kind or a class that doesn't exist.
    #[error("example {index}: expected {expected}, got {got:?}")]
    WrongTarget {
        /// Which example.
        index: usize,
        /// What the model predicts.
        expected: String,
        /// The data's target.
        got: Target,
    },
    /// A feature is NaN or infinite.
    #[error("example {index}: expected finite features, got {value}")]
    NotFiniteFeature {
        /// Which example.
        index: usize,
        /// The feature.
        value: f32,
    },
    /// A feature that should be a token isn't one.
    #[error(
        "example {index}: expected a token, a whole number from 0 to below {vocabulary}, at feature {feature}, got {got}"
    )]
    Token {
        /// Which example.
        index: usize,
        /// Which of its features.
        feature: usize,
        /// The feature.
        got: f32,
        /// How many tokens there are.
        vocabulary: usize,
    },
    /// The loss or the gradient left the range of finite numbers.
    #[error("training diverged: {what} is no longer finite; lower the learning rate or check the data's scale")]
    Diverged {
        /// Loss, gradient or parameters.
        what: &'static str,
    },
    /// An option makes no sense.
    #[error("{option}: expected {expected}, got {got}")]
    Option {
        /// Its name.
        option: &'static str,
        /// What would do.
        expected: &'static str,
        /// What was given.
        got: String,
    },
    /// The backend failed, which is a bug here or there.
    #[error("the training backend failed: {0}")]
    Backend(String),
}

/// Checks that parameters and data fit a model of this dimension and width, and that the examples exist: what every
/// implementation of [`Model`] has to check first.
///
/// # Errors
/// The first mismatch.
pub fn check_arguments(
    dimension: usize,
    width: usize,
    parameters: &[f32],
    data: &dyn Data,
    indices: &[usize],
) -> Result<(), TrainError> {
    if parameters.len() != dimension {
        return Err(TrainError::Parameters {
            expected: dimension,
            got: parameters.len(),
        });
    }
    if let Some((index, &value)) = parameters.iter().enumerate().find(|(_, value)| !value.is_finite()) {
        return Err(TrainError::NotFiniteParameter { index, value });
    }
    if data.width() != width {
        return Err(TrainError::Features {
            expected: width,
            got: data.width(),
        });
    }
    if indices.is_empty() {
        return Err(TrainError::NoExamples);
    }
    match indices.iter().find(|&&index| index >= data.len()) {
        Some(&index) => Err(TrainError::Example { index, len: data.len() }),
        None => Ok(()),
    }
}
