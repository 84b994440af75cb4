//! What an institution must not forget, and nothing else.

use serde::{Deserialize, Serialize};

use super::{Institution, InstitutionError};
use crate::{
    message::Envelope,
    round::{Rounds, commit::Protected},
    transcript::{Genesis, Reader},
    update,
};

/// A protected update that may leave, with what its commitment says.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// Grid integers, noised as the plan asks.
    pub values: Vec<i32>,
    /// What the salts of every attempt follow from; 32 random bytes that never leave.
    pub salt_secret: [u8; 32],
    /// How it was protected.
    pub protected: Protected,
    /// Releases charged for this run so far.
    pub charged: u64,
    /// Head of the budget file after the charge.
    pub budget_head: [u8; 32],
}

/// One thing to remember.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Note {
    /// The federation's beginning.
    Genesis(Box<Genesis>),
    /// A release that was charged for.
    Release {
        /// Its round.
        round: u64,
        /// The attempt it was charged for.
        attempt: u32,
        /// BLAKE3 of the model it was trained on.
        model: [u8; 32],
        /// What may leave.
        release: Release,
    },
    /// A header that was signed.
    Signed {
        /// Its round.
        round: u64,
        /// Its digest.
        digest: [u8; 32],
    },
    /// Transcript frames that were verified, from the next entry on.
    Verified(#[serde(with = "serde_bytes")] Vec<u8>),
    /// Masked rounds: secrets and answers of an attempt.
    Masked(super::masked::MaskNote),
    /// The coordinator's signed receipt for an upload.
    Receipt(Envelope),
}

/// Remembered facts, by round.
#[derive(Debug, Default)]
pub(super) struct Memory {
    releases: Vec<((u64, u32), Release)>,
    signed: Vec<(u64, [u8; 32])>,
    /// The attempt of the last receipt.
    receipt: Option<(u64, u32)>,
    /// The attempt that was asked for last.
    pub(super) asked: Option<(u64, u32)>,
    /// The clip norm over the plan's that the last round was begun with.
    pub(super) scale: Option<(u64, f64)>,
    /// The model that the last round was trained on.
    pub(super) trained_on: Option<(u64, [u8; 32])>,
}

impl Release {
    /// The salts' key of an attempt.
    pub(super) fn salt_key(&self, at: (u64, u32)) -> [u8; 32] {
        update::salt_key(&self.salt_secret, at)
    }

    /// The root that an attempt's commitment carries, in the clear.
    pub(super) fn root(&self, at: (u64, u32)) -> [u8; 32] {
        update::root(&self.values, &self.salt_key(at))
    }
}

impl Memory {
    pub(super) fn release(&self, at: (u64, u32)) -> Option<&Release> {
        self.releases.iter().rev().find(|(a, _)| *a == at).map(|(_, r)| r)
    }

    /// Heads of the budget file after the charges of releases that are remembered.
    pub(super) fn heads(&self) -> impl Iterator<Item = [u8; 32]> {
        self.releases.iter().map(|(_, release)| release.budget_head)
    }

    pub(super) fn receipted(&self, at: (u64, u32)) -> bool {
        self.receipt == Some(at)
    }

    pub(super) fn signed(&self, round: u64) -> Option<[u8; 32]> {
        self.signed
            .iter()
            .rev()
            .find(|(r, _)| *r == round)
            .map(|(_, digest)| *digest)
    }
}

impl Institution {
    /// Takes a note in and queues it for the disk.
    pub(super) fn remember(&mut self, note: Note) -> Result<(), InstitutionError> {
        self.recall(note.clone())?;
        self.outputs.push_back(super::Output::Remember(note));
        Ok(())
    }

    /// Takes a note in.
    pub(super) fn recall(&mut self, note: Note) -> Result<(), InstitutionError> {
        match note {
            Note::Genesis(genesis) => self.rounds = Some(Rounds::begin(*genesis)?),
            Note::Release {
                round,
                attempt,
                model,
                release,
            } => {
                if self.memory.trained_on.is_none_or(|(known, _)| known <= round) {
                    self.memory.trained_on = Some((round, model));
                }
                // What was released was asked for: nothing before it is gone back to.
                self.memory.asked = self.memory.asked.max(Some((round, attempt)));
                // An older round's release is never asked for again once a later one was made.
                self.memory.releases.retain(|((r, _), _)| r.saturating_add(1) >= round);
                self.memory.releases.push(((round, attempt), release));
            }
            Note::Signed { round, digest } => {
                self.memory.signed.retain(|(r, _)| r.saturating_add(1) >= round);
                self.memory.signed.push((round, digest));
            }
            Note::Verified(frames) => {
                let rounds = self.rounds_mut()?;
                let mut reader = Reader::after(rounds.head(), &frames);
                while let Some(read) = reader.next_chained()? {
                    rounds.apply_chained(&read, None)?;
                }
            }
            Note::Masked(note) => self.masked.recall(note)?,
            Note::Receipt(envelope) => self.memory.receipt = Some((envelope.round, envelope.attempt)),
        }
        Ok(())
    }

    pub(super) fn rounds_ref(&self) -> Result<&Rounds, InstitutionError> {
        self.rounds
            .as_ref()
            .ok_or_else(|| InstitutionError::Refused("an order before the welcome".into()))
    }

    pub(super) fn rounds_mut(&mut self) -> Result<&mut Rounds, InstitutionError> {
        self.rounds
            .as_mut()
            .ok_or_else(|| InstitutionError::Refused("an order before the welcome".into()))
    }
}

impl std::fmt::Debug for Release {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Release")
            .field("values", &self.values.len())
            .finish_non_exhaustive()
    }
}
