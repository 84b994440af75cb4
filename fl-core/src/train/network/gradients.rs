//! Gradients of a batch and of single examples.

use std::ops::ControlFlow;

use burn::tensor::backend::AutodiffBackend;
use burn::tensor::{Tensor, activation};

use super::forward::{dense, forward, matrix, numbers};
use super::{Batch, CHUNK, Data, Network, TrainError, finite};
use crate::spec::Layer;

/// A dense layer's side of one pass: its inputs `a` and the loss's gradient `delta` at its outputs, row-major.
struct Trace {
    inputs: usize,
    outputs: usize,
    a: Vec<f32>,
    delta: Vec<f32>,
}

impl<B: AutodiffBackend> Network<B> {
    /// The parameters as leaves of automatic differentiation.
    pub(super) fn leaves(&self, parameters: &[f32]) -> Vec<Tensor<B, 1>> {
        self.flat::<B>(parameters)
            .into_iter()
            .map(Tensor::require_grad)
            .collect()
    }

    /// Adds the gradient of the batch's summed loss to `gradient` and gives that loss.
    pub(super) fn add_gradient(
        &self,
        leaves: &[Tensor<B, 1>],
        batch: Batch,
        gradient: &mut [f32],
    ) -> Result<f64, TrainError> {
        let rows = matrix(batch.features, batch.rows, &self.device);
        let targets = matrix(batch.targets, batch.rows, &self.device);
        let loss = self.head.loss(forward(&self.layers, leaves, rows), targets);
        let mut gradients = loss.backward();
        let mut rest = gradient;
        for (leaf, shape) in leaves.iter().zip(&self.tensors) {
            let (own, after) = rest.split_at_mut(shape.len());
            // A leaf that the loss doesn't reach has no gradient, which is to say zero.
            if let Some(tensor) = leaf.grad_remove(&mut gradients) {
                own.iter_mut().zip(numbers(tensor)?).for_each(|(sum, g)| *sum += g);
            }
            rest = after;
        }
        let loss = numbers(loss.inner())?;
        Ok(loss.iter().map(|&value| f64::from(value)).sum())
    }

    /// Per-example gradients, one pass of automatic differentiation for each.
    pub(super) fn one_by_one(
        &self,
        parameters: &[f32],
        data: &dyn Data,
        indices: &[usize],
        each: &mut dyn FnMut(usize, &[f32]) -> ControlFlow<()>,
    ) -> Result<(), TrainError> {
        let leaves = self.leaves(parameters);
        let mut gradient = vec![0.0; self.dimension];
        for &index in indices {
            gradient.fill(0.0);
            self.add_gradient(&leaves, self.gather(data, &[index])?, &mut gradient)?;
            finite(&gradient)?;
            if each(index, &gradient).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Per-example gradients of a network of dense layers, one pass for each chunk of the batch.
    pub(super) fn by_outer_products(
        &self,
        parameters: &[f32],
        data: &dyn Data,
        indices: &[usize],
        each: &mut dyn FnMut(usize, &[f32]) -> ControlFlow<()>,
    ) -> Result<(), TrainError> {
        let mut gradient = vec![0.0; self.dimension];
        for chunk in indices.chunks(CHUNK) {
            let traces = self.traces(parameters, self.gather(data, chunk)?)?;
            for (row, &index) in chunk.iter().enumerate() {
                traces
                    .iter()
                    .fold(gradient.as_mut_slice(), |rest, trace| trace.write(row, rest));
                finite(&gradient)?;
                if each(index, &gradient).is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// One pass with a zero added to every dense layer's outputs: the gradient at that zero is the layer's `delta`.
    /// Rows don't meet in the summed loss, so each row of `delta` is that of its own example.
    fn traces(&self, parameters: &[f32], batch: Batch) -> Result<Vec<Trace>, TrainError> {
        let mut tensors = self.flat::<B>(parameters).into_iter();
        let mut rows: Tensor<B, 2> = matrix(batch.features, batch.rows, &self.device);
        let mut taps = Vec::new();
        for layer in &self.layers {
            rows = match layer {
                Layer::Dense { inputs, outputs, .. } => {
                    let (Some(weight), Some(bias)) = (tensors.next(), tensors.next()) else {
                        break;
                    };
                    let zero = Tensor::zeros([batch.rows, *outputs], &self.device).require_grad();
                    let after = dense(rows.clone(), weight, bias, *inputs, *outputs) + zero.clone();
                    taps.push((*inputs, *outputs, rows, zero));
                    after
                }
                _ => activation::relu(rows),
            };
        }
        let targets = matrix(batch.targets, batch.rows, &self.device);
        let mut gradients = self.head.loss(rows, targets).backward();
        let mut traces = Vec::with_capacity(taps.len());
        for (inputs, outputs, rows, zero) in taps {
            let delta = match zero.grad_remove(&mut gradients) {
                Some(tensor) => numbers(tensor)?,
                None => vec![0.0; batch.rows * outputs],
            };
            traces.push(Trace {
                inputs,
                outputs,
                a: numbers(rows.inner())?,
                delta,
            });
        }
        Ok(traces)
    }
}

impl Trace {
    /// Writes this layer's gradient for one row, weights then bias, and gives the rest of the space.
    fn write<'a>(&self, row: usize, space: &'a mut [f32]) -> &'a mut [f32] {
        let a = &self.a[row * self.inputs..(row + 1) * self.inputs];
        let delta = &self.delta[row * self.outputs..(row + 1) * self.outputs];
        let (weight, rest) = space.split_at_mut(self.inputs * self.outputs);
        for (line, &d) in weight.chunks_mut(self.inputs).zip(delta) {
            line.iter_mut().zip(a).for_each(|(g, &x)| *g = d * x);
        }
        let (bias, rest) = rest.split_at_mut(self.outputs);
        bias.copy_from_slice(delta);
        rest
    }
}
