//! The rows that are scored, and what a rule makes of some of them.
//!
//! Integers are a plan's grid steps and are added up exactly; floats are differences of parameters. Scores by direction are exact on
//! integers, so floats are put on a grid for them, each row on its own: v becomes round(2^30 v / max|v|). A cosine doesn't see a row's
//! scale, and the direction is off by at most sqrt(d) / 2^31 of a right angle's sine: half a ppm at a million coordinates.

use std::fmt::Display;

use xfl_aggregation::{
    Rows,
    real::{self, State, Table},
};

use crate::{
    commands::aggregate::{
        Params, Told, catalogue,
        input::{in_file, too_wide},
    },
    failure::Failure,
    npy::{Array, Kind},
};

/// Rows in memory, n times d numbers.
pub(super) struct Updates {
    values: Values,
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
        match &self.values {
            Values::F32(values) => combine.floats(self.picked(values, rows)),
            Values::F64(values) => combine.floats(self.picked(values, rows)),
            Values::I32(values) => combine.integers(self.picked(values, rows)),
        }
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

/// The rule that makes one update of the rows of a coalition, whatever their number.
pub(super) struct Combine {
    name: String,
    byzantine: usize,
    params: Vec<String>,
    told: Option<Told>,
}

impl Combine {
    /// The rule `name`, tried for all of `updates`' rows.
    pub(super) fn new(name: &str, byzantine: usize, params: &[String], updates: &Updates) -> Result<Self, Failure> {
        let mut combine = Self {
            name: name.to_owned(),
            byzantine,
            params: params.to_vec(),
            told: None,
        };
        let mut given = Params::parse(params)?;
        if updates.integers() {
            catalogue::exact(name, byzantine, updates.n(), &mut given)?;
        } else {
            let rule = catalogue::rule(name, byzantine, updates.n(), &mut given)?;
            combine.told = Some(Told::read(&rule, updates.d(), &mut given)?);
        }
        given.finish(name)?;
        Ok(combine)
    }

    /// The rule's name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    fn floats<T: real::Real>(&self, rows: Vec<&[T]>) -> Result<Update, Failure> {
        let mut params = Params::parse(&self.params)?;
        let rule = catalogue::rule(&self.name, self.byzantine, rows.len(), &mut params)?;
        let state = self.told.as_ref().map_or(State::default(), Told::state);
        let table = Table::new(rows).map_err(|error| self.fails(&error))?;
        let made = rule.aggregate(&table, &[], state).map_err(|error| self.fails(&error))?;
        Ok(Update::Floats(made.values))
    }

    fn integers(&self, rows: Vec<&[i32]>) -> Result<Update, Failure> {
        let mut params = Params::parse(&self.params)?;
        let rule = catalogue::exact(&self.name, self.byzantine, rows.len(), &mut params)?;
        let rows = Rows::new(rows).map_err(|error| self.fails(&error))?;
        let made = rule.aggregate(&rows).map_err(|error| self.fails(&error))?;
        Ok(Update::Integers(made.values))
    }

    fn fails(&self, error: &dyn Display) -> Failure {
        let failure = Failure::usage(error.to_string());
        match self.name.as_str() {
            "mean" => failure,
            _ => {
                failure.hint("the mean works on coalitions of any size: leave --rule out, or make --byzantine smaller")
            }
        }
    }
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
