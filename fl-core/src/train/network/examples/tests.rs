//! Per-example gradients beside looping over single examples, and beside finite differences.

use proptest::prelude::*;
use xfl_privacy::{Mechanism, Noise, RecordSum, RehearsalNoise, Settings, Unit};

use super::super::tests::{BINARY, THREE, VALUE, close, noisy_start, random, tabular, zoo};
use super::super::*;
use crate::spec::Norm;
use crate::train::data::{Table, Target};

/// A model that knows only how to loop: the trait's own way of adding clipped examples, over gradients of batches of one.
struct Looping<'a>(&'a dyn Model);

impl Model for Looping<'_> {
    fn tensors(&self) -> Vec<TensorShape> {
        self.0.tensors()
    }

    fn init(&self, seed: &Seed) -> Vec<f32> {
        self.0.init(seed)
    }

    fn loss_gradient(&self, x: &[f32], data: &dyn Data, of: &[usize], gradient: &mut [f32]) -> Result<f64, TrainError> {
        self.0.loss_gradient(x, data, of, gradient)
    }

    fn example_gradients(
        &self,
        parameters: &[f32],
        data: &dyn Data,
        indices: &[usize],
        each: &mut dyn FnMut(usize, &[f32]) -> ControlFlow<()>,
    ) -> Result<(), TrainError> {
        let mut gradient = vec![0.0; self.dimension()];
        for &index in indices {
            self.0.loss_gradient(parameters, data, &[index], &mut gradient)?;
            if each(index, &gradient).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn evaluate(&self, parameters: &[f32], data: &dyn Data) -> Result<Evaluation, TrainError> {
        self.0.evaluate(parameters, data)
    }
}

fn mechanism(dimension: usize, batch: usize, step: f64) -> Mechanism {
    Mechanism::try_from(Settings {
        unit: Unit::Record,
        clip_norm: 0.5,
        grid_step: step,
        batch: Some(batch as u32),
        dimension: dimension as u64,
        ..Settings::default()
    })
    .unwrap()
}

/// The clipped, rounded sum, read through a rehearsal without noise.
fn clipped_sum(model: &dyn Model, parameters: &[f32], data: &dyn Data, indices: &[usize], step: f64) -> Vec<i32> {
    let mechanism = mechanism(model.dimension(), indices.len(), step);
    let mut sum = RecordSum::new(&mechanism).unwrap();
    model.add_clipped(parameters, data, indices, &mut sum).unwrap();
    let summed = RehearsalNoise::from_seed([1; 32]).noise(sum.finish().unwrap()).unwrap();
    summed.values().to_vec()
}

/// Largest difference between a model's own way and looping, in steps of the grid.
fn furthest(model: &dyn Model, parameters: &[f32], data: &dyn Data, indices: &[usize], step: f64) -> u32 {
    let fast = clipped_sum(model, parameters, data, indices, step);
    let slow = clipped_sum(&Looping(model), parameters, data, indices, step);
    fast.iter().zip(&slow).map(|(a, b)| a.abs_diff(*b)).max().unwrap()
}

#[test]
fn clipped_sums_are_those_of_looping() {
    let seed = Seed::from_number(5);
    for (spec, schema) in zoo() {
        let model = spec.build(&schema, Device::Cpu).unwrap();
        let data = random(&schema, 70, &seed);
        let parameters = noisy_start(model.as_ref(), &seed);
        let indices: Vec<usize> = (0..70).rev().collect();
        // A random network may have gradients of zero; these have not.
        let sum = clipped_sum(model.as_ref(), &parameters, &data, &indices, 1e-4);
        assert!(sum.iter().any(|&value| value != 0), "{spec:?}");
        // One step for each example's rounding, and few of them at once.
        let furthest = furthest(model.as_ref(), &parameters, &data, &indices, 1e-4);
        assert!(furthest <= 7, "{spec:?}: {furthest}");
    }
}

/// A batch of several slices, each pass on any thread: the same integers, and those of looping.
#[test]
fn slices_and_threads_change_no_bit() {
    let seed = Seed::from_number(6);
    let schema = tabular(120, THREE);
    let spec = ModelSpec::Mlp {
        hidden: vec![80],
        norm: Some(Norm::Layer),
        embedding: None,
    };
    let model = spec.build(&schema, Device::Cpu).unwrap();
    assert!(model.dimension() > super::SMALL);
    let data = random(&schema, 300, &seed);
    let parameters = noisy_start(model.as_ref(), &seed);
    let indices: Vec<usize> = (0..300).collect();
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| clipped_sum(model.as_ref(), &parameters, &data, &indices, 1e-3))
    };
    let one = on(1);
    assert_eq!(one, on(2));
    assert_eq!(one, on(3));
    assert!(furthest(model.as_ref(), &parameters, &data, &indices, 1e-3) <= 20);
}

/// Tokens, numbers, images; any widths, normalised in any way.
fn networks() -> impl Strategy<Value = (ModelSpec, Schema)> {
    let norm = |widths: Vec<usize>| {
        let groups = (2..=4)
            .filter(move |g| widths.iter().all(|w| w % g == 0 && w > g))
            .map(|g| Some(Norm::Group(g)));
        let layer = Some(Norm::Layer);
        let choices: Vec<Option<Norm>> = [None, layer].into_iter().chain(groups).collect();
        prop::sample::select(choices)
    };
    let heads = || prop::sample::select(vec![BINARY, THREE, VALUE]);
    let perceptron =
        (1usize..5, prop::collection::vec(2usize..9, 1..4), heads()).prop_flat_map(move |(features, hidden, head)| {
            norm(hidden.clone()).prop_map(move |norm| {
                let hidden = hidden.clone();
                (
                    ModelSpec::Mlp {
                        hidden,
                        norm,
                        embedding: None,
                    },
                    tabular(features, head),
                )
            })
        });
    let tokens = (1usize..4, 1usize..6, 1usize..9, 2usize..7, heads()).prop_map(|(width, count, tokens, hidden, head)| {
        let columns = format!(
            "[{{ prefix = \"t\", count = {count}, tokens = {tokens} }}, {{ name = \"x\" }}, {{ name = \"u\", tokens = 2 }}]"
        );
        let schema = toml::from_str(&format!("label = \"y\"\ncolumns = {columns}\n{head}")).unwrap();
        let hidden = vec![hidden];
        (ModelSpec::Mlp { hidden, norm: Some(Norm::Layer), embedding: Some(width) }, schema)
    });
    let images = (
        1usize..3,
        2usize..7,
        2usize..7,
        prop::collection::vec(1usize..5, 1..3),
        heads(),
    )
        .prop_flat_map(move |(depth, height, width, channels, head)| {
            let most = height.min(width).ilog2() as usize;
            let channels = channels[..channels.len().min(most)].to_vec();
            let image = format!("image = {{ height = {height}, width = {width}, channels = {depth} }}");
            let schema = tabular(depth * height * width, &format!("{head}\n{image}"));
            norm(channels.clone()).prop_map(move |norm| {
                let channels = channels.clone();
                (
                    ModelSpec::Cnn {
                        channels,
                        hidden: vec![],
                        norm,
                    },
                    schema.clone(),
                )
            })
        });
    prop_oneof![perceptron, tokens, images]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn formulas_are_looping((spec, schema) in networks(), number: u64) {
        let seed = Seed::from_number(number);
        let model = spec.build(&schema, Device::Cpu).unwrap();
        let data = random(&schema, 5, &seed);
        let parameters = noisy_start(model.as_ref(), &seed);
        let mut alone = vec![0.0; model.dimension()];
        let mut worst = 0.0f64;
        model.example_gradients(&parameters, &data, &[4, 2, 2, 0], &mut |index, gradient| {
            model.loss_gradient(&parameters, &data, &[index], &mut alone).unwrap();
            let largest = alone.iter().fold(1e-3f32, |most, g| most.max(g.abs()));
            for (g, a) in gradient.iter().zip(&alone) {
                worst = worst.max(f64::from((g - a).abs() / largest));
            }
            ControlFlow::Continue(())
        }).unwrap();
        // A share of the gradient's largest coordinate: sums over a channel's pixels cancel.
        prop_assert!(worst < 2e-4, "{worst}");
        let furthest = furthest(model.as_ref(), &parameters, &data, &[4, 2, 2, 0], 1e-3);
        // One step for each example's rounding.
        prop_assert!(furthest <= 4, "{furthest}");
    }
}

/// Every coordinate of the new layers' gradients beside the loss's central difference. Layers are wide enough apart from kinks
/// for that: the seed is one where no unit changes sign.
#[test]
fn norms_and_embeddings_have_the_slopes_of_their_losses() {
    let seed = Seed::from_number(9);
    let mut checked = 0;
    for (spec, schema) in zoo() {
        let model = spec.build(&schema, Device::Cpu).unwrap();
        let data = random(&schema, 1, &seed);
        let parameters = noisy_start(model.as_ref(), &seed);
        let mut gradient = vec![0.0; model.dimension()];
        model
            .example_gradients(&parameters, &data, &[0], &mut |_, own| {
                gradient.copy_from_slice(own);
                ControlFlow::Continue(())
            })
            .unwrap();
        let mut at = 0;
        for tensor in model.tensors() {
            let own = at..at + tensor.len();
            at = own.end;
            if !(tensor.name.starts_with("norm.") || tensor.name.starts_with("embedding.")) {
                continue;
            }
            for i in own {
                let loss = |moved: f32| {
                    let mut parameters = parameters.clone();
                    parameters[i] += moved;
                    model.evaluate(&parameters, &data).unwrap().loss
                };
                let slopes = [2e-3f32, 1e-3].map(|h| (loss(h) - loss(-h)) / (2.0 * f64::from(h)));
                // Where the two differ a ReLU or a maximum changes over in between.
                if !close(slopes[0], slopes[1], 5e-3) {
                    continue;
                }
                let own = f64::from(gradient[i]);
                assert!(
                    close(slopes[1], own, 1e-2),
                    "{spec:?} {} {i}: {own} and {}",
                    tensor.name,
                    slopes[1]
                );
                checked += 1;
            }
        }
    }
    assert!(checked > 100, "{checked}");
}

#[test]
fn normalised_rows_have_mean_0_and_variance_1() {
    type Plain = burn::backend::Flex;
    let rows = matrix_of::<Plain>(vec![1.0, 2.0, 3.0, 6.0, -5.0, 5.0, 100.0, 300.0], 2);
    let standard = super::numbers(super::standardise(rows, 2)).unwrap();
    let expected = [-1.0, 1.0, -1.0, 1.0, -1.0, 1.0, -1.0, 1.0];
    assert!(
        standard
            .iter()
            .zip(&expected)
            .all(|(a, b): (&f32, &f32)| (a - b).abs() < 1e-4),
        "{standard:?}"
    );
}

fn matrix_of<B: burn::tensor::backend::Backend>(values: Vec<f32>, rows: usize) -> burn::tensor::Tensor<B, 2> {
    super::matrix(values, rows, &Default::default())
}

#[test]
fn features_that_are_no_tokens_are_refused() {
    let schema: Schema = toml::from_str(&format!(
        "label = \"y\"\n{BINARY}\ncolumns = [{{ name = \"x\" }}, {{ name = \"t\", tokens = 3 }}]"
    ))
    .unwrap();
    let spec: ModelSpec = toml::from_str("kind = \"mlp\"\nhidden = [2]\nembedding = 2").unwrap();
    let model = spec.build(&schema, Device::Cpu).unwrap();
    let start = model.init(&Seed::from_number(1));
    for got in [3.0, -1.0, 0.5, 1e9] {
        let data = Table::new(2, vec![0.0, 2.0, 0.0, got], vec![Target::Class(0); 2]).unwrap();
        let error = model.evaluate(&start, &data).unwrap_err();
        let (index, feature, vocabulary) = (1, 1, 3);
        assert_eq!(
            error,
            TrainError::Token {
                index,
                feature,
                got,
                vocabulary
            }
        );
    }
}

#[test]
fn a_sum_that_is_full_is_an_error_of_the_sum() {
    let schema = tabular(2, BINARY);
    let model = ModelSpec::Logistic.build(&schema, Device::Cpu).unwrap();
    let data = random(&schema, 3, &Seed::from_number(0));
    let mut sum = RecordSum::new(&mechanism(3, 1, 1e-3)).unwrap();
    let error = model.add_clipped(&[0.0; 3], &data, &[0, 1], &mut sum).unwrap_err();
    assert!(matches!(error, AddError::Record(_)));
    let error = model.add_clipped(&[0.0; 2], &data, &[0], &mut sum).unwrap_err();
    assert_eq!(error, AddError::Train(TrainError::Parameters { expected: 3, got: 2 }));
}
