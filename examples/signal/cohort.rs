//! A round's updates with a known direction, protected by the real mechanism.

use xfl_core::seed::{Seed, Stream};
use xfl_privacy::{
    Mechanism, Noise, RecordSum, RehearsalNoise, Relation, Settings, SignalFraction, SignalToNoise, Unit, clip,
};

/// Institutions, malicious ones included.
pub(crate) const INSTITUTIONS: usize = 19;
/// Malicious ones: as many as Bulyan stands.
pub(crate) const BYZANTINE: usize = 4;
/// Coordinates of an update.
const DIMENSION: usize = 400;
/// Examples in a batch, unit record.
const BATCH: u32 = 32;
/// Grid steps in the clip norm.
const CLIP_STEPS: f64 = 10_000.0;

/// Honest updates, and what the attackers know.
pub(crate) struct Cohort {
    /// Of every institution, as if all were honest.
    pub(crate) honest: Vec<Vec<i32>>,
    /// The direction they agree on, of length 1.
    pub(crate) direction: Vec<f64>,
    /// Length of one update's signal, in grid steps.
    pub(crate) signal: f64,
    /// Length of one update's noise, in grid steps.
    pub(crate) noise: f64,
    mechanism: Mechanism,
    seed: Seed,
}

impl Cohort {
    /// A cohort whose check says `ratio`.
    pub(crate) fn new(unit: Unit, ratio: f64, number: u64) -> Self {
        let units = if unit == Unit::Record { f64::from(BATCH) } else { 1.0 };
        let mechanism = Mechanism::try_from(Settings {
            unit,
            relation: Relation::ZeroOut,
            clip_norm: 1.0,
            grid_step: 1.0 / CLIP_STEPS,
            noise_multiplier: SignalFraction::HALF.get() * units / (ratio * (DIMENSION as f64).sqrt()),
            batch: (unit == Unit::Record).then_some(BATCH),
            dimension: DIMENSION as u64,
            ..Settings::default()
        });
        #[allow(clippy::expect_used, reason = "constants that fit together")]
        let mechanism = mechanism.expect("a mechanism");
        let check = SignalToNoise::of(&mechanism, SignalFraction::HALF);
        let seed = Seed::from_number(number);
        let direction = unit_vector(&mut seed.derive("direction", &[]).stream());
        let mut cohort = Self {
            honest: Vec::new(),
            direction,
            signal: check.signal,
            noise: check.noise,
            mechanism,
            seed,
        };
        cohort.honest = (0..INSTITUTIONS as u64).map(|i| cohort.update(i)).collect();
        cohort
    }

    /// An institution's update: contributions of the clip norm, half of it along the direction, the rest anywhere.
    fn update(&self, institution: u64) -> Vec<i32> {
        let mut stream = self.seed.derive("contribution", &[institution]).stream();
        let mut contribution = || -> Vec<f32> {
            let (half, rest) = (SignalFraction::HALF.get(), 0.75f64.sqrt());
            let other = unit_vector(&mut stream);
            std::iter::zip(&self.direction, other)
                .map(|(g, o)| (half * g + rest * o) as f32)
                .collect()
        };
        #[allow(
            clippy::expect_used,
            reason = "as many finite contributions as the mechanism asks for"
        )]
        let quantised = match self.mechanism.unit() {
            Unit::Record => {
                let mut sum = RecordSum::new(&self.mechanism).expect("unit record");
                (0..BATCH).for_each(|_| sum.add_example(&contribution()).expect("an example"));
                sum.finish().expect("a batch")
            }
            Unit::Institution => {
                // Institutions of one federation agree better than examples do: a tenth is their own.
                let signal = SignalFraction::HALF.get();
                let own: Vec<f32> = std::iter::zip(&self.direction, unit_vector(&mut stream))
                    .map(|(g, o)| (signal * g + 0.1 * o) as f32)
                    .collect();
                clip(own, &self.mechanism)
                    .expect("an update")
                    .quantise()
                    .expect("on the grid")
            }
        };
        let seed = self.seed.derive("noise", &[institution]);
        #[allow(clippy::expect_used, reason = "fails once in 2^40 draws")]
        let noised = RehearsalNoise::from_seed(seed.0)
            .noise(quantised)
            .expect("within the bounds");
        noised.values().to_vec()
    }

    /// The malicious ones' updates: this long against the direction, each with the plan's noise or without.
    pub(crate) fn attackers(&self, length: f64, noisy: bool) -> Vec<Vec<i32>> {
        let attacker = |i: usize| -> Vec<i32> {
            let mut stream = self.seed.derive("attacker", &[i as u64]).stream();
            let sigma = if noisy { f64::from(self.mechanism.sigma()) } else { 0.0 };
            self.direction
                .iter()
                .map(|g| (sigma * stream.normal() - length * g).round() as i32)
                .collect()
        };
        (0..BYZANTINE).map(attacker).collect()
    }

    /// Lengths worth trying: shares of the signal, and of what the norm check lets through.
    pub(crate) fn lengths(&self) -> Vec<f64> {
        let most = (self.mechanism.max_norm_squared() as f64).sqrt() * 0.999;
        let of_noise = [0.25, 0.5, 1.0, 1.5].map(|share| share * self.noise);
        let of_signal = [0.05, 0.5, 1.0, 2.0].map(|share| share * self.signal);
        let mut lengths: Vec<f64> = of_noise
            .into_iter()
            .chain(of_signal)
            .filter(|length| *length < most)
            .collect();
        lengths.push(most);
        lengths
    }

    /// Whether the coordinator's checks admit an update.
    pub(crate) fn admits(&self, update: &[i32]) -> bool {
        self.mechanism.admits(update)
    }

    /// The longest contribution before noise, in grid steps.
    pub(crate) fn bound(&self) -> u64 {
        self.mechanism.norm_bound()
    }

    /// How far an aggregate goes along the direction.
    pub(crate) fn along(&self, aggregate: &[i32]) -> f64 {
        std::iter::zip(aggregate, &self.direction)
            .map(|(a, g)| f64::from(*a) * g)
            .sum()
    }
}

fn unit_vector(stream: &mut Stream) -> Vec<f64> {
    let vector: Vec<f64> = (0..DIMENSION).map(|_| stream.normal()).collect();
    let length = vector.iter().map(|v| v * v).sum::<f64>().sqrt();
    vector.into_iter().map(|v| v / length).collect()
}
