//! Where this federation's contracts keep what an auditor asks for: slots of the round manager, its mirror and the distributor.
//!
//! A slot's place follows from the order in which a contract declares its variables; a mapping's entry is at keccak256(key || place). The
//! places here are compared with the compiler's own (`contracts/layout.json`) by a test, so that a contract that is laid out anew fails it.
//!
//! Reference: Solidity documentation, "Layout of State Variables in Storage".

use crate::keccak256;
use crate::merkle::Digest;

/// Slots of a contract that holds rounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoundSlots {
    latest: u64,
    /// Bytes of the last round's number, the lowest of its slot.
    width: usize,
    digests: u64,
}

impl RoundSlots {
    /// Of the round manager: `_head` (the last round in its lowest 4 bytes) and `_digests`.
    pub const HOME: Self = Self {
        latest: 0,
        width: 4,
        digests: 3,
    };
    /// Of a mirror: `_latest`, and `_rounds`, whose entries begin with the digest.
    pub const MIRROR: Self = Self {
        latest: 0,
        width: 8,
        digests: 1,
    };

    /// Where the number of the last round is that stands; [`RoundSlots::latest_in`] reads it.
    #[must_use]
    pub fn latest(&self) -> Digest {
        number(self.latest)
    }

    /// Where the digest of a round's header is. The home chain leaves those of voided rounds there, above the last round that stands.
    #[must_use]
    pub fn digest(&self, round: u64) -> Digest {
        entry(self.digests, &number(round))
    }

    /// The number of the last round, from what its slot holds.
    #[must_use]
    pub fn latest_in(&self, word: &Digest) -> u64 {
        let lowest = word.iter().skip(word.len() - self.width);
        lowest.fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}

const SUMS: u64 = 0;
const PAID: u64 = 2;

/// Where the distributor has the sum of all payments: `_sums`; [`total_paid_in`] reads it.
#[must_use]
pub fn total_paid() -> Digest {
    number(SUMS)
}

/// The sum of all payments, from what its slot holds, in the token's smallest unit.
#[must_use]
pub fn total_paid_in(word: &Digest) -> u128 {
    u128::from_be_bytes(low_half(word))
}

/// Where the distributor has what a participant was paid: `_paid`; [`paid_in`] reads it.
#[must_use]
pub fn paid(participant: &Digest) -> Digest {
    entry(PAID, participant)
}

/// What a participant was paid, from what its slot holds, in the token's smallest unit; none where it is more than anybody can earn.
#[must_use]
pub fn paid_in(word: &Digest) -> Option<u128> {
    let high = word.iter().take(16).any(|byte| *byte != 0);
    (!high).then(|| u128::from_be_bytes(low_half(word)))
}

fn low_half(word: &Digest) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&word[16..]);
    half
}

fn number(value: u64) -> Digest {
    let mut word = [0; 32];
    word[24..].copy_from_slice(&value.to_be_bytes());
    word
}

fn entry(place: u64, key: &Digest) -> Digest {
    keccak256(&[*key, number(place)].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_they_are_packed() {
        let mut word = [0xff; 32];
        word[24..].copy_from_slice(&7u64.to_be_bytes());
        assert_eq!(RoundSlots::HOME.latest_in(&word), 7);
        assert_eq!(RoundSlots::MIRROR.latest_in(&word), 7);
        word[27] = 1;
        assert_eq!(RoundSlots::HOME.latest_in(&word), 7, "that is another variable's");
        assert_eq!(RoundSlots::MIRROR.latest_in(&word), (1 << 32) + 7);
        word[16..].copy_from_slice(&9u128.to_be_bytes());
        assert_eq!((total_paid_in(&word), paid_in(&word)), (9, None));
        word[..16].fill(0);
        assert_eq!(paid_in(&word), Some(9));
    }
}
