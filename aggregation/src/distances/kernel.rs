//! One block of columns: the inner loops of the distances.
//!
//! **Near rows.** Each value is moved to u = v + 2^31, which changes no difference. In arithmetic modulo 2^64, |u|^2 + |w|^2 - 2uw is
//! then the block's squared distance *modulo 2^64*, whatever overflows on the way, and so the squared distance itself where
//! that is below 2^64. It is: values of both rows within [-2^27, 2^27) differ by less than 2^28, and 256 * 2^56 = 2^64. This
//! is one 32 x 32 -> 64 bit multiplication and one addition per pair and column, which vector units have.
//!
//! **Far rows.** Where a row has a larger value in the block, its pairs are summed from the differences themselves: each difference
//! is below 2^32, its square below 2^64, and 256 low halves and 256 high halves are summed apart. A hostile row slows its own pairs only.

use crate::vectors::{Vectors, Work};

/// Columns in a block.
pub(super) const WIDTH: usize = 256;

/// Values within [-2^NEAR_BITS, 2^NEAR_BITS) can be summed modulo 2^64.
const NEAR_BITS: u32 = 27;

/// Second rows taken against one first row at a time, so that the first is loaded once for all.
const TILE: usize = 4;

/// A row's part in the block, each value moved to 0..2^32; columns past the block's end are equal in all rows.
type Moved = [u64; WIDTH];

/// Scratch for the n rows of a block.
pub(super) struct Block {
    moved: Vec<Moved>,
    /// Squared norm of each row's part modulo 2^64.
    norms: Vec<u64>,
    near: Vec<bool>,
    vectors: Vectors,
}

impl Block {
    pub(super) fn new(n: usize) -> Self {
        Self {
            moved: vec![[0; WIDTH]; n],
            norms: vec![0; n],
            near: vec![false; n],
            vectors: Vectors::here(),
        }
    }

    /// The same on other vectors.
    #[cfg(test)]
    pub(super) fn on(self, vectors: Vectors) -> Self {
        Self { vectors, ..self }
    }

    /// Adds the squared distances of the n rows' block, at most [`WIDTH`] columns, to `upper`: pairs (i, j), i < j, in order.
    pub(super) fn add(&mut self, rows: &[&[i32]], upper: &mut [u128]) {
        self.vectors.run(Adding {
            block: self,
            rows,
            upper,
        });
    }

    #[inline(always)]
    fn load(&mut self, rows: &[&[i32]]) {
        for (i, &part) in rows.iter().enumerate() {
            let moved = &mut self.moved[i];
            for (moved, &v) in moved.iter_mut().zip(part) {
                *moved = u64::from(v as u32 ^ 0x8000_0000);
            }
            moved[part.len()..].fill(0);
            self.near[i] = magnitude_bits(part) <= NEAR_BITS;
            self.norms[i] = products(&self.moved[i], [&self.moved[i]])[0];
        }
    }

    #[inline(always)]
    fn add_distances(&self, upper: &mut [u128]) {
        let mut rest = upper;
        for i in 0..self.moved.len() {
            let (totals, after) = rest.split_at_mut(self.moved.len() - i - 1);
            rest = after;
            for (tile, totals) in totals.chunks_mut(TILE).enumerate() {
                let first = i + 1 + tile * TILE;
                match self.moved[first..].first_chunk::<TILE>() {
                    Some(others) => self.add_tile(i, first, products(&self.moved[i], others.each_ref()), totals),
                    None => {
                        for (j, total) in (first..).zip(totals) {
                            let product = products(&self.moved[i], [&self.moved[j]]);
                            self.add_tile(i, j, product, std::slice::from_mut(total));
                        }
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn add_tile<const N: usize>(&self, i: usize, first: usize, products: [u64; N], totals: &mut [u128]) {
        for ((j, product), total) in (first..).zip(products).zip(totals) {
            *total += if self.near[i] && self.near[j] {
                let norms = self.norms[i].wrapping_add(self.norms[j]);
                u128::from(norms.wrapping_sub(product.wrapping_mul(2)))
            } else {
                far_distance(&self.moved[i], &self.moved[j])
            };
        }
    }
}

/// One block's rows, and the sums they go to.
struct Adding<'b> {
    block: &'b mut Block,
    rows: &'b [&'b [i32]],
    upper: &'b mut [u128],
}

impl Work for Adding<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        self.block.load(self.rows);
        self.block.add_distances(self.upper);
    }
}

/// Scalar products of `a` with each of `others`, modulo 2^64.
#[inline(always)]
fn products<const N: usize>(a: &Moved, others: [&Moved; N]) -> [u64; N] {
    // The masks state that both factors have 32 bits, which selects the vector instruction for it.
    const LOW: u64 = 0xffff_ffff;
    let mut sums = [0_u64; N];
    for (column, a) in a.iter().enumerate() {
        // Not zipped: N is small, and a zip is a call where the compiler does not look across its own units.
        for (tile, sum) in sums.iter_mut().enumerate() {
            *sum = sum.wrapping_add((a & LOW).wrapping_mul(others[tile][column] & LOW));
        }
    }
    sums
}

#[inline(always)]
fn far_distance(a: &Moved, b: &Moved) -> u128 {
    let (mut low, mut high) = (0_u64, 0_u64);
    for (&a, &b) in a.iter().zip(b) {
        let difference = (a as i64).wrapping_sub(b as i64).unsigned_abs() & 0xffff_ffff;
        let square = difference.wrapping_mul(difference);
        low = low.wrapping_add(square & 0xffff_ffff);
        high = high.wrapping_add(square >> 32);
    }
    (u128::from(high) << 32) + u128::from(low)
}

/// The least b such that every value lies in [-2^b, 2^b).
#[inline(always)]
fn magnitude_bits(part: &[i32]) -> u32 {
    let spread = part.iter().fold(0, |spread, &v| spread | (v ^ (v >> 31)));
    u32::BITS - spread.leading_zeros()
}

/// The exact scalar product of two parts of at most [`WIDTH`] values.
pub(super) fn dot(a: &[i32], b: &[i32]) -> i128 {
    if magnitude_bits(a) + magnitude_bits(b) <= 2 * NEAR_BITS {
        // Each product is at most 2^54 in absolute value, 256 of them at most 2^62.
        let sum = a.iter().zip(b).fold(0_i64, |sum, (&a, &b)| {
            sum.wrapping_add(i64::from(a).wrapping_mul(i64::from(b)))
        });
        i128::from(sum)
    } else {
        a.iter()
            .zip(b)
            .map(|(&a, &b)| i128::from(i64::from(a) * i64::from(b)))
            .sum()
    }
}
