//! Proofs in a file, so that another audit checks them where there is no node.
//!
//! Format: 16 bytes of magic with the version, then the proofs of each chain in postcard. There is no checksum: a file is believed nothing, and
//! a changed byte fails the check of what it proves ([`super::proven`]).

use crate::proof::Collected;

const MAGIC: &[u8; 16] = b"xfl proofs    1\n";

/// The largest file that is read: 256 MiB.
pub const MAX_FILE: usize = 256 * 1024 * 1024;

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
    #[error("the proofs don't decode: the file is damaged or cut short")]
    Malformed,
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
/// [`KeptError::TooLarge`].
pub fn encode(proofs: &[Collected]) -> Result<Vec<u8>, KeptError> {
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
    let decoded: Result<(Vec<Collected>, _), _> = postcard::take_from_bytes(content);
    let (proofs, rest) = decoded.map_err(|_| KeptError::Malformed)?;
    if !rest.is_empty() {
        return Err(KeptError::Malformed);
    }
    for (place, proof) in proofs.iter().enumerate() {
        if proofs[..place].iter().any(|other| other.chain_id == proof.chain_id) {
            let chain_id = proof.chain_id;
            return Err(KeptError::Twice { chain_id });
        }
    }
    Ok(proofs)
}
