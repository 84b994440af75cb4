//! Many examples at once, in the form in which layers have their gradients.
//!
//! A dense layer's gradient for one example is an outer product, an embedding's has a few rows that aren't zero: written out, a
//! batch of them is the batch times `d` numbers, of which nothing is needed but the clipped, rounded sum. So:
//!
//! 1. every example's norm comes from its factors (`|l r^T| = |l| |r|`, Goodfellow 2015), and the clip factor from that;
//! 2. each coordinate is computed, multiplied by the factor, rounded towards zero and added to the sum in one go, all examples in
//!    turn for a stretch of coordinates that stays in the cache;
//! 3. on the way the integers' squares are summed, and `sum u^2 <= clip_steps^2` is checked exactly for every example. Whichever fails
//!    (floating-point error) is taken out again, integer by integer, and goes the way of [`RecordSum::add_example`].
//!
//! **Guarantees.** The sum is one of integer vectors, each a function of its own example and none longer than `clip_steps`: the same
//! sensitivity as adding examples one by one. It doesn't depend on the number of threads, nor on how examples are divided
//! among calls. A coordinate may differ by one step from [`RecordSum::add_example`]'s, since a product of factors is rounded in `f32`
//! before the grid.
//!
//! **Memory**: nothing of the size of the batch times `d`; one example's gradient where step 3 fails.
//!
//! # References
//! I. Goodfellow: *Efficient Per-Example Gradient Computations*, 2015. X. Li et al.: *Large Language Models Can Be Strong
//! Differentially Private Learners* (ghost clipping), ICLR 2022.

use thiserror::Error;

use super::norms::{Example, measure};
use super::rounding::add;
use super::{RecordError, RecordSum};

/// Some neighbouring coordinates of the gradients of several examples, in model units. The blocks of a call, one after the other, make
/// up all `d` coordinates.
#[derive(Clone, Copy)]
pub enum Block<'a> {
    /// Written out: example after example, as many numbers for each.
    Full {
        /// `[examples, width]`, row-major.
        values: &'a [f32],
    },
    /// Outer products: coordinate `o * inputs + i` of an example is `left[o] * right[i]`.
    Outer {
        /// `[examples, outputs]`, row-major.
        left: &'a [f32],
        /// `[examples, inputs]`, row-major.
        right: &'a [f32],
    },
    /// A table of which each example names some rows; all others are zero. A row named twice takes the sum.
    Rows {
        /// Rows of the table.
        rows: usize,
        /// Coordinates of a row.
        width: usize,
        /// `[examples, places]`, row-major: numbers of rows, each below `rows`.
        named: &'a [u32],
        /// `[examples, places, width]`, row-major.
        values: &'a [f32],
    },
}

/// Blocks that don't fit each other or the mechanism.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BlockError {
    /// Not as many numbers for one example as for another, or none.
    #[error("block {block} has {got} numbers, expected a multiple of its {examples} examples")]
    Uneven {
        /// Which block, from 0.
        block: usize,
        /// Its numbers.
        got: usize,
        /// Examples of the call.
        examples: usize,
    },
    /// A table's values aren't `width` for each row that is named.
    #[error("block {block} has {got} values for the rows it names, expected {expected}")]
    Values {
        /// Which block, from 0.
        block: usize,
        /// Its values.
        got: usize,
        /// Rows named times the width.
        expected: usize,
    },
    /// A row that isn't in the table.
    #[error("block {block} names row {got}, expected below {rows}")]
    Row {
        /// Which block, from 0.
        block: usize,
        /// The row.
        got: u32,
        /// Rows of the table.
        rows: usize,
    },
    /// The blocks together have another number of coordinates.
    #[error("blocks have {got} coordinates, expected {expected}")]
    Dimension {
        /// Their coordinates; saturates.
        got: usize,
        /// The mechanism's dimension.
        expected: usize,
    },
}

/// A block whose sizes fit, and whose rows are named once for each example.
pub(super) enum Checked<'a> {
    Outer {
        left: &'a [f32],
        right: &'a [f32],
        outputs: usize,
        inputs: usize,
    },
    Rows {
        width: usize,
        rows: usize,
        /// Where the rows of each example begin in `named`, and where the last one's end.
        starts: Vec<usize>,
        named: Vec<u32>,
        values: Vec<f32>,
    },
}

impl RecordSum {
    /// Adds the gradients of `examples` examples.
    ///
    /// # Errors
    /// The blocks' sizes don't fit, or the batch can't take so many: the sum is as before.
    pub fn add_batch(&mut self, examples: usize, blocks: &[Block<'_>]) -> Result<(), RecordError> {
        let batch = self.mechanism.most_examples();
        if examples > (batch - self.added) as usize {
            return Err(RecordError::Full { batch });
        }
        if examples == 0 {
            return Ok(());
        }
        // The length is at most 2^31 + 1.
        let dimension = self.mechanism.dimension() as usize;
        let blocks = check(examples, blocks, dimension)?;
        let Some(mut measured) = measure(examples, &blocks, &self.mechanism) else {
            // Some gradient isn't finite: one by one, each for what it is.
            return self.add_one_by_one(0..examples, &blocks);
        };
        let bound = u64::from(self.mechanism.clip_steps()).pow(2);
        let squares = add(&mut self.sum[..dimension], &blocks, &measured);
        let one = i64::from(self.mechanism.count_steps());
        let mut apart = Vec::new();
        for (number, (example, &square)) in measured.examples.iter_mut().zip(&squares).enumerate() {
            match example.fast && square <= bound {
                true => {
                    self.added += 1;
                    if let Some(count) = self.sum.get_mut(dimension) {
                        *count += if example.within { one } else { -one };
                    }
                    *example = Example::NOTHING;
                }
                false => {
                    apart.push(number);
                    // Rounding towards zero is odd: the same integers with the other sign.
                    example.scale = -example.scale;
                }
            }
        }
        if apart.is_empty() {
            return Ok(());
        }
        add(&mut self.sum[..dimension], &blocks, &measured);
        self.add_one_by_one(apart, &blocks)
    }

    fn add_one_by_one(
        &mut self,
        numbers: impl IntoIterator<Item = usize>,
        blocks: &[Checked<'_>],
    ) -> Result<(), RecordError> {
        // The dimension is at most 2^31.
        let mut gradient = vec![0.0; self.mechanism.dimension() as usize];
        for number in numbers {
            gradient.fill(0.0);
            blocks
                .iter()
                .fold(gradient.as_mut_slice(), |rest, block| block.write(number, rest));
            self.add_example(&gradient)?;
        }
        Ok(())
    }
}

/// The blocks with their sizes checked; written-out ones are outer products with a single 1 on the left.
fn check<'a>(examples: usize, blocks: &[Block<'a>], expected: usize) -> Result<Vec<Checked<'a>>, BlockError> {
    let mut checked = Vec::with_capacity(blocks.len());
    let mut got = 0usize;
    for (block, given) in blocks.iter().enumerate() {
        let share = |len: usize| match len.checked_rem(examples) {
            Some(0) => Ok(len / examples),
            _ => Err(BlockError::Uneven {
                block,
                got: len,
                examples,
            }),
        };
        let own = match *given {
            Block::Full { values } => Checked::Outer {
                left: &[],
                right: values,
                outputs: 1,
                inputs: share(values.len())?,
            },
            Block::Outer { left, right } => Checked::Outer {
                left,
                right,
                outputs: share(left.len())?,
                inputs: share(right.len())?,
            },
            Block::Rows {
                rows,
                width,
                named,
                values,
            } => {
                let places = share(named.len())?;
                let expected = named.len().saturating_mul(width);
                if values.len() != expected {
                    return Err(BlockError::Values {
                        block,
                        got: values.len(),
                        expected,
                    });
                }
                if let Some(&got) = named.iter().find(|&&row| row as usize >= rows) {
                    return Err(BlockError::Row { block, got, rows });
                }
                merge(examples, places, rows, width, named, values)
            }
        };
        got = got.saturating_add(own.coordinates());
        checked.push(own);
    }
    match got == expected {
        true => Ok(checked),
        false => Err(BlockError::Dimension { got, expected }),
    }
}

/// Sums what an example says of one row, so that the row is rounded once.
fn merge<'a>(examples: usize, places: usize, rows: usize, width: usize, named: &[u32], values: &[f32]) -> Checked<'a> {
    let mut starts = vec![0];
    let mut once = Vec::with_capacity(named.len());
    let mut sums: Vec<f32> = Vec::with_capacity(values.len());
    for example in 0..examples {
        let mut order: Vec<usize> = (example * places..(example + 1) * places).collect();
        order.sort_by_key(|&place| named[place]);
        let begin = once.len();
        for place in order {
            let own = &values[place * width..(place + 1) * width];
            match once[begin..].last() == Some(&named[place]) {
                true => {
                    let last = sums.len() - width;
                    sums[last..].iter_mut().zip(own).for_each(|(sum, value)| *sum += value);
                }
                false => {
                    once.push(named[place]);
                    sums.extend_from_slice(own);
                }
            }
        }
        starts.push(once.len());
    }
    Checked::Rows {
        width,
        rows,
        starts,
        named: once,
        values: sums,
    }
}

impl Checked<'_> {
    /// How many coordinates it covers; saturates.
    pub(super) fn coordinates(&self) -> usize {
        match self {
            Self::Outer { outputs, inputs, .. } => outputs.saturating_mul(*inputs),
            Self::Rows { rows, width, .. } => rows.saturating_mul(*width),
        }
    }

    /// An example's part of the left factor; 1 for what is written out.
    pub(super) fn left(&self, example: usize) -> &[f32] {
        match self {
            Self::Outer { left: [], .. } => &[1.0],
            Self::Outer { left, outputs, .. } => &left[example * outputs..(example + 1) * outputs],
            Self::Rows { .. } => &[1.0],
        }
    }

    /// An example's part of the right factor, or its rows one after the other.
    pub(super) fn right(&self, example: usize) -> &[f32] {
        match self {
            Self::Outer { right, inputs, .. } => &right[example * inputs..(example + 1) * inputs],
            Self::Rows {
                width, starts, values, ..
            } => &values[starts[example] * width..starts[example + 1] * width],
        }
    }

    /// Which rows of a table [`Checked::right`] is about.
    pub(super) fn named(&self, example: usize) -> &[u32] {
        match self {
            Self::Outer { .. } => &[],
            Self::Rows { starts, named, .. } => &named[starts[example]..starts[example + 1]],
        }
    }

    /// Writes one example's gradient into space that holds zeros, and gives the rest of the space.
    fn write<'s>(&self, example: usize, space: &'s mut [f32]) -> &'s mut [f32] {
        let (own, rest) = space.split_at_mut(self.coordinates());
        let right = self.right(example);
        match self {
            Self::Outer { inputs, .. } => {
                for (line, l) in own.chunks_mut((*inputs).max(1)).zip(self.left(example)) {
                    line.iter_mut().zip(right).for_each(|(value, r)| *value = l * r);
                }
            }
            Self::Rows { width, .. } => {
                for (&row, values) in self.named(example).iter().zip(right.chunks((*width).max(1))) {
                    own[row as usize * width..][..*width].copy_from_slice(values);
                }
            }
        }
        rest
    }
}

#[cfg(test)]
mod tests;
