//! Signal to noise: whether robust rules and scores have anything to go by.
//!
//! For one update with signal `g` (`||g|| = S`) and noise of `sigma` on each of `d` coordinates, the noise's norm is close to
//! `sigma sqrt(d)`, and two institutions with the *same* signal send updates of expected cosine close to
//!
//! ```text
//! S^2 / (S^2 + d sigma^2) = 1 / (1 + 1 / ratio^2),     ratio = S / (sigma sqrt(d))
//! ```
//!
//! With unit `institution`, all of the bound as signal and multiplier `z` this is `1 / (1 + d z^2)`: at `d = 10^6` nothing that looks at
//! single updates (Krum, cosine, leave-one-out) can tell an honest one from any other. The *mean* of `n` updates is `sqrt(n)` times
//! better off, so a refusal speaks of rules and scores that look at single updates, never of training.
//!
//! **What ratio is enough** depends on what a rule goes by ([`Sight`]), and the worst attacker is one who sends *no noise*:
//!
//! - *Nearness* (Krum, Multi-Krum, Bulyan, MDA, nearest-neighbour mixing). Two honest updates are `2 sigma^2 d` apart, squared; from an
//!   attacker who sends `-a g` without noise they are `(1 + a)^2 S^2 + sigma^2 d`. From `ratio < 1` on there is an `a > 0` for which the
//!   attacker is nearer to everybody than they are to each other: the rule doesn't fail to find it, it prefers it. Refused under 1.
//! - *Values* (medians, trimmed means, the geometric median, clipping, signs). What `f` of `n` attackers can do is bounded, by about `f / n`
//!   times the noise's norm, so progress falls like `1 - c (f / n) / ratio`: with a fifth malicious and `ratio` 1, it is still twice that
//!   of the mean; at 1/3 next to nothing is left. Refused under 1/3.
//!
//! `examples/signal` measures both, rule by rule, and its tests hold the thresholds to them. Filters by spread or angle (CAF, SMEA, DnC,
//! FLAME) degrade later than that, the later the larger `d`; no such claim is made for them here.
//!
//! The ratio is per update. The honest signal is a stated [`SignalFraction`] of its bound: examples' gradients don't all point the same
//! way, and late in training less and less so. [`SignalFraction::HALF`] is typical for the first rounds of a linear model on standardised
//! data.

use std::fmt;

use serde::Serialize;

use crate::mechanism::Mechanism;

/// Ratio from which on rules that look at single updates withstand attackers about as well as without noise.
pub const GOOD_RATIO: f64 = 3.0;
/// Ratio under which rules that go by nearness are refused, and scores of single updates.
pub const REFUSED_RATIO: f64 = 1.0;
/// Ratio under which every rule that looks at single updates is refused.
pub const LEAST_RATIO: f64 = 1.0 / 3.0;

/// What a rule goes by, which decides how much signal it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sight {
    /// Which single updates are near to each other, or what one of them is worth: refused under [`REFUSED_RATIO`].
    Nearness,
    /// The values of all of them, each with a bounded influence: refused under [`LEAST_RATIO`].
    Values,
}

impl Sight {
    /// The ratio under which noise decides.
    #[must_use]
    pub fn refused_under(self) -> f64 {
        match self {
            Self::Nearness => REFUSED_RATIO,
            Self::Values => LEAST_RATIO,
        }
    }
}

/// Which part of its bound an honest update's norm is taken to be.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize)]
pub struct SignalFraction(f64);

impl SignalFraction {
    /// Half of the bound.
    pub const HALF: Self = Self(0.5);
    /// All of the bound: the best case.
    pub const ALL: Self = Self(1.0);

    /// A fraction in `(0, 1]`; none otherwise.
    #[must_use]
    pub fn new(fraction: f64) -> Option<Self> {
        (fraction > 0.0 && fraction <= 1.0).then_some(Self(fraction))
    }

    /// The number itself.
    #[must_use]
    pub fn get(self) -> f64 {
        self.0
    }
}

/// What the ratio means for rules and scores that look at single updates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Ratio 3 or more: expected cosine of two equal signals at least 0.9.
    Good,
    /// Between: allowed, with a warning.
    Warn,
    /// Noise decides: the ratio is under [`Sight::refused_under`].
    Refuse,
}

/// Expected norms of an honest update's signal and noise, in grid steps.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SignalToNoise {
    /// The fraction of the bound that was taken for signal.
    pub fraction: SignalFraction,
    /// `fraction * batch * clip_steps` (record) or `fraction * clip_steps` (institution).
    pub signal: f64,
    /// `sigma * sqrt(d)`.
    pub noise: f64,
    /// `signal / noise`; infinite without noise.
    pub ratio: f64,
    /// What follows for rules that go by nearness, which need most.
    pub verdict: Verdict,
}

impl SignalToNoise {
    /// The ratio of one honest update under a mechanism.
    #[must_use]
    pub fn of(mechanism: &Mechanism, fraction: SignalFraction) -> Self {
        let signal = fraction.0 * mechanism.norm_bound() as f64;
        let noise = mechanism.released_sigma() * (mechanism.dimension() as f64).sqrt();
        let ratio = signal / noise;
        Self {
            fraction,
            signal,
            noise,
            ratio,
            verdict: verdict(ratio, Sight::Nearness),
        }
    }

    /// What follows for rules that go by this.
    #[must_use]
    pub fn verdict_for(&self, sight: Sight) -> Verdict {
        verdict(self.ratio, sight)
    }

    /// Expected cosine of two updates with the same signal: `1 / (1 + 1 / ratio^2)`.
    #[must_use]
    pub fn cosine_of_equals(&self) -> f64 {
        1.0 / (1.0 + self.ratio.powi(-2))
    }
}

fn verdict(ratio: f64, sight: Sight) -> Verdict {
    match ratio {
        r if r >= GOOD_RATIO => Verdict::Good,
        r if r >= sight.refused_under() => Verdict::Warn,
        _ => Verdict::Refuse,
    }
}

impl fmt::Display for SignalToNoise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            fraction: SignalFraction(fraction),
            signal,
            noise,
            ratio,
            ..
        } = self;
        write!(
            f,
            "signal to noise {ratio:.2} per update (signal {signal:.0} = {fraction} of its bound, noise {noise:.0} grid steps; two equal \
             signals look alike to cosine {:.2})",
            self.cosine_of_equals()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Noise, RecordSum, RehearsalNoise, testing};

    #[test]
    fn verdicts_follow_the_ratio() {
        let at = |z: f64| SignalToNoise::of(&testing::institution(100, 1000, z), SignalFraction::ALL);
        assert_eq!(at(0.01).verdict, Verdict::Good);
        assert_eq!(at(0.05).verdict, Verdict::Warn);
        assert_eq!(at(0.2).verdict, Verdict::Refuse);
        let values = |z: f64| at(z).verdict_for(Sight::Values);
        assert_eq!(
            (values(0.01), values(0.2), values(0.31)),
            (Verdict::Good, Verdict::Warn, Verdict::Refuse)
        );
        assert_eq!(at(0.0).verdict, Verdict::Good);
        assert_eq!(at(0.0).cosine_of_equals(), 1.0);
        let z = 0.05f64;
        assert!((at(z).cosine_of_equals() - 1.0 / (1.0 + 100.0 * z * z)).abs() < 1e-12);
    }

    #[test]
    fn record_signal_grows_with_the_batch() {
        let at = |batch| SignalToNoise::of(&testing::record(64, 1000, 2.0, batch), SignalFraction::HALF);
        assert_eq!((at(32).signal, at(32).noise, at(32).ratio), (16_000.0, 16_000.0, 1.0));
        assert_eq!(at(96).verdict, Verdict::Good);
        assert_eq!(at(31).verdict, Verdict::Refuse);
    }

    /// The formula against the real mechanism: mean cosine of 40 pairs of equal signals.
    #[test]
    fn cosine_formula_matches_the_noised_updates() {
        let mechanism = testing::record(400, 1000, 2.0, 30);
        let gradient: Vec<f32> = (0..400).map(|i| if i % 2 == 0 { 49.9 } else { -49.9 }).collect();
        let mut source = RehearsalNoise::from_seed([7; 32]);
        let mut release = || {
            let mut sum = RecordSum::new(&mechanism).unwrap();
            (0..30).for_each(|_| sum.add_example(&gradient).unwrap());
            source.noise(sum.finish().unwrap()).unwrap().values().to_vec()
        };
        let dot = |a: &[i32], b: &[i32]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
        let mean = (0..40)
            .map(|_| {
                let (a, b) = (release(), release());
                dot(&a, &b) / (dot(&a, &a) * dot(&b, &b)).sqrt()
            })
            .sum::<f64>()
            / 40.0;
        // Rounding 49.9 to 49 leaves 0.98 of the bound.
        let expected = SignalToNoise::of(&mechanism, SignalFraction::new(0.98).unwrap()).cosine_of_equals();
        assert!((mean - expected).abs() < 0.03, "{mean} {expected}");
    }
}
