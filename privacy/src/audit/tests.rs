//! The bounds against their references, and against mechanisms that are right and broken.

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use super::*;
use crate::{
    Delta, Mechanism, Noise, Quantised, RecordSum, RehearsalNoise,
    accounting::{Accountant, Composition, Sampling, Step},
    parameter::NoiseMultiplier,
    testing,
};

/// Trials of which the first third and the rest both have these guesses right and wrong, on top; all others score alike.
fn told(canaries: usize, guesses: usize, correct: usize) -> Trials {
    let part = |canaries: usize, guesses: usize, correct: usize| {
        (0..canaries).map(move |i| Trial {
            score: if i < guesses { 1.0 } else { 0.0 },
            included: if i < guesses { i < correct } else { i % 2 == 0 },
        })
    };
    Trials::new(
        part(canaries / 2, guesses / 2, correct / 2)
            .chain(part(canaries, guesses, correct))
            .collect(),
    )
    .unwrap()
}

/// The code in the appendix of Steinke, Nasr and Jagielski 2023, run with scipy 1.15.
#[test]
fn one_run_bounds_are_the_papers() {
    for (m, r, v, delta, error, expected) in [
        (1000, 100, 90, 0.0, 0.05, 1.630_823_192_740_972_9),
        (1000, 1000, 600, 1e-5, 0.05, 0.297_226_953_718_774_4),
        (5000, 300, 299, 1e-5, 0.05, 4.055_226_302_620_19),
        (200, 200, 200, 1e-6, 0.05, 4.193_088_937_495_619),
        (20, 5, 5, 1e-3, 0.05, 0.094_072_861_934_439_09),
        (100_000, 2000, 1990, 1e-5, 0.01, 2.313_105_911_736_143_7),
    ] {
        let refuted = |epsilon: f64| p_value(m, r, v, epsilon, delta) < error;
        assert!(refuted(expected - 1e-4) && !refuted(expected + 1e-4), "{m} {r} {v}");
    }
    assert!((p_value(1000, 100, 90, 1.0, 1e-4) / 0.008_166_662_462_316_352 - 1.0).abs() < 2e-6);
    assert!((p_value(50_000, 700, 690, 3.5, 1e-5) / 0.065_236_159_279_149_11 - 1.0).abs() < 2e-6);
}

#[test]
fn the_best_guesses_of_the_first_third_are_those_that_count() {
    let found = told(600, 60, 60).one_run(Delta::new(1e-6).unwrap(), Confidence::new(0.95).unwrap());
    // One more is guessed at the low end, and right too.
    assert_eq!((found.canaries, found.guesses, found.correct), (600, 61, 61));
    // Sixty of sixty: q^60 = 0.05.
    let q = 0.05f64.powf(1.0 / 60.0);
    assert!((found.epsilon - (q / (1.0 - q)).ln()).abs() < 0.05, "{found:?}");
    assert!(found.ceiling > found.epsilon);
}

/// scipy.stats.beta.ppf.
#[test]
fn rates_have_clopper_and_pearsons_limits() {
    for (n, errors, error, expected) in [
        (100, 0, 0.025, 0.036_216_692_645_176_41),
        (1000, 7, 0.025, 0.014_369_194_978_918_632),
        (50, 49, 0.05, 0.998_974_660_132_767_9),
        (13_333, 2, 0.0005, 0.000_903_536_928_117_145),
    ] {
        let got = at_most_rate(n, errors, error);
        assert!(
            got >= expected * (1.0 - 1e-12) && got <= expected * (1.0 + 1e-5),
            "{got} {expected}"
        );
    }
    assert_eq!((at_most_rate(0, 0, 0.1), at_most_rate(5, 5, 0.1)), (1.0, 1.0));
}

#[test]
fn the_curve_of_a_few_scores_is_this_one() {
    let trial = |score: f64, included| Trial { score, included };
    let trials = [trial(3.0, true), trial(2.0, false), trial(2.0, true), trial(1.0, false)];
    let roc = Trials::new(trials.to_vec()).unwrap().roc();
    // Pairs: 3 over both, the tie counts half, 2 over 1.
    assert_eq!(roc.area, 3.5 / 4.0);
    assert_eq!((roc.true_positives_at(0.0), roc.true_positives_at(0.5)), (0.5, 1.0));
    let points: Vec<_> = roc
        .points(9)
        .iter()
        .map(|p| (p.false_positive, p.true_positive))
        .collect();
    assert_eq!(points, [(0.0, 0.0), (0.0, 0.5), (0.5, 1.0), (1.0, 1.0)]);
    assert_eq!(roc.points(2).len(), 2);
}

#[test]
fn trials_that_say_nothing_are_refused_or_show_nothing() {
    let trial = |score| Trial { score, included: true };
    let few = Trials::new(vec![trial(0.0); 2]).unwrap_err();
    assert_eq!(few.to_string(), "2 canaries, expected 3 to 1048576");
    let bad = Trials::new(vec![trial(0.0), trial(f64::NAN), trial(0.0)]).unwrap_err();
    assert_eq!(
        bad.to_string(),
        "the score of canary 1 is NaN, expected a finite number"
    );
    for bad in [0.0, 1.0, f64::NAN, -3.0] {
        assert!(Confidence::new(bad).is_err());
    }
    let (delta, confidence) = (Delta::new(1e-5).unwrap(), Confidence::new(0.95).unwrap());
    let all_in = Trials::new(vec![trial(1.0); 50]).unwrap();
    assert_eq!(all_in.rates(delta, confidence).epsilon, 0.0);
    assert_eq!(all_in.gaussian(delta, confidence).mu, 0.0);
    assert_eq!(all_in.roc().true_positives_at(1.0), 1.0);
}

/// What an institution sends for a batch of gradients.
trait Releases {
    fn release(&mut self, examples: &[Vec<f32>]) -> Vec<i32>;
}

/// As the plan says.
struct AsPlanned {
    mechanism: Mechanism,
    noise: RehearsalNoise,
}

/// Half of the noise that is charged for.
struct HalvedNoise(AsPlanned);

/// Gradients as long as they are; noise for clipped ones.
struct Unclipped(AsPlanned);

impl Releases for AsPlanned {
    fn release(&mut self, examples: &[Vec<f32>]) -> Vec<i32> {
        self.noise
            .noise(summed(&self.mechanism, examples))
            .unwrap()
            .values()
            .to_vec()
    }
}

impl Releases for HalvedNoise {
    fn release(&mut self, examples: &[Vec<f32>]) -> Vec<i32> {
        let planned = self.0.mechanism;
        let half = planned.noise_multiplier().get() / 2.0;
        let mut quantised = summed(&planned, examples);
        quantised.mechanism = testing::record(planned.dimension(), planned.clip_steps(), half, planned.batch());
        self.0.noise.noise(quantised).unwrap().values().to_vec()
    }
}

impl Releases for Unclipped {
    fn release(&mut self, examples: &[Vec<f32>]) -> Vec<i32> {
        let mechanism = self.0.mechanism;
        let sum = |at: usize| examples.iter().map(|example| example[at] as i32).sum();
        let values = (0..mechanism.dimension() as usize).map(sum).collect();
        self.0
            .noise
            .noise(Quantised { values, mechanism })
            .unwrap()
            .values()
            .to_vec()
    }
}

fn summed(mechanism: &Mechanism, examples: &[Vec<f32>]) -> Quantised {
    let mut sum = RecordSum::new(mechanism).unwrap();
    examples.iter().for_each(|example| sum.add_example(example).unwrap());
    sum.finish().unwrap()
}

const DIMENSION: usize = 64;
const CLIP: u32 = 1000;
/// Noise over clip norm: epsilon 1.99 at 1e-5, 0.76 at 1e-2.
const NOISE: f64 = 2.0;

fn planned(seed: u8) -> AsPlanned {
    AsPlanned {
        mechanism: testing::record(DIMENSION as u64, CLIP, NOISE, DIMENSION as u32),
        noise: RehearsalNoise::from_seed([seed; 32]),
    }
}

/// Canaries along the axes, ten clip norms long, in runs of one release each.
fn attacked(releases: &mut dyn Releases, runs: usize, seed: u8) -> Trials {
    let mut coins = ChaCha20Rng::from_seed([seed.wrapping_add(100); 32]);
    let mut trials = Vec::new();
    for _ in 0..runs {
        let included: Vec<bool> = (0..DIMENSION).map(|_| coins.next_u32() & 1 == 1).collect();
        let along = |(axis, &included): (usize, &bool)| {
            let mut canary = vec![0.0; DIMENSION];
            canary[axis] = if included { 10.0 * CLIP as f32 } else { 0.0 };
            canary
        };
        let batch: Vec<Vec<f32>> = included.iter().enumerate().map(along).collect();
        let scores = releases.release(&batch);
        trials.extend(std::iter::zip(scores, included).map(|(score, included)| Trial {
            score: score.into(),
            included,
        }));
    }
    Trials::new(trials).unwrap()
}

fn claimed(delta: Delta) -> f64 {
    let step = Step {
        noise: NoiseMultiplier::new(NOISE).unwrap(),
        sampling: Sampling::None,
    };
    Accountant::Pld.epsilon(&Composition::of(step, 1), delta).get()
}

/// Two points of the claimed curve: the plan's, and one where counts of errors show more.
fn deltas() -> [Delta; 2] {
    [1e-5, 1e-2].map(|delta| Delta::new(delta).unwrap())
}

/// Each of the five bounds on each of the eight seeds would pass the claim by chance with probability at most 0.1 %; the seeds are
/// fixed, so the test passes or fails once and for all.
#[test]
fn bounds_on_the_right_mechanism_stay_under_its_claim() {
    let ([delta, larger], confidence) = (deltas(), Confidence::new(0.999).unwrap());
    let claim = claimed(delta);
    for seed in 0..8 {
        let trials = attacked(&mut planned(seed), 300, seed);
        let (one, gaussian) = (trials.one_run(delta, confidence), trials.gaussian(delta, confidence));
        let rates = [delta, larger].map(|delta| trials.rates(delta, confidence).epsilon);
        assert!(
            one.epsilon < claim && rates[0] < claim && rates[1] < claimed(larger),
            "seed {seed}"
        );
        assert!(
            gaussian.mu < 1.0 / NOISE && gaussian.epsilon < claim,
            "seed {seed}: {gaussian:?}"
        );
        // The attack has power: what it shows of a Gaussian is most of the claim, without that knowledge a good part of it.
        assert!(gaussian.mu > 0.7 / NOISE, "seed {seed}: {gaussian:?}");
        assert!(
            one.epsilon > 0.15 * claim && rates[0] > 0.15 * claim,
            "seed {seed}: {one:?} {rates:?}"
        );
    }
}

/// Half of the noise is twice the mu. Counts of errors show it without knowing that the noise is Gaussian; one-run auditing, which allows
/// for canaries that meet, would need more of them than a test has time for.
#[test]
fn halved_noise_is_caught() {
    let ([delta, larger], confidence) = (deltas(), Confidence::new(0.999).unwrap());
    for seed in 0..4 {
        let trials = attacked(&mut HalvedNoise(planned(seed)), 300, seed);
        let gaussian = trials.gaussian(delta, confidence);
        assert!(
            gaussian.mu > 1.5 / NOISE && gaussian.epsilon > 1.5 * claimed(delta),
            "{gaussian:?}"
        );
        let rates = trials.rates(larger, confidence);
        assert!(rates.epsilon > 1.3 * claimed(larger), "seed {seed}: {rates:?}");
    }
}

/// All three see a contribution of ten clip norms.
#[test]
fn clipping_that_is_off_is_caught() {
    let ([delta, larger], confidence) = (deltas(), Confidence::new(0.999).unwrap());
    for seed in 0..4 {
        let trials = attacked(&mut Unclipped(planned(seed)), 100, seed);
        let claim = claimed(delta);
        assert!(trials.gaussian(delta, confidence).epsilon > 2.0 * claim, "seed {seed}");
        assert!(trials.rates(delta, confidence).epsilon > 1.5 * claim, "seed {seed}");
        assert!(
            trials.rates(larger, confidence).epsilon > 1.5 * claimed(larger),
            "seed {seed}"
        );
        assert!(trials.one_run(delta, confidence).epsilon > 1.5 * claim, "seed {seed}");
    }
}
