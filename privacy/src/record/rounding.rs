//! The loop that all time goes into: multiply, round towards zero, add, square.
//!
//! Coordinates are divided among threads, never examples, so that there is one sum and no thread waits for another. Where the
//! processor has AVX2 the loop is compiled for it (`pulp` chooses when the program runs); the integers are the same without.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::blocks::Checked;
use super::norms::{Example, Measured};

/// Coordinates whose partial sums are held at once: 4 KiB.
const STRETCH: usize = 1024;
/// Examples of a partial sum; so many integers below 2^22 fit 32 bits.
const GROUP: usize = 64;
/// Coordinates times examples below which threads cost more than they save.
const ALONE: usize = 1 << 17;
/// Integers so small that [`STRETCH`] of their squares fit 32 bits.
const NARROW: f32 = 2_000.0;

/// A stretch of whole lines of one block.
struct Task<'a> {
    block: &'a Checked<'a>,
    /// The largest magnitude of each example's right factor.
    largest: &'a [f32],
    /// The first line, of the left factor or of the table.
    first: usize,
    /// Coordinates of the right factor, where a line is divided.
    from: usize,
    sum: &'a mut [i64],
}

/// Adds every fast example's integers to `sum` and gives the sum of their squares, saturating.
pub(super) fn add(sum: &mut [i64], blocks: &[Checked<'_>], measured: &Measured) -> Vec<u64> {
    let examples = &measured.examples;
    let work = sum.len().saturating_mul(examples.len());
    let tasks = match work < ALONE {
        true => 1,
        false => 4 * rayon::current_num_threads(),
    };
    let tasks = divide(sum, blocks, &measured.largest, tasks);
    let arch = Arch::new();
    let run = |task| arch.dispatch(Run { task, examples });
    let add = |mut all: Vec<u64>, part: Vec<u64>| {
        all.iter_mut()
            .zip(part)
            .for_each(|(all, part)| *all = all.saturating_add(part));
        all
    };
    let none = || vec![0; examples.len()];
    match work < ALONE {
        true => tasks.into_iter().map(run).fold(none(), add),
        false => tasks.into_par_iter().map(run).reduce(none, add),
    }
}

/// Divides all blocks into stretches of about one `parts`th of the coordinates.
fn divide<'a>(
    mut sum: &'a mut [i64],
    blocks: &'a [Checked<'a>],
    largest: &'a [Vec<f32>],
    parts: usize,
) -> Vec<Task<'a>> {
    let most = sum.len().div_ceil(parts).max(STRETCH);
    let mut tasks = Vec::new();
    for (block, largest) in blocks.iter().zip(largest) {
        let (mut own, rest) = sum.split_at_mut(block.coordinates());
        sum = rest;
        let (width, whole) = match block {
            Checked::Outer { inputs, outputs, .. } => (*inputs, *outputs > 1),
            // A table's rows are found by their names: one task.
            Checked::Rows { .. } => (own.len(), false),
        };
        let table = matches!(block, Checked::Rows { .. });
        let (mut first, mut from) = (0, 0);
        while !own.is_empty() {
            let lines = (most / width).max(1);
            let take = match (table, whole) {
                (true, _) => own.len(),
                (false, true) => (lines * width).min(own.len()),
                (false, false) => most.min(own.len()),
            };
            let (sum, after) = own.split_at_mut(take);
            tasks.push(Task {
                block,
                largest,
                first,
                from,
                sum,
            });
            match whole {
                true => first += lines,
                false => from += take,
            }
            own = after;
        }
    }
    tasks
}

struct Run<'a> {
    task: Task<'a>,
    examples: &'a [Example],
}

impl WithSimd for Run<'_> {
    type Output = Vec<u64>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Vec<u64> {
        let mut squares = vec![0u64; self.examples.len()];
        match self.task.block {
            Checked::Outer { inputs, .. } => lines(self.task, *inputs, self.examples, &mut squares),
            Checked::Rows { width, .. } => table(self.task, *width, self.examples, &mut squares),
        }
        squares
    }
}

#[inline(always)]
fn lines(task: Task<'_>, inputs: usize, examples: &[Example], squares: &mut [u64]) {
    let width = inputs.min(task.sum.len());
    let mut partial = [0i32; STRETCH];
    let mut taking = [(0, 0.0, 0.0); GROUP];
    for from in (0..examples.len()).step_by(GROUP) {
        let group = from..(from + GROUP).min(examples.len());
        for (line, sum) in task.sum.chunks_mut(width).enumerate() {
            let mut count = 0;
            for example in group.clone().filter(|&example| examples[example].fast) {
                let left = task.block.left(example)[task.first + line];
                let scale = (f64::from(left) * examples[example].scale) as f32;
                let reach = scale.abs() * task.largest[example];
                // Below 1 everything rounds to zero: units that a ReLU turned off cost nothing.
                if reach >= 1.0 {
                    taking[count] = (example, scale, reach);
                    count += 1;
                }
            }
            for (at, sum) in sum.chunks_mut(STRETCH).enumerate() {
                let partial = &mut partial[..sum.len()];
                partial.fill(0);
                for &(example, scale, reach) in &taking[..count] {
                    let right = &task.block.right(example)[task.from + at * STRETCH..][..sum.len()];
                    let square = match reach <= NARROW {
                        true => narrow(partial, right, scale),
                        false => wide(partial, right, scale),
                    };
                    squares[example] = squares[example].saturating_add(square);
                }
                for (sum, &part) in sum.iter_mut().zip(partial.iter()) {
                    *sum = sum.wrapping_add(i64::from(part));
                }
            }
        }
    }
}

#[inline(always)]
fn table(task: Task<'_>, width: usize, examples: &[Example], squares: &mut [u64]) {
    let mut integers = vec![0i32; width];
    for (example, known) in examples.iter().enumerate().filter(|(_, known)| known.fast) {
        let rows = task.block.right(example).chunks(width.max(1));
        for (&row, values) in task.block.named(example).iter().zip(rows) {
            let sum = &mut task.sum[row as usize * width..][..width];
            integers.fill(0);
            let stretches = integers.chunks_mut(STRETCH).zip(values.chunks(STRETCH));
            let square = stretches.map(|(partial, values)| wide(partial, values, known.scale as f32));
            squares[example] = square.fold(squares[example], u64::saturating_add);
            for (sum, &integer) in sum.iter_mut().zip(&integers) {
                *sum = sum.wrapping_add(i64::from(integer));
            }
        }
    }
}

/// Adds `values * scale`, rounded towards zero, and gives the sum of squares. For integers of at most [`NARROW`] and at most
/// [`STRETCH`] of them.
#[inline(always)]
fn narrow(partial: &mut [i32], values: &[f32], scale: f32) -> u64 {
    let mut squares = 0u32;
    for (sum, value) in partial.iter_mut().zip(values) {
        let integer = towards_zero(value * scale);
        *sum = sum.wrapping_add(integer);
        squares = squares.wrapping_add(integer.wrapping_mul(integer) as u32);
    }
    squares.into()
}

/// As [`narrow`], for integers below 2^22.
#[inline(always)]
fn wide(partial: &mut [i32], values: &[f32], scale: f32) -> u64 {
    let mut squares = 0i64;
    for (sum, value) in partial.iter_mut().zip(values) {
        let integer = towards_zero(value * scale);
        *sum = sum.wrapping_add(integer);
        squares = squares.wrapping_add(i64::from(integer).wrapping_mul(integer.into()));
    }
    squares as u64
}

/// The integer part of a number below 2^22. Added to 1.5 * 2^23, a whole number stands in the last bits of the sum, in two's complement;
/// a cast would do the same, but compilers don't vectorise one that has to saturate.
#[inline(always)]
fn towards_zero(value: f32) -> i32 {
    const MIDDLE: f32 = 12_582_912.0;
    (value.trunc() + MIDDLE).to_bits().wrapping_sub(MIDDLE.to_bits()) as i32
}
