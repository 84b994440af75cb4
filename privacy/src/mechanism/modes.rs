//! What belongs to a mode of privacy: the units, relations and numbers that it goes with.

use super::{MAX_LOCAL_STEPS, MechanismError, Settings};
use crate::carried::MAX_SEPARATION;
use crate::mode::Noising;
use crate::neighbour::{Relation, Unit};

/// Most numbers of noise that an institution remembers in mode dp-ftrl: a gibibyte.
const MOST_CARRIED: u64 = 1 << 28;

/// The local steps of a release; checks what belongs to the mode.
pub(super) fn steps_of(settings: &Settings) -> Result<u32, MechanismError> {
    let wrong = |name, got, expected| Err(MechanismError::OfMode { name, got, expected });
    if let Some(got) = settings.count_noise
        && !(got.is_finite() && got > 0.0 && settings.noise_multiplier > 0.0)
    {
        let expected = "a positive finite number, for example 1.0, beside a noise multiplier above 0";
        return wrong("count noise", got, expected);
    }
    match settings.noising {
        Noising::Distributed { honest: 0 } => wrong(
            "number of honest contributors",
            0.0,
            "at least 1: a quorum above the number of dishonest institutions",
        ),
        Noising::Local | Noising::Central | Noising::Distributed { .. } => Ok(1),
        Noising::DpSgd { .. } | Noising::DpFtrl { .. } if settings.unit != Unit::Record => {
            let mode = settings.noising.mode();
            Err(MechanismError::ModeNeedsRecords { mode })
        }
        Noising::DpFtrl { separation, .. } if !(2..=MAX_SEPARATION).contains(&separation) => {
            wrong("separation", separation.into(), "from 2 to 256 rounds, for example 16")
        }
        Noising::DpFtrl { rounds: 0, .. } => wrong("number of rounds", 0.0, "at least 1"),
        Noising::DpFtrl { separation, .. }
            if u64::from(separation - 1).saturating_mul(settings.dimension) > MOST_CARRIED =>
        {
            wrong(
                "separation",
                separation.into(),
                "at most 2^28 over the model's parameters: noise of so many rounds is remembered",
            )
        }
        Noising::DpFtrl { .. } if settings.count_noise.is_some() => wrong(
            "count noise",
            settings.count_noise.unwrap_or_default(),
            "none: in mode dp-ftrl the clip norm stays, since noise is carried from round to round on one grid",
        ),
        Noising::DpFtrl { .. } => Ok(1),
        Noising::DpSgd { .. } if settings.relation != Relation::ZeroOut => Err(MechanismError::ModeNeedsZeroOut),
        Noising::DpSgd { rate, .. } if rate.get() <= 0.0 => {
            wrong("sample rate", rate.get(), "above 0 and at most 1, for example 0.05")
        }
        Noising::DpSgd { steps, .. } if !(1..=MAX_LOCAL_STEPS).contains(&steps) => {
            wrong("number of local steps", steps.into(), "from 1 to 100000")
        }
        Noising::DpSgd { steps, .. } => Ok(steps),
    }
}
