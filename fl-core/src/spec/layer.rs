//! The steps of a model and the tensors that each of them learns.

use serde::{Deserialize, Serialize};

/// Name and shape of one tensor of parameters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TensorShape {
    /// Name, as in a model's file: `output.weight`, `hidden.0.bias`, `conv.1.weight`, `norm.0.weight`, `embedding.0.weight`.
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
    /// Numbers as they are, tokens as vectors of their tables, in the order of the row.
    Embedding {
        /// The parts of a row in.
        pieces: Vec<Piece>,
        /// Numbers of a token's vector.
        width: usize,
    },
    /// `x W^T + b`.
    Dense {
        /// What its tensors' names begin with.
        name: String,
        /// Width of a row in.
        inputs: usize,
        /// Width of a row out.
        outputs: usize,
    },
    /// `(x - mean) / sqrt(variance + 1e-5) * scale + shift`, mean and variance over each group of one row.
    Norm {
        /// What its tensors' names begin with.
        name: String,
        /// Groups of channels; divides them.
        groups: usize,
        /// Channels, each with its own scale and shift.
        channels: usize,
        /// Numbers of a channel: 1, or an image's pixels.
        positions: usize,
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

/// Neighbouring numbers of a row of features.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Passed on as they are.
    Numbers {
        /// How many.
        count: usize,
    },
    /// Tokens, looked up in one table.
    Tokens {
        /// What the table's name begins with.
        name: String,
        /// How many.
        count: usize,
        /// Rows of the table; tokens are below it.
        vocabulary: usize,
    },
}

impl Piece {
    /// Numbers it takes.
    pub fn inputs(&self) -> usize {
        match self {
            Self::Numbers { count } | Self::Tokens { count, .. } => *count,
        }
    }
}

impl Layer {
    /// What it learns, in the order of parameters; a weight comes before its bias or shift.
    pub fn tensors(&self) -> Vec<TensorShape> {
        let tensor = |name: &str, kind: &str, shape: &[usize]| TensorShape {
            name: format!("{name}.{kind}"),
            shape: shape.to_vec(),
        };
        let pair =
            |name: &str, weight: &[usize]| vec![tensor(name, "weight", weight), tensor(name, "bias", &weight[..1])];
        match self {
            Self::Dense { name, inputs, outputs } => pair(name, &[*outputs, *inputs]),
            Self::Conv {
                name,
                channels: [input, output],
                ..
            } => pair(name, &[*output, *input, 3, 3]),
            Self::Norm { name, channels, .. } => pair(name, &[*channels]),
            Self::Embedding { pieces, width } => pieces
                .iter()
                .filter_map(|piece| match piece {
                    Piece::Numbers { .. } => None,
                    Piece::Tokens { name, vocabulary, .. } => Some(tensor(name, "weight", &[*vocabulary, *width])),
                })
                .collect(),
            Self::Relu | Self::Pool { .. } => Vec::new(),
        }
    }

    /// How many tensors those are.
    pub fn arity(&self) -> usize {
        match self {
            Self::Dense { .. } | Self::Conv { .. } | Self::Norm { .. } => 2,
            Self::Embedding { pieces, .. } => {
                let tables = pieces.iter().filter(|piece| matches!(piece, Piece::Tokens { .. }));
                tables.count()
            }
            Self::Relu | Self::Pool { .. } => 0,
        }
    }
}
