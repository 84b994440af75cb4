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
use opendp::traits::samplers::fill_bytes;
use rayon::prelude::*;

use super::{Noise, NoiseError, Noised, Os, drawn};
use crate::central::{ClearSum, NoisedSum};
use crate::exact::ratio_up;
use crate::hush::taking_turns;
use crate::parameter::{Rho, SampleRate};
use crate::quantise::Quantised;

/// Coordinates per invocation: large enough to hide its cost, small enough to spread over threads.
pub(super) const CHUNK: usize = 2048;

/// Coins per call for entropy.
const COINS: usize = 512;

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
        // What OpenDP vouches for is this noise by itself; a share's promise is that of the sum.
        let (sigma, sensitivity) = (mechanism.sigma(), mechanism.sensitivity());
        let rho = rho_alone(sigma, sensitivity);
        // OpenDP's measurements can't be shared between threads: each thread makes (and checks) its own.
        values.par_chunks_mut(CHUNK).try_for_each_init(
            || measurement(sigma, sensitivity, rho),
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

    fn noise_sum(&mut self, sum: ClearSum) -> Result<NoisedSum<Os>, NoiseError> {
        let (mut values, mechanism) = sum.into_parts();
        let (sigma, sensitivity) = (mechanism.promised_sigma(), mechanism.sensitivity());
        if sigma > 0 {
            let rho = rho_alone(sigma, sensitivity);
            values.par_chunks_mut(CHUNK).try_for_each_init(
                || measurement(sigma, sensitivity, rho),
                |measurement, chunk| {
                    let measurement = measurement.as_ref().map_err(NoiseError::clone)?;
                    let output = measurement.invoke(&chunk.to_vec()).map_err(refused)?;
                    chunk.copy_from_slice(&output);
                    Ok(())
                },
            )?;
        }
        Ok(NoisedSum::new(values))
    }

    fn draw(&mut self, records: usize, rate: SampleRate) -> Result<Vec<usize>, NoiseError> {
        let (mut coins, mut used) = ([0u8; COINS * 8], COINS);
        drawn(records, rate, || {
            if used == COINS {
                fill_bytes(&mut coins).map_err(refused)?;
                used = 0;
            }
            let mut coin = [0; 8];
            coin.copy_from_slice(&coins[used * 8..used * 8 + 8]);
            used += 1;
            Ok(u64::from_le_bytes(coin))
        })
    }
}

/// zCDP of one discrete Gaussian by itself, rounded up.
pub(super) fn rho_alone(sigma: u32, sensitivity: u64) -> Rho {
    Rho::result(ratio_up(u128::from(sensitivity).pow(2), 2 * u128::from(sigma).pow(2)))
}

pub(super) type Gaussian =
    Measurement<VectorDomain<AtomDomain<i64>>, L2Distance<f64>, ZeroConcentratedDivergence, Vec<i64>>;

/// OpenDP's measurement, its privacy map at the sensitivity checked against what is charged.
pub(super) fn measurement(sigma: u32, sensitivity: u64, rho: Rho) -> Result<Gaussian, NoiseError> {
    let make = || {
        let measurement: Gaussian = make_gaussian(
            VectorDomain::new(AtomDomain::<i64>::default()),
            L2Distance::<f64>::default(),
            sigma.into(),
            None,
        )?;
        // At most 2^32: exact.
        let map = measurement.map(&(sensitivity as f64))?;
        Ok((measurement, map))
    };
    let (measurement, map) = taking_turns(make).map_err(refused)?;
    let rho = rho.get();
    if map.is_nan() || map > rho {
        return Err(NoiseError::PrivacyMap { map, rho });
    }
    Ok(measurement)
}

pub(super) fn refused(error: opendp::error::Error) -> NoiseError {
    NoiseError::OpenDp {
        message: format!("{:?}: {}", error.variant, error.message.unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing;

    proptest! {
        /// Our rho is OpenDP's map to the last bit: it passes, and the next smaller float is refused.
        #[test]
        fn opendps_map_is_our_rho(clip_steps in 2u32..1_000_000, multiplier in 0.001f64..100.0) {
            let mechanism = testing::institution(4, clip_steps, multiplier);
            let (sigma, sensitivity, rho) = (mechanism.sigma(), mechanism.sensitivity(), mechanism.rho_per_release());
            prop_assert!(measurement(sigma, sensitivity, rho).is_ok());
            let understated = Rho::new(rho.get().next_down()).unwrap();
            let refused = measurement(sigma, sensitivity, understated).err();
            prop_assert!(matches!(refused, Some(NoiseError::PrivacyMap { .. })), "{refused:?}");
        }
    }
}
