//! What several releases of one institution are together: the noise on their sum, and how often they are charged.

use super::Mechanism;
use crate::carried::lags;
use crate::mode::Noising;

/// Rounds over which noise is correlated: no more than there are.
pub(super) fn correlated(separation: u32, rounds: u64) -> u32 {
    u32::try_from(rounds).unwrap_or(u32::MAX).min(separation)
}

impl Mechanism {
    /// Noise of the sum of the first `rounds` releases of one institution: standard deviation in grid steps.
    #[must_use]
    pub fn summed_sigma(&self, rounds: u64) -> f64 {
        match self.noising {
            Noising::DpFtrl { .. } => f64::from(self.sigma) * lags::of_sum(self.lags(), rounds),
            _ => self.released_sigma() * (rounds as f64).sqrt(),
        }
    }

    /// Rounds over which noise is correlated: 1 but for mode dp-ftrl.
    #[must_use]
    pub fn lags(&self) -> u32 {
        match self.noising {
            Noising::DpFtrl { separation, rounds } => correlated(separation, rounds),
            _ => 1,
        }
    }

    /// Rounds in a row that one charge covers: 1 but for mode dp-ftrl, where it is the separation.
    #[must_use]
    pub fn block(&self) -> u32 {
        match self.noising {
            Noising::DpFtrl { separation, .. } => separation,
            _ => 1,
        }
    }

    /// The charge that covers round `round`, which are numbered from 1: an institution pays [`Mechanism::loss`] once for all rounds with the same.
    #[must_use]
    pub fn charge_of(&self, round: u64) -> u64 {
        round.saturating_sub(1) / u64::from(self.block())
    }

    /// How often [`Mechanism::loss`] is charged for rounds 1 to `rounds`.
    #[must_use]
    pub fn charges(&self, rounds: u64) -> u64 {
        rounds.div_ceil(u64::from(self.block()))
    }
}
