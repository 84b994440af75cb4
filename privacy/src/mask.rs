//! Masked rounds: the coordinator learns the sum of at least c + 2 updates, exactly, and no single update.
//!
//! # How
//! q = 2^64 - 2^32 + 1, N = 2048, R = Z_q\[X\]/(X^N + 1). For each attempt at each round:
//!
//! 1. `a`, one element of R per N coordinates, is expanded from the attempt's name ([`MaskRound`]); public.
//! 2. Each member draws a key s uniform in R ([`MaskClient::new`]) and shares its coefficients by Shamir's scheme with
//!    threshold t, each share sealed to its receiver ([`MaskClient::shares_for`]).
//! 3. Members check that all dealt polynomials have degree under t ([`MaskClient::check_dealers`], [`judge_dealer`]).
//! 4. Each member sends the bodies y = a\*s + e + D\*u of its update ([`MaskClient::mask`]), 8 bytes a coordinate.
//! 5. Members sign one view of the round: survivors, their commitments, their share lists ([`Opening`]).
//! 6. Holding t such signatures, members answer with their share of the survivors' key sum
//!    ([`MaskClient::open_sum`]), once; t answers give the sum S of the keys ([`reconstruct_key_sum`]), and S opens the
//!    sum of the bodies to the sum of the updates, bit for bit ([`unmask`]).
//! 7. Anyone holding the answers and the bodies checks the opening ([`verify_opening`]).
//!
//! [`MaskParams::new`] checks 2t > n + c, chooses D and proves that noise and range fit with failure under 2^-40.
//! Anything here may be driven by hand: no IO, clock or entropy; generators are arguments.
//!
//! # Guarantees
//! *Privacy.* Let at most c members collude with the coordinator, at least two survivors be honest, and the caller
//! verify signatures. The colluders hold c < t shares of each honest key and the shares of one sum, since two views
//! cannot both find t openers when 2t > n + c and each member answers once. Fewer than t Shamir shares are independent
//! of the key; keys are uniform, so the opened S is independent of each single key (a one-time pad on the sum) and
//! gives away nothing but S. What remains are samples (a, a\*s + e) of ring-LWE with one uniform secret per client and
//! fresh `a` per attempt. The opened sum shows the sum of the errors as well; conditioned on it, each of two honest
//! errors keeps a Gaussian of width sigma/sqrt(2), sigma = 2^13, and that is the width the level is stated for. With
//! weights of one and no opened sketches this is all that is given away, so no hints about s (Hint-LWE) enter.
//!
//! *Level.* An estimate of ours by a rough script of one attack (primal uSVP, best number of samples), not the output
//! of a maintained lattice estimator. For N = 2048, q near 2^64 and uniform secrets: block size 482 at width 2^13, 470
//! at 2^13/sqrt(2); that is **172 and 169 bits** in the cost model 0.292 b + 16.4 + log2(8m), 141 and 137 in classical
//! core-SVP (0.292 b), 128 and 125 in quantum core-SVP (0.265 b). The rounded continuous Gaussian of tfhe stands in for
//! a discrete one. Updates of fewer coordinates give an attacker fewer samples than that, and up to N they give none
//! that determine the key. The 128-bit seeds of tfhe's AES streams bound the rest.
//!
//! *Correctness.* The opened sum is the integer sum of the survivors' updates, for any dropouts up to n - t between
//! any two steps.
//!
//! *Robustness.* Among m answers up to (m - t)/2 wrong ones are corrected and named, m - t noticed. With m = t nothing
//! is noticed by decoding; an arbitrary wrong answer then fails [`unmask`], but for updates of few coordinates (up to
//! about 2N) a member that answers last can compute one that shifts the sum unnoticed. Keep one or two answers to
//! spare where that matters.
//!
//! # Leakage
//! The sum itself, over at least max(t, c + 2) updates. It is an exact release: it says as much about one member as
//! the others' updates leave uncertain, and c colluders subtract their own. Differential privacy is the noise that
//! was added before masking, not the mask. Which members survived is public.
//!
//! # What it does not do
//! * It does not bound what is masked. A malicious member may mask any element of the field, beyond `max_abs` and beyond
//!   any norm; [`unmask`] notices only a sum out of range. Robust rules need single updates or sketches.
//! * Sketches and weights in {0, 1} (opened rows of the masks, a joint coin) are not in this version. They would add
//!   columns to a share and a second kind of [`Opening`]; every encoding here carries its version in its domain string.
//! * It signs and verifies nothing: ephemeral keys, share lists, commitments, openings and answers are to be signed by
//!   their authors, and the `Opening` digest to be seen t times, before [`MaskClient::open_sum`] is called.
//! * Constant time: field arithmetic and masking have no branches on secrets by construction, which nothing verifies;
//!   tfhe's Gaussian sampler and its transform are not claimed to be constant-time. tfhe's generators do not erase
//!   their AES keys. Keys, shares, seeds and transforms of ours are erased when dropped.
//!
//! tfhe is under the BSD-3-Clause-Clear licence, which **grants no patent rights**: commercial use of masked rounds
//! needs Zama's patent licence.
//!
//! # Example
//! Three members, all survivors, t = 2. Signatures and transport are left out; real members draw from the system.
//!
//! ```
//! use std::collections::BTreeMap;
//!
//! use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
//! use xfl_privacy::mask::*;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let plan = MaskPlan { cohort: 3, colluders: 0, threshold: 2, dimension: 4, max_abs: 1000 };
//! let params = MaskParams::new(plan)?;
//! let round = MaskRound::new(&[1; 32], &[2; 32], 7, 0);
//! let mut rng = ChaCha20Rng::from_seed([3; 32]);
//!
//! let mut members = Vec::new();
//! for seat in 0..3 {
//!     members.push(MaskClient::new(params.clone(), round, Seat(seat), &mut rng)?);
//! }
//! let publics: BTreeMap<_, _> = members.iter().map(|m| (m.seat(), m.public().clone())).collect();
//!
//! let mut inboxes: BTreeMap<Seat, BTreeMap<Seat, SealedShare>> = BTreeMap::new();
//! let mut evidence = BTreeMap::new();
//! let mut masked = Vec::new();
//! for member in &mut members {
//!     let shares = member.shares_for(&publics, &mut rng)?;
//!     let update = member.mask(&[1, -2, 3, 1000])?;
//!     let share_list = share_list_digest(&round, member.seat(), &shares);
//!     evidence.insert(member.seat(), Evidence { commitment: [0; 32], share_list });
//!     for (receiver, share) in shares {
//!         inboxes.entry(receiver).or_default().insert(member.seat(), share);
//!     }
//!     masked.push(update);
//! }
//!
//! let opening = Opening::new(&params, &round, &evidence)?;
//! let mut answers = BTreeMap::new();
//! for member in &mut members {
//!     let received = Received { publics: &publics, shares: &inboxes[&member.seat()] };
//!     answers.insert(member.seat(), member.open_sum(&opening, received)?);
//! }
//! let key_sum = reconstruct_key_sum(&params, &opening, &answers)?;
//! let sum = sum_bodies(&params, &masked)?;
//! assert_eq!(unmask(&params, &round, &sum, &key_sum)?, [3, -6, 9, 3000]);
//! # Ok(())
//! # }
//! ```
//!
//! # References
//! Shamir, "How to share a secret" (1979); Bonawitz et al., "Practical Secure Aggregation" (CCS 2017); Stevens et al.,
//! "Efficient Differentially Private Secure Aggregation for Federated Learning via Hardness of Learning with Errors"
//! (USENIX Security 2022); Bell et al., "ACORN" (USENIX Security 2023).

mod bytes;
mod check;
mod client;
mod decode;
mod expand;
mod field;
mod journal;
mod opening;
mod params;
mod ring;
mod round;
mod seal;
mod shamir;
mod unmask;
mod update;

#[cfg(test)]
mod tests;

pub use check::{CheckValue, DealerChallenge, judge_dealer, share_list_digest};
pub use client::{CheckError, DealError, MaskClient, MaskError, OpenError, Received, SeatError};
pub use decode::DecodeError;
pub use field::MODULUS;
pub use journal::{RestoreError, STATE_BYTES};
pub use opening::{Evidence, Opening, OpeningError};
pub use params::{FAILURE_LOG2, MAX_COHORT, MAX_DIMENSION, MaskParams, MaskPlan, MaskPlanError, RING_DEGREE};
pub use round::{MaskRound, Seat};
pub use seal::{
    EphemeralKeys, EphemeralPublic, PUBLIC_BYTES, PublicKeyError, SEALED_BYTES, SealContext, SealError,
    SealedLengthError, SealedShare, UnsealError,
};
pub use unmask::{
    KEY_SUM_BYTES, KeySum, KeySumShare, ReconstructError, UnmaskError, reconstruct_key_sum, unmask, verify_opening,
};
pub use update::{BodyError, MaskedSum, MaskedUpdate, sum_bodies};
