//! Mode dp-ftrl: noise that later rounds take back, so that what adds up over the rounds carries little of it.
//!
//! A model follows the *sum* of its rounds' updates. Independent noise adds up to `sqrt(T)` of one round's; here every release carries new
//! noise and takes back part of what earlier releases carried, so that the sum of many grows far slower, while every release by itself
//! stays hidden. Nothing rests on sampling: records come in a fixed rotation, and the plan says how far apart at least two uses of one are.
//!
//! **How.** Let `x_t` be the integers of round `t` (a batch's clipped gradients, summed), `F = 2^8`, and `N_s` the noise that round `s`
//! carried, in steps of the grid over `F`. With coefficients `c_0 = 1 > c_1 > ... > c_{b-1} > 0`:
//!
//! ```text
//! f_t = F x_t - round( sum_{0 < k < b} c_k N_{t-k} )        a function of the data and of what was released
//! Y_t = f_t + z_t,    z_t discrete Gaussian of parameter F sigma on every coordinate (OpenDP's)
//! N_t = Y_t - F x_t, held to 32 bits                        remembered, and secret
//! y_t = round(Y_t / F) = x_t + round((Y_t - F x_t) / F)     what leaves, or nothing where it is out of range
//! ```
//!
//! Rounds that an institution wasn't in have `N_s = 0`. Without the rounding, `C N = z` with the banded matrix `C` of the `c_k`: `y` is
//! `x + C^-1 z`, the matrix mechanism with a banded Toeplitz factor. The `c_k` are the first coefficients of `(1 - s)^(-1/2)`, that is
//! `binom(2k, k) / 4^k`, cut off to multiples of `2^-20`: the square root of the matrix of prefix sums, which is as good as any
//! factor but for a constant. Every operation is on integers.
//!
//! **Separation** is the plan's `b`: a record takes part in at most one of any `b` rounds in a row. The rotation of batches keeps to it where
//! an institution has at least `b` batches of records, which every institution checks for itself.
//!
//! # Theorem 1: what one use of a record costs
//! *Let two data sets differ in one record (zero-out or replace), let `D` be the integer sensitivity of a sum of clipped examples
//! ([`crate::Mechanism::sensitivity`]), `d` the coordinates, and let the record be used in rounds that are at least `b` apart. Then all releases
//! together are `u rho`-zCDP, where `u` is the number of its uses that were released, and*
//!
//! ```text
//! rho = (sum_{k < b} D_k^2) / (2 (F sigma)^2),    D_0 = F D,
//! D_k^2 = min( D_0^2,  c_k^2 D_0^2 + 2 c_k D_0 sqrt(s) + s ),    s = min(d, D^2)
//! ```
//!
//! *Proof.* Give the adversary all `Y_t`; every `y_t`, every model and every decision who takes part are post-processing of them. Given `Y_1 ..
//! Y_{t-1}`, the integers `x_s` and `N_s` of earlier rounds are functions of the data alone, since a record's gradient depends on it and
//! on a model that was released. So `Y_t` is the discrete Gaussian mechanism on the integer function `f_t` of the data: `D_t^2 / (2 (F sigma)^2)`-zCDP
//! where `D_t` bounds the change of `f_t` (Canonne, Kamath and Steinke 2020, Theorem 4), and the rounds compose adaptively (Bun and Steinke
//! 2016, Lemma 2.3). It remains to bound `D_t`. `f_t` depends on the record through those of `x_t, x_{t-1} .. x_{t-b+1}` that use it: at most one, of
//! round `t - k`, and only if that round was released and its noise is remembered. At `k = 0` the change is `F g` with `|g| <= D`. At `k > 0`,
//! `N_{t-k}` changes by at most `F |g_i|` in coordinate `i` (what lies beyond 32 bits is set to their ends, which brings no two numbers further
//! apart), the argument of the rounding by at most `c_k F |g_i|`, and the rounded value by an integer of magnitude at most
//! `ceil(c_k F |g_i|)`, which is zero where `g_i` is, at most `F |g_i|` since `c_k <= 1`, and less than `c_k F |g_i| + 1`. With `|g|_0 <= s` (`g` is
//! a vector of integers) and `|g|_1 <= sqrt(s) |g|`, its square norm is at most `D_k^2`. A use at round `r` so costs at most `D_k^2 / (2 (F sigma)^2)` at
//! round `r + k` for `k < b`, and nothing later. ∎
//!
//! # Theorem 2: what is charged
//! *Cut the rounds into blocks of `b`, from round 1 on. Charging `rho` before the first release of each block covers all losses at every moment,
//! whichever rounds an institution misses, and whatever noise it forgets.* *Proof.* A block is `b` rounds in a row, so a record has at most one use in
//! it, and a use that was released lies in a block that was charged: `u` is at most the number of charges. Noise that is forgotten, or whose round
//! was missed, is zero in `f_t`, which only removes terms from the argument above. ∎
//!
//! Both proofs allow no second draw for a round: [`Carried::release`] refuses a round that isn't later than all it knows. And whether there is a
//! release may depend on nothing but `Y_t`: a `y_t` out of range (probability at most `2^-40`) is one; an `N_t` beyond 32 bits, which is a matter of
//! `x_t` too, doesn't stop it, and costs accuracy alone.
//!
//! **What a missed round means.** Later releases take back only noise that this institution sent. If a release was sent and not used (its round was
//! abandoned), later ones still take parts of it back: their sum carries more noise than it could, the guarantee stays.
//!
//! **What it doesn't do.** Cancellation is that of sums: under a mean and a plain server step all of it reaches the model; robust rules and
//! adaptive optimisers keep the guarantee and lose some of it. A single release carries 1.13 to 1.16 times the noise that is drawn for it. A clip norm
//! that moves would change the grid between rounds, so it stays.
//!
//! # References
//! - P. Kairouz et al.: *Practical and Private (Deep) Learning without Sampling or Shuffling*, ICML 2021 (DP-FTRL).
//! - S. Denisov et al.: *Improved Differential Privacy for SGD via Optimal Private Linear Operators on Adaptive Streams*, NeurIPS 2022.
//! - C. Choquette-Choo et al.: *(Amplified) Banded Matrix Factorization*, NeurIPS 2023 (bands and separation).
//! - H. Fichtenberger, M. Henzinger, J. Upadhyay: *Constant Matters: Fine-grained Error Bound on Differentially Private Continual Observation*,
//!   ICML 2023 (the coefficients).

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use thiserror::Error;
use zeroize::Zeroizing;

use crate::central::{ClearSum, NoisedSum};
use crate::mechanism::Mechanism;
use crate::mode::Mode;
use crate::noise::{Noise, NoiseError, Noised};
use crate::parameter::SampleRate;
use crate::quantise::Quantised;

pub(crate) mod lags;

use lags::{COEFFICIENT_BITS, FINE_BITS, coefficients};

/// Most rounds that lie between two uses of a record.
pub const MAX_SEPARATION: u32 = 256;

/// Noise that can't be carried on.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CarriedError {
    /// Another mode than dp-ftrl.
    #[error("the plan's mode is {got}, expected dp-ftrl")]
    WrongMode {
        /// The plan's.
        got: Mode,
    },
    /// A release under other terms.
    #[error("a release of another mechanism than the noise that is carried")]
    OtherMechanism,
    /// A round that isn't later than every other.
    #[error("noise for round {got} after that of round {last}: every round is drawn once, in order")]
    Order {
        /// The round asked for.
        got: u64,
        /// The latest known.
        last: u64,
    },
    /// Remembered noise of another length.
    #[error("noise of {got} numbers, expected {expected}")]
    Length {
        /// Its length.
        got: usize,
        /// The mechanism's.
        expected: u64,
    },
}

/// The integers of mode dp-ftrl on their finer grid (`f_t` of the documentation), without noise yet; made by [`Carried`], and its only way out is a
/// [`Noise`].
pub struct FineSum {
    values: Zeroizing<Vec<i64>>,
    mechanism: Mechanism,
}

/// The same with noise (`Y_t` of the documentation).
pub struct NoisedFineSum<S> {
    values: Zeroizing<Vec<i64>>,
    source: PhantomData<fn() -> S>,
}

impl FineSum {
    pub(crate) fn mechanism(&self) -> &Mechanism {
        &self.mechanism
    }

    pub(crate) fn into_parts(self) -> (Zeroizing<Vec<i64>>, Mechanism) {
        (self.values, self.mechanism)
    }
}

impl<S> NoisedFineSum<S> {
    pub(crate) fn new(values: Zeroizing<Vec<i64>>) -> Self {
        Self {
            values,
            source: PhantomData,
        }
    }
}

/// The noise of an institution's last releases in one federation. Secret: whoever knows the noise of a release knows what it hid. Wiped when dropped.
pub struct Carried<S> {
    mechanism: Mechanism,
    noise: BTreeMap<u64, Zeroizing<Vec<i32>>>,
    last: Option<u64>,
    source: PhantomData<fn() -> S>,
}

impl<S> Carried<S> {
    /// Nothing carried yet.
    ///
    /// # Errors
    /// The mode isn't dp-ftrl.
    pub fn new(mechanism: &Mechanism) -> Result<Self, CarriedError> {
        if mechanism.mode() != Mode::DpFtrl {
            return Err(CarriedError::WrongMode { got: mechanism.mode() });
        }
        Ok(Self {
            mechanism: *mechanism,
            noise: BTreeMap::new(),
            last: None,
            source: PhantomData,
        })
    }

    /// Takes in what a round carried, as [`Carried::noise`] gave it then.
    ///
    /// # Errors
    /// Out of order, or of another length.
    pub fn recall(&mut self, round: u64, noise: Zeroizing<Vec<i32>>) -> Result<(), CarriedError> {
        let expected = self.mechanism.length();
        if noise.len() as u64 != expected {
            let got = noise.len();
            return Err(CarriedError::Length { got, expected });
        }
        self.later(round)?;
        self.noise.insert(round, noise);
        self.last = Some(round);
        Ok(())
    }

    /// What a round carried, in steps of the grid over `2^8`: to be kept as secretly as the data; none once no release needs it any more.
    #[must_use]
    pub fn noise(&self, round: u64) -> Option<&[i32]> {
        self.noise.get(&round).map(|noise| noise.as_slice())
    }

    /// The release of a round: new noise, less what earlier rounds carried. Consumes the update. What it carries is kept for later rounds, and
    /// must be on disk before the release leaves.
    ///
    /// # Errors
    /// A round that isn't later than all others, another mechanism, no entropy, or a result out of range (probability at most `2^-40`); nothing is
    /// carried then.
    pub fn release<N: Noise<Source = S>>(
        &mut self,
        round: u64,
        quantised: Quantised,
        noise: &mut N,
    ) -> Result<Noised<S>, NoiseError> {
        let Quantised { mut values, mechanism } = quantised;
        if mechanism != self.mechanism {
            return Err(CarriedError::OtherMechanism.into());
        }
        self.later(round)?;
        if mechanism.sigma() == 0 {
            return Noised::admit(values, mechanism);
        }
        let noised = noise.noise_fine(FineSum {
            values: self.fine(round, &values),
            mechanism,
        })?;
        let mut carried = Zeroizing::new(Vec::with_capacity(values.len()));
        for (value, noised) in values.iter_mut().zip(noised.values.iter()) {
            carried.push(held(noised.saturating_sub(i64::from(*value) << FINE_BITS)));
            *value = i32::try_from(rounded(*noised, FINE_BITS)).map_err(|_| NoiseError::OutsideRange)?;
        }
        let noised = Noised::admit(values, mechanism)?;
        self.noise.insert(round, carried);
        self.last = Some(round);
        Ok(noised)
    }

    fn later(&self, round: u64) -> Result<(), CarriedError> {
        match self.last {
            Some(last) if round <= last => Err(CarriedError::Order { got: round, last }),
            _ => Ok(()),
        }
    }

    /// `f_t` of the documentation; forgets what this round and later ones don't take back.
    fn fine(&mut self, round: u64, values: &[i32]) -> Zeroizing<Vec<i64>> {
        let lags = self.mechanism.lags();
        self.noise.retain(|&before, _| round - before < u64::from(lags));
        let mut fine = self.taken_back(round, lags, values.len());
        for (fine, value) in fine.iter_mut().zip(values) {
            *fine = (i64::from(*value) << FINE_BITS) - *fine;
        }
        fine
    }

    /// `round(sum_k c_k N_{t-k})`: at most `2^31 2^20 2^8` before the rounding.
    fn taken_back(&self, round: u64, lags: u32, length: usize) -> Zeroizing<Vec<i64>> {
        let coefficients = coefficients(lags);
        let mut sum = Zeroizing::new(vec![0i64; length]);
        for (before, noise) in &self.noise {
            // Below `lags`, which fits: older rounds are gone.
            let coefficient = coefficients[(round - before) as usize];
            for (sum, noise) in sum.iter_mut().zip(noise.iter()) {
                *sum += coefficient * i64::from(*noise);
            }
        }
        sum.iter_mut().for_each(|sum| *sum = rounded(*sum, COEFFICIENT_BITS));
        sum
    }
}

/// The integer nearest to `value / 2^bits`, upwards in the middle.
fn rounded(value: i64, bits: u32) -> i64 {
    value.saturating_add(1 << (bits - 1)) >> bits
}

/// The nearest number of 32 bits.
fn held(noise: i64) -> i32 {
    noise.clamp(i32::MIN.into(), i32::MAX.into()) as i32
}

/// A source of noise for one round of mode dp-ftrl: another source, and what earlier rounds carried.
pub struct Carrying<'a, N: Noise> {
    /// The round.
    pub round: u64,
    /// What earlier rounds carried.
    pub carried: &'a mut Carried<N::Source>,
    /// Where new noise comes from.
    pub noise: &'a mut N,
}

impl<N: Noise> Noise for Carrying<'_, N> {
    type Source = N::Source;

    fn noise(&mut self, quantised: Quantised) -> Result<Noised<N::Source>, NoiseError> {
        self.carried.release(self.round, quantised, self.noise)
    }

    fn noise_sum(&mut self, sum: ClearSum) -> Result<NoisedSum<N::Source>, NoiseError> {
        self.noise.noise_sum(sum)
    }

    fn noise_fine(&mut self, fine: FineSum) -> Result<NoisedFineSum<N::Source>, NoiseError> {
        self.noise.noise_fine(fine)
    }

    fn draw(&mut self, records: usize, rate: SampleRate) -> Result<Vec<usize>, NoiseError> {
        self.noise.draw(records, rate)
    }
}

impl<S> fmt::Debug for Carried<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Carried")
            .field("rounds", &self.noise.keys())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for FineSum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FineSum")
            .field("length", &self.values.len())
            .finish_non_exhaustive()
    }
}

impl<S> fmt::Debug for NoisedFineSum<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NoisedFineSum")
            .field("length", &self.values.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
