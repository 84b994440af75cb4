//! OpenDP's discrete Gaussian, with entropy from the operating system.
//!
//! The measurement is OpenDP's `make_gaussian` over vectors of 64-bit integers under the L2 distance, which is zero-concentrated; its own
//! privacy map is asked for the loss at our sensitivity, and a map that says more than our accounting is refused. OpenDP saturates at
//! 64 bits, where the plan's range check has long failed.
//!
//! The mechanism adds independent noise to every coordinate, so it is invoked on chunks in parallel: their concatenation has the same
//! distribution as one invocation on the whole vector, and the privacy map is that of the whole vector.
//!
//! Cost: measured by `cargo test --release -p xfl-privacy --lib -- --ignored --nocapture speed`.

use opendp::core::Measurement;
use opendp::domains::{AtomDomain, VectorDomain};
use opendp::measurements::make_gaussian;
use opendp::measures::ZeroConcentratedDivergence;
use opendp::metrics::L2Distance;
use rayon::prelude::*;

use super::{Noise, NoiseError, Noised, Os};
use crate::mechanism::Mechanism;
use crate::quantise::Quantised;

/// Coordinates per invocation: large enough to hide its cost, small enough to spread over threads.
const CHUNK: usize = 2048;

/// Noise that may leave: OpenDP's, on all of rayon's threads.
#[derive(Debug, Clone, Copy, Default)]
pub struct OpenDpNoise;

impl Noise for OpenDpNoise {
    type Source = Os;

    fn noise(&mut self, quantised: Quantised) -> Result<Noised<Os>, NoiseError> {
        let Quantised { mut values, mechanism } = quantised;
        if mechanism.sigma() == 0 {
            return Noised::admit(values, mechanism);
        }
        // OpenDP's measurements can't be shared between threads: each thread makes (and checks) its own.
        values.par_chunks_mut(CHUNK).try_for_each_init(
            || measurement(&mechanism),
            |measurement, chunk| {
                let measurement = measurement.as_ref().map_err(NoiseError::clone)?;
                let input = chunk.iter().map(|&value| i64::from(value)).collect();
                let output = measurement.invoke(&input).map_err(refused)?;
                for (value, noised) in chunk.iter_mut().zip(output) {
                    *value = i32::try_from(noised).map_err(|_| NoiseError::OutsideRange)?;
                }
                Ok(())
            },
        )?;
        Noised::admit(values, mechanism)
    }
}

type Gaussian = Measurement<VectorDomain<AtomDomain<i64>>, L2Distance<f64>, ZeroConcentratedDivergence, Vec<i64>>;

/// OpenDP's measurement for a mechanism with noise, its privacy map checked against what is charged.
fn measurement(mechanism: &Mechanism) -> Result<Gaussian, NoiseError> {
    let measurement: Gaussian = make_gaussian(
        VectorDomain::new(AtomDomain::<i64>::default()),
        L2Distance::<f64>::default(),
        mechanism.sigma().into(),
        None,
    )
    .map_err(refused)?;
    // At most 2^32: exact.
    let map = measurement.map(&(mechanism.sensitivity() as f64)).map_err(refused)?;
    let rho = mechanism.rho_per_release().get();
    if map.is_nan() || map > rho {
        return Err(NoiseError::PrivacyMap { map, rho });
    }
    Ok(measurement)
}

fn refused(error: opendp::error::Error) -> NoiseError {
    NoiseError::OpenDp {
        message: format!("{:?}: {}", error.variant, error.message.unwrap_or_default()),
    }
}
