//! One member's secrets and its part in one attempt: deal, check, mask, open, each at most once.
//!
//! Key, share polynomials and errors are expanded from one 32-byte secret, so what a member has to keep is
//! [`MaskClient::to_bytes`], a few hundred bytes. **Write them down before sending anything that the state machine has
//! just produced.** A member that crashes and resumes from them deals the same shares and sends the same masked bytes;
//! one that resumes from older bytes could answer twice, and two answers give away its update.

use std::collections::BTreeMap;

use rand_core::CryptoRng;
use rayon::prelude::*;
use thiserror::Error;
use zeroize::Zeroizing;

use super::check::{CheckValue, DealerChallenge};
use super::expand;
use super::field::Fq;
use super::journal;
use super::opening::Opening;
use super::params::{MaskParams, RING_DEGREE};
use super::ring::RingKey;
use super::round::{MaskRound, Seat};
use super::seal::{
    EphemeralKeys, EphemeralPublic, SHARE_WIDTH, SealContext, SealError, SealedShare, UnsealError, seal, unseal,
};
use super::shamir::Dealing;
use super::unmask::KeySumShare;
use super::update::MaskedUpdate;

/// One member in one attempt at one round. Its secrets are erased when it is dropped.
pub struct MaskClient {
    pub(crate) params: MaskParams,
    pub(crate) round: MaskRound,
    pub(crate) seat: Seat,
    pub(crate) secret: Zeroizing<[u8; 32]>,
    pub(crate) keys: EphemeralKeys,
    pub(crate) done: Done,
}

/// What the member has answered already, by digest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Done {
    pub(crate) checked: Option<[u8; 32]>,
    pub(crate) masked: Option<[u8; 32]>,
    pub(crate) opened: Option<[u8; 32]>,
}

/// A seat outside the cohort.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("seat {seat} is outside the cohort of {cohort}")]
pub struct SeatError {
    /// The seat named.
    pub seat: Seat,
    /// Members of the cohort.
    pub cohort: u16,
}

/// Why shares cannot be dealt.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum DealError {
    /// With so few receivers nothing could ever be opened.
    #[error("shares go to at least {needed} members, the dealer included, got {got}")]
    TooFew {
        /// The threshold.
        needed: usize,
        /// Members with keys, the dealer included.
        got: usize,
    },
    /// A receiver from outside the cohort.
    #[error(transparent)]
    UnknownSeat(#[from] SeatError),
    /// A receiver whose keys are unusable.
    #[error("the share of seat {receiver} cannot be sealed: {source}")]
    Seal {
        /// The receiver.
        receiver: Seat,
        /// What is wrong with its keys.
        source: SealError,
    },
}

/// Why a dealer check is not answered.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum CheckError {
    /// Another challenge was answered before; a second answer would open an equation about the keys.
    #[error("another dealer check was answered in this attempt")]
    SecondChallenge,
}

/// Why an update is not masked.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum MaskError {
    /// Wrong number of coordinates.
    #[error("an update has {expected} coordinates, got {got}")]
    Length {
        /// Coordinates of the plan.
        expected: usize,
        /// Coordinates of the update.
        got: usize,
    },
    /// A coordinate that the plan's noise budget has no room for.
    #[error("coordinate {coordinate} of the update is {got}, and the plan allows {most} in magnitude")]
    Range {
        /// The first such coordinate.
        coordinate: usize,
        /// Its value.
        got: i32,
        /// Largest magnitude of the plan.
        most: u32,
    },
    /// A different update was masked under this key before; sending both would reveal their difference.
    #[error("another update was masked in this attempt")]
    SecondUpdate,
}

/// Why a member does not answer an opening.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum OpenError {
    /// Another view of the round was answered before; two answers can reveal a single update.
    #[error("another opening was answered in this attempt")]
    SecondOpening,
    /// A survivor whose share never arrived.
    #[error("no share of seat {dealer} was received")]
    Missing {
        /// The dealer.
        dealer: Seat,
    },
    /// A survivor whose share is no good.
    #[error("the share of seat {dealer} is unusable: {source}")]
    Unseal {
        /// The dealer.
        dealer: Seat,
        /// What is wrong with it.
        source: UnsealError,
    },
}

/// What a member has received from the others: their ephemeral keys and the shares sealed to it.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// Ephemeral keys of the members that deal, their signatures checked by the caller.
    pub publics: &'a BTreeMap<Seat, EphemeralPublic>,
    /// The share that each dealer sealed to this member.
    pub shares: &'a BTreeMap<Seat, SealedShare>,
}

impl MaskClient {
    /// A member with fresh secrets.
    ///
    /// # Errors
    /// The seat is outside the cohort.
    pub fn new<R: CryptoRng + ?Sized>(
        params: MaskParams,
        round: MaskRound,
        seat: Seat,
        rng: &mut R,
    ) -> Result<Self, SeatError> {
        known(&params, seat)?;
        let mut secret = Zeroizing::new([0; 32]);
        rng.fill_bytes(secret.as_mut());
        let keys = EphemeralKeys::generate(rng);
        Ok(Self {
            params,
            round,
            seat,
            secret,
            keys,
            done: Done::default(),
        })
    }

    /// This member's seat.
    pub fn seat(&self) -> Seat {
        self.seat
    }

    /// The keys that others seal their shares to; to be signed with the member's identity.
    pub fn public(&self) -> &EphemeralPublic {
        self.keys.public()
    }

    /// The state for the member's own journal: it holds every secret of the attempt.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        journal::encode(self)
    }

    /// Resumes from a journal, with the same key, the same shares and the memory of what was answered.
    ///
    /// # Errors
    /// The bytes are not such a state, or belong to another plan or attempt.
    pub fn from_bytes(params: MaskParams, round: MaskRound, bytes: &[u8]) -> Result<Self, journal::RestoreError> {
        journal::decode(params, round, bytes)
    }

    /// The shares of this member's key, sealed for every other receiver; its own needs no sealing.
    ///
    /// Dealing again, after a crash, seals the same shares anew.
    ///
    /// # Errors
    /// See [`DealError`].
    pub fn shares_for<R: CryptoRng + ?Sized>(
        &self,
        receivers: &BTreeMap<Seat, EphemeralPublic>,
        rng: &mut R,
    ) -> Result<BTreeMap<Seat, SealedShare>, DealError> {
        let others = || receivers.iter().filter(|(receiver, _)| **receiver != self.seat);
        let (needed, got) = (self.params.threshold(), others().count() + 1);
        if got < needed {
            return Err(DealError::TooFew { needed, got });
        }
        let dealing = self.dealing();
        let mut sealed = BTreeMap::new();
        for (receiver, public) in others() {
            known(&self.params, *receiver)?;
            let context = self.context(self.seat, *receiver);
            let share = seal(&self.keys, public, &context, &dealing.share(*receiver), rng).map_err(|source| {
                DealError::Seal {
                    receiver: *receiver,
                    source,
                }
            })?;
            sealed.insert(*receiver, share);
        }
        Ok(sealed)
    }

    /// This member's answers to the dealer check, one for each dealer whose share opens, its own included; an error
    /// for each whose share does not.
    ///
    /// # Errors
    /// Another challenge was answered before.
    pub fn check_dealers(
        &mut self,
        challenge: &DealerChallenge,
        received: Received<'_>,
    ) -> Result<BTreeMap<Seat, Result<CheckValue, UnsealError>>, CheckError> {
        if !claim(&mut self.done.checked, *challenge.digest()) {
            return Err(CheckError::SecondChallenge);
        }
        let dealers = received.shares.iter().filter(|(dealer, _)| **dealer != self.seat);
        let mut answers: BTreeMap<_, _> = dealers
            .filter_map(|(dealer, sealed)| Some((dealer, sealed, received.publics.get(dealer)?)))
            .map(|(dealer, sealed, public)| {
                let share = unseal(&self.keys, public, &self.context(*dealer, self.seat), sealed);
                (*dealer, share.map(|share| challenge.answer(&share)))
            })
            .collect();
        answers.insert(self.seat, Ok(challenge.answer(&self.dealing().share(self.seat))));
        Ok(answers)
    }

    /// Masks this member's update. The same update gives the same bytes again; another one is refused.
    ///
    /// # Errors
    /// See [`MaskError`].
    pub fn mask(&mut self, update: &[i32]) -> Result<MaskedUpdate, MaskError> {
        let (expected, most) = (self.params.dimension(), self.params.plan().max_abs);
        if update.len() != expected {
            return Err(MaskError::Length {
                expected,
                got: update.len(),
            });
        }
        if let Some(coordinate) = update.iter().position(|u| u.unsigned_abs() > most) {
            return Err(MaskError::Range {
                coordinate,
                got: update[coordinate],
                most,
            });
        }
        let fingerprint = self.fingerprint(update);
        if !claim(&mut self.done.masked, fingerprint) {
            return Err(MaskError::SecondUpdate);
        }
        let key = RingKey::new(&self.key());
        let scale_log2 = self.params.scale_log2();
        let mut bodies = vec![0; update.len()];
        let blocks = bodies
            .par_chunks_mut(RING_DEGREE)
            .zip(update.par_chunks(RING_DEGREE))
            .enumerate();
        blocks.for_each(|(block, (bodies, update))| {
            let mut body = Zeroizing::new(vec![0; RING_DEGREE]);
            for (slot, u) in body.iter_mut().zip(update) {
                *slot = Fq::from_signed(i64::from(*u) << scale_log2).get();
            }
            key.encrypt(&self.round, block, &self.secret, &mut body);
            bodies.copy_from_slice(&body[..bodies.len()]);
        });
        Ok(MaskedUpdate::assemble(bodies))
    }

    /// This member's share of the survivors' key sum, which opens the sum of their updates.
    ///
    /// The caller has verified t signatures over [`Opening::digest`]. The same view gets the same answer again; any
    /// other is refused from the first answer on.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open_sum(&mut self, opening: &Opening, received: Received<'_>) -> Result<KeySumShare, OpenError> {
        if self.done.opened.is_some_and(|before| before != *opening.digest()) {
            return Err(OpenError::SecondOpening);
        }
        let mut sum = vec![Fq::ZERO; RING_DEGREE];
        for dealer in opening.survivors() {
            for (sum, value) in sum.iter_mut().zip(self.share_of(*dealer, received)?.iter()) {
                *sum += *value;
            }
        }
        self.done.opened = Some(*opening.digest());
        Ok(KeySumShare::assemble(sum))
    }

    fn share_of(&self, dealer: Seat, received: Received<'_>) -> Result<Zeroizing<Vec<Fq>>, OpenError> {
        if dealer == self.seat {
            return Ok(self.dealing().share(dealer));
        }
        let missing = OpenError::Missing { dealer };
        let sealed = received.shares.get(&dealer).ok_or(missing)?;
        let public = received.publics.get(&dealer).ok_or(missing)?;
        unseal(&self.keys, public, &self.context(dealer, self.seat), sealed)
            .map_err(|source| OpenError::Unseal { dealer, source })
    }

    fn context(&self, dealer: Seat, receiver: Seat) -> SealContext {
        SealContext {
            round: self.round,
            dealer,
            receiver,
        }
    }

    /// The key, then the blinds of the dealer check, in the order in which they are shared.
    fn shared_secret(&self) -> Zeroizing<Vec<Fq>> {
        let parts: [&[u8]; 2] = [self.secret.as_ref(), self.round.id()];
        expand::uniform(expand::stream("xfl mask v1 key and blinds", &parts), SHARE_WIDTH)
    }

    fn key(&self) -> Zeroizing<Vec<Fq>> {
        let mut key = self.shared_secret();
        key.truncate(RING_DEGREE);
        key
    }

    fn dealing(&self) -> Dealing {
        Dealing::new(self.shared_secret(), self.params.threshold(), &self.secret, &self.round)
    }

    /// Tells updates apart without saying anything about them to whoever lacks the secret.
    fn fingerprint(&self, update: &[i32]) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("xfl mask v1 update fingerprint");
        hasher.update(self.secret.as_ref()).update(self.round.id());
        for u in update {
            hasher.update(&u.to_le_bytes());
        }
        hasher.finalize().into()
    }
}

impl std::fmt::Debug for MaskClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MaskClient")
            .field("seat", &self.seat)
            .field("round", &self.round)
            .finish_non_exhaustive()
    }
}

/// Takes a slot for good: true where it was free or held the same digest.
fn claim(slot: &mut Option<[u8; 32]>, digest: [u8; 32]) -> bool {
    *slot.get_or_insert(digest) == digest
}

pub(crate) fn known(params: &MaskParams, seat: Seat) -> Result<(), SeatError> {
    let cohort = params.plan().cohort;
    if seat.0 < cohort {
        Ok(())
    } else {
        Err(SeatError { seat, cohort })
    }
}
