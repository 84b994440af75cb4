//! The check that a dealer's shares lie on polynomials of degree under t, before anything is masked.
//!
//! Next to its key each dealer shares two uniform blinds. Once every dealer's list of sealed shares is fixed, its
//! digests are hashed into two random points g_0, g_1, and member j publishes for each dealer
//!
//! ```text
//! z_k(j) = blind_k(j) + sum over m of g_k^(m+1) * share_m(j)        k = 0, 1
//! ```
//!
//! which lie on polynomials of degree under t if the shares do, and tell nothing else, since the blinds are uniform.
//! Shares that do not lie on such polynomials pass with probability at most (2048/q)^2 = 2^-106 for each guess at the
//! challenge; a dealer that searches for a list of shares with a favourable challenge makes such guesses.
//!
//! A member answers one challenge per attempt: two answers would cancel the blinds and open an equation about the key.
//! A member whose values do not fit was given a wrong share, or lies; nothing here tells which, so nobody is punished
//! for it.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::bytes;
use super::decode::{DecodeError, decode};
use super::expand;
use super::field::Fq;
use super::params::MaskParams;
use super::round::{MaskRound, Seat};
use super::seal::{BLINDS, SealedShare};

/// The challenge of one attempt, fixed by all dealers' lists of shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DealerChallenge {
    digest: [u8; 32],
}

/// One member's answer about one dealer; 16 bytes in every encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckValue {
    values: [Fq; BLINDS],
}

/// Digest of the shares that one dealer sealed, to be signed by it.
pub fn share_list_digest(round: &MaskRound, dealer: Seat, shares: &BTreeMap<Seat, SealedShare>) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("xfl mask v1 share list");
    hasher.update(round.id()).update(&dealer.0.to_le_bytes());
    for (receiver, share) in shares {
        hasher.update(&receiver.0.to_le_bytes()).update(&share.digest());
    }
    hasher.finalize().into()
}

impl DealerChallenge {
    /// The challenge that follows from the digests of all dealers' share lists.
    pub fn new(round: &MaskRound, share_lists: &BTreeMap<Seat, [u8; 32]>) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("xfl mask v1 dealer challenge");
        hasher.update(round.id());
        for (dealer, list) in share_lists {
            hasher.update(&dealer.0.to_le_bytes()).update(list);
        }
        Self {
            digest: hasher.finalize().into(),
        }
    }

    /// The digest that stands for this challenge.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// The answer about one share: key coefficients, then blinds.
    pub(crate) fn answer(&self, share: &[Fq]) -> CheckValue {
        let points = expand::uniform(
            expand::stream("xfl mask v1 dealer challenge points", &[&self.digest]),
            BLINDS,
        );
        let (key, blinds) = share.split_at(share.len() - BLINDS);
        let mut values = [Fq::ZERO; BLINDS];
        for ((value, point), blind) in values.iter_mut().zip(points.iter()).zip(blinds) {
            *value = *blind
                + key
                    .iter()
                    .rev()
                    .fold(Fq::ZERO, |sum, coefficient| (sum + *coefficient) * *point);
        }
        CheckValue { values }
    }
}

/// Judges one dealer by the members' answers about it: the members whose answers do not fit, if the dealer's shares
/// to all others are consistent.
///
/// # Errors
/// Fewer than t answers, or more misfits than can be told from the rest: leave this dealer out.
pub fn judge_dealer(params: &MaskParams, answers: &BTreeMap<Seat, CheckValue>) -> Result<Vec<Seat>, DecodeError> {
    let claims: Vec<_> = answers
        .iter()
        .map(|(seat, answer)| (*seat, answer.values.as_slice()))
        .collect();
    decode(&claims, params.threshold()).map(|decoded| decoded.wrong)
}

impl Serialize for CheckValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let encoded: Vec<u8> = self.values.iter().flat_map(|v| v.get().to_le_bytes()).collect();
        bytes::serialize(&encoded, serializer)
    }
}

impl<'de> Deserialize<'de> for CheckValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut values = [Fq::ZERO; BLINDS];
        let encoded = bytes::deserialize(8 * BLINDS, deserializer)?;
        for (value, element) in values.iter_mut().zip(bytes::elements(&encoded)) {
            *value = element.ok_or_else(|| de::Error::custom("a check value is not under the modulus"))?;
        }
        Ok(Self { values })
    }
}
