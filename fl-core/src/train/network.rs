//! The built-in models, on burn: layers in a row, with one loss at the end.
//!
//! Gradients of a batch come from burn's automatic differentiation, per-example gradients from one pass for many examples and each
//! layer's own formula (the private module `examples` has the table). Where they are clipped and summed
//! ([`Model::add_clipped`]), those of dense layers and embeddings are never written out.
//!
//! Losses: binary cross-entropy of the log-odds, softmax cross-entropy, half the squared error; each per example, in
//! forms that don't overflow. Evaluation sums in `f64`, in the data's order.
//!
//! Initialisation: a model that is one dense layer starts at zero (its loss is convex). Others draw weights uniformly from
//! `+-sqrt(6 / fan_in)` before a ReLU (He et al. 2015) and `+-sqrt(1 / fan_in)` for the output layer; biases are zero. Tokens'
//! vectors are uniform with variance 1, as standardised features; norms begin with scale 1 and shift 0.
//!
//! What it does not do: dropout, and batch normalisation: an example's gradient would depend on the others', so that clipping it would
//! bound nobody's influence.

use std::marker::PhantomData;
use std::ops::{ControlFlow, Range};

use burn::tensor::backend::AutodiffBackend;
use xfl_privacy::RecordSum;

use super::data::Data;
use super::device::Device;
use super::model::{AddError, Evaluation, Model, TensorShape, TrainError, check_arguments};
use crate::schema::Schema;
use crate::seed::Seed;
use crate::spec::{Layer, ModelError, ModelSpec, Piece};

mod examples;
mod forward;
mod gradients;
mod head;
mod patches;
mod shares;

use forward::Place;
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
                Ok(Box::new(Network::<Cpu>::new(
                    self,
                    schema,
                    Default::default(),
                    Place::Host,
                )?))
            }
            #[cfg(feature = "cuda")]
            Device::Cuda(index) => {
                type Gpu = burn::backend::Autodiff<burn::backend::Cuda>;
                let device = burn::backend::cuda::CudaDevice::new(index);
                Ok(Box::new(Network::<Gpu>::new(self, schema, device, Place::Device)?))
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
    /// Which features are tokens, and of what vocabulary.
    tokens: Vec<(Range<usize>, usize)>,
    head: Head,
    device: B::Device,
    place: Place,
    backend: PhantomData<fn() -> B>,
}

/// Some examples, gathered: features and encoded targets, row-major.
struct Batch {
    rows: usize,
    features: Vec<f32>,
    targets: Vec<f32>,
}

impl<B: AutodiffBackend> Network<B> {
    fn new(spec: &ModelSpec, schema: &Schema, device: B::Device, place: Place) -> Result<Self, ModelError> {
        let tensors = spec.tensors(schema)?;
        let layers = spec.layers(schema)?;
        Ok(Self {
            tokens: layers.iter().flat_map(tokens).collect(),
            layers,
            dimension: tensors.iter().map(TensorShape::len).sum(),
            tensors,
            width: schema.features(),
            head: Head::of(schema),
            device,
            place,
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
            for (range, vocabulary) in &self.tokens {
                let is_token = |value: f32| value >= 0.0 && value < *vocabulary as f32 && value.fract() == 0.0;
                if let Some(feature) = range.clone().find(|&feature| !is_token(row[feature])) {
                    return Err(TrainError::Token {
                        index,
                        feature,
                        got: row[feature],
                        vocabulary: *vocabulary,
                    });
                }
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
            let named = |what: &str| tensor.name.starts_with(what);
            let weight = tensor.name.ends_with(".weight");
            if convex || !weight || named("norm.") {
                let value = if weight && !convex { 1.0 } else { 0.0 };
                parameters.resize(parameters.len() + tensor.len(), value);
                continue;
            }
            // Weights have two axes or more, the first of which counts outputs.
            let fan_in: usize = tensor.shape[1..].iter().product();
            let bound = match tensor.name.as_str() {
                _ if named("embedding.") => 3f32.sqrt(),
                _ if named("output.") => (1.0 / fan_in as f32).sqrt(),
                _ => (6.0 / fan_in as f32).sqrt(),
            };
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
        self.each_gradient(parameters, data, indices, each)
    }

    fn add_clipped(
        &self,
        parameters: &[f32],
        data: &dyn Data,
        indices: &[usize],
        sum: &mut RecordSum,
    ) -> Result<(), AddError> {
        check_arguments(self.dimension, self.width, parameters, data, indices)?;
        self.add_downhill(parameters, data, indices, sum)
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

/// The tokens that a layer looks up, where it is an embedding.
fn tokens(layer: &Layer) -> Vec<(Range<usize>, usize)> {
    let Layer::Embedding { pieces, .. } = layer else {
        return Vec::new();
    };
    let mut first = 0;
    let mut found = Vec::new();
    for piece in pieces {
        let range = first..first + piece.inputs();
        first = range.end;
        if let Piece::Tokens { vocabulary, .. } = piece {
            found.push((range, *vocabulary));
        }
    }
    found
}

fn finite(gradient: &[f32]) -> Result<(), TrainError> {
    if gradient.iter().all(|value| value.is_finite()) {
        return Ok(());
    }
    Err(TrainError::Diverged { what: "the gradient" })
}

#[cfg(test)]
mod tests;
