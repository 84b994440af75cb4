//! Who adds the noise, and so whom it protects against.
//!
//! | mode | noise comes from | whom nobody has to trust | who is trusted |
//! |---|---|---|---|
//! | [`Mode::Local`] | each institution, enough by itself | coordinator, other institutions, whoever reads models and transcript | nobody |
//! | [`Mode::DpSgd`] | each institution, at every local step | the same | nobody |
//! | [`Mode::DpFtrl`] | each institution, and takes part of it back in later rounds ([`crate::Carried`]) | the same | nobody |
//! | [`Mode::Distributed`] | each institution, a share | whoever sees no more than the sum, up to the stated number of institutions included | that single updates stay hidden: the masks, or the coordinator |
//! | [`Mode::Central`] | the coordinator, on the sum | other institutions, whoever reads models and transcript | the coordinator |
//!
//! **Distributed.** Let `s` be the noise that a sum is promised and `m` the honest contributors that every sum that is opened has
//! at least (the quorum less the dishonest). Each adds a discrete Gaussian of parameter `s_i = ceil(s / sqrt(m))`. A sum of discrete
//! Gaussians isn't one; its loss is that of a Gaussian of the same variance plus a term that vanishes with `s_i` (Kairouz, Liu and
//! Steinke 2021, Theorem 1 and Proposition 14):
//!
//! ```text
//! tau = 10 * sum_{k=1}^{m-1} exp(-2 pi^2 s_i^2 k / (k + 1))
//! rho = 1/2 min( D^2 / (m s_i^2) + tau d / 2,   (D / (sqrt(m) s_i) + tau sqrt(d))^2 )
//! ```
//!
//! for L2 sensitivity `D` over `d` coordinates. Contributors beyond `m` only add independent noise, which costs nothing.
//!
//! # References
//! P. Kairouz, Z. Liu, T. Steinke: *The Distributed Discrete Gaussian Mechanism for Federated Learning with Secure Aggregation*,
//! ICML 2021.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::parameter::{Rho, SampleRate};

/// A mode with what it needs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Noising {
    /// [`Mode::Local`].
    #[default]
    Local,
    /// [`Mode::Distributed`].
    Distributed {
        /// Honest contributors that every sum has at least; from 1.
        honest: u32,
    },
    /// [`Mode::Central`].
    Central,
    /// [`Mode::DpSgd`].
    DpSgd {
        /// The most that a record's probability of taking part in a step may be; above 0.
        rate: SampleRate,
        /// Local steps of a release, from 1.
        steps: u32,
    },
    /// [`Mode::DpFtrl`].
    DpFtrl {
        /// Rounds in a row of which a record takes part in at most one: from 2 to [`crate::MAX_SEPARATION`].
        separation: u32,
        /// The federation's rounds, from 1.
        rounds: u64,
    },
}

impl Noising {
    /// The mode alone.
    #[must_use]
    pub fn mode(self) -> Mode {
        match self {
            Self::Local => Mode::Local,
            Self::Distributed { .. } => Mode::Distributed,
            Self::Central => Mode::Central,
            Self::DpSgd { .. } => Mode::DpSgd,
            Self::DpFtrl { .. } => Mode::DpFtrl,
        }
    }
}

/// Who adds the noise. See the module's table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Each institution's noise protects its release by itself.
    #[default]
    Local,
    /// Each institution's noise is a share: the sum is protected.
    Distributed,
    /// The coordinator adds noise to the sum.
    Central,
    /// Each institution adds noise at every step of its local training, over records drawn by coins of its own.
    DpSgd,
    /// Each institution's noise protects its releases, over records in rotation, and later rounds take part of it back.
    DpFtrl,
}

impl Mode {
    /// As written in a configuration file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Distributed => "distributed",
            Self::Central => "central",
            Self::DpSgd => "dp-sgd",
            Self::DpFtrl => "dp-ftrl",
        }
    }

    /// Against whom the guarantee holds, in one sentence for people.
    #[must_use]
    pub fn adversary(self) -> &'static str {
        match self {
            Self::Local | Self::DpSgd | Self::DpFtrl => {
                "holds against everybody: the coordinator, the other institutions and whoever reads models or transcript"
            }
            Self::Distributed => {
                "holds against whoever sees sums and no single update, the stated number of dishonest institutions included; \
                 whoever sees a single update sees it with a share of the noise only"
            }
            Self::Central => {
                "holds against the other institutions and whoever reads models or transcript, not against the coordinator, which \
                 sees every update and is trusted to add the noise"
            }
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a sum of `honest` discrete Gaussians of parameter `share` costs at L2 sensitivity `sensitivity` over `length`
/// coordinates: the formula of the module's documentation, every rounding upwards.
pub(crate) fn rho_of_shares(sensitivity: u64, share: u32, honest: u32, length: u64) -> Rho {
    if share == 0 {
        return Rho::INFINITE;
    }
    // A few roundings each, all positive terms; the exponential's argument is off by at most 750 units of 2^-53 where it is no zero.
    let up = |x: f64| (x * (1.0 + 2f64.powi(-40))).max(f64::MIN_POSITIVE);
    let (d, share, m) = (length as f64, f64::from(share), f64::from(honest));
    let tau = if honest > 1 {
        // k / (k + 1) is at least 1/2.
        up(10.0 * (m - 1.0) * up(libm::exp(-std::f64::consts::PI.powi(2) * share * share)))
    } else {
        0.0
    };
    let ratio = sensitivity as f64 / share;
    let gaussian = up(ratio * ratio / m);
    let first = up(gaussian + up(tau * d / 2.0));
    let second = up((up(gaussian.sqrt()) + up(tau * d.sqrt())).powi(2));
    let least = if tau > 0.0 { first.min(second) } else { gaussian };
    Rho::result(up(least / 2.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kairouz, Liu and Steinke 2021, Proposition 14, summed term by term.
    fn reference(sensitivity: f64, share: f64, m: u32, d: f64) -> f64 {
        let tau: f64 = (1..m)
            .map(|k| {
                10.0 * (-2.0 * std::f64::consts::PI.powi(2) * share * share * f64::from(k) / f64::from(k + 1)).exp()
            })
            .sum();
        let g = sensitivity / (f64::from(m).sqrt() * share);
        0.5 * (g * g + tau * d / 2.0).min((g + tau * d.sqrt()).powi(2))
    }

    #[test]
    fn shares_cost_at_least_what_the_paper_says() {
        for (sensitivity, share, m, d) in [
            (10, 1, 2, 3),
            (10, 1, 5, 1000),
            (100, 2, 3, 10),
            (1000, 700, 10, 1 << 20),
            (5, 1, 1, 7),
        ] {
            let (ours, theirs) = (
                rho_of_shares(sensitivity, share, m, d).get(),
                reference(sensitivity as f64, f64::from(share), m, d as f64),
            );
            assert!(ours >= theirs, "{ours} {theirs}");
            if share > 1 {
                assert!(ours <= theirs * (1.0 + 1e-9), "{ours} {theirs}");
            }
        }
    }

    /// At a share of one grid step the sum is far enough from a discrete Gaussian to be charged for it.
    #[test]
    fn the_term_of_the_sum_is_carried() {
        let small = rho_of_shares(10, 1, 5, 1_000_000).get();
        let as_if_gaussian = 100.0 / (2.0 * 5.0);
        assert!(small > as_if_gaussian * 1.5, "{small}");
    }

    #[test]
    fn no_share_no_promise() {
        assert!(!rho_of_shares(1, 0, 5, 10).is_finite());
    }
}
