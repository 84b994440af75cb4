//! The client of a federation's contracts: members, rounds and claims, the same on every chain.
//!
//! Whatever changes a chain can be called again after a crash, a timeout or by two processes at once, and has its effect once:
//! the contract's state is asked first and decides, and a transaction that lost a race is looked at again before it counts as
//! failed. Contracts' own errors come back by name ([`ClientError::Refused`]).
//!
//! [`SettlementClient::connect`] checks code and wiring of the contracts before anything else is asked of them.

mod queries;
mod stake;

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use alloy::contract::{CallBuilder, CallDecoder};
use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::providers::DynProvider;
use alloy::rpc::types::{TransactionReceipt, TransactionRequest};
use alloy::sol_types::SolInterface;

use super::connect::{Confirmed, Connection, ConnectionError, TransactError, succeeded};
use super::contracts::bindings::FederationRegistry::{FederationRegistryErrors, FederationRegistryInstance};
use super::contracts::bindings::RewardDistributor::{RewardDistributorErrors, RewardDistributorInstance};
use super::contracts::bindings::RoundManager::{RoundManagerErrors, RoundManagerInstance};
use super::contracts::bindings::RoundMirror::RoundMirrorErrors;
use super::contracts::bindings::StakeVault::{StakeVaultErrors, StakeVaultInstance};
use super::contracts::bindings::XflToken::{XflTokenErrors, XflTokenInstance};
use super::contracts::bindings::{FederationRegistry, RewardDistributor, RoundManager};
use super::deploy::{DeployError, Deployment};
use super::events::reader::Reader;
use crate::abi;
use crate::binding::Binding;
use crate::claim::{ClaimProof, Entry};
use crate::merkle::Digest;
use crate::payout::Signature;
use crate::statement::RoundHeader;

pub use queries::Member;
pub use stake::Stake;

/// The same header for each contract that takes one: bindings have a type of their own for every contract.
macro_rules! on_chain {
    ($contract:ident, $header:expr) => {{
        let header: &RoundHeader = $header;
        $contract::RoundHeader {
            federation: header.federation.into(),
            round: header.round,
            planHash: header.plan_hash.into(),
            parent: header.parent.into(),
            modelRoot: header.model_root.into(),
            rowRoot: header.row_root.into(),
            aggregateRoot: header.aggregate_root.into(),
            transcriptRoot: header.transcript_root.into(),
            rewardRoot: header.reward_root.into(),
            cumulativeBudget: U256::from(header.cumulative_budget),
            cohort: header.cohort,
            dimension: header.dimension,
            rule: header.rule,
            ruleParameter: header.rule_parameter.into(),
            inputRoot: header.input_root.into(),
            attempt: header.attempt,
        }
    }};
}

/// Why the contracts couldn't be asked, or refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The chain failed, or a transaction.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// The contracts aren't what the deployment says.
    #[error(transparent)]
    Deployment(#[from] DeployError),
    /// Another header is posted for this round: whoever signed both equivocated.
    #[error("round {round} is posted with header {}, not {}", B256::from(*.posted), B256::from(*.ours))]
    Equivocation {
        /// The round.
        round: u64,
        /// Digest on the chain.
        posted: Digest,
        /// Digest of the header to be posted.
        ours: Digest,
    },
    /// A contract refused, and says why.
    #[error("the contract refused: {reason}")]
    Refused {
        /// The contract's error with its arguments.
        reason: String,
    },
    /// Stakes are on the home chain.
    #[error("chain {chain_id} has no stakes, they are on the home chain {home}")]
    NoVault {
        /// This one.
        chain_id: u64,
        /// The home.
        home: u64,
    },
    /// What told something isn't to be had any more.
    #[error("the node gives no transaction {}, whose events it told: ask one that keeps old transactions", B256::from(*.transaction))]
    Gone {
        /// The transaction's hash.
        transaction: Digest,
    },
    /// An answer that no honest contract gives.
    #[error("the contract answered {what} that does not fit")]
    Answer {
        /// What.
        what: &'static str,
    },
}

/// What came of something that is done at most once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was done now.
    Done(Confirmed),
    /// It had been done before; nothing was sent, or somebody else was first.
    Already,
}

/// What came of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claimed {
    /// Paid now, in the token's smallest unit.
    Paid {
        /// How much.
        amount: u128,
        /// In which transaction.
        confirmed: Confirmed,
    },
    /// Everything under this leaf was paid before.
    Nothing,
}

/// A federation's contracts on one chain.
#[derive(Debug, Clone)]
pub struct SettlementClient {
    connection: Connection,
    deployment: Deployment,
    pub(crate) registry: FederationRegistryInstance<DynProvider>,
    /// On a mirror too, which has the same functions as far as both have them.
    pub(crate) rounds: RoundManagerInstance<DynProvider>,
    pub(crate) distributor: RewardDistributorInstance<DynProvider>,
    token: XflTokenInstance<DynProvider>,
    vault: Option<StakeVaultInstance<DynProvider>>,
    /// What the contracts told so far; clones share it.
    pub(super) events: Arc<tokio::sync::Mutex<Reader>>,
    /// Headers of posted rounds by their digests, which they were checked against: each is looked for once.
    pub(super) headers: Arc<Mutex<HashMap<Digest, RoundHeader>>>,
}

impl SettlementClient {
    /// A client that has checked the contracts.
    ///
    /// # Errors
    /// [`ClientError::Deployment`].
    pub async fn connect(connection: Connection, deployment: Deployment) -> Result<Self, ClientError> {
        deployment.check(&connection).await?;
        Ok(Self::unchecked(connection, deployment))
    }

    /// A client that believes the deployment: for [`crate::audit`], which reports on each check itself.
    #[must_use]
    pub fn unchecked(connection: Connection, deployment: Deployment) -> Self {
        let provider = connection.provider().clone();
        Self {
            registry: FederationRegistry::new(deployment.registry.into(), provider.clone()),
            rounds: RoundManager::new(deployment.rounds.into(), provider.clone()),
            distributor: RewardDistributor::new(deployment.distributor.into(), provider.clone()),
            token: XflTokenInstance::new(deployment.token.into(), provider.clone()),
            vault: deployment
                .vault
                .map(|vault| StakeVaultInstance::new(vault.into(), provider)),
            connection,
            deployment,
            events: Arc::default(),
            headers: Arc::default(),
        }
    }

    /// The connection.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Where the contracts are.
    #[must_use]
    pub fn deployment(&self) -> &Deployment {
        &self.deployment
    }

    /// Admits a member, or binds it anew. `node_signature` is ed25519 by the node key over [`Binding::digest`]: the contract
    /// carries it and can't check it, so the caller must have. Coordinator only.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn admit(
        &self,
        binding: &Binding,
        payout_signature: &Signature,
        node_signature: &[u8; 64],
    ) -> Result<Outcome, ClientError> {
        let wanted = Member {
            payout: binding.payout,
            chain_id: binding.chain_id,
            nonce: binding.nonce,
        };
        if self.member(&binding.node_key).await? == Some(wanted) {
            return Ok(Outcome::Already);
        }
        let call = self.registry.admit(
            FederationRegistry::Binding {
                federation: binding.federation.into(),
                nodeKey: binding.node_key.into(),
                payout: binding.payout.into(),
                chainId: binding.chain_id,
                nonce: binding.nonce,
                expiry: binding.expiry,
            },
            Bytes::copy_from_slice(&payout_signature.0),
            Bytes::copy_from_slice(node_signature),
        );
        match self.send(call).await {
            Err(_) if self.member(&binding.node_key).await? == Some(wanted) => Ok(Outcome::Already),
            sent => sent.map(Outcome::Done),
        }
    }

    /// Removes a member. Coordinator only.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn remove(&self, node_key: &Digest) -> Result<Outcome, ClientError> {
        if self.member(node_key).await?.is_none() {
            return Ok(Outcome::Already);
        }
        let call = self.registry.remove(node_key.into());
        match self.send(call).await {
            Err(_) if self.member(node_key).await?.is_none() => Ok(Outcome::Already),
            sent => sent.map(Outcome::Done),
        }
    }

    /// Posts a round. `signatures` as [`crate::statement::Quorum::collect`] gives them; anybody may send them. Those of members that
    /// don't sign yet are left out, as long as there are enough others.
    ///
    /// # Errors
    /// [`ClientError::Equivocation`] if another header stands for this round, and the others.
    pub async fn post_round(&self, header: &RoundHeader, signatures: &[Signature]) -> Result<Outcome, ClientError> {
        if self.is_posted(header).await? {
            return Ok(Outcome::Already);
        }
        self.recall().await?;
        let signatures = self.counting(header, signatures).await?;
        let call = self.rounds.postRound(on_chain(header), abi::pack(&signatures).into());
        match self.send(call).await {
            Ok(confirmed) => Ok(Outcome::Done(confirmed)),
            Err(error) => match self.is_posted(header).await? {
                true => Ok(Outcome::Already),
                false => Err(error),
            },
        }
    }

    /// The signatures of those who sign by now: one of a member that is still within the registry's timelock would have all others
    /// refused with it. All of them where none is or too few are left; the contract then says what is wrong.
    async fn counting(&self, header: &RoundHeader, signatures: &[Signature]) -> Result<Vec<Signature>, ClientError> {
        let digest = header.digest(&self.deployment.header_domain());
        let mut counting = Vec::with_capacity(signatures.len());
        for signature in signatures {
            let Ok(signer) = signature.recover(&digest) else {
                continue;
            };
            let call = self.registry.countSigners(vec![Address::from(signer)]);
            if call.call().await.map_err(ConnectionError::rpc)?.stranger == U256::ONE {
                counting.push(*signature);
            }
        }
        let enough = counting.len() as u64 >= self.deployment.terms.threshold;
        Ok(if enough { counting } else { signatures.to_vec() })
    }

    /// Whether this very header stands for its round.
    ///
    /// # Errors
    /// [`ClientError::Equivocation`] if another one does, and the others.
    pub async fn is_posted(&self, header: &RoundHeader) -> Result<bool, ClientError> {
        let ours = header.digest(&self.deployment.header_domain());
        match self.header_digest(header.round).await? {
            None => Ok(false),
            Some(posted) if posted == ours => Ok(true),
            Some(posted) => Err(ClientError::Equivocation {
                round: header.round,
                posted,
                ours,
            }),
        }
    }

    /// Voids a round that isn't active yet and all after it. Coordinator only.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn veto(&self, round: u64) -> Result<Confirmed, ClientError> {
        self.send(self.rounds.veto(round)).await
    }

    /// Claims what a proof is due; the money goes to the leaf's account, whoever sends. The first claim of a round opens it with a
    /// transaction of its own.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn claim(&self, proof: &ClaimProof) -> Result<Claimed, ClientError> {
        let before = self.paid_to(&proof.leaf.participant).await?;
        if before >= proof.leaf.cumulative {
            return Ok(Claimed::Nothing);
        }
        self.open(proof).await?;
        let call = self.distributor.claim(RewardDistributor::Claim {
            round: proof.round,
            participant: proof.leaf.participant.into(),
            payout: proof.leaf.payout.into(),
            cumulative: proof.leaf.cumulative,
            index: U256::from(proof.leaf_proof.index),
            proof: proof.leaf_proof.siblings.iter().map(B256::from).collect(),
        });
        match self.send(call).await {
            Ok(confirmed) => {
                let amount = self.paid_in(&confirmed, &proof.leaf.participant).await?;
                Ok(Claimed::Paid { amount, confirmed })
            }
            Err(error) => match self.paid_to(&proof.leaf.participant).await? >= proof.leaf.cumulative {
                true => Ok(Claimed::Nothing),
                false => Err(error),
            },
        }
    }

    /// Opens a round for claims, if nobody has: its header and this chain's entry are proved once for all claims under it. Nothing is
    /// sent for a round that isn't posted, which the claim will say.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn open(&self, proof: &ClaimProof) -> Result<Outcome, ClientError> {
        if self.is_open(proof.round).await? {
            return Ok(Outcome::Already);
        }
        let Some(header) = self.posted_header(proof.round).await? else {
            return Ok(Outcome::Already);
        };
        let call = self.distributor.open(
            on_chain!(RewardDistributor, &header),
            entry(&proof.entry),
            U256::from(proof.entry_proof.index),
            proof.entry_proof.siblings.iter().map(B256::from).collect(),
        );
        match self.send(call).await {
            Err(_) if self.is_open(proof.round).await? => Ok(Outcome::Already),
            sent => sent.map(Outcome::Done),
        }
    }

    async fn is_open(&self, round: u64) -> Result<bool, ClientError> {
        let root = self
            .distributor
            .chainRoot(round)
            .call()
            .await
            .map_err(ConnectionError::rpc)?;
        Ok(!root.is_zero())
    }

    /// The header of a posted round, as it was posted; none if there is no such round, or it was voided.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn posted_header(&self, round: u64) -> Result<Option<RoundHeader>, ClientError> {
        let Some(digest) = self.header_digest(round).await? else {
            return Ok(None);
        };
        let domain = self.deployment.header_domain();
        let told = self.posted().await?;
        let header = told
            .into_iter()
            .rev()
            .map(|told| told.header)
            .find(|header| header.round == round && header.digest(&domain) == digest);
        header.map(Some).ok_or(ClientError::Answer {
            what: "no event of a posted round",
        })
    }

    /// After a round was voided the contract knows the last good one by its digest alone: brings its budget back, if need be.
    async fn recall(&self) -> Result<(), ClientError> {
        if !self.deployment.is_home() {
            return Ok(());
        }
        if self
            .rounds
            .latestBudget()
            .call()
            .await
            .map_err(ConnectionError::rpc)?
            .known
        {
            return Ok(());
        }
        let latest = self.latest_round().await?;
        let Some(header) = self.posted_header(latest).await? else {
            return Ok(());
        };
        match self.send(self.rounds.recall(on_chain(&header))).await {
            Err(_)
                if self
                    .rounds
                    .latestBudget()
                    .call()
                    .await
                    .map_err(ConnectionError::rpc)?
                    .known =>
            {
                Ok(())
            }
            sent => sent.map(|_| ()),
        }
    }

    /// What a transaction paid to a participant, from its `Claimed` events.
    async fn paid_in(&self, confirmed: &Confirmed, participant: &Digest) -> Result<u128, ClientError> {
        let receipt = self.connection.confirm(confirmed.transaction.into()).await?;
        let claims = receipt
            .logs()
            .iter()
            .filter(|log| log.address() == *self.distributor.address())
            .filter_map(|log| log.log_decode::<RewardDistributor::Claimed>().ok())
            .filter(|log| log.inner.participant.0 == *participant);
        claims
            .map(|log| amount(log.inner.amount, "an amount"))
            .try_fold(0, |sum: u128, paid| {
                sum.checked_add(paid?).ok_or(ClientError::Answer { what: "an amount" })
            })
    }

    pub(super) async fn send<D: CallDecoder>(
        &self,
        call: CallBuilder<&DynProvider, D>,
    ) -> Result<Confirmed, ClientError> {
        self.transact(call.into_transaction_request()).await
    }

    /// What counts each time it is sent.
    async fn send_once<D: CallDecoder>(&self, call: CallBuilder<&DynProvider, D>) -> Result<Confirmed, ClientError> {
        let request = call.into_transaction_request();
        confirmed(self.connection.transact_once(request).await)
    }

    pub(super) async fn transact(&self, request: TransactionRequest) -> Result<Confirmed, ClientError> {
        confirmed(self.connection.transact(request).await)
    }
}

fn confirmed(sent: Result<TransactionReceipt, TransactError>) -> Result<Confirmed, ClientError> {
    match sent {
        Ok(receipt) => Ok(succeeded(&receipt)?),
        Err(TransactError::Revert(data)) => Err(refused(&data)),
        Err(TransactError::Connection(error)) => Err(error.into()),
    }
}

/// What a contract reverted with, as an error.
pub(super) fn refused(data: &Bytes) -> ClientError {
    ClientError::Refused { reason: refusal(data) }
}

/// The name and arguments of a revert. It may come from any contract: a distributor passes on what its source says.
fn refusal(data: &Bytes) -> String {
    fn decoded<E: SolInterface + Debug>(data: &Bytes) -> Option<String> {
        E::abi_decode(data).ok().map(|error| format!("{error:?}"))
    }
    decoded::<RoundManagerErrors>(data)
        .or_else(|| decoded::<RoundMirrorErrors>(data))
        .or_else(|| decoded::<RewardDistributorErrors>(data))
        .or_else(|| decoded::<StakeVaultErrors>(data))
        .or_else(|| decoded::<FederationRegistryErrors>(data))
        .or_else(|| decoded::<XflTokenErrors>(data))
        .unwrap_or_else(|| format!("unknown error {data}"))
}

fn amount(value: U256, what: &'static str) -> Result<u128, ClientError> {
    value.try_into().map_err(|_| ClientError::Answer { what })
}

pub(crate) fn on_chain(header: &RoundHeader) -> RoundManager::RoundHeader {
    on_chain!(RoundManager, header)
}

fn entry(entry: &Entry) -> RewardDistributor::Entry {
    RewardDistributor::Entry {
        chainId: U256::from(entry.venue.chain_id),
        distributor: Address::from(entry.venue.distributor),
        token: Address::from(entry.venue.token),
        chainRoot: entry.chain_root.into(),
        cumulativeBudget: U256::from(entry.cumulative_budget),
    }
}
