//! Settle: the coordinator's hand on the chain. Admissions and postings, one after the other, again until they are there.

use std::{path::Path, time::Duration};

use tokio::sync::mpsc;
use xfl_settlement::{
    chain::{
        client::{ClientError, Outcome, SettlementClient},
        connect::Connection,
        deploy::{self, DeployError, Deployment, Terms},
        embedded::{EmbeddedChain, OpenError},
        genesis::{Genesis, Seed},
    },
    payout::{Account, PayoutKey, Signature},
    statement::{Quorum, QuorumError, RoundHeader},
};

use crate::{plan::Plan, round::Joined, transcript::Contracts};

/// EIP-155 id of the embedded chain.
pub const EMBEDDED_CHAIN_ID: u64 = 5_885;

/// Where a federation settles, as told by the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChainChoice {
    /// In this process, kept in the run's directory.
    Embedded,
    /// Any chain by its JSON-RPC url.
    Rpc(String),
}

/// Why the chain can't be used.
#[derive(Debug, thiserror::Error)]
pub enum SettleError {
    /// The embedded chain's files.
    #[error("the embedded chain: {0}")]
    Open(#[from] OpenError),
    /// The coordinator's account can't pay for gas.
    #[error("{} has no coins on chain {chain_id} to pay for gas", hex(.account))]
    Unfunded {
        /// The account.
        account: Account,
        /// The chain.
        chain_id: u64,
    },
    /// Deploying.
    #[error(transparent)]
    Deploy(#[from] DeployError),
    /// Talking to the chain.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// Connecting.
    #[error(transparent)]
    Connection(#[from] xfl_settlement::chain::connect::ConnectionError),
    /// The signatures aren't a quorum's.
    #[error(transparent)]
    Quorum(#[from] QuorumError),
}

/// What the chain is to do.
#[derive(Debug)]
pub enum Command {
    /// Admit a member.
    Admit(Box<Joined>),
    /// Post a round.
    Post {
        /// Its header.
        header: Box<RoundHeader>,
        /// Its signatures.
        signatures: Vec<Signature>,
    },
}

/// What the chain said.
#[derive(Debug)]
pub enum Answer {
    /// A member is admitted.
    Admitted(Account),
    /// A round is posted.
    Posted {
        /// The transaction; zero if it was there already.
        transaction: [u8; 32],
        /// Its block.
        block: u64,
        /// Gas used; 0 if it was there already.
        gas: u64,
    },
    /// Something failed and is tried again.
    Retrying {
        /// What.
        what: String,
    },
}

/// What the contracts are made with, from the plan alone: everybody can compute it.
pub fn terms(plan: &Plan, embedded: bool) -> Terms {
    let budget = u128::from(plan.terms().reward.budget);
    let rounds = u128::from(plan.terms().rounds.count);
    let funding = budget.saturating_mul(rounds);
    Terms {
        federation: plan.federation().0,
        threshold: plan.settlement_threshold() as u64,
        embedded,
        per_round_cap: budget,
        activation_delay: if embedded {
            0
        } else {
            plan.terms().settlement.activation_seconds
        },
        token_name: "xfl reward".into(),
        token_symbol: "XFL".into(),
        supply: funding.max(1),
        funding,
    }
}

/// The deployment that a plan and its contracts' addresses stand for.
pub fn deployment(plan: &Plan, contracts: &Contracts) -> Deployment {
    Deployment {
        chain_id: contracts.chain_id,
        registry: contracts.registry,
        rounds: contracts.rounds,
        distributor: contracts.distributor,
        token: contracts.token,
        coordinator: contracts.coordinator,
        terms: terms(plan, contracts.embedded),
    }
}

/// Opens the embedded chain of a run's directory, beginning it if need be.
///
/// # Errors
/// [`OpenError`].
pub fn embedded(dir: &Path, coordinator: Account) -> Result<EmbeddedChain, OpenError> {
    let genesis = Genesis {
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

/// Deploys the contracts, or goes on with a deployment that was begun.
///
/// # Errors
/// [`SettleError`].
pub async fn deploy(
    connection: &Connection,
    plan: &Plan,
    begun: &Path,
    embedded: bool,
) -> Result<Contracts, SettleError> {
    if let Some(account) = connection.sender()
        && connection.coin_balance(&account).await? == 0
    {
        return Err(SettleError::Unfunded {
            account,
            chain_id: connection.chain_id().await?,
        });
    }
    let plan_file = begun.join("deployment.json");
    let written = std::fs::read(&plan_file)
        .ok()
        .and_then(|bytes| serde_json::from_slice::<deploy::Plan>(&bytes).ok());
    let steps = match written {
        Some(steps) => steps,
        None => {
            let steps = deploy::Plan::new(connection, terms(plan, embedded)).await?;
            // Written before the first transaction, so that a crash in the middle deploys nothing twice.
            if let Ok(bytes) = serde_json::to_vec_pretty(&steps) {
                std::fs::write(&plan_file, bytes).map_err(|e| SettleError::Open(OpenError::from(e)))?;
            }
            steps
        }
    };
    let done = steps.execute(connection).await?;
    Ok(Contracts {
        chain_id: done.chain_id,
        registry: done.registry,
        rounds: done.rounds,
        distributor: done.distributor,
        token: done.token,
        coordinator: done.coordinator,
        embedded,
    })
}

fn hex(account: &Account) -> String {
    account
        .iter()
        .fold("0x".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

/// Performs commands in order until the sender is gone; what fails is tried again with growing pauses.
pub async fn serve(
    client: SettlementClient,
    threshold: usize,
    embedded: bool,
    mut commands: mpsc::UnboundedReceiver<Command>,
    answers: mpsc::UnboundedSender<Answer>,
) {
    let mut members: Vec<Account> = Vec::new();
    while let Some(command) = commands.recv().await {
        let mut pause = Duration::from_millis(200);
        loop {
            match perform(&client, threshold, embedded, &mut members, &command).await {
                Ok(answer) => {
                    if answers.send(answer).is_err() {
                        return;
                    }
                    break;
                }
                Err(error) => {
                    if answers
                        .send(Answer::Retrying {
                            what: error.to_string(),
                        })
                        .is_err()
                    {
                        return;
                    }
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(30));
                }
            }
        }
    }
}

async fn perform(
    client: &SettlementClient,
    threshold: usize,
    embedded: bool,
    members: &mut Vec<Account>,
    command: &Command,
) -> Result<Answer, SettleError> {
    match command {
        Command::Admit(joined) => {
            let payout = joined.binding.payout;
            client
                .admit(&joined.binding, &joined.payout_signature, &joined.node_signature.0)
                .await?;
            // On the embedded chain coins mean nothing; members need some to send their own claims.
            if embedded && client.connection().coin_balance(&payout).await? == 0 {
                client
                    .connection()
                    .send_coin(&payout, 1_000_000_000_000_000_000)
                    .await?;
            }
            members.retain(|m| *m != payout);
            members.push(payout);
            Ok(Answer::Admitted(payout))
        }
        Command::Post { header, signatures } => {
            let quorum = Quorum::new(members.clone(), threshold)?;
            let digest = header.digest(&client.deployment().header_domain());
            let sorted = quorum.collect(&digest, signatures.iter().copied())?;
            Ok(match client.post_round(header, &sorted).await? {
                Outcome::Done(c) => Answer::Posted {
                    transaction: c.transaction,
                    block: c.block,
                    gas: c.gas_used,
                },
                Outcome::Already => Answer::Posted {
                    transaction: [0; 32],
                    block: 0,
                    gas: 0,
                },
            })
        }
    }
}

/// A connection to a chain by url, with or without a key to send with.
///
/// # Errors
/// The url is none.
pub fn connect(url: &str, key: Option<&PayoutKey>) -> Result<Connection, SettleError> {
    Ok(Connection::http(url, key)?)
}
