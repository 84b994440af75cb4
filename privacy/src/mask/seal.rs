//! Sealing a share to one member, so that only that member reads it and only the named dealer can have sealed it.
//!
//! Each member has ephemeral keys for one attempt at one round: X25519 and ML-KEM-768 (FIPS 203), whose public halves
//! it signs with its identity elsewhere. A sealed share is encrypted with ChaCha20-Poly1305 under
//!
//! ```text
//! key = KDF(x25519(dealer, receiver) || mlkem shared secret || mlkem ciphertext || both public keys || context)
//! ```
//!
//! with BLAKE3 in key-derivation mode, so it stays secret while either X25519 or ML-KEM holds. The encapsulation is
//! fresh in every call, so the key seals one message and the nonce is zero. The context (attempt, dealer, receiver) is
//! also authenticated as associated data.
//!
//! That the named dealer sealed it rests on X25519 between the two ephemeral keys: an attacker with a quantum computer
//! during the round could forge shares (it could not read them), until the public keys' owners sign the list of shares.
//! Either of the two could have sealed it, so a sealed share convinces nobody else.

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{ChaCha20Poly1305, KeyInit};
use ml_kem::kem::{Decapsulate, Encapsulate, KeyExport, TryKeyInit};
use ml_kem::ml_kem_768::{DecapsulationKey, EncapsulationKey};
use rand_core::CryptoRng;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::{Zeroize, Zeroizing};

use super::bytes;
use super::expand;
use super::field::Fq;
use super::params::RING_DEGREE;
use super::round::{MaskRound, Seat};

/// Secret seeds of one member's ephemeral keys, in bytes.
pub(crate) const SECRET_BYTES: usize = 32 + 64;

/// Encoded length of [`EphemeralPublic`].
pub const PUBLIC_BYTES: usize = 32 + 1184;

/// Blinding polynomials shared next to the key; one for each combination of the dealer check.
pub(crate) const BLINDS: usize = 2;

/// Field elements in one share.
pub(crate) const SHARE_WIDTH: usize = RING_DEGREE + BLINDS;

const KEM_BYTES: usize = 1088;
const TAG_BYTES: usize = 16;

/// Encoded length of [`SealedShare`].
pub const SEALED_BYTES: usize = KEM_BYTES + SHARE_WIDTH * 8 + TAG_BYTES;

/// One member's secret keys for one attempt. Erased when dropped.
pub struct EphemeralKeys {
    secret: Zeroizing<[u8; SECRET_BYTES]>,
    x25519: StaticSecret,
    mlkem: Box<DecapsulationKey>,
    public: EphemeralPublic,
}

/// The public half of [`EphemeralKeys`]: valid keys, 1,216 bytes in every encoding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EphemeralPublic {
    bytes: Box<[u8; PUBLIC_BYTES]>,
}

/// One dealer's share for one receiver, encrypted: 17,504 bytes in every encoding.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedShare {
    bytes: Box<[u8; SEALED_BYTES]>,
}

/// Who sealed a share for whom, in which attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealContext {
    /// The attempt.
    pub round: MaskRound,
    /// The dealer.
    pub dealer: Seat,
    /// The receiver.
    pub receiver: Seat,
}

/// Bytes that are not public keys.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum PublicKeyError {
    /// Not [`PUBLIC_BYTES`] long.
    #[error("ephemeral public keys take {PUBLIC_BYTES} bytes, got {got}")]
    Length {
        /// Bytes received.
        got: usize,
    },
    /// The ML-KEM key has coefficients out of range.
    #[error("the ml-kem public key is not reduced")]
    MlKem,
}

/// Bytes that are not a sealed share.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("a sealed share takes {SEALED_BYTES} bytes, got {got}")]
pub struct SealedLengthError {
    /// Bytes received.
    pub got: usize,
}

/// Why a share cannot be sealed.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum SealError {
    /// The receiver's X25519 key is of small order, so that anybody would know the shared secret.
    #[error("the x25519 key of the receiver is of small order")]
    SmallOrder,
    /// The receiver's ML-KEM key is invalid.
    #[error("the ml-kem key of the receiver is invalid")]
    MlKem,
    /// The cipher refused the message.
    #[error("the cipher refused a share of {SHARE_WIDTH} elements")]
    Cipher,
}

/// Why a sealed share cannot be opened.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum UnsealError {
    /// The dealer's X25519 key is of small order.
    #[error("the x25519 key of the dealer is of small order")]
    SmallOrder,
    /// Not sealed by this dealer for this receiver in this attempt, or altered since.
    #[error("the share is not authentic")]
    NotAuthentic,
    /// Authentic, but the dealer put in numbers that are not field elements.
    #[error("element {index} of the share is not under the modulus")]
    NotReduced {
        /// Position of the first such element.
        index: usize,
    },
}

impl EphemeralKeys {
    /// Fresh keys.
    pub fn generate<R: CryptoRng + ?Sized>(rng: &mut R) -> Self {
        let mut secret = Zeroizing::new([0; SECRET_BYTES]);
        rng.fill_bytes(secret.as_mut());
        Self::from_secret(secret)
    }

    /// The keys that these seeds stand for.
    pub(crate) fn from_secret(secret: Zeroizing<[u8; SECRET_BYTES]>) -> Self {
        let mut curve = Zeroizing::new([0; 32]);
        curve.copy_from_slice(&secret[..32]);
        let mut seed = ml_kem::Seed::default();
        seed.copy_from_slice(&secret[32..]);
        let x25519 = StaticSecret::from(*curve);
        let mlkem = Box::new(DecapsulationKey::from_seed(seed));
        seed.zeroize();
        let mut bytes = Box::new([0; PUBLIC_BYTES]);
        bytes[..32].copy_from_slice(PublicKey::from(&x25519).as_bytes());
        bytes[32..].copy_from_slice(&mlkem.encapsulation_key().to_bytes());
        Self {
            secret,
            x25519,
            mlkem,
            public: EphemeralPublic { bytes },
        }
    }

    /// The seeds, for the member's own journal.
    pub(crate) fn secret(&self) -> &[u8; SECRET_BYTES] {
        &self.secret
    }

    /// What others seal shares to.
    pub fn public(&self) -> &EphemeralPublic {
        &self.public
    }
}

impl std::fmt::Debug for EphemeralKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EphemeralKeys").finish_non_exhaustive()
    }
}

impl EphemeralPublic {
    /// Reads and checks public keys.
    ///
    /// # Errors
    /// A wrong length, or an ML-KEM key that FIPS 203 tells its receiver to refuse.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PublicKeyError> {
        let array: [u8; PUBLIC_BYTES] = bytes
            .try_into()
            .map_err(|_| PublicKeyError::Length { got: bytes.len() })?;
        let public = Self { bytes: Box::new(array) };
        public.mlkem().map_err(|_| PublicKeyError::MlKem)?;
        Ok(public)
    }

    /// The encoding: the X25519 key, then the ML-KEM key.
    pub fn as_bytes(&self) -> &[u8; PUBLIC_BYTES] {
        &self.bytes
    }

    fn x25519(&self) -> PublicKey {
        let mut curve = [0; 32];
        curve.copy_from_slice(&self.bytes[..32]);
        PublicKey::from(curve)
    }

    fn mlkem(&self) -> Result<EncapsulationKey, ml_kem::kem::InvalidKey> {
        EncapsulationKey::new_from_slice(&self.bytes[32..])
    }
}

impl SealedShare {
    /// Takes bytes from the wire; nothing is known about them until they are opened.
    ///
    /// # Errors
    /// A wrong length.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SealedLengthError> {
        let array: [u8; SEALED_BYTES] = bytes.try_into().map_err(|_| SealedLengthError { got: bytes.len() })?;
        Ok(Self { bytes: Box::new(array) })
    }

    /// The encoding: the ML-KEM ciphertext, then the encrypted share with its tag.
    pub fn as_bytes(&self) -> &[u8; SEALED_BYTES] {
        &self.bytes
    }

    /// What transcripts keep of this ciphertext.
    pub fn digest(&self) -> [u8; 32] {
        expand::digest("xfl mask v1 sealed share", &[self.bytes.as_slice()])
    }
}

impl std::fmt::Debug for SealedShare {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SealedShare({})", blake3::Hash::from_bytes(self.digest()).to_hex())
    }
}

impl SealContext {
    fn encode(&self) -> [u8; 36] {
        let mut bytes = [0; 36];
        bytes[..32].copy_from_slice(self.round.id());
        bytes[32..34].copy_from_slice(&self.dealer.0.to_le_bytes());
        bytes[34..].copy_from_slice(&self.receiver.0.to_le_bytes());
        bytes
    }
}

/// Seals a share of [`SHARE_WIDTH`] elements.
///
/// # Errors
/// The receiver's keys are unusable.
pub(crate) fn seal<R: CryptoRng + ?Sized>(
    dealer: &EphemeralKeys,
    receiver: &EphemeralPublic,
    context: &SealContext,
    share: &[Fq],
    rng: &mut R,
) -> Result<SealedShare, SealError> {
    let curve = dealer.x25519.diffie_hellman(&receiver.x25519());
    if !curve.was_contributory() {
        return Err(SealError::SmallOrder);
    }
    let (kem, mut secret) = receiver
        .mlkem()
        .map_err(|_| SealError::MlKem)?
        .encapsulate_with_rng(rng);
    let key = derive(curve.as_bytes(), &secret, &kem, [dealer.public(), receiver], context);
    secret.zeroize();
    let plain: Zeroizing<Vec<u8>> = Zeroizing::new(share.iter().flat_map(|v| v.get().to_le_bytes()).collect());
    let sealed = ChaCha20Poly1305::new((&*key).into())
        .encrypt(
            &[0; 12].into(),
            Payload {
                msg: &plain,
                aad: &context.encode(),
            },
        )
        .map_err(|_| SealError::Cipher)?;
    SealedShare::from_bytes(&[kem.as_slice(), &sealed].concat()).map_err(|_| SealError::Cipher)
}

/// Opens a sealed share.
///
/// # Errors
/// See [`UnsealError`].
pub(crate) fn unseal(
    receiver: &EphemeralKeys,
    dealer: &EphemeralPublic,
    context: &SealContext,
    sealed: &SealedShare,
) -> Result<Zeroizing<Vec<Fq>>, UnsealError> {
    let curve = receiver.x25519.diffie_hellman(&dealer.x25519());
    if !curve.was_contributory() {
        return Err(UnsealError::SmallOrder);
    }
    let (kem, body) = sealed.bytes.split_at(KEM_BYTES);
    let mut secret = receiver
        .mlkem
        .decapsulate_slice(kem)
        .map_err(|_| UnsealError::NotAuthentic)?;
    let key = derive(curve.as_bytes(), &secret, kem, [dealer, receiver.public()], context);
    secret.zeroize();
    let plain = ChaCha20Poly1305::new((&*key).into())
        .decrypt(
            &[0; 12].into(),
            Payload {
                msg: body,
                aad: &context.encode(),
            },
        )
        .map(Zeroizing::new)
        .map_err(|_| UnsealError::NotAuthentic)?;
    let mut share = Zeroizing::new(Vec::with_capacity(SHARE_WIDTH));
    for (index, element) in bytes::elements(&plain).enumerate() {
        share.push(element.ok_or(UnsealError::NotReduced { index })?);
    }
    Ok(share)
}

fn derive(
    curve: &[u8; 32],
    secret: &[u8],
    kem: &[u8],
    publics: [&EphemeralPublic; 2],
    context: &SealContext,
) -> Zeroizing<[u8; 32]> {
    let [dealer, receiver] = publics.map(|public| public.bytes.as_slice());
    let parts: [&[u8]; 6] = [curve, secret, kem, dealer, receiver, &context.encode()];
    Zeroizing::new(expand::digest("xfl mask v1 seal", &parts))
}

impl Serialize for EphemeralPublic {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        bytes::serialize(self.bytes.as_slice(), serializer)
    }
}

impl<'de> Deserialize<'de> for EphemeralPublic {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_bytes(&bytes::deserialize(PUBLIC_BYTES, deserializer)?).map_err(de::Error::custom)
    }
}

impl Serialize for SealedShare {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        bytes::serialize(self.bytes.as_slice(), serializer)
    }
}

impl<'de> Deserialize<'de> for SealedShare {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_bytes(&bytes::deserialize(SEALED_BYTES, deserializer)?).map_err(de::Error::custom)
    }
}
