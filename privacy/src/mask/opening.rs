//! What is opened, once: the sum over the survivors that t members signed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::params::MaskParams;
use super::round::{MaskRound, Seat};

/// What a survivor has signed before anything is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Root of the commitment to its masked update.
    pub commitment: [u8; 32],
    /// Digest of the list of shares it dealt ([`super::share_list_digest`]).
    pub share_list: [u8; 32],
}

/// One view of a round: the members whose updates are added, and what each has committed to.
///
/// Members sign [`Opening::digest`]; nobody answers before it has seen t signatures over the digest it answers.
/// Verifying those is the caller's duty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    survivors: Vec<Seat>,
    digest: [u8; 32],
}

/// Why a view may not be opened.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum OpeningError {
    /// Adding so few updates says too much about each, or they cannot be opened.
    #[error("a masked sum takes at least {needed} updates, got {got}")]
    TooFew {
        /// `max(t, c + 2)`.
        needed: usize,
        /// Survivors named.
        got: usize,
    },
    /// Not a member of the cohort.
    #[error("seat {seat} is outside the cohort of {cohort}")]
    UnknownSeat {
        /// The seat named.
        seat: Seat,
        /// Members of the cohort.
        cohort: u16,
    },
}

impl Opening {
    /// A view in which the updates of these survivors are added.
    ///
    /// # Errors
    /// Fewer than `max(t, c + 2)` survivors, or a seat outside the cohort.
    pub fn new(
        params: &MaskParams,
        round: &MaskRound,
        survivors: &BTreeMap<Seat, Evidence>,
    ) -> Result<Self, OpeningError> {
        let (needed, got) = (params.min_survivors(), survivors.len());
        if got < needed {
            return Err(OpeningError::TooFew { needed, got });
        }
        let cohort = params.plan().cohort;
        if let Some(seat) = survivors.keys().copied().find(|seat| seat.0 >= cohort) {
            return Err(OpeningError::UnknownSeat { seat, cohort });
        }
        let mut hasher = blake3::Hasher::new_derive_key("xfl mask v1 opening");
        hasher.update(round.id()).update(&params.digest());
        for (seat, evidence) in survivors {
            hasher
                .update(&seat.0.to_le_bytes())
                .update(&evidence.commitment)
                .update(&evidence.share_list);
        }
        Ok(Self {
            survivors: survivors.keys().copied().collect(),
            digest: hasher.finalize().into(),
        })
    }

    /// The members whose updates are added, ascending.
    pub fn survivors(&self) -> &[Seat] {
        &self.survivors
    }

    /// What members sign: attempt, parameters, survivors, their commitments and share lists.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }
}
