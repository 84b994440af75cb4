//! The ways to be private that are compared, and the choices that each of them is run with.

use std::fmt;

use serde::Serialize;
use xfl_privacy::{Mode, Unit};

/// A mode with its unit of privacy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Way {
    /// Who adds the noise.
    pub(crate) mode: Mode,
    /// Whose privacy.
    pub(crate) unit: Unit,
}

/// Every combination that a plan may have, in the order of the tables.
pub(crate) const WAYS: [Way; 8] = [
    Way::new(Mode::Local, Unit::Record),
    Way::new(Mode::DpSgd, Unit::Record),
    Way::new(Mode::DpFtrl, Unit::Record),
    Way::new(Mode::Distributed, Unit::Record),
    Way::new(Mode::Central, Unit::Record),
    Way::new(Mode::Local, Unit::Institution),
    Way::new(Mode::Distributed, Unit::Institution),
    Way::new(Mode::Central, Unit::Institution),
];

impl Way {
    const fn new(mode: Mode, unit: Unit) -> Self {
        Self { mode, unit }
    }

    /// Whether the coordinator sees updates that carry less than the promised noise, and the plan must say that it may.
    pub(crate) fn trusts(self) -> bool {
        matches!(self.mode, Mode::Distributed | Mode::Central)
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.unit, self.mode)
    }
}

/// What a way is run with. The keys of a plan of the same names, but for `batch_share`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Recipe {
    /// Rounds; every one of them is paid for.
    pub(crate) rounds: u64,
    /// Share of an institution's records in a batch; in mode dp-sgd the sampling rate.
    pub(crate) batch_share: f64,
    /// Clip norm, in the first round where it adapts.
    pub(crate) clip: f64,
    /// Local step size (unit institution, and mode dp-sgd).
    pub(crate) learning_rate: f64,
    /// The coordinator's step size.
    pub(crate) server_learning_rate: f64,
    /// Local passes (unit institution), or local steps (mode dp-sgd); 1 elsewhere.
    pub(crate) local: u32,
    /// Share of units that an adaptive clip norm should reach (mode central).
    pub(crate) clip_quantile: Option<f64>,
}

/// Choices of the command line in place of a recipe's.
#[derive(Clone, Copy, Debug, Default, PartialEq, clap::Args)]
pub(crate) struct Instead {
    /// Rounds, in place of every recipe's own
    #[arg(long, env = "XFL_EPSILON_ROUNDS", value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    rounds: Option<u64>,
    /// Share of an institution's records in a batch; in mode dp-sgd the sampling rate
    #[arg(long, env = "XFL_EPSILON_BATCH_SHARE", value_name = "SHARE", value_parser = share)]
    batch_share: Option<f64>,
    /// Clip norm
    #[arg(long, env = "XFL_EPSILON_CLIP", value_name = "NORM")]
    clip: Option<f64>,
    /// Local step size
    #[arg(long, env = "XFL_EPSILON_LEARNING_RATE", value_name = "RATE")]
    learning_rate: Option<f64>,
    /// The coordinator's step size
    #[arg(long, env = "XFL_EPSILON_SERVER_LEARNING_RATE", value_name = "RATE")]
    server_learning_rate: Option<f64>,
    /// Local passes (unit institution) or local steps (mode dp-sgd)
    #[arg(long, env = "XFL_EPSILON_LOCAL", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    local: Option<u32>,
    /// Share of units that an adaptive clip norm should reach (mode central)
    #[arg(long, env = "XFL_EPSILON_CLIP_QUANTILE", value_name = "SHARE", value_parser = share)]
    clip_quantile: Option<f64>,
}

fn share(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if number > 0.0 && number <= 1.0 {
        Ok(number)
    } else {
        Err("expected a number above 0 and at most 1, for example 0.5".to_owned())
    }
}

impl Instead {
    /// The recipe with what was said on the command line.
    pub(crate) fn of(self, recipe: Recipe) -> Recipe {
        Recipe {
            rounds: self.rounds.unwrap_or(recipe.rounds),
            batch_share: self.batch_share.unwrap_or(recipe.batch_share),
            clip: self.clip.unwrap_or(recipe.clip),
            learning_rate: self.learning_rate.unwrap_or(recipe.learning_rate),
            server_learning_rate: self.server_learning_rate.unwrap_or(recipe.server_learning_rate),
            local: self.local.unwrap_or(recipe.local),
            clip_quantile: recipe.clip_quantile.map(|q| self.clip_quantile.unwrap_or(q)),
        }
    }
}
