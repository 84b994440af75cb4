//! OpenDP's entropy from AWS-LC, in place of the whole of OpenSSL.
//!
//! OpenDP draws every random bit of its secure samplers from one function, `openssl::rand::rand_priv_bytes`. This package has
//! the name of the crate that it is looked for in and serves that function from AWS-LC, which this workspace builds anyway
//! for QUIC: a generator of NIST SP 800-90A (CTR-DRBG), seeded by the operating system and mixed with fresh bytes of it, one
//! per thread. So there is one cryptographic library to trust and to build instead of two.
//!
//! OpenDP asks for a few bytes at a time, hundreds of times for one exact sample, and every call to the generator costs as much as a
//! kilobyte of its output: it mixes fresh entropy in and changes its key. So a thread draws [`rand::POOL`] bytes at once and hands them out,
//! each byte once; what was handed out is wiped at once, what is left when the thread ends. A process that forks and goes on without
//! another program (nothing here does; `std::process` starts another one) would hand its child the same bytes.
//!
//! It does nothing else that the original does. Whoever depends on `xfl-privacy` from outside this workspace gets the original.
//!
//! References: NIST SP 800-90A rev. 1, section 10.2; FIPS 140-3 security policy of AWS-LC.

/// Random bytes.
pub mod rand {
    use std::cell::RefCell;

    use zeroize::Zeroize;

    use super::error::ErrorStack;

    /// Bytes that a thread draws from the generator at once.
    pub const POOL: usize = 4096;

    /// Drawn and not handed out yet: the last `left` bytes.
    struct Pool {
        bytes: [u8; POOL],
        left: usize,
    }

    thread_local! {
        static DRAWN: RefCell<Pool> = const { RefCell::new(Pool { bytes: [0; POOL], left: 0 }) };
    }

    impl Pool {
        fn take(&mut self, buffer: &mut [u8]) -> Result<(), ErrorStack> {
            if self.left < buffer.len() {
                self.left = 0;
                aws_lc_rs::rand::fill(&mut self.bytes).map_err(|_| ErrorStack)?;
                self.left = POOL;
            }
            let start = POOL - self.left;
            let taken = &mut self.bytes[start..start + buffer.len()];
            buffer.copy_from_slice(taken);
            taken.zeroize();
            self.left -= buffer.len();
            Ok(())
        }
    }

    impl Drop for Pool {
        fn drop(&mut self) {
            self.bytes.zeroize();
        }
    }

    /// Fills `buffer` with bytes that may be used for what must stay private.
    ///
    /// # Errors
    /// [`ErrorStack`] if the system has no entropy.
    pub fn rand_priv_bytes(buffer: &mut [u8]) -> Result<(), ErrorStack> {
        let straight = |buffer: &mut [u8]| aws_lc_rs::rand::fill(buffer).map_err(|_| ErrorStack);
        if buffer.len() > POOL {
            return straight(buffer);
        }
        // A thread that is ending has no pool any more.
        DRAWN
            .try_with(|pool| pool.try_borrow_mut().map(|mut pool| pool.take(buffer)))
            .ok()
            .and_then(Result::ok)
            .unwrap_or_else(|| straight(buffer))
    }
}

/// What can go wrong.
pub mod error {
    use std::fmt;

    /// The generator failed; it doesn't say why.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct ErrorStack;

    impl fmt::Display for ErrorStack {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("the random generator failed")
        }
    }

    impl std::error::Error for ErrorStack {}
}

#[cfg(test)]
mod tests {
    use super::rand::{POOL, rand_priv_bytes};

    #[test]
    fn bytes_differ_from_call_to_call_and_thread_to_thread() {
        let draw = || {
            let mut bytes = [0; 32];
            rand_priv_bytes(&mut bytes).map(|()| bytes)
        };
        let others: Vec<_> = (0..8).map(|_| std::thread::spawn(draw)).collect();
        let mut seen = vec![draw(), draw()];
        seen.extend(others.into_iter().filter_map(|t| t.join().ok()));
        assert_eq!(seen.len(), 10);
        for (i, one) in seen.iter().enumerate() {
            assert!(one.is_ok() && !seen[..i].contains(one));
        }
    }

    #[test]
    fn no_byte_is_handed_out_twice() {
        // Requests of every length up to past the pool's: together they would show a repetition of 8 bytes.
        let mut drawn = Vec::new();
        for length in (0..200).chain([POOL - 1, POOL, POOL + 1]) {
            let mut bytes = vec![0; length];
            assert_eq!(rand_priv_bytes(&mut bytes), Ok(()));
            drawn.extend(bytes);
        }
        let mut words: Vec<&[u8]> = drawn.windows(8).collect();
        let count = words.len();
        words.sort_unstable();
        words.dedup();
        // 32,000 words of 64 random bits are all different but with probability 3e-11.
        assert_eq!(words.len(), count);
    }

    /// 800,000 fair bits: each of the eight places within five standard errors (false alarm below one in 100,000).
    #[test]
    fn bits_are_balanced() {
        let mut bytes = vec![0; 100_000];
        assert_eq!(rand_priv_bytes(&mut bytes), Ok(()));
        for place in 0..8 {
            let ones = bytes.iter().filter(|b| *b >> place & 1 == 1).count() as i64;
            assert!((ones - 50_000).abs() < 5 * 158, "bit {place}: {ones} of 100,000");
        }
    }
}
