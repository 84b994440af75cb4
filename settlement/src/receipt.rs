//! Receipts that a contract can check: the coordinator's word that an update came in whole.
//!
//! Signed by the coordinator's payout key as EIP-712 under the headers' [`Domain`]. Whoever holds one and isn't among the round's
//! inputs ([`crate::input`]) with this commitment proves the omission on chain, and the coordinator's stake is cut. A receipt
//! names its attempt, so that those of an attempt given up say nothing about the one that counts.

use alloy::primitives::Address;
use serde::{Deserialize, Serialize};

use crate::abi;
use crate::domain::Domain;
use crate::merkle::Digest;
use crate::payout::{Account, PayoutError, PayoutKey, Signature};

/// What the coordinator signs for an update that is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Receipt {
    /// Federation id.
    #[serde(with = "crate::bytes")]
    pub federation: Digest,
    /// Number of the round.
    pub round: u64,
    /// Attempt at it, from 0.
    pub attempt: u32,
    /// Who sent the update.
    #[serde(with = "crate::bytes")]
    pub node_key: Digest,
    /// Root that was committed to.
    #[serde(with = "crate::bytes")]
    pub commitment: Digest,
}

impl Receipt {
    /// The 32 bytes that are signed, the contract's `receiptDigest`. `domain.contract` is the round manager.
    #[must_use]
    pub fn digest(&self, domain: &Domain) -> Digest {
        domain.digest(&abi::Receipt::from(self))
    }

    /// The coordinator's signature.
    ///
    /// # Errors
    /// As [`PayoutKey::sign`].
    pub fn sign(&self, domain: &Domain, key: &PayoutKey) -> Result<Signature, PayoutError> {
        key.sign(&self.digest(domain))
    }

    /// Who made `signature` over this receipt; the caller compares with the coordinator's account.
    ///
    /// # Errors
    /// As [`Signature::recover`].
    pub fn recover(&self, domain: &Domain, signature: &Signature) -> Result<Account, PayoutError> {
        signature.recover(&self.digest(domain))
    }
}

/// A receipt with its signature, as a member keeps it and hands it on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SignedReceipt {
    /// What was signed.
    #[serde(flatten)]
    pub receipt: Receipt,
    /// By the coordinator's payout key.
    pub signature: Signature,
}

/// Why a receipt is worth nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// Signed by somebody else, or over something else.
    #[error("the receipt is signed by {}, not by the coordinator's account {}", Address::from(*.got), Address::from(*.expected))]
    Signer {
        /// The coordinator.
        expected: Account,
        /// Who signed, should the signature be over this very receipt.
        got: Account,
    },
    /// Not a signature.
    #[error("the receipt's signature is not valid: {0}")]
    Signature(#[from] PayoutError),
}

impl SignedReceipt {
    /// Whether the coordinator's account signed it.
    ///
    /// # Errors
    /// [`ReceiptError`].
    pub fn check(&self, domain: &Domain, coordinator: &Account) -> Result<(), ReceiptError> {
        let got = self.receipt.recover(domain, &self.signature)?;
        match got == *coordinator {
            true => Ok(()),
            false => Err(ReceiptError::Signer {
                expected: *coordinator,
                got,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_and_the_domain_are_signed() {
        let domain = Domain {
            chain_id: 31_337,
            contract: [9; 20],
            federation: [5; 32],
        };
        let receipt = Receipt {
            federation: [5; 32],
            round: 3,
            attempt: 1,
            node_key: [6; 32],
            commitment: [7; 32],
        };
        let key = PayoutKey::from_secret(&[1; 32]).unwrap();
        let signature = receipt.sign(&domain, &key).unwrap();
        assert_eq!(receipt.recover(&domain, &signature).unwrap(), key.account());
        let signed = SignedReceipt { receipt, signature };
        assert_eq!(signed.check(&domain, &key.account()), Ok(()));
        assert!(matches!(
            signed.check(&domain, &[3; 20]),
            Err(ReceiptError::Signer { .. })
        ));
        let line = serde_json::to_string(&signed).unwrap();
        assert_eq!(serde_json::from_str::<SignedReceipt>(&line).unwrap(), signed);
        let changed = [
            Receipt {
                federation: [8; 32],
                ..receipt
            },
            Receipt { round: 4, ..receipt },
            Receipt { attempt: 2, ..receipt },
            Receipt {
                node_key: [8; 32],
                ..receipt
            },
            Receipt {
                commitment: [8; 32],
                ..receipt
            },
        ];
        for other in changed {
            assert_ne!(
                other.recover(&domain, &signature).ok(),
                Some(key.account()),
                "{other:?}"
            );
        }
    }
}
