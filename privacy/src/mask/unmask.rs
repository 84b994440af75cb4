//! Recovering the key sum from the members' answers, and the plain sum from the key sum.

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

use super::bytes;
use super::decode::{DecodeError, decode};
use super::expand;
use super::field::Fq;
use super::opening::Opening;
use super::params::{MaskParams, RING_DEGREE};
use super::ring::RingKey;
use super::round::{MaskRound, Seat};
use super::update::MaskedSum;

/// Encoded length of [`KeySumShare`].
pub const KEY_SUM_BYTES: usize = RING_DEGREE * 8;

/// One member's share of the sum of the survivors' keys: 16,384 bytes in every encoding.
#[derive(Clone, PartialEq, Eq)]
pub struct KeySumShare {
    values: Vec<Fq>,
}

/// The sum of the survivors' keys, recovered from their members' answers.
#[derive(Clone, PartialEq, Eq)]
pub struct KeySum {
    survivors: Vec<Seat>,
    values: Vec<Fq>,
    wrong: Vec<Seat>,
}

/// Why answers give no key sum.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ReconstructError {
    /// An answer from outside the cohort.
    #[error("seat {seat} is outside the cohort of {cohort}")]
    UnknownSeat {
        /// The seat named.
        seat: Seat,
        /// Members of the cohort.
        cohort: u16,
    },
    /// Too few answers, or too many wrong ones.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

/// Why a sum does not open.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum UnmaskError {
    /// The sum of bodies is not over as many updates as the key sum.
    #[error("the key sum is over {expected} updates, the masked sum over {got}")]
    Updates {
        /// Survivors of the opening.
        expected: usize,
        /// Updates added.
        got: usize,
    },
    /// Wrong number of coordinates.
    #[error("a sum has {expected} coordinates, got {got}")]
    Length {
        /// Coordinates of the plan.
        expected: usize,
        /// Coordinates of the sum.
        got: usize,
    },
    /// What is left in a coordinate is no error of this plan: a wrong key sum, body sum or plain sum.
    #[error("coordinate {coordinate} is off by {residual}, and errors of this plan stay within {bound}")]
    Residual {
        /// The first such coordinate.
        coordinate: usize,
        /// y - a*S - D*U there, centred.
        residual: i64,
        /// B, the largest error.
        bound: u64,
    },
    /// A coordinate that the survivors' updates cannot add up to.
    #[error("coordinate {coordinate} is {got}, and these updates add up to at most {most} in magnitude")]
    Range {
        /// The first such coordinate.
        coordinate: usize,
        /// Its value.
        got: i64,
        /// Survivors times the largest magnitude of one update.
        most: u64,
    },
}

impl KeySumShare {
    pub(crate) fn assemble(values: Vec<Fq>) -> Self {
        Self { values }
    }

    fn to_bytes(&self) -> Vec<u8> {
        self.values.iter().flat_map(|v| v.get().to_le_bytes()).collect()
    }

    /// What a member signs and a transcript keeps of this answer to `opening`.
    pub fn digest(&self, opening: &Opening, seat: Seat) -> [u8; 32] {
        expand::digest(
            "xfl mask v1 key sum share",
            &[opening.digest(), &seat.0.to_le_bytes(), &self.to_bytes()],
        )
    }
}

impl std::fmt::Debug for KeySumShare {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeySumShare").finish_non_exhaustive()
    }
}

impl KeySum {
    /// The members whose keys were added, ascending.
    pub fn survivors(&self) -> &[Seat] {
        &self.survivors
    }

    /// The members whose answers were wrong and were put aside, ascending.
    pub fn wrong(&self) -> &[Seat] {
        &self.wrong
    }

    /// The coefficients, 8 bytes each: what the transcript keeps.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.values.iter().flat_map(|v| v.get().to_le_bytes()).collect()
    }
}

impl std::fmt::Debug for KeySum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeySum")
            .field("survivors", &self.survivors)
            .field("wrong", &self.wrong)
            .finish_non_exhaustive()
    }
}

/// Recovers the survivors' key sum from at least t members' answers, correcting and naming up to `(m - t) / 2` wrong
/// ones among m.
///
/// With m = t answers nothing wrong is noticed here. With m = t + 1 it is noticed and cannot be named.
///
/// # Errors
/// Too few answers, too many wrong ones, or one from outside the cohort.
pub fn reconstruct_key_sum(
    params: &MaskParams,
    opening: &Opening,
    answers: &BTreeMap<Seat, KeySumShare>,
) -> Result<KeySum, ReconstructError> {
    let cohort = params.plan().cohort;
    if let Some(seat) = answers.keys().copied().find(|seat| seat.0 >= cohort) {
        return Err(ReconstructError::UnknownSeat { seat, cohort });
    }
    let claims: Vec<_> = answers
        .iter()
        .map(|(seat, answer)| (*seat, answer.values.as_slice()))
        .collect();
    let decoded = decode(&claims, params.threshold())?;
    Ok(KeySum {
        survivors: opening.survivors().to_vec(),
        values: decoded.secret,
        wrong: decoded.wrong,
    })
}

/// The sum of the survivors' updates, exactly.
///
/// # Errors
/// [`UnmaskError::Residual`] or [`UnmaskError::Range`] where the key sum does not fit the bodies; both name a
/// coordinate.
pub fn unmask(
    params: &MaskParams,
    round: &MaskRound,
    sum: &MaskedSum,
    key_sum: &KeySum,
) -> Result<Vec<i64>, UnmaskError> {
    let half = 1_i64 << (params.scale_log2() - 1);
    let mut plain = vec![0_i64; sum.bodies().len()];
    walk(params, round, sum, key_sum, &mut plain, |noisy, slot| {
        // |noisy| < 2^63 - 2^31 and half is at most 2^24 with every accepted cohort and dimension.
        *slot = (noisy + half) >> params.scale_log2();
    })?;
    Ok(plain)
}

/// The auditor's check of a published sum: y - a*S - D*U is within the error bound, and U within range, everywhere.
///
/// One bad coordinate refutes the sum U. The check says that U is what *this key sum* opens; that the key sum is the
/// survivors' is shown by [`reconstruct_key_sum`] over their signed answers and by nothing else. In particular, for
/// updates of few coordinates (up to a few times [`RING_DEGREE`]) anyone can compute another key sum that opens the
/// same bodies to another U, which is why a [`KeySum`] can only be had by reconstructing it.
///
/// # Errors
/// See [`UnmaskError`].
pub fn verify_opening(
    params: &MaskParams,
    round: &MaskRound,
    sum: &MaskedSum,
    key_sum: &KeySum,
    plain: &[i64],
) -> Result<(), UnmaskError> {
    if plain.len() != params.dimension() {
        return Err(UnmaskError::Length {
            expected: params.dimension(),
            got: plain.len(),
        });
    }
    walk(params, round, sum, key_sum, &mut plain.to_vec(), |_, _| ())
}

/// Lets `choose` set each coordinate of `plain` from the centred `y - a*S`, then checks it.
fn walk(
    params: &MaskParams,
    round: &MaskRound,
    sum: &MaskedSum,
    key_sum: &KeySum,
    plain: &mut [i64],
    choose: impl Fn(i64, &mut i64) + Sync,
) -> Result<(), UnmaskError> {
    let (expected, got) = (key_sum.survivors.len(), sum.updates());
    if expected != got {
        return Err(UnmaskError::Updates { expected, got });
    }
    let (expected, got) = (params.dimension(), sum.bodies().len());
    if expected != got {
        return Err(UnmaskError::Length { expected, got });
    }
    let most = key_sum.survivors.len() as u64 * u64::from(params.plan().max_abs);
    let bound = params.noise_bound();
    let ring_key = RingKey::new(&key_sum.values);
    let check = |block: usize, bodies: &[u64], plain: &mut [i64]| {
        let mask = ring_key.mask(round, block);
        for (offset, ((body, mask), slot)) in bodies.iter().zip(mask.iter()).zip(plain).enumerate() {
            let noisy = (Fq::reduced(*body) - Fq::reduced(*mask)).centred();
            choose(noisy, slot);
            let coordinate = block * RING_DEGREE + offset;
            if slot.unsigned_abs() > most {
                return Err(UnmaskError::Range {
                    coordinate,
                    got: *slot,
                    most,
                });
            }
            // |slot| <= most keeps D * slot under q/2, and the difference is taken in the field.
            let residual = (Fq::from_signed(noisy) - Fq::from_signed(*slot << params.scale_log2())).centred();
            if residual.unsigned_abs() > bound {
                return Err(UnmaskError::Residual {
                    coordinate,
                    residual,
                    bound,
                });
            }
        }
        Ok(())
    };
    let blocks = sum
        .bodies()
        .par_chunks(RING_DEGREE)
        .zip(plain.par_chunks_mut(RING_DEGREE))
        .enumerate();
    let first = blocks
        .filter_map(|(block, (bodies, plain))| check(block, bodies, plain).err())
        .min_by_key(coordinate);
    first.map_or(Ok(()), Err)
}

fn coordinate(error: &UnmaskError) -> usize {
    match error {
        UnmaskError::Residual { coordinate, .. } | UnmaskError::Range { coordinate, .. } => *coordinate,
        UnmaskError::Updates { .. } | UnmaskError::Length { .. } => 0,
    }
}

impl Serialize for KeySumShare {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        bytes::serialize(&self.to_bytes(), serializer)
    }
}

impl<'de> Deserialize<'de> for KeySumShare {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let encoded = bytes::deserialize(KEY_SUM_BYTES, deserializer)?;
        let values: Option<Vec<Fq>> = bytes::elements(&encoded).collect();
        let values = values.ok_or_else(|| de::Error::custom("a key sum share is not under the modulus"))?;
        Ok(Self { values })
    }
}
