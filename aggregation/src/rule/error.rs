//! Why an integer rule has no result.

use super::state::MAX_HISTORY;
use crate::decide::DecisionError;
use crate::real::{MAX_STAGES, StorageError};
use thiserror::Error;

/// Why a rule has no result.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RuleError {
    /// Fewer rows than the rule's parameters ask for.
    #[error("cohort too small for {rule}: expected at least {expected} rows, got {got}")]
    CohortTooSmall {
        /// The rule's or stage's name.
        rule: &'static str,
        /// The rule's [`minimum_cohort`](super::Rule::minimum_cohort).
        expected: usize,
        /// Rows given.
        got: usize,
    },
    /// More rows than the rule works on.
    #[error("cohort too large for {rule}: expected at most {expected} rows, got {got}")]
    CohortTooLarge {
        /// The rule's or stage's name.
        rule: &'static str,
        /// The most it works on.
        expected: usize,
        /// Rows given.
        got: usize,
    },
    /// Multi-Krum was asked to average no row.
    #[error("nothing to select: expected multi-krum to average at least one row, got select = 0")]
    SelectsNone,
    /// Multi-Krum was asked for more rows than can all be honest.
    #[error("selects too many: expected select of at most n - f = {n} - {f}, got {select}")]
    SelectsTooMany {
        /// Rows asked for.
        select: usize,
        /// Rows that may be arbitrary.
        f: usize,
        /// Rows given.
        n: usize,
    },
    /// A parameter names a row that there is not.
    #[error("no such row for {rule}: expected an index below {n}, got {row}")]
    NoSuchRow {
        /// The rule's or stage's name.
        rule: &'static str,
        /// Index asked for.
        row: usize,
        /// Rows given.
        n: usize,
    },
    /// A parameter is out of its range.
    #[error("{rule}: expected {parameter} from {least} to {most}, got {got}")]
    Parameter {
        /// The rule's name.
        rule: &'static str,
        /// The parameter's name.
        parameter: &'static str,
        /// The least allowed.
        least: u64,
        /// The most allowed.
        most: u64,
        /// The value given.
        got: u64,
    },
    /// The start has another length than the rows.
    #[error("start has another length: expected {expected} coordinates like the rows, got {got}")]
    StartLength {
        /// Coordinates in a row.
        expected: usize,
        /// Coordinates in the start.
        got: usize,
    },
    /// The rule needs a vector from the caller that is not there.
    #[error("{rule} needs a {what}: expected one of as many coordinates as the rows, got none")]
    Missing {
        /// The rule's name.
        rule: &'static str,
        /// What it needs.
        what: &'static str,
    },
    /// A reference or a row's history has another length than the rows.
    #[error("{what} has another length: expected {expected} coordinates like the rows, got {got}")]
    VectorLength {
        /// What the vector is.
        what: &'static str,
        /// Coordinates in a row.
        expected: usize,
        /// Coordinates in the vector.
        got: usize,
    },
    /// Not one vector of history per row.
    #[error("history does not fit: expected one vector per row, {expected}, got {got}")]
    HistoryRows {
        /// Rows the rule would see.
        expected: usize,
        /// Vectors given.
        got: usize,
    },
    /// A history that [`add_to_history`](super::add_to_history) did not make.
    #[error(
        "history of row {row} coordinate {coordinate}: expected at most {MAX_HISTORY} in absolute value, got {got}"
    )]
    HistoryValue {
        /// Index of the row at fault.
        row: usize,
        /// Index of the first coordinate at fault.
        coordinate: usize,
        /// The value found.
        got: i64,
    },
    /// A stage was made for another number of rows.
    #[error("stage {stage} is for other rows: expected one for {expected} rows, got one for {got}")]
    StageSize {
        /// The stage's position, from 0.
        stage: usize,
        /// Rows before the stage.
        expected: usize,
        /// Rows it was made for.
        got: usize,
    },
    /// More stages before the rule than [`MAX_STAGES`].
    #[error("too many stages before the rule: expected at most {MAX_STAGES}, got {got}")]
    TooManyStages {
        /// Stages given.
        got: usize,
    },
    /// Not one weight per row.
    #[error("weights do not fit: expected one per row, {expected}, got {got}")]
    WeightCount {
        /// Rows given.
        expected: usize,
        /// Weights given.
        got: usize,
    },
    /// A part of a row that is not in memory could not be read.
    #[error("row {row} can't be read from coordinate {coordinate} on: {error}")]
    Read {
        /// Index of the row.
        row: usize,
        /// Index of the first coordinate asked for.
        coordinate: usize,
        /// What whoever reads says.
        error: StorageError,
    },
    /// All weights are zero.
    #[error("no weight: expected a positive weight for at least one row, got only zeros")]
    NoWeight,
    /// The rows leave the rule nothing to decide on, or its search would take too long.
    #[error("{rule}: {reason}")]
    Decision {
        /// The rule's name.
        rule: &'static str,
        /// What its decision says ([`crate::decide::DecisionError`]).
        reason: String,
    },
    /// One coordinate of this rule's result can't be computed from one column.
    #[error("{rule} is not coordinate-wise: expected mean, median, trimmed-mean, meamed or sign-majority")]
    NotCoordinateWise {
        /// The rule's name.
        rule: &'static str,
    },
    /// A sum that n values of `i32` can't have; it was altered, or `n` is wrong.
    #[error("sum out of range at coordinate {coordinate}: expected a sum of {n} 32-bit values, got {got}")]
    SumOutOfRange {
        /// Index of the first coordinate at fault.
        coordinate: usize,
        /// Number of values it should be a sum of.
        n: usize,
        /// The sum received.
        got: i64,
    },
}

/// What a decision says, as an error of the rule or stage.
pub(crate) fn of_rule(rule: &'static str) -> impl Fn(DecisionError) -> RuleError {
    move |error| RuleError::Decision {
        rule,
        reason: error.to_string(),
    }
}
