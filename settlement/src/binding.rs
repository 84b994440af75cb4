//! Bindings: an ed25519 node key and a payout address, each signing for the other.
//!
//! Both sign the same 32 bytes, [`Binding::digest`]: the payout key here (the registry contract checks it), the node
//! key elsewhere with ed25519 over exactly those bytes, which travels in the contract's event and is checked by every
//! peer and auditor, because the EVM can't check ed25519 at a sane price.
//!
//! A binding is admitted once: its nonce must be above every earlier one for the node key, and its expiry not passed.
//! Payout addresses that are contracts (ERC-1271) can be bound on chain, but not checked by [`Binding::verify`].

use serde::{Deserialize, Serialize};

use crate::domain::Domain;
use crate::merkle::Digest;
use crate::payout::{Account, PayoutError, PayoutKey, Signature};

mod eip712 {
    alloy::sol! {
        struct Binding {
            bytes32 federation;
            bytes32 nodeKey;
            address payout;
            uint64 chainId;
            uint64 nonce;
            uint64 expiry;
        }
    }
}

/// What a node key and a payout key both sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Binding {
    /// Federation id.
    #[serde(with = "crate::bytes")]
    pub federation: Digest,
    /// Raw ed25519 public key.
    #[serde(with = "crate::bytes")]
    pub node_key: Digest,
    /// Account that signs rounds and receives rewards.
    #[serde(with = "crate::bytes")]
    pub payout: Account,
    /// Chain on which the member wants to be paid (EIP-155).
    pub chain_id: u64,
    /// Above every nonce used before for this node key, thus at least 1.
    pub nonce: u64,
    /// Last second (Unix time) at which it may be admitted.
    pub expiry: u64,
}

/// Why a binding doesn't hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BindingError {
    /// The binding names no node key, payout address or chain, or has nonce zero.
    #[error("the binding leaves {field} at zero")]
    Incomplete {
        /// Which field.
        field: &'static str,
    },
    /// For another federation than the domain's.
    #[error("the binding is for another federation")]
    WrongFederation,
    /// The signature is none.
    #[error("the payout signature is not valid: {0}")]
    Signature(#[from] PayoutError),
    /// Somebody else signed.
    #[error("the payout signature is by {got:02x?}, expected {expected:02x?}")]
    Signer {
        /// The binding's payout address.
        expected: Account,
        /// Who signed.
        got: Account,
    },
}

impl Binding {
    /// The 32 bytes that both keys sign, the contract's `bindingDigest`. `domain.contract` is the registry.
    #[must_use]
    pub fn digest(&self, domain: &Domain) -> Digest {
        domain.digest(&eip712::Binding {
            federation: self.federation.into(),
            nodeKey: self.node_key.into(),
            payout: self.payout.into(),
            chainId: self.chain_id,
            nonce: self.nonce,
            expiry: self.expiry,
        })
    }

    /// The payout key's signature.
    ///
    /// # Errors
    /// [`BindingError`] where `key` is not the binding's payout key or the binding is incomplete.
    pub fn sign(&self, domain: &Domain, key: &PayoutKey) -> Result<Signature, BindingError> {
        let signature = key.sign(&self.digest(domain))?;
        self.verify(domain, &signature)?;
        Ok(signature)
    }

    /// Checks the payout key's signature and that the binding is complete and for the domain's federation. Nonce,
    /// expiry and the node key's signature are the caller's to check.
    ///
    /// # Errors
    /// [`BindingError`] for the first of these that fails.
    pub fn verify(&self, domain: &Domain, signature: &Signature) -> Result<(), BindingError> {
        let zeros = [
            ("the node key", self.node_key == [0; 32]),
            ("the payout address", self.payout == [0; 20]),
            ("the chain id", self.chain_id == 0),
            ("the nonce", self.nonce == 0),
        ];
        if let Some((field, _)) = zeros.into_iter().find(|(_, zero)| *zero) {
            return Err(BindingError::Incomplete { field });
        }
        if self.federation != domain.federation {
            return Err(BindingError::WrongFederation);
        }
        let got = signature.recover(&self.digest(domain))?;
        if got != self.payout {
            return Err(BindingError::Signer {
                expected: self.payout,
                got,
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> PayoutKey {
        PayoutKey::from_secret(&[byte; 32]).unwrap()
    }

    fn domain() -> Domain {
        Domain {
            chain_id: 31_337,
            contract: [9; 20],
            federation: [5; 32],
        }
    }

    fn binding() -> Binding {
        Binding {
            federation: [5; 32],
            node_key: [6; 32],
            payout: key(1).account(),
            chain_id: 31_337,
            nonce: 1,
            expiry: 2_000_000_000,
        }
    }

    #[test]
    fn only_the_payout_key_signs_and_only_for_this_domain() {
        let signature = binding().sign(&domain(), &key(1)).unwrap();
        binding().verify(&domain(), &signature).unwrap();
        assert!(matches!(
            binding().sign(&domain(), &key(2)),
            Err(BindingError::Signer { .. })
        ));
        let replays = [
            Domain {
                chain_id: 1,
                ..domain()
            },
            Domain {
                contract: [8; 20],
                ..domain()
            },
            Domain {
                federation: [4; 32],
                ..domain()
            },
        ];
        for elsewhere in replays {
            assert!(binding().verify(&elsewhere, &signature).is_err());
        }
    }

    #[test]
    fn the_encoding_is_pinned() {
        let digest = blake3::hash(&postcard::to_stdvec(&binding()).unwrap());
        assert_eq!(
            digest.to_hex().as_str(),
            "0a2f6dd0e670d7b737cb6cea96124c53e565977321143c11ba3c5d657a76f4c0"
        );
    }

    #[test]
    fn every_field_is_signed() {
        let signature = binding().sign(&domain(), &key(1)).unwrap();
        let changed = [
            Binding {
                node_key: [7; 32],
                ..binding()
            },
            Binding {
                payout: key(2).account(),
                ..binding()
            },
            Binding {
                chain_id: 1,
                ..binding()
            },
            Binding { nonce: 2, ..binding() },
            Binding { expiry: 1, ..binding() },
        ];
        for other in changed {
            assert!(other.verify(&domain(), &signature).is_err(), "{other:?}");
        }
        let empty = Binding { nonce: 0, ..binding() };
        assert_eq!(
            empty.sign(&domain(), &key(1)),
            Err(BindingError::Incomplete { field: "the nonce" })
        );
    }
}
