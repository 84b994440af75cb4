//! The payout key: the secp256k1 key that an institution signs rounds and receives rewards with.
//!
//! It is apart from the ed25519 node key, because the EVM verifies secp256k1 natively and ed25519 at about 600 k gas;
//! a [`crate::binding::Binding`] ties the two together. Signatures are deterministic (RFC 6979), low-`s`, 65 bytes
//! `r || s || v` with `v` 27 or 28: what OpenZeppelin's `ECDSA.recover` accepts, and nothing else is accepted here.
//!
//! The secret is erased when the key is dropped and never printed; a file with [`PayoutKey::to_file`]'s content must be
//! readable by its owner alone, which the caller sees to.

use std::fmt;

use alloy::hex;
use alloy::primitives::{Address, B256, Signature as EvmSignature, U256};
use alloy::signers::k256::ecdsa::SigningKey;
use alloy::signers::local::PrivateKeySigner;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// An account on an EVM chain: 20 bytes.
pub type Account = [u8; 20];

/// Half the order of secp256k1: an `s` above it is the malleable twin of a valid signature.
const HALF_ORDER: U256 = U256::from_be_bytes([
    0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x5d, 0x57, 0x6e,
    0x73, 0x57, 0xa4, 0x50, 0x1d, 0xdf, 0xe9, 0x2f, 0x46, 0x68, 0x1b, 0x20, 0xa0,
]);

/// Why a payout key or one of its signatures was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PayoutError {
    /// Zero or not below the order of the curve: one chance in 2^128, or not random at all.
    #[error("the 32 bytes are not a secp256k1 private key; draw others")]
    InvalidSecret,
    /// A key file holds something else.
    #[error("a payout key file holds 64 hex digits, got {got} characters that are not")]
    MalformedFile {
        /// Length of what was found, without surrounding white space.
        got: usize,
    },
    /// `v` is neither 27 nor 28.
    #[error("a signature ends in 27 or 28, got {got}")]
    RecoveryByte {
        /// The last byte.
        got: u8,
    },
    /// `s` is in the upper half, so the signature is the twin of another one.
    #[error("the signature is malleable: its s is above half the order")]
    Malleable,
    /// No public key fits.
    #[error("the signature recovers to no public key")]
    Unrecoverable,
}

/// A 65-byte signature `r || s || v`, not yet checked against anything.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Signature(#[serde(with = "crate::bytes")] pub [u8; 65]);

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode_prefixed(self.0))
    }
}

impl Signature {
    /// The account that signed `digest`.
    ///
    /// # Errors
    /// [`PayoutError`] for a signature that the contracts would refuse too.
    pub fn recover(&self, digest: &[u8; 32]) -> Result<Account, PayoutError> {
        let got = self.0[64];
        if got != 27 && got != 28 {
            return Err(PayoutError::RecoveryByte { got });
        }
        let signature = EvmSignature::from_bytes_and_parity(&self.0[..64], got == 28);
        if signature.s() > HALF_ORDER {
            return Err(PayoutError::Malleable);
        }
        let signer = signature.recover_address_from_prehash(&B256::from(*digest));
        signer.map(Into::into).map_err(|_| PayoutError::Unrecoverable)
    }
}

/// A secp256k1 private key; erased on drop.
#[derive(Clone)]
pub struct PayoutKey(SigningKey);

impl fmt::Debug for PayoutKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PayoutKey({}, secret redacted)", Address::from(self.account()))
    }
}

impl PayoutKey {
    /// The key whose secret is these 32 bytes, drawn by the caller from the operating system's entropy.
    ///
    /// # Errors
    /// [`PayoutError::InvalidSecret`] for zero or a number not below the curve's order.
    pub fn from_secret(secret: &[u8; 32]) -> Result<Self, PayoutError> {
        SigningKey::from_slice(secret)
            .map(Self)
            .map_err(|_| PayoutError::InvalidSecret)
    }

    /// Reads what [`Self::to_file`] wrote: 64 hex digits, an optional `0x`, white space around them.
    ///
    /// # Errors
    /// [`PayoutError::MalformedFile`] or [`PayoutError::InvalidSecret`]; neither repeats the content.
    pub fn from_file(content: &str) -> Result<Self, PayoutError> {
        let digits = content.trim();
        let mut secret = Zeroizing::new([0; 32]);
        hex::decode_to_slice(digits, secret.as_mut()).map_err(|_| PayoutError::MalformedFile { got: digits.len() })?;
        Self::from_secret(&secret)
    }

    /// The content of a key file: 64 hex digits and a newline.
    #[must_use]
    pub fn to_file(&self) -> Zeroizing<String> {
        let secret = Zeroizing::new(<[u8; 32]>::from(self.0.to_bytes()));
        let mut text = Zeroizing::new(String::with_capacity(65));
        for byte in secret.iter() {
            for nibble in [byte >> 4, byte & 15] {
                text.push(char::from(b"0123456789abcdef"[usize::from(nibble)]));
            }
        }
        text.push('\n');
        text
    }

    /// The account this key controls, on every EVM chain.
    #[must_use]
    pub fn account(&self) -> Account {
        Address::from_private_key(&self.0).into()
    }

    /// Signs a 32-byte digest, as it is: hash and separate domains before.
    ///
    /// # Errors
    /// [`PayoutError::Unrecoverable`] should the curve arithmetic fail, which no known digest makes it do.
    pub fn sign(&self, digest: &[u8; 32]) -> Result<Signature, PayoutError> {
        let (signature, recovery) = self
            .0
            .sign_prehash_recoverable(digest)
            .map_err(|_| PayoutError::Unrecoverable)?;
        Ok(Signature(
            EvmSignature::from((signature, recovery)).normalized_s().as_bytes(),
        ))
    }

    /// The same key as a signer of transactions.
    #[must_use]
    pub fn signer(&self) -> PrivateKeySigner {
        PrivateKeySigner::from_signing_key(self.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> PayoutKey {
        PayoutKey::from_secret(&[byte; 32]).unwrap()
    }

    #[test]
    fn the_account_is_the_well_known_one_of_a_well_known_secret() {
        let secret = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
        let account = Address::from(PayoutKey::from_file(secret).unwrap().account());
        assert_eq!(account.to_string(), "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266");
    }

    #[test]
    fn files_round_trip_and_errors_name_no_secret() {
        let file = key(7).to_file();
        assert_eq!(PayoutKey::from_file(&file).unwrap().account(), key(7).account());
        assert_eq!(
            PayoutKey::from_file("abc").unwrap_err(),
            PayoutError::MalformedFile { got: 3 }
        );
        assert_eq!(
            PayoutKey::from_secret(&[0; 32]).unwrap_err(),
            PayoutError::InvalidSecret
        );
        assert_eq!(
            PayoutKey::from_secret(&[0xff; 32]).unwrap_err(),
            PayoutError::InvalidSecret
        );
        assert!(!format!("{:?}", key(7)).contains("0707"));
    }

    #[test]
    fn signatures_recover_and_every_twin_is_refused() {
        let digest = [42; 32];
        let signature = key(1).sign(&digest).unwrap();
        assert_eq!(signature.recover(&digest).unwrap(), key(1).account());
        assert_ne!(signature.recover(&[43; 32]).ok(), Some(key(1).account()));

        let mut zero_based = signature;
        zero_based.0[64] -= 27;
        assert!(matches!(
            zero_based.recover(&digest),
            Err(PayoutError::RecoveryByte { .. })
        ));

        let order = HALF_ORDER * U256::from(2) + U256::from(1);
        let twin_s = order - U256::from_be_slice(&signature.0[32..64]);
        let mut twin = signature;
        twin.0[32..64].copy_from_slice(&twin_s.to_be_bytes::<32>());
        twin.0[64] = 55 - twin.0[64];
        assert_eq!(twin.recover(&digest), Err(PayoutError::Malleable));
    }

    #[test]
    fn a_signature_is_65_bytes_in_binary_and_hex_in_text() {
        let signature = key(1).sign(&[1; 32]).unwrap();
        let binary = postcard::to_stdvec(&signature).unwrap();
        assert_eq!(binary, signature.0);
        assert_eq!(postcard::from_bytes::<Signature>(&binary).unwrap(), signature);
        let text = serde_json::to_string(&signature).unwrap();
        assert!(text.starts_with("\"0x") && text.len() == 134);
        assert_eq!(serde_json::from_str::<Signature>(&text).unwrap(), signature);
    }
}
