//! The EIP-712 domain of everything a payout key signs.
//!
//! `EIP712Domain(string name,string version,bytes32 salt)` with name "xfl", version "1" and
//! `salt = keccak256(abi.encode(uint256 chainId, address contract, bytes32 federation))`. There is no chain id in the domain
//! itself, so one set of signatures over a round serves the home chain and every mirror; the salt keeps signatures of
//! different deployments, federations and contracts apart.
//!
//! Reference: EIP-712.

use alloy::primitives::{Address, B256, U256, keccak256};
use alloy::sol_types::{Eip712Domain, SolStruct, SolValue};
use serde::{Deserialize, Serialize};

use crate::merkle::Digest;
use crate::payout::Account;

/// Which contract of which federation a signature is meant for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Domain {
    /// EIP-155 id of the home chain.
    pub chain_id: u64,
    /// The registry for bindings, the round manager for headers.
    #[serde(with = "crate::bytes")]
    pub contract: Account,
    /// Federation id.
    #[serde(with = "crate::bytes")]
    pub federation: Digest,
}

impl Domain {
    /// The domain separator, as the contract's `domainSeparator()` answers it.
    #[must_use]
    pub fn separator(&self) -> Digest {
        self.eip712().separator().0
    }

    pub(crate) fn digest<S: SolStruct>(&self, message: &S) -> Digest {
        message.eip712_signing_hash(&self.eip712()).0
    }

    fn eip712(&self) -> Eip712Domain {
        let salted = (
            U256::from(self.chain_id),
            Address::from(self.contract),
            B256::from(self.federation),
        );
        Eip712Domain {
            name: Some("xfl".into()),
            version: Some("1".into()),
            salt: Some(keccak256(salted.abi_encode())),
            ..Eip712Domain::default()
        }
    }
}
