//! The federation: plan, rounds, training, transcript and audit.

pub mod schema;
pub mod seed;
pub mod spec;
#[cfg(feature = "train")]
pub mod train;
