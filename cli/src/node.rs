//! `node.toml`: what an institution decides for itself, whatever plan it is shown.
//!
//! It belongs to the institution and goes nowhere. Flags of `xfl join` come before it, and it before the defaults.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use xfl_core::plan::{MaskMode, Plan, PlanError};
use xfl_privacy::{Delta, Epsilon, Mode, ParameterError, Unit, budget::Limit};

use crate::{failure::Failure, files};

/// Longest file read, in bytes.
const MAX_BYTES: u64 = 64 * 1024;

/// An institution's own terms.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Node {
    /// What it is willing to lose.
    #[serde(default)]
    pub(crate) limits: Limits,
    #[serde(skip)]
    file: PathBuf,
}

/// `[limits]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Limits {
    /// The most epsilon over all federations, per unit and relation.
    epsilon: Option<f64>,
    /// The most epsilon that one federation may cost.
    epsilon_per_federation: Option<f64>,
    /// Where both are read off.
    delta: Option<f64>,
    /// Units of privacy that a plan may have; any where absent.
    units: Option<Vec<Unit>>,
    /// Modes of privacy that a plan may have; any where absent.
    modes: Option<Vec<Mode>>,
    /// Whether a plan may show single updates to the coordinator.
    unmasked: Option<bool>,
    /// Whether a plan may do without noise.
    without_noise: Option<bool>,
    /// Whether to take part in a plan whose rounds cost more than is left, up to where it is spent.
    partial: Option<bool>,
}

/// The commented file that `xfl budget --example` prints.
pub(crate) const EXAMPLE: &str = r#"# What this institution decides for itself, whatever plan it is shown. It goes nowhere.
# Keys with a # in front show their default.

[limits]
# epsilon = 10.0                # the most to spend over all federations, per unit and neighbouring relation
# delta = 1e-5                  # where epsilon is read off
# epsilon_per_federation = 4.0  # the most that one federation may cost; no limit of its own where absent
# units = ["record", "institution"]   # units of privacy that a plan may have
# modes = ["local", "distributed", "central", "dp-sgd", "dp-ftrl"]   # who may be left to add the noise; see `xfl privacy explain`
# unmasked = true               # whether a plan may show single updates to the coordinator
# without_noise = true          # whether a plan may do without noise, so that taking part guarantees nothing
# partial = false               # whether to take part where the rounds cost more than is left, up to where it is spent
"#;

impl Node {
    /// Reads the file; the defaults where none was named and there is none at `path`.
    pub(crate) fn read(path: &Path, named: bool) -> Result<Self, Failure> {
        if !named && !path.exists() {
            return Ok(Self::default());
        }
        let name = path.display().to_string();
        let text = String::from_utf8(files::read(path, MAX_BYTES)?)
            .map_err(|_| Failure::usage(format!("{name}: not UTF-8 text")).hint("save it as UTF-8"))?;
        let parsed: Result<Self, _> = toml::from_str(&text);
        let mut node = parsed.map_err(|error| {
            let failure = Failure::from(PlanError::syntax(&name, &text, &error));
            failure.hint("`xfl budget --example` prints a commented node.toml")
        })?;
        node.file = path.to_owned();
        // Wrong values are told now, not when they are first needed.
        node.limit(None, None).map(|_| node)
    }

    /// The budget's limits; flags come first.
    pub(crate) fn limit(&self, epsilon: Option<f64>, delta: Option<f64>) -> Result<Limit, Failure> {
        let wrong = |key: &str, flag: bool, error: ParameterError| {
            let place = match flag {
                true => format!("--{key}-limit"),
                false => format!("{}: `limits.{key}`", self.file.display()),
            };
            let hint = "an epsilon is a positive number such as 10.0, a delta a probability such as 1e-5";
            Failure::usage(format!("{place}: {error}")).hint(hint)
        };
        let l = &self.limits;
        let value = epsilon.or(l.epsilon).unwrap_or(10.0);
        let epsilon = Epsilon::new(value).map_err(|error| wrong("epsilon", epsilon.is_some(), error))?;
        let value = delta.or(l.delta).unwrap_or(1e-5);
        let delta = Delta::new(value).map_err(|error| wrong("delta", delta.is_some(), error))?;
        let per_federation = l
            .epsilon_per_federation
            .map(|value| Epsilon::new(value).map_err(|error| wrong("epsilon_per_federation", false, error)));
        Ok(Limit {
            epsilon,
            per_federation: per_federation.transpose()?,
            delta,
        })
    }

    /// Whether a plan is one that this institution takes part in at all; what it costs is another question.
    pub(crate) fn allows(&self, plan: &Plan) -> Result<(), Failure> {
        let (l, terms) = (&self.limits, plan.terms());
        let refuse = |key: &str, what: String| {
            let place = format!("{}: `limits.{key}`", self.file.display());
            Err(Failure::usage(format!("{what}, and {place} rules that out"))
                .hint("talk to the coordinator about another plan, or change your own limit"))
        };
        let unit = terms.privacy.unit;
        if l.units.as_ref().is_some_and(|units| !units.contains(&unit)) {
            return refuse("units", format!("the plan protects one {unit}"));
        }
        let mode = terms.privacy.mode;
        if l.modes.as_ref().is_some_and(|modes| !modes.contains(&mode)) {
            return refuse("modes", format!("the plan's mode of privacy is {mode}"));
        }
        if l.unmasked == Some(false) && terms.masking.mode == MaskMode::None {
            return refuse("unmasked", "the plan shows single updates to the coordinator".into());
        }
        if l.without_noise == Some(false) && terms.privacy.noise_multiplier == 0.0 {
            return refuse("without_noise", "the plan has no noise".into());
        }
        Ok(())
    }

    /// Whether to take part in a plan whose rounds cost more than is left.
    pub(crate) fn partial(&self) -> bool {
        self.limits.partial == Some(true)
    }
}
