//! Protect: charge the budget, train, clip, round onto the grid, add OpenDP's noise. In that order: the charge is on disk before the data
//! are looked at, so that whatever comes of them, a failure too, is paid for. The noise is drawn while training runs, and added last.

use std::path::Path;

use xfl_privacy::{AheadNoise, Mechanism, Mode, ParameterError, Protection, accounting::Loss, budget};

use super::{
    budget::{BudgetError, BudgetFile, Charged},
    carried::{CarriedFile, CarriedFileError},
    entropy,
};
use crate::{
    attack::Alone,
    institution::{Release, Wish},
    message::Beginning,
    plan::Plan,
    round::commit::Protected,
    seed::Seed,
    train::{
        Data, Model,
        contribution::{ContributionError, Task, contribution},
    },
};

mod carried;

/// What an institution trains with.
pub struct Practice {
    /// The federation's plan.
    pub plan: Plan,
    /// The run of it that is taken part in.
    pub run: Beginning,
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
    /// Noise that later rounds take back; none but in mode dp-ftrl.
    pub carried: Option<CarriedFile>,
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
    /// Mode dp-ftrl: noise that can't be remembered.
    #[error(transparent)]
    Carried(#[from] CarriedFileError),
    /// Mode dp-ftrl without a file for its noise.
    #[error("mode dp-ftrl needs a file for the noise that later rounds take back, and there is none")]
    NothingCarried,
    /// Mode dp-ftrl: rounds were charged that the noise journal doesn't know.
    #[error(
        "the noise journal doesn't know of round {round}, which the budget was charged for: it is gone or older; put the newest copy back, or wait \
         for round {next}"
    )]
    Forgotten {
        /// The round.
        round: u64,
        /// The first round that goes on without.
        next: u64,
    },
    /// Mode dp-ftrl: records could come again too soon.
    #[error(
        "the plan, the data or the seed that orders them changed since round {round}: a record could be used again too soon, or under less noise than was \
         paid for; nothing is released before round {next}"
    )]
    Reordered {
        /// A round over the other data, or under the other plan.
        round: u64,
        /// The first round that may use these.
        next: u64,
    },
    /// Mode dp-ftrl: the budget says that the block was paid for, but not what it costs.
    #[error(
        "the budget was charged for round {round} under other terms than the plan's, so its block isn't paid for; nothing is released before round {next}"
    )]
    PaidOtherwise {
        /// The first round on record in the block.
        round: u64,
        /// The first round that is paid for anew.
        next: u64,
    },
    /// Mode dp-ftrl: a round that is asked for again, on another model.
    #[error(
        "round {round} was released on another model already: the same noise on other gradients would show their difference"
    )]
    OtherModel {
        /// The round.
        round: u64,
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
        let mut values = match (mechanism.mode(), mechanism.protection()) {
            (Mode::DpFtrl, Protection::Noise { loss }) => self.carried(wish, &mechanism, &loss)?,
            (_, protection) => {
                if let Protection::Noise { loss } = protection {
                    // Before any of the data is looked at: whether training fails may depend on it.
                    self.charge((round, attempt), &mechanism, loss)?;
                }
                contribution(&self.task(wish, &mechanism), &mut AheadNoise::start(&mechanism))?.into_release()
            }
        };
        if let Some(attack) = self.attack {
            values = attack.apply(&values, &mechanism, &self.seed.derive("attack", &[round]));
        }
        let (ledger, federation) = (self.budget.ledger(), self.plan.federation().0);
        Ok(Release {
            values,
            salt_secret: *entropy::bytes()?,
            protected: Protected::of(&mechanism),
            charged: ledger.charged(federation, self.run.0),
            budget_head: ledger.head(),
        })
    }

    fn charge(&mut self, (round, attempt): (u64, u32), mechanism: &Mechanism, loss: Loss) -> Result<(), ProtectError> {
        let release = budget::Release {
            federation: self.plan.federation().0,
            run: self.run.0,
            round,
            attempt,
            unit: mechanism.unit(),
            relation: mechanism.relation(),
            loss,
        };
        let charged = self.budget.charge(&release)?;
        // Nobody is asked for an older round once a later one was released; whoever is all the same may have sent what was drawn then.
        let late = || {
            self.budget
                .ledger()
                .went_on(release.federation, release.run, (round, attempt))
        };
        if charged == Charged::Before && mechanism.mode() != Mode::DpFtrl && late() {
            return Err(ProtectError::Drawn { round });
        }
        Ok(())
    }

    fn task<'a>(&'a self, wish: &'a Wish, mechanism: &'a Mechanism) -> Task<'a> {
        Task {
            plan: &self.plan,
            mechanism,
            model: self.model.as_ref(),
            data: self.data.as_ref(),
            parameters: &wish.model,
            round: wish.charge.0,
            seed: &self.seed,
        }
    }
}

/// Opens an institution's budget file.
///
/// # Errors
/// [`BudgetError`].
pub fn open_budget(path: &Path, limit: budget::Limit) -> Result<BudgetFile, BudgetError> {
    BudgetFile::open(path, limit)
}
