//! Per-example gradients: one pass of automatic differentiation for many examples, and each layer's own formula.
//!
//! A zero is added to the output of every layer that learns; the gradient at that zero is the layer's `delta`. Rows don't meet in
//! the summed loss (nothing here mixes examples), so each row of `delta` belongs to its own example:
//!
//! | layer | gradient of one example |
//! |---|---|
//! | dense | `delta a^T` and `delta`, with `a` the layer's input (Goodfellow 2015); never written out |
//! | convolution | `delta X^T` and `delta` summed over positions, with `X` the unfolded input (Rochette et al. 2019) |
//! | norm | `delta * x` and `delta`, each summed over a channel's positions, with `x` the standardised input |
//! | embedding | `delta`'s part at the rows of the tokens; never written out |
//!
//! Passes are over slices of the batch, whose size depends on the model alone, and run on rayon's threads: their number changes no
//! bit. Memory is that of a chunk's activations and of what is written out, at most [`WRITTEN`] numbers or one example's.

use std::ops::ControlFlow;

use burn::tensor::Tensor;
use burn::tensor::backend::AutodiffBackend;
use rayon::prelude::*;
use xfl_privacy::RecordSum;

use super::forward::{Place, matrix, numbers, scale_and_shift, standardise, step};
use super::patches::{convolution, of_patches, patches, sum, weights_of_patches};
use super::shares::Share;
use super::{AddError, Batch, CHUNK, Data, Network, TrainError, finite};
use crate::spec::{Layer, Piece};

/// Most numbers of written-out gradients held at once: 16 MiB.
const WRITTEN: usize = 1 << 22;
/// Examples of one pass.
const SLICE: usize = 32;
/// Most numbers of unfolded images that one layer holds for a pass: 32 MiB.
const UNFOLDED: usize = 1 << 23;
/// Models of fewer parameters take a whole chunk at once: their passes are shorter than handing them to another thread.
const SMALL: usize = 1 << 13;

/// A layer's side of one pass: its input (standardised for a norm, unfolded for a convolution that is a product), and the zero at its
/// output.
type Tap<'a, B> = (&'a Layer, Tensor<B, 2>, Tensor<B, 2>);

impl<B: AutodiffBackend> Network<B> {
    /// Calls `each` with every example's gradient, in order.
    pub(super) fn each_gradient(
        &self,
        parameters: &[f32],
        data: &dyn Data,
        indices: &[usize],
        each: &mut dyn FnMut(usize, &[f32]) -> ControlFlow<()>,
    ) -> Result<(), TrainError> {
        let mut gradient = vec![0.0; self.dimension];
        let tensors = self.flat::<B>(parameters);
        for chunk in indices.chunks(self.chunk()) {
            let shares = self.shares(&tensors, data, chunk, 1.0)?;
            for (example, &index) in chunk.iter().enumerate() {
                shares
                    .iter()
                    .fold(gradient.as_mut_slice(), |rest, share| share.write(example, rest));
                finite(&gradient)?;
                if each(index, &gradient).is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Adds every example's clipped and rounded step downhill to `sum`.
    pub(super) fn add_downhill(
        &self,
        parameters: &[f32],
        data: &dyn Data,
        indices: &[usize],
        sum: &mut RecordSum,
    ) -> Result<(), AddError> {
        let tensors = self.flat::<B>(parameters);
        for chunk in indices.chunks(self.chunk()) {
            let shares = self.shares(&tensors, data, chunk, -1.0)?;
            let blocks: Vec<_> = shares.iter().map(Share::block).collect();
            sum.add_batch(chunk.len(), &blocks)?;
        }
        Ok(())
    }

    /// Examples whose written-out gradients fit.
    fn chunk(&self) -> usize {
        let written: usize = self.layers.iter().map(written).sum();
        WRITTEN.checked_div(written).unwrap_or(CHUNK).clamp(1, CHUNK)
    }

    /// Every tensor's share of the gradients of `factor` times the examples' losses.
    fn shares(
        &self,
        tensors: &[Tensor<B, 1>],
        data: &dyn Data,
        indices: &[usize],
        factor: f32,
    ) -> Result<Vec<Share>, TrainError> {
        let small = self.dimension < SMALL && self.layers.iter().all(|layer| written(layer) == 0);
        let slice = if small { CHUNK } else { SLICE };
        if indices.len() <= slice {
            return self.pass(tensors, self.gather(data, indices)?, factor);
        }
        let slices: Vec<_> = indices.chunks(slice).map(|slice| (slice, tensors.to_vec())).collect();
        let passes: Vec<Result<Vec<Share>, TrainError>> = slices
            .into_par_iter()
            .map(|(slice, tensors)| self.pass(&tensors, self.gather(data, slice)?, factor))
            .collect();
        let mut all: Vec<Share> = Vec::new();
        for pass in passes {
            let pass = pass?;
            match all.is_empty() {
                true => all = pass,
                false => all.iter_mut().zip(pass).for_each(|(all, more)| all.append(more)),
            }
        }
        Ok(all)
    }

    /// One pass over some examples.
    fn pass(&self, tensors: &[Tensor<B, 1>], batch: Batch, factor: f32) -> Result<Vec<Share>, TrainError> {
        let tokens = self.tokens(&batch);
        let mut rest = tensors;
        let mut rows: Tensor<B, 2> = matrix(batch.features, batch.rows, &self.device);
        let mut taps: Vec<Tap<'_, B>> = Vec::new();
        for layer in &self.layers {
            let (own, after) = rest.split_at(layer.arity());
            rest = after;
            if own.is_empty() {
                rows = step(layer, own, rows, self.place)?;
                continue;
            }
            let (input, output) = match (layer, own) {
                (Layer::Norm { channels, groups, .. }, [weight, bias]) => {
                    let standard = standardise(rows, *groups);
                    (standard.clone(), scale_and_shift(standard, weight, bias, *channels))
                }
                (Layer::Conv { channels, size, .. }, [weight, bias]) if self.unfolds(*channels, *size) => {
                    let patches = patches(rows, channels[0], *size);
                    (patches.clone(), of_patches(patches, weight, bias, *channels))
                }
                _ => (rows.clone(), step(layer, own, rows, self.place)?),
            };
            // Nothing before the first such layer is differentiated: its output is its own tap.
            let (tap, output) = match taps.is_empty() {
                true => {
                    let leaf = output.require_grad();
                    (leaf.clone(), leaf)
                }
                false => {
                    let zero = Tensor::zeros(output.dims(), &self.device).require_grad();
                    (zero.clone(), output + zero)
                }
            };
            rows = output;
            taps.push((layer, input, tap));
        }
        let targets = matrix(batch.targets, batch.rows, &self.device);
        let mut gradients = self.head.loss(rows, targets).mul_scalar(factor).backward();
        let mut shares = Vec::with_capacity(self.tensors.len());
        for (layer, input, tap) in taps {
            let width = tap.dims()[1];
            let delta = match tap.grad_remove(&mut gradients) {
                Some(tensor) => numbers(tensor)?,
                None => vec![0.0; batch.rows * width],
            };
            match layer {
                Layer::Embedding { pieces, width } => {
                    shares.extend(rows_of(pieces, *width, &tokens, &delta, batch.rows))
                }
                Layer::Conv { channels, size, .. } if self.unfolds(*channels, *size) => {
                    let biases = delta.chunks(size[0] * size[1]).map(sum).collect();
                    let weights =
                        weights_of_patches(input.inner(), matrix(delta, batch.rows, &self.device), *channels)?;
                    shares.extend(of_convolution(*channels, [weights, biases]));
                }
                _ => shares.extend(self.of_layer(layer, numbers(input.inner())?, delta)?),
            }
        }
        Ok(shares)
    }

    /// Whether a slice's unfolded images are held for the gradient and the convolution is a product with them: on a processor twice as
    /// fast as convolving, where they aren't too many.
    fn unfolds(&self, channels: [usize; 2], size: [usize; 2]) -> bool {
        let one = channels[0].saturating_mul(9 * SLICE).saturating_mul(size[0] * size[1]);
        self.place == Place::Host && one <= UNFOLDED
    }

    /// A layer's shares, from its input (standardised, for a norm) and `delta`.
    fn of_layer(&self, layer: &Layer, input: Vec<f32>, delta: Vec<f32>) -> Result<Vec<Share>, TrainError> {
        let full = |width, values| Share::Full { width, values };
        Ok(match layer {
            Layer::Dense { inputs, outputs, .. } => {
                let bias = full(*outputs, delta.clone());
                let weight = Share::Outer {
                    outputs: *outputs,
                    inputs: *inputs,
                    left: delta,
                    right: input,
                };
                vec![weight, bias]
            }
            Layer::Conv { channels, size, .. } => {
                let gradients = convolution::<B::InnerBackend>(&input, &delta, *channels, *size, &self.device)?;
                of_convolution(*channels, gradients).into()
            }
            Layer::Norm {
                channels, positions, ..
            } => {
                let products: Vec<f32> = delta.iter().zip(&input).map(|(d, x)| d * x).collect();
                let [weight, bias] = [products, delta].map(|values| match positions {
                    1 => values,
                    _ => values.chunks(*positions).map(sum).collect(),
                });
                vec![full(*channels, weight), full(*channels, bias)]
            }
            Layer::Embedding { .. } | Layer::Relu | Layer::Pool { .. } => Vec::new(),
        })
    }

    /// The tokens of a checked batch, `[rows, tokens of a row]`.
    fn tokens(&self, batch: &Batch) -> Vec<u32> {
        let rows = batch.features.chunks(self.width);
        rows.flat_map(|row| {
            let tokens = self.tokens.iter().flat_map(|(range, _)| &row[range.clone()]);
            tokens.map(|&token| token as u32)
        })
        .collect()
    }
}

fn of_convolution(channels: [usize; 2], [weights, biases]: [Vec<f32>; 2]) -> [Share; 2] {
    let full = |width, values| Share::Full { width, values };
    [full(channels[0] * channels[1] * 9, weights), full(channels[1], biases)]
}

/// Coordinates of an example's gradient that a layer has to write out, its biases left aside.
fn written(layer: &Layer) -> usize {
    match layer {
        Layer::Conv { channels, .. } => channels[0].saturating_mul(channels[1]).saturating_mul(9),
        _ => 0,
    }
}

/// The tables' shares, from all tokens of the rows and `delta` at the embedding's output.
fn rows_of(pieces: &[Piece], width: usize, tokens: &[u32], delta: &[f32], rows: usize) -> Vec<Share> {
    let per_row = tokens.len() / rows;
    let out = delta.len() / rows;
    let (mut shares, mut token, mut column) = (Vec::new(), 0, 0);
    for piece in pieces {
        match piece {
            Piece::Numbers { count } => column += count,
            Piece::Tokens { count, vocabulary, .. } => {
                let (places, span) = (*count, count * width);
                shares.push(Share::Rows {
                    rows: *vocabulary,
                    width,
                    places,
                    named: tokens
                        .chunks(per_row)
                        .flat_map(|row| &row[token..token + places])
                        .copied()
                        .collect(),
                    values: delta
                        .chunks(out)
                        .flat_map(|row| &row[column..column + span])
                        .copied()
                        .collect(),
                });
                token += places;
                column += span;
            }
        }
    }
    shares
}

#[cfg(test)]
mod tests;
