//! The gradient of a batch, by automatic differentiation.

use burn::tensor::Tensor;
use burn::tensor::backend::AutodiffBackend;

use super::forward::{forward, matrix, numbers};
use super::{Batch, Network, TrainError};

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
        let loss = self
            .head
            .loss(forward(&self.layers, leaves, rows, self.place)?, targets);
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
}
