//! Protect: charge the budget, train, clip, round onto the grid, add OpenDP's noise. In that order: the charge is on disk before the data
//! are looked at, so that whatever comes of them, a failure too, is paid for. The noise is drawn while training runs, and added last.

use std::path::Path;

use xfl_privacy::{AheadNoise, Mechanism, ParameterError, Protection, budget};

use super::{
    budget::{BudgetError, BudgetFile},
    entropy,
};
use crate::{
    attack::Alone,
    institution::{Release, Wish},
    plan::Plan,
    round::commit::Protected,
    seed::Seed,
    train::{
        Data, Model,
        contribution::{ContributionError, Task, contribution},
    },
};

/// What an institution trains with.
pub struct Practice {
    /// The federation's plan.
    pub plan: Plan,
    /// Its mechanism, as it is in the first round.
    pub mechanism: Mechanism,
    /// The model.
    pub model: Box<dyn Model>,
    /// The institution's own data.
    pub data: Box<dyn Data>,
    /// Decides the order of examples; never a source of privacy.
    pub seed: Seed,
    /// The institution's budget.
    pub budget: BudgetFile,
    /// For rehearsals: what is sent instead of the honest update.
    pub attack: Option<Alone>,
}

/// Why there is no release.
#[derive(Debug, thiserror::Error)]
pub enum ProtectError {
    /// Training, clipping, the grid or the noise.
    #[error(transparent)]
    Contribution(#[from] ContributionError),
    /// The budget.
    #[error(transparent)]
    Budget(#[from] BudgetError),
    /// A clip norm that can't be.
    #[error("the round's clip norm: {0}")]
    Clip(#[from] ParameterError),
    /// The release was made before, and is lost.
    #[error(
        "this node committed to an update for round {round} already and doesn't remember it: the journal beside its budget is gone or older; put \
         it back, or wait for the next round"
    )]
    Drawn {
        /// The round.
        round: u64,
    },
    /// The budget file is older than what was released, or another one.
    #[error(
        "this node signed a release with a budget file whose head was {}, and this file never had it: it was rolled back or is another \
         one; put the newest copy back, nothing is released without it",
        blake3::Hash::from_bytes(*head)
    )]
    RolledBack {
        /// Head of the budget file in a commitment of this node's.
        head: [u8; 32],
    },
    /// No entropy for the salts.
    #[error("no entropy: {0}")]
    Entropy(#[from] std::io::Error),
}

impl Practice {
    /// Trains on the wish's model and protects what comes out.
    ///
    /// # Errors
    /// [`ProtectError`]; nothing is released then, at most charged.
    pub fn release(&mut self, wish: &Wish) -> Result<Release, ProtectError> {
        let (round, attempt) = wish.charge;
        let mechanism = self.mechanism.scaled(wish.scale)?;
        let unknown = wish.seen.iter().find(|head| !self.budget.ledger().knows(head));
        if let (Some(&head), Protection::Noise { .. }) = (unknown, mechanism.protection()) {
            return Err(ProtectError::RolledBack { head });
        }
        if wish.drawn && mechanism.protection() != Protection::None {
            return Err(ProtectError::Drawn { round });
        }
        let federation = self.plan.federation().0;
        if let Protection::Noise { loss } = mechanism.protection() {
            // Before any of the data is looked at: whether training fails may depend on it.
            self.budget.charge(&budget::Release {
                federation,
                round,
                attempt,
                unit: mechanism.unit(),
                relation: mechanism.relation(),
                loss,
            })?;
        }
        let task = Task {
            plan: &self.plan,
            mechanism: &mechanism,
            model: self.model.as_ref(),
            data: self.data.as_ref(),
            parameters: &wish.model,
            round,
            seed: &self.seed,
        };
        let mut values = contribution(&task, &mut AheadNoise::start(&mechanism))?.into_release();
        if let Some(attack) = self.attack {
            values = attack.apply(&values, &mechanism, &self.seed.derive("attack", &[round]));
        }
        let ledger = self.budget.ledger();
        Ok(Release {
            values,
            salt_secret: *entropy::bytes()?,
            protected: Protected::of(&mechanism),
            charged: ledger.charged(federation),
            budget_head: ledger.head(),
        })
    }
}

/// Opens an institution's budget file.
///
/// # Errors
/// [`BudgetError`].
pub fn open_budget(path: &Path, limit: budget::Limit) -> Result<BudgetFile, BudgetError> {
    BudgetFile::open(path, limit)
}
