//! What one attacker can send that knows nothing but its own honest update.
//!
//! Each is at 99% of the norm that the coordinator checks and within its range, so that it is the rule that must notice:
//!
//! - sign-flip: the opposite of the honest update, stretched to that norm;
//! - gaussian: a direction drawn from a normal distribution, at that norm;
//! - free-rider: zeros.
//!
//! Cost: d, or d draws. `xfl join` rehearses with these among real processes, where no attacker sees the others' updates.

use std::{fmt, str::FromStr};

use xfl_privacy::Mechanism;

use crate::seed::Seed;

/// An attack that needs to know nothing of the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alone {
    /// The opposite of the honest update, stretched to the norm bound.
    SignFlip,
    /// Gaussian noise at the norm bound.
    Gaussian,
    /// Nothing at all: a free rider's zeros.
    FreeRider,
}

impl Alone {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::SignFlip, Self::Gaussian, Self::FreeRider];

    /// The malicious update for an honest one, on the same grid and of the same length.
    pub fn apply(self, honest: &[i32], mechanism: &Mechanism, seed: &Seed) -> Vec<i32> {
        match self {
            Self::SignFlip => stretched(honest.iter().map(|v| -f64::from(*v)).collect(), mechanism),
            Self::Gaussian => {
                let mut stream = seed.derive("attack", &[]).stream();
                stretched(honest.iter().map(|_| stream.normal()).collect(), mechanism)
            }
            Self::FreeRider => vec![0; honest.len()],
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::SignFlip => "sign-flip",
            Self::Gaussian => "gaussian",
            Self::FreeRider => "free-rider",
        }
    }
}

/// A direction at 99% of the norm that the mechanism admits.
fn stretched(direction: Vec<f64>, mechanism: &Mechanism) -> Vec<i32> {
    let norm = direction.iter().map(|v| v * v).sum::<f64>().sqrt();
    let room = (mechanism.max_norm_squared() as f64).sqrt() * 0.99;
    let factor = if norm > 0.0 { room / norm } else { 0.0 };
    let most = f64::from(mechanism.max_abs());
    // Within max_abs, which is an i32.
    direction
        .iter()
        .map(|v| (v * factor).trunc().clamp(-most, most) as i32)
        .collect()
}

impl fmt::Display for Alone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no attack's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown attack {0:?}; write sign-flip, gaussian or free-rider")]
pub struct UnknownAttack(String);

impl FromStr for Alone {
    type Err = UnknownAttack;

    fn from_str(name: &str) -> Result<Self, UnknownAttack> {
        Self::ALL
            .into_iter()
            .find(|a| a.name() == name)
            .ok_or_else(|| UnknownAttack(name.into()))
    }
}
