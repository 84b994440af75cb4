//! What is done to a round's integers before a rule sees them, exactly; stages compose in the order given.
//!
//! | stage | each row becomes | decided by | tolerates |
//! |---|---|---|---|
//! | [clipping](Stage::Clipping) | itself, shortened to a norm given | exact norms | what the rule does |
//! | [arc](Stage::Arc) | itself, shortened to the norm of another row | exact norms | what the rule does |
//! | [nnm](Stage::Nnm) | floor(sum / count) of the n-f rows nearest to it | exact distances | what the rule does, on unlike data too |
//! | [bucketing](Stage::Bucketing) | ceil(n/size) rows floor(sum / count) of size rows each | a permutation | f of the buckets |
//!
//! Claim: what a stage leaves are integers on the same grid, the same on every machine, on any number of threads. Nothing in
//! a stage is a floating-point number: norms and distances are exact integers, means are floored towards negative infinity, and a row
//! is shortened by a weight on the grid of 2^-30, rounded towards zero, such that the *integer* row is never longer than the bound
//! (`stage/clip.rs` has the proof). A stage after another measures the integers that the one before it left.
//!
//! How: a stage's decision takes a pass over the rows (clipping and ARC: n*d, NNM: n^2*d/2, bucketing: none) and ends in a
//! [`Step`]; the rule's own passes make the rows block by block ([`crate::view`]). Rows are never stored. Compared with the stage
//! on real numbers ([`crate::real::Stage`]), a mean loses less than one unit per coordinate, a clipped row less than one unit and
//! 2^-30 of the value.
//!
//! It does not draw permutations, and what a stage tolerates is what the rule after it does: [`Stage::rows_after`] says of how many rows.
//! Definitions, conventions and sources are in [`crate::decide`].

mod clip;

use crate::decide::{MAX_SQUARE, Square, bucketing, nnm};
use crate::distances::SquaredDistances;
use crate::real::MAX_STAGES;
use crate::rows::Rows;
use crate::rule::{RuleError, of_rule};
use crate::view::passes::squared_norms;
use crate::view::{Step, View};

/// One step before an integer rule.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Every row longer than `norm` is shortened to it; directions stay, up to the rounding towards zero.
    Clipping {
        /// Largest Euclidean norm left, in grid units.
        norm: u64,
    },
    /// Adaptive robust clipping: the floor(2f(n-f)/n) longest rows are shortened to the norm of the next
    /// ([`crate::decide::clipping`]).
    Arc {
        /// Rows that may be arbitrary; below n.
        f: usize,
    },
    /// Nearest-neighbour mixing: every row becomes the floored mean of the n-f rows nearest to it, itself among them, ties to the
    /// lower row ([`crate::decide::nnm`]). At most 2048 rows.
    Nnm {
        /// Rows that may be arbitrary; below n.
        f: usize,
    },
    /// Floored means of `size` rows each, taken in the order of a permutation; the last bucket may be smaller
    /// ([`crate::decide::bucketing`]). At most 2048 rows.
    Bucketing {
        /// Rows in a bucket, at least 1.
        size: usize,
        /// Every row before the stage once, in an order that no sender could know beforehand.
        permutation: Vec<usize>,
    },
}

impl Stage {
    /// The name used in configuration and on the command line.
    pub fn name(&self) -> &'static str {
        match self {
            Stage::Clipping { .. } => "clipping",
            Stage::Arc { .. } => "arc",
            Stage::Nnm { .. } => "nnm",
            Stage::Bucketing { .. } => "bucketing",
        }
    }

    /// How many rows the stage leaves of n.
    pub fn rows_after(&self, n: usize) -> usize {
        match self {
            Stage::Bucketing { size, .. } => n.div_ceil((*size).max(1)),
            _ => n,
        }
    }

    /// What the stage does to the rows seen, as the stage number `index` of its chain.
    fn step(&self, view: &View<'_>, index: usize) -> Result<Step, RuleError> {
        let (rule, n) = (self.name(), view.n());
        match self {
            Stage::Clipping { norm } => {
                let bound = u128::from(*norm).pow(2);
                Ok(shortened(&squared_norms(view), bound))
            }
            Stage::Arc { f } => {
                below(rule, *f, n)?;
                let norms = squared_norms(view);
                let mut sorted = norms.clone();
                sorted.sort_unstable();
                // At most n/2 are shortened, so one is always left; n = 1 means f = 0.
                Ok(shortened(&norms, sorted[n - 2 * f * (n - f) / n - 1]))
            }
            Stage::Nnm { f } => {
                below(rule, *f, n)?;
                small(rule, n)?;
                let distances = Square::try_from(&SquaredDistances::seen(view)).map_err(of_rule(rule))?;
                means(rule, n, nnm::neighbours(&distances, *f).map_err(of_rule(rule))?)
            }
            Stage::Bucketing { size, permutation } => {
                if permutation.len() != n {
                    return Err(RuleError::StageSize {
                        stage: index,
                        expected: n,
                        got: permutation.len(),
                    });
                }
                small(rule, n)?;
                means(rule, n, bucketing::buckets(permutation, *size).map_err(of_rule(rule))?)
            }
        }
    }
}

/// What the rule sees after all stages.
pub(crate) fn chain<'r>(rows: &Rows<'r>, stages: &[Stage]) -> Result<View<'r>, RuleError> {
    chained(View::of(rows), stages)
}

/// What is seen after all stages.
pub(crate) fn chained<'r>(view: View<'r>, stages: &[Stage]) -> Result<View<'r>, RuleError> {
    if stages.len() > MAX_STAGES {
        return Err(RuleError::TooManyStages { got: stages.len() });
    }
    let mut numbered = stages.iter().enumerate();
    numbered.try_fold(view, |view, (index, stage)| {
        let step = stage.step(&view, index)?;
        Ok(view.made_by(step))
    })
}

fn shortened(squared_norms: &[u128], bound: u128) -> Step {
    let weights: Vec<u32> = squared_norms.iter().map(|&norm| clip::weight(norm, bound)).collect();
    Step::scaling(&weights)
}

fn means(rule: &'static str, n: usize, sets: Vec<Vec<usize>>) -> Result<Step, RuleError> {
    Step::means(n, sets).ok_or(RuleError::CohortTooSmall {
        rule,
        expected: 1,
        got: 0,
    })
}

fn below(rule: &'static str, f: usize, n: usize) -> Result<(), RuleError> {
    match f < n {
        true => Ok(()),
        false => Err(RuleError::CohortTooSmall {
            rule,
            expected: f.saturating_add(1),
            got: n,
        }),
    }
}

fn small(rule: &'static str, n: usize) -> Result<(), RuleError> {
    match n <= MAX_SQUARE {
        true => Ok(()),
        false => Err(RuleError::CohortTooLarge {
            rule,
            expected: MAX_SQUARE,
            got: n,
        }),
    }
}
