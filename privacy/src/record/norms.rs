//! Norms of examples' gradients from their factors, and what to multiply each by.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::blocks::Checked;
use crate::mechanism::Mechanism;

/// Clip norms of at most so many steps are rounded from `f32`, whose integers are exact up to 2^24.
const MOST_STEPS: u32 = (1 << 22) - 1;

/// What a clipped example is shortened by, so that rounding errors of `f32` products don't carry it past its bound.
const MARGIN: f64 = 1.0 - 1.0 / (1 << 22) as f64;

/// Numbers below which threads cost more than they save.
const ALONE: usize = 1 << 17;

/// How one example enters the sum.
#[derive(Clone, Copy)]
pub(super) struct Example {
    /// What its gradient is multiplied by, from model units to grid steps.
    pub(super) scale: f64,
    /// Whether its factors can be multiplied and rounded in `f32`: no product passes the clip norm or leaves the range of floats.
    pub(super) fast: bool,
    /// Whether it is within the clip norm as it is.
    pub(super) within: bool,
}

impl Example {
    /// Adds nothing.
    pub(super) const NOTHING: Self = Self {
        scale: 0.0,
        fast: false,
        within: false,
    };
}

/// Every example's scale, and what it took to find it.
pub(super) struct Measured {
    pub(super) examples: Vec<Example>,
    /// For each block, the largest magnitude of every example's right factor.
    pub(super) largest: Vec<Vec<f32>>,
}

/// Measures all examples, on several threads where that is worth it; none where some gradient isn't finite.
pub(super) fn measure(examples: usize, blocks: &[Checked<'_>], mechanism: &Mechanism) -> Option<Measured> {
    let arch = Arch::new();
    let numbers = |block: &Checked<'_>| block.left(0).len().saturating_add(block.right(0).len());
    let sizes = |example| arch.dispatch(Sizes { example, blocks });
    let sizes: Vec<Vec<[Size; 2]>> = match blocks.iter().map(numbers).sum::<usize>().saturating_mul(examples) < ALONE {
        true => (0..examples).map(sizes).collect(),
        false => (0..examples).into_par_iter().map(sizes).collect(),
    };
    let mut measured = Measured {
        examples: Vec::with_capacity(examples),
        largest: vec![Vec::with_capacity(examples); blocks.len()],
    };
    for sizes in &sizes {
        if !sizes.iter().all(|[left, right]| left.product_is_finite(right)) {
            return None;
        }
        measured.examples.push(enter(sizes, mechanism));
        for (largest, [_, right]) in measured.largest.iter_mut().zip(sizes) {
            largest.push(right.largest);
        }
    }
    Some(measured)
}

/// How an example with factors of these sizes enters.
fn enter(sizes: &[[Size; 2]], mechanism: &Mechanism) -> Example {
    let steps = mechanism.clip_steps();
    let step = mechanism.grid().step();
    let bound = mechanism.grid().real(steps.into());
    let norm = sizes
        .iter()
        .map(|[left, right]| left.squares * right.squares)
        .sum::<f64>()
        .sqrt();
    let scale = if norm > bound * MARGIN {
        bound / norm * MARGIN / step
    } else {
        1.0 / step
    };
    let fast = steps <= MOST_STEPS
        && sizes.iter().all(|[left, right]| {
            // Multiplication of floats is monotone, so that no product is above this one.
            let largest = (f64::from(left.largest) * scale) as f32;
            let reach = largest * right.largest;
            reach < 1.0 || (reach <= steps as f32 && (1e-30..1e30).contains(&largest) && right.largest < 1e30)
        });
    Example {
        scale,
        fast,
        within: norm <= bound,
    }
}

/// The sizes of one example's factors, block by block.
struct Sizes<'a> {
    example: usize,
    blocks: &'a [Checked<'a>],
}

impl WithSimd for Sizes<'_> {
    type Output = Vec<[Size; 2]>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Self::Output {
        let mut sizes = Vec::with_capacity(self.blocks.len());
        for block in self.blocks {
            sizes.push([Size::of(block.left(self.example)), Size::of(block.right(self.example))]);
        }
        sizes
    }
}

/// How large the numbers of one factor are.
struct Size {
    squares: f64,
    largest: f32,
}

impl Size {
    #[inline(always)]
    fn of(values: &[f32]) -> Self {
        // Lanes of their own, so that the order of additions is fixed and short.
        let mut squares = [0.0f64; 8];
        let mut largest = [0.0f32; 8];
        let (lines, rest) = values.as_chunks::<8>();
        for line in lines {
            for i in 0..8 {
                squares[i] += f64::from(line[i]) * f64::from(line[i]);
                largest[i] = largest[i].max(line[i].abs());
            }
        }
        let all = |start: f64, value: &f32| start + f64::from(*value) * f64::from(*value);
        Self {
            squares: rest.iter().fold(squares.iter().sum(), all),
            largest: rest
                .iter()
                .fold(0.0, |most, value| value.abs().max(most))
                .max(largest.into_iter().fold(0.0, f32::max)),
        }
    }

    /// Squares of `f32` stay below 1e77, so that only a number that isn't finite makes their sum so.
    fn product_is_finite(&self, other: &Self) -> bool {
        let finite = self.squares.is_finite() && other.squares.is_finite();
        finite && (self.largest * other.largest).is_finite()
    }
}
