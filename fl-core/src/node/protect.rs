//! Protect: train, clip, round onto the grid, charge the budget, add OpenDP's noise. In that order, and the charge is on
//! disk before the noise is drawn.

use std::path::Path;

use xfl_privacy::{Mechanism, Noise, NoiseError, OpenDpNoise, Protection, budget};

use super::{
    budget::{BudgetError, BudgetFile},
    entropy,
};
use crate::{
    attack::Alone,
    institution::Release,
    plan::Plan,
    seed::Seed,
    train::{
        Data, Model,
        contribution::{ContributionError, contribution},
    },
};

/// What an institution trains with.
pub struct Practice {
    /// The federation's plan.
    pub plan: Plan,
    /// Its mechanism.
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
    /// Training, clipping or the grid.
    #[error(transparent)]
    Contribution(#[from] ContributionError),
    /// The budget.
    #[error(transparent)]
    Budget(#[from] BudgetError),
    /// The noise.
    #[error(transparent)]
    Noise(#[from] NoiseError),
    /// No entropy for the salts.
    #[error("no entropy: {0}")]
    Entropy(#[from] std::io::Error),
}

impl Practice {
    /// Trains on `parameters` for a round and protects what comes out.
    ///
    /// # Errors
    /// [`ProtectError`]; nothing is released then, at most charged.
    pub fn release(&mut self, round: u64, attempt: u32, parameters: &[f32]) -> Result<Release, ProtectError> {
        let Self {
            plan,
            mechanism,
            model,
            data,
            seed,
            budget,
            attack,
        } = self;
        let federation = plan.federation().0;
        let quantised = contribution(plan, mechanism, model.as_ref(), data.as_ref(), parameters, round, seed)?;
        let rho = mechanism.rho_per_release();
        let noisy = mechanism.protection() != Protection::None;
        if noisy {
            let (unit, relation) = (mechanism.unit(), mechanism.relation());
            budget.charge(&budget::Release {
                federation,
                round,
                attempt,
                unit,
                relation,
                rho,
            })?;
        }
        let mut values = OpenDpNoise.noise(quantised)?.into_release();
        if let Some(attack) = attack {
            values = attack.apply(&values, mechanism, &seed.derive("attack", &[round]));
        }
        let rho_spent = if noisy {
            spent(budget, &federation, mechanism)
        } else {
            u64::MAX
        };
        Ok(Release {
            values,
            salt_key: *entropy::bytes()?,
            rho_spent,
            budget_head: budget.ledger().head(),
        })
    }
}

/// What a federation has cost so far, in units of 2^-40, rounded up.
fn spent(budget: &BudgetFile, federation: &[u8; 32], mechanism: &Mechanism) -> u64 {
    let of = (mechanism.unit(), mechanism.relation());
    let rho = budget
        .ledger()
        .federations()
        .filter(|(f, u, r, _)| *f == federation && (*u, *r) == of);
    let rho: f64 = rho.map(|(_, _, _, rho)| rho.get()).sum();
    (rho * (1u64 << 40) as f64).ceil() as u64
}

/// Opens an institution's budget file.
///
/// # Errors
/// [`BudgetError`].
pub fn open_budget(path: &Path, limit: budget::Limit) -> Result<BudgetFile, BudgetError> {
    BudgetFile::open(path, limit)
}
