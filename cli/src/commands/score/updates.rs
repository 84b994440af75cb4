//! The rows that are scored, and what a rule makes of some of them.
//!
//! Integers are a plan's grid steps and are added up exactly; floats are differences of parameters. Scores by direction are exact on
//! integers, so floats are put on a grid for them, each row on its own: v becomes round(2^30 v / max|v|). A cosine doesn't see a row's
//! scale, and the direction is off by at most sqrt(d) / 2^31 of a right angle's sine: half a ppm at a million coordinates.

use xfl_aggregation::real::{self, Table};

use super::combine::Combine;
use crate::{
    commands::aggregate::input::{in_file, too_wide},
    failure::Failure,
    npy::{Array, Kind},
};

/// Rows in memory, n times d numbers.
pub(super) struct Updates {
    values: Values,
    /// Floats in steps of a grid, where a rule wants them so.
    steps: Option<Vec<i32>>,
    n: usize,
    d: usize,
}

enum Values {
    F32(Vec<f32>),
    F64(Vec<f64>),
    I32(Vec<i32>),
}

/// What a rule made of some rows: d numbers, or nothing of nobody.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Update {
    /// Of nobody.
    Nothing,
    /// Differences of parameters.
    Floats(Vec<f64>),
    /// Steps of a grid.
    Integers(Vec<i32>),
}

impl Updates {
    /// Reads all rows and checks that they are numbers.
    pub(super) fn read(array: &Array) -> Result<Self, Failure> {
        let values = match array.kind() {
            Kind::F32 => Values::F32(array.to_vec()?),
            Kind::F64 => Values::F64(array.to_vec()?),
            Kind::I32 => Values::I32(array.to_vec()?),
            Kind::I64 => return Err(too_wide(array.path())),
        };
        array.unchanged()?;
        let updates = Self {
            values,
            steps: None,
            n: array.rows(),
            d: array.columns(),
        };
        let checked = match &updates.values {
            Values::F32(values) => Table::new(values.chunks_exact(updates.d).collect()).map(drop),
            Values::F64(values) => Table::new(values.chunks_exact(updates.d).collect()).map(drop),
            Values::I32(_) => Ok(()),
        };
        checked.map_err(|error| in_file(array, &error))?;
        Ok(updates)
    }

    /// Rows.
    pub(super) fn n(&self) -> usize {
        self.n
    }

    /// Coordinates of each.
    pub(super) fn d(&self) -> usize {
        self.d
    }

    /// Whether they are steps of a grid.
    pub(super) fn integers(&self) -> bool {
        matches!(self.values, Values::I32(_))
    }

    /// The rows of integers; none of floats.
    pub(super) fn grid_rows(&self) -> impl Iterator<Item = &[i32]> {
        let values: &[i32] = if let Values::I32(values) = &self.values {
            values
        } else {
            &[]
        };
        values.chunks_exact(self.d)
    }

    /// Every row as integers of the same direction.
    pub(super) fn directions(&self) -> Vec<i32> {
        match &self.values {
            Values::F32(values) => values.chunks_exact(self.d).flat_map(direction).collect(),
            Values::F64(values) => values.chunks_exact(self.d).flat_map(direction).collect(),
            Values::I32(values) => values.clone(),
        }
    }

    /// What `combine` makes of these rows.
    ///
    /// # Errors
    /// The rule's own words.
    pub(super) fn combined(&self, combine: &Combine, rows: &[usize]) -> Result<Update, Failure> {
        if rows.is_empty() {
            return Ok(Update::Nothing);
        }
        match (&self.values, &self.steps) {
            (Values::I32(steps), _) | (_, Some(steps)) => combine.integers(self.picked(steps, rows), rows),
            (Values::F32(values), None) => combine.floats(self.picked(values, rows)),
            (Values::F64(values), None) => combine.floats(self.picked(values, rows)),
        }
    }

    /// The same rows, of floats rounded to whole steps of a plan's grid, ties to even; what rules make of them is in steps too.
    ///
    /// # Errors
    /// The first value that is no 32-bit number of steps.
    pub(super) fn on_grid(mut self, step: f64) -> Result<Self, Failure> {
        self.steps = match &self.values {
            Values::F32(values) => Some(rounded(values, step, self.d)?),
            Values::F64(values) => Some(rounded(values, step, self.d)?),
            Values::I32(_) => None,
        };
        Ok(self)
    }

    fn picked<'v, T>(&self, values: &'v [T], rows: &[usize]) -> Vec<&'v [T]> {
        rows.iter()
            .map(|&row| &values[row * self.d..(row + 1) * self.d])
            .collect()
    }
}

impl Update {
    /// As integers of the same direction, zeros of nothing.
    pub(super) fn direction(self, d: usize) -> Vec<i32> {
        match self {
            Self::Nothing => vec![0; d],
            Self::Floats(values) => direction(&values),
            Self::Integers(values) => values,
        }
    }
}

/// Integers up to 2^30 of the direction of `values`, which are finite.
pub(super) fn direction<T: real::Real>(values: &[T]) -> Vec<i32> {
    let largest = values.iter().fold(0.0_f64, |m, &v| m.max(v.into().abs()));
    if largest == 0.0 {
        return vec![0; values.len()];
    }
    let on_grid = |&v: &T| (v.into() / largest * f64::from(1 << 30)).round() as i32;
    values.iter().map(on_grid).collect()
}

/// Whole steps of a grid.
fn rounded<T: real::Real>(values: &[T], step: f64, d: usize) -> Result<Vec<i32>, Failure> {
    let one = |(at, &v): (usize, &T)| {
        let steps = (v.into() / step).round_ties_even();
        let fits = (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&steps);
        let (row, coordinate) = (at / d, at % d);
        fits.then_some(steps as i32).ok_or_else(|| {
            let what = format!(
                "row {row} coordinate {coordinate}: {} is {steps:e} steps of the plan's grid",
                v.into()
            );
            Failure::usage(what)
                .hint("rows of floats are differences of parameters; no round takes one of more than 32 bits")
        })
    };
    values.iter().enumerate().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directions_do_not_depend_on_a_rows_scale() {
        let row = [3.0, -1.0, 0.25];
        let kept = direction(&row);
        assert_eq!(kept, [1 << 30, -357_913_941, 89_478_485]);
        for scale in [5e-324, 1e-300, 1e-6, 1e12, 1e138] {
            let scaled = row.map(|v| v * scale);
            let off = |(a, b): (&i32, &i32)| a.abs_diff(*b);
            // The smallest subnormal holds 3, -1 and nothing of 0.25.
            let most = if scale < 1e-308 { 1 << 27 } else { 1 };
            assert!(direction(&scaled).iter().zip(&kept).all(|p| off(p) <= most), "{scale}");
        }
        assert_eq!(direction(&[0.0_f32, -0.0]), [0, 0]);
        assert_eq!(direction(&[f32::MAX, f32::MIN]), [1 << 30, -(1 << 30)]);
    }
}
