//! The plan of masked rounds and the noise budget that every masked round has to fit into.
//!
//! A masked coordinate is `a*s + e + D*u` modulo q, and n of them are added. With e a rounded Gaussian of standard
//! deviation sigma = 2^13, the summed error is at most `|G| + n/2` where G is Gaussian of standard deviation
//! sigma*sqrt(n), so
//!
//! ```text
//! P(any of d coordinates has |error| > B) <= 2 d exp(-(B - n/2)^2 / (2 n sigma^2)) < 2^-40
//! ```
//!
//! fixes the bound B, computed here in integers alone (rounded against us), the same on every machine. The scale D is
//! the smallest power of two above 2B, so that rounding to a multiple of D removes the error; and `D*n*max_abs + B`
//! must stay under q/2, so that sums do not wrap.
//!
//! Thresholds: `2t > n + c` so that two different views of one round cannot both find t openers while c members answer
//! twice, and at least `max(t, c + 2)` updates are added so that at least two honest ones hide each other.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::expand;
use super::field::MODULUS;

/// Ring degree N: coefficients in one key, coordinates in one block.
pub const RING_DEGREE: usize = 2048;

/// Largest cohort of a masked round.
pub const MAX_COHORT: u16 = 1024;

/// Largest number of coordinates in a masked update (2 GiB of bodies).
pub const MAX_DIMENSION: u32 = 1 << 28;

/// log2 of the standard deviation of each client's error, in units of the integers modulo q.
pub(crate) const NOISE_LOG2: u32 = 13;

/// The failure probability, over all coordinates of one sum, is under 2 to the minus this.
pub const FAILURE_LOG2: u32 = 40;

/// 2 ln 2, in millionths, rounded up.
const TWO_LN_2_MILLIONTHS: u128 = 1_386_295;

/// What a federation asks of its masked rounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaskPlan {
    /// n: members of the cohort.
    pub cohort: u16,
    /// c: members, the coordinator's own included, that may pool what they know.
    pub colluders: u16,
    /// t: members that open a sum together.
    pub threshold: u16,
    /// d: coordinates in one update.
    pub dimension: u32,
    /// Largest magnitude of one coordinate of one update.
    pub max_abs: u32,
}

/// A plan that was checked, with the scale and the error bound that follow from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaskParams {
    plan: MaskPlan,
    noise_bound: u64,
    scale_log2: u32,
    digest: [u8; 32],
}

/// Why a plan cannot be masked.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum MaskPlanError {
    /// The cohort is too small for the colluders, or larger than the protocol carries.
    #[error("a masked round with {colluders} colluders takes {least} to {MAX_COHORT} members, got {got}")]
    Cohort {
        /// Members asked for.
        got: u16,
        /// Colluders asked for.
        colluders: u16,
        /// Fewest members that leave two honest ones in every sum.
        least: u32,
    },
    /// Two views of one round could both reach the threshold, or nobody could.
    #[error("the threshold must be {least} to {cohort} for {cohort} members and {colluders} colluders, got {got}")]
    Threshold {
        /// Threshold asked for.
        got: u16,
        /// Smallest threshold with 2t > n + c.
        least: u32,
        /// Members asked for.
        cohort: u16,
        /// Colluders asked for.
        colluders: u16,
    },
    /// The update has no coordinates, or too many.
    #[error("an update has 1 to {MAX_DIMENSION} coordinates, got {got}")]
    Dimension {
        /// Coordinates asked for.
        got: u32,
    },
    /// The sum of all updates would wrap around the modulus.
    #[error(
        "coordinates up to {got} overflow a masked sum of {cohort} updates of {dimension} coordinates: limit them to 1..={most}"
    )]
    Range {
        /// Largest magnitude asked for.
        got: u32,
        /// Largest magnitude that fits.
        most: u64,
        /// Members asked for.
        cohort: u16,
        /// Coordinates asked for.
        dimension: u32,
    },
}

impl MaskParams {
    /// Checks a plan and chooses the scale D.
    ///
    /// # Errors
    /// See [`MaskPlanError`]; each says what would fit.
    pub fn new(plan: MaskPlan) -> Result<Self, MaskPlanError> {
        let MaskPlan {
            cohort,
            colluders,
            threshold,
            dimension,
            max_abs,
        } = plan;
        let least = u32::from(colluders) + 2;
        if u32::from(cohort) < least || cohort > MAX_COHORT {
            return Err(MaskPlanError::Cohort {
                got: cohort,
                colluders,
                least,
            });
        }
        let least = (u32::from(cohort) + u32::from(colluders)) / 2 + 1;
        if u32::from(threshold) < least || threshold > cohort {
            return Err(MaskPlanError::Threshold {
                got: threshold,
                least,
                cohort,
                colluders,
            });
        }
        if dimension == 0 || dimension > MAX_DIMENSION {
            return Err(MaskPlanError::Dimension { got: dimension });
        }
        let noise_bound = noise_bound(cohort, dimension);
        let scale_log2 = (2 * noise_bound + 1).next_power_of_two().ilog2();
        let most = (((MODULUS - 1) / 2 - noise_bound) >> scale_log2) / u64::from(cohort);
        let most = most.min(i32::MAX.unsigned_abs().into());
        if max_abs == 0 || u64::from(max_abs) > most {
            return Err(MaskPlanError::Range {
                got: max_abs,
                most,
                cohort,
                dimension,
            });
        }
        Ok(Self::assemble(plan, noise_bound, scale_log2))
    }

    fn assemble(plan: MaskPlan, noise_bound: u64, scale_log2: u32) -> Self {
        let digest = expand::digest(
            "xfl mask v1 parameters",
            &[
                &plan.cohort.to_le_bytes(),
                &plan.colluders.to_le_bytes(),
                &plan.threshold.to_le_bytes(),
                &plan.dimension.to_le_bytes(),
                &plan.max_abs.to_le_bytes(),
                &NOISE_LOG2.to_le_bytes(),
                &noise_bound.to_le_bytes(),
                &scale_log2.to_le_bytes(),
            ],
        );
        Self {
            plan,
            noise_bound,
            scale_log2,
            digest,
        }
    }

    /// The same plan under a scale that the budget refuses, for tests of the budget itself.
    #[cfg(test)]
    pub(crate) fn with_scale_log2(&self, scale_log2: u32) -> Self {
        Self::assemble(self.plan, self.noise_bound, scale_log2)
    }

    /// The plan these parameters were checked for.
    pub fn plan(&self) -> MaskPlan {
        self.plan
    }

    /// Coordinates in one update.
    pub fn dimension(&self) -> usize {
        self.plan.dimension as usize
    }

    /// Blocks of [`RING_DEGREE`] coordinates in one update; the last one may be partly used.
    pub fn blocks(&self) -> usize {
        self.dimension().div_ceil(RING_DEGREE)
    }

    /// Members that open a sum together.
    pub fn threshold(&self) -> usize {
        self.plan.threshold.into()
    }

    /// Fewest updates that are ever added: `max(t, c + 2)`.
    pub fn min_survivors(&self) -> usize {
        self.threshold().max(usize::from(self.plan.colluders) + 2)
    }

    /// log2 of the scale D.
    pub fn scale_log2(&self) -> u32 {
        self.scale_log2
    }

    /// B: the largest error accepted in one coordinate of a sum.
    pub fn noise_bound(&self) -> u64 {
        self.noise_bound
    }

    /// Digest of everything above, bound into openings and journals.
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }
}

/// The smallest B, up to rounding against us, with `2 d exp(-(B - n/2)^2 / (2 n sigma^2)) < 2^-40`.
fn noise_bound(cohort: u16, dimension: u32) -> u64 {
    let bits = u128::from(FAILURE_LOG2 + 1 + u32::BITS - (dimension - 1).leading_zeros());
    let variance = u128::from(cohort) << (2 * NOISE_LOG2);
    // (B - n/2)^2 >= 2 ln 2 * bits * n * sigma^2
    let square = (variance * bits * TWO_LN_2_MILLIONTHS).div_ceil(1_000_000);
    // The square root is under 2^32 for every cohort and dimension within the limits.
    square.isqrt() as u64 + 1 + u64::from(cohort).div_ceil(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: MaskPlan = MaskPlan {
        cohort: 5,
        colluders: 1,
        threshold: 4,
        dimension: 10_000_000,
        max_abs: 1 << 20,
    };

    #[test]
    fn scales_match_the_design() {
        for (cohort, threshold, scale_log2) in [(10, 6, 19), (50, 26, 21), (200, 101, 22)] {
            let params = MaskParams::new(MaskPlan {
                cohort,
                threshold,
                ..PLAN
            })
            .unwrap();
            assert_eq!(params.scale_log2(), scale_log2, "cohort of {cohort}");
        }
    }

    #[test]
    fn a_tail_in_floating_point_confirms_the_bound() {
        for (cohort, dimension) in [(3_u16, 1_u32), (5, 31), (10, 10_000_000), (1024, MAX_DIMENSION)] {
            let bound = noise_bound(cohort, dimension) as f64;
            let n = f64::from(cohort);
            let x = (bound - n / 2.0) / (8192.0 * n.sqrt());
            let log2_failure = 1.0 + f64::from(dimension).log2() - x * x / (2.0 * std::f64::consts::LN_2);
            assert!(log2_failure < -40.0, "{cohort} {dimension}: 2^{log2_failure}");
            assert!(
                log2_failure > -42.0,
                "{cohort} {dimension}: wastes budget, 2^{log2_failure}"
            );
        }
    }

    #[test]
    fn thresholds_that_two_views_could_reach_are_refused() {
        for cohort in 3..40_u16 {
            for colluders in 0..=cohort {
                for threshold in 0..=cohort + 1 {
                    let accepted = MaskParams::new(MaskPlan {
                        cohort,
                        colluders,
                        threshold,
                        ..PLAN
                    })
                    .is_ok();
                    let safe = 2 * threshold > cohort + colluders && threshold <= cohort && colluders + 2 <= cohort;
                    assert_eq!(accepted, safe, "n = {cohort}, c = {colluders}, t = {threshold}");
                }
            }
        }
    }

    #[test]
    fn the_hint_of_each_refusal_is_accepted() {
        let wide = MaskPlan {
            cohort: 1024,
            threshold: 600,
            max_abs: u32::MAX,
            dimension: MAX_DIMENSION,
            ..PLAN
        };
        let Err(MaskPlanError::Range { most, .. }) = MaskParams::new(wide) else {
            panic!("accepted")
        };
        let most = u32::try_from(most).unwrap();
        assert!(MaskParams::new(MaskPlan { max_abs: most, ..wide }).is_ok());
        assert!(
            MaskParams::new(MaskPlan {
                max_abs: most + 1,
                ..wide
            })
            .is_err()
        );
        let Err(MaskPlanError::Threshold { least, .. }) = MaskParams::new(MaskPlan { threshold: 1, ..PLAN }) else {
            panic!("accepted")
        };
        assert_eq!(least, 4);
    }

    #[test]
    fn degenerate_plans_are_refused() {
        for plan in [
            MaskPlan {
                cohort: 0,
                colluders: 0,
                threshold: 0,
                ..PLAN
            },
            MaskPlan {
                cohort: 1,
                colluders: 0,
                threshold: 1,
                ..PLAN
            },
            MaskPlan {
                cohort: u16::MAX,
                threshold: u16::MAX,
                ..PLAN
            },
            MaskPlan {
                colluders: u16::MAX,
                ..PLAN
            },
            MaskPlan { dimension: 0, ..PLAN },
            MaskPlan {
                dimension: u32::MAX,
                ..PLAN
            },
            MaskPlan { max_abs: 0, ..PLAN },
        ] {
            assert!(MaskParams::new(plan).is_err(), "{plan:?}");
        }
    }
}
