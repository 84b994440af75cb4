use super::*;
use crate::{clip, testing};

/// Pearson's statistic of draws against the discrete Gaussian, over bins of at least 100 expected draws, and its degrees of freedom.
fn chi_square(draws: &[i32], sigma: f64) -> (f64, usize) {
    let weight = |x: i64| (-((x * x) as f64) / (2.0 * sigma * sigma)).exp();
    let reach = (12.0 * sigma) as i64 + 12;
    let total: f64 = (-reach..=reach).map(weight).sum();
    let mut counts = std::collections::BTreeMap::new();
    for &draw in draws {
        *counts.entry(i64::from(draw)).or_insert(0u64) += 1;
    }
    let (mut statistic, mut bins, mut expected, mut seen) = (0.0, 0usize, 0.0, 0u64);
    let mut left = draws.len() as f64;
    for x in -reach..=reach {
        let here = weight(x) / total * draws.len() as f64;
        expected += here;
        left -= here;
        seen += counts.get(&x).copied().unwrap_or(0);
        // The last bin takes the rest, so that none is small.
        if (expected >= 100.0 && left >= 100.0) || x == reach {
            statistic += (seen as f64 - expected).powi(2) / expected;
            (bins, expected, seen) = (bins + 1, 0.0, 0);
        }
    }
    (statistic, bins - 1)
}

/// What a chi-square variable passes with probability at most 1e-9 (Laurent and Massart 2000, Lemma 1, x = 9 ln 10).
fn threshold(freedom: usize) -> f64 {
    let (k, x) = (freedom as f64, 9.0 * std::f64::consts::LN_10);
    k + 2.0 * (k * x).sqrt() + 2.0 * x
}

fn draws<N: Noise>(source: &mut N, sigma: u32, count: u64) -> Vec<i32> {
    // A clip norm large enough for the dimension, and the multiplier that gives this sigma.
    let clip_steps = 1000;
    let mechanism = testing::institution(count, clip_steps, f64::from(sigma) / f64::from(clip_steps));
    assert_eq!(mechanism.sigma(), sigma);
    let quantised = clip(vec![0.0; count as usize], &mechanism).unwrap().quantise().unwrap();
    source.noise(quantised).unwrap().values().to_vec()
}

fn assert_distribution<N: Noise>(source: &mut N) {
    for sigma in [1, 2, 7, 100] {
        let sample = draws(source, sigma, 30_000);
        let (statistic, freedom) = chi_square(&sample, sigma.into());
        assert!(
            statistic < threshold(freedom),
            "sigma {sigma}: {statistic} over {freedom} degrees of freedom"
        );
        assert!(freedom > 3);
        // The test can tell: noise of 7/8 of the spread fails it.
        let (wrong, freedom) = chi_square(&sample, f64::from(sigma) * 8.0 / 7.0);
        assert!(wrong > threshold(freedom), "sigma {sigma}: no power");
    }
}

/// Entropy from the operating system: each of the four statistics fails a correct sampler with probability about 1e-9.
#[test]
fn opendp_noise_is_the_discrete_gaussian() {
    assert_distribution(&mut OpenDpNoise);
}

/// As above.
#[test]
fn noise_drawn_ahead_is_the_discrete_gaussian() {
    struct Fresh;
    impl Noise for Fresh {
        type Source = Os;
        fn noise(&mut self, quantised: Quantised) -> Result<Noised<Os>, NoiseError> {
            AheadNoise::start(&quantised.mechanism).noise(quantised)
        }
        fn noise_sum(&mut self, sum: ClearSum) -> Result<NoisedSum<Os>, NoiseError> {
            OpenDpNoise.noise_sum(sum)
        }
        fn draw(&mut self, records: usize, rate: SampleRate) -> Result<Vec<usize>, NoiseError> {
            OpenDpNoise.draw(records, rate)
        }
    }
    assert_distribution(&mut Fresh);
}

#[test]
fn noise_drawn_ahead_serves_once_and_its_own_mechanism() {
    let (mine, other) = (
        testing::institution(500, 1000, 0.05),
        testing::institution(500, 1000, 0.1),
    );
    let zeros = |mechanism: &Mechanism| clip(vec![0.0; 500], mechanism).unwrap().quantise().unwrap();
    let mut ahead = AheadNoise::start(&mine);
    let spread = |noised: Noised<Os>| noised.values().iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / 500.0;
    // 500 draws: the variance's relative standard error is 6.3 %; seven of them are allowed.
    assert!((spread(ahead.noise(zeros(&other)).unwrap()) / 1e4 - 1.0).abs() < 0.45);
    let first = ahead.noise(zeros(&mine)).unwrap();
    let second = ahead.noise(zeros(&mine)).unwrap();
    // Equal with probability about (1/177)^500.
    assert_ne!(first.values(), second.values());
    assert!((spread(first) / 2500.0 - 1.0).abs() < 0.45 && (spread(second) / 2500.0 - 1.0).abs() < 0.45);
    let none = testing::institution(500, 1000, 0.0);
    assert_eq!(AheadNoise::start(&none).noise(zeros(&none)).unwrap().values(), [0; 500]);
}

/// A fixed seed: passes or fails once and for all.
#[test]
fn rehearsal_noise_is_the_discrete_gaussian() {
    assert_distribution(&mut RehearsalNoise::from_seed([1; 32]));
}

#[test]
fn large_sigma_keeps_mean_and_variance() {
    // 40,000 draws: the mean's standard error is sigma / 200, the variance's relative one 0.7 %; six of either are allowed.
    let count = 40_000;
    let mut source = RehearsalNoise::from_seed([2; 32]);
    for sigma in [10_000, 100_000_000] {
        let sample = draws(&mut source, sigma, count);
        let mean = sample.iter().map(|&v| f64::from(v)).sum::<f64>() / count as f64;
        let variance = sample.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / count as f64;
        assert!(mean.abs() < 0.03 * f64::from(sigma), "{mean}");
        assert!((variance / f64::from(sigma).powi(2) - 1.0).abs() < 0.043, "{variance}");
    }
}

#[test]
fn coordinates_are_independent() {
    // Lag-one correlation of n independent draws has standard error 1/sqrt(n); six of them are allowed. Chunks of threads included.
    let sample = draws(&mut OpenDpNoise, 50, 40_000);
    let lag = |k: usize| {
        sample
            .iter()
            .zip(&sample[k..])
            .map(|(&a, &b)| f64::from(a) * f64::from(b))
            .sum::<f64>()
    };
    for k in [1, 2, 2048] {
        assert!((lag(k) / lag(0)).abs() < 0.03);
    }
}

#[test]
fn noise_is_added_to_the_signal() {
    let mechanism = testing::institution(1000, 100_000, 0.001);
    let update = vec![3000.0; 1000];
    let noised = OpenDpNoise
        .noise(clip(update, &mechanism).unwrap().quantise().unwrap())
        .unwrap();
    let mean = noised.values().iter().map(|&v| f64::from(v)).sum::<f64>() / 1000.0;
    // sigma 100 over 1000 coordinates: standard error 3.2.
    assert!((mean - 3000.0).abs() < 20.0, "{mean}");
    assert_eq!(noised.into_release().len(), 1000);
}

#[test]
fn rehearsals_repeat_and_releases_do_not() {
    assert_eq!(
        draws(&mut RehearsalNoise::from_seed([9; 32]), 50, 500),
        draws(&mut RehearsalNoise::from_seed([9; 32]), 50, 500)
    );
    assert_ne!(
        draws(&mut RehearsalNoise::from_seed([9; 32]), 50, 500),
        draws(&mut RehearsalNoise::from_seed([8; 32]), 50, 500)
    );
    // Equal with probability about (1/177)^500.
    assert_ne!(draws(&mut OpenDpNoise, 50, 500), draws(&mut OpenDpNoise, 50, 500));
}

#[test]
fn a_seed_gives_these_integers_on_every_machine() {
    let sample = draws(&mut RehearsalNoise::from_seed([0; 32]), 1000, 8);
    assert_eq!(sample, [-1162, -978, -922, -1374, -1344, -284, 1310, -134]);
}

#[test]
fn without_noise_the_quantised_update_leaves() {
    let mechanism = testing::institution(2, 10, 0.0);
    let update = || clip(vec![3.9, -4.1], &mechanism).unwrap().quantise().unwrap();
    assert_eq!(OpenDpNoise.noise(update()).unwrap().into_release(), [3, -4]);
    assert_eq!(
        RehearsalNoise::from_seed([0; 32]).noise(update()).unwrap().values(),
        [3, -4]
    );
}

/// Processor seconds that this process has used, from the kernel's clock ticks of 10 ms.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let after_name = stat.rsplit_once(')').unwrap().1;
    let fields: Vec<u64> = after_name
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|ticks| ticks.parse().unwrap())
        .collect();
    (fields[0] + fields[1]) as f64 / 100.0
}

/// Measurement, to be run alone: prints microseconds of processor and of wall time per coordinate.
#[test]
#[ignore = "a measurement"]
fn speed() {
    let report = |name: &str, sigma: u32, run: &dyn Fn()| {
        let (wall, processor) = (std::time::Instant::now(), processor_seconds());
        run();
        let (wall, processor) = (
            wall.elapsed().as_secs_f64() * 10.0,
            (processor_seconds() - processor) * 10.0,
        );
        println!("{name} sigma {sigma}: {processor:.2} us of processor, {wall:.2} us of wall time per coordinate");
    };
    for sigma in [1000, 2_000_000] {
        report("opendp", sigma, &|| drop(draws(&mut OpenDpNoise, sigma, 100_000)));
        report("rehearsal", sigma, &|| {
            drop(draws(&mut RehearsalNoise::from_seed([0; 32]), sigma, 100_000))
        });
    }
}

/// Ten million coordinates on all threads: `cargo test --release -p xfl-privacy --lib -- --ignored --nocapture ten_million`.
#[test]
#[ignore = "a measurement"]
#[allow(clippy::disallowed_methods, reason = "a measurement")]
fn ten_million() {
    let mechanism = testing::institution(10_000_000, 10_000, 1.0);
    let update = crate::clip(vec![0.0; 10_000_000], &mechanism)
        .unwrap()
        .quantise()
        .unwrap();
    let began = std::time::Instant::now();
    let noised = OpenDpNoise.noise(update).unwrap();
    let seconds = began.elapsed().as_secs_f64();
    println!("{} coordinates in {seconds:.1} s", noised.values().len());
}
