//! Seeded noise, for simulations and tests.

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use super::gaussian::discrete_gaussian;
use super::{Noise, NoiseError, Noised, Rehearsal, alone, drawn};
use crate::carried::{FineSum, NoisedFineSum, lags::FINE_BITS};
use crate::central::{ClearSum, NoisedSum};
use crate::parameter::SampleRate;
use crate::quantise::Quantised;

/// The discrete Gaussian from a seed: the same integers on every machine. Protects nobody, and its type says so.
#[derive(Clone)]
pub struct RehearsalNoise {
    rng: ChaCha20Rng,
}

impl RehearsalNoise {
    /// A generator of its own for each seed. Give every client and round another one.
    #[must_use]
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self {
            rng: ChaCha20Rng::from_seed(seed),
        }
    }
}

impl std::fmt::Debug for RehearsalNoise {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RehearsalNoise")
    }
}

impl Noise for RehearsalNoise {
    type Source = Rehearsal;

    fn noise(&mut self, quantised: Quantised) -> Result<Noised<Rehearsal>, NoiseError> {
        let Quantised { mut values, mechanism } = quantised;
        alone(&mechanism)?;
        if mechanism.sigma() > 0 {
            for value in &mut values {
                let noised = i64::from(*value) + discrete_gaussian(mechanism.sigma(), &mut self.rng);
                *value = i32::try_from(noised).map_err(|_| NoiseError::OutsideRange)?;
            }
        }
        Noised::admit(values, mechanism)
    }

    fn noise_sum(&mut self, sum: ClearSum) -> Result<NoisedSum<Rehearsal>, NoiseError> {
        let (mut values, mechanism) = sum.into_parts();
        if mechanism.promised_sigma() > 0 {
            for value in &mut values {
                *value = value.saturating_add(discrete_gaussian(mechanism.promised_sigma(), &mut self.rng));
            }
        }
        Ok(NoisedSum::new(values))
    }

    fn noise_fine(&mut self, fine: FineSum) -> Result<NoisedFineSum<Rehearsal>, NoiseError> {
        let (mut values, mechanism) = fine.into_parts();
        // Below 2^24: the mechanism was checked for it.
        let sigma = mechanism.sigma() << FINE_BITS;
        for value in values.iter_mut().filter(|_| sigma > 0) {
            *value = value.saturating_add(discrete_gaussian(sigma, &mut self.rng));
        }
        Ok(NoisedFineSum::new(values))
    }

    fn draw(&mut self, records: usize, rate: SampleRate) -> Result<Vec<usize>, NoiseError> {
        drawn(records, rate, || Ok(self.rng.next_u64()))
    }
}
