//! Ancestry: a block vouches for all before it, each names its parent by hash.
//!
//! [`Ancestry`] is a bag of headers by their hashes. [`Ancestry::descends`] goes from a trusted hash back to an earlier block, parent by parent.
//! There is no way forward: a block after a trusted one proves nothing, anybody can make such.

use std::collections::HashMap;

use alloy::primitives::B256;

use super::header::{Header, HeaderError};
use crate::merkle::Digest;

/// The most parents that are followed: a day of blocks at 12 seconds each, and some.
pub const MAX_STEPS: u64 = 8_192;

/// Why a block isn't known to be before another.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AncestryError {
    /// The bag lacks a header.
    #[error("the header of block {} is missing", B256::from(*.hash))]
    Missing {
        /// Its hash.
        hash: Digest,
    },
    /// The later block isn't later.
    #[error("block {block} is after block {trusted}, which vouches only for those before it")]
    After {
        /// The trusted block's number.
        trusted: u64,
        /// The other's.
        block: u64,
    },
    /// Too far to follow.
    #[error("block {block} is {} blocks before block {trusted}, at most {MAX_STEPS} are followed", .trusted - .block)]
    TooFar {
        /// The trusted block's number.
        trusted: u64,
        /// The other's.
        block: u64,
    },
    /// A parent's number isn't one less.
    #[error("block {block} names a parent of number {parent}")]
    Number {
        /// The block's number.
        block: u64,
        /// Its parent's.
        parent: u64,
    },
    /// Another block is in its place.
    #[error("block {number} of the chain is {}, not {}", B256::from(*.chain), B256::from(*.got))]
    OtherBlock {
        /// The number.
        number: u64,
        /// Hash of the trusted block's ancestor.
        chain: Digest,
        /// Hash of the block asked about.
        got: Digest,
    },
}

/// Headers by their hashes.
#[derive(Debug, Clone, Default)]
pub struct Ancestry(HashMap<Digest, Header>);

impl Ancestry {
    /// Takes a header from its RLP bytes.
    ///
    /// # Errors
    /// [`HeaderError`].
    pub fn add(&mut self, bytes: &[u8]) -> Result<Header, HeaderError> {
        let header = Header::decode(bytes)?;
        self.0.insert(header.hash, header);
        Ok(header)
    }

    /// The header with this hash, if it is here.
    #[must_use]
    pub fn get(&self, hash: &Digest) -> Option<&Header> {
        self.0.get(hash)
    }

    /// That `block` is `trusted`, or one of those before it.
    ///
    /// # Errors
    /// [`AncestryError`].
    pub fn descends(&self, trusted: &Digest, block: &Digest) -> Result<(), AncestryError> {
        let header = |hash: &Digest| self.get(hash).ok_or(AncestryError::Missing { hash: *hash });
        let (first, target) = (header(trusted)?, header(block)?);
        let (trusted, block) = (first.number, target.number);
        if block > trusted {
            return Err(AncestryError::After { trusted, block });
        }
        if trusted - block > MAX_STEPS {
            return Err(AncestryError::TooFar { trusted, block });
        }
        let mut at = first;
        while at.number > block {
            let parent = header(&at.parent)?;
            if parent.number.checked_add(1) != Some(at.number) {
                return Err(AncestryError::Number {
                    block: at.number,
                    parent: parent.number,
                });
            }
            at = parent;
        }
        match at.hash == target.hash {
            true => Ok(()),
            false => Err(AncestryError::OtherBlock {
                number: block,
                chain: at.hash,
                got: target.hash,
            }),
        }
    }
}
