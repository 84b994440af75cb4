//! Settle: a federation's chains. Where its contracts are, who is admitted, which rounds are posted where, and what waits for what.
//!
//! One chain is home: rounds are posted there in sequence, as part of the round, and can be disputed there. The others mirror it: once the home
//! chain's dispute window is over, the latest final round is posted there too, under the same signatures; totals are cumulative, so
//! that none in between is missed. Each chain has a task of its own ([`spawn`]): one that is down holds up no other, and the home chain alone
//! holds up a round.
//!
//! Nothing of this is kept on disk: a task compares what the transcript says ([`book`]) with what its chain holds and does the rest. Within a
//! process it remembers that the contracts stand and who is admitted, until a pass fails: then all of it is looked at again. Restarts, other
//! processes and reorganisations are all the same to it.
//!
//! A round that was voided on the home chain, by a veto or a proof, is the end of a run ([`Standing::void`]): what was signed after it builds on
//! it, and the contract takes none of that.
//!
//! Where contracts are follows from the plan, the run's salt, the coordinator's account and the home chain ([`contracts`]); members check that before
//! they agree ([`check_contracts`]), with no chain at hand. The salt is drawn once a run ([`run_salt`]): another run of the same plan has contracts of its
//! own, with stakes and funds of their own, and what members sign in one proves nothing against them in the other. That holds with a coordinator that draws
//! its salts: one that gives a new run an old one's has the old contracts, and a member that began anew in both would have signed two headers for one
//! round. Members see to that themselves: `xfl join` notes beside the payout key in which directory it signs for which contracts, and signs for none
//! of them in another.

mod answer;
pub mod book;
mod endpoints;
mod pass;
mod rewards;
mod salt;
mod serve;

use std::path::Path;

use xfl_settlement::{
    chain::{
        client::ClientError,
        connect::ConnectionError,
        deploy::{self, DeployError, Deployment, Home, Terms},
        embedded::{EmbeddedChain, OpenError},
        genesis::{Genesis as ChainGenesis, Seed},
    },
    payout::Account,
    statement::QuorumError,
};

pub use self::{
    answer::answer_demands,
    book::{Book, Signed},
    endpoints::{ChainChoice, Endpoint, Endpoints, EndpointsError, FILE as CHAINS_FILE, connect},
    pass::{Site, Standing},
    rewards::write_rewards,
    salt::run_salt,
    serve::{Answer, spawn},
};
use crate::{
    plan::Plan,
    transcript::{Contracts, Genesis},
};

/// EIP-155 id of the embedded chain.
pub const EMBEDDED_CHAIN_ID: u64 = 5_885;

/// Why a chain can't be used.
#[derive(Debug, thiserror::Error)]
pub enum SettleError {
    /// The embedded chain's files.
    #[error("the embedded chain: {0}")]
    Open(#[from] OpenError),
    /// What was given for a chain is none.
    #[error("{given:?}: {what}")]
    Choice {
        /// As it was given.
        given: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A file of endpoints.
    #[error(transparent)]
    Endpoints(#[from] EndpointsError),
    /// A chain was named by its id alone, and nobody said where it is.
    #[error("no url of chain {chain_id} is known")]
    Unreached {
        /// The chain.
        chain_id: u64,
    },
    /// The coordinator's account can't pay for gas.
    #[error("{} has no coins on chain {chain_id} to pay for gas", hex(.account))]
    Unfunded {
        /// The account.
        account: Account,
        /// The chain.
        chain_id: u64,
    },
    /// The contracts can't be where they are said to be.
    #[error("the contracts on chain {chain_id} aren't where this program's own code with the plan's terms would be")]
    OtherContracts {
        /// The chain.
        chain_id: u64,
    },
    /// An id that says one kind of chain, and a name that says the other.
    #[error("chain {chain_id} is said to be {}, and the embedded chain alone has id {EMBEDDED_CHAIN_ID}", if *.embedded { "the embedded one" } else { "another" })]
    Embedded {
        /// The chain.
        chain_id: u64,
        /// What it is said to be.
        embedded: bool,
    },
    /// Another process of the same run was here before: only a copy of its salt leads to its contracts.
    #[error(
        "chain {chain_id} has this run's contracts already, with {members} members and {rounds} rounds that aren't in its journal"
    )]
    Used {
        /// The chain.
        chain_id: u64,
        /// Members admitted.
        members: u64,
        /// Rounds posted.
        rounds: u64,
    },
    /// A chain outside needs two signers.
    #[error("chain {chain_id} is not the coordinator's own, and the plan lets {threshold} member sign a round there")]
    Threshold {
        /// The chain.
        chain_id: u64,
        /// The plan's.
        threshold: u64,
    },
    /// The chain has rounds that the transcript doesn't.
    #[error("chain {chain_id} has round {posted}, the transcript ends with {known}")]
    Ahead {
        /// The chain.
        chain_id: u64,
        /// The last round there.
        posted: u64,
        /// The last round here.
        known: u64,
    },
    /// Deploying.
    #[error(transparent)]
    Deploy(#[from] DeployError),
    /// Talking to the chain.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// Connecting.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// The signatures aren't a quorum's.
    #[error(transparent)]
    Quorum(#[from] QuorumError),
}

/// What the contracts are made with, from the plan and the run's salt alone: everybody can compute it.
pub fn terms(plan: &Plan, run: &[u8; 16], embedded: bool) -> Terms {
    let budget = u128::from(plan.terms().reward.budget);
    let rounds = u128::from(plan.terms().rounds.count);
    // On each chain: members may all be paid on one.
    let funding = budget.saturating_mul(rounds);
    Terms {
        federation: plan.federation().0,
        run: *run,
        threshold: plan.settlement_threshold() as u64,
        embedded,
        per_round_cap: budget,
        activation_delay: if embedded {
            0
        } else {
            plan.terms().settlement.activation_seconds
        },
        penalty: plan.terms().settlement.penalty.wei,
        token_name: "xfl reward".into(),
        token_symbol: "XFL".into(),
        supply: funding.max(1),
        funding,
    }
}

/// Where the contracts of one chain are, or will be, in the run with this salt; `home` where it is a mirror.
///
/// # Errors
/// [`SettleError::Deploy`] for a chain that mirrors itself, [`SettleError::Threshold`], [`SettleError::Embedded`]: what is allowed on one
/// operator's own chain alone, a single signer and no time to dispute, must not pass on another.
pub fn contracts(
    plan: &Plan,
    run: &[u8; 16],
    coordinator: Account,
    chain_id: u64,
    embedded: bool,
    home: Option<Home>,
) -> Result<Contracts, SettleError> {
    if embedded != (chain_id == EMBEDDED_CHAIN_ID) {
        return Err(SettleError::Embedded { chain_id, embedded });
    }
    let terms = terms(plan, run, embedded);
    if !embedded && terms.threshold < 2 {
        let threshold = terms.threshold;
        return Err(SettleError::Threshold { chain_id, threshold });
    }
    let made = deploy::Plan::at(chain_id, coordinator, home, terms)?.deployment();
    Ok(Contracts {
        chain_id,
        registry: made.registry,
        rounds: made.rounds,
        vault: made.vault,
        distributor: made.distributor,
        token: made.token,
        coordinator,
        embedded,
    })
}

/// Whether the contracts that a beginning names are where this program's own artefacts with the plan's terms would be, on every chain. An
/// address commits to the code that can stand there, so that no chain needs to be asked.
///
/// # Errors
/// [`SettleError::OtherContracts`] for the first chain where they aren't, and those of [`contracts`].
pub fn check_contracts(plan: &Plan, genesis: &Genesis) -> Result<(), SettleError> {
    let main = &genesis.contracts;
    let home = Home {
        chain_id: main.chain_id,
        rounds: main.rounds,
    };
    for (place, named) in genesis.chains().enumerate() {
        let home = (place > 0).then_some(home);
        let own = contracts(
            plan,
            &genesis.run,
            main.coordinator,
            named.chain_id,
            named.embedded,
            home,
        )?;
        if own != *named {
            let chain_id = named.chain_id;
            return Err(SettleError::OtherContracts { chain_id });
        }
    }
    Ok(())
}

/// The plan of deployment of a chain of a federation, by its place in the beginning: 0 for the home chain.
///
/// # Errors
/// [`SettleError::Deploy`].
pub fn deployment_plan(plan: &Plan, genesis: &Genesis, contracts: &Contracts) -> Result<deploy::Plan, SettleError> {
    let main = &genesis.contracts;
    let home = (contracts.chain_id != main.chain_id).then_some(Home {
        chain_id: main.chain_id,
        rounds: main.rounds,
    });
    let terms = terms(plan, &genesis.run, contracts.embedded);
    Ok(deploy::Plan::at(
        contracts.chain_id,
        contracts.coordinator,
        home,
        terms,
    )?)
}

/// Where the contracts of a chain of a federation are, as its beginning says.
pub fn deployment(plan: &Plan, genesis: &Genesis, contracts: &Contracts) -> Deployment {
    let main = &genesis.contracts;
    let home = (contracts.chain_id != main.chain_id).then_some(Home {
        chain_id: main.chain_id,
        rounds: main.rounds,
    });
    let terms = terms(plan, &genesis.run, contracts.embedded);
    Deployment {
        chain_id: contracts.chain_id,
        registry: contracts.registry,
        rounds: contracts.rounds,
        vault: contracts.vault,
        distributor: contracts.distributor,
        token: contracts.token,
        coordinator: contracts.coordinator,
        terms: if home.is_some() { terms.on_mirror() } else { terms },
        home,
    }
}

/// The file in which a directory remembers what a chain told.
pub fn events_file(dir: &Path, chain_id: u64) -> std::path::PathBuf {
    dir.join(format!("events-{chain_id}.xfl"))
}

/// Opens the embedded chain of a run's directory, beginning it if need be.
///
/// # Errors
/// [`OpenError`].
pub fn embedded(dir: &Path, coordinator: Account) -> Result<EmbeddedChain, OpenError> {
    let genesis = ChainGenesis {
        chain_id: EMBEDDED_CHAIN_ID,
        timestamp: super::entropy::now() / 1000,
        seeds: vec![Seed::coins(coordinator, 1_000_000)],
    };
    EmbeddedChain::open(
        &dir.join("chain"),
        genesis,
        std::sync::Arc::new(|| super::entropy::now() / 1000),
    )
}

fn hex(account: &Account) -> String {
    account
        .iter()
        .fold("0x".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}
