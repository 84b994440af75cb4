//! Proofs in a file, so that another audit checks them where there is no node.
//!
//! Format: 16 bytes of magic with the version, then the proofs of each chain in postcard. There is no checksum: a file is believed nothing, and
//! what the checks read of it is hashed ([`super::proven`]). Bytes that none reads, such as a header that leads nowhere, may be any.
//!
//! Bounds: [`MAX_FILE`], [`MAX_CHAINS`], and for each chain those of [`crate::proof::collected`], which are kept while the bytes are read: what is
//! more is never allocated.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::proof::Collected;
use crate::proof::collected::bounded;

const MAGIC: &[u8; 16] = b"xfl proofs    1\n";

/// The largest file that is read: 64 MiB.
pub const MAX_FILE: usize = 64 * 1024 * 1024;
/// The most chains in a file: a home and its mirrors.
pub const MAX_CHAINS: usize = 16;

#[derive(Deserialize)]
struct Chains(#[serde(deserialize_with = "bounded::<_, _, MAX_CHAINS>")] Vec<Collected>);

/// Why bytes are no proofs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeptError {
    /// Too long to read.
    #[error("the proofs have {got} bytes, the most is {MAX_FILE}")]
    TooLarge {
        /// Their bytes.
        got: usize,
    },
    /// Something else, or of a later version.
    #[error("the bytes are no proofs of version 1 (`xfl audit --save-proofs` writes such)")]
    NoProofs,
    /// The content doesn't decode.
    #[error("the proofs don't decode: the file is damaged, cut short, or has more than a federation's proofs can have")]
    Malformed,
    /// More than is read again.
    #[error("there are too many {what} to keep: {got}, the most is {most}")]
    TooMany {
        /// What.
        what: &'static str,
        /// How many.
        got: usize,
        /// How many fit.
        most: usize,
    },
    /// Two proofs of one chain.
    #[error("chain {chain_id} is proven twice")]
    Twice {
        /// EIP-155 id.
        chain_id: u64,
    },
}

/// The bytes of a file.
///
/// # Errors
/// [`KeptError::TooLarge`] and [`KeptError::TooMany`].
pub fn encode(proofs: &[Collected]) -> Result<Vec<u8>, KeptError> {
    let (got, most) = (proofs.len(), MAX_CHAINS);
    if got > most {
        let what = "chains";
        return Err(KeptError::TooMany { what, got, most });
    }
    if let Some((what, got, most)) = proofs.iter().find_map(Collected::too_many) {
        return Err(KeptError::TooMany { what, got, most });
    }
    let bytes = postcard::to_extend(proofs, MAGIC.to_vec()).map_err(|_| KeptError::Malformed)?;
    match bytes.len() {
        0..=MAX_FILE => Ok(bytes),
        got => Err(KeptError::TooLarge { got }),
    }
}

/// The proofs in a file.
///
/// # Errors
/// [`KeptError`].
pub fn decode(bytes: &[u8]) -> Result<Vec<Collected>, KeptError> {
    if bytes.len() > MAX_FILE {
        return Err(KeptError::TooLarge { got: bytes.len() });
    }
    let content = bytes.strip_prefix(MAGIC).ok_or(KeptError::NoProofs)?;
    let decoded: Result<(Chains, _), _> = postcard::take_from_bytes(content);
    let (Chains(proofs), rest) = decoded.map_err(|_| KeptError::Malformed)?;
    if !rest.is_empty() {
        return Err(KeptError::Malformed);
    }
    let mut seen = BTreeSet::new();
    match proofs.iter().find(|proof| !seen.insert(proof.chain_id)) {
        Some(twice) => Err(KeptError::Twice {
            chain_id: twice.chain_id,
        }),
        None => Ok(proofs),
    }
}
