//! The integer rows a rule sees - as given, in memory or read block by block, or made by stages - and the two ways of passing over them: column by column, and
//! summing up.
//!
//! How: columns are worked in blocks that stay in cache. For each block the rows' parts are taken as they are or, where there are
//! [`Step`]s, made from them one step after the other in memory that a thread reuses; so rows made by stages are never stored, and
//! every pass that reads them makes them again. Blocks are spread over the current rayon pool. What a pass makes of a column is
//! integers, and what it adds up are integers too: neither the width of a block nor the number of threads can show in a
//! result. Extra memory per thread: a block of every row for each step (128 KiB for up to 512 rows), and what the pass itself needs.
//!
//! It does not decide what the steps are ([`crate::Stage`]).

pub(crate) mod passes;
mod products;
mod step;

pub(crate) use products::{MAX_ADDED, scalar_products};
pub(crate) use step::Step;

use crate::rows::Rows;
use crate::spool::{Failed, Given, Spool, Window};
use rayon::prelude::*;
use std::ops::{AddAssign, Range};
use step::Scratch;

/// Columns of a result written by one thread at a time, and the most that a block has.
pub(crate) const SEGMENT: usize = 4096;

/// Columns of a block made by steps, where the rows are few and where they are many.
const MADE_WIDTH: Range<usize> = 64..512;

/// Values of a block made by one step.
const MADE_VALUES: usize = 1 << 15;

/// The rows of a table, or what steps make of them.
#[derive(Clone, Debug)]
pub(crate) struct View<'r> {
    rows: Given<'r>,
    d: usize,
    steps: Vec<Step>,
    /// Most columns in a block.
    width: usize,
}

/// One thread's memory: what it reads of the rows, and what each step makes of a block.
struct Memory {
    window: Window,
    made: Vec<Scratch>,
}

impl<'r> View<'r> {
    /// The rows as they are.
    pub(crate) fn of(rows: &Rows<'r>) -> Self {
        Self {
            rows: Given::Held(rows.slices().to_vec()),
            d: rows.d(),
            steps: Vec::new(),
            width: SEGMENT,
        }
    }

    /// The rows of a spool, and where a read's failure will be.
    pub(crate) fn of_spool(spool: &Spool<'r>) -> (Self, Failed) {
        let (rows, failed) = Given::of_spool(spool);
        let view = Self {
            rows,
            d: spool.d(),
            steps: Vec::new(),
            width: SEGMENT,
        };
        (view, failed)
    }

    /// What `step` makes of the rows seen; it takes as many as there are.
    pub(crate) fn made_by(mut self, step: Step) -> Self {
        debug_assert_eq!(step.inputs(), self.n());
        let widest = step.inputs().max(step.outputs()).max(1);
        let width = (MADE_VALUES / widest).clamp(MADE_WIDTH.start, MADE_WIDTH.end);
        self.steps.push(step);
        Self {
            width: self.width.min(width),
            ..self
        }
    }

    /// The same with at most `most` columns in a block.
    #[cfg(test)]
    pub(crate) fn in_blocks(self, most: usize) -> Self {
        Self { width: most, ..self }
    }

    /// Number of rows seen.
    pub(crate) fn n(&self) -> usize {
        self.steps.last().map_or(self.rows.n(), Step::outputs)
    }

    /// Number of coordinates.
    pub(crate) fn d(&self) -> usize {
        self.d
    }

    /// Only the rows named, all of them below [`View::n`], in the order given.
    pub(crate) fn picked(&self, rows: &[usize]) -> Self {
        let mut picked = self.clone();
        match picked.steps.last_mut() {
            Some(step) => *step = step.picked(rows),
            None => picked.rows = self.rows.picked(rows),
        }
        picked
    }

    /// What weights on the rows seen are as weights on the rows given, as far as steps don't round.
    pub(crate) fn weights_given(&self, seen: Vec<f64>) -> Vec<f64> {
        self.steps
            .iter()
            .rev()
            .fold(seen, |weights, step| step.pulled_back(&weights))
    }

    /// The values of every row seen at some columns, all below [`View::d`].
    pub(crate) fn at(&self, columns: &[usize]) -> Vec<Vec<i32>> {
        let rows = (0..self.rows.n()).into_par_iter();
        let parts: Vec<Vec<i32>> = rows.map(|row| self.rows.at(row, columns)).collect();
        let parts: Vec<&[i32]> = parts.iter().map(Vec::as_slice).collect();
        made(&self.steps, &parts, &mut self.memory().made, |rows| {
            rows.iter().map(|row| row.to_vec()).collect()
        })
    }

    /// d integers, each computed from one column: `write` gets its scratch memory, the first column, the block of every row and the
    /// block's part of the result.
    pub(crate) fn map<S>(
        &self,
        scratch: impl Fn() -> S + Sync + Send,
        write: impl Fn(&mut S, usize, &[&[i32]], &mut [i32]) + Sync + Send,
    ) -> Vec<i32> {
        let mut values = vec![0; self.d];
        let stretch = self.rows.stretch(SEGMENT);
        values.par_chunks_mut(stretch).enumerate().for_each_init(
            || (scratch(), self.memory()),
            |(scratch, memory), (segment, out)| {
                let end = segment * stretch + out.len();
                for (block, out) in out.chunks_mut(self.width).enumerate() {
                    let first = segment * stretch + block * self.width;
                    let columns = first..first + out.len();
                    self.block(columns, end, memory, |rows| write(scratch, first, rows, out));
                }
            },
        );
        values
    }

    /// `len` sums over all columns, taken in blocks of at most `width` columns: `add` gets its scratch memory, the first
    /// column, the block of every row and the sums to add to. Memory: twice `len` sums for each thread.
    pub(crate) fn sum<S, T: Copy + Default + AddAssign + Send>(
        &self,
        width: usize,
        len: usize,
        scratch: impl Fn() -> S + Sync,
        add: impl Fn(&mut S, usize, &[&[i32]], &mut [T]) + Sync,
    ) -> Vec<T> {
        let width = width.min(self.width);
        let blocks = self.d.div_ceil(width);
        let units = (2 * rayon::current_num_threads()).min(blocks);
        let sums = (0..units)
            .into_par_iter()
            .map(|unit| {
                let mut sums = vec![T::default(); len];
                let (mut scratch, mut memory) = (scratch(), self.memory());
                let (from, to) = (blocks * unit / units, blocks * (unit + 1) / units);
                for block in from..to {
                    let first = block * width;
                    let columns = first..self.d.min(first + width);
                    let end = self.d.min(to * width);
                    self.block(columns, end, &mut memory, |rows| {
                        add(&mut scratch, first, rows, &mut sums)
                    });
                }
                sums
            })
            .reduce_with(|mut total, part| {
                for (total, part) in total.iter_mut().zip(part) {
                    *total += part;
                }
                total
            });
        sums.unwrap_or_else(|| vec![T::default(); len])
    }

    fn memory(&self) -> Memory {
        Memory {
            window: Window::default(),
            made: self.steps.iter().map(|_| Scratch::default()).collect(),
        }
    }

    /// One block; columns up to `end` are going to be asked for.
    fn block<R>(&self, columns: Range<usize>, end: usize, memory: &mut Memory, then: impl FnOnce(&[&[i32]]) -> R) -> R {
        let parts = memory.window.parts(&self.rows, &columns, end);
        made(&self.steps, &parts, &mut memory.made, then)
    }
}

/// Hands on what the steps make of a block of rows.
fn made<R>(steps: &[Step], rows: &[&[i32]], scratch: &mut [Scratch], then: impl FnOnce(&[&[i32]]) -> R) -> R {
    match (steps.split_first(), scratch.split_first_mut()) {
        (Some((step, steps)), Some((own, scratch))) => made(steps, &step.make(rows, own), scratch, then),
        _ => then(rows),
    }
}
