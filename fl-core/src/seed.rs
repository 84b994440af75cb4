//! Reproducible randomness for training and simulation: the same seed gives the same bits on every machine.
//!
//! A [`Seed`] is a tree: [`Seed::derive`] names a child by a label and numbers (`seed.derive("shuffle", &[epoch])`),
//! so that two uses never share a stream and adding one never moves another. [`Seed::stream`] turns a leaf into
//! a [`Stream`] of ChaCha20 output.
//!
//! Guarantees: integers and uniforms are exact functions of the stream, and normals use only additions,
//! multiplications, divisions and square roots of `f64` (correctly rounded by IEEE 754; the logarithm is our own), so
//! no platform's mathematics library can change a bit. Shuffles and bounded integers are unbiased.
//!
//! What it does not do: these streams are meant to be replayed, so they are **not** for keys, salts, privacy noise or
//! sampling from which privacy amplification is claimed. Those draw from the operating system.
//!
//! ```
//! use xfl_core::seed::Seed;
//! let seed = Seed::from_number(7);
//! let mut order = [0, 1, 2, 3, 4];
//! seed.derive("shuffle", &[1]).stream().shuffle(&mut order);
//! assert_eq!(seed.derive("a", &[]), seed.derive("a", &[]));
//! assert_ne!(seed.derive("a", &[1]), seed.derive("a", &[2]));
//! ```
//!
//! References: ChaCha20, RFC 8439; BLAKE3, O'Connor et al. 2020; the polar method, Marsaglia and Bray 1964; bounded
//! integers, Lemire 2019; shuffling, Durstenfeld 1964.

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

const CONTEXT: &str = "xfl 1 seed derivation";

/// 32 bytes from which everything reproducible follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Seed(pub [u8; 32]);

impl Seed {
    /// The root seed of a number, as a person would type one. Numbers give unrelated seeds.
    pub fn from_number(number: u64) -> Self {
        Self([0; 32]).derive("number", &[number])
    }

    /// The child with this label and these numbers. Labels and numbers are length-prefixed before hashing, so that
    /// distinct names can't meet; the child says nothing about its parent or its siblings.
    pub fn derive(&self, label: &str, numbers: &[u64]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
        hasher.update(&self.0);
        hasher.update(&(label.len() as u64).to_le_bytes());
        hasher.update(label.as_bytes());
        hasher.update(&(numbers.len() as u64).to_le_bytes());
        for number in numbers {
            hasher.update(&number.to_le_bytes());
        }
        Self(*hasher.finalize().as_bytes())
    }

    /// The stream of this seed, from its beginning.
    pub fn stream(&self) -> Stream {
        Stream {
            chacha: ChaCha20Rng::from_seed(self.0),
            spare: None,
        }
    }
}

/// An endless stream of numbers, a function of its [`Seed`] alone.
#[derive(Clone, Debug)]
pub struct Stream {
    chacha: ChaCha20Rng,
    /// The polar method makes normals in pairs; the second waits here.
    spare: Option<f64>,
}

impl Stream {
    /// 64 uniform bits.
    pub fn next_u64(&mut self) -> u64 {
        self.chacha.next_u64()
    }

    /// Fills the slice with uniform bytes.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.chacha.fill_bytes(bytes);
    }

    /// Uniform on the multiples of 2^-53 in `[0, 1)`.
    pub fn uniform_f64(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Uniform on the multiples of 2^-24 in `[0, 1)`.
    pub fn uniform_f32(&mut self) -> f32 {
        (self.next_u64() >> 40) as f32 * (1.0 / (1u32 << 24) as f32)
    }

    /// Uniform on `0..bound`, without bias (multiply and reject). A bound of 0 gives 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        let reject_under = if bound == 0 { 0 } else { bound.wrapping_neg() % bound };
        loop {
            let product = u128::from(self.next_u64()) * u128::from(bound);
            if product as u64 >= reject_under {
                return (product >> 64) as u64;
            }
        }
    }

    /// Standard normal, by the polar method in `f64`. Good to about 2^-52 of the density's argument; a simulator's
    /// normal, never privacy noise (floating-point Gaussians leak, Mironov 2012).
    pub fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        loop {
            let x = 2.0 * self.uniform_f64() - 1.0;
            let y = 2.0 * self.uniform_f64() - 1.0;
            let square = x * x + y * y;
            if square > 0.0 && square < 1.0 {
                let factor = (-2.0 * ln(square) / square).sqrt();
                self.spare = Some(y * factor);
                return x * factor;
            }
        }
    }

    /// Puts the slice into a uniformly random order (Fisher-Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let chosen = self.below(last as u64 + 1) as usize;
            items.swap(last, chosen);
        }
    }

    /// The numbers `0..n` in a uniformly random order.
    pub fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        self.shuffle(&mut order);
        order
    }
}

/// Natural logarithm of a positive, normal, finite number, from correctly rounded operations alone: `x = m 2^e` with m
/// in `[1/sqrt 2, sqrt 2)` and `ln m = 2 atanh((m - 1) / (m + 1))` by its series, whose first dropped term is under 2^-60.
fn ln(x: f64) -> f64 {
    const LN_2: f64 = std::f64::consts::LN_2;
    let bits = x.to_bits();
    let mut exponent = ((bits >> 52) & 0x7ff) as i64 - 1023;
    let mut mantissa = f64::from_bits((bits & ((1 << 52) - 1)) | (1023 << 52));
    if mantissa >= std::f64::consts::SQRT_2 {
        mantissa *= 0.5;
        exponent += 1;
    }
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let s2 = s * s;
    let mut series = 0.0;
    for k in (0..12).rev() {
        series = series * s2 + 1.0 / f64::from(2 * k + 1);
    }
    exponent as f64 * LN_2 + 2.0 * s * series
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_bits_are_pinned() {
        let mut stream = Seed::from_number(1).derive("pin", &[2, 3]).stream();
        let mut hasher = blake3::Hasher::new();
        for _ in 0..1000 {
            hasher.update(&stream.next_u64().to_le_bytes());
            hasher.update(&stream.uniform_f32().to_bits().to_le_bytes());
            hasher.update(&stream.normal().to_bits().to_le_bytes());
            hasher.update(&stream.below(1_000_003).to_le_bytes());
        }
        assert_eq!(
            hasher.finalize().to_hex().as_str(),
            "4a32f7e010002d87b48f67e022e80519076a582c9029b75f8d06c09db00e7a7b"
        );
    }

    #[test]
    fn labels_and_numbers_do_not_run_together() {
        let seed = Seed::from_number(0);
        let names: [(&str, &[u64]); 6] = [
            ("a", &[]),
            ("a", &[0]),
            ("a", &[0, 0]),
            ("ab", &[]),
            ("a", &[1]),
            ("a\0\0\0\0\0\0\0\0", &[]),
        ];
        for (i, a) in names.iter().enumerate() {
            for b in &names[i + 1..] {
                assert_ne!(seed.derive(a.0, a.1), seed.derive(b.0, b.1), "{a:?} and {b:?}");
            }
        }
    }

    #[test]
    fn normals_have_the_moments_of_a_normal() {
        let mut stream = Seed::from_number(5).stream();
        let n = 200_000;
        let draws: Vec<f64> = (0..n).map(|_| stream.normal()).collect();
        let moment = |p: i32| draws.iter().map(|x| x.powi(p)).sum::<f64>() / f64::from(n);
        // Five standard errors of each sample moment.
        let error = 5.0 / f64::from(n).sqrt();
        assert!(moment(1).abs() < error);
        assert!((moment(2) - 1.0).abs() < error * 2f64.sqrt());
        assert!(moment(3).abs() < error * 15f64.sqrt());
        assert!((moment(4) - 3.0).abs() < error * 96f64.sqrt());
    }

    #[test]
    fn every_order_of_four_is_equally_likely() {
        let mut stream = Seed::from_number(9).stream();
        let mut counts = std::collections::BTreeMap::new();
        for _ in 0..24_000 {
            *counts.entry(stream.permutation(4)).or_insert(0u32) += 1;
        }
        assert_eq!(counts.len(), 24);
        let chi2: f64 = counts.values().map(|&c| (f64::from(c) - 1000.0).powi(2) / 1000.0).sum();
        // 23 degrees of freedom: 49.7 is exceeded once in a thousand.
        assert!(chi2 < 49.7, "chi squared {chi2}");
    }

    proptest! {
        #[test]
        fn bounded_integers_stay_below(bound in 1u64.., number: u64) {
            let mut stream = Seed::from_number(number).stream();
            for _ in 0..16 {
                prop_assert!(stream.below(bound) < bound);
            }
        }

        #[test]
        fn uniforms_stay_in_the_unit_interval(number: u64) {
            let mut stream = Seed::from_number(number).stream();
            prop_assert!((0.0..1.0).contains(&stream.uniform_f32()));
            prop_assert!((0.0..1.0).contains(&stream.uniform_f64()));
        }

        #[test]
        fn our_logarithm_is_the_logarithm(x in 1e-300f64..1e300) {
            prop_assert!((ln(x) - x.ln()).abs() <= 4.0 * f64::EPSILON * x.ln().abs().max(1e-3));
        }
    }
}
