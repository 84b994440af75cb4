//! What a plan writes of a mechanism, whether it fits together, and what is wrong where it doesn't.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{MAX_DIMENSION, Mechanism, bounds, modes, rounds};
use crate::carried::lags;
use crate::exact::sqrt_up;
use crate::mode::{Mode, Noising};
use crate::neighbour::{Relation, Unit};
use crate::parameter::{ClipNorm, Grid, NoiseMultiplier, ParameterError};

/// A mechanism as written in a plan.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Whose contribution is protected.
    pub unit: Unit,
    /// Neighbouring relation of every epsilon that is printed.
    pub relation: Relation,
    /// L2 bound on one unit's contribution, in model units.
    pub clip_norm: f64,
    /// Distance between two neighbouring values of the fixed-point grid, in model units.
    pub grid_step: f64,
    /// Noise over the clip norm, of each institution (local, dp-sgd, dp-ftrl) or of the sum (distributed, central); 0 for none.
    pub noise_multiplier: f64,
    /// Examples in each institution's batch, public: fixed, and in mode dp-sgd expected. Unit `record` only.
    #[serde(default)]
    pub batch: Option<u32>,
    /// Parameters of the model.
    pub dimension: u64,
    /// Who adds the noise.
    #[serde(default)]
    pub noising: Noising,
    /// Standard deviation of the noise on the count of units within the clip norm, in units; none without a count.
    #[serde(default)]
    pub count_noise: Option<f64>,
}

impl Default for Settings {
    /// One parameter, unit institution, mode local, clip norm 1 on a grid of thousandths, no noise.
    fn default() -> Self {
        Self {
            unit: Unit::Institution,
            relation: Relation::ZeroOut,
            clip_norm: 1.0,
            grid_step: 0.001,
            noise_multiplier: 0.0,
            batch: None,
            dimension: 1,
            noising: Noising::Local,
            count_noise: None,
        }
    }
}

/// Settings that don't fit together. Every message says what to write.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum MechanismError {
    /// One number is outside its range.
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    /// No coordinates, or too many.
    #[error("dimension is {got}, expected 1 to {MAX_DIMENSION}")]
    Dimension {
        /// As written.
        got: u64,
    },
    /// Unit `record` without a batch size.
    #[error(
        "unit is record but batch is missing, expected the number of examples in every institution's batch; write for example batch = 32"
    )]
    BatchMissing,
    /// A batch of nothing.
    #[error("batch is 0, expected at least 1 example; write for example batch = 32")]
    BatchZero,
    /// Unit `institution` with a batch size.
    #[error("unit is institution but batch is {got}; remove batch, or write unit = \"record\"")]
    BatchWithoutRecords {
        /// As written.
        got: u32,
    },
    /// A mode that needs another unit.
    #[error("mode {mode} protects records, the unit is institution; write unit = \"record\"")]
    ModeNeedsRecords {
        /// The mode.
        mode: Mode,
    },
    /// Poisson sampling under replacement.
    #[error("mode dp-sgd is accounted for under zero-out, the relation is replace; write relation = \"zero-out\"")]
    ModeNeedsZeroOut,
    /// A number of a mode that is out of range.
    #[error("{name} is {got}, expected {expected}")]
    OfMode {
        /// Which.
        name: &'static str,
        /// As written.
        got: f64,
        /// What is right.
        expected: &'static str,
    },
    /// Even updates would round to nothing.
    #[error(
        "grid step {step} is too coarse: the clip norm {clip} is {clip_steps} steps, so an update spread evenly over {dimension} coordinates \
         rounds to zero; write a grid step of at most {at_most:e}"
    )]
    GridTooCoarse {
        /// Grid step as written.
        step: f64,
        /// Clip norm as written.
        clip: f64,
        /// Whole steps in the clip norm.
        clip_steps: u64,
        /// Coordinates.
        dimension: u64,
        /// A step that passes.
        at_most: f64,
    },
    /// Released integers wouldn't fit 32 bits.
    #[error(
        "grid step {step} is too fine: a released coordinate could reach {reach} steps, the limit is {limit}; write a grid step of at least \
         {at_least:e}, or a smaller batch or noise multiplier"
    )]
    GridTooFine {
        /// Grid step as written.
        step: f64,
        /// Largest magnitude an honest release may have; saturated at `u64::MAX`.
        reach: u64,
        /// Largest magnitude that is sent.
        limit: u64,
        /// A step that passes.
        at_least: f64,
    },
}

impl TryFrom<Settings> for Mechanism {
    type Error = MechanismError;

    fn try_from(settings: Settings) -> Result<Self, MechanismError> {
        let clip = ClipNorm::new(settings.clip_norm)?;
        let grid = Grid::new(settings.grid_step)?;
        let noise_multiplier = NoiseMultiplier::new(settings.noise_multiplier)?;
        let dimension = settings.dimension;
        if dimension == 0 || dimension > MAX_DIMENSION {
            return Err(MechanismError::Dimension { got: dimension });
        }
        let batch = match (settings.unit, settings.batch) {
            (Unit::Record, None) => return Err(MechanismError::BatchMissing),
            (Unit::Record, Some(0)) => return Err(MechanismError::BatchZero),
            (Unit::Record, Some(batch)) => batch,
            (Unit::Institution, None) => 1,
            (Unit::Institution, Some(got)) => return Err(MechanismError::BatchWithoutRecords { got }),
        };

        let local_steps = modes::steps_of(&settings)?;

        // Casts saturate: whatever doesn't fit is far beyond what `too_fine` refuses.
        let clip_steps = (clip.get() / grid.step()).floor() as u64;
        if u128::from(clip_steps).pow(2) < u128::from(dimension) {
            return Err(MechanismError::GridTooCoarse {
                step: grid.step(),
                clip: clip.get(),
                clip_steps,
                dimension,
                at_most: clip.get() / (dimension as f64).sqrt().ceil(),
            });
        }
        let promised = (noise_multiplier.get() * clip_steps as f64).ceil() as u64;
        let sigma = match settings.noising {
            Noising::Local | Noising::DpSgd { .. } | Noising::DpFtrl { .. } => promised,
            Noising::Distributed { honest } => {
                let share = sqrt_up(u128::from(promised).pow(2).div_ceil(u128::from(honest)));
                u64::try_from(share).unwrap_or(u64::MAX)
            }
            Noising::Central => 0,
        };
        let count_steps = match settings.count_noise {
            None => 0,
            // At least one step; at most the clip norm, which is a count of little noise.
            Some(noise) => ((promised as f64 / (2.0 * noise)).round() as u64).clamp(1, clip_steps),
        };
        let most_examples = match settings.noising {
            Noising::DpSgd { .. } => bounds::most_examples(batch),
            _ => batch,
        };
        let unit_norm = (clip_steps < 1 << 32)
            .then(|| sqrt_up(u128::from(clip_steps).pow(2) + u128::from(count_steps).pow(2)))
            .and_then(|norm| u64::try_from(norm).ok())
            .unwrap_or(u64::MAX);
        let length = dimension + u64::from(count_steps > 0);
        let carried = match settings.noising {
            Noising::DpFtrl { separation, rounds } if sigma > 0 => {
                Some(lags::spread(rounds::correlated(separation, rounds), rounds))
            }
            _ => None,
        };
        // Noise of all local steps together; or with what earlier rounds left in it.
        let released_sigma = (sigma < 1 << 32)
            .then(|| match carried {
                Some(spread) => (sigma as f64 * spread.most).ceil() as u128,
                None => sqrt_up(u128::from(sigma).pow(2) * u128::from(local_steps)),
            })
            .and_then(|sigma| u64::try_from(sigma).ok())
            .unwrap_or(u64::MAX);
        let most_units = u64::from(most_examples).saturating_mul(local_steps.into());
        // Roundings of what is taken back count like a signal.
        let roundings = carried.map_or(0, |spread| {
            spread.rounding.saturating_mul(sqrt_up(length.into()) as u64)
        });
        let norm_bound = most_units.saturating_mul(unit_norm).saturating_add(roundings);
        let max_abs = bounds::max_abs(norm_bound, released_sigma, length);
        let reach = match (settings.noising, carried) {
            // What the coordinator publishes is a mean of updates and its own noise.
            (Noising::Central, _) => bounds::max_abs(norm_bound, promised, length),
            // What is carried has to fit on its finer grid.
            (_, Some(spread)) => {
                let noise = bounds::max_abs(spread.rounding, released_sigma, length);
                max_abs.max(noise.saturating_mul(1 << lags::FINE_BITS))
            }
            _ => max_abs,
        };
        let limit = bounds::MAX_ABS;
        let fits = |n: u64| u32::try_from(n).ok().filter(|_| reach <= limit);
        let (Some(clip_steps), Some(count_steps), Some(sigma), Some(promised_sigma), Ok(max_abs)) = (
            fits(clip_steps),
            fits(count_steps),
            fits(sigma),
            fits(promised),
            i32::try_from(max_abs),
        ) else {
            let tail = bounds::tail_multiple(length) * noise_multiplier.get() * f64::from(local_steps).sqrt();
            let most = match carried {
                Some(spread) => (most_units as f64 + tail * spread.most).max(tail * spread.most * 257.0),
                None => most_units as f64 + tail,
            };
            let at_least = clip.get() * most / limit as f64 * 1.001;
            return Err(MechanismError::GridTooFine {
                step: grid.step(),
                reach,
                limit,
                at_least,
            });
        };
        Ok(Self {
            unit: settings.unit,
            relation: settings.relation,
            clip,
            grid,
            noise_multiplier,
            batch,
            dimension,
            noising: settings.noising,
            count_noise: settings.count_noise,
            clip_steps,
            count_steps,
            promised_sigma,
            sigma,
            most_examples,
            spread: carried.map_or(f64::from(local_steps).sqrt(), |spread| spread.release),
            max_abs,
            max_norm_squared: bounds::max_norm_squared(norm_bound, released_sigma, length),
        })
    }
}

impl From<Mechanism> for Settings {
    fn from(mechanism: Mechanism) -> Self {
        Self {
            unit: mechanism.unit,
            relation: mechanism.relation,
            clip_norm: mechanism.clip.get(),
            grid_step: mechanism.grid.step(),
            noise_multiplier: mechanism.noise_multiplier.get(),
            batch: (mechanism.unit == Unit::Record).then_some(mechanism.batch),
            dimension: mechanism.dimension,
            noising: mechanism.noising,
            count_noise: mechanism.count_noise,
        }
    }
}
