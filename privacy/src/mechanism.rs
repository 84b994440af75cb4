//! What a plan says about protecting an update, and everything that follows from it.
//!
//! A [`Mechanism`] is the integer Gaussian mechanism of one institution in one round: contributions are clipped, rounded towards
//! zero onto a grid, summed in integers, and a discrete Gaussian of parameter `sigma` (in grid steps) is added to every one of the
//! `d` coordinates. It is written as [`Settings`] (that is also how it serialises) and exists only if they make sense together.
//!
//! | derived | formula | unit |
//! |---|---|---|
//! | `clip_steps` | `floor(clip_norm / grid_step)` | grid steps |
//! | `sigma` | `ceil(noise_multiplier * clip_steps)` | grid steps |
//! | `sensitivity` | `clip_steps` (zero-out) or `2 * clip_steps` (replace) | grid steps, L2 |
//! | `rho_per_release` | `sensitivity^2 / (2 * sigma^2)`, rounded up | zCDP |
//! | `norm_bound` | `batch * clip_steps` (record), `clip_steps` (institution) | grid steps, L2 |
//!
//! **Guarantees.** Every derived number is computed in integers (the two above from one IEEE division and product each), so all
//! machines agree on it. The clip norm that is enforced is `clip_steps * grid_step`, never more than was written; sigma is never
//! less. Rho is exact for these integers (Canonne, Kamath and Steinke 2020, Theorem 4: adding `N_Z(0, sigma^2)` to a function of
//! L2 sensitivity `s` is `s^2 / (2 sigma^2)`-zCDP).
//!
//! **Not claimed.** No amplification by sampling: a record is charged for every round, whether or not its batch was drawn.
//!
//! # Example
//! ```
//! use xfl_privacy::{Mechanism, Relation, Settings, Unit};
//!
//! let mechanism = Mechanism::try_from(Settings {
//!     unit: Unit::Record,
//!     relation: Relation::ZeroOut,
//!     clip_norm: 1.0,
//!     grid_step: 0.001,
//!     noise_multiplier: 2.0,
//!     batch: Some(64),
//!     dimension: 62,
//! })?;
//! assert_eq!(mechanism.sigma(), 2000);
//! assert_eq!(mechanism.rho_per_release().get(), 0.125);
//! # Ok::<(), xfl_privacy::MechanismError>(())
//! ```
//!
//! # References
//! C. Canonne, G. Kamath, T. Steinke: *The Discrete Gaussian for Differential Privacy*, NeurIPS 2020.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::exact::ratio_up;
use crate::neighbour::{Relation, Unit};
use crate::parameter::{ClipNorm, Grid, NoiseMultiplier, ParameterError, Rho};

mod bounds;

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
    /// Noise of each institution over the clip norm; 0 for none.
    pub noise_multiplier: f64,
    /// Examples in each institution's batch, fixed and public: unit `record` only.
    #[serde(default)]
    pub batch: Option<u32>,
    /// Coordinates of an update.
    pub dimension: u64,
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

/// What is added to a quantised update before it leaves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Protection {
    /// Nothing: clipped and quantised only. Epsilon is infinite.
    None,
    /// A discrete Gaussian on every coordinate.
    Noise {
        /// Its parameter, in grid steps.
        sigma: u32,
        /// What one release costs.
        rho: Rho,
    },
}

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
    clip_steps: u32,
    sigma: u32,
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
        let sigma = (noise_multiplier.get() * clip_steps as f64).ceil() as u64;
        let reach = bounds::max_abs(u64::from(batch).saturating_mul(clip_steps), sigma, dimension);
        let limit = bounds::MAX_ABS;
        let fits = |n: u64| u32::try_from(n).ok().filter(|_| reach <= limit);
        let (Some(clip_steps), Some(sigma), Ok(max_abs)) = (fits(clip_steps), fits(sigma), i32::try_from(reach)) else {
            let tail = bounds::tail_multiple(dimension) * noise_multiplier.get();
            let at_least = clip.get() * (f64::from(batch) + tail) / limit as f64 * 1.001;
            return Err(MechanismError::GridTooFine {
                step: grid.step(),
                reach,
                limit,
                at_least,
            });
        };
        let norm_bound = u64::from(batch) * u64::from(clip_steps);
        Ok(Self {
            unit: settings.unit,
            relation: settings.relation,
            clip,
            grid,
            noise_multiplier,
            batch,
            dimension,
            clip_steps,
            sigma,
            max_abs,
            max_norm_squared: bounds::max_norm_squared(norm_bound, sigma.into(), dimension),
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

    /// Units of which the institution sums exactly that many: the batch, or 1 for unit `institution`. A public divisor.
    #[must_use]
    pub fn batch(&self) -> u32 {
        self.batch
    }

    /// Coordinates of an update.
    #[must_use]
    pub fn dimension(&self) -> u64 {
        self.dimension
    }

    /// L2 bound on one unit's integers: `floor(clip / step)`, in grid steps.
    #[must_use]
    pub fn clip_steps(&self) -> u32 {
        self.clip_steps
    }

    /// Parameter of the discrete Gaussian, in grid steps: `ceil(noise_multiplier * clip_steps)`; 0 for no noise.
    #[must_use]
    pub fn sigma(&self) -> u32 {
        self.sigma
    }

    /// L2 sensitivity of the integer sum under the neighbouring relation, in grid steps.
    #[must_use]
    pub fn sensitivity(&self) -> u64 {
        u64::from(self.relation.factor()) * u64::from(self.clip_steps)
    }

    /// L2 bound on the integers before noise: `batch * clip_steps`, in grid steps.
    #[must_use]
    pub fn norm_bound(&self) -> u64 {
        u64::from(self.batch) * u64::from(self.clip_steps)
    }

    /// What one release costs: `sensitivity^2 / (2 sigma^2)`, rounded up to the next float; infinite without noise.
    #[must_use]
    pub fn rho_per_release(&self) -> Rho {
        if self.sigma == 0 {
            return Rho::INFINITE;
        }
        let rho = ratio_up(u128::from(self.sensitivity()).pow(2), 2 * u128::from(self.sigma).pow(2));
        Rho::result(rho)
    }

    /// What is added before release, and what it costs.
    #[must_use]
    pub fn protection(&self) -> Protection {
        match self.sigma {
            0 => Protection::None,
            sigma => Protection::Noise {
                sigma,
                rho: self.rho_per_release(),
            },
        }
    }
}

#[cfg(test)]
mod tests;
