use proptest::prelude::*;

use super::*;
use crate::testing;

fn eps(rho: f64, delta: f64) -> f64 {
    epsilon(Rho::new(rho).unwrap(), Delta::new(delta).unwrap()).get()
}

/// Proposition 12 minimised over alpha in 60-digit arithmetic.
const REFERENCE: [(f64, f64, f64); 10] = [
    (0.031_25, 1e-3, 0.688_002_455_487_808),
    (0.5, 1e-7, 5.670_858_835_468_771),
    (0.125, 1e-5, 2.165_715_545_175_485),
    (1.25, 1e-5, 8.078_359_548_144_446),
    (0.01, 1e-6, 0.621_692_654_559_603),
    (1e-6, 1e-9, 0.006_804_060_822_206),
    (10.0, 1e-5, 30.110_857_303_795_73),
    (100.0, 1e-3, 150.100_233_546_569_48),
    (3.0, 1e-12, 20.458_799_510_964_706),
    (0.1, 0.01, 0.978_754_757_625_594),
];

#[test]
fn epsilon_matches_high_precision_references() {
    for (rho, delta, expected) in REFERENCE {
        let got = eps(rho, delta);
        assert!(
            got >= expected * (1.0 - 1e-14),
            "understated at rho {rho}: {got} {expected}"
        );
        assert!(got <= expected * (1.0 + 1e-9), "loose at rho {rho}: {got} {expected}");
    }
}

#[test]
fn extremes_have_right_limits() {
    assert_eq!(eps(0.0, 1e-5), 0.0);
    assert_eq!(eps(1e-300, 1e-5), 0.0);
    assert!(eps(1e6, 1e-5).is_finite() && eps(1e6, 1e-5) > 1e6);
    assert!(eps(1e-12, 1e-300) > 0.0);
    assert!(!epsilon(Rho::INFINITE, Delta::new(0.5).unwrap()).is_finite());
    let delta = Delta::new(1e-5).unwrap();
    assert!(matches!(
        noise_multiplier(Epsilon::new(1.0).unwrap(), delta, 0, Relation::ZeroOut),
        Err(AccountingError::NoReleases)
    ));
    assert!(matches!(
        noise_multiplier(
            Epsilon::new(1e-320).unwrap(),
            Delta::new(1e-300).unwrap(),
            u64::MAX,
            Relation::Replace
        ),
        Err(AccountingError::Unreachable { .. })
    ));
    // A billion releases are many, not too many.
    assert!(
        noise_multiplier(Epsilon::new(1.0).unwrap(), delta, 1_000_000_000, Relation::ZeroOut)
            .unwrap()
            .get()
            > 1e4
    );
    assert!(!largest_rho(Epsilon::INFINITE, delta).is_finite());
}

#[test]
fn agrees_with_opendps_own_inverse() {
    for (rho, delta, _) in REFERENCE {
        let theirs = ZeroConcentratedDivergence::convert(rho)
            .unwrap()
            .epsilon(delta)
            .unwrap();
        assert!((eps(rho, delta) / theirs - 1.0).abs() < 1e-13);
    }
}

#[test]
fn a_guarantee_prints_what_it_means() {
    let mechanism = testing::record(4, 1000, 2.0, 8);
    let guarantee = Guarantee::of(&mechanism, 10, Delta::new(1e-5).unwrap());
    assert_eq!(
        guarantee.to_string(),
        "epsilon 8.0784 at delta 1e-5 (unit record, neighbours by zero-out)"
    );
    let none = Guarantee::of(&testing::institution(4, 1000, 0.0), 1, Delta::new(1e-5).unwrap());
    assert_eq!(
        none.to_string(),
        "epsilon infinite at delta 1e-5 (unit institution, neighbours by zero-out)"
    );
}

/// `delta` of the exact Gaussian mechanism (Balle and Wang 2018, Theorem 8), by numerical integration of the normal tail.
fn gaussian_delta(epsilon: f64, mu: f64) -> f64 {
    let tail = |x: f64| {
        // P(N(0,1) > x) by Simpson's rule on [x, x + 14].
        let (n, h) = (4000, 14.0 / 4000.0);
        let f = |t: f64| (-t * t / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
        (0..=n)
            .map(|i| {
                f(x + f64::from(i) * h)
                    * if i == 0 || i == n {
                        1.0
                    } else if i % 2 == 1 {
                        4.0
                    } else {
                        2.0
                    }
            })
            .sum::<f64>()
            * h
            / 3.0
    };
    tail(epsilon / mu - mu / 2.0) - epsilon.exp() * tail(epsilon / mu + mu / 2.0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn between_the_exact_gaussian_and_the_simple_bound(rho in 1e-3f64..5.0, exponent in 2.0f64..9.0) {
        let delta = 10f64.powf(-exponent);
        let got = eps(rho, delta);
        // Bun and Steinke 2016, Proposition 1.3.
        prop_assert!(got <= rho + 2.0 * (rho * (1.0 / delta).ln()).sqrt());
        // No claim can be below what the Gaussian mechanism of this rho really loses.
        let exact = gaussian_delta(got, (2.0 * rho).sqrt());
        prop_assert!(exact <= delta * (1.0 + 1e-6), "{} {}", exact, delta);
    }

    #[test]
    fn monotone_in_rho_and_delta(rho in 1e-6f64..10.0, more in 1.001f64..3.0, exponent in 1.0f64..12.0) {
        let delta = 10f64.powf(-exponent);
        prop_assert!(eps(rho * more, delta) >= eps(rho, delta));
        prop_assert!(eps(rho, delta / more) >= eps(rho, delta));
    }

    /// More noise loses less; more releases, a smaller delta and a stronger relation lose more.
    #[test]
    fn the_privacy_map_of_a_mechanism_is_monotone(
        noise in 0.05f64..50.0, more in 1.0f64..4.0, releases in 1u64..100_000, others in 1u64..1000, exponent in 1.0f64..12.0,
    ) {
        let of = |relation, noise, releases, delta| {
            let mechanism = testing::record_under(relation, 4, 10_000, noise, 1);
            Guarantee::of(&mechanism, releases, Delta::new(delta).unwrap()).epsilon.get()
        };
        let delta = 10f64.powf(-exponent);
        let here = of(Relation::ZeroOut, noise, releases, delta);
        prop_assert!(of(Relation::ZeroOut, noise * more, releases, delta) <= here);
        prop_assert!(of(Relation::ZeroOut, noise, releases + others, delta) >= here);
        prop_assert!(of(Relation::ZeroOut, noise, releases, delta / more) >= here);
        prop_assert!(of(Relation::Replace, noise, releases, delta) >= here);
    }

    #[test]
    fn calibrated_noise_keeps_the_promise_and_wastes_nothing(
        target in 0.1f64..20.0, exponent in 2.0f64..9.0, releases in 1u64..2000, replace in any::<bool>(),
    ) {
        let (limit, delta) = (Epsilon::new(target).unwrap(), Delta::new(10f64.powf(-exponent)).unwrap());
        let relation = if replace { Relation::Replace } else { Relation::ZeroOut };
        let z = noise_multiplier(limit, delta, releases, relation).unwrap();
        let mechanism = testing::record_under(relation, 4, 10_000, z.get(), 1);
        let reached = Guarantee::of(&mechanism, releases, delta).epsilon;
        prop_assert!(reached <= limit, "{} {}", reached.get(), target);
        // sigma is rounded up to a whole step of a clip norm of 10,000.
        prop_assert!(reached.get() >= target * (1.0 - 1e-3), "{} {}", reached.get(), target);
    }
}
