//! Block headers: from a block's hash to its roots.
//!
//! A header is the RLP bytes that the chain hashed, so the hash is that of all its fields, whether they are known here or not. The first
//! fifteen have had their places since the first block, and the five that are needed are among them. Forks put more behind them (London 16, Shanghai
//! 17, Cancun 20, Prague 21, others later or on other chains): they are hashed, and not read.

use alloy::primitives::{B256, Bytes};
use alloy::rlp::{Decodable, Header as Head};

use crate::keccak256;
use crate::merkle::Digest;

/// The most bytes of a header. Ethereum's have some 600; chains of other kinds keep signatures in them.
pub const MAX_HEADER: usize = 16 * 1024;

const FIRST_FIELDS: usize = 15;
const MAX_FIELDS: usize = 64;
const PARENT: usize = 0;
const STATE_ROOT: usize = 3;
const RECEIPTS_ROOT: usize = 5;
const NUMBER: usize = 8;
const TIMESTAMP: usize = 11;

/// Why bytes are no header.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Too long.
    #[error("a header has at most {MAX_HEADER} bytes, got {got}")]
    TooLarge {
        /// Its bytes.
        got: usize,
    },
    /// Not one list of fields.
    #[error("the bytes are not a header: {reason}")]
    Malformed {
        /// Why.
        reason: String,
    },
    /// Fewer fields than the first headers had, or more than any has.
    #[error("a header has {FIRST_FIELDS} to {MAX_FIELDS} fields, got {got}")]
    Fields {
        /// How many.
        got: usize,
    },
    /// A field that isn't what stands in its place.
    #[error("{field} of the header is malformed: {reason}")]
    Field {
        /// Which.
        field: &'static str,
        /// Why.
        reason: String,
    },
}

/// What is read of a header; the hash is that of all its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The block's hash.
    pub hash: Digest,
    /// Hash of the block before it.
    pub parent: Digest,
    /// Number of the block.
    pub number: u64,
    /// When it was made, Unix seconds.
    pub timestamp: u64,
    /// Root of all accounts after it.
    pub state_root: Digest,
    /// Root of its transactions' receipts.
    pub receipts_root: Digest,
}

impl Header {
    /// Reads a header from its RLP bytes.
    ///
    /// # Errors
    /// [`HeaderError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, HeaderError> {
        if bytes.len() > MAX_HEADER {
            return Err(HeaderError::TooLarge { got: bytes.len() });
        }
        let fields = fields(bytes)?;
        let word = |place: usize, field| -> Result<Digest, HeaderError> { Ok(read::<B256>(fields[place], field)?.0) };
        Ok(Self {
            hash: keccak256(bytes),
            parent: word(PARENT, "the parent's hash")?,
            number: read(fields[NUMBER], "the number")?,
            timestamp: read(fields[TIMESTAMP], "the time")?,
            state_root: word(STATE_ROOT, "the state root")?,
            receipts_root: word(RECEIPTS_ROOT, "the receipts root")?,
        })
    }
}

/// The fields in RLP; fifteen at least.
fn fields(bytes: &[u8]) -> Result<Vec<&[u8]>, HeaderError> {
    let malformed = |reason: String| HeaderError::Malformed { reason };
    let mut rest = bytes;
    let mut list = Head::decode_bytes(&mut rest, true).map_err(|error| malformed(error.to_string()))?;
    if !rest.is_empty() {
        return Err(malformed(format!("{} bytes follow it", rest.len())));
    }
    let mut fields = Vec::with_capacity(24);
    while !list.is_empty() {
        let before = list;
        let head = Head::decode(&mut list).map_err(|error| malformed(error.to_string()))?;
        // The head was checked to fit.
        list = list.get(head.payload_length..).unwrap_or_default();
        fields.push(&before[..before.len() - list.len()]);
        if fields.len() > MAX_FIELDS {
            break;
        }
    }
    match fields.len() {
        FIRST_FIELDS..=MAX_FIELDS => Ok(fields),
        got => Err(HeaderError::Fields { got }),
    }
}

fn read<T: Decodable>(mut bytes: &[u8], field: &'static str) -> Result<T, HeaderError> {
    T::decode(&mut bytes).map_err(|error| HeaderError::Field {
        field,
        reason: error.to_string(),
    })
}

/// The RLP bytes of a header from its fields, as far as they are known: up to Prague's and the two after it.
#[must_use]
pub fn encode(header: &alloy::consensus::Header) -> Bytes {
    alloy::rlp::encode(header).into()
}
