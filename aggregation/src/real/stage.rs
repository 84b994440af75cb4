//! What is done to the rows before a rule sees them; stages compose in the order given.
//!
//! | stage | each row becomes | tolerates |
//! |---|---|---|
//! | [clipping](Stage::StaticClip) | itself, shortened to a norm given | what the rule does |
//! | [arc](Stage::Arc) | itself, shortened to a norm taken from the rows | what the rule does |
//! | [nnm](Stage::Nnm) | the mean of the n-f rows nearest to it | what the rule does, on unlike data too |
//! | [bucketing](Stage::Bucketing) | ceil(n/size) means of size rows each | f of the buckets |
//! | [mix](Stage::Mix) | any combination of rows that the caller says | depends |
//!
//! Every stage is a matrix over the rows ([`Mixing`]), fixed by the caller or decided from the rows it sees
//! ([`crate::decide`]). The matrices of a chain are multiplied and applied block by block in the passes of the rule, so
//! no stage costs memory of the size of the rows; distances and norms of mixed rows are taken from mixed blocks.

use super::element::Real;
use super::error::{Fault, RuleError};
use super::pairs::squared_distances;
use super::point::squared_norms;
use super::view::View;
use crate::decide::{Mixing, bucketing, clipping, nnm};

/// Most stages before a rule. With [`MAX_MIXING`](crate::decide::MAX_MIXING) it bounds how much a chain can enlarge
/// rows.
pub const MAX_STAGES: usize = 8;

/// One step before a rule.
#[derive(Clone, Debug, PartialEq)]
pub enum Stage {
    /// Every row longer than `norm` (Euclidean, in the unit of the values) is shortened to it; directions stay.
    StaticClip {
        /// Largest norm left; at least 0.
        norm: f64,
    },
    /// Adaptive robust clipping: the floor(2f(n-f)/n) longest rows are shortened to the norm of the next
    /// ([`clipping::arc`]).
    Arc {
        /// Rows that may be arbitrary; below n.
        f: usize,
    },
    /// Nearest-neighbour mixing: every row becomes the mean of the n-f rows nearest to it, itself among them ([`nnm`]).
    Nnm {
        /// Rows that may be arbitrary; below n.
        f: usize,
    },
    /// Means of `size` rows each, taken in the order of a permutation; the last bucket may be smaller ([`bucketing`]).
    Bucketing {
        /// Rows in a bucket, at least 1.
        size: usize,
        /// Every row before the stage once, in an order that no sender could know beforehand.
        permutation: Vec<usize>,
    },
    /// Every row is replaced by the combinations that the matrix says.
    Mix(Mixing),
}

impl Stage {
    /// The name used in configuration and on the command line.
    pub fn name(&self) -> &'static str {
        match self {
            Stage::StaticClip { .. } => "clipping",
            Stage::Arc { .. } => "arc",
            Stage::Nnm { .. } => "nnm",
            Stage::Bucketing { .. } => "bucketing",
            Stage::Mix(_) => "mix",
        }
    }

    /// The matrix for the rows seen, which are as many as it takes.
    fn mixing<T: Real>(&self, view: &View<'_, T>) -> Result<Mixing, Fault> {
        Ok(match self {
            Stage::StaticClip { norm } => Mixing::scaling(&clipping::factors(&norms(view)?, *norm)?)?,
            Stage::Arc { f } => Mixing::scaling(&clipping::arc(&norms(view)?, *f)?.factors)?,
            Stage::Nnm { f } => nnm::mixing(&squared_distances(view)?, *f)?,
            Stage::Bucketing { size, permutation } => bucketing::mixing(permutation, *size)?,
            Stage::Mix(mixing) => mixing.clone(),
        })
    }

    fn apply<'t, T: Real>(&self, view: View<'t, T>, stage: usize) -> Result<View<'t, T>, RuleError> {
        let made_for = match self {
            Stage::Bucketing { permutation, .. } => permutation.len(),
            Stage::Mix(mixing) => mixing.inputs(),
            _ => view.n(),
        };
        if made_for != view.n() {
            return Err(RuleError::MixingSize {
                stage,
                expected: view.n(),
                got: made_for,
            });
        }
        let mixing = self.mixing(&view).map_err(|fault| fault.of(self.name()))?;
        Ok(view.mixed(mixing))
    }
}

fn norms<T: Real>(view: &View<'_, T>) -> Result<Vec<f64>, Fault> {
    Ok(squared_norms(view)?.into_iter().map(f64::sqrt).collect())
}

/// The view after all stages.
pub(super) fn chain<'t, T: Real>(view: View<'t, T>, stages: &[Stage]) -> Result<View<'t, T>, RuleError> {
    if stages.len() > MAX_STAGES {
        return Err(RuleError::TooManyStages { got: stages.len() });
    }
    let mut numbered = stages.iter().enumerate();
    numbered.try_fold(view, |view, (index, stage)| stage.apply(view, index))
}
