//! Bounds from rates of error, where every canary has noise of its own.
//!
//! An attacker says "in" above a threshold. Of the canaries that were out, a share `fpr` is called in; of those that were in, a share
//! `fnr` is called out. If scores are independent between canaries, either count is binomial, and Clopper and Pearson's limits hold for
//! the true rates whatever they are. Every `(epsilon, delta)`-private release satisfies (Kairouz, Oh and Viswanath 2015)
//!
//! ```text
//! 1 - fnr <= e^epsilon fpr + delta        1 - fpr <= e^epsilon fnr + delta
//! ```
//!
//! and every `mu`-Gaussian one `fnr >= Phi(Phi^-1(1 - fpr) - mu)` (Dong, Roth and Su 2022). Half of the error probability goes into
//! either limit.
//!
//! # References
//! - C. Clopper, E. Pearson: *The Use of Confidence or Fiducial Limits Illustrated in the Case of the Binomial*, Biometrika 26 (1934).
//! - P. Kairouz, S. Oh, P. Viswanath: *The Composition Theorem for Differential Privacy*, ICML 2015.
//! - J. Dong, A. Roth, W. Su: *Gaussian Differential Privacy*, JRSS B 84 (2022).

use serde::Serialize;

use super::{Confidence, Trial, Trials, binomial::Binomial};
use crate::{
    accounting::{Accountant, Composition, Sampling, Step, quantile},
    parameter::{Delta, NoiseMultiplier},
};

/// Most thresholds that are tried on the first third.
const THRESHOLDS: usize = 100;

/// What a threshold shows about independent canaries.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Rates {
    /// Canaries that count and were out.
    pub out: u64,
    /// Those of them that were called in.
    pub false_positives: u64,
    /// Upper limit of the rate, at half of the error probability.
    pub false_positive_rate: f64,
    /// Canaries that count and were in.
    pub included: u64,
    /// Those of them that were called out.
    pub false_negatives: u64,
    /// Upper limit of the rate, at half of the error probability.
    pub false_negative_rate: f64,
    /// The true epsilon is larger than that, except with the error probability; 0 where nothing is shown.
    pub epsilon: f64,
}

/// The same for a trade-off curve that is a Gaussian's.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Gaussian {
    /// At the threshold that shows most of `mu`.
    pub rates: Rates,
    /// The true mu (sensitivity over standard deviation, all releases together) is larger than that; 0 where nothing is shown.
    pub mu: f64,
    /// The epsilon of that mu at delta.
    pub epsilon: f64,
}

impl Trials {
    /// The bound at the threshold that did best on the first third. Scores must be independent between canaries.
    #[must_use]
    pub fn rates(&self, delta: Delta, confidence: Confidence) -> Rates {
        self.best(delta, confidence, |rates| rates.epsilon)
    }

    /// The bound on mu at the threshold that did best on the first third. Scores must be independent between canaries, and the trade-off
    /// curve of the mechanism a Gaussian's.
    #[must_use]
    pub fn gaussian(&self, delta: Delta, confidence: Confidence) -> Gaussian {
        let rates = self.best(delta, confidence, mu);
        let mu = mu(&rates).max(0.0);
        Gaussian {
            rates,
            mu,
            epsilon: epsilon_of(mu, delta),
        }
    }

    fn best(&self, delta: Delta, confidence: Confidence, worth: impl Fn(&Rates) -> f64) -> Rates {
        let (chosen_by, counted) = self.thirds();
        let mut scores: Vec<f64> = chosen_by.iter().map(|trial| trial.score).collect();
        scores.sort_by(f64::total_cmp);
        let every = scores.len().div_ceil(THRESHOLDS).max(1);
        let (mut most, mut chosen) = (f64::NEG_INFINITY, 0.0);
        for &threshold in scores.iter().step_by(every) {
            let worth = worth(&at(chosen_by, threshold, delta, confidence));
            if worth > most {
                (most, chosen) = (worth, threshold);
            }
        }
        at(counted, chosen, delta, confidence)
    }
}

/// The rates of those who say "in" at `threshold` or above.
fn at(trials: &[Trial], threshold: f64, delta: Delta, confidence: Confidence) -> Rates {
    let count = |included: bool, wrong: &dyn Fn(f64) -> bool| {
        let all = trials.iter().filter(|trial| trial.included == included);
        let (mut n, mut errors) = (0u64, 0u64);
        for trial in all {
            n += 1;
            errors += u64::from(wrong(trial.score));
        }
        (n, errors, at_most_rate(n, errors, confidence.error() / 2.0))
    };
    let (out, false_positives, fpr) = count(false, &|score| score >= threshold);
    let (included, false_negatives, fnr) = count(true, &|score| score < threshold);
    let shows = |miss: f64, other: f64| ((1.0 - miss - delta.get()) / other).ln();
    let epsilon = shows(fnr, fpr).max(shows(fpr, fnr));
    Rates {
        out,
        false_positives,
        false_positive_rate: fpr,
        included,
        false_negatives,
        false_negative_rate: fnr,
        // NaN, of a negative share, shows nothing either.
        epsilon: epsilon.max(0.0),
    }
}

/// `Phi^-1(1 - fpr) - Phi^-1(fnr)`.
fn mu(rates: &Rates) -> f64 {
    -quantile(rates.false_positive_rate) - quantile(rates.false_negative_rate)
}

/// The largest rate under which `errors` or fewer of `n` still happen with probability `error`, rounded up: Clopper and Pearson's upper
/// limit, 1 where there were no trials.
#[must_use]
pub fn at_most_rate(n: u64, errors: u64, error: f64) -> f64 {
    if errors >= n {
        return 1.0;
    }
    let (mut low, mut high) = (errors as f64 / n as f64, 1.0);
    for _ in 0..60 {
        let middle = low + (high - low) / 2.0;
        // A hair less likely than computed.
        if Binomial::new(n, middle).at_most(errors) * (1.0 + 1e-6) >= error {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

/// The epsilon at delta of a Gaussian with this mu, a hair less than the accountant's, which rounds up.
fn epsilon_of(mu: f64, delta: Delta) -> f64 {
    let Some(noise) = NoiseMultiplier::new(mu.recip()).ok().filter(|noise| noise.get() > 0.0) else {
        return 0.0;
    };
    let step = Step {
        noise,
        sampling: Sampling::None,
    };
    Accountant::Pld.epsilon(&Composition::of(step, 1), delta).get() * (1.0 - 1e-9)
}
