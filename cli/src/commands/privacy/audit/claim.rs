//! What a plan claims, in the form that bounds are held against.

use serde_json::{Value, json};
use xfl_privacy::{
    Delta, Epsilon, Guarantee, Mechanism, NoiseMultiplier, Relation,
    accounting::{Accountant, Composition, Sampling, Step},
};

/// The claims about a number of rounds.
pub(super) struct Claim {
    /// As the plan prints it: zero-concentrated divergence.
    pub(super) guarantee: Guarantee,
    /// The smallest epsilon that is known of these releases: that of Gaussians, from which those on the grid differ by less than can be
    /// measured.
    pub(super) tight: Epsilon,
    /// Sensitivity over standard deviation of all releases together; infinite without noise.
    pub(super) mu: f64,
    rounds: u64,
    noise: f64,
}

impl Claim {
    /// What `rounds` releases of a mechanism promise.
    pub(super) fn of(mechanism: &Mechanism, rounds: u64, delta: Delta) -> Self {
        // Noise over sensitivity, of the integers.
        let noise = f64::from(mechanism.sigma()) / mechanism.sensitivity() as f64;
        let step = Step {
            noise: NoiseMultiplier::new(noise).unwrap_or(NoiseMultiplier::ZERO),
            sampling: Sampling::None,
        };
        Self {
            guarantee: Guarantee::of(mechanism, rounds, delta),
            tight: Accountant::Pld.epsilon(&Composition::of(step, rounds), delta),
            mu: (rounds as f64).sqrt() / noise,
            rounds,
            noise,
        }
    }

    /// For machines.
    pub(super) fn json(&self) -> Value {
        let finite = |epsilon: Epsilon| epsilon.is_finite().then(|| epsilon.get());
        json!({
            "unit": self.guarantee.unit,
            "neighbours": self.guarantee.relation,
            "delta": self.guarantee.delta,
            "rounds": self.rounds,
            "noise_multiplier": self.noise,
            "epsilon_zcdp": finite(self.guarantee.epsilon),
            "epsilon_pld": finite(self.tight),
            "mu": self.mu.is_finite().then_some(self.mu),
        })
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let Guarantee {
            unit,
            relation,
            delta,
            epsilon,
            ..
        } = &self.guarantee;
        let change = match relation {
            Relation::ZeroOut => "one left out",
            Relation::Replace => "one exchanged",
        };
        format!(
            "claimed after {} rounds: epsilon {epsilon} (zCDP, as the plan says), {} (tight), at delta {delta}; unit {unit}, neighbours by \
             {relation} ({change})",
            self.rounds, self.tight
        )
    }
}
