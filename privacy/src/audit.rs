//! Evidence against a claim: lower bounds on epsilon from canaries that an attacker looks for.
//!
//! **Claim.** Each of `m` canaries takes part by a fair coin of its own; an attacker who sees everything that was released gives each a
//! score, higher where it rather believes the canary in. If the releases are `(epsilon, delta)`-private for each canary, no attacker
//! scores too well. Turned around: from scores and coins follow bounds that the true epsilon exceeds, with a stated confidence.
//!
//! | bound | rests on | says |
//! |---|---|---|
//! | [`Trials::one_run`] | nothing but the coins (Steinke, Nasr and Jagielski 2023, Theorem 5.2) | epsilon at delta |
//! | [`Trials::rates`] | scores independent between canaries (Clopper and Pearson 1934; Jagielski, Ullman and Oprea 2020) | epsilon at delta |
//! | [`Trials::gaussian`] | the same, and a trade-off curve that is a Gaussian's (Nasr et al. 2023) | mu, and the epsilon of that mu |
//!
//! The first may be asked about canaries of one run, and about those of several independent runs together: a canary touches its own run
//! alone, so the runs together are a mechanism with the same guarantee for each of them. The others may be asked where every canary has
//! noise of its own: one canary in a run, or canaries along orthogonal axes under noise that is independent by coordinate.
//!
//! **How.** What an attacker is free to choose (how many guesses on either side, the threshold) is chosen on the first third of the
//! trials; the others count. So nothing was selected on what is counted, and the confidence is as stated. All arithmetic on the way is
//! rounded towards smaller bounds.
//!
//! **Not claimed.** That a small bound means privacy: an attack may be weak, and `m` canaries can't show more than
//! [`OneRun::ceiling`]; one-run auditing shows nothing where `m` times delta isn't small. A bound above a claim refutes the claim or the
//! implementation, up to the error probability.
//!
//! # Example
//! ```
//! use xfl_privacy::{Delta, audit::{Confidence, Trial, Trials}};
//!
//! // An attacker who is always right about 300 canaries.
//! let trials = (0..300).map(|i| Trial { score: f64::from(i % 2), included: i % 2 == 1 });
//! let trials = Trials::new(trials.collect())?;
//! let found = trials.one_run(Delta::new(1e-6)?, Confidence::new(0.95)?);
//! assert_eq!((found.guesses, found.correct), (200, 200));
//! assert!((4.1..4.2).contains(&found.epsilon));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # References
//! - T. Steinke, M. Nasr, M. Jagielski: *Privacy Auditing with One (1) Training Run*, NeurIPS 2023.
//! - M. Jagielski, J. Ullman, A. Oprea: *Auditing Differentially Private Machine Learning: How Private is Private SGD?*, NeurIPS 2020.
//! - M. Nasr, J. Hayes, T. Steinke, B. Balle, F. Tramèr, M. Jagielski, N. Carlini, A. Terzis: *Tight Auditing of Differentially Private
//!   Machine Learning*, USENIX Security 2023.

use serde::Serialize;
use thiserror::Error;

mod binomial;
mod likelihood;
mod one_run;
mod rates;
mod roc;

pub use likelihood::likelihood_ratio;
pub use one_run::{OneRun, p_value};
pub use rates::{Gaussian, Rates, at_most_rate};
pub use roc::{Roc, RocPoint};

/// Most trials that are looked at together: their counts stay exact in floating point and a bound takes seconds.
pub const MAX_TRIALS: usize = 1 << 20;

/// One canary: what the attacker thinks of it, and the truth.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Trial {
    /// Higher where the attacker rather believes that it took part; finite.
    pub score: f64,
    /// Whether it did.
    pub included: bool,
}

/// With which probability a bound holds: strictly between 0 and 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Confidence(f64);

/// What can't be audited.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
pub enum AuditError {
    /// The confidence is no probability.
    #[error("confidence is {0}, expected more than 0 and less than 1; write for example 0.95")]
    Confidence(f64),
    /// Too few canaries to choose by some and count the others, or more than fit.
    #[error("{got} canaries, expected {least} to {MAX_TRIALS}", least = Trials::LEAST)]
    Count {
        /// As many as there are.
        got: usize,
    },
    /// A score that no other can be compared with.
    #[error("the score of canary {index} is {score}, expected a finite number")]
    Score {
        /// Which canary.
        index: usize,
        /// Its score.
        score: f64,
    },
}

impl Confidence {
    /// Checks the range.
    ///
    /// # Errors
    /// [`AuditError::Confidence`].
    pub fn new(confidence: f64) -> Result<Self, AuditError> {
        if confidence > 0.0 && confidence < 1.0 {
            Ok(Self(confidence))
        } else {
            Err(AuditError::Confidence(confidence))
        }
    }

    /// The number itself.
    #[must_use]
    pub fn get(self) -> f64 {
        self.0
    }

    /// The probability with which a bound may fail.
    #[must_use]
    pub fn error(self) -> f64 {
        1.0 - self.0
    }
}

/// Canaries, each scored, in an order that says nothing about their coins.
#[derive(Debug, Clone, PartialEq)]
pub struct Trials(Vec<Trial>);

impl Trials {
    /// Fewest canaries that make trials.
    pub const LEAST: usize = 3;

    /// Checks the scores and their number.
    ///
    /// # Errors
    /// [`AuditError`].
    pub fn new(trials: Vec<Trial>) -> Result<Self, AuditError> {
        let got = trials.len();
        if !(Self::LEAST..=MAX_TRIALS).contains(&got) {
            return Err(AuditError::Count { got });
        }
        if let Some((index, trial)) = trials.iter().enumerate().find(|(_, trial)| !trial.score.is_finite()) {
            let score = trial.score;
            return Err(AuditError::Score { index, score });
        }
        Ok(Self(trials))
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> &[Trial] {
        &self.0
    }

    /// The third by which an attacker chooses, and the rest, which counts.
    fn thirds(&self) -> (&[Trial], &[Trial]) {
        self.0.split_at(self.0.len() / 3)
    }
}

#[cfg(test)]
mod tests;
