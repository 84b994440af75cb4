//! Parameters into outputs, on any burn backend.

use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Tensor, TensorData, activation, module};

use super::{Batch, Network, TrainError};
use crate::spec::Layer;

/// What a pass takes and what it leaves behind: between layers every example is one flat row.
pub(super) fn forward<B: Backend>(layers: &[Layer], tensors: &[Tensor<B, 1>], rows: Tensor<B, 2>) -> Tensor<B, 2> {
    let mut tensors = tensors.iter().cloned();
    let mut rows = rows;
    for layer in layers {
        rows = match layer {
            Layer::Dense { inputs, outputs, .. } => match (tensors.next(), tensors.next()) {
                (Some(weight), Some(bias)) => dense(rows, weight, bias, *inputs, *outputs),
                _ => rows,
            },
            Layer::Relu => activation::relu(rows),
            Layer::Conv { channels, size, .. } => match (tensors.next(), tensors.next()) {
                (Some(weight), Some(bias)) => convolution(rows, weight, bias, *channels, *size),
                _ => rows,
            },
            Layer::Pool { channels, size } => pool(rows, *channels, *size),
        };
    }
    rows
}

/// `x W^T + b` with W stored `[outputs, inputs]`.
pub(super) fn dense<B: Backend>(
    rows: Tensor<B, 2>,
    weight: Tensor<B, 1>,
    bias: Tensor<B, 1>,
    inputs: usize,
    outputs: usize,
) -> Tensor<B, 2> {
    rows.matmul(weight.reshape([outputs, inputs]).transpose()) + bias.reshape([1, outputs])
}

fn convolution<B: Backend>(
    rows: Tensor<B, 2>,
    weight: Tensor<B, 1>,
    bias: Tensor<B, 1>,
    channels: [usize; 2],
    size: [usize; 2],
) -> Tensor<B, 2> {
    let [count, _] = rows.dims();
    let [before, after] = channels;
    let [height, width] = size;
    let images = rows.reshape([count, before, height, width]);
    let options = ConvOptions::new([1, 1], [1, 1], [1, 1], 1);
    module::conv2d(images, weight.reshape([after, before, 3, 3]), Some(bias), options)
        .reshape([count, after * height * width])
}

fn pool<B: Backend>(rows: Tensor<B, 2>, channels: usize, size: [usize; 2]) -> Tensor<B, 2> {
    let [count, _] = rows.dims();
    let [height, width] = size;
    let images = rows.reshape([count, channels, height, width]);
    module::max_pool2d(images, [2, 2], [2, 2], [0, 0], [1, 1], false)
        .reshape([count, channels * (height / 2) * (width / 2)])
}

pub(super) fn matrix<B: Backend>(numbers: Vec<f32>, rows: usize, device: &B::Device) -> Tensor<B, 2> {
    let width = numbers.len() / rows;
    Tensor::from_data(TensorData::new(numbers, [rows, width]), device)
}

/// The numbers of a tensor, row-major.
pub(super) fn numbers<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Result<Vec<f32>, TrainError> {
    tensor
        .into_data()
        .into_vec::<f32>()
        .map_err(|error| TrainError::Backend(format!("{error:?}")))
}

impl<B: AutodiffBackend> Network<B> {
    /// The parameters as one flat tensor for each of the model's, on any backend that shares the device.
    pub(super) fn flat<C: Backend<Device = B::Device>>(&self, parameters: &[f32]) -> Vec<Tensor<C, 1>> {
        let mut rest = parameters;
        let mut tensors = Vec::with_capacity(self.tensors.len());
        for tensor in &self.tensors {
            let (own, after) = rest.split_at(tensor.len());
            tensors.push(Tensor::from_data(
                TensorData::new(own.to_vec(), [own.len()]),
                &self.device,
            ));
            rest = after;
        }
        tensors
    }

    /// Outputs `[rows, outputs]`, without differentiation.
    pub(super) fn outputs(&self, parameters: &[f32], batch: &Batch) -> Result<Vec<f32>, TrainError> {
        let tensors = self.flat::<B::InnerBackend>(parameters);
        let rows = matrix(batch.features.clone(), batch.rows, &self.device);
        numbers(forward(&self.layers, &tensors, rows))
    }
}
