//! What a plan says about protecting an update, and everything that follows from it.
//!
//! A [`Mechanism`] is the integer Gaussian mechanism of one institution in one round: contributions are clipped, rounded towards
//! zero onto a grid, summed in integers, and discrete Gaussians are added to every one of the `d` coordinates, by whom the [`Mode`] says. It
//! is written as [`Settings`] (that is also how it serialises) and exists only if they make sense together.
//!
//! | derived | formula | unit |
//! |---|---|---|
//! | `clip_steps` | `floor(clip_norm / grid_step)` | grid steps |
//! | `count_steps` | half of what a unit within the norm adds to the count; 0 without one | grid steps |
//! | `promised_sigma` | `ceil(noise_multiplier * clip_steps)` | grid steps |
//! | `sigma` | what the institution adds: the promised one (local, dp-sgd, dp-ftrl: what it draws anew), `ceil(promised / sqrt(honest))` (distributed), 0 (central) | grid steps |
//! | `sensitivity` | `sqrt(clip_steps^2 + count_steps^2)`, rounded up, times 1 (zero-out) or 2 (replace) | grid steps, L2 |
//! | `rho_per_release` | `sensitivity^2 / (2 promised^2)`, rounded up; distributed: of the sum of shares; dp-sgd: times the local steps; dp-ftrl: of a block of rounds ([`crate::Carried`], Theorem 2) | zCDP |
//! | `norm_bound` | of a full batch, at every local step, each unit at its bound | grid steps, L2 |
//!
//! **Guarantees.** Every derived number is computed in integers (sigma and the clip from one IEEE division and product each), so all
//! machines agree on it. The clip norm that is enforced is `clip_steps * grid_step`, never more than was written; sigma is never
//! less. Rho is exact for these integers (Canonne, Kamath and Steinke 2020, Theorem 4: adding `N_Z(0, sigma^2)` to a function of
//! L2 sensitivity `s` is `s^2 / (2 sigma^2)`-zCDP).
//!
//! **Counting for adaptive clipping.** With `count_noise`, every unit's contribution has one coordinate more, `+count_steps` if its norm was
//! within the clip norm and `-count_steps` if not, noised like the others: half a count is worth `count_steps`, so that the noise of the sum is
//! `count_noise` units (Andrew, Thakkar, McMahan and Ramaswamy 2021, whose Theorem 1 splits a budget the same way). Its cost is in the sensitivity.
//!
//! **Amplification by sampling** is claimed in mode dp-sgd alone, where an institution's own coins draw the records. Elsewhere a record is
//! charged for every round, whether or not its batch was drawn; but in mode dp-ftrl for every block of rounds in which it can be used once.
//!
//! # Example
//! ```
//! use xfl_privacy::{Mechanism, Settings, Unit};
//!
//! let mechanism = Mechanism::try_from(Settings {
//!     unit: Unit::Record,
//!     clip_norm: 1.0,
//!     grid_step: 0.001,
//!     noise_multiplier: 2.0,
//!     batch: Some(64),
//!     dimension: 62,
//!     ..Settings::default()
//! })?;
//! assert_eq!(mechanism.sigma(), 2000);
//! assert_eq!(mechanism.rho_per_release().get(), 0.125);
//! # Ok::<(), xfl_privacy::MechanismError>(())
//! ```
//!
//! # References
//! - G. Andrew, O. Thakkar, B. McMahan, S. Ramaswamy: *Differentially Private Learning with Adaptive Clipping*, NeurIPS 2021.
//! - C. Canonne, G. Kamath, T. Steinke: *The Discrete Gaussian for Differential Privacy*, NeurIPS 2020.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::accounting::{Loss, Sampled};
use crate::carried::lags;
use crate::exact::{ratio_up, scaled_ratio_up, sqrt_up};
use crate::mode::{Mode, Noising, rho_of_shares};
use crate::neighbour::{Relation, Unit};
use crate::parameter::{ClipNorm, Grid, NoiseMultiplier, ParameterError, Rho};

mod bounds;
mod modes;
mod rounds;

pub use bounds::{HONEST_FAILURE_BITS, MAX_CONTRIBUTORS};

/// Largest number of coordinates of an update.
pub const MAX_DIMENSION: u64 = 1 << 31;

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

/// What stands between an update and whom the mode protects against.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Protection {
    /// Nothing: clipped and quantised only. Epsilon is infinite.
    None,
    /// Discrete Gaussians on every coordinate.
    Noise {
        /// What one release costs.
        loss: Loss,
    },
}

/// Most local steps of a release.
pub const MAX_LOCAL_STEPS: u32 = 100_000;

/// A checked mechanism. See the module's documentation for the formulas.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Settings", into = "Settings")]
pub struct Mechanism {
    unit: Unit,
    relation: Relation,
    clip: ClipNorm,
    grid: Grid,
    noise_multiplier: NoiseMultiplier,
    batch: u32,
    dimension: u64,
    noising: Noising,
    count_noise: Option<f64>,
    clip_steps: u32,
    count_steps: u32,
    promised_sigma: u32,
    sigma: u32,
    most_examples: u32,
    spread: f64,
    max_abs: i32,
    max_norm_squared: u128,
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

impl Mechanism {
    /// Whose contribution is protected.
    #[must_use]
    pub fn unit(&self) -> Unit {
        self.unit
    }

    /// The neighbouring relation under which rho and epsilon are stated.
    #[must_use]
    pub fn relation(&self) -> Relation {
        self.relation
    }

    /// The clip norm as written, in model units.
    #[must_use]
    pub fn clip(&self) -> ClipNorm {
        self.clip
    }

    /// The fixed-point grid.
    #[must_use]
    pub fn grid(&self) -> Grid {
        self.grid
    }

    /// The noise multiplier as written.
    #[must_use]
    pub fn noise_multiplier(&self) -> NoiseMultiplier {
        self.noise_multiplier
    }

    /// Who adds the noise.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.noising.mode()
    }

    /// The mode with what it needs.
    #[must_use]
    pub fn noising(&self) -> Noising {
        self.noising
    }

    /// The same integers on a grid `factor` times as coarse, the clip norm with it: what adaptive clipping changes. Every loss stays.
    ///
    /// # Errors
    /// The clip norm or the grid step leaves the positive finite numbers.
    pub fn scaled(&self, factor: f64) -> Result<Self, ParameterError> {
        Ok(Self {
            clip: ClipNorm::new(self.clip.get() * factor)?,
            grid: Grid::new(self.grid.step() * factor)?,
            ..*self
        })
    }

    /// Units that the institution sums: the batch (in mode dp-sgd the expected one), or 1 for unit `institution`. A public divisor.
    #[must_use]
    pub fn batch(&self) -> u32 {
        self.batch
    }

    /// The most examples of one step: the batch; in mode dp-sgd what an honest draw passes with probability at most `2^-50`.
    #[must_use]
    pub fn most_examples(&self) -> u32 {
        self.most_examples
    }

    /// Steps of local training in one release; 1 but for mode dp-sgd.
    #[must_use]
    pub fn local_steps(&self) -> u32 {
        match self.noising {
            Noising::DpSgd { steps, .. } => steps,
            _ => 1,
        }
    }

    /// Parameters of the model.
    #[must_use]
    pub fn dimension(&self) -> u64 {
        self.dimension
    }

    /// Integers of an update: one for each parameter, and the count where there is one.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.dimension + u64::from(self.count_steps > 0)
    }

    /// L2 bound on one unit's integers (but for its count): `floor(clip / step)`, in grid steps.
    #[must_use]
    pub fn clip_steps(&self) -> u32 {
        self.clip_steps
    }

    /// What a unit within the clip norm adds to the count, and one beyond it takes away; 0 without a count. In grid steps.
    #[must_use]
    pub fn count_steps(&self) -> u32 {
        self.count_steps
    }

    /// Parameter of the discrete Gaussian that the institution adds (in mode dp-sgd at every local step), in grid steps; 0 for none.
    #[must_use]
    pub fn sigma(&self) -> u32 {
        self.sigma
    }

    /// Noise of a release, of all its local steps together, and in mode dp-ftrl with what earlier rounds left in it where none was missed: standard
    /// deviation in grid steps.
    #[must_use]
    pub fn released_sigma(&self) -> f64 {
        f64::from(self.sigma) * self.spread
    }

    /// Noise that whoever the mode protects against sees at least: `ceil(noise_multiplier * clip_steps)`, in grid steps.
    #[must_use]
    pub fn promised_sigma(&self) -> u32 {
        self.promised_sigma
    }

    /// L2 sensitivity of the integer sum under the neighbouring relation, in grid steps.
    #[must_use]
    pub fn sensitivity(&self) -> u64 {
        let (clip, count) = (u128::from(self.clip_steps), u128::from(self.count_steps));
        let factor = u128::from(self.relation.factor());
        // Both fit 32 bits.
        sqrt_up(factor * factor * (clip * clip + count * count)) as u64
    }

    /// L2 norm of the integers before noise where every unit of a full batch is at the clip norm, in grid steps: the scale of an update.
    #[must_use]
    pub fn norm_bound(&self) -> u64 {
        u64::from(self.batch) * u64::from(self.clip_steps) * u64::from(self.local_steps())
    }

    /// zCDP of one release without amplification by sampling (in mode dp-ftrl: of all that a use of a record costs, charged once for
    /// [`Mechanism::block`] rounds), rounded up; infinite without noise.
    #[must_use]
    pub fn rho_per_release(&self) -> Rho {
        let (sensitivity, sigma) = (self.sensitivity(), self.promised_sigma);
        if sigma == 0 {
            return Rho::INFINITE;
        }
        if let Noising::Distributed { honest } = self.noising {
            return rho_of_shares(sensitivity, self.sigma, honest, self.length());
        }
        if let Noising::DpFtrl { .. } = self.noising {
            let squares = lags::squares(sensitivity, self.length(), self.lags());
            return Rho::result(scaled_ratio_up(
                squares,
                u128::from(sigma).pow(2) << (2 * lags::FINE_BITS + 1),
            ));
        }
        self.rho_per_step().times(self.local_steps().into())
    }

    /// zCDP of one noised sum, rounded up; infinite without noise.
    #[must_use]
    pub(crate) fn rho_per_step(&self) -> Rho {
        match self.promised_sigma {
            0 => Rho::INFINITE,
            sigma => Rho::result(ratio_up(
                u128::from(self.sensitivity()).pow(2),
                2 * u128::from(sigma).pow(2),
            )),
        }
    }

    /// What one release costs; in mode dp-ftrl what is charged for all rounds of a block ([`Mechanism::charge_of`]).
    #[must_use]
    pub fn loss(&self) -> Loss {
        let rho = self.rho_per_release();
        let Noising::DpSgd { rate, steps } = self.noising else {
            return Loss::unsampled(rho);
        };
        // One grid step less than is drawn: see the documentation of `Loss`.
        let noise = (f64::from(self.sigma.saturating_sub(1)) / self.sensitivity() as f64).next_down();
        match NoiseMultiplier::new(noise.max(0.0)) {
            Ok(noise) if noise > NoiseMultiplier::ZERO => {
                let steps = steps.into();
                Loss::sampled(rho, Sampled { noise, rate, steps })
            }
            _ => Loss::unsampled(rho),
        }
    }

    /// What stands between an update and whom the mode protects against.
    #[must_use]
    pub fn protection(&self) -> Protection {
        match self.promised_sigma {
            0 => Protection::None,
            _ => Protection::Noise { loss: self.loss() },
        }
    }
}

#[cfg(test)]
mod tests;
