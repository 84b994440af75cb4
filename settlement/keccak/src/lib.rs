//! keccak256 of many messages of one length, four at a time and on all cores.
//!
//! A round's trees hash a chunk of every member's update, and every node above: hundreds of thousands of short messages of one
//! length. Four of them go through the permutation side by side, one in each 64-bit lane of 256-bit vectors where the processor
//! has them (the choice is made when it runs; the digests are the same), blocks of messages through all threads of rayon's pool.
//!
//! The digest is Ethereum's: Keccak-f\[1600\], rate 1088, padding `0x01 .. 0x80` (FIPS 202 but for the padding's first byte).
//!
//! References: Bertoni, Daemen, Peeters, Van Assche: The Keccak reference 3.0, section 1.2; Ethereum yellow paper, section 3.

mod permutation;

use rayon::prelude::*;

use self::permutation::{LANES, State, Vectors};

/// A 32-byte digest.
pub type Digest = [u8; 32];

/// Bytes that a permutation takes in.
const RATE: usize = 136;

/// Messages that a thread hashes at a time; fewer aren't worth another thread.
const BLOCK: usize = 512;

/// The digests of `count` messages of `length` bytes, in order; `write` fills in the message of a given number, into zeros.
pub fn keccak256_many(count: usize, length: usize, write: impl Fn(usize, &mut [u8]) + Sync) -> Vec<Digest> {
    let mut digests = vec![[0; 32]; count];
    let vectors = Vectors::here();
    let hash = |(block, digests): (usize, &mut [Digest])| {
        // With its padding, each message is a whole number of blocks.
        let padded = (length / RATE + 1) * RATE;
        let mut messages = vec![0u8; padded * LANES];
        for (group, digests) in digests.chunks_mut(LANES).enumerate() {
            messages.fill(0);
            let first = block * BLOCK + group * LANES;
            for (lane, message) in messages.chunks_exact_mut(padded).take(digests.len()).enumerate() {
                write(first + lane, &mut message[..length]);
                message[length] |= 0x01;
                message[padded - 1] |= 0x80;
            }
            let mut state = State::default();
            vectors.absorb(&mut state, &messages);
            for (lane, digest) in digests.iter_mut().enumerate() {
                *digest = state.digest(lane);
            }
        }
    };
    match count > BLOCK {
        true => digests.par_chunks_mut(BLOCK).enumerate().for_each(hash),
        false => hash((0, &mut digests)),
    }
    digests
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sha3::{Digest as _, Keccak256};

    use super::*;

    fn one_by_one(count: usize, length: usize, write: impl Fn(usize, &mut [u8])) -> Vec<Digest> {
        let hash = |index| {
            let mut message = vec![0; length];
            write(index, &mut message);
            Keccak256::digest(&message).into()
        };
        (0..count).map(hash).collect()
    }

    fn fill(seed: u64) -> impl Fn(usize, &mut [u8]) + Sync {
        move |index, message| {
            let mut word = (index as u64 ^ seed).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
            for byte in message {
                word = word.wrapping_mul(0xD134_2543_DE82_EF95).wrapping_add(1);
                *byte = (word >> 56) as u8;
            }
        }
    }

    #[test]
    fn known_digests() {
        let hex = |digest: &Digest| digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let empty = keccak256_many(1, 0, |_, _| ());
        assert_eq!(
            hex(&empty[0]),
            "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
        );
        let abc = keccak256_many(5, 3, |_, message| message.copy_from_slice(b"abc"));
        for digest in &abc {
            assert_eq!(
                hex(digest),
                "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45"
            );
        }
        assert!(keccak256_many(0, 65, |_, _| ()).is_empty());
    }

    #[test]
    fn lengths_around_a_block_and_counts_around_a_thread_s_are_right() {
        for length in [0, 1, 49, 65, 134, 135, 136, 137, 271, 272, 273, 1000] {
            for count in [1, 2, 3, 4, 5, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 5] {
                let got = keccak256_many(count, length, fill(7));
                assert_eq!(got, one_by_one(count, length, fill(7)), "{count} of {length} bytes");
            }
        }
    }

    proptest! {
        #[test]
        fn digests_are_those_of_messages_one_by_one(count in 0usize..40, length in 0usize..700, seed: u64) {
            prop_assert_eq!(keccak256_many(count, length, fill(seed)), one_by_one(count, length, fill(seed)));
        }
    }

    /// Measurement: `cargo test --release -p xfl-keccak -- --ignored --nocapture speed`.
    #[test]
    #[ignore = "a measurement"]
    #[allow(clippy::disallowed_methods, reason = "a measurement")]
    fn speed() {
        let (count, length) = (1 << 20, 65);
        let began = std::time::Instant::now();
        let many = keccak256_many(count, length, fill(1));
        let together = began.elapsed().as_secs_f64();
        let began = std::time::Instant::now();
        let single = one_by_one(count, length, fill(1));
        let alone = began.elapsed().as_secs_f64();
        assert_eq!(many, single);
        println!("{count} messages of {length} bytes: {together:.3} s, one by one {alone:.3} s");
    }
}
