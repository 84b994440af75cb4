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
//! Logistic regression on 30 features and two classes has 31 parameters.
//!
//! ```
//! use xfl_core::spec::ModelSpec;
//! let model: ModelSpec = toml::from_str("kind = \"mlp\"\nhidden = [16]").unwrap();
//! assert_eq!(model, ModelSpec::Mlp { hidden: vec![16] });
//! assert!(toml::from_str::<ModelSpec>("kind = \"logistic\"\nhidden = [16]").is_err());
//! ```

use serde::{Deserialize, Serialize};

use crate::schema::{Schema, SchemaError, Task};

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
    },
    /// A small convolutional network.
    Cnn {
        /// Channels out of each convolution.
        channels: Vec<usize>,
        /// Widths of the hidden dense layers after them, possibly none.
        hidden: Vec<usize>,
    },
}

/// Name and shape of one tensor of parameters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TensorShape {
    /// Name, as in a model's file: `output.weight`, `hidden.0.bias`, `conv.1.weight`.
    pub name: String,
    /// Sizes of its axes, the slowest first.
    pub shape: Vec<usize>,
}

impl TensorShape {
    /// How many numbers the tensor holds; saturates.
    pub fn len(&self) -> usize {
        self.shape
            .iter()
            .fold(1, |product: usize, &axis| product.saturating_mul(axis))
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One step of a model, on a batch of flat rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Layer {
    /// `x W^T + b`.
    Dense {
        /// What its tensors' names begin with.
        name: String,
        /// Width of a row in.
        inputs: usize,
        /// Width of a row out.
        outputs: usize,
    },
    /// `max(x, 0)`.
    Relu,
    /// 3x3 convolution, stride 1, padded by one zero: the image keeps its size.
    Conv {
        /// What its tensors' names begin with.
        name: String,
        /// Channels in and out.
        channels: [usize; 2],
        /// Height and width.
        size: [usize; 2],
    },
    /// Maximum over 2x2 blocks; an odd last row or column is dropped.
    Pool {
        /// Channels.
        channels: usize,
        /// Height and width before.
        size: [usize; 2],
    },
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
        let mut tensors = Vec::new();
        for layer in self.layers(schema)? {
            let (name, weight) = match layer {
                Layer::Dense { name, inputs, outputs } => (name, vec![outputs, inputs]),
                Layer::Conv {
                    name,
                    channels: [input, output],
                    ..
                } => (name, vec![output, input, 3, 3]),
                Layer::Relu | Layer::Pool { .. } => continue,
            };
            let bias = vec![weight[0]];
            tensors.push(TensorShape {
                name: format!("{name}.weight"),
                shape: weight,
            });
            tensors.push(TensorShape {
                name: format!("{name}.bias"),
                shape: bias,
            });
        }
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
        let mut layers = Vec::new();
        let mut width = schema.features();
        if let Self::Cnn { channels, .. } = self {
            width = convolutions(schema, channels, &mut layers)?;
        }
        if let Self::Mlp { hidden } | Self::Cnn { hidden, .. } = self {
            for (i, &outputs) in hidden.iter().enumerate() {
                layers.push(Layer::Dense {
                    name: format!("hidden.{i}"),
                    inputs: width,
                    outputs,
                });
                layers.push(Layer::Relu);
                width = outputs;
            }
        }
        layers.push(Layer::Dense {
            name: "output".into(),
            inputs: width,
            outputs: schema.outputs(),
        });
        Ok(layers)
    }

    fn check_sizes(&self) -> Result<(), ModelError> {
        let (hidden, channels) = match self {
            Self::Linear | Self::Logistic => return Ok(()),
            Self::Mlp { hidden } => (hidden.as_slice(), None),
            Self::Cnn { channels, hidden } => (hidden.as_slice(), Some(channels.as_slice())),
        };
        if let Self::Mlp { .. } = self
            && hidden.is_empty()
        {
            let problem = "expected at least one width, got []; write hidden = [16], or kind = \"logistic\"".into();
            return Err(ModelError::Key { key: "hidden", problem });
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

/// Adds the convolutions and gives the width of what they leave.
fn convolutions(schema: &Schema, channels: &[usize], layers: &mut Vec<Layer>) -> Result<usize, ModelError> {
    let image = schema.image.ok_or(ModelError::NoImage)?;
    let possible = image.height.min(image.width).checked_ilog2().unwrap_or(0) as usize;
    let got = channels.len();
    if got > possible {
        return Err(ModelError::ImageTooSmall {
            height: image.height,
            width: image.width,
            possible,
            got,
        });
    }
    let mut size = [image.height, image.width];
    let mut before = image.channels;
    for (i, &after) in channels.iter().enumerate() {
        layers.push(Layer::Conv {
            name: format!("conv.{i}"),
            channels: [before, after],
            size,
        });
        layers.push(Layer::Relu);
        layers.push(Layer::Pool { channels: after, size });
        size = size.map(|side| side / 2);
        before = after;
    }
    Ok(before.saturating_mul(size[0]).saturating_mul(size[1]))
}

/// The table as it is written: one set of keys for every kind, so that it reads the same from any format.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SpecTable {
    kind: Kind,
    #[serde(default)]
    hidden: Option<Vec<usize>>,
    #[serde(default)]
    channels: Option<Vec<usize>>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Linear,
    Logistic,
    Mlp,
    Cnn,
}

impl TryFrom<SpecTable> for ModelSpec {
    type Error = ModelError;

    fn try_from(table: SpecTable) -> Result<Self, ModelError> {
        let stray = |key: &'static str, kinds: &str| ModelError::Key {
            key,
            problem: format!("only for {kinds}; remove it"),
        };
        let missing = |key: &'static str, example: &str| ModelError::Key {
            key,
            problem: format!("missing; write {example}"),
        };
        let spec = match (table.kind, table.hidden, table.channels) {
            (Kind::Linear | Kind::Logistic, Some(_), _) => return Err(stray("hidden", "kind = \"mlp\" or \"cnn\"")),
            (Kind::Linear | Kind::Logistic | Kind::Mlp, _, Some(_)) => return Err(stray("channels", "kind = \"cnn\"")),
            (Kind::Linear, None, None) => Self::Linear,
            (Kind::Logistic, None, None) => Self::Logistic,
            (Kind::Mlp, Some(hidden), None) => Self::Mlp { hidden },
            (Kind::Mlp, None, None) => return Err(missing("hidden", "hidden = [16]")),
            (Kind::Cnn, hidden, Some(channels)) => Self::Cnn {
                channels,
                hidden: hidden.unwrap_or_default(),
            },
            (Kind::Cnn, _, None) => return Err(missing("channels", "channels = [8, 16]")),
        };
        spec.check_sizes()?;
        Ok(spec)
    }
}

impl From<ModelSpec> for SpecTable {
    fn from(spec: ModelSpec) -> Self {
        let (kind, hidden, channels) = match spec {
            ModelSpec::Linear => (Kind::Linear, None, None),
            ModelSpec::Logistic => (Kind::Logistic, None, None),
            ModelSpec::Mlp { hidden } => (Kind::Mlp, Some(hidden), None),
            ModelSpec::Cnn { channels, hidden } => (Kind::Cnn, Some(hidden), Some(channels)),
        };
        Self { kind, hidden, channels }
    }
}

#[cfg(test)]
mod tests;
