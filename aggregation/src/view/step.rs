//! What one stage does to a block of rows, once it is decided: each row made is one row scaled, or the floored mean of several.
//!
//! - Scaled: v becomes v * w / 2^30 towards zero, with a weight w of at most 2^30; w = 2^30 changes nothing. |v| * w is at most 2^61.
//! - Mean: floor(sum / count) towards negative infinity, exactly ([`FloorMean`]). Where more than half of the rows are in it, the rows
//!   left out are subtracted from the sum of all, which is the same integer for less work.

use crate::decide::weights::GRID;
use crate::floor::FloorMean;

/// How one row is made of the rows before the step.
#[derive(Clone, Debug)]
enum Row {
    Scaled {
        of: usize,
        weight: u32,
    },
    Mean {
        of: Vec<usize>,
        /// All other rows, where these are fewer.
        left_out: Option<Vec<usize>>,
        floor: FloorMean,
    },
}

/// How every row is made of the rows before the step.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    inputs: usize,
    rows: Vec<Row>,
}

/// A thread's memory for one step.
#[derive(Default)]
pub(super) struct Scratch {
    made: Vec<i32>,
    sums: Vec<i64>,
    of_all: Vec<i64>,
}

impl Step {
    /// Every row scaled by its weight, which is at most 2^30 and counts 2^-30.
    pub(crate) fn scaling(weights: &[u32]) -> Self {
        let scaled = |(of, &weight): (usize, &u32)| Row::Scaled {
            of,
            weight: weight.min(GRID),
        };
        Self {
            inputs: weights.len(),
            rows: weights.iter().enumerate().map(scaled).collect(),
        }
    }

    /// A mean for each set of the `inputs` rows, each row of a set below `inputs` and named once. `None` where a set is empty or
    /// larger than a table.
    pub(crate) fn means(inputs: usize, sets: Vec<Vec<usize>>) -> Option<Self> {
        let mean = |of: Vec<usize>| {
            let floor = FloorMean::of(of.len())?;
            let left_out = (2 * of.len() > inputs).then(|| {
                let mut left = vec![true; inputs];
                of.iter().for_each(|&row| left[row] = false);
                (0..inputs).filter(|&row| left[row]).collect()
            });
            Some(Row::Mean { of, left_out, floor })
        };
        let rows = sets.into_iter().map(mean).collect::<Option<Vec<_>>>()?;
        Some(Self { inputs, rows })
    }

    /// Rows taken.
    pub(crate) fn inputs(&self) -> usize {
        self.inputs
    }

    /// Rows made.
    pub(crate) fn outputs(&self) -> usize {
        self.rows.len()
    }

    /// Only the rows named of those made.
    pub(super) fn picked(&self, rows: &[usize]) -> Self {
        Self {
            inputs: self.inputs,
            rows: rows.iter().map(|&row| self.rows[row].clone()).collect(),
        }
    }

    /// Weights on the rows made as weights on the rows taken, without the rounding.
    pub(super) fn pulled_back(&self, weights: &[f64]) -> Vec<f64> {
        let mut before = vec![0.0; self.inputs];
        for (row, weight) in self.rows.iter().zip(weights) {
            match row {
                Row::Scaled { of, weight: factor } => before[*of] += weight * (f64::from(*factor) / f64::from(GRID)),
                Row::Mean { of, .. } => {
                    let share = weight / of.len() as f64;
                    of.iter().for_each(|&row| before[row] += share);
                }
            }
        }
        before
    }

    /// The rows made of a block of the rows taken, all of one length.
    pub(super) fn make<'s>(&self, rows: &[&[i32]], scratch: &'s mut Scratch) -> Vec<&'s [i32]> {
        let len = rows.first().map_or(0, |row| row.len());
        let Scratch { made, sums, of_all } = scratch;
        made.resize(self.rows.len() * len, 0);
        of_all.clear();
        let subtracts = |row: &Row| matches!(row, Row::Mean { left_out: Some(_), .. });
        if self.rows.iter().any(subtracts) {
            of_all.resize(len, 0);
            rows.iter().for_each(|row| add(of_all, row));
        }
        for (row, out) in self.rows.iter().zip(made.chunks_mut(len.max(1))) {
            match row {
                Row::Scaled { of, weight } => scale(rows[*of], *weight, out),
                Row::Mean { of, left_out, floor } => {
                    sums.clear();
                    match left_out {
                        Some(left_out) => {
                            sums.extend_from_slice(of_all);
                            left_out.iter().for_each(|&row| subtract(sums, rows[row]));
                        }
                        None => {
                            sums.resize(len, 0);
                            of.iter().for_each(|&row| add(sums, rows[row]));
                        }
                    }
                    for (out, &sum) in out.iter_mut().zip(&*sums) {
                        *out = floor.floor(sum);
                    }
                }
            }
        }
        made.chunks(len.max(1)).collect()
    }
}

/// Sums of at most 2^16 values of 32 bits never wrap.
fn add(sums: &mut [i64], row: &[i32]) {
    for (sum, &v) in sums.iter_mut().zip(row) {
        *sum = sum.wrapping_add(i64::from(v));
    }
}

fn subtract(sums: &mut [i64], row: &[i32]) {
    for (sum, &v) in sums.iter_mut().zip(row) {
        *sum = sum.wrapping_sub(i64::from(v));
    }
}

fn scale(row: &[i32], weight: u32, out: &mut [i32]) {
    if weight == GRID {
        return out.copy_from_slice(row);
    }
    for (out, &v) in out.iter_mut().zip(row) {
        let magnitude = u64::from(v.unsigned_abs()).wrapping_mul(u64::from(weight)) >> 30;
        let sign = v >> 31;
        // Negates where the sign is -1: all bits flipped, less -1.
        *out = (magnitude as i32 ^ sign).wrapping_sub(sign);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::{floored, hostile, table};
    use proptest::prelude::*;

    #[test]
    fn scaling_rounds_towards_zero() {
        let row = [i32::MIN, i32::MAX, -3, 3, -1, 1, 0];
        let mut out = [0; 7];
        scale(&row, GRID, &mut out);
        assert_eq!(out, row);
        scale(&row, GRID / 2, &mut out);
        assert_eq!(out, [-(1 << 30), (1 << 30) - 1, -1, 1, 0, 0, 0]);
        scale(&row, GRID - 1, &mut out);
        assert_eq!(out, [i32::MIN + 2, i32::MAX - 2, -2, 2, 0, 0, 0]);
        scale(&row, 0, &mut out);
        assert_eq!(out, [0; 7]);
    }

    #[test]
    fn weights_go_back_to_the_rows_that_rows_were_made_of() {
        let pairs = Step::means(4, vec![vec![0, 3], vec![1, 2, 3]]).unwrap();
        assert_eq!(pairs.pulled_back(&[0.5, 0.75]), [0.25, 0.25, 0.25, 0.5]);
        assert_eq!(pairs.picked(&[1]).pulled_back(&[3.0]), [0.0, 1.0, 1.0, 1.0]);
        assert_eq!(Step::scaling(&[GRID, GRID / 4]).pulled_back(&[1.0, 1.0]), [1.0, 0.25]);
        assert!(Step::means(2, vec![vec![]]).is_none());
    }

    proptest! {
        #[test]
        fn every_row_made_is_its_definition(
            rows in table(1..9, 1..40, hostile()),
            keep in prop::collection::vec(any::<bool>(), 9 * 5),
            weights in prop::collection::vec(0..=GRID, 9),
        ) {
            let n = rows.len();
            let slices: Vec<&[i32]> = rows.iter().map(Vec::as_slice).collect();
            let set = |i: usize| (0..n).filter(|j| keep[i * 9 + j]).collect::<Vec<usize>>();
            let sets: Vec<Vec<usize>> = (0..5).map(set).filter(|set| !set.is_empty()).collect();
            let step = Step::means(n, sets.clone()).unwrap();
            let mut scratch = Scratch::default();
            for (made, set) in step.make(&slices, &mut scratch).into_iter().zip(&sets) {
                for (c, &v) in made.iter().enumerate() {
                    let sum = set.iter().map(|&row| i128::from(rows[row][c])).sum();
                    prop_assert_eq!(v, floored(sum, set.len()));
                }
            }
            let step = Step::scaling(&weights[..n]);
            for ((made, row), &weight) in step.make(&slices, &mut scratch).into_iter().zip(&rows).zip(&weights) {
                for (&made, &v) in made.iter().zip(row) {
                    prop_assert_eq!(i128::from(made), i128::from(v) * i128::from(weight) / (1 << 30));
                }
            }
        }
    }
}
