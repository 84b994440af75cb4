//! Parameters into outputs, on any burn backend. Between layers every example is one flat row.

use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Int, Tensor, TensorData, activation, module};

use super::{Batch, Network, TrainError};
use crate::spec::{Layer, Piece};

/// Added to variances before their root is taken.
const VARIANCE_FLOOR: f32 = 1e-5;

/// All layers, with all tensors in the model's order.
pub(super) fn forward<B: Backend>(
    layers: &[Layer],
    tensors: &[Tensor<B, 1>],
    rows: Tensor<B, 2>,
    place: Place,
) -> Result<Tensor<B, 2>, TrainError> {
    let (mut rows, mut rest) = (rows, tensors);
    for layer in layers {
        let (own, after) = rest.split_at(layer.arity());
        rows = step(layer, own, rows, place)?;
        rest = after;
    }
    Ok(rows)
}

/// Where tensors live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In memory: their numbers can be looked at for nothing.
    Host,
    /// On a device of its own.
    #[cfg_attr(not(feature = "cuda"), expect(dead_code, reason = "no other device is built"))]
    Device,
}

/// One layer, with its own tensors.
pub(super) fn step<B: Backend>(
    layer: &Layer,
    own: &[Tensor<B, 1>],
    rows: Tensor<B, 2>,
    place: Place,
) -> Result<Tensor<B, 2>, TrainError> {
    Ok(match (layer, own) {
        (Layer::Dense { inputs, outputs, .. }, [weight, bias]) => {
            let weight = weight.clone().reshape([*outputs, *inputs]).transpose();
            rows.matmul(weight) + bias.clone().reshape([1, *outputs])
        }
        (Layer::Conv { channels, size, .. }, [weight, bias]) => convolution(rows, weight, bias, *channels, *size),
        (Layer::Norm { channels, groups, .. }, [weight, bias]) => {
            scale_and_shift(standardise(rows, *groups), weight, bias, *channels)
        }
        (Layer::Embedding { pieces, width }, tables) => embedding(rows, pieces, *width, tables),
        (Layer::Pool { channels, size }, _) if place == Place::Host => choose(rows, *channels, *size)?,
        (Layer::Pool { channels, size }, _) => pool(rows, *channels, *size),
        (Layer::Relu, _) => activation::relu(rows),
        // Tensors are divided by the layers' own count, so that nothing else can happen.
        (Layer::Dense { .. } | Layer::Conv { .. } | Layer::Norm { .. }, _) => rows,
    })
}

fn convolution<B: Backend>(
    rows: Tensor<B, 2>,
    weight: &Tensor<B, 1>,
    bias: &Tensor<B, 1>,
    channels: [usize; 2],
    size: [usize; 2],
) -> Tensor<B, 2> {
    let [count, _] = rows.dims();
    let [before, after] = channels;
    let [height, width] = size;
    let images = rows.reshape([count, before, height, width]);
    let options = ConvOptions::new([1, 1], [1, 1], [1, 1], 1);
    let weight = weight.clone().reshape([after, before, 3, 3]);
    module::conv2d(images, weight, Some(bias.clone()), options).reshape([count, after * height * width])
}

fn pool<B: Backend>(rows: Tensor<B, 2>, channels: usize, size: [usize; 2]) -> Tensor<B, 2> {
    let [count, _] = rows.dims();
    let [height, width] = size;
    let images = rows.reshape([count, channels, height, width]);
    module::max_pool2d(images, [2, 2], [2, 2], [0, 0], [1, 1], false)
        .reshape([count, channels * (height / 2) * (width / 2)])
}

/// As [`pool`], by looking for the largest of every block here and picking it there: a third of flex's own time, forward and back.
/// Of equals the first.
fn choose<B: Backend>(rows: Tensor<B, 2>, channels: usize, size: [usize; 2]) -> Result<Tensor<B, 2>, TrainError> {
    let [count, width] = rows.dims();
    let [height, across] = size;
    let mut chosen: Vec<i64> = Vec::with_capacity(count * channels * (height / 2) * (across / 2));
    for row in numbers(rows.clone())?.chunks(width) {
        for (channel, image) in row.chunks(height * across).enumerate() {
            for (pair, lines) in image.chunks_exact(2 * across).enumerate() {
                let (above, below) = lines.split_at(across);
                let first = channel * height * across + pair * 2 * across;
                for (block, (a, b)) in above.chunks_exact(2).zip(below.chunks_exact(2)).enumerate() {
                    let right = usize::from(a[1] > a[0]);
                    let under = usize::from(b[1] > b[0]);
                    let at = if b[under] > a[right] { across + under } else { right };
                    chosen.push((first + 2 * block + at) as i64);
                }
            }
        }
    }
    let width = chosen.len() / count;
    let chosen: Tensor<B, 2, Int> = Tensor::from_data(TensorData::new(chosen, [count, width]), &rows.device());
    Ok(rows.gather(1, chosen))
}

/// Mean 0 and variance 1 for each group of each row.
pub(super) fn standardise<B: Backend>(rows: Tensor<B, 2>, groups: usize) -> Tensor<B, 2> {
    let [count, width] = rows.dims();
    let grouped = rows.reshape([count, groups, width / groups]);
    let centred = grouped.clone() - grouped.mean_dim(2);
    let variance = (centred.clone() * centred.clone()).mean_dim(2);
    (centred / (variance + VARIANCE_FLOOR).sqrt()).reshape([count, width])
}

/// Each channel times its weight, plus its bias.
pub(super) fn scale_and_shift<B: Backend>(
    rows: Tensor<B, 2>,
    weight: &Tensor<B, 1>,
    bias: &Tensor<B, 1>,
    channels: usize,
) -> Tensor<B, 2> {
    let positions = rows.dims()[1] / channels;
    rows * spread(weight, positions) + spread(bias, positions)
}

/// One number for each channel as a row with one for each of its positions. (Flex adds a row to every row ten times as fast as a
/// number to every channel.)
pub(super) fn spread<B: Backend>(channels: &Tensor<B, 1>, positions: usize) -> Tensor<B, 2> {
    let [count] = channels.dims();
    let column = channels.clone().reshape([count, 1]);
    column.repeat_dim(1, positions).reshape([1, count * positions])
}

/// Tokens have been checked against their vocabularies when the batch was gathered.
fn embedding<B: Backend>(rows: Tensor<B, 2>, pieces: &[Piece], width: usize, tables: &[Tensor<B, 1>]) -> Tensor<B, 2> {
    let [rows_count, _] = rows.dims();
    let mut tables = tables.iter();
    let mut parts = Vec::with_capacity(pieces.len());
    let mut first = 0;
    for piece in pieces {
        let after = first + piece.inputs();
        let own = rows.clone().slice([0..rows_count, first..after]);
        first = after;
        match (piece, tables.as_slice()) {
            (Piece::Tokens { count, vocabulary, .. }, [table, ..]) => {
                tables.next();
                let named: Tensor<B, 2, Int> = own.int();
                let vectors = module::embedding(table.clone().reshape([*vocabulary, width]), named);
                parts.push(vectors.reshape([rows_count, count * width]));
            }
            _ => parts.push(own),
        }
    }
    Tensor::cat(parts, 1)
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
        numbers(forward(&self.layers, &tensors, rows, self.place)?)
    }
}
