//! What one attempt at one masked round is called, and where its members sit.

use serde::{Deserialize, Serialize};

use super::expand;
use super::field::Fq;

/// A member's position in the cohort, from 0. Shares are evaluated at `seat + 1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seat(pub u16);

impl Seat {
    /// The point at which this member's shares are evaluated; never zero.
    pub(crate) fn point(self) -> Fq {
        Fq::reduced(u64::from(self.0) + 1)
    }
}

impl std::fmt::Display for Seat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// One attempt at one round. Public; everything derived in it is bound to it.
///
/// Two attempts never share an identity, so they never share the ring elements `a` either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaskRound {
    id: [u8; 32],
}

impl MaskRound {
    /// Names an attempt by the digest of what its run began with (the plan is in it), its federation, its round and the number of the attempt.
    ///
    /// The plan says which member sits in which seat; the same four values never name two cohorts.
    pub fn new(beginning: &[u8; 32], federation: &[u8; 32], round: u64, attempt: u32) -> Self {
        let parts: [&[u8]; 4] = [beginning, federation, &round.to_le_bytes(), &attempt.to_le_bytes()];
        Self {
            id: expand::digest("xfl mask v1 round", &parts),
        }
    }

    /// The digest that stands for this attempt.
    pub fn id(&self) -> &[u8; 32] {
        &self.id
    }
}
