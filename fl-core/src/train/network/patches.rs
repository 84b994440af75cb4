//! Per-example gradients of 3x3 convolutions, by unfolding.
//!
//! With `X` an image's patches, one column of `channels in * 9` numbers for each of its positions, a convolution is `W X + b`, so that
//! an example's gradient is `delta X^T` for the weights and the sum of `delta` over the positions for the bias (Rochette,
//! Manoel and Tramel 2019). A ghost norm from Gram matrices would cost `positions^2 (channels in * 9 + channels out)` products, more than
//! the gradient's `positions * channels in * 9 * channels out` unless an image has fewer positions than its layer has channels; and
//! since the gradient has to be rounded coordinate by coordinate, it would be computed all the same. So it is computed once, and its
//! norm read off.

use burn::tensor::backend::Backend;
use burn::tensor::{Int, Tensor, TensorData};

use super::TrainError;
use super::forward::{matrix, numbers, spread};

/// Most numbers of unfolded images held at once by one thread: 8 MiB.
const UNFOLDED: usize = 1 << 21;

/// All patches of some images, `[examples, channels * 9 * positions]`, as a step that can be differentiated: a zero is added to each
/// row, and numbers are picked from it.
pub(super) fn patches<B: Backend>(images: Tensor<B, 2>, channels: usize, size: [usize; 2]) -> Tensor<B, 2> {
    let [count, width] = images.dims();
    let device = images.device();
    let [height, across] = size;
    let mut picked = Vec::with_capacity(channels * 9 * height * across);
    for channel in 0..channels {
        for shift in 0..9 {
            for place in 0..height * across {
                let (row, column) = (place / across + shift / 3, place % across + shift % 3);
                let inside = (1..=height).contains(&row) && (1..=across).contains(&column);
                picked.push(match inside {
                    true => (channel * height * across + (row - 1) * across + column - 1) as i64,
                    false => width as i64,
                });
            }
        }
    }
    let many = picked.len();
    let picked: Tensor<B, 1, Int> = Tensor::from_data(TensorData::new(picked, [many]), &device);
    Tensor::cat(vec![images, Tensor::zeros([count, 1], &device)], 1).select(1, picked)
}

/// The convolution of images whose patches these are.
pub(super) fn of_patches<B: Backend>(
    patches: Tensor<B, 2>,
    weight: &Tensor<B, 1>,
    bias: &Tensor<B, 1>,
    channels: [usize; 2],
) -> Tensor<B, 2> {
    let [count, width] = patches.dims();
    let [before, after] = channels;
    let (lines, positions) = (before * 9, width / (before * 9));
    let weight = weight.clone().reshape([1, after, lines]);
    let convolved = weight.matmul(patches.reshape([count, lines, positions]));
    convolved.reshape([count, after * positions]) + spread(bias, positions)
}

/// Gradients of weights, `[examples, channels out * channels in * 9]`, from patches and `delta`.
pub(super) fn weights_of_patches<B: Backend>(
    patches: Tensor<B, 2>,
    delta: Tensor<B, 2>,
    channels: [usize; 2],
) -> Result<Vec<f32>, TrainError> {
    let [count, width] = patches.dims();
    let [before, after] = channels;
    let (lines, positions) = (before * 9, width / (before * 9));
    let patches = patches.reshape([count, lines, positions]).swap_dims(1, 2);
    numbers(delta.reshape([count, after, positions]).matmul(patches))
}

/// Gradients of weights, `[examples, channels out * channels in * 9]`, and of biases, `[examples, channels out]`, from the
/// layer's inputs and `delta`, its outputs' gradients, both one flat row for each example.
pub(super) fn convolution<B: Backend>(
    images: &[f32],
    delta: &[f32],
    channels: [usize; 2],
    size: [usize; 2],
    device: &B::Device,
) -> Result<[Vec<f32>; 2], TrainError> {
    let [before, after] = channels;
    let positions = size[0] * size[1];
    let lines = before * 9;
    let at_once = (UNFOLDED / (lines * positions)).max(1);
    let mut weights = Vec::with_capacity(images.len() / (before * positions) * after * lines);
    for (images, delta) in images
        .chunks(at_once * before * positions)
        .zip(delta.chunks(at_once * after * positions))
    {
        let count = images.len() / (before * positions);
        let mut unfolded = vec![0.0; count * lines * positions];
        for (channel, space) in images.chunks(positions).zip(unfolded.chunks_mut(9 * positions)) {
            unfold(channel, size, space);
        }
        let unfolded: Tensor<B, 2> = matrix(unfolded, count, device);
        let delta: Tensor<B, 2> = matrix(delta.to_vec(), count, device);
        weights.extend(weights_of_patches(unfolded, delta, channels)?);
    }
    let biases = delta.chunks(positions).map(sum).collect();
    Ok([weights, biases])
}

/// Nine shifted copies of one channel, zeros beyond its edges: shift (i, j) holds at each position what is i - 1 rows below and
/// j - 1 columns to the right. `space` holds zeros.
fn unfold(channel: &[f32], [height, width]: [usize; 2], space: &mut [f32]) {
    for (shift, space) in space.chunks_mut(height * width).enumerate() {
        let (down, right) = (shift / 3, shift % 3);
        for row in 0..height {
            let Some(from) = (row + down).checked_sub(1).filter(|from| *from < height) else {
                continue;
            };
            let source = &channel[from * width..(from + 1) * width];
            let target = &mut space[row * width..(row + 1) * width];
            match right {
                0 => target[1..].copy_from_slice(&source[..width - 1]),
                1 => target.copy_from_slice(source),
                _ => target[..width - 1].copy_from_slice(&source[1..]),
            }
        }
    }
}

/// In lanes of their own, so that the order is fixed and the loop short.
pub(super) fn sum(values: &[f32]) -> f32 {
    let mut lanes = [0.0f32; 8];
    let (lines, rest) = values.as_chunks::<8>();
    for line in lines {
        lanes.iter_mut().zip(line).for_each(|(sum, value)| *sum += value);
    }
    lanes.iter().chain(rest).sum()
}
