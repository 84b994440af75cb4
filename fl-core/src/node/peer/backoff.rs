//! How long to wait before dialling again: exponential, capped, jittered.
//!
//! Attempt k (from 0) waits between half and all of `min(cap, base * 2^k)`, evenly drawn, so that five hundred
//! institutions whose coordinator restarted don't come back in one instant, yet none comes back at once.
//!
//! Reference: M. Brooker 2015, "Exponential backoff and jitter" (there: equal jitter).

use std::time::Duration;

use rand_core::Rng;

/// Delay before attempt number `attempt` (0 is the first repetition).
pub fn delay<R: Rng + ?Sized>(attempt: u32, base: Duration, cap: Duration, rng: &mut R) -> Duration {
    let factor = 1u32.checked_shl(attempt).unwrap_or(u32::MAX);
    let full = base.saturating_mul(factor).min(cap);
    let half = full / 2;
    // The top 32 bits over 2^32: a fraction in [0, 1), its resolution a quarter of a nanosecond per second.
    let fraction = f64::from(rng.next_u32()) / 4_294_967_296.0;
    half + (full - half).mul_f64(fraction)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand_chacha::ChaCha8Rng;
    use rand_core::SeedableRng;

    use super::*;

    proptest! {
        #[test]
        fn within_half_and_all_of_the_capped_power(attempt: u32, base in 1u64..10_000, cap in 1u64..600_000, seed: u64) {
            let (base, cap) = (Duration::from_millis(base), Duration::from_millis(cap));
            let got = delay(attempt, base, cap, &mut ChaCha8Rng::seed_from_u64(seed));
            let full = (base.as_nanos() << attempt.min(40)).min(cap.as_nanos());
            prop_assert!(got.as_nanos() <= full && got.as_nanos() >= full / 2, "{got:?} of {full}");
        }
    }

    #[test]
    fn draws_differ() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let (base, cap) = (Duration::from_secs(1), Duration::from_secs(60));
        let draws: Vec<Duration> = (0..8).map(|_| delay(3, base, cap, &mut rng)).collect();
        assert!(draws.windows(2).all(|pair| pair[0] != pair[1]), "{draws:?}");
    }
}
