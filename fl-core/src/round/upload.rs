//! Upload: parts of a committed update arrive in any order; the last one must complete the committed root. A round that is tried again
//! shows the same updates again: whoever has seen the others' can't make another of them, or be taken for the first of two.

use super::{RoundError, Rounds};
use crate::{
    identity::NodeId,
    message::Upload,
    update::{self, PART},
};

/// An upload in the making.
#[derive(Clone, Debug)]
pub struct Assembly<T> {
    values: Vec<T>,
    have: Vec<bool>,
}

/// An update that was shown in some attempt of the round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    /// The first attempt in which it was, and the place of its commitment there: who was first.
    pub(crate) first: (u32, usize),
    digest: [u8; 32],
}

/// Why a part doesn't fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PartError {
    /// There is no such part.
    #[error("part {got} of {parts}")]
    Number {
        /// Parts there are.
        parts: u32,
        /// The one that came.
        got: u32,
    },
    /// It has the wrong length.
    #[error("a part of {got} values, expected {expected}")]
    Length {
        /// Values it should have.
        expected: usize,
        /// Values it has.
        got: usize,
    },
    /// It is here already.
    #[error("part {0} is here already")]
    Again(u32),
}

impl<T: Copy + Default> Assembly<T> {
    /// An upload of `len` values, none of them here.
    pub fn new(len: usize) -> Self {
        Self {
            values: vec![T::default(); len],
            have: vec![false; update::parts(len) as usize],
        }
    }

    /// Puts a part in its place; true if it was the last.
    ///
    /// # Errors
    /// [`PartError`]; nothing has changed then.
    pub fn put(&mut self, part: u32, values: &[T]) -> Result<bool, PartError> {
        let parts = self.have.len() as u32;
        let expected = update::part_len(self.values.len(), part);
        match self.have.get(part as usize) {
            None => return Err(PartError::Number { parts, got: part }),
            Some(true) => return Err(PartError::Again(part)),
            Some(false) if values.len() != expected => {
                return Err(PartError::Length {
                    expected,
                    got: values.len(),
                });
            }
            Some(false) => {}
        }
        let start = part as usize * PART;
        self.values[start..start + expected].copy_from_slice(values);
        self.have[part as usize] = true;
        Ok(self.complete())
    }

    /// Forgets a part again.
    pub fn take_back(&mut self, part: u32) {
        if let Some(have) = self.have.get_mut(part as usize) {
            *have = false;
        }
    }

    /// Whether all parts are here.
    pub fn complete(&self) -> bool {
        self.have.iter().all(|h| *h)
    }

    /// The parts that are here.
    pub fn have(&self) -> Vec<u32> {
        (0..)
            .zip(&self.have)
            .filter(|(_, have)| **have)
            .map(|(part, _)| part)
            .collect()
    }

    /// The values; zeros where a part is missing.
    pub fn values(&self) -> &[T] {
        &self.values
    }
}

impl Rounds {
    pub(super) fn upload(&mut self, member: NodeId, upload: Upload) -> Result<(), RoundError> {
        let d = self.update_len();
        let wrong = |what: String| RoundError::Misbehaved { member, what };
        let Some(committed) = self.work.commits.get(&member) else {
            return Err(wrong("an upload without a commitment".into()));
        };
        let (root, salt_hash) = (committed.commit.root, committed.commit.salt_hash);
        let first = (self.attempt, committed.place);
        if update::salt_hash(&upload.salt_key) != salt_hash {
            return Err(wrong("the salts' key isn't the committed one".into()));
        }
        let assembly = self.work.uploads.entry(member).or_insert_with(|| Assembly::new(d));
        match assembly.put(upload.part, &upload.values) {
            Err(PartError::Again(part)) => {
                return Err(RoundError::Misplaced {
                    member,
                    what: PartError::Again(part).to_string(),
                });
            }
            Err(error) => return Err(wrong(error.to_string())),
            Ok(false) => {}
            Ok(true) => {
                if update::root(assembly.values(), &upload.salt_key) != root {
                    assembly.take_back(upload.part);
                    return Err(wrong("the update isn't the committed one".into()));
                }
                let digest = update::digest(assembly.values());
                let shown = self.shown.entry(member).or_insert(Shown { first, digest });
                if shown.digest != digest {
                    assembly.take_back(upload.part);
                    let what = format!("another update than it showed in attempt {}", shown.first.0);
                    return Err(wrong(what));
                }
            }
        }
        self.work.salts.insert(member, upload.salt_key);
        Ok(())
    }
}
