//! One-run auditing: how many guesses may be right by luck and epsilon alone.
//!
//! Let `M` be `(epsilon, delta)`-private for each of `m` canaries, whose coins are independent and fair, and let an attacker guess `r` of
//! them. Then (Steinke, Nasr and Jagielski 2023, Theorem 5.2; code in its appendix), with `X` binomial of `r` coins that come up with
//! probability `e^epsilon / (1 + e^epsilon)`,
//!
//! ```text
//! P(at least v right) <= P(X >= v) + 2 m delta max over i of P(v - i <= X < v) / i
//! ```
//!
//! whatever the attacker does and however the canaries meet in the sum. The bound is the largest epsilon whose right side is below the
//! error probability.
//!
//! Cost: about 60 sums over `v` terms for each of the 120 ways to spread guesses that the first third is tried with.

use serde::Serialize;

use super::{Confidence, Trial, Trials, binomial::Binomial};
use crate::parameter::Delta;

/// What rounding on the way may cost, relative to a probability.
const SAFETY: f64 = 1.0 + 1e-6;

/// Shares of the canaries that are guessed on either side.
const SHARES: [f64; 11] = [0.0, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5];

/// What a one-run audit shows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct OneRun {
    /// Canaries that count.
    pub canaries: u64,
    /// Canaries among them that the attacker dared to guess.
    pub guesses: u64,
    /// Guesses that were right.
    pub correct: u64,
    /// The true epsilon is larger than that, except with the error probability; 0 where nothing is shown.
    pub epsilon: f64,
    /// The bound of an attacker who guesses every canary that counts, and is always right: more can't be shown by so many.
    pub ceiling: f64,
}

impl Trials {
    /// The bound for the guesses that did best on the first third: the highest scores are guessed to be in, the lowest to be out.
    #[must_use]
    pub fn one_run(&self, delta: Delta, confidence: Confidence) -> OneRun {
        let (chosen_by, counted) = self.thirds();
        let (tried, sorted) = (ranked(chosen_by), ranked(counted));
        let spread = SHARES
            .iter()
            .flat_map(|&top| SHARES.iter().map(move |&bottom| (top, bottom)));
        let mut best = (0.0, (0.5, 0.5));
        for (top, bottom) in spread {
            let (guesses, correct) = guessed(&tried, top, bottom);
            let epsilon = largest(tried.len() as u64, guesses, correct, delta.get(), confidence.error());
            if epsilon > best.0 {
                best = (epsilon, (top, bottom));
            }
        }
        let (top, bottom) = best.1;
        let (canaries, (guesses, correct)) = (sorted.len() as u64, guessed(&sorted, top, bottom));
        let bound = |guesses, correct| largest(canaries, guesses, correct, delta.get(), confidence.error());
        OneRun {
            canaries,
            guesses,
            correct,
            epsilon: bound(guesses, correct),
            ceiling: bound(canaries, canaries),
        }
    }
}

/// The coins, from the highest score to the lowest; ties stay in their order.
fn ranked(trials: &[Trial]) -> Vec<bool> {
    let mut order: Vec<&Trial> = trials.iter().collect();
    order.sort_by(|a, b| b.score.total_cmp(&a.score));
    order.into_iter().map(|trial| trial.included).collect()
}

/// Guesses, and how many are right, where these shares of both ends are guessed.
fn guessed(ranked: &[bool], top: f64, bottom: f64) -> (u64, u64) {
    let count = |share: f64| (share * ranked.len() as f64).round() as usize;
    let top = count(top);
    let bottom = count(bottom).min(ranked.len() - top);
    let right = ranked[..top].iter().filter(|included| **included).count()
        + ranked[ranked.len() - bottom..]
            .iter()
            .filter(|included| !**included)
            .count();
    ((top + bottom) as u64, right as u64)
}

/// The probability that an attacker is right `correct` times or more in `guesses` guesses about `canaries` canaries, if their releases are
/// `(epsilon, delta)`-private, rounded up; `correct <= guesses <= canaries`.
#[must_use]
pub fn p_value(canaries: u64, guesses: u64, correct: u64, epsilon: f64, delta: f64) -> f64 {
    let coins = Binomial::response(guesses, epsilon);
    let lucky = coins.at_least(correct);
    let broken = if lucky < 1.0 && delta > 0.0 {
        2.0 * canaries as f64 * delta * coins.densest_below(correct)
    } else {
        0.0
    };
    ((lucky + broken) * SAFETY).min(1.0)
}

/// The largest epsilon (to 1e-6) that so many right guesses refute; 0 where none.
fn largest(canaries: u64, guesses: u64, correct: u64, delta: f64, error: f64) -> f64 {
    let refuted = |epsilon: f64| p_value(canaries, guesses, correct, epsilon, delta) < error;
    if guesses == 0 || !refuted(0.0) {
        return 0.0;
    }
    let (mut low, mut high) = (0.0, 1.0);
    while refuted(high) {
        (low, high) = (high, high * 2.0);
    }
    while high - low > 1e-6 * high.max(1.0) {
        let middle = low + (high - low) / 2.0;
        if refuted(middle) { low = middle } else { high = middle }
    }
    low
}
