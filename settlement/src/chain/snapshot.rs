//! A whole embedded chain as one string of bytes, for an auditor without a connection.
//!
//! Layout: 16 bytes of magic with the version, the genesis and all block records in postcard, and the BLAKE3 hash of all
//! before it. [`verify`] executes every transaction again from genesis and compares every block's hash, so what it answers
//! for is computed, not read. The chain it gives can be asked like any other and takes no transactions.
//!
//! The checksum finds accidents and flipped bytes. Against an operator who wrote another history, only what is signed inside
//! helps: members' signatures over headers and bindings, which [`crate::audit`] checks; and the head's hash, wherever somebody
//! else has written it down.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::embedded::{EmbeddedChain, OpenError};
use super::genesis::{Genesis, Record};
use super::store::Store;

const MAGIC: &[u8; 16] = b"xfl chain snap 1";
const CHECKSUM: usize = 32;

/// The largest snapshot that is read: 256 MiB.
pub const MAX_SNAPSHOT: usize = 256 * 1024 * 1024;

/// Why a snapshot isn't believed.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// Too long to read.
    #[error("the snapshot has {got} bytes, the most is {MAX_SNAPSHOT}")]
    TooLarge {
        /// Its bytes.
        got: usize,
    },
    /// Not a snapshot, or of a later version.
    #[error("the bytes are not a chain snapshot of version 1")]
    NotASnapshot,
    /// A byte differs from what was written.
    #[error("the snapshot's checksum differs: it is damaged or cut short")]
    Checksum,
    /// The content doesn't decode.
    #[error("the snapshot does not decode")]
    Malformed,
    /// Executing it again gave something else.
    #[error(transparent)]
    Replay(#[from] OpenError),
}

#[derive(Serialize, Deserialize)]
struct Content {
    genesis: Genesis,
    records: Vec<Record>,
}

impl EmbeddedChain {
    /// The whole chain up to now; [`verify`] reads it.
    ///
    /// # Errors
    /// [`SnapshotError::Malformed`] should it not encode, and [`SnapshotError::TooLarge`].
    pub fn snapshot(&self) -> Result<Vec<u8>, SnapshotError> {
        let content = Content {
            genesis: self.genesis().clone(),
            records: self.records(),
        };
        let bytes = MAGIC.to_vec();
        let mut bytes = postcard::to_extend(&content, bytes).map_err(|_| SnapshotError::Malformed)?;
        let checksum = blake3::hash(&bytes);
        bytes.extend_from_slice(checksum.as_bytes());
        if bytes.len() > MAX_SNAPSHOT {
            return Err(SnapshotError::TooLarge { got: bytes.len() });
        }
        Ok(bytes)
    }
}

/// Executes a snapshot again and gives the chain it holds, to read from. Its time stands at its last block.
///
/// # Errors
/// [`SnapshotError`] for any byte that was changed, and for a history that doesn't execute to what it claims.
pub fn verify(bytes: &[u8]) -> Result<EmbeddedChain, SnapshotError> {
    if bytes.len() > MAX_SNAPSHOT {
        return Err(SnapshotError::TooLarge { got: bytes.len() });
    }
    let (signed, checksum) = bytes
        .split_last_chunk::<CHECKSUM>()
        .ok_or(SnapshotError::NotASnapshot)?;
    let content = signed.strip_prefix(MAGIC).ok_or(SnapshotError::NotASnapshot)?;
    if blake3::hash(signed) != blake3::Hash::from_bytes(*checksum) {
        return Err(SnapshotError::Checksum);
    }
    let (content, rest): (Content, _) = postcard::take_from_bytes(content).map_err(|_| SnapshotError::Malformed)?;
    if !rest.is_empty() {
        return Err(SnapshotError::Malformed);
    }
    let last = content
        .records
        .last()
        .map_or(content.genesis.timestamp, |record| record.timestamp);
    Ok(EmbeddedChain::replay(
        content.genesis,
        &content.records,
        Store::ReadOnly,
        Arc::new(move || last),
    )?)
}
