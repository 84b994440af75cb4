//! The built-in models, on burn: layers in a row, with one loss at the end.
//!
//! Gradients of a batch come from burn's automatic differentiation. Per-example gradients of models made of dense
//! layers come from one pass for the whole batch: with `a` a layer's input row and `delta` the gradient of that
//! example's loss with respect to the layer's output row, the gradient of its weights is the outer product
//! `delta a^T` and that of its bias is `delta` (Goodfellow 2015). Memory is the batch times the layers' widths, and one
//! gradient. Models with convolutions run automatic differentiation once for each example.
//!
//! Losses: binary cross-entropy of the log-odds, softmax cross-entropy, half the squared error; each per example, in
//! forms that don't overflow. Evaluation sums in `f64`, in the data's order.
//!
//! Initialisation: a model that is one dense layer starts at zero (its loss is convex). Others draw weights uniformly from
//! `+-sqrt(6 / fan_in)` before a ReLU (He et al. 2015) and `+-sqrt(1 / fan_in)` for the output layer; biases are zero.
//!
//! What it does not do: batch normalisation (an example's gradient would depend on the others') and dropout.

use std::marker::PhantomData;
use std::ops::ControlFlow;

use burn::tensor::backend::AutodiffBackend;

use super::data::Data;
use super::device::Device;
use super::model::{Evaluation, Model, TensorShape, TrainError, check_arguments};
use crate::schema::Schema;
use crate::seed::Seed;
use crate::spec::{Layer, ModelError, ModelSpec};

mod forward;
mod gradients;
mod head;

use head::Head;

/// Most examples whose activations are held at once.
const CHUNK: usize = 256;

impl ModelSpec {
    /// The model, ready to train on `device`.
    ///
    /// # Errors
    /// Where the model doesn't fit the schema, or the device can't be used.
    pub fn build(&self, schema: &Schema, device: Device) -> Result<Box<dyn Model>, ModelError> {
        device.check()?;
        match device {
            Device::Cpu => {
                type Cpu = burn::backend::Autodiff<burn::backend::Flex>;
                Ok(Box::new(Network::<Cpu>::new(self, schema, Default::default())?))
            }
            #[cfg(feature = "cuda")]
            Device::Cuda(index) => {
                type Gpu = burn::backend::Autodiff<burn::backend::Cuda>;
                let device = burn::backend::cuda::CudaDevice::new(index);
                Ok(Box::new(Network::<Gpu>::new(self, schema, device)?))
            }
            #[cfg(not(feature = "cuda"))]
            Device::Cuda(index) => Err(super::device::DeviceError::NotBuilt { index }.into()),
        }
    }
}

/// Layers, a loss, and the device they run on.
struct Network<B: AutodiffBackend> {
    layers: Vec<Layer>,
    tensors: Vec<TensorShape>,
    dimension: usize,
    width: usize,
    head: Head,
    device: B::Device,
    backend: PhantomData<fn() -> B>,
}

/// Some examples, gathered: features and encoded targets, row-major.
struct Batch {
    rows: usize,
    features: Vec<f32>,
    targets: Vec<f32>,
}

impl<B: AutodiffBackend> Network<B> {
    fn new(spec: &ModelSpec, schema: &Schema, device: B::Device) -> Result<Self, ModelError> {
        let tensors = spec.tensors(schema)?;
        Ok(Self {
            layers: spec.layers(schema)?,
            dimension: tensors.iter().map(TensorShape::len).sum(),
            tensors,
            width: schema.features(),
            head: Head::of(schema),
            device,
            backend: PhantomData,
        })
    }

    fn gather(&self, data: &dyn Data, indices: &[usize]) -> Result<Batch, TrainError> {
        let mut features = vec![0.0; indices.len() * self.width];
        let mut targets = Vec::with_capacity(indices.len() * self.head.outputs());
        for (row, &index) in features.chunks_mut(self.width).zip(indices) {
            data.features_into(index, row);
            if let Some(&value) = row.iter().find(|value| !value.is_finite()) {
                return Err(TrainError::NotFiniteFeature { index, value });
            }
            self.head.encode(index, data.target(index), &mut targets)?;
        }
        Ok(Batch {
            rows: indices.len(),
            features,
            targets,
        })
    }
}

impl<B: AutodiffBackend> Model for Network<B> {
    fn tensors(&self) -> Vec<TensorShape> {
        self.tensors.clone()
    }

    fn dimension(&self) -> usize {
        self.dimension
    }

    fn init(&self, seed: &Seed) -> Vec<f32> {
        let mut parameters = Vec::with_capacity(self.dimension);
        let convex = self.layers.len() == 1;
        for (i, tensor) in self.tensors.iter().enumerate() {
            // Weights have two axes or more, the first of which counts outputs.
            let fan_in: usize = tensor.shape[1..].iter().product();
            if convex || tensor.shape.len() == 1 {
                parameters.resize(parameters.len() + tensor.len(), 0.0);
                continue;
            }
            let gain = if tensor.name.starts_with("output.") { 1.0 } else { 6.0 };
            let bound = (gain / fan_in as f32).sqrt();
            let mut stream = seed.derive("initial parameters", &[i as u64]).stream();
            parameters.extend((0..tensor.len()).map(|_| (2.0 * stream.uniform_f32() - 1.0) * bound));
        }
        parameters
    }

    fn loss_gradient(
        &self,
        parameters: &[f32],
        data: &dyn Data,
        indices: &[usize],
        gradient: &mut [f32],
    ) -> Result<f64, TrainError> {
        check_arguments(self.dimension, self.width, parameters, data, indices)?;
        if gradient.len() != self.dimension {
            return Err(TrainError::Gradient {
                expected: self.dimension,
                got: gradient.len(),
            });
        }
        gradient.fill(0.0);
        let leaves = self.leaves(parameters);
        let mut loss = 0.0;
        for chunk in indices.chunks(CHUNK) {
            loss += self.add_gradient(&leaves, self.gather(data, chunk)?, gradient)?;
        }
        let count = indices.len() as f64;
        gradient.iter_mut().for_each(|g| *g = (f64::from(*g) / count) as f32);
        finite(gradient)?;
        if loss.is_finite() {
            Ok(loss / count)
        } else {
            Err(TrainError::Diverged { what: "the loss" })
        }
    }

    fn example_gradients(
        &self,
        parameters: &[f32],
        data: &dyn Data,
        indices: &[usize],
        each: &mut dyn FnMut(usize, &[f32]) -> ControlFlow<()>,
    ) -> Result<(), TrainError> {
        check_arguments(self.dimension, self.width, parameters, data, indices)?;
        let dense = self
            .layers
            .iter()
            .all(|layer| matches!(layer, Layer::Dense { .. } | Layer::Relu));
        if dense {
            self.by_outer_products(parameters, data, indices, each)
        } else {
            self.one_by_one(parameters, data, indices, each)
        }
    }

    fn evaluate(&self, parameters: &[f32], data: &dyn Data) -> Result<Evaluation, TrainError> {
        let indices: Vec<usize> = (0..data.len()).collect();
        check_arguments(self.dimension, self.width, parameters, data, &indices)?;
        let mut tally = head::Tally::default();
        for chunk in indices.chunks(CHUNK) {
            let batch = self.gather(data, chunk)?;
            let outputs = self.outputs(parameters, &batch)?;
            self.head.tally(&outputs, &batch.targets, &mut tally);
        }
        self.head.evaluation(&tally)
    }
}

fn finite(gradient: &[f32]) -> Result<(), TrainError> {
    if gradient.iter().all(|value| value.is_finite()) {
        return Ok(());
    }
    Err(TrainError::Diverged { what: "the gradient" })
}

#[cfg(test)]
mod tests;
