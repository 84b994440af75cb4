//! Differential privacy on integers, with types that carry the order of its steps.
//!
//! ```text
//! floats -> Clipped -> Quantised -> Noised<Os> -> what leaves
//!    (unit record: every example by itself, summed in a RecordSum)
//! ```
//!
//! Training is floating point; what leaves an institution is integers. A vector is clipped, rounded towards zero onto a fixed-point grid,
//! its norm is checked **in integers**, and a discrete Gaussian is added by OpenDP. So sensitivity is exact, sums are exact, and
//! every machine agrees on every bit.
//!
//! - [`Mechanism`]: what a plan says, checked; sigma, loss, and the bounds that an honest release satisfies.
//! - [`Mode`]: who adds the noise, and whom it protects against.
//! - [`clip`], [`Clipped`], [`Quantised`], [`RecordSum`]: the two units of privacy, institution and record; [`Steps`]: local DP-SGD;
//!   [`Block`]: gradients of many examples as layers have them.
//! - [`Noise`]: OpenDP's ([`OpenDpNoise`]) for what leaves, a seeded one ([`RehearsalNoise`]) for simulations.
//! - [`accounting`]: composition, epsilon at delta, the noise for a target.
//! - [`SignalToNoise`]: whether rules that look at single updates have anything to go by.
//! - [`mask`]: sums that hide their terms from the coordinator, by lattice encryption.
//! - [`audit`]: lower bounds on epsilon from canaries, against the claims.
//! - [`budget`]: an institution's own hash-chained ledger of what it spent.
//!
//! The crate does no IO and reads no clock; the only entropy it touches is the operating system's through OpenDP.
//!
//! # Example
//! ```
//! use xfl_privacy::{Delta, Guarantee, Mechanism, Noise, OpenDpNoise, RecordSum, Relation, Settings, Unit};
//!
//! let mechanism = Mechanism::try_from(Settings {
//!     unit: Unit::Record,
//!     relation: Relation::ZeroOut,
//!     clip_norm: 1.0,
//!     grid_step: 0.001,
//!     noise_multiplier: 2.0,
//!     batch: Some(2),
//!     dimension: 3,
//!     ..Settings::default()
//! })?;
//! let mut sum = RecordSum::new(&mechanism)?;
//! sum.add_example(&[0.3, -0.2, 0.1])?;
//! sum.add_example(&[30.0, 0.0, 0.0])?; // clipped to norm 1
//! let release: Vec<i32> = OpenDpNoise.noise(sum.finish()?)?.into_release();
//! assert_eq!(release.len(), 3);
//!
//! let spent = Guarantee::of(&mechanism, 10, Delta::new(1e-5)?);
//! assert_eq!(spent.to_string(), "epsilon 8.0784 at delta 1e-5 (unit record, neighbours by zero-out)");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod accounting;
pub mod audit;
pub mod budget;
mod central;
mod clip;
mod exact;
mod hush;
pub mod mask;
mod mechanism;
mod mode;
mod neighbour;
mod noise;
mod parameter;
mod quantise;
mod record;
mod snr;
mod steps;
#[cfg(test)]
mod testing;

pub use accounting::Guarantee;
pub use central::{ClearSum, NoisedSum, SumError};
pub use clip::{ClipError, Clipped, clip};
pub use mechanism::{
    HONEST_FAILURE_BITS, MAX_CONTRIBUTORS, MAX_DIMENSION, MAX_LOCAL_STEPS, Mechanism, MechanismError, Protection,
    Settings,
};
pub use mode::{Mode, Noising};
pub use neighbour::{Relation, Unit};
pub use noise::{AheadNoise, Noise, NoiseError, Noised, OpenDpNoise, Os, Rehearsal, RehearsalNoise};
pub use parameter::{ClipNorm, Delta, Epsilon, Grid, NoiseMultiplier, ParameterError, Rho, SampleRate};
pub use quantise::{QuantiseError, Quantised};
pub use record::{Block, BlockError, RecordError, RecordSum};
pub use snr::{GOOD_RATIO, LEAST_RATIO, REFUSED_RATIO, Sight, SignalFraction, SignalToNoise, Verdict};
pub use steps::{Steps, StepsError};
