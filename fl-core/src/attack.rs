//! Attacks that a simulated federation rehearses: what its attackers do instead of taking part honestly.
//!
//! | attack | what the attackers do | knows |
//! |---|---|---|
//! | `sign-flip`, `gaussian` | [`Alone`]: stretched to the norm bound; with a `scale` or `deviation` the one of [`vectors`] | its own update |
//! | `ipm`, `alie`, `optimal-ipm`, `optimal-alie`, `min-max`, `min-sum`, `free-rider`, `copied-update` | send a row of [`vectors`] | all honest updates of the round, the optimal ones the rule too |
//! | `mimic` | send an honest update again, by default the one that the paper's warm-up chooses | all honest updates |
//! | `non-finite` | send infinity or NaN: no integer grid carries it, so the update is refused | nothing |
//! | `label-flip` | train by the protocol on [flipped labels](LabelFlip) | their own data |
//! | `backdoor` | train by the protocol on [triggers](Backdoor), possibly boosted | their own data |
//!
//! Whoever knows the honest updates knows them exactly as they are sent, noise included, before sending anything: the
//! worst case. Every vector sent is within the plan's range and norm, so that it is the rule that must notice.
//!
//! **Not here**: attacks on the protocol (equivocation, withholding, replay), adaptive attacks on the reward.
//!
//! ```
//! use xfl_core::attack::Attack;
//!
//! let mut attack = Attack::named("ipm").ok_or("unknown")?;
//! attack.set("epsilon", "0.5")?;
//! assert_eq!(attack.name(), "ipm");
//! assert!(attack.set("tau", "1").is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! References are given with each attack.

mod alone;
mod backdoor;
mod label_flip;
mod names;

pub use alone::{Alone, UnknownAttack};
pub use backdoor::{Backdoor, BackdoorError, Stamped, Trigger, TriggerValue};
pub use label_flip::{FlipError, LabelFlip};
pub use names::{NAMES, ParameterError};
pub use xfl_aggregation::attack as vectors;

/// What attackers do, with its parameters.
#[derive(Clone, Debug, PartialEq)]
pub enum Attack {
    /// What each can send without knowing the others.
    Alone(Alone),
    /// A row made from the honest updates of the round.
    Update(vectors::Attack),
    /// An honest update again: that of the institution chosen over the first rounds, ever after.
    Mimic {
        /// Rounds in which the choice is still learnt, at least 1; the one to mimic may change until then.
        warmup: u32,
    },
    /// Infinity or NaN in every coordinate.
    NonFinite(vectors::NonFinite),
    /// Honest training on flipped labels.
    LabelFlip(LabelFlip),
    /// Honest training on examples with a trigger and the attackers' label.
    Backdoor(Backdoor),
}
