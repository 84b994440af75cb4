//! Attacks by name, with their defaults, and parameters as text: what a command line says.

use std::fmt;

use super::{Alone, Attack, Backdoor, LabelFlip, vectors};

/// Every attack's name.
pub const NAMES: [&str; 14] = [
    "sign-flip",
    "ipm",
    "alie",
    "optimal-ipm",
    "optimal-alie",
    "mimic",
    "gaussian",
    "non-finite",
    "label-flip",
    "min-max",
    "min-sum",
    "backdoor",
    "free-rider",
    "copied-update",
];

/// Rounds of mimic's warm-up unless given.
const WARMUP: u32 = 10;

/// Why a parameter written as text was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParameterError {
    /// The attack has no such parameter.
    #[error("{attack} has no parameter {parameter}: expected one of {expected}")]
    Unknown {
        /// The attack's name.
        attack: &'static str,
        /// The name given.
        parameter: String,
        /// The names it has.
        expected: String,
    },
    /// The value is not of the parameter's kind or out of its range.
    #[error("{attack}: expected {parameter} to be {expected}, got {got:?}")]
    Value {
        /// The attack's name.
        attack: &'static str,
        /// The parameter's name.
        parameter: String,
        /// What it takes, in words.
        expected: &'static str,
        /// The value given.
        got: String,
    },
    /// What the aggregation crate says of its own attacks' parameters.
    #[error(transparent)]
    Update(#[from] vectors::ParameterError),
}

impl Attack {
    /// Every attack with its defaults, in the order of [`NAMES`].
    pub fn all() -> Vec<Self> {
        NAMES.iter().filter_map(|name| Self::named(name)).collect()
    }

    /// The attack of this name with its defaults; `None` for an unknown name. `inf` and `nan` are names for
    /// `non-finite` with that value.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "sign-flip" => Self::Alone(Alone::SignFlip),
            "gaussian" => Self::Alone(Alone::Gaussian),
            "mimic" => Self::Mimic { warmup: WARMUP },
            "non-finite" | "inf" => Self::NonFinite(vectors::NonFinite::Infinity),
            "nan" => Self::NonFinite(vectors::NonFinite::NaN),
            "label-flip" => Self::LabelFlip(LabelFlip::default()),
            "backdoor" => Self::Backdoor(Backdoor::default()),
            _ => Self::Update(vectors::Attack::named(name)?),
        })
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Alone(alone) => alone.name(),
            Self::Update(attack) => attack.name(),
            Self::Mimic { .. } => "mimic",
            Self::NonFinite(_) => "non-finite",
            Self::LabelFlip(_) => "label-flip",
            Self::Backdoor(_) => "backdoor",
        }
    }

    /// The names of its parameters, as [`Attack::set`] takes them.
    pub fn parameters(&self) -> &'static [&'static str] {
        match self {
            Self::Alone(Alone::SignFlip) => &["scale"],
            Self::Alone(Alone::Gaussian) => &["mean", "deviation"],
            Self::Alone(Alone::FreeRider) => &["sends"],
            Self::Update(vectors::Attack::Mimic { .. }) | Self::Mimic { .. } => &["row", "warmup"],
            Self::Update(attack) => attack.parameters(),
            Self::NonFinite(_) => &["value"],
            Self::LabelFlip(_) => &["fraction"],
            Self::Backdoor(_) => &["target", "size", "value", "fraction", "boost"],
        }
    }

    /// Whether it can only be tried where classes are predicted.
    pub fn needs_classes(&self) -> bool {
        matches!(self, Self::LabelFlip(_) | Self::Backdoor(_))
    }

    /// Whether attackers train on data of their own making, and otherwise keep to the protocol.
    pub fn poisons_data(&self) -> bool {
        self.needs_classes()
    }

    /// Sets one parameter from text.
    ///
    /// `sign-flip` with `scale=NUMBER` is -scale times the mean of the honest updates, with `scale=bound` (the default)
    /// stretched to the norm bound; `gaussian` with `mean` or `deviation` (in grid steps) is that distribution; `mimic`
    /// takes `row=INDEX`, `row=largest-variance` or `row=warm-up` (the default).
    ///
    /// # Errors
    /// [`ParameterError`] for a name that the attack doesn't have or a value it can't take.
    pub fn set(&mut self, parameter: &str, value: &str) -> Result<(), ParameterError> {
        let attack = self.name();
        if !self.parameters().contains(&parameter) {
            return Err(ParameterError::Unknown {
                attack,
                parameter: parameter.to_owned(),
                expected: self.parameters().join(", "),
            });
        }
        let wrong = |expected| ParameterError::Value {
            attack,
            parameter: parameter.to_owned(),
            expected,
            got: value.to_owned(),
        };
        match (&mut *self, parameter) {
            (Self::Alone(_) | Self::Update(vectors::Attack::SignFlip { .. }), "scale") if value == "bound" => {
                *self = Self::Alone(Alone::SignFlip);
            }
            (Self::Mimic { .. } | Self::Update(vectors::Attack::Mimic { .. }), "row") if value == "warm-up" => {
                *self = Self::Mimic { warmup: WARMUP };
            }
            (Self::Mimic { warmup }, "warmup") => {
                let rounds = value.parse().ok().filter(|rounds| *rounds > 0);
                *warmup = rounds.ok_or_else(|| wrong("a number of rounds, at least 1"))?;
            }
            (Self::Update(vectors::Attack::Mimic { .. }), "warmup") => return Err(wrong("absent where row is given")),
            (Self::Alone(_) | Self::Mimic { .. }, _) => {
                let named = vectors::Attack::named(attack);
                let mut exact = named.ok_or_else(|| wrong("a parameter of an attack on vectors"))?;
                exact.set(parameter, value)?;
                *self = Self::Update(exact);
            }
            (Self::Update(exact), _) => exact.set(parameter, value)?,
            (Self::NonFinite(kind), _) => {
                *kind = match value {
                    "inf" => vectors::NonFinite::Infinity,
                    "-inf" => vectors::NonFinite::NegativeInfinity,
                    "nan" => vectors::NonFinite::NaN,
                    _ => return Err(wrong("inf, -inf or nan")),
                }
            }
            (Self::LabelFlip(flip), _) => flip.fraction = fraction(value).ok_or_else(|| wrong(FRACTION))?,
            (Self::Backdoor(backdoor), _) => backdoor.set(parameter, value).map_err(wrong)?,
        }
        Ok(())
    }
}

/// What a fraction is, in words.
pub(super) const FRACTION: &str = "a fraction above 0 and at most 1";

/// A fraction above 0 and at most 1.
pub(super) fn fraction(text: &str) -> Option<f64> {
    text.parse().ok().filter(|f: &f64| *f > 0.0 && *f <= 1.0)
}

impl fmt::Display for Attack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
