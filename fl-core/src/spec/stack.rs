//! From a model's sizes and its schema to its layers.

use super::{Layer, ModelError, ModelSpec, Norm, Piece};
use crate::schema::{Column, Schema};

/// The layers from features to outputs; sizes have been checked.
pub(super) fn layers(spec: &ModelSpec, schema: &Schema) -> Result<Vec<Layer>, ModelError> {
    let mut stack = Stack {
        layers: Vec::new(),
        norm: None,
        norms: 0,
    };
    let mut width = schema.features();
    let has_tokens = schema
        .columns
        .iter()
        .any(|column| matches!(column, Column::Tokens { .. }));
    let hidden = match spec {
        ModelSpec::Linear | ModelSpec::Logistic => &[],
        ModelSpec::Mlp { hidden, norm, .. } => {
            stack.norm = *norm;
            hidden.as_slice()
        }
        ModelSpec::Cnn { channels, hidden, norm } => {
            stack.norm = *norm;
            width = stack.convolutions(schema, channels)?;
            hidden.as_slice()
        }
    };
    let embedding = match spec {
        ModelSpec::Mlp { embedding, .. } => *embedding,
        _ => None,
    };
    match (embedding, has_tokens) {
        (Some(vector), true) => width = stack.embedding(schema, vector),
        (None, true) => return Err(ModelError::Tokens { kind: spec.kind() }),
        (Some(_), false) => {
            let problem =
                "the schema has no columns of tokens; remove it, or write tokens = 1000 in a column of [data]".into();
            return Err(ModelError::Key {
                key: "embedding",
                problem,
            });
        }
        (None, false) => {}
    }
    for (i, &outputs) in hidden.iter().enumerate() {
        stack.layers.push(Layer::Dense {
            name: format!("hidden.{i}"),
            inputs: width,
            outputs,
        });
        stack.normalise(outputs, 1)?;
        stack.layers.push(Layer::Relu);
        width = outputs;
    }
    stack.layers.push(Layer::Dense {
        name: "output".into(),
        inputs: width,
        outputs: schema.outputs(),
    });
    Ok(stack.layers)
}

struct Stack {
    layers: Vec<Layer>,
    norm: Option<Norm>,
    norms: usize,
}

impl Stack {
    /// Adds the convolutions and gives the width of what they leave.
    fn convolutions(&mut self, schema: &Schema, channels: &[usize]) -> Result<usize, ModelError> {
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
            self.layers.push(Layer::Conv {
                name: format!("conv.{i}"),
                channels: [before, after],
                size,
            });
            self.normalise(after, size[0].saturating_mul(size[1]))?;
            // Before the ReLU, with which a maximum commutes: a quarter of the numbers are left.
            self.layers.push(Layer::Pool { channels: after, size });
            self.layers.push(Layer::Relu);
            size = size.map(|side| side / 2);
            before = after;
        }
        Ok(before.saturating_mul(size[0]).saturating_mul(size[1]))
    }

    /// Adds the embedding and gives the width of what it leaves; saturates.
    fn embedding(&mut self, schema: &Schema, vector: usize) -> usize {
        let mut pieces: Vec<Piece> = Vec::new();
        let mut tables = 0;
        let mut width = 0usize;
        for column in &schema.columns {
            let count = column.features();
            if let Column::Tokens { vocabulary, .. } = column {
                pieces.push(Piece::Tokens {
                    name: format!("embedding.{tables}"),
                    count,
                    vocabulary: *vocabulary,
                });
                tables += 1;
                width = width.saturating_add(count.saturating_mul(vector));
                continue;
            }
            width = width.saturating_add(count);
            match pieces.last_mut() {
                Some(Piece::Numbers { count: last }) => *last += count,
                _ => pieces.push(Piece::Numbers { count }),
            }
        }
        self.layers.push(Layer::Embedding { pieces, width: vector });
        width
    }

    fn normalise(&mut self, channels: usize, positions: usize) -> Result<(), ModelError> {
        let groups = match self.norm {
            None => return Ok(()),
            Some(Norm::Layer) => 1,
            Some(Norm::Group(groups)) => groups,
        };
        if channels.checked_rem(groups) != Some(0) {
            return Err(ModelError::Groups {
                width: channels,
                groups,
            });
        }
        if channels.saturating_mul(positions) == groups {
            let problem = "a group of a single number would always be 0; make the layer wider, or groups fewer".into();
            return Err(ModelError::Key { key: "norm", problem });
        }
        self.layers.push(Layer::Norm {
            name: format!("norm.{}", self.norms),
            groups,
            channels,
            positions,
        });
        self.norms += 1;
        Ok(())
    }
}
