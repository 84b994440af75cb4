//! Checkpoints: a block of a chain that somebody vouches for, as people write it down.

use std::fmt;
use std::str::FromStr;

use alloy::primitives::B256;
use serde::{Deserialize, Serialize};

use crate::merkle::Digest;

/// A block that is taken for the chain's. Written `CHAIN_ID:BLOCK_NUMBER:HASH`, the hash in hex with 0x.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Checkpoint {
    /// EIP-155 id.
    pub chain_id: u64,
    /// Number of the block.
    pub number: u64,
    /// Its hash.
    #[serde(with = "crate::bytes")]
    pub hash: Digest,
}

/// Why words are no checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{given:?} is no checkpoint: {what}; write CHAIN_ID:BLOCK_NUMBER:HASH, for instance 1:21000000:0xab..cd with 64 hex digits"
)]
pub struct CheckpointError {
    given: String,
    what: &'static str,
}

impl FromStr for Checkpoint {
    type Err = CheckpointError;

    fn from_str(given: &str) -> Result<Self, CheckpointError> {
        let wrong = |what| CheckpointError {
            given: given.chars().take(160).collect(),
            what,
        };
        let mut parts = given.trim().splitn(3, ':');
        let mut part = |what| parts.next().ok_or_else(|| wrong(what));
        let chain_id = part("there is no chain id")?.parse().ok().filter(|id| *id > 0);
        let chain_id = chain_id.ok_or_else(|| wrong("the chain id is no number above zero"))?;
        let number = part("there is no block number")?;
        let number = number.parse().map_err(|_| wrong("the block number is none"))?;
        let hash = part("there is no hash")?;
        let digits = hash
            .strip_prefix("0x")
            .ok_or_else(|| wrong("the hash begins with 0x"))?;
        let hash = alloy::hex::decode_to_array(digits).map_err(|_| wrong("the hash has 64 hex digits"))?;
        Ok(Self { chain_id, number, hash })
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.chain_id, self.number, B256::from(self.hash))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_all_else_is_named() {
        let written = format!("31337:12:0x{}", "ab".repeat(32));
        let read: Checkpoint = written.parse().unwrap();
        assert_eq!((read.chain_id, read.number, read.hash), (31_337, 12, [0xab; 32]));
        assert_eq!(read.to_string(), written);
        let long = format!("1:2:0x{}", "ab".repeat(33));
        for (given, what) in [
            ("", "chain id"),
            ("0:1:0x00", "chain id"),
            ("-1:1:0x00", "chain id"),
            ("1", "block number"),
            ("1:x:0x00", "block number"),
            ("1:99999999999999999999:0x00", "block number"),
            ("1:2", "hash"),
            ("1:2:ab", "0x"),
            ("1:2:0xab", "64 hex digits"),
            (&long, "64 hex digits"),
        ] {
            let error = given.parse::<Checkpoint>().unwrap_err().to_string();
            assert!(
                error.contains(what) && error.contains("CHAIN_ID:BLOCK_NUMBER:HASH"),
                "{error}"
            );
        }
    }
}
