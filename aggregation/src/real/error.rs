//! Why a rule on floating-point rows has no result.

use super::MAX_MAGNITUDE;
use super::spool::StorageError;
use super::stage::MAX_STAGES;
use super::table::TableError;
use crate::decide::DecisionError;
use thiserror::Error;

/// Why a rule has no result; every case names what was expected and got.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum RuleError {
    /// Fewer rows than the rule's parameters ask for.
    #[error("cohort too small for {rule}: expected at least {expected} rows, got {got}")]
    CohortTooSmall {
        /// The rule's name.
        rule: &'static str,
        /// The rule's [`minimum_cohort`](super::Rule::minimum_cohort).
        expected: usize,
        /// Rows it would see.
        got: usize,
    },
    /// More rows than the rule works on.
    #[error("cohort too large for {rule}: expected at most {expected} rows, got {got}")]
    CohortTooLarge {
        /// The rule's name.
        rule: &'static str,
        /// The most it works on.
        expected: usize,
        /// Rows it would see.
        got: usize,
    },
    /// A parameter is out of its range, or the rows leave the rule or stage nothing to decide on.
    #[error("{rule}: {error}")]
    Decision {
        /// The rule's or stage's name.
        rule: &'static str,
        /// What its decision says.
        error: DecisionError,
    },
    /// More iterations than any rule needs; each is a pass over all rows.
    #[error("{rule}: expected at most {expected} iterations, got {got}")]
    TooManyIterations {
        /// The rule's name.
        rule: &'static str,
        /// The most allowed.
        expected: u32,
        /// Iterations asked for.
        got: u32,
    },
    /// The rule needs a vector from the caller that is not there.
    #[error("{rule} needs a {what}: expected one of as many coordinates as the rows, got none")]
    Missing {
        /// The rule's name.
        rule: &'static str,
        /// What it needs.
        what: &'static str,
    },
    /// A start, reference or history has another length than the rows.
    #[error("{what} has another length: expected {expected} coordinates like the rows, got {got}")]
    VectorLength {
        /// What the vector is.
        what: &'static str,
        /// Coordinates in a row.
        expected: usize,
        /// Coordinates in the vector.
        got: usize,
    },
    /// A start, reference or history holds NaN, an infinity or too large a value.
    #[error("{what} coordinate {coordinate}: expected a finite number of at most {MAX_MAGNITUDE:e}, got {got:e}")]
    VectorValue {
        /// What the vector is.
        what: &'static str,
        /// Index of the first coordinate at fault.
        coordinate: usize,
        /// The value found.
        got: f64,
    },
    /// Not one vector of history per row.
    #[error("history does not fit: expected one vector per row, {expected}, got {got}")]
    HistoryRows {
        /// Rows the rule would see.
        expected: usize,
        /// Vectors given.
        got: usize,
    },
    /// A mixing matrix or permutation was made for another number of rows.
    #[error("stage {stage} mixes other rows: expected one for {expected} rows, got one for {got}")]
    MixingSize {
        /// The stage's position, from 0.
        stage: usize,
        /// Rows before the stage.
        expected: usize,
        /// Rows it was made for.
        got: usize,
    },
    /// A value of a [`Spool`](super::Spool) is refused, or can't be read.
    #[error(transparent)]
    Rows(#[from] TableError),
    /// A part of the result could not be handed over.
    #[error("the result can't be written from coordinate {coordinate} on: {error}")]
    Write {
        /// Index of the part's first coordinate.
        coordinate: usize,
        /// What whoever writes says.
        error: StorageError,
    },
    /// More stages before the rule than [`MAX_STAGES`].
    #[error("too many stages before the rule: expected at most {MAX_STAGES}, got {got}")]
    TooManyStages {
        /// Stages given.
        got: usize,
    },
}

/// Why a pass or a decision ended early; whoever knows the rule's name makes a [`RuleError`] of it.
#[derive(Debug)]
pub(crate) enum Fault {
    Decision(DecisionError),
    Rows(TableError),
    Write { coordinate: usize, error: StorageError },
}

impl Fault {
    /// The error of the rule or stage of this name.
    pub(super) fn of(self, rule: &'static str) -> RuleError {
        match self {
            Fault::Decision(error) => RuleError::Decision { rule, error },
            Fault::Rows(error) => RuleError::Rows(error),
            Fault::Write { coordinate, error } => RuleError::Write { coordinate, error },
        }
    }
}

impl From<DecisionError> for Fault {
    fn from(error: DecisionError) -> Self {
        Fault::Decision(error)
    }
}

impl From<TableError> for Fault {
    fn from(error: TableError) -> Self {
        Fault::Rows(error)
    }
}
