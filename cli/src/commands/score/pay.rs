//! `--rewards`: a budget split by this round's scores, as the rounds' rewards are, but without the rounds before.

use serde_json::{Value, json};
use xfl_aggregation::{
    reward::{Basis, Claim, Offence, RewardError, Split, Terms, split},
    score::Ppm,
};

use crate::failure::Failure;

/// How a budget is split.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Also split this budget by the scores, in whole units: positive ones earn their share, others nothing.
    #[arg(long, value_name = "BUDGET", env = "XFL_REWARDS", hide_env_values = true)]
    rewards: Option<u64>,
    /// The share of the budget that everybody is given, in ppm; a negative score forfeits it.
    #[arg(long, value_name = "PPM", default_value_t = 0, value_parser = clap::value_parser!(i64).range(0..=1_000_000), env = "XFL_FLOOR", hide_env_values = true)]
    floor: i64,
    /// The largest share of the budget that one may be given, in ppm.
    #[arg(long, value_name = "PPM", default_value_t = 1_000_000, value_parser = clap::value_parser!(i64).range(0..=1_000_000), env = "XFL_CAP", hide_env_values = true)]
    cap: i64,
    /// Withhold what copies would earn; what is withheld goes to nobody.
    #[arg(long, env = "XFL_SLASH_COPIES", hide_env_values = true)]
    slash_copies: bool,
}

/// A budget split.
pub(super) struct Paid {
    budget: u64,
    split: Split,
}

impl Args {
    /// Whether a budget is split.
    pub(super) fn pays(&self) -> bool {
        self.rewards.is_some()
    }

    /// Whether copies matter to it.
    pub(super) fn slashes_copies(&self) -> bool {
        self.slash_copies
    }

    /// Splits the budget, where there is one, by `merits`. `copied` and `refused` say which rows are copies and which are outside the
    /// plan's bounds.
    pub(super) fn split(&self, merits: &[Ppm], copied: &[bool], refused: &[bool]) -> Result<Option<Paid>, Failure> {
        let Some(budget) = self.rewards else { return Ok(None) };
        let terms = Terms {
            basis: Basis::Round,
            floor: Ppm(self.floor),
            cap: Ppm(self.cap),
            ..Terms::default()
        };
        let is = |all: &[bool], row: usize| all.get(row).copied().unwrap_or_default();
        let claim = |(row, &merit): (usize, &Ppm)| {
            let offences: &[Offence] = if is(refused, row) {
                &[Offence::OutOfBounds]
            } else if self.slash_copies && is(copied, row) {
                &[Offence::Copied]
            } else {
                &[]
            };
            Claim {
                offences,
                ..Claim::new(merit, Ppm::ZERO)
            }
        };
        let claims: Vec<Claim<'_>> = merits.iter().enumerate().map(claim).collect();
        let split = split(u128::from(budget), &claims, &terms).map_err(|error| {
            let hint = match error {
                RewardError::FloorsPassBudget { claims, .. } => {
                    format!("write a --floor of at most {}", 1_000_000 / claims.max(1))
                }
                _ => "write a --floor below the --cap".to_owned(),
            };
            Failure::usage(error.to_string()).hint(hint)
        })?;
        Ok(Some(Paid { budget, split }))
    }
}

impl Paid {
    /// What a row is paid.
    pub(super) fn part(&self, row: usize) -> u128 {
        self.split.parts.get(row).copied().unwrap_or_default()
    }

    /// What nobody is paid.
    pub(super) fn rest(&self) -> u128 {
        self.split.rest
    }

    /// For programs. Parts of a budget that fits 64 bits fit them.
    pub(super) fn data(&self) -> Value {
        let narrow = |all: &[u128]| -> Vec<u64> {
            all.iter()
                .map(|&part| u64::try_from(part).unwrap_or(self.budget))
                .collect()
        };
        json!({
            "budget": self.budget, "parts": narrow(&self.split.parts), "withheld": narrow(&self.split.withheld),
            "rest": narrow(&[self.split.rest])[0],
        })
    }
}
