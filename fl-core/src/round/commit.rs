//! Commit: an institution signs a root over its protected update before anybody sees one, and how it protected it.

use std::fmt;

use serde::{Deserialize, Serialize};
use xfl_privacy::{Mechanism, Mode, Noising, Relation, Unit};

use super::{RoundError, Rounds};
use crate::{
    identity::NodeId,
    message::{Commit, Envelope, Parcel},
};

/// How an update was protected, as its institution signs it: what its loss follows from, besides the plan's numbers of honest institutions and
/// of parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Protected {
    /// Who adds the noise.
    pub mode: Mode,
    /// Whose privacy.
    pub unit: Unit,
    /// Under which relation.
    pub relation: Relation,
    /// The grid's step in this round, as the bits of an f64.
    pub step: u64,
    /// The clip norm in grid steps.
    pub clip_steps: u32,
    /// What a unit adds to the count of those within the clip norm, in grid steps.
    pub count_steps: u32,
    /// Noise that the institution added (at each local step), in grid steps.
    pub sigma: u32,
    /// Noise that the mode promises, in grid steps.
    pub promised: u32,
    /// The most that a record's probability of being drawn may have been, as the bits of an f64; of 1.0 where none were drawn.
    pub rate: u64,
    /// Local steps.
    pub steps: u32,
    /// Rounds in a row of which a record took part in at most one, and over which noise is correlated; 1 but for mode dp-ftrl.
    pub separation: u32,
}

impl Protected {
    /// What a mechanism does.
    pub fn of(mechanism: &Mechanism) -> Self {
        let rate = match mechanism.noising() {
            Noising::DpSgd { rate, .. } => rate.get(),
            _ => 1.0,
        };
        Self {
            mode: mechanism.mode(),
            unit: mechanism.unit(),
            relation: mechanism.relation(),
            step: mechanism.grid().step().to_bits(),
            clip_steps: mechanism.clip_steps(),
            count_steps: mechanism.count_steps(),
            sigma: mechanism.sigma(),
            promised: mechanism.promised_sigma(),
            rate: rate.to_bits(),
            steps: mechanism.local_steps(),
            separation: mechanism.block(),
        }
    }
}

/// What an institution last said of its budget, in its own signed words.
#[derive(Clone, Debug, PartialEq)]
pub struct Spent {
    /// Releases charged for this federation.
    pub charged: u64,
    /// Head of its budget file after the last of them.
    pub head: [u8; 32],
    /// Its commitment.
    pub envelope: Envelope,
}

/// A commitment that was accepted.
#[derive(Clone, Debug)]
pub struct Committed {
    /// What was said.
    pub commit: Commit,
    /// With its signature.
    pub envelope: Envelope,
    /// How many were accepted before it in this attempt.
    pub place: usize,
}

impl Rounds {
    pub(super) fn commit(&mut self, member: NodeId, parcel: &Parcel, commit: Commit) -> Result<(), RoundError> {
        if self.work.commits.contains_key(&member) {
            return Err(RoundError::Misplaced {
                member,
                what: "committed already".into(),
            });
        }
        if let Some(twin) = self.work.commits.values().find(|c| c.commit.root == commit.root) {
            let what = format!("the commitment is a copy of {}", twin.envelope.sender);
            return Err(RoundError::Misbehaved { member, what });
        }
        let misbehaved = |what: String| Err(RoundError::Misbehaved { member, what });
        let expected = Protected::of(&self.mechanism_now()?);
        if commit.protected != expected {
            return misbehaved(format!(
                "it protected its update otherwise than the plan says: expected {expected}; got {}",
                commit.protected
            ));
        }
        if expected.promised > 0 {
            self.charges_grow(member, &commit)?;
        }
        self.spent.insert(
            member,
            Spent {
                charged: commit.charged,
                head: commit.budget_head,
                envelope: parcel.envelope.clone(),
            },
        );
        let place = self.work.commits.len();
        self.work.commits.insert(
            member,
            Committed {
                commit,
                envelope: parcel.envelope.clone(),
                place,
            },
        );
        Ok(())
    }

    /// A new release is a new charge, under a new head of the budget file: in the clear one for each round, masked one for each attempt. In mode
    /// dp-ftrl one for each round: another attempt repeats the round's integers, and only the first charge of a block costs anything.
    fn charges_grow(&self, member: NodeId, commit: &Commit) -> Result<(), RoundError> {
        let misbehaved = |what: String| Err(RoundError::Misbehaved { member, what });
        let Some(before) = self.spent.get(&member) else {
            return match commit.charged {
                0 => misbehaved("it says that nothing was charged for its release".into()),
                _ => Ok(()),
            };
        };
        let repeats = !self.plan.masked() || self.mechanism.mode() == Mode::DpFtrl;
        let again = before.envelope.round == self.round && repeats;
        let least = before.charged.saturating_add(u64::from(!again));
        if commit.charged < least {
            let got = commit.charged;
            return misbehaved(format!(
                "it says that {got} releases were charged, expected at least {least}"
            ));
        }
        if commit.charged > before.charged && commit.budget_head == before.head {
            return misbehaved("its budget file has another charge and the same head".into());
        }
        Ok(())
    }
}

impl fmt::Display for Protected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "mode {}, unit {}, {}, grid step {:e}, clip {} steps, count {} steps, noise {} of {} steps, {} local steps at rate {}, separation {}",
            self.mode,
            self.unit,
            self.relation,
            f64::from_bits(self.step),
            self.clip_steps,
            self.count_steps,
            self.sigma,
            self.promised,
            self.steps,
            f64::from_bits(self.rate),
            self.separation
        )
    }
}
