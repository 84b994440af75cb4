//! What the cases are drawn from: a seeded generator, the numbers that break arithmetic, and rows of them.

/// SplitMix64.
pub(crate) struct Draw(u64);

impl Draw {
    pub(crate) fn of(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// Below `n`, which is at least 1.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.bits()) * n as u128) >> 64) as usize
    }

    /// Once in `n` times.
    pub(crate) fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn of_these<T: Copy>(&mut self, these: &[T]) -> T {
        these[self.below(these.len())]
    }

    /// From -1 to below 1.
    pub(crate) fn plain(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    }

    pub(crate) fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut all: Vec<usize> = (0..n).collect();
        (1..n).rev().for_each(|i| all.swap(i, self.below(i + 1)));
        all
    }

    /// Mostly few, up to 40.
    pub(crate) fn rows(&mut self) -> usize {
        1 + match self.below(3) {
            0 => self.below(5),
            1 => self.below(15),
            _ => self.below(40),
        }
    }

    /// Mostly few, up to 300.
    pub(crate) fn coordinates(&mut self) -> usize {
        1 + match self.below(3) {
            0 => self.below(3),
            1 => self.below(40),
            _ => self.below(300),
        }
    }

    /// A number of bad rows: what fits, what just doesn't, and what never does.
    pub(crate) fn f(&mut self, n: usize) -> usize {
        match self.below(12) {
            0 => self.of_these(&[usize::MAX, usize::MAX / 2, usize::MAX / 4, 1 << 40]),
            1 => n.saturating_sub(self.below(3)),
            2 => n.div_ceil(2),
            3 => n.saturating_sub(1) / 2,
            4 => n.saturating_sub(3) / 4,
            5 => 0,
            _ => self.below(n / 3 + 1),
        }
    }

    /// A parameter that should be an ordinary number, and often is.
    pub(crate) fn parameter(&mut self) -> f64 {
        match self.below(4) {
            0 => self.of_these(&[
                f64::NAN,
                f64::INFINITY,
                f64::NEG_INFINITY,
                -1.0,
                -0.0,
                0.0,
                5e-324,
                1e-300,
                1e300,
                f64::MAX,
                f64::MIN_POSITIVE,
            ]),
            1 => 10_f64.powi(self.below(40) as i32 - 20),
            _ => 1.0 + self.plain(),
        }
    }
}

/// Numbers of either type that something has stumbled over somewhere.
const HARD: &[f64] = &[
    0.0,
    -0.0,
    1e-6,
    -1e-6,
    1e12,
    -1e12,
    1.0,
    -1.0,
    100.01,
    5e-324,
    -5e-324,
    1e-45,
    1e-300,
    1e-38,
    3.4e38,
    -3.4e38,
    1e30,
    1e-30,
    0.1,
    16_777_217.0,
];

/// Numbers that no row may have.
const REFUSED: &[f64] = &[f64::NAN, f64::INFINITY, f64::NEG_INFINITY];

/// Rows that are hard in one of several ways; now and then one holds what no row may.
pub(crate) fn rows(draw: &mut Draw, n: usize, d: usize) -> Vec<Vec<f64>> {
    let kind = draw.below(9);
    let row = |i: usize, draw: &mut Draw| -> Vec<f64> {
        let mut value = |_| match kind {
            0 => draw.plain(),
            // One huge liar or more beside tiny honest rows.
            1 if i % 4 == 3 => 1e12 * draw.plain().signum(),
            1 => 1e-6 * draw.plain(),
            // Weights near 100 that differ by 0.01.
            2 => 100.0 + 0.01 * draw.plain(),
            3 => draw.of_these(HARD),
            // Ties everywhere.
            4 => draw.below(3) as f64 - 1.0,
            5 => 10_f64.powi(draw.below(80) as i32 - 40) * draw.plain(),
            6 => f64::from_bits(draw.bits() % 1000) * draw.plain().signum(),
            7 => 3e38 * draw.plain(),
            _ => 0.25,
        };
        (0..d).map(&mut value).collect()
    };
    let mut rows: Vec<Vec<f64>> = (0..n).map(|i| row(i, draw)).collect();
    // Copies.
    for _ in 0..if draw.once_in(3) { draw.below(n) } else { 0 } {
        let (from, to) = (draw.below(n), draw.below(n));
        rows[to] = rows[from].clone();
    }
    if draw.once_in(8) {
        for _ in 0..=draw.below(3) {
            rows[draw.below(n)][draw.below(d)] = draw.of_these(REFUSED);
        }
    }
    rows
}

/// Rows of integers, as hard.
pub(crate) fn integers(draw: &mut Draw, n: usize, d: usize) -> Vec<Vec<i32>> {
    let kind = draw.below(6);
    let value = |draw: &mut Draw| match kind {
        0 => draw.bits() as i32,
        1 => draw.of_these(&[i32::MIN, i32::MAX, 0, -1, 1]),
        2 => draw.below(3) as i32 - 1,
        3 => 1_000_000 + draw.below(100) as i32,
        4 => draw.of_these(&[i32::MIN, i32::MIN + 1]),
        _ => 7,
    };
    let mut rows: Vec<Vec<i32>> = (0..n).map(|_| (0..d).map(|_| value(draw)).collect()).collect();
    for _ in 0..if draw.once_in(3) { draw.below(n) } else { 0 } {
        let (from, to) = (draw.below(n), draw.below(n));
        rows[to] = rows[from].clone();
    }
    rows
}
