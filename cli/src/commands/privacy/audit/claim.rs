//! What a plan claims, in the form that bounds are held against.

use serde_json::{Value, json};
use xfl_privacy::{
    Delta, Epsilon, Guarantee, Mechanism, Mode, NoiseMultiplier, Relation,
    accounting::{Accountant, Composition, Sampling, Step},
};

/// The claims about a number of rounds.
pub(super) struct Claim {
    /// As the plan prints it.
    pub(super) guarantee: Guarantee,
    /// The smallest epsilon that is known of these releases: that of Gaussians, from which those on the grid differ by less than can be
    /// measured.
    pub(super) tight: Epsilon,
    /// Sensitivity over standard deviation of all releases together, where their trade-off curve is a Gaussian's; infinite without noise.
    pub(super) mu: Option<f64>,
    mechanism: Mechanism,
    rounds: u64,
}

impl Claim {
    /// What `rounds` releases of a mechanism promise.
    pub(super) fn of(mechanism: &Mechanism, rounds: u64, delta: Delta) -> Self {
        let guarantee = Guarantee::of(mechanism, rounds, delta);
        let (mut tight, mut mu) = (guarantee.epsilon, None);
        if mechanism.mode() == Mode::Local {
            // A Gaussian's rho is half of its mu squared.
            let each = (2.0 * mechanism.rho_per_release().get()).sqrt();
            let step = Step {
                noise: NoiseMultiplier::new(each.recip()).unwrap_or(NoiseMultiplier::ZERO),
                sampling: Sampling::None,
            };
            tight = Accountant::Pld.epsilon(&Composition::of(step, rounds), delta);
            mu = Some(each * (rounds as f64).sqrt());
        }
        Self {
            guarantee,
            tight,
            mu,
            mechanism: *mechanism,
            rounds,
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
            "mode": self.mechanism.mode(),
            "noise_multiplier": self.mechanism.noise_multiplier(),
            "epsilon": finite(self.guarantee.epsilon),
            "accountant": self.guarantee.accountant,
            "epsilon_tight": finite(self.tight),
            "mu": self.mu.filter(|mu| mu.is_finite()),
        })
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let Guarantee {
            unit,
            relation,
            delta,
            epsilon,
            accountant,
            ..
        } = &self.guarantee;
        let change = match relation {
            Relation::ZeroOut => "one left out",
            Relation::Replace => "one exchanged",
        };
        format!(
            "claimed after {} rounds: epsilon {epsilon} ({accountant}, as the plan says), {} (tight), at delta {delta}; mode {}, unit {unit}, \
             neighbours by {relation} ({change})",
            self.rounds,
            self.tight,
            self.mechanism.mode()
        )
    }
}
