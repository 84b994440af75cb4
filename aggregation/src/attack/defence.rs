//! What an optimal attack is tried against: any way to make one row of many.

use super::error::DefenceError;
use crate::real::{Real, Rule, Stage, State, Table};
use crate::rows::Rows;

/// A rule that an attacker knows and can run. A simulation that does more than a rule (limits, server optimisers)
/// implements it for a type of its own.
pub trait Defence<V> {
    /// The aggregate of rows of equal length, the honest ones first, in the unit of the rows.
    ///
    /// # Errors
    /// [`DefenceError`] where these rows have no aggregate.
    fn aggregate(&self, rows: Vec<&[V]>) -> Result<Vec<f64>, DefenceError>;
}

/// A rule on floating-point rows with the stages before it and its state.
#[derive(Clone, Copy, Debug)]
pub struct RealDefence<'a> {
    /// The rule.
    pub rule: &'a Rule,
    /// The stages before it, in their order.
    pub pre: &'a [Stage],
    /// What it carries over from earlier rounds.
    pub state: State<'a>,
}

impl<T: Real> Defence<T> for RealDefence<'_> {
    fn aggregate(&self, rows: Vec<&[T]>) -> Result<Vec<f64>, DefenceError> {
        let table = Table::new(rows)?;
        Ok(self.rule.aggregate(&table, self.pre, self.state)?.values)
    }
}

/// An exact rule on rows of integers with the stages before it and its state.
#[derive(Clone, Copy, Debug)]
pub struct ExactDefence<'a> {
    /// The rule.
    pub rule: &'a crate::Rule,
    /// The stages before it, in their order.
    pub pre: &'a [crate::Stage],
    /// What it carries over from earlier rounds.
    pub state: crate::State<'a>,
}

impl Defence<i32> for ExactDefence<'_> {
    fn aggregate(&self, rows: Vec<&[i32]>) -> Result<Vec<f64>, DefenceError> {
        let aggregate = self.rule.aggregate_after(&Rows::new(rows)?, self.pre, self.state)?;
        Ok(aggregate.values.into_iter().map(f64::from).collect())
    }
}

impl Defence<i32> for crate::Rule {
    fn aggregate(&self, rows: Vec<&[i32]>) -> Result<Vec<f64>, DefenceError> {
        let aggregate = crate::Rule::aggregate(self, &Rows::new(rows)?)?;
        Ok(aggregate.values.into_iter().map(f64::from).collect())
    }
}
