//! Training: from a file of examples and a model's parameters to a gradient or an update.
//!
//! | file | what it holds |
//! |---|---|
//! | [`data`] | the [`Data`] trait, and [`Table`]: a CSV file read by the federation's schema |
//! | [`model`] | the [`Model`] trait: parameters in, gradients and evaluations out |
//! | [`network`] | the built-in models, on burn |
//! | [`batches`] | which records a round's step uses |
//! | [`local`] | local epochs (unit: institution) and per-example gradients (unit: record) |
//! | [`contribution`] | what an institution adds to a round: trained, clipped, on the grid |
//! | [`held_out`] | data that no member has, and the referee that evaluates on them |
//! | [`checkpoint`] | models as safetensors files |
//! | [`split`] | a seeded split of one table among several institutions |
//! | [`device`] | CPU or an NVIDIA GPU, looked for before anything starts |
//!
//! Both traits are plain slices of `f32`, without burn in their signatures, so that a crate of the user's own can
//! implement either with anything.
//!
//! Guarantees: with `--device cpu` a model, its data and a seed give the same bits every time on one machine: burn's
//! CPU backend runs here on one thread and draws no randomness. Between machines the last bits may differ (the
//! processor's vector width and its mathematics library show); nothing downstream assumes otherwise, since updates
//! become integers before anybody compares them. GPUs give no such promise.

pub mod batches;
pub mod checkpoint;
pub mod contribution;
pub mod data;
pub mod device;
pub mod held_out;
pub mod local;
pub mod model;
pub mod network;
pub mod split;

pub use data::{Data, Limits, Table, Target};
pub use device::Device;
pub use held_out::HeldOut;
pub use local::{LocalOptions, LocalUpdate, train_locally};
pub use model::{AddError, Evaluation, Model, TrainError};
