//! Where an embedded chain begins, and the record of one block: together they are the whole chain.

use alloy::primitives::{B256, Bytes, U256};
use serde::{Deserialize, Serialize};

use crate::payout::Account;

/// Gas of one block, and of one call.
pub const BLOCK_GAS: u64 = 30_000_000;

/// Fee of the protocol per unit of gas, in wei. Fixed: an in-process chain has no congestion to price.
pub const BASE_FEE: u64 = 1_000_000_000;

/// The most accounts a genesis may fund.
pub const MAX_SEEDS: usize = 1_024;

/// What an embedded chain starts from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Genesis {
    /// EIP-155 id.
    pub chain_id: u64,
    /// Unix time of block 0, in seconds.
    pub timestamp: u64,
    /// Accounts that hold native coin from the start, and how much, in wei.
    pub seeds: Vec<Seed>,
}

/// One funded account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seed {
    /// Who.
    #[serde(with = "crate::bytes")]
    pub account: Account,
    /// How much, in wei.
    #[serde(with = "crate::bytes::amount")]
    pub wei: u128,
}

impl Seed {
    /// `coins` whole native coins (10^18 wei) for an account.
    #[must_use]
    pub fn coins(account: Account, coins: u32) -> Self {
        Self {
            account,
            wei: u128::from(coins) * 1_000_000_000_000_000_000,
        }
    }

    pub(crate) fn balance(&self) -> U256 {
        U256::from(self.wei)
    }
}

/// One block: enough to execute it again, and what it must come out as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) timestamp: u64,
    /// The one signed transaction, EIP-2718 bytes.
    pub(crate) transaction: Bytes,
    /// Hash of the block's header, which commits to the state after it.
    #[serde(with = "block_hash")]
    pub(crate) hash: B256,
}

mod block_hash {
    use alloy::primitives::B256;
    use serde::{Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(hash: &B256, out: S) -> Result<S::Ok, S::Error> {
        crate::bytes::serialize(&hash.0, out)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<B256, D::Error> {
        crate::bytes::deserialize(input).map(B256::new)
    }
}
