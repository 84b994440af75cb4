//! The noise of mode dp-ftrl on disk: what later rounds take back, and what a round that is asked for again repeats.
//!
//! **Secret.** Whoever knows the noise of a release knows what it hid. The file is a [`Journal`] of mode 0600 in the institution's own folder; what no
//! release needs any more is forgotten: with the plan's last round, or the federation's end, all of it
//! (an institution that isn't running then, is training, or hasn't trained since it was started keeps it). (Freed pages of the file keep their bytes
//! until they are written over: treat the file like the data. In memory, noise is wiped where it is worked with; buffers of encodings that grew, and
//! redb's own pages, are not.)
//!
//! **One draw for a round.** A round is marked here, charged in the budget file, drawn, kept here, and only then let out. So whatever is cut
//! short, a round has one release or none:
//!
//! | cut short after | the round asked for again |
//! |---|---|
//! | the mark | is charged and drawn: nothing was |
//! | the charge | is refused: it may have been drawn; the next round goes on |
//! | the draw was kept | repeats the same integers, on the same model only |
//!
//! **A file that is gone, or older than the budget,** is noticed by the budget: rounds of the block were charged that the file doesn't know. Then nothing
//! is released before the next block begins: in what order records were used up to here is not known, nor what was drawn. Noise that is
//! missing otherwise costs accuracy, never privacy ([`xfl_privacy::Carried`], Theorem 2). The same goes for data, their order, the plan's text or the
//! mechanism that changed within a block: a record could come again too soon, or at a price that was paid for more noise.
//!
//! **Not noticed:** the whole folder (this file, the budget and the institution's journal) put back to *any* earlier state, in the middle of a block
//! too, unless the coordinator shows what this node signed since. A round is then drawn twice under one charge. Never restore the folder while the
//! federation runs; what is lost is better left lost, the next block begins without it.

use std::path::Path;

use serde::{Deserialize, Serialize};
use xfl_privacy::{Carried, CarriedError, Mechanism, Noising, Os};
use zeroize::{Zeroize, Zeroizing};

use super::journal::{Journal, JournalError};
use crate::{
    message::{Beginning, MessageError, decode, encode},
    plan::Plan,
    seed::Seed,
    train::{Data, Target},
};

const KEY: &[u8] = b"noise 1";
const ORDER: &str = "xfl-core carried noise v2: plan, mechanism, data and their order";

/// What an institution remembers of its noise in one run of a federation.
pub struct CarriedFile {
    journal: Journal,
    run: Beginning,
}

/// What can't be remembered.
#[derive(Debug, thiserror::Error)]
pub enum CarriedFileError {
    /// The file.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// An entry that is none.
    #[error(
        "the noise journal is damaged: {0}; put it back from a backup, or go on without it from the next block of rounds on"
    )]
    Damaged(#[from] MessageError),
    /// Noise that doesn't fit the plan.
    #[error(transparent)]
    Carried(#[from] CarriedError),
}

/// A round.
#[derive(Serialize, Deserialize)]
pub(super) struct Kept {
    /// [`order_of`] the data and the plan.
    pub(super) order: [u8; 32],
    /// None before the draw.
    pub(super) drawn: Option<Drawn>,
}

/// A round's draw.
#[derive(Serialize, Deserialize)]
pub(super) struct Drawn {
    /// BLAKE3 of the model that the round was trained on.
    pub(super) model: [u8; 32],
    /// What it carries.
    noise: Vec<i32>,
    /// What leaves.
    pub(super) values: Vec<i32>,
}

impl Drop for Drawn {
    fn drop(&mut self) {
        self.noise.zeroize();
    }
}

impl CarriedFile {
    /// Opens or creates the file.
    ///
    /// # Errors
    /// Another process has it open, or the disk fails.
    pub fn open(path: &Path, run: Beginning) -> Result<Self, JournalError> {
        Ok(Self {
            journal: Journal::open(path)?,
            run,
        })
    }

    /// What is known of a round.
    pub(super) fn kept(&self, round: u64) -> Result<Option<Kept>, CarriedFileError> {
        let bytes = self.journal.kept(&self.key(round))?.map(Zeroizing::new);
        Ok(bytes.map(|bytes| decode(&bytes)).transpose()?)
    }

    /// Marks a round that is about to be charged and drawn.
    pub(super) fn mark(&mut self, round: u64, order: [u8; 32]) -> Result<(), CarriedFileError> {
        let kept = Kept { order, drawn: None };
        Ok(self.journal.keep(&self.key(round), &encode(&kept))?)
    }

    /// Keeps a round's draw, and forgets rounds that no release needs any more; after the plan's last round, whatever any carried.
    pub(super) fn keep(
        &mut self,
        round: u64,
        (order, model): ([u8; 32], [u8; 32]),
        carried: &Carried<Os>,
        (values, mechanism): (&[i32], &Mechanism),
    ) -> Result<(), CarriedFileError> {
        let last = matches!(mechanism.noising(), Noising::DpFtrl { rounds, .. } if round >= rounds);
        let noise = carried.noise(round).filter(|_| !last).unwrap_or_default().to_vec();
        let kept = Kept {
            order,
            drawn: Some(Drawn {
                model,
                noise,
                values: values.to_vec(),
            }),
        };
        let bytes = Zeroizing::new(encode(&kept));
        self.journal.keep(&self.key(round), &bytes)?;
        let oldest = (round + 1).saturating_sub(mechanism.block().into());
        self.journal.forget_between(&self.key(0), &self.key(oldest))?;
        if last {
            self.mark_only(oldest..round)?;
        }
        Ok(())
    }

    /// Forgets everything that was drawn: the federation is finished, or goes on without. Rounds stay marked, so that none is drawn again.
    ///
    /// # Errors
    /// The disk, or a damaged entry.
    pub fn finish(&mut self, mechanism: &Mechanism) -> Result<(), CarriedFileError> {
        match mechanism.noising() {
            Noising::DpFtrl { rounds, .. } => self.mark_only(1..rounds.saturating_add(1)),
            _ => Ok(()),
        }
    }

    /// Whether what a round carried is on disk.
    ///
    /// # Errors
    /// The disk, or a damaged entry.
    pub fn remembers(&self, round: u64) -> Result<bool, CarriedFileError> {
        let drawn = self.kept(round)?.and_then(|kept| kept.drawn);
        Ok(drawn.is_some_and(|drawn| !drawn.noise.is_empty()))
    }

    fn mark_only(&mut self, rounds: std::ops::Range<u64>) -> Result<(), CarriedFileError> {
        for round in rounds {
            if let Some(Kept { order, drawn: Some(_) }) = self.kept(round)? {
                self.mark(round, order)?;
            }
        }
        Ok(())
    }

    /// The noise that round `round` takes back parts of: of earlier rounds over data in the same order.
    pub(super) fn carried(
        &self,
        round: u64,
        order: &[u8; 32],
        mechanism: &Mechanism,
    ) -> Result<Carried<Os>, CarriedFileError> {
        let mut carried = Carried::new(mechanism)?;
        for before in (round + 1).saturating_sub(mechanism.lags().into())..round {
            if let Some(Kept {
                order: known,
                drawn: Some(mut drawn),
            }) = self.kept(before)?
                && known == *order
            {
                carried.recall(before, Zeroizing::new(std::mem::take(&mut drawn.noise)))?;
            }
        }
        Ok(carried)
    }

    fn key(&self, round: u64) -> Vec<u8> {
        [KEY, &self.run.0, &round.to_be_bytes()].concat()
    }
}

/// A digest of the plan's text, the mechanism, all records and the seed that orders them: as long as it stays, a record rests between two uses, and
/// what was paid for a block was paid for this noise.
pub(super) fn order_of((plan, mechanism): (&Plan, &Mechanism), data: &dyn Data, seed: &Seed) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key(ORDER);
    for part in [plan.text().as_bytes(), &encode(mechanism)] {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
    }
    hasher.update(&seed.0);
    hasher.update(&(data.len() as u64).to_le_bytes());
    hasher.update(&(data.width() as u64).to_le_bytes());
    let mut features = Zeroizing::new(vec![0.0f32; data.width()]);
    for index in 0..data.len() {
        data.features_into(index, &mut features);
        features.iter().for_each(|x| {
            hasher.update(&x.to_bits().to_le_bytes());
        });
        match data.target(index) {
            Target::Class(class) => hasher.update(&[0]).update(&(class as u64).to_le_bytes()),
            Target::Value(value) => hasher.update(&[1]).update(&value.to_bits().to_le_bytes()),
        };
    }
    *hasher.finalize().as_bytes()
}
