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

use crate::accounting::{Loss, Sampled};
use crate::carried::lags;
use crate::exact::{ratio_up, scaled_ratio_up, sqrt_up};
use crate::mode::{Mode, Noising, rho_of_shares};
use crate::neighbour::{Relation, Unit};
use crate::parameter::{ClipNorm, Grid, NoiseMultiplier, ParameterError, Rho};

mod bounds;
mod modes;
mod rounds;
mod settings;

pub use bounds::{HONEST_FAILURE_BITS, MAX_CONTRIBUTORS};
pub use settings::{MechanismError, Settings};

/// Largest number of coordinates of an update.
pub const MAX_DIMENSION: u64 = 1 << 31;

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
