//! Noise drawn while the update is still being made.
//!
//! What leaves is update plus noise, and the noise doesn't depend on the update: OpenDP's release of zeros is the noise alone, and
//! added to the integers afterwards it has the distribution of OpenDP's release of the integers, which adds to them too (both saturate at 64
//! bits only, where the range check has long failed). So [`AheadNoise`] draws while training runs, on threads of its own that the
//! operating system shares out: the thread pool of the arithmetic would finish the noise first. Where training leaves cores idle (on
//! an accelerator, or on one thread), the noise costs no time of its own.
//!
//! Drawn noise is a secret until it was added: it is wiped afterwards, and where it is dropped unused. It never serves twice. The
//! price is 4 bytes for each coordinate.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use zeroize::Zeroizing;

use super::opendp::{CHUNK, OpenDpNoise, measurement, refused, rho_alone};
use super::{Noise, NoiseError, Noised, Os};
use crate::central::{ClearSum, NoisedSum};
use crate::mechanism::Mechanism;
use crate::parameter::SampleRate;
use crate::quantise::Quantised;

type Drawn = Result<Zeroizing<Vec<i32>>, NoiseError>;

/// OpenDP's noise for the releases of one mechanism, the next one always under way. Anything else that it is asked for is drawn when asked.
pub struct AheadNoise {
    mechanism: Mechanism,
    /// Releases, or steps of one, that were not begun.
    left: u32,
    drawing: Option<JoinHandle<Drawn>>,
    stop: Arc<AtomicBool>,
}

impl AheadNoise {
    /// Begins to draw for one release of `mechanism`: for each of its local steps in mode dp-sgd, one after the other.
    #[must_use]
    pub fn start(mechanism: &Mechanism) -> Self {
        let mut noise = Self {
            mechanism: *mechanism,
            left: match mechanism.sigma() {
                0 => 0,
                _ => mechanism.local_steps().max(1),
            },
            drawing: None,
            stop: Arc::default(),
        };
        noise.begin();
        noise
    }

    fn begin(&mut self) {
        let (mechanism, stop) = (self.mechanism, Arc::clone(&self.stop));
        self.drawing = self.left.checked_sub(1).map(|left| {
            self.left = left;
            thread::spawn(move || draw(&mechanism, &stop))
        });
    }
}

impl Noise for AheadNoise {
    type Source = Os;

    fn noise(&mut self, quantised: Quantised) -> Result<Noised<Os>, NoiseError> {
        let drawing = match quantised.mechanism == self.mechanism {
            true => self.drawing.take(),
            false => None,
        };
        let Some(drawing) = drawing else {
            return OpenDpNoise.noise(quantised);
        };
        let drawn = drawing.join().map_err(|_| NoiseError::OpenDp {
            message: "the sampler failed".into(),
        })??;
        self.begin();
        let Quantised { mut values, mechanism } = quantised;
        if drawn.len() != values.len() {
            return Err(NoiseError::OutsideRange);
        }
        for (value, noise) in values.iter_mut().zip(drawn.iter()) {
            *value = value.checked_add(*noise).ok_or(NoiseError::OutsideRange)?;
        }
        Noised::admit(values, mechanism)
    }

    fn noise_sum(&mut self, sum: ClearSum) -> Result<NoisedSum<Os>, NoiseError> {
        OpenDpNoise.noise_sum(sum)
    }

    fn draw(&mut self, records: usize, rate: SampleRate) -> Result<Vec<usize>, NoiseError> {
        OpenDpNoise.draw(records, rate)
    }
}

impl Drop for AheadNoise {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl fmt::Debug for AheadNoise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AheadNoise")
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}

/// The noise of one release, on all cores.
fn draw(mechanism: &Mechanism, stop: &AtomicBool) -> Drawn {
    let (sigma, sensitivity) = (mechanism.sigma(), mechanism.sensitivity());
    let rho = rho_alone(sigma, sensitivity);
    // The length is at most 2^31 + 1.
    let mut noise = Zeroizing::new(vec![0i32; mechanism.length() as usize]);
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let part = noise.len().div_ceil(threads).max(CHUNK);
    thread::scope(|scope| {
        let parts: Vec<_> = noise
            .chunks_mut(part)
            .map(|part| {
                scope.spawn(move || {
                    let measurement = measurement(sigma, sensitivity, rho)?;
                    for chunk in part.chunks_mut(CHUNK) {
                        if stop.load(Ordering::Relaxed) {
                            break;
                        }
                        let output = Zeroizing::new(measurement.invoke(&vec![0; chunk.len()]).map_err(refused)?);
                        for (value, drawn) in chunk.iter_mut().zip(output.iter()) {
                            *value = i32::try_from(*drawn).map_err(|_| NoiseError::OutsideRange)?;
                        }
                    }
                    Ok(())
                })
            })
            .collect();
        parts.into_iter().try_for_each(|part| {
            part.join().unwrap_or(Err(NoiseError::OpenDp {
                message: "the sampler failed".into(),
            }))
        })
    })?;
    Ok(noise)
}
