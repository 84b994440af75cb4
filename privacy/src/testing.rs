//! Mechanisms for tests.

use crate::{Mechanism, Relation, Settings, Unit};

/// Unit institution, grid step 1, so that the clip norm in steps is the clip norm.
pub(crate) fn institution(dimension: u64, clip_steps: u32, noise_multiplier: f64) -> Mechanism {
    Mechanism::try_from(Settings {
        unit: Unit::Institution,
        relation: Relation::ZeroOut,
        clip_norm: clip_steps.into(),
        grid_step: 1.0,
        noise_multiplier,
        batch: None,
        dimension,
        ..Settings::default()
    })
    .unwrap()
}

/// Unit record under zero-out, grid step 1.
pub(crate) fn record(dimension: u64, clip_steps: u32, noise_multiplier: f64, batch: u32) -> Mechanism {
    record_under(Relation::ZeroOut, dimension, clip_steps, noise_multiplier, batch)
}

/// Unit record, grid step 1.
pub(crate) fn record_under(
    relation: Relation,
    dimension: u64,
    clip_steps: u32,
    noise_multiplier: f64,
    batch: u32,
) -> Mechanism {
    Mechanism::try_from(Settings {
        unit: Unit::Record,
        relation,
        clip_norm: clip_steps.into(),
        grid_step: 1.0,
        noise_multiplier,
        batch: Some(batch),
        dimension,
        ..Settings::default()
    })
    .unwrap()
}

/// Unit institution on any grid, noise multiplier 1.
pub(crate) fn settings(dimension: usize, clip_norm: f64, grid_step: f64) -> Mechanism {
    Mechanism::try_from(Settings {
        unit: Unit::Institution,
        relation: Relation::ZeroOut,
        clip_norm,
        grid_step,
        noise_multiplier: 1.0,
        batch: None,
        dimension: dimension as u64,
        ..Settings::default()
    })
    .unwrap()
}
