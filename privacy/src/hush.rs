//! OpenDP's arithmetic, one call at a time.
//!
//! OpenDP 0.16 rounds sums and products through `dashu`, catches its panics, and silences them by exchanging the *process's* panic hook for the
//! while (its `catch_unwind_silent`). Two threads that do so at once can leave the silent hook in place for good: from then on a bug anywhere
//! ends a thread without a word. Privacy maps and conversions therefore take turns; samplers don't touch the hook and run in parallel.

use std::sync::{Mutex, PoisonError};

static TURN: Mutex<()> = Mutex::new(());

/// Runs a map or a conversion of OpenDP's while nobody else does.
pub(crate) fn taking_turns<R>(call: impl FnOnce() -> R) -> R {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    call()
}

#[cfg(test)]
mod tests {
    use std::panic;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use crate::{Delta, Noise, OpenDpNoise, Rho, accounting, testing};

    /// Noise and conversions on many threads at once left OpenDP's silent hook behind: failed tests said nothing about why.
    #[test]
    fn the_panic_hook_survives_noise_on_many_threads() {
        static HEARD: AtomicUsize = AtomicUsize::new(0);
        // In a turn of its own: whoever has one puts back the hook that it found.
        super::taking_turns(|| {
            let before = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                if info.payload().downcast_ref::<&str>() == Some(&"heard") {
                    HEARD.fetch_add(1, Ordering::SeqCst);
                } else {
                    before(info);
                }
            }));
        });
        let work = || {
            let mechanism = testing::institution(10_000, 1000, 1.0);
            let update = crate::clip(vec![0.0; 10_000], &mechanism).unwrap().quantise().unwrap();
            OpenDpNoise.noise(update).unwrap();
            for rho in 1..20 {
                let _ = accounting::epsilon(Rho::new(f64::from(rho) * 0.01).unwrap(), Delta::new(1e-5).unwrap());
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(work);
            }
        });
        // Other tests' maps silence the hook for their turn.
        assert!(super::taking_turns(|| panic::catch_unwind(|| panic!("heard"))).is_err());
        assert_eq!(HEARD.load(Ordering::SeqCst), 1);
    }
}
