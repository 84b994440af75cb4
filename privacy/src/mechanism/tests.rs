use proptest::prelude::*;

use super::*;
use crate::quantise::norm_squared;
use crate::{Noise, RehearsalNoise, testing};

fn record() -> Settings {
    Settings {
        unit: Unit::Record,
        relation: Relation::ZeroOut,
        clip_norm: 1.0,
        grid_step: 0.001,
        noise_multiplier: 2.0,
        batch: Some(32),
        dimension: 62,
        ..Settings::default()
    }
}

#[test]
fn derived_numbers_of_a_demo_plan() {
    let mechanism = Mechanism::try_from(record()).unwrap();
    assert_eq!((mechanism.clip_steps(), mechanism.sigma()), (1000, 2000));
    assert_eq!((mechanism.sensitivity(), mechanism.norm_bound()), (1000, 32_000));
    assert_eq!(mechanism.rho_per_release().get(), 0.125);
    let replaced = Mechanism::try_from(Settings {
        relation: Relation::Replace,
        ..record()
    })
    .unwrap();
    assert_eq!((replaced.sensitivity(), replaced.rho_per_release().get()), (2000, 0.5));
}

#[test]
fn no_noise_is_said_as_such() {
    let mechanism = Mechanism::try_from(Settings {
        noise_multiplier: 0.0,
        ..record()
    })
    .unwrap();
    assert_eq!(mechanism.protection(), Protection::None);
    assert!(!mechanism.rho_per_release().is_finite());
    assert_eq!(u64::from(mechanism.max_abs().unsigned_abs()), mechanism.norm_bound());
    assert_eq!(mechanism.max_norm_squared(), u128::from(mechanism.norm_bound()).pow(2));
}

#[test]
fn a_written_clip_norm_is_never_exceeded_and_a_written_multiplier_never_undercut() {
    let mechanism = Mechanism::try_from(Settings {
        clip_norm: 1.0,
        grid_step: 0.0003,
        noise_multiplier: 0.7,
        ..record()
    })
    .unwrap();
    assert_eq!(mechanism.clip_steps(), 3333);
    assert_eq!(mechanism.sigma(), 2334);
}

#[test]
fn errors_say_what_to_write() {
    let text = |settings: Settings| Mechanism::try_from(settings).unwrap_err().to_string();
    assert!(
        text(Settings {
            batch: None,
            ..record()
        })
        .contains("batch = 32")
    );
    assert!(
        text(Settings {
            batch: Some(0),
            ..record()
        })
        .contains("at least 1")
    );
    assert!(
        text(Settings {
            unit: Unit::Institution,
            ..record()
        })
        .contains("remove batch")
    );
    assert!(
        text(Settings {
            dimension: 0,
            ..record()
        })
        .contains("dimension is 0")
    );
    assert!(
        text(Settings {
            clip_norm: f64::NAN,
            ..record()
        })
        .contains("clip norm is NaN")
    );
    assert!(
        text(Settings {
            grid_step: -1.0,
            ..record()
        })
        .contains("grid step is -1")
    );
    assert!(
        text(Settings {
            noise_multiplier: -1.0,
            ..record()
        })
        .contains("noise multiplier is -1")
    );
}

#[test]
fn a_plan_is_checked_when_it_is_read() {
    let written = r#"{"unit":"record","relation":"zero-out","clip_norm":1.0,"grid_step":0.001,"noise_multiplier":2.0,"batch":32,"dimension":62,"noising":{"mode":"local"},"count_noise":null}"#;
    let mechanism: Mechanism = serde_json::from_str(written).unwrap();
    assert_eq!(mechanism, Mechanism::try_from(record()).unwrap());
    assert_eq!(serde_json::to_string(&mechanism).unwrap(), written);
    let whole_updates = written.replace("record", "institution").replace("\"batch\":32,", "");
    assert_eq!(
        serde_json::from_str::<Mechanism>(&whole_updates).unwrap().norm_bound(),
        1000
    );
    for (from, to, expected) in [
        ("\"batch\":32,", "", "batch is missing"),
        ("0.001", "0", "grid step is 0"),
        ("batch", "batches", "unknown field `batches`"),
        ("zero-out", "add-remove", "unknown variant `add-remove`"),
    ] {
        let error = serde_json::from_str::<Mechanism>(&written.replace(from, to))
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn the_grid_step_that_an_error_suggests_passes() {
    let coarse = Settings {
        grid_step: 0.5,
        dimension: 1000,
        ..record()
    };
    let Err(MechanismError::GridTooCoarse { at_most, .. }) = Mechanism::try_from(coarse) else {
        panic!()
    };
    Mechanism::try_from(Settings {
        grid_step: at_most,
        ..coarse
    })
    .unwrap();

    for grid_step in [1e-9, 1e-12] {
        let fine = Settings { grid_step, ..record() };
        let Err(MechanismError::GridTooFine { at_least, .. }) = Mechanism::try_from(fine) else {
            panic!()
        };
        Mechanism::try_from(Settings {
            grid_step: at_least,
            ..fine
        })
        .unwrap();
    }
    // Far beyond 64 bits: an error as well, not an overflow.
    for (clip_norm, grid_step, noise_multiplier) in [(1e300, 1e-300, 1.0), (1.0, 1e-3, 1e300), (1.0, 1e-19, 0.0)] {
        let absurd = Settings {
            clip_norm,
            grid_step,
            noise_multiplier,
            batch: Some(u32::MAX),
            ..record()
        };
        assert!(matches!(
            Mechanism::try_from(absurd),
            Err(MechanismError::GridTooFine { .. })
        ));
    }
}

/// Every one of 300 rehearsed releases at its bound passes, and the bounds aren't idle: they are within twice what was seen.
#[test]
fn honest_releases_pass_and_bounds_are_tight() {
    let mechanism = testing::institution(2000, 1000, 1.0);
    let mut source = RehearsalNoise::from_seed([3; 32]);
    let (mut largest, mut longest) = (0, 0);
    for _ in 0..300 {
        let mut update = vec![0.0; 2000];
        update[0] = 1000.0;
        let noised = source
            .noise(crate::clip(update, &mechanism).unwrap().quantise().unwrap())
            .unwrap();
        largest = largest.max(noised.values().iter().map(|v| v.abs()).max().unwrap());
        longest = longest.max(norm_squared(noised.values()));
    }
    assert!(
        largest <= mechanism.max_abs() && mechanism.max_abs() < 2 * largest,
        "{largest} {}",
        mechanism.max_abs()
    );
    assert!(longest <= mechanism.max_norm_squared() && mechanism.max_norm_squared() < 2 * longest);
}

#[test]
fn out_of_range_releases_are_not_admitted() {
    let mechanism = testing::institution(4, 100, 1.0);
    let limit = mechanism.max_abs();
    assert!(mechanism.admits(&[0; 4]) && mechanism.admits(&[limit, 0, 0, 0]));
    assert!(!mechanism.admits(&[0; 3]) && !mechanism.admits(&[0; 5]));
    assert!(!mechanism.admits(&[limit + 1, 0, 0, 0]) && !mechanism.admits(&[i32::MIN, 0, 0, 0]));
    assert!(!mechanism.admits(&[limit; 4]), "each in range, together too long");
}

prop_compose! {
    fn any_settings()(
        record in any::<bool>(), replace in any::<bool>(), clip_norm in 0.01f64..100.0, steps in 100.0f64..1e6,
        noise_multiplier in prop_oneof![Just(0.0), 0.01f64..20.0], batch in 1u32..100, dimension in 1u64..10_000,
    ) -> Settings {
        Settings {
            unit: if record { Unit::Record } else { Unit::Institution },
            relation: if replace { Relation::Replace } else { Relation::ZeroOut },
            clip_norm, grid_step: clip_norm / steps, noise_multiplier, batch: record.then_some(batch), dimension,
            ..Settings::default()
        }
    }
}

proptest! {
    /// More noise, no more loss; the stricter relation, four times the loss; and rho is what floats say, rounded up.
    #[test]
    fn rho_is_monotone_in_the_noise(settings in any_settings(), more in 1.0f64..4.0) {
        let louder = Settings { noise_multiplier: settings.noise_multiplier * more, ..settings };
        if let (Ok(one), Ok(two)) = (Mechanism::try_from(settings), Mechanism::try_from(louder)) {
            prop_assert!(two.rho_per_release() <= one.rho_per_release());
            prop_assert!(two.max_abs() >= one.max_abs() && two.max_norm_squared() >= one.max_norm_squared());
            if settings.noise_multiplier > 0.0 {
                let ratio = one.sensitivity() as f64 / f64::from(one.sigma());
                let rho = one.rho_per_release().get();
                prop_assert!((rho - ratio * ratio / 2.0).abs() <= 1e-14 * rho);
                prop_assert!(ratio <= f64::from(settings.relation.factor()) / settings.noise_multiplier * (1.0 + 1e-14));
            }
        }
    }

    #[test]
    fn settings_survive_the_round_trip(settings in any_settings()) {
        if let Ok(mechanism) = Mechanism::try_from(settings) {
            prop_assert_eq!(Settings::from(mechanism), settings);
            prop_assert_eq!(Mechanism::try_from(Settings::from(mechanism)).unwrap(), mechanism);
        }
    }
}

/// Shares of any number of honest contributors add up to at least the promised variance, and not much more.
#[test]
fn shares_add_up_to_the_promised_variance() {
    for honest in [1u32, 2, 3, 7, 10, 100, 1000] {
        let mechanism = Mechanism::try_from(Settings {
            unit: Unit::Institution,
            batch: None,
            noising: Noising::Distributed { honest },
            ..record()
        })
        .unwrap();
        let (share, promised) = (u64::from(mechanism.sigma()), u64::from(mechanism.promised_sigma()));
        assert!(u64::from(honest) * share * share >= promised * promised);
        assert!(u64::from(honest) * (share - 1) * (share - 1) < promised * promised);
        // Grid steps are fine enough for the sum to cost what the Gaussian of the promised variance costs.
        let local = Mechanism::try_from(Settings {
            unit: Unit::Institution,
            batch: None,
            ..record()
        });
        let (rho, alone) = (
            mechanism.rho_per_release().get(),
            local.unwrap().rho_per_release().get(),
        );
        assert!(rho <= alone * (1.0 + 1e-9) && rho > alone * 0.9, "{rho} {alone}");
    }
}

/// Andrew et al. 2021, Theorem 1: noise `z` on the update and `b` on the count together are noise `(z^-2 + (2b)^-2)^(-1/2)`.
#[test]
fn a_count_costs_what_the_paper_says() {
    let z = 2.0f64;
    for b in [1.5f64, 3.0, 10.0] {
        let mechanism = Mechanism::try_from(Settings {
            count_noise: Some(b),
            ..record()
        })
        .unwrap();
        assert_eq!(mechanism.length(), 63);
        let together = (z.powi(-2) + (2.0 * b).powi(-2)).powf(-0.5);
        let rho = 1.0 / (2.0 * together * together);
        let got = mechanism.rho_per_release().get();
        assert!((got / rho - 1.0).abs() < 5e-3, "{got} {rho}");
        let scaled = mechanism.scaled(0.3).unwrap();
        assert_eq!(scaled.rho_per_release(), mechanism.rho_per_release());
        assert_eq!(scaled.clip_steps(), mechanism.clip_steps());
    }
}

#[test]
fn dp_sgd_needs_records_zero_out_and_sane_numbers() {
    let rate = |rate| crate::SampleRate::new(rate).unwrap();
    let with = |rate, steps| Settings {
        noising: Noising::DpSgd { rate, steps },
        ..record()
    };
    let mechanism = Mechanism::try_from(with(rate(0.1), 10)).unwrap();
    assert_eq!(mechanism.norm_bound(), 320_000);
    assert!(mechanism.most_examples() > 60 && mechanism.most_examples() < 120);
    let text = |settings: Settings| Mechanism::try_from(settings).unwrap_err().to_string();
    assert!(text(with(rate(0.0), 10)).contains("sample rate is 0"));
    assert!(text(with(rate(0.1), 0)).contains("local steps is 0"));
    assert!(
        text(Settings {
            relation: Relation::Replace,
            ..with(rate(0.1), 10)
        })
        .contains("zero-out")
    );
    assert!(
        text(Settings {
            unit: Unit::Institution,
            batch: None,
            ..with(rate(0.1), 10)
        })
        .contains("records")
    );
    let honest = Settings {
        noising: Noising::Distributed { honest: 0 },
        ..record()
    };
    assert!(text(honest).contains("at least 1"));
}

fn carrying(separation: u32, rounds: u64, settings: Settings) -> Result<Mechanism, MechanismError> {
    Mechanism::try_from(Settings {
        noising: Noising::DpFtrl { separation, rounds },
        ..settings
    })
}

#[test]
fn carried_noise_needs_records_and_sane_numbers() {
    let mechanism = carrying(8, 20, record()).unwrap();
    assert_eq!(
        (mechanism.lags(), mechanism.block(), mechanism.local_steps()),
        (8, 8, 1)
    );
    assert_eq!(
        (
            mechanism.charges(1),
            mechanism.charges(8),
            mechanism.charges(9),
            mechanism.charges(20)
        ),
        (1, 1, 2, 3)
    );
    assert_eq!(
        (mechanism.charge_of(1), mechanism.charge_of(8), mechanism.charge_of(9)),
        (0, 0, 1)
    );
    assert_eq!(carrying(8, 3, record()).unwrap().lags(), 3);
    // By hand: 1 + (1/2)^2 + (3/8)^2 + ... of eight lags, over 2 * 2^2, and a little for the roundings.
    let squares: f64 = (0..8)
        .scan(1.0f64, |c, k| {
            let now = *c;
            *c *= f64::from(2 * k + 1) / f64::from(2 * k + 2);
            Some(now * now)
        })
        .sum();
    let rho = mechanism.rho_per_release().get();
    assert!(
        rho > squares / 8.0 && rho < squares / 8.0 * 1.001,
        "{rho} {}",
        squares / 8.0
    );
    let text = |separation, rounds, settings| carrying(separation, rounds, settings).unwrap_err().to_string();
    assert!(text(1, 20, record()).contains("separation is 1, expected from 2 to 256"));
    assert!(text(257, 500, record()).contains("separation is 257"));
    assert!(text(8, 0, record()).contains("number of rounds is 0"));
    let counting = Settings {
        count_noise: Some(1.0),
        ..record()
    };
    assert!(text(8, 20, counting).contains("the clip norm stays"));
    let institution = Settings {
        unit: Unit::Institution,
        batch: None,
        ..record()
    };
    assert!(text(8, 20, institution).contains("mode dp-ftrl protects records"));
    let large = Settings {
        dimension: 1 << 27,
        grid_step: 1e-5,
        ..record()
    };
    assert!(text(8, 20, large).contains("noise of so many rounds is remembered"));
    // What is carried has to fit the finer grid: the hint passes.
    let loud = Settings {
        noise_multiplier: 5000.0,
        ..record()
    };
    let Err(MechanismError::GridTooFine { at_least, .. }) = carrying(8, 20, loud) else {
        panic!("fits")
    };
    carrying(
        8,
        20,
        Settings {
            grid_step: at_least,
            ..loud
        },
    )
    .unwrap();
    let silent = Settings {
        noise_multiplier: 0.0,
        ..record()
    };
    assert_eq!(carrying(8, 20, silent).unwrap().protection(), Protection::None);
}

proptest! {
    /// A use costs more with every lag and less with more noise; a federation costs no more than independent noise of the same size, and never less
    /// than what one release of it costs.
    #[test]
    fn a_use_costs_more_the_longer_noise_is_carried(
        settings in any_settings(), more in 1.0f64..4.0, separation in 2u32..40, rounds in 1u64..200, longer in 1u64..100,
    ) {
        let settings = Settings { unit: Unit::Record, batch: Some(4), noise_multiplier: settings.noise_multiplier.max(0.05), ..settings };
        let louder = Settings { noise_multiplier: settings.noise_multiplier * more, ..settings };
        let all = [
            carrying(separation, rounds, settings), carrying(separation, rounds, louder), carrying(separation + 1, rounds, settings),
            carrying(separation, rounds + longer, settings), Mechanism::try_from(settings),
        ];
        if let [Ok(one), Ok(two), Ok(wider), Ok(long), Ok(alone)] = all {
            let rho = |m: &Mechanism| m.rho_per_release();
            prop_assert!(rho(&two) <= rho(&one) && rho(&one) <= rho(&wider) && rho(&one) <= rho(&long));
            prop_assert!(rho(&alone) <= rho(&one) && rho(&one).get() <= alone.rho_per_release().times(one.lags().into()).get() * (1.0 + 1e-12));
            prop_assert!(two.max_abs() >= one.max_abs() && one.max_abs() >= alone.max_abs());
            prop_assert!(one.charges(rounds) <= rounds && one.charges(rounds) * u64::from(separation) >= rounds);
            prop_assert_eq!(Mechanism::try_from(Settings::from(one)).unwrap(), one);
        }
    }
}
