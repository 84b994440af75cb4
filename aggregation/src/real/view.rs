//! The rows a rule sees - as given, or mixed - and the two ways of passing over them: column by column, and summing up.
//!
//! How: columns are cut into segments, and segments into blocks that stay in cache. A [`Kernel`] is called with one
//! block of every row at a time. Where there is a [`Mixing`], the block's rows are mixed into scratch memory first.
//! Segments are spread over the current rayon pool; where they are and in which order their sums are added depends on n
//! and d only. So the same bits come out on any number of threads, wherever the rows are ([`super::window`]). Extra memory: a
//! block of every row per thread, and for sums a few MiB of partial ones, whatever d is.

use super::element::Real;
use super::error::Fault;
use super::point::add_weighted;
use super::spool::{Sink, Spool};
use super::table::{Table, TableError};
use super::window::{Rows, Stored, Window};
use crate::decide::{DecisionError, Mixing};
use crate::vectors::{Vectors, Work};
use rayon::prelude::*;
use std::ops::Range;

/// Columns in a block that is mixed: two blocks of twenty rows fit a second-level cache.
const MIXED_WIDTH: usize = 256;

/// Columns of a result written by one thread at a time.
const MAP_SEGMENT: usize = 1 << 14;

/// Most segments of a sum, and the least where partial sums are large.
const SEGMENTS: Range<usize> = 4..64;

/// All partial sums of a pass together take about this many numbers, unless four segments take more.
const PARTIAL_SUMS: usize = 1 << 20;

/// What is done with a block of columns of every row.
pub(crate) trait Kernel: Sync {
    /// Most columns a block has.
    const WIDTH: usize;

    /// Whether its loops are compiled for wide vectors ([`crate::vectors`]): sums gain by it, sorting networks were measured to lose.
    const WIDE: bool = true;

    /// Memory reused from block to block.
    type Scratch<E: Real>;

    /// The scratch memory for blocks of `n` rows.
    fn scratch<E: Real>(&self, n: usize) -> Self::Scratch<E>;

    /// Works on the columns from `start` on. In [`View::map`], `out` is the block's part of the result; in
    /// [`View::sum`], the totals to add to. `#[inline(always)]`, as is what its loops call ([`crate::vectors`]).
    fn block<E: Real>(&self, scratch: &mut Self::Scratch<E>, start: usize, rows: &[&[E]], out: &mut [f64]);
}

/// The rows of a table or spool, mixed or as they are, and where a result goes.
pub(crate) struct View<'t, T: Real> {
    rows: Rows<'t, T>,
    d: usize,
    mixing: Option<Mixing>,
    into: Option<&'t Sink<'t>>,
    vectors: Vectors,
}

impl<'t, T: Real> View<'t, T> {
    pub(crate) fn of(table: &Table<'t, T>) -> Self {
        Self {
            rows: Rows::Held(table.slices().to_vec()),
            d: table.d(),
            mixing: None,
            into: None,
            vectors: Vectors::here(),
        }
    }

    /// The same on other vectors.
    #[cfg(test)]
    pub(crate) fn on(self, vectors: Vectors) -> Self {
        Self { vectors, ..self }
    }

    /// Results go to the sink; [`View::map`] gives none.
    pub(crate) fn of_spool(spool: &Spool<'t, T>, into: &'t Sink<'t>) -> Self {
        Self {
            rows: Rows::Stored(Stored::of(spool.source(), spool.n())),
            d: spool.d(),
            mixing: None,
            into: Some(into),
            vectors: Vectors::here(),
        }
    }

    /// The view of `next` applied to these rows; `next.inputs()` must be [`View::n`].
    pub(crate) fn mixed(self, next: Mixing) -> Self {
        let mixing = Some(match &self.mixing {
            Some(before) => before.chained(&next),
            None => next,
        });
        Self { mixing, ..self }
    }

    /// Number of rows seen.
    pub(crate) fn n(&self) -> usize {
        self.mixing.as_ref().map_or(self.rows.n(), Mixing::outputs)
    }

    /// Number of coordinates.
    pub(crate) fn d(&self) -> usize {
        self.d
    }

    /// The rows as given, without the mixing.
    pub(crate) fn unmixed(&self) -> Self {
        self.with(self.rows.clone(), None)
    }

    /// Only the rows named, all of them below [`View::n`].
    pub(crate) fn picked(&self, rows: &[usize]) -> Self {
        match &self.mixing {
            None => self.with(self.rows.picked(rows), None),
            Some(mixing) => self.with(self.rows.clone(), Some(mixing.picked(rows))),
        }
    }

    /// Whether every value of every row given has been checked, so that a pass may leave some rows out.
    pub(crate) fn checked(&self) -> bool {
        self.rows.checked()
    }

    fn with(&self, rows: Rows<'t, T>, mixing: Option<Mixing>) -> Self {
        Self {
            rows,
            d: self.d,
            mixing,
            into: self.into,
            vectors: self.vectors,
        }
    }

    /// The weights over the rows given, for weights over the rows seen; of each length n.
    pub(crate) fn weights_given(&self, weights: &[f64]) -> Result<Vec<f64>, DecisionError> {
        match &self.mixing {
            None => Ok(weights.to_vec()),
            Some(mixing) => mixing.pull_back(weights),
        }
    }

    /// The values of every row seen at some columns, all below [`View::d`].
    pub(crate) fn at(&self, columns: &[usize]) -> Result<Vec<Vec<f64>>, Fault> {
        let rows = 0..self.rows.n();
        let given = rows.into_par_iter().map(|row| self.rows.at(row, columns));
        let given = given.collect::<Result<Vec<Vec<f64>>, _>>()?;
        let Some(mixing) = &self.mixing else { return Ok(given) };
        let mixed = mixing.terms().iter().map(|terms| {
            let terms: Vec<(f64, &[f64])> = terms.iter().map(|&(row, weight)| (weight, &given[row][..])).collect();
            let mut values = vec![0.0; columns.len()];
            add_weighted(&terms, &mut values);
            values
        });
        Ok(mixed.collect())
    }

    /// d numbers, each computed from one column; none where the view has a sink, to which they went.
    pub(crate) fn map<K: Kernel>(&self, kernel: &K) -> Result<Vec<f64>, Fault> {
        let mut values = vec![0.0; if self.into.is_some() { 0 } else { self.d }];
        match self.into {
            None => values.par_chunks_mut(MAP_SEGMENT).enumerate().try_for_each_init(
                || Worker::new(self, kernel, MAP_SEGMENT),
                |worker, (segment, out)| worker.segment(segment * MAP_SEGMENT, out),
            )?,
            Some(sink) => {
                // A column's number doesn't depend on its block, so that blocks may be as narrow as a buffer.
                let len = self.rows.room().unwrap_or(MAP_SEGMENT);
                let made = || (Worker::new(self, kernel, len), vec![0.0; len.min(self.d)]);
                let segments = (0..self.d.div_ceil(len)).into_par_iter();
                segments.try_for_each_init(made, |(worker, out), segment| {
                    let start = segment * len;
                    let out = &mut out[..len.min(self.d - start)];
                    worker.segment(start, out)?;
                    sink(start, out).map_err(|error| Fault::Write {
                        coordinate: start,
                        error,
                    })
                })?;
            }
        }
        self.rows.passed();
        Ok(values)
    }

    /// `len` sums over all columns.
    pub(crate) fn sum<K: Kernel>(&self, kernel: &K, len: usize) -> Result<Vec<f64>, Fault> {
        let blocks = self.d().div_ceil(K::WIDTH);
        let segments = (PARTIAL_SUMS / len.max(1))
            .clamp(SEGMENTS.start, SEGMENTS.end)
            .min(blocks);
        let partial = |segment: usize| {
            let mut totals = vec![0.0; len];
            let mut worker = Worker::new(self, kernel, K::WIDTH);
            let columns =
                blocks * segment / segments * K::WIDTH..self.d().min(blocks * (segment + 1) / segments * K::WIDTH);
            for start in columns.clone().step_by(worker.width) {
                worker.block(start..columns.end.min(start + worker.width), columns.end, &mut totals)?;
            }
            Ok(totals)
        };
        let parts = (0..segments).into_par_iter().map(partial);
        let parts = parts.collect::<Result<Vec<Vec<f64>>, TableError>>()?;
        let mut totals = vec![0.0; len];
        for part in parts {
            for (total, part) in totals.iter_mut().zip(part) {
                *total += part;
            }
        }
        self.rows.passed();
        Ok(totals)
    }
}

/// One thread's memory for a pass.
struct Worker<'v, T: Real, K: Kernel> {
    kernel: &'v K,
    vectors: Vectors,
    width: usize,
    window: Window<'v, T>,
    /// Empty between blocks; kept for its memory.
    parts: Vec<&'static [T]>,
    rows: Seen<'v, T, K>,
}

/// What a kernel sees of the rows in the window.
enum Seen<'v, T: Real, K: Kernel> {
    Plain {
        scratch: K::Scratch<T>,
    },
    Mixed {
        scratch: K::Scratch<f64>,
        mixing: &'v Mixing,
        given: Vec<f64>,
        made: Vec<f64>,
    },
}

impl<'v, T: Real, K: Kernel> Worker<'v, T, K> {
    /// For blocks of at most `most` columns.
    fn new(view: &'v View<'v, T>, kernel: &'v K, most: usize) -> Self {
        let (n, given) = (view.n(), view.rows.n());
        let width = most.min(if view.mixing.is_some() {
            K::WIDTH.min(MIXED_WIDTH)
        } else {
            K::WIDTH
        });
        let rows = match &view.mixing {
            None => Seen::Plain {
                scratch: kernel.scratch(n),
            },
            Some(mixing) => Seen::Mixed {
                scratch: kernel.scratch(n),
                mixing,
                given: vec![0.0; given * width],
                made: vec![0.0; n * width],
            },
        };
        Self {
            kernel,
            vectors: view.vectors,
            width,
            window: Window::new(&view.rows, width),
            parts: Vec::with_capacity(given),
            rows,
        }
    }

    /// A result's part from column `start` on.
    fn segment(&mut self, start: usize, out: &mut [f64]) -> Result<(), TableError> {
        let (end, width) = (start + out.len(), self.width);
        for (block, out) in out.chunks_mut(width).enumerate() {
            let first = start + block * width;
            self.block(first..first + out.len(), end, out)?;
        }
        Ok(())
    }

    /// One block; columns up to `end` are going to be asked for.
    fn block(&mut self, columns: Range<usize>, end: usize, out: &mut [f64]) -> Result<(), TableError> {
        let (start, len) = (columns.start, columns.len());
        self.window.cover(&columns, end)?;
        let mut rows = emptied(std::mem::take(&mut self.parts));
        self.window.parts(&columns, &mut rows);
        let block = Block {
            kernel: self.kernel,
            seen: &mut self.rows,
            width: self.width,
            start,
            len,
            rows: &rows,
            out,
        };
        if K::WIDE {
            self.vectors.run(block);
        } else {
            block.run();
        }
        self.parts = emptied(rows);
        Ok(())
    }
}

/// What a kernel does with one block.
struct Block<'b, 'v, T: Real, K: Kernel> {
    kernel: &'b K,
    seen: &'b mut Seen<'v, T, K>,
    width: usize,
    start: usize,
    len: usize,
    rows: &'b [&'b [T]],
    out: &'b mut [f64],
}

impl<T: Real, K: Kernel> Work for Block<'_, '_, T, K> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        match self.seen {
            Seen::Plain { scratch } => self.kernel.block(scratch, self.start, self.rows, self.out),
            Seen::Mixed {
                scratch,
                mixing,
                given,
                made,
            } => {
                let (width, len) = (self.width, self.len);
                for (given, row) in given.chunks_mut(width).zip(self.rows) {
                    for (given, &v) in given.iter_mut().zip(*row) {
                        *given = v.into();
                    }
                }
                let part = |i: usize| &given[i * width..i * width + len];
                let mut terms = Vec::with_capacity(self.rows.len());
                for (made, row) in made.chunks_mut(width).zip(mixing.terms()) {
                    terms.clear();
                    terms.extend(row.iter().map(|&(i, weight)| (weight, part(i))));
                    made[..len].fill(0.0);
                    add_weighted(&terms, &mut made[..len]);
                }
                let parts: Vec<&[f64]> = made.chunks(width).map(|row| &row[..len]).collect();
                self.kernel.block(scratch, self.start, &parts, self.out);
            }
        }
    }
}

/// The vector's memory, for slices that live as long as they like; the compiler turns this into nothing.
fn emptied<'b, T>(mut slices: Vec<&[T]>) -> Vec<&'b [T]> {
    slices.clear();
    slices.into_iter().map(|_| -> &'b [T] { &[] }).collect()
}
