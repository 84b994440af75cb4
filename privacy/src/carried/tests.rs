use super::*;
use crate::{
    AheadNoise, Noising, OpenDpNoise, RecordSum, Rehearsal, RehearsalNoise, Relation, Settings, Unit, testing,
};

/// Unit record over batches of one, grid step 1.
fn mechanism(separation: u32, rounds: u64, dimension: u64, clip_steps: u32, noise_multiplier: f64) -> Mechanism {
    related(
        Relation::ZeroOut,
        separation,
        rounds,
        dimension,
        clip_steps,
        noise_multiplier,
    )
}

fn related(
    relation: Relation,
    separation: u32,
    rounds: u64,
    dimension: u64,
    clip_steps: u32,
    noise_multiplier: f64,
) -> Mechanism {
    Mechanism::try_from(Settings {
        unit: Unit::Record,
        relation,
        clip_norm: clip_steps.into(),
        grid_step: 1.0,
        noise_multiplier,
        batch: Some(1),
        dimension,
        noising: Noising::DpFtrl { separation, rounds },
        ..Settings::default()
    })
    .unwrap()
}

fn update(mechanism: &Mechanism, gradient: &[f32]) -> Quantised {
    let mut sum = RecordSum::new(mechanism).unwrap();
    sum.add_example(gradient).unwrap();
    sum.finish().unwrap()
}

fn zeros(mechanism: &Mechanism) -> Quantised {
    update(mechanism, &vec![0.0; mechanism.dimension() as usize])
}

/// Releases of rounds 1 to `rounds` over records without a gradient: the noise alone.
fn noise_of(mechanism: &Mechanism, rounds: u64, seed: u8) -> Vec<Vec<i32>> {
    let (mut carried, mut source) = (Carried::new(mechanism).unwrap(), RehearsalNoise::from_seed([seed; 32]));
    (1..=rounds)
        .map(|round| {
            carried
                .release(round, zeros(mechanism), &mut source)
                .unwrap()
                .values()
                .to_vec()
        })
        .collect()
}

/// `C^-1`, by dividing power series.
fn inverse(lags: u32, rounds: usize) -> Vec<Vec<f64>> {
    let c: Vec<f64> = coefficients(lags)
        .into_iter()
        .map(|c| c as f64 / f64::from(1 << COEFFICIENT_BITS))
        .collect();
    let mut d: Vec<f64> = vec![1.0];
    for j in 1..rounds {
        let past: f64 = (1..c.len().min(j + 1)).map(|k| c[k] * d[j - k]).sum();
        d.push(-past);
    }
    let row = |t: usize| (0..rounds).map(|s| if s <= t { d[t - s] } else { 0.0 }).collect();
    (0..rounds).map(row).collect()
}

/// Every covariance of two rounds over 40,000 independent coordinates: its standard error is at most `sqrt(2 / 40000)` of the variances, 0.7 %; seven of
/// them are allowed for each of 78 pairs (a fixed seed: passes or fails once and for all).
#[test]
fn covariances_are_those_of_the_inverse_matrix() {
    let (rounds, sigma) = (12, 500.0);
    let mechanism = mechanism(4, rounds, 40_000, 1000, sigma / 1000.0);
    let noise = noise_of(&mechanism, rounds, 1);
    let inverse = inverse(4, rounds as usize);
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    for s in 0..rounds as usize {
        for t in 0..=s {
            let got = noise[s]
                .iter()
                .zip(&noise[t])
                .map(|(a, b)| f64::from(*a) * f64::from(*b))
                .sum::<f64>()
                / 40_000.0;
            let expected = sigma * sigma * dot(&inverse[s], &inverse[t]);
            assert!(
                (got - expected).abs() < 7.0 * 0.0071 * 1.28 * sigma * sigma,
                "{s} {t}: {got}, expected {expected}"
            );
        }
    }
    // It takes back: neighbours are far from independent.
    assert!(dot(&inverse[6], &inverse[5]) < -0.3);
    // What a release carries is what is promised to coordinators and the signal-to-noise check.
    let most = (0..12)
        .map(|t| dot(&inverse[t], &inverse[t]).sqrt())
        .fold(0.0, f64::max);
    assert!((mechanism.released_sigma() / sigma / most - 1.0).abs() < 1e-4);
}

/// The noise on the sum of all rounds, over 20,000 coordinates (relative standard error of a variance 1 %, six allowed), beside that of independent
/// draws that cost a record used once in every block as much.
#[test]
fn sums_carry_what_is_said_and_less_than_independent_noise() {
    let (separation, rounds) = (16, 64);
    let mechanism = mechanism(separation, rounds, 20_000, 4096, 1.0);
    let noise = noise_of(&mechanism, rounds, 2);
    let sums = (0..20_000).map(|i| noise.iter().map(|round| f64::from(round[i])).sum::<f64>());
    let variance = sums.map(|sum| sum * sum).sum::<f64>() / 20_000.0;
    let expected = mechanism.summed_sigma(rounds).powi(2);
    assert!((variance / expected - 1.0).abs() < 0.06, "{variance} {expected}");
    // One use costs as much as rho_per_release: independent draws of that cost have this sigma, and their variances add up.
    let independent = 4096.0f64.powi(2) / (2.0 * mechanism.rho_per_release().get()) * rounds as f64;
    assert!(variance < 0.17 * independent, "{}", variance / independent);
}

/// What a change of the record by these vectors, in rounds `uses`, does to the integers that are noised: squares of the changes of rounds 1, 2, ..., given
/// the same transcript. `before` is the noise that rounds carried in one of the worlds.
fn changes(mechanism: &Mechanism, before: &[Vec<i32>], uses: &[(u64, [i32; 2])]) -> Vec<u128> {
    let fine = |round: u64, other: i32| {
        let moved = |s: u64| {
            uses.iter()
                .find(|(used, _)| *used == s)
                .map_or([0; 2], |(_, g)| g.map(|g| g * other))
        };
        let mut world = Carried::<Rehearsal>::new(mechanism).unwrap();
        for s in 1..round {
            let noise = before[s as usize].iter().zip(moved(s));
            let noise = noise.map(|(n, g)| n - (g << FINE_BITS)).collect();
            world.recall(s, Zeroizing::new(noise)).unwrap();
        }
        world.fine(round, &moved(round))
    };
    let square = |round| {
        let worlds = [fine(round, 0), fine(round, 1)];
        let squares = (0..2).map(|i| u128::from((worlds[1][i] - worlds[0][i]).unsigned_abs()).pow(2));
        squares.sum()
    };
    (1..before.len() as u64).map(square).collect()
}

/// All integer vectors of at most this norm.
fn disc(reach: i32) -> impl Iterator<Item = [i32; 2]> {
    (-reach..=reach)
        .flat_map(move |a| (-reach..=reach).map(move |b| [a, b]))
        .filter(move |[a, b]| a * a + b * b <= reach * reach)
}

/// All positions of a record over two blocks, once used and twice at exactly the separation, and all changes of its gradient: in a disc of the clip norm for
/// zero-out, of twice that for replace (there every difference of two clipped gradients, and more). Squares never pass what is charged, and all but
/// reach it.
#[test]
fn sensitivity_by_brute_force() {
    for relation in [Relation::ZeroOut, Relation::Replace] {
        for (separation, clip) in [(2u32, 3u32), (3, 4), (5, 2), (7, 5)] {
            let rounds = 2 * u64::from(separation) + 1;
            let mechanism = related(relation, separation, rounds, 2, clip, 40.0);
            let reach = clip as i32 * if relation == Relation::Replace { 2 } else { 1 };
            assert_eq!(mechanism.sensitivity(), reach as u64);
            // Some transcript: the noise that rounds carried in one world.
            let mut own = Carried::<Rehearsal>::new(&mechanism).unwrap();
            let mut source = RehearsalNoise::from_seed([separation as u8; 32]);
            let mut before = vec![Vec::new()];
            for round in 1..=rounds {
                own.release(round, zeros(&mechanism), &mut source).unwrap();
                before.push(own.noise(round).unwrap().to_vec());
            }
            let bound = lags::squares(mechanism.sensitivity(), 2, mechanism.lags());
            let (mut once, mut twice) = (0, 0);
            for g in disc(reach) {
                for used in 1..=rounds {
                    let alone = changes(&mechanism, &before, &[(used, g)]);
                    let own = alone[used as usize - 1];
                    assert!(own <= (reach.unsigned_abs() as u128 * 256).pow(2));
                    let total: u128 = alone.iter().sum();
                    assert!(total <= bound, "{g:?} used in {used}: {total} of {bound}");
                    once = once.max(total);
                    let again = used + u64::from(separation);
                    if again > rounds {
                        continue;
                    }
                    // The second gradient is another one: the model has moved.
                    for h in [g, g.map(|g| -g), [g[1], -g[0]], [reach, 0], [0, -reach]] {
                        let both = changes(&mechanism, &before, &[(used, g), (again, h)]);
                        let (first, second) = both.split_at(again as usize - 1);
                        let (first, second): (u128, u128) = (first.iter().sum(), second.iter().sum());
                        assert!(
                            first <= bound && second <= bound,
                            "{g:?} {h:?} from {used}: {first} {second} of {bound}"
                        );
                        twice = twice.max(first + second);
                    }
                }
            }
            // Bounds hardly overstate: roundings on the finer grid are all that is given away.
            assert!(once as f64 > 0.97 * bound as f64, "{separation}: {once} of {bound}");
            assert!(twice > once);
        }
    }
}

/// Replacing a record moves the sum by twice the clip norm, through the sum itself: two clipped gradients that point away from each other.
#[test]
fn a_replaced_record_is_charged_for_both_of_its_gradients() {
    let [zero_out, replace] = [Relation::ZeroOut, Relation::Replace].map(|r| related(r, 4, 8, 2, 5, 40.0));
    let fine = |gradient: &[f32]| {
        let values = update(&replace, gradient).values;
        Carried::<Rehearsal>::new(&replace).unwrap().fine(1, &values).to_vec()
    };
    let (one, other) = (fine(&[30.0, 40.0]), fine(&[-30.0, -40.0]));
    let moved: f64 = one.iter().zip(&other).map(|(a, b)| ((a - b) as f64).powi(2)).sum();
    assert_eq!(moved.sqrt(), (replace.sensitivity() << FINE_BITS) as f64);
    assert_eq!(replace.sensitivity(), 2 * zero_out.sensitivity());
    let [less, more] = [zero_out, replace].map(|m| m.rho_per_release().get());
    // Four times, but for roundings on the finer grid.
    assert!((3.98..=4.0).contains(&(more / less)), "{less} {more}");
}

/// Noise beyond 32 bits is held to them, and the round is released all the same: whether one is may not depend on data.
#[test]
fn noise_that_leaves_its_range_is_held_to_it() {
    assert_eq!(
        [i64::MIN, -1 << 31, -7, i64::from(i32::MAX) + 1].map(held),
        [i32::MIN, i32::MIN, -7, i32::MAX]
    );
    struct Far;
    impl Noise for Far {
        type Source = Rehearsal;
        fn noise(&mut self, _: Quantised) -> Result<Noised<Rehearsal>, NoiseError> {
            Err(NoiseError::Alone)
        }
        fn noise_sum(&mut self, _: ClearSum) -> Result<NoisedSum<Rehearsal>, NoiseError> {
            Err(NoiseError::Alone)
        }
        fn noise_fine(&mut self, fine: FineSum) -> Result<NoisedFineSum<Rehearsal>, NoiseError> {
            let (values, _) = fine.into_parts();
            // The same outcome, whatever the data were.
            Ok(NoisedFineSum::new(Zeroizing::new(vec![i32::MAX.into(); values.len()])))
        }
        fn draw(&mut self, _: usize, _: SampleRate) -> Result<Vec<usize>, NoiseError> {
            Err(NoiseError::Alone)
        }
    }
    // A large clip norm beside little noise: a sum of that size may leave.
    let mechanism = mechanism(3, 9, 2, 20_000_000, 0.01);
    let outcomes = [[0.0, 0.0], [-50.0, 50.0]].map(|gradient: [f32; 2]| {
        let mut carried = Carried::new(&mechanism).unwrap();
        let released = carried.release(1, update(&mechanism, &gradient), &mut Far).unwrap();
        (released.values().to_vec(), carried.noise(1).unwrap().to_vec())
    });
    assert_eq!(outcomes[0].0, outcomes[1].0);
    assert_eq!(outcomes[0].1, [i32::MAX; 2]);
    assert_eq!(outcomes[1].1, [i32::MAX, i32::MAX - 50 * 256]);
}

/// Noise that was kept goes on as if nothing had happened, and noise that was forgotten only leaves its terms away.
#[test]
fn what_was_kept_gives_the_same_release() {
    let mechanism = mechanism(3, 9, 50, 100, 2.0);
    let (mut carried, mut source) = (Carried::new(&mechanism).unwrap(), RehearsalNoise::from_seed([3; 32]));
    for round in [1, 2, 4] {
        carried.release(round, zeros(&mechanism), &mut source).unwrap();
    }
    let mut again = Carried::new(&mechanism).unwrap();
    for round in [2, 4] {
        again
            .recall(round, Zeroizing::new(carried.noise(round).unwrap().to_vec()))
            .unwrap();
    }
    assert!(carried.noise(1).is_none(), "no release needs it any more");
    let (one, other) = (source.clone(), source.clone());
    let expected = carried.release(5, zeros(&mechanism), &mut { one }).unwrap();
    assert_eq!(
        again.release(5, zeros(&mechanism), &mut { other }).unwrap().values(),
        expected.values()
    );
    let mut fresh = Carried::new(&mechanism).unwrap();
    let alone = fresh.release(5, zeros(&mechanism), &mut source).unwrap();
    assert_ne!(alone.values(), expected.values());
    assert!(fresh.noise(5).is_some());
}

#[test]
fn no_round_is_drawn_twice_and_nothing_leaves_without_what_it_must_carry() {
    let mechanism = mechanism(3, 9, 4, 100, 2.0);
    let mut carried = Carried::new(&mechanism).unwrap();
    carried.release(4, zeros(&mechanism), &mut OpenDpNoise).unwrap();
    for round in [4, 3] {
        let error = carried.release(round, zeros(&mechanism), &mut OpenDpNoise).unwrap_err();
        assert_eq!(error, CarriedError::Order { got: round, last: 4 }.into());
    }
    assert_eq!(OpenDpNoise.noise(zeros(&mechanism)).unwrap_err(), NoiseError::Alone);
    let mut ahead = AheadNoise::start(&mechanism);
    assert_eq!(ahead.noise(zeros(&mechanism)).unwrap_err(), NoiseError::Alone);
    let seeded = &mut RehearsalNoise::from_seed([0; 32]);
    assert_eq!(seeded.noise(zeros(&mechanism)).unwrap_err(), NoiseError::Alone);
    let other = testing::record(4, 100, 2.0, 1);
    assert_eq!(
        Carried::<Rehearsal>::new(&other).unwrap_err(),
        CarriedError::WrongMode { got: Mode::Local }
    );
    let error = carried.release(5, zeros(&other), &mut OpenDpNoise).unwrap_err();
    assert_eq!(error, CarriedError::OtherMechanism.into());
    let short = carried.recall(6, Zeroizing::new(vec![0; 3])).unwrap_err();
    assert_eq!(short, CarriedError::Length { got: 3, expected: 4 });
    // Through the wrapper it is the same as by hand.
    let mut source = Carrying {
        round: 5,
        carried: &mut carried,
        noise: &mut OpenDpNoise,
    };
    assert_eq!(source.noise(zeros(&mechanism)).unwrap().into_release().len(), 4);
    // Without noise the sum leaves as it is.
    let silent = self::mechanism(3, 9, 2, 100, 0.0);
    let mut carried = Carried::new(&silent).unwrap();
    let released = carried
        .release(1, update(&silent, &[3.9, -4.0]), &mut OpenDpNoise)
        .unwrap();
    assert_eq!(released.into_release(), [3, -4]);
}

/// OpenDP's noise through the whole way: the first round's is the discrete Gaussian on the finer grid, rounded (3,000 draws: the variance's relative
/// standard error is 2.6 %, six allowed: a false alarm in 500 million).
fn first_round_carries_what_is_drawn<N: Noise>(mut source: impl FnMut(&Mechanism) -> N) {
    let mechanism = mechanism(8, 8, 3000, 1000, 0.05);
    let mut carried = Carried::new(&mechanism).unwrap();
    let ones = update(&mechanism, &vec![1.0; 3000]);
    let noised = carried.release(1, ones, &mut source(&mechanism)).unwrap();
    let variance = noised.values().iter().map(|v| f64::from(v - 1).powi(2)).sum::<f64>() / 3000.0;
    assert!((variance / 2500.0 - 1.0).abs() < 0.16, "{variance}");
    for (value, noise) in noised.values().iter().zip(carried.noise(1).unwrap()) {
        assert_eq!(i64::from(*value), 1 + rounded((*noise).into(), FINE_BITS));
    }
}

#[test]
fn the_first_round_carries_what_is_drawn() {
    first_round_carries_what_is_drawn(|_| OpenDpNoise);
    first_round_carries_what_is_drawn(AheadNoise::start);
}
