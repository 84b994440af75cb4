//! What one pass over several examples says of each tensor's part of every example's gradient.

use xfl_privacy::Block;

/// One tensor's part of the gradients of some examples, written as briefly as its layer allows.
pub(super) enum Share {
    /// Written out, `[examples, width]`.
    Full { width: usize, values: Vec<f32> },
    /// The outer product of `[examples, outputs]` and `[examples, inputs]`.
    Outer {
        outputs: usize,
        inputs: usize,
        left: Vec<f32>,
        right: Vec<f32>,
    },
    /// Rows of a table: `[examples, places]` of their numbers, `[examples, places, width]` of what is added to each.
    Rows {
        rows: usize,
        width: usize,
        places: usize,
        named: Vec<u32>,
        values: Vec<f32>,
    },
}

impl Share {
    /// Adds the same tensor's share of the examples that follow.
    pub(super) fn append(&mut self, other: Self) {
        match (self, other) {
            (Self::Full { values, .. }, Self::Full { values: more, .. }) => values.extend(more),
            (
                Self::Outer { left, right, .. },
                Self::Outer {
                    left: more_left,
                    right: more_right,
                    ..
                },
            ) => {
                left.extend(more_left);
                right.extend(more_right);
            }
            (
                Self::Rows { named, values, .. },
                Self::Rows {
                    named: more_named,
                    values: more,
                    ..
                },
            ) => {
                named.extend(more_named);
                values.extend(more);
            }
            // Both come from one list of layers.
            (Self::Full { .. } | Self::Outer { .. } | Self::Rows { .. }, _) => {}
        }
    }

    /// As the sum of clipped examples takes it.
    pub(super) fn block(&self) -> Block<'_> {
        match self {
            Self::Full { values, .. } => Block::Full { values },
            Self::Outer { left, right, .. } => Block::Outer { left, right },
            Self::Rows {
                rows,
                width,
                named,
                values,
                ..
            } => Block::Rows {
                rows: *rows,
                width: *width,
                named,
                values,
            },
        }
    }

    /// Writes one example's part, row-major, and gives the rest of the space.
    pub(super) fn write<'a>(&self, example: usize, space: &'a mut [f32]) -> &'a mut [f32] {
        let part = |values: &'_ [f32], width: usize| example * width..(example * width + width).min(values.len());
        match self {
            Self::Full { width, values } => {
                let (own, rest) = space.split_at_mut(*width);
                own.copy_from_slice(&values[part(values, *width)]);
                rest
            }
            Self::Outer {
                outputs,
                inputs,
                left,
                right,
            } => {
                let (own, rest) = space.split_at_mut(outputs * inputs);
                let right = &right[part(right, *inputs)];
                for (line, &l) in own.chunks_mut(*inputs).zip(&left[part(left, *outputs)]) {
                    line.iter_mut().zip(right).for_each(|(g, &r)| *g = l * r);
                }
                rest
            }
            Self::Rows {
                rows,
                width,
                places,
                named,
                values,
            } => {
                let (own, rest) = space.split_at_mut(rows * width);
                own.fill(0.0);
                let named = &named[example * places..(example + 1) * places];
                for (&row, vector) in named.iter().zip(values[part(values, places * width)].chunks(*width)) {
                    let line = &mut own[row as usize * width..][..*width];
                    line.iter_mut().zip(vector).for_each(|(g, &v)| *g += v);
                }
                rest
            }
        }
    }
}
