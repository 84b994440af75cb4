//! Which model a federation trains: the `[model]` table of `federation.toml`.
//!
//! A [`ModelSpec`] with a [`Schema`] fixes every tensor's name and shape, hence the number of parameters that updates,
//! budgets and payments speak of, without any training code. The parameters of a model are one flat vector of `f32`:
//! its tensors in the order of [`ModelSpec::tensors`], each in row-major order, laid out as PyTorch lays them out
//! (dense weights `[outputs, inputs]`, convolutions `[channels out, channels in, 3, 3]`).
//!
//! | `kind` | layers | for |
//! |---|---|---|
//! | `"linear"` | one dense layer, 1 output | regression |
//! | `"logistic"` | one dense layer; 1 output (log-odds of the second class) for two classes, else a softmax over one output a class | classification |
//! | `"mlp"`, `hidden = [16, 8]` | dense layers of these widths with ReLU between, then the output layer | both |
//! | `"cnn"`, `channels = [8, 16]`, `hidden = [32]` | for each entry of `channels` a 3x3 convolution (same size), ReLU and 2x2 max pooling; then as `mlp` | both, where the schema has an image |
//!
//! Two more keys for `"mlp"` and `"cnn"`:
//!
//! - `norm = "layer"` normalises what every hidden layer puts out, before its ReLU, over one example's units (Ba et al.
//!   2016); `norm = "group"` with `groups = 4` does so for each of so many groups of units or channels (Wu and He 2018). Each unit or
//!   channel then has a scale and a shift of its own. *Batch* normalisation is refused: it makes an example's gradient
//!   depend on the others of its batch, so that no clip norm would bound what one example changes.
//! - `embedding = 8` turns every column of tokens (`tokens = 1000` in `[data]`) into a learned vector of so many numbers
//!   (`"mlp"` only). Columns of one entry share a table, those of different entries don't.
//!
//! Logistic regression on 30 features and two classes has 31 parameters.
//!
//! ```
//! use xfl_core::spec::ModelSpec;
//! let model: ModelSpec = toml::from_str("kind = \"mlp\"\nhidden = [16]").unwrap();
//! assert_eq!(model, ModelSpec::mlp(vec![16]));
//! assert!(toml::from_str::<ModelSpec>("kind = \"logistic\"\nhidden = [16]").is_err());
//! ```

use serde::{Deserialize, Serialize};

use crate::schema::{Schema, SchemaError, Task};

mod layer;
mod stack;
mod table;

pub use layer::{Layer, Piece, TensorShape};
use table::SpecTable;

/// Most parameters a model may have.
pub const MAX_PARAMETERS: usize = 1 << 27;
/// Most hidden layers, and most convolutions, a model may have.
pub const MAX_LAYERS: usize = 16;
/// Widest hidden layer, and most channels.
pub const MAX_WIDTH: usize = 1 << 16;

/// A kind of model and its sizes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "SpecTable", into = "SpecTable")]
pub enum ModelSpec {
    /// Linear regression with squared error.
    Linear,
    /// Logistic regression: binary with one output, multinomial with one for each class.
    Logistic,
    /// A multilayer perceptron with ReLU.
    Mlp {
        /// Widths of the hidden layers.
        hidden: Vec<usize>,
        /// How hidden layers are normalised, if they are.
        norm: Option<Norm>,
        /// Length of a token's vector, where the schema has tokens.
        embedding: Option<usize>,
    },
    /// A small convolutional network.
    Cnn {
        /// Channels out of each convolution.
        channels: Vec<usize>,
        /// Widths of the hidden dense layers after them, possibly none.
        hidden: Vec<usize>,
        /// How convolutions and hidden layers are normalised, if they are.
        norm: Option<Norm>,
    },
}

/// Normalisation of one example's hidden units: each group of them gets mean 0 and variance 1, then every unit (a channel, after a
/// convolution) its own scale and shift.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Norm {
    /// All units are one group.
    Layer,
    /// So many groups, of neighbouring units or channels; at least 1.
    Group(usize),
}

/// Why a model doesn't fit its schema. Each says what to write.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ModelError {
    /// The schema itself can't be used.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// A size is missing, out of bounds, or means nothing for this kind.
    #[error("{key}: {problem}")]
    Key {
        /// The key of `[model]`.
        key: &'static str,
        /// What is wrong and what to write.
        problem: String,
    },
    /// The kind doesn't do this task.
    #[error("kind: {kind} is for {does}, but the schema's task is {task}; write kind = {instead}")]
    Task {
        /// The given kind.
        kind: &'static str,
        /// The task it does.
        does: &'static str,
        /// The schema's.
        task: &'static str,
        /// A kind that would do.
        instead: &'static str,
    },
    /// A convolutional model without an image.
    #[error(
        "kind: cnn expects an image, but the schema has none; write image = {{ height, width, channels }} in [data]"
    )]
    NoImage,
    /// Pooling left nothing of the image.
    #[error("channels: the image of {height} x {width} can be halved {possible} times, got {got} convolutions")]
    ImageTooSmall {
        /// Rows of the schema's image.
        height: usize,
        /// Its pixels in a row.
        width: usize,
        /// How many convolutions it has room for.
        possible: usize,
        /// How many were asked for.
        got: usize,
    },
    /// Columns of tokens, and a model that has no use for them.
    #[error("kind: {kind} can't read the columns of tokens; write kind = \"mlp\" with embedding = 8")]
    Tokens {
        /// The given kind.
        kind: &'static str,
    },
    /// Groups that a layer's units can't be divided into.
    #[error(
        "groups: a layer of {width} units or channels can't be divided into {groups} groups; write a number that divides it"
    )]
    Groups {
        /// Its units or channels.
        width: usize,
        /// The given number.
        groups: usize,
    },
    /// More than [`MAX_PARAMETERS`].
    #[error("the model has {got} parameters, expected at most {MAX_PARAMETERS}; make its layers smaller")]
    TooLarge {
        /// Its parameters, saturating.
        got: usize,
    },
    /// The device can't be used.
    #[cfg(feature = "train")]
    #[error(transparent)]
    Device(#[from] crate::train::device::DeviceError),
}

impl ModelSpec {
    /// A perceptron without normalisation or tokens.
    pub fn mlp(hidden: Vec<usize>) -> Self {
        Self::Mlp {
            hidden,
            norm: None,
            embedding: None,
        }
    }

    /// A convolutional network without normalisation.
    pub fn cnn(channels: Vec<usize>, hidden: Vec<usize>) -> Self {
        Self::Cnn {
            channels,
            hidden,
            norm: None,
        }
    }

    /// Its name in `[model]`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Logistic => "logistic",
            Self::Mlp { .. } => "mlp",
            Self::Cnn { .. } => "cnn",
        }
    }

    /// Names and shapes of the model's tensors, in the order of its parameters.
    ///
    /// # Errors
    /// Where the model doesn't fit the schema or is too large.
    pub fn tensors(&self, schema: &Schema) -> Result<Vec<TensorShape>, ModelError> {
        let tensors: Vec<_> = self.layers(schema)?.iter().flat_map(Layer::tensors).collect();
        let got = tensors
            .iter()
            .fold(0, |sum: usize, tensor| sum.saturating_add(tensor.len()));
        if got > MAX_PARAMETERS {
            return Err(ModelError::TooLarge { got });
        }
        Ok(tensors)
    }

    /// The number of parameters.
    ///
    /// # Errors
    /// As [`ModelSpec::tensors`].
    pub fn dimension(&self, schema: &Schema) -> Result<usize, ModelError> {
        Ok(self.tensors(schema)?.iter().map(TensorShape::len).sum())
    }

    /// The layers from features to outputs.
    ///
    /// # Errors
    /// Where the schema can't be used or the model doesn't fit it.
    pub fn layers(&self, schema: &Schema) -> Result<Vec<Layer>, ModelError> {
        schema.validate()?;
        self.check_sizes()?;
        match (self, &schema.task) {
            (Self::Linear, Task::Classification { .. }) => {
                let (does, task) = ("regression", "classification");
                return Err(ModelError::Task {
                    kind: self.kind(),
                    does,
                    task,
                    instead: "\"logistic\"",
                });
            }
            (Self::Logistic, Task::Regression { .. }) => {
                let (does, task) = ("classification", "regression");
                return Err(ModelError::Task {
                    kind: self.kind(),
                    does,
                    task,
                    instead: "\"linear\"",
                });
            }
            _ => {}
        }
        stack::layers(self, schema)
    }

    fn check_sizes(&self) -> Result<(), ModelError> {
        let (hidden, channels, norm, embedding) = match self {
            Self::Linear | Self::Logistic => return Ok(()),
            Self::Mlp {
                hidden,
                norm,
                embedding,
            } => (hidden, None, norm, *embedding),
            Self::Cnn { channels, hidden, norm } => (hidden, Some(channels), norm, None),
        };
        if let Self::Mlp { .. } = self
            && hidden.is_empty()
        {
            let problem = "expected at least one width, got []; write hidden = [16], or kind = \"logistic\"".into();
            return Err(ModelError::Key { key: "hidden", problem });
        }
        let groups = if let Some(Norm::Group(groups)) = norm {
            Some(*groups)
        } else {
            None
        };
        for (key, size) in [("groups", groups), ("embedding", embedding)] {
            if let Some(got) = size.filter(|size| !(1..=MAX_WIDTH).contains(size)) {
                let problem = format!("expected a number from 1 to {MAX_WIDTH}, got {got}");
                return Err(ModelError::Key { key, problem });
            }
        }
        for (key, sizes) in [("hidden", Some(hidden)), ("channels", channels)] {
            let Some(sizes) = sizes else { continue };
            let problem = if key == "channels" && sizes.is_empty() {
                "expected at least one convolution, got []; write channels = [8]".into()
            } else if sizes.len() > MAX_LAYERS {
                format!("expected at most {MAX_LAYERS} entries, got {}", sizes.len())
            } else if let Some(got) = sizes.iter().find(|size| !(1..=MAX_WIDTH).contains(*size)) {
                format!("expected entries from 1 to {MAX_WIDTH}, got {got}")
            } else {
                continue;
            };
            return Err(ModelError::Key { key, problem });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
