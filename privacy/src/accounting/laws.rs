//! Laws that hold for every accountant, and right limits at the edges.

use std::time::Instant;

use proptest::prelude::*;

use super::*;
use crate::parameter::SampleRate;

const ALL: [Accountant; 3] = [Accountant::Zcdp, Accountant::Rdp, Accountant::Pld];

fn rate(rate: f64) -> SampleRate {
    SampleRate::new(rate).unwrap()
}

fn step(noise: f64, sampling: Sampling) -> Step {
    Step {
        noise: NoiseMultiplier::new(noise).unwrap(),
        sampling,
    }
}

fn ask(accountant: Accountant, noise: f64, sampling: Sampling, count: u64, delta: f64) -> f64 {
    accountant
        .epsilon(
            &Composition::of(step(noise, sampling), count),
            Delta::new(delta).unwrap(),
        )
        .get()
}

/// What the grids of privacy loss distributions may differ by.
const GRID: f64 = 1.0 + 1.5e-3;

#[test]
fn edges_have_right_limits() {
    for accountant in ALL {
        for sampling in [Sampling::None, Sampling::Poisson(rate(0.1)), Sampling::Fixed(rate(0.1))] {
            assert_eq!(ask(accountant, 0.0, sampling, 1, 1e-5), f64::INFINITY);
            assert_eq!(ask(accountant, 1.0, sampling, 0, 1e-5), 0.0);
            assert_eq!(ask(accountant, 0.0, sampling, 0, 1e-5), 0.0);
            let (loud, still) = (
                ask(accountant, 1e300, sampling, 10, 1e-5),
                ask(accountant, 1e-200, sampling, 1, 1e-5),
            );
            assert!(
                loud < 1e-200 && still > 1e300,
                "{accountant} {sampling:?}: {loud} {still}"
            );
            // The ends of the ranges of counts and deltas.
            assert!(ask(accountant, 1.0, sampling, u64::MAX, 1e-5) > 1e10);
            assert!(ask(accountant, 1.0, sampling, 10, f64::MIN_POSITIVE).is_finite());
            assert!(ask(accountant, 1.0, sampling, 10, 1.0f64.next_down()) >= 0.0);
        }
        for never in [Sampling::Poisson(rate(0.0)), Sampling::Fixed(rate(0.0))] {
            assert_eq!(ask(accountant, 0.0, never, 10, 1e-5), 0.0);
        }
        for always in [Sampling::Poisson(rate(1.0)), Sampling::Fixed(rate(1.0))] {
            assert_eq!(
                ask(accountant, 2.0, always, 10, 1e-5),
                ask(accountant, 2.0, Sampling::None, 10, 1e-5)
            );
        }
    }
}

#[test]
fn a_billion_steps_answer_in_seconds() {
    let start = Instant::now();
    for (noise, rate_) in [(1.0, 0.01), (30.0, 1e-3)] {
        let sampling = Sampling::Poisson(rate(rate_));
        let got = ask(Accountant::Pld, noise, sampling, 1_000_000_000, 1e-5);
        let bound = ask(Accountant::Rdp, noise, sampling, 1_000_000_000, 1e-5);
        // A sum of that many losses is all but Gaussian: mu^2 = steps * rate^2 (e^(1 / noise^2) - 1).
        let mu = (1e9 * rate_ * rate_ * (noise.powi(-2)).exp_m1()).sqrt();
        let limit = ask(Accountant::Pld, mu.recip(), Sampling::None, 1, 1e-5);
        assert!(
            got <= bound && got >= 0.9 * limit && got <= 1.1 * limit,
            "{got} {bound} {limit}"
        );
    }
    assert!(start.elapsed().as_secs() < 120);
}

#[test]
fn steps_of_other_neighbours_are_refused() {
    let mut composition = Composition::of(step(1.0, Sampling::Poisson(rate(0.1))), 3);
    let error = composition.push(step(1.0, Sampling::Fixed(rate(0.1))), 1).unwrap_err();
    assert!(
        error.to_string().contains("replace") && error.to_string().contains("add/remove"),
        "{error}"
    );
    composition.push(step(1.0, Sampling::None), 1).unwrap();
    assert_eq!(composition.neighbours(), Neighbours::AddRemove);
    for kind in 2..MAX_KINDS {
        composition.push(step(kind as f64, Sampling::None), 1).unwrap();
    }
    assert_eq!(
        composition.push(step(1e6, Sampling::None), 1),
        Err(CompositionError::TooMany)
    );
    composition.push(step(2.0, Sampling::None), u64::MAX).unwrap();
}

/// Balle and Wang's profile at the answer is delta.
#[test]
fn unsampled_gaussians_are_exact() {
    for (noise, count, delta, expected) in [
        // 40-digit arithmetic.
        (1.0, 1, 1e-5, 4.377_178_095_681_224_5),
        (10.0, 1000, 1e-6, 19.423_656_474_031_052),
        (1000.0, 7, 1e-3, 0.000_113_043_111_547_398_86),
        (0.5, 1, 1e-10, 14.274_089_645_078_005),
    ] {
        let got = ask(Accountant::Pld, noise, Sampling::None, count, delta);
        assert!(
            got >= expected && got <= expected * (1.0 + 1e-9),
            "{noise} {count} {delta}: {got} {expected}"
        );
    }
}

#[test]
fn calibrated_noise_keeps_the_promise_and_wastes_little() {
    let delta = Delta::new(1e-5).unwrap();
    for accountant in ALL {
        for (target, sampling, count) in [
            (1.0, Sampling::Poisson(rate(0.01)), 1000),
            (8.0, Sampling::Fixed(rate(0.05)), 300),
            (0.1, Sampling::None, 10),
            (3.0, Sampling::Poisson(rate(0.3)), 1),
        ] {
            let limit = Epsilon::new(target).unwrap();
            let noise = accountant.noise_multiplier(limit, delta, sampling, count).unwrap();
            let reached = |noise: f64| ask(accountant, noise, sampling, count, 1e-5);
            assert!(reached(noise.get()) <= target);
            assert!(
                reached(noise.get() * 0.999) > target,
                "{accountant} {sampling:?}: {} is more than enough",
                noise.get()
            );
        }
        let never = accountant.noise_multiplier(Epsilon::new(1.0).unwrap(), delta, Sampling::None, 0);
        assert!(matches!(never, Err(CalibrationError::NothingReleased { count: 0 })));
        let rare = accountant.noise_multiplier(
            Epsilon::new(1e-9).unwrap(),
            Delta::new(1e-200).unwrap(),
            Sampling::None,
            u64::MAX,
        );
        assert!(matches!(rare, Err(CalibrationError::Unreachable { .. })), "{rare:?}");
    }
}

#[test]
fn mixed_steps_are_between_their_extremes() {
    let delta = Delta::new(1e-6).unwrap();
    let kinds = [
        (step(1.0, Sampling::Poisson(rate(0.01))), 500),
        (step(2.0, Sampling::Poisson(rate(0.05))), 300),
        (step(20.0, Sampling::None), 5),
    ];
    for accountant in ALL {
        let mut together = Composition::default();
        kinds
            .iter()
            .for_each(|(step, count)| together.push(*step, *count).unwrap());
        let mut reversed = Composition::default();
        kinds.iter().rev().for_each(|(step, count)| {
            // In pieces, too.
            reversed.push(*step, count - 1).unwrap();
            reversed.push(*step, 1).unwrap();
        });
        assert_eq!(together, reversed);
        let all = accountant.epsilon(&together, delta).get();
        let mut sum = 0.0;
        for (step, count) in kinds {
            let one = accountant
                .epsilon(&Composition::of(step, count), Delta::new(1e-6 / 3.0).unwrap())
                .get();
            assert!(all >= one * 0.99, "{accountant}: {all} {one}");
            sum += one;
        }
        // Basic composition.
        assert!(all <= sum, "{accountant}: {all} {sum}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn monotone(
        noise in 0.4f64..10.0, sample in 1e-3f64..0.7, count in 1u64..3000, exponent in 2.0f64..12.0, more in 1.02f64..2.0, fixed in any::<bool>(),
    ) {
        let sampling = |sample| if fixed { Sampling::Fixed(rate(sample)) } else { Sampling::Poisson(rate(sample)) };
        let delta = 10f64.powf(-exponent);
        for accountant in ALL {
            let here = ask(accountant, noise, sampling(sample), count, delta);
            prop_assert!(ask(accountant, noise, sampling(sample), count + count.div_ceil(50), delta) * GRID >= here);
            prop_assert!(ask(accountant, noise, sampling((sample * more).min(1.0)), count, delta) * GRID >= here);
            prop_assert!(ask(accountant, noise / more, sampling(sample), count, delta) * GRID >= here);
            prop_assert!(ask(accountant, noise, sampling(sample), count, delta / more) * GRID >= here);
        }
    }

    #[test]
    fn tighter_accountants_say_less(noise in 0.3f64..20.0, sample in 1e-4f64..1.0, count in 1u64..10_000, exponent in 2.0f64..11.0) {
        let (sampling, delta) = (Sampling::Poisson(rate(sample)), 10f64.powf(-exponent));
        let [zcdp, rdp, pld] = ALL.map(|accountant| ask(accountant, noise, sampling, count, delta));
        prop_assert!(pld <= rdp, "{} {}", pld, rdp);
        // The orders are a finite list: where the best one is far beyond them zCDP's may win, but never against the distribution.
        prop_assert!(pld <= zcdp * (1.0 + 1e-9), "{} {}", pld, zcdp);
        // Not sampling at all is worse.
        let all = ask(Accountant::Pld, noise, Sampling::None, count, delta);
        prop_assert!(pld <= all * GRID, "{} {}", pld, all);
    }

    /// Steps in any order, and in any portions, are the same composition to the last bit, so every accountant says the same of it.
    #[test]
    fn order_and_grouping_do_not_matter(
        kinds in prop::collection::vec((prop::sample::select(vec![0.5, 1.0, 3.0]), prop::sample::select(vec![0.0, 0.01, 0.5]), 1u64..1000), 1..8),
        turn in 0usize..8, part in 0.0f64..1.0,
    ) {
        let kinds: Vec<(Step, u64)> = kinds
            .into_iter()
            .map(|(noise, sample, count)| {
                let sampling = if sample == 0.0 { Sampling::None } else { Sampling::Poisson(rate(sample)) };
                (step(noise, sampling), count)
            })
            .collect();
        let (mut one, mut other) = (Composition::default(), Composition::default());
        for (step, count) in &kinds {
            one.push(*step, *count).unwrap();
        }
        for (step, count) in kinds.iter().cycle().skip(turn).take(kinds.len()) {
            let first = (part * *count as f64) as u64;
            other.push(*step, first).unwrap();
            other.push(*step, count - first).unwrap();
        }
        prop_assert_eq!(&one, &other);
        let delta = Delta::new(1e-6).unwrap();
        prop_assert_eq!(Accountant::Zcdp.epsilon(&one, delta), Accountant::Zcdp.epsilon(&other, delta));
    }

    /// Two halves composed as different kinds are the whole: a kind split in two by a noise that differs in the last bit.
    #[test]
    fn composition_is_associative(noise in 0.5f64..5.0, sample in 1e-3f64..0.5, first in 1u64..500, second in 1u64..500) {
        let delta = Delta::new(1e-6).unwrap();
        let sampling = Sampling::Poisson(rate(sample));
        let mut halves = Composition::of(step(noise, sampling), first);
        halves.push(step(noise.next_up(), sampling), second).unwrap();
        let whole = Composition::of(step(noise, sampling), first + second);
        for accountant in ALL {
            let (a, b) = (accountant.epsilon(&halves, delta).get(), accountant.epsilon(&whole, delta).get());
            prop_assert!((a - b).abs() <= 2e-3 * b, "{}: {} {}", accountant, a, b);
        }
    }
}
