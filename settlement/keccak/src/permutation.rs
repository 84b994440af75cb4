//! Keccak-f\[1600\] on four states side by side.

use pulp::u64x4 as Word;
#[cfg(target_arch = "x86_64")]
use pulp::{NullaryFnOnce, x86::V3};

use super::{Digest, RATE};

/// States side by side.
pub(crate) const LANES: usize = 4;

const ZERO: Word = Word(0, 0, 0, 0);

/// Four states of 25 words.
#[derive(Clone, Copy)]
pub(crate) struct State([Word; 25]);

/// What the permutation does to four words at once.
trait Lanes: Copy {
    /// `a ^ b`.
    fn xor(self, a: Word, b: Word) -> Word;

    /// `a ^ (!b & c)`.
    fn chi(self, a: Word, b: Word, c: Word) -> Word;

    /// To the left by `LEFT`; `RIGHT` is 64 less that.
    fn rotated<const LEFT: i32, const RIGHT: i32>(self, a: Word) -> Word;
}

/// Any processor.
#[derive(Clone, Copy)]
struct Plain;

impl Lanes for Plain {
    #[inline(always)]
    fn xor(self, a: Word, b: Word) -> Word {
        Word(a.0 ^ b.0, a.1 ^ b.1, a.2 ^ b.2, a.3 ^ b.3)
    }

    #[inline(always)]
    fn chi(self, a: Word, b: Word, c: Word) -> Word {
        self.xor(a, Word(!b.0 & c.0, !b.1 & c.1, !b.2 & c.2, !b.3 & c.3))
    }

    #[inline(always)]
    fn rotated<const LEFT: i32, const RIGHT: i32>(self, a: Word) -> Word {
        let rotated = |word: u64| word.rotate_left(LEFT as u32);
        Word(rotated(a.0), rotated(a.1), rotated(a.2), rotated(a.3))
    }
}

#[cfg(target_arch = "x86_64")]
impl Lanes for V3 {
    #[inline(always)]
    fn xor(self, a: Word, b: Word) -> Word {
        self.xor_u64x4(a, b)
    }

    #[inline(always)]
    fn chi(self, a: Word, b: Word, c: Word) -> Word {
        self.xor_u64x4(a, self.and_u64x4(self.not_u64x4(b), c))
    }

    #[inline(always)]
    fn rotated<const LEFT: i32, const RIGHT: i32>(self, a: Word) -> Word {
        self.or_u64x4(self.shl_const_u64x4::<LEFT>(a), self.shr_const_u64x4::<RIGHT>(a))
    }
}

/// The vectors of the processor that this runs on.
#[derive(Clone, Copy)]
pub(crate) struct Vectors {
    #[cfg(target_arch = "x86_64")]
    wide: Option<V3>,
}

struct Absorb<'a, L> {
    lanes: L,
    state: &'a mut State,
    messages: &'a [u8],
}

#[cfg(target_arch = "x86_64")]
impl<L: Lanes> NullaryFnOnce for Absorb<'_, L> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        self.run();
    }
}

impl Vectors {
    /// Asks the processor, or what was kept of its answer.
    pub(crate) fn here() -> Self {
        Self {
            #[cfg(target_arch = "x86_64")]
            wide: V3::try_new(),
        }
    }

    /// Takes in four padded messages of one length, one after the other in `messages`.
    pub(crate) fn absorb(self, state: &mut State, messages: &[u8]) {
        #[cfg(target_arch = "x86_64")]
        if let Some(lanes) = self.wide {
            return lanes.vectorize(Absorb { lanes, state, messages });
        }
        let lanes = Plain;
        Absorb { lanes, state, messages }.run();
    }
}

impl<L: Lanes> Absorb<'_, L> {
    #[inline(always)]
    fn run(self) {
        let length = self.messages.len() / LANES;
        let word = |lane: usize, at: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&self.messages[lane * length + at..][..8]);
            u64::from_le_bytes(bytes)
        };
        let mut a = self.state.0;
        for block in (0..length).step_by(RATE) {
            for (index, words) in a.iter_mut().take(RATE / 8).enumerate() {
                let at = block + 8 * index;
                *words = self
                    .lanes
                    .xor(*words, Word(word(0, at), word(1, at), word(2, at), word(3, at)));
            }
            for constant in ROUNDS {
                a = round(self.lanes, &a, constant);
            }
        }
        self.state.0 = a;
    }
}

impl Default for State {
    fn default() -> Self {
        Self([ZERO; 25])
    }
}

impl State {
    /// The digest of one of the four messages.
    pub(crate) fn digest(&self, lane: usize) -> Digest {
        let mut digest = [0; 32];
        for (bytes, words) in digest.chunks_exact_mut(8).zip(&self.0) {
            let word = [words.0, words.1, words.2, words.3][lane];
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        digest
    }
}

const ROUNDS: [u64; 24] = [
    0x0000_0000_0000_0001,
    0x0000_0000_0000_8082,
    0x8000_0000_0000_808A,
    0x8000_0000_8000_8000,
    0x0000_0000_0000_808B,
    0x0000_0000_8000_0001,
    0x8000_0000_8000_8081,
    0x8000_0000_0000_8009,
    0x0000_0000_0000_008A,
    0x0000_0000_0000_0088,
    0x0000_0000_8000_8009,
    0x0000_0000_8000_000A,
    0x0000_0000_8000_808B,
    0x8000_0000_0000_008B,
    0x8000_0000_0000_8089,
    0x8000_0000_0000_8003,
    0x8000_0000_0000_8002,
    0x8000_0000_0000_0080,
    0x0000_0000_0000_800A,
    0x8000_0000_8000_000A,
    0x8000_0000_8000_8081,
    0x8000_0000_0000_8080,
    0x0000_0000_8000_0001,
    0x8000_0000_8000_8008,
];

#[inline(always)]
fn round<L: Lanes>(l: L, a: &[Word; 25], constant: u64) -> [Word; 25] {
    // theta
    let column = |x: usize| l.xor(l.xor(l.xor(l.xor(a[x], a[x + 5]), a[x + 10]), a[x + 15]), a[x + 20]);
    let c = [column(0), column(1), column(2), column(3), column(4)];
    let turned = |word: Word| l.rotated::<1, 63>(word);
    let d = [
        l.xor(c[4], turned(c[1])),
        l.xor(c[0], turned(c[2])),
        l.xor(c[1], turned(c[3])),
        l.xor(c[2], turned(c[4])),
        l.xor(c[3], turned(c[0])),
    ];
    // rho and pi: the word at x, y goes to y, 2x + 3y.
    let t = |i: usize| l.xor(a[i], d[i % 5]);
    let b = [
        t(0),
        l.rotated::<44, 20>(t(6)),
        l.rotated::<43, 21>(t(12)),
        l.rotated::<21, 43>(t(18)),
        l.rotated::<14, 50>(t(24)),
        l.rotated::<28, 36>(t(3)),
        l.rotated::<20, 44>(t(9)),
        l.rotated::<3, 61>(t(10)),
        l.rotated::<45, 19>(t(16)),
        l.rotated::<61, 3>(t(22)),
        l.rotated::<1, 63>(t(1)),
        l.rotated::<6, 58>(t(7)),
        l.rotated::<25, 39>(t(13)),
        l.rotated::<8, 56>(t(19)),
        l.rotated::<18, 46>(t(20)),
        l.rotated::<27, 37>(t(4)),
        l.rotated::<36, 28>(t(5)),
        l.rotated::<10, 54>(t(11)),
        l.rotated::<15, 49>(t(17)),
        l.rotated::<56, 8>(t(23)),
        l.rotated::<62, 2>(t(2)),
        l.rotated::<55, 9>(t(8)),
        l.rotated::<39, 25>(t(14)),
        l.rotated::<41, 23>(t(15)),
        l.rotated::<2, 62>(t(21)),
    ];
    // chi
    let row = |y: usize, x: usize| l.chi(b[5 * y + x], b[5 * y + (x + 1) % 5], b[5 * y + (x + 2) % 5]);
    let mut next = [
        row(0, 0),
        row(0, 1),
        row(0, 2),
        row(0, 3),
        row(0, 4),
        row(1, 0),
        row(1, 1),
        row(1, 2),
        row(1, 3),
        row(1, 4),
        row(2, 0),
        row(2, 1),
        row(2, 2),
        row(2, 3),
        row(2, 4),
        row(3, 0),
        row(3, 1),
        row(3, 2),
        row(3, 3),
        row(3, 4),
        row(4, 0),
        row(4, 1),
        row(4, 2),
        row(4, 3),
        row(4, 4),
    ];
    // iota
    next[0] = l.xor(next[0], Word(constant, constant, constant, constant));
    next
}
