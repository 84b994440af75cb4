//! The ring Z_q[X]/(X^2048 + 1), the public elements `a`, the errors and the encryption `a*s + e + D*u`.
//!
//! The streams (AES-CTR), the rounded Gaussian and the negacyclic number-theoretic transform are those of tfhe's
//! `core_crypto`. Its `encrypt_glwe_ciphertext` multiplies by Karatsuba for this modulus; going through its transform
//! gives the same bodies from the same seeds in a fraction of the time, and a test holds the two equal bit for bit.
//!
//! Each block of 2048 coordinates has seeds of its own, so that blocks can be masked and checked in any order.
//! tfhe's Gaussian (polar method on 64-bit words, rounded) does not run in constant time.

use tfhe::core_crypto::commons::math::ntt::ntt64::Ntt64;
use tfhe::core_crypto::commons::math::random::{RandomGenerator, Seed};
use tfhe::core_crypto::prelude::{
    CiphertextModulus, DefaultRandomGenerator, Gaussian, Polynomial, PolynomialSize, StandardDev,
};
use zeroize::Zeroizing;

use super::expand;
use super::field::{Fq, MODULUS};
use super::params::{NOISE_LOG2, RING_DEGREE};
use super::round::MaskRound;

pub(crate) fn modulus() -> CiphertextModulus<u64> {
    CiphertextModulus::new(u128::from(MODULUS))
}

/// The error's distribution, in the fractions of q that tfhe works with.
pub(crate) fn error_distribution() -> Gaussian<f64> {
    Gaussian::from_standard_dev(StandardDev(f64::from(1_u32 << NOISE_LOG2) / MODULUS as f64), 0.0)
}

/// The public seed of `a` in one block.
pub(crate) fn public_seed(round: &MaskRound, block: usize) -> Seed {
    Seed(expand::seed128(
        "xfl mask v1 public ring element",
        &[round.id(), &(block as u64).to_le_bytes()],
    ))
}

/// The secret seed of one client's errors in one block.
pub(crate) fn error_seed(secret: &[u8; 32], round: &MaskRound, block: usize) -> Seed {
    Seed(expand::seed128(
        "xfl mask v1 error",
        &[secret, round.id(), &(block as u64).to_le_bytes()],
    ))
}

/// A key (or a sum of keys), transformed once for use in every block.
pub(crate) struct RingKey {
    ntt: Ntt64,
    transformed: Zeroizing<Vec<u64>>,
}

impl RingKey {
    /// Transforms a key of [`RING_DEGREE`] coefficients.
    pub(crate) fn new(key: &[Fq]) -> Self {
        let ntt = Ntt64::new(modulus(), PolynomialSize(RING_DEGREE));
        let plain: Zeroizing<Vec<u64>> = Zeroizing::new(key.iter().map(|c| c.get()).collect());
        let mut transformed = Zeroizing::new(vec![0; RING_DEGREE]);
        ntt.as_view().forward_normalized(
            Polynomial::from_container(transformed.as_mut_slice()),
            Polynomial::from_container(plain.as_slice()),
        );
        Self { ntt, transformed }
    }

    /// `a*s` of one block.
    pub(crate) fn mask(&self, round: &MaskRound, block: usize) -> Zeroizing<Vec<u64>> {
        let mut mask = Zeroizing::new(vec![0; RING_DEGREE]);
        self.add_mask(round, block, &mut mask);
        mask
    }

    /// Adds `a*s + e` of one block to `body`, of [`RING_DEGREE`] reduced coefficients.
    pub(crate) fn encrypt(&self, round: &MaskRound, block: usize, secret: &[u8; 32], body: &mut [u64]) {
        let mut errors = RandomGenerator::<DefaultRandomGenerator>::new(error_seed(secret, round, block));
        errors.unsigned_integer_slice_wrapping_add_random_from_distribution_custom_mod_assign(
            body,
            error_distribution(),
            modulus(),
        );
        self.add_mask(round, block, body);
    }

    fn add_mask(&self, round: &MaskRound, block: usize, body: &mut [u64]) {
        let mut public = vec![0_u64; RING_DEGREE];
        RandomGenerator::<DefaultRandomGenerator>::new(public_seed(round, block))
            .fill_slice_with_random_uniform_custom_mod(&mut public, modulus());
        let mut product = Zeroizing::new(vec![0_u64; RING_DEGREE]);
        let ntt = self.ntt.as_view();
        ntt.forward(
            Polynomial::from_container(product.as_mut_slice()),
            Polynomial::from_container(public.as_slice()),
        );
        for (out, key) in product.iter_mut().zip(self.transformed.iter()) {
            *out = (Fq::reduced(*out) * Fq::reduced(*key)).get();
        }
        ntt.add_backward(
            Polynomial::from_container(body),
            Polynomial::from_container(product.as_mut_slice()),
        );
    }
}

#[cfg(test)]
mod tests {
    use tfhe::core_crypto::commons::math::random::Seeder;
    use tfhe::core_crypto::prelude::{
        ContiguousEntityContainer, EncryptionRandomGenerator, GlweCiphertextCount, GlweCiphertextList, GlweDimension,
        GlweSecretKey, PlaintextList, encrypt_glwe_ciphertext_list,
    };

    use super::*;

    struct Fixed(Seed);

    impl Seeder for Fixed {
        fn seed(&mut self) -> Seed {
            self.0
        }

        fn is_available() -> bool {
            true
        }
    }

    /// The masks have to be tfhe's own GLWE encryption, whatever transform computes them.
    #[test]
    fn blocks_equal_the_encryption_of_tfhe_bit_for_bit() {
        let round = MaskRound::new(&[1; 32], &[2; 32], 3, 4);
        let secret = [5; 32];
        for block in 0..3 {
            let key = expand::uniform(expand::stream("test key", &[&[block as u8]]), RING_DEGREE);
            let plain = expand::uniform(expand::stream("test plaintext", &[&[block as u8]]), RING_DEGREE);
            let mut ours: Vec<u64> = plain.iter().map(|c| c.get()).collect();

            let theirs_key = GlweSecretKey::from_container(
                key.iter().map(|c| c.get()).collect::<Vec<_>>(),
                PolynomialSize(RING_DEGREE),
            );
            let mut list = GlweCiphertextList::new(
                0_u64,
                GlweDimension(1).to_glwe_size(),
                PolynomialSize(RING_DEGREE),
                GlweCiphertextCount(1),
                modulus(),
            );
            let mut generator = EncryptionRandomGenerator::<DefaultRandomGenerator>::new(
                public_seed(&round, block),
                &mut Fixed(error_seed(&secret, &round, block)),
            );
            let plaintexts = PlaintextList::from_container(ours.clone());
            encrypt_glwe_ciphertext_list(
                &theirs_key,
                &mut list,
                &plaintexts,
                error_distribution(),
                &mut generator,
            );
            let theirs = list.get(0).get_body().as_ref().to_vec();

            let ring_key = RingKey::new(&key);
            ring_key.encrypt(&round, block, &secret, &mut ours);
            assert_eq!(ours, theirs);
            assert!(ours.iter().all(|c| *c < MODULUS));

            for ((masked, mask), plain) in ours.iter().zip(ring_key.mask(&round, block).iter()).zip(plain.iter()) {
                let error = (Fq::reduced(*masked) - Fq::reduced(*mask) - *plain).centred();
                assert!(error.abs() < 13 << NOISE_LOG2, "error of {error}");
            }
        }
    }

    /// Mean within 5 standard errors of 0, variance within 5 standard errors of sigma^2 + 1/12: a false alarm has
    /// probability under 2^-19 and the seeds are fixed.
    #[test]
    fn errors_have_the_width_that_the_budget_assumes() {
        let round = MaskRound::new(&[1; 32], &[2; 32], 3, 4);
        let zero = RingKey::new(&vec![Fq::ZERO; RING_DEGREE]);
        let mut errors = Vec::new();
        for block in 0..100 {
            let mut body = vec![0; RING_DEGREE];
            zero.encrypt(&round, block, &[7; 32], &mut body);
            errors.extend(body.iter().map(|c| Fq::reduced(*c).centred() as f64));
        }
        let count = errors.len() as f64;
        let sigma = f64::from(1_u32 << NOISE_LOG2);
        let mean = errors.iter().sum::<f64>() / count;
        let variance = errors.iter().map(|e| e * e).sum::<f64>() / count;
        assert!(mean.abs() < 5.0 * sigma / count.sqrt(), "mean {mean}");
        assert!(
            (variance / (sigma * sigma) - 1.0).abs() < 5.0 * (2.0 / count).sqrt(),
            "variance {variance}"
        );
    }
}
