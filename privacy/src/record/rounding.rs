//! The loop that all time goes into: multiply, round towards zero, add, square.
//!
//! Coordinates are divided among threads, never examples, so that there is one sum and no thread waits for another. Where the
//! processor has AVX2 the loop is compiled for it (`pulp` chooses when the program runs); the integers are the same without.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::blocks::Checked;
use super::norms::Example;

/// Coordinates whose partial sums are held at once: 4 KiB.
const STRETCH: usize = 1024;
/// Examples of a partial sum; so many integers of at most 2^22 fit 32 bits.
const GROUP: usize = 64;
/// Coordinates times examples below which threads cost more than they save.
const ALONE: usize = 1 << 17;
/// Integers so small that [`STRETCH`] / 8 of their squares fit 32 bits.
const NARROW: f32 = 5_000.0;

/// A stretch of whole lines of one block.
struct Task<'a> {
    block: &'a Checked<'a>,
    /// The first line, of the left factor or of the table.
    first: usize,
    /// Coordinates of the right factor, where a line is divided.
    from: usize,
    sum: &'a mut [i64],
}

/// Adds every fast example's integers to `sum` and gives the sum of their squares, saturating.
pub(super) fn add(sum: &mut [i64], blocks: &[Checked<'_>], examples: &[Example]) -> Vec<u64> {
    let work = sum.len().saturating_mul(examples.len());
    let tasks = match work < ALONE {
        true => 1,
        false => 4 * rayon::current_num_threads(),
    };
    let tasks = divide(sum, blocks, tasks);
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
fn divide<'a>(mut sum: &'a mut [i64], blocks: &'a [Checked<'a>], parts: usize) -> Vec<Task<'a>> {
    let most = sum.len().div_ceil(parts).max(STRETCH);
    let mut tasks = Vec::new();
    for block in blocks {
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
    for from in (0..examples.len()).step_by(GROUP) {
        let group = from..(from + GROUP).min(examples.len());
        // Each example's factors and the largest of the right one, for leaving out lines that round to zero.
        let rights = group
            .clone()
            .map(|example| &task.block.right(example)[task.from..][..width]);
        let rights: Vec<(&[f32], f32)> = rights.map(|right| (right, largest(right))).collect();
        for (line, sum) in task.sum.chunks_mut(width).enumerate() {
            let scales = group.clone().zip(&rights).map(|(example, (right, largest))| {
                let known = &examples[example];
                let scale = match known.fast {
                    true => (f64::from(task.block.left(example)[task.first + line]) * known.scale) as f32,
                    false => 0.0,
                };
                (example, *right, scale, scale.abs() * largest)
            });
            let scales: Vec<_> = scales.filter(|(_, _, _, reach)| *reach >= 1.0).collect();
            for (at, sum) in sum.chunks_mut(STRETCH).enumerate() {
                let partial = &mut partial[..sum.len()];
                partial.fill(0);
                for &(example, right, scale, reach) in &scales {
                    let right = &right[at * STRETCH..][..sum.len()];
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

#[inline(always)]
fn largest(values: &[f32]) -> f32 {
    let mut most = [0.0f32; 8];
    let (lines, rest) = values.as_chunks::<8>();
    for line in lines {
        for i in 0..8 {
            most[i] = most[i].max(line[i].abs());
        }
    }
    rest.iter()
        .fold(0.0, |most: f32, value| most.max(value.abs()))
        .max(most.into_iter().fold(0.0, f32::max))
}

/// Adds `values * scale`, rounded towards zero, and gives the sum of squares. For integers of at most [`NARROW`] and at most
/// [`STRETCH`] of them.
#[inline(always)]
fn narrow(partial: &mut [i32], values: &[f32], scale: f32) -> u64 {
    let mut squares = [0u32; 8];
    let (lines, rest) = partial.as_chunks_mut::<8>();
    let (value_lines, value_rest) = values.as_chunks::<8>();
    for (line, values) in lines.iter_mut().zip(value_lines) {
        for i in 0..8 {
            let integer = (values[i] * scale) as i32;
            line[i] = line[i].wrapping_add(integer);
            squares[i] = squares[i].wrapping_add(integer.wrapping_mul(integer) as u32);
        }
    }
    let rest = end(rest, value_rest, scale);
    squares
        .iter()
        .fold(rest, |sum, &square| sum.wrapping_add(square.into()))
}

/// As [`narrow`], for integers of at most 2^22.
#[inline(always)]
fn wide(partial: &mut [i32], values: &[f32], scale: f32) -> u64 {
    let mut squares = [0i64; 8];
    let (lines, rest) = partial.as_chunks_mut::<8>();
    let (value_lines, value_rest) = values.as_chunks::<8>();
    for (line, values) in lines.iter_mut().zip(value_lines) {
        for i in 0..8 {
            let integer = (values[i] * scale) as i32;
            line[i] = line[i].wrapping_add(integer);
            squares[i] = squares[i].wrapping_add(i64::from(integer).wrapping_mul(integer.into()));
        }
    }
    let rest = end(rest, value_rest, scale);
    squares
        .iter()
        .fold(rest, |sum, &square| sum.wrapping_add(square as u64))
}

/// The last few.
#[inline(always)]
fn end(partial: &mut [i32], values: &[f32], scale: f32) -> u64 {
    let mut squares = 0u64;
    for (sum, value) in partial.iter_mut().zip(values) {
        let integer = (value * scale) as i32;
        *sum = sum.wrapping_add(integer);
        squares = squares.wrapping_add(u64::from(integer.unsigned_abs()).pow(2));
    }
    squares
}
