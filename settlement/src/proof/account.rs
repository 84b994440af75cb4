//! Accounts and their storage: from a block's state root to what a contract holds.
//!
//! `eth_getProof` gives the nodes. What it says beside them (balance, values) isn't needed: all of it is in the nodes, and is read from there.

use alloy::primitives::{B256, Bytes, KECCAK256_EMPTY, U256};
use alloy::rlp::Decodable;
use alloy::trie::{EMPTY_ROOT_HASH, TrieAccount};

use super::trie::{self, TrieError};
use crate::keccak256;
use crate::merkle::Digest;
use crate::payout;

/// Why an account or a slot isn't proven.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    /// The nodes on the way to the account.
    #[error("the account isn't proven: {0}")]
    Account(#[source] TrieError),
    /// What the trie holds is no account.
    #[error("the account is malformed: {reason}")]
    Malformed {
        /// Why.
        reason: String,
    },
    /// The nodes on the way to a slot.
    #[error("slot {} isn't proven: {source}", B256::from(*.slot))]
    Slot {
        /// The slot.
        slot: Digest,
        /// Why.
        source: TrieError,
    },
    /// What the trie holds is no word.
    #[error("the value of slot {} is malformed: {reason}", B256::from(*.slot))]
    Value {
        /// The slot.
        slot: Digest,
        /// Why.
        reason: String,
    },
}

/// An account as a block has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// Transactions sent, or contracts made.
    pub nonce: u64,
    /// Coin, in wei.
    pub balance: U256,
    /// Root of its storage.
    pub storage_root: Digest,
    /// keccak256 of its code.
    pub code_hash: Digest,
}

impl Account {
    /// An account that isn't there.
    pub const NONE: Self = Self {
        nonce: 0,
        balance: U256::ZERO,
        storage_root: EMPTY_ROOT_HASH.0,
        code_hash: KECCAK256_EMPTY.0,
    };

    /// The account at `address` in the state with this root; none where the nodes prove that there is none.
    ///
    /// # Errors
    /// [`AccountError`].
    pub fn proven(
        state_root: &Digest,
        address: &payout::Account,
        nodes: &[Bytes],
    ) -> Result<Option<Self>, AccountError> {
        let found = trie::lookup(state_root, &keccak256(address), nodes).map_err(AccountError::Account)?;
        found.map(|bytes| Self::decode(&bytes)).transpose()
    }

    /// The word in one of its slots; zero where the nodes prove that there is none.
    ///
    /// # Errors
    /// [`AccountError`].
    pub fn slot(&self, slot: &Digest, nodes: &[Bytes]) -> Result<Digest, AccountError> {
        let found = trie::lookup(&self.storage_root, &keccak256(slot), nodes)
            .map_err(|source| AccountError::Slot { slot: *slot, source })?;
        let Some(bytes) = found else {
            return Ok([0; 32]);
        };
        let value = exactly::<U256>(&bytes).map_err(|reason| AccountError::Value { slot: *slot, reason })?;
        if value.is_zero() {
            let reason = "zero is never written".into();
            return Err(AccountError::Value { slot: *slot, reason });
        }
        Ok(value.to_be_bytes())
    }

    fn decode(bytes: &[u8]) -> Result<Self, AccountError> {
        let account: TrieAccount = exactly(bytes).map_err(|reason| AccountError::Malformed { reason })?;
        Ok(Self {
            nonce: account.nonce,
            balance: account.balance,
            storage_root: account.storage_root.0,
            code_hash: account.code_hash.0,
        })
    }
}

fn exactly<T: Decodable>(bytes: &[u8]) -> Result<T, String> {
    let mut rest = bytes;
    let value = T::decode(&mut rest).map_err(|error| error.to_string())?;
    match rest.is_empty() {
        true => Ok(value),
        false => Err(format!("{} bytes follow it", rest.len())),
    }
}
