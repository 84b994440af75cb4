//! The operating system's entropy and clock; the only places that touch them.

use std::time::{SystemTime, UNIX_EPOCH};

use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use zeroize::Zeroizing;

use crate::coordinator::Millis;

/// Bytes from the operating system.
///
/// # Errors
/// The operating system has none.
pub fn bytes() -> std::io::Result<Zeroizing<[u8; 32]>> {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(bytes.as_mut()).map_err(std::io::Error::from)?;
    Ok(bytes)
}

/// A generator seeded by the operating system.
///
/// # Errors
/// The operating system has no entropy.
pub fn generator() -> std::io::Result<ChaCha20Rng> {
    Ok(ChaCha20Rng::from_seed(*bytes()?))
}

/// Milliseconds since 1970; 0 on a clock that stands before.
#[allow(clippy::disallowed_methods, reason = "the one place that reads the clock")]
pub fn now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
