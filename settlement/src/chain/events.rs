//! What the contracts have told so far: admissions with both signatures, posted headers with their signers, payments.
//!
//! What was read once isn't asked for again: a client remembers up to which block it has read, with that block's hash, and looks there first ([`reader`]);
//! with a file ([`SettlementClient::with_memory`]) the next process goes on there too. The answers are the node's word, to be compared with contract
//! state and checked signatures ([`crate::audit`]).

mod memory;
pub(super) mod reader;

use std::path::PathBuf;

use alloy::primitives::{B256, LogData};
use alloy::sol_types::SolEvent;

use super::client::{ClientError, SettlementClient};
use super::contracts::bindings::{FederationRegistry, RewardDistributor, RoundManager, RoundMirror};
use crate::binding::Binding;
use crate::merkle::Digest;
use crate::payout::{Account, Signature};
use crate::statement::RoundHeader;

/// A posting from the event of either contract: bindings have types of their own for each.
macro_rules! posted {
    ($event:expr) => {{
        let (event, transaction) = $event;
        let header = event.header;
        let cumulative_budget = header.cumulativeBudget.try_into();
        Ok(Posted {
            header: RoundHeader {
                federation: header.federation.0,
                round: header.round,
                plan_hash: header.planHash.0,
                parent: header.parent.0,
                model_root: header.modelRoot.0,
                row_root: header.rowRoot.0,
                aggregate_root: header.aggregateRoot.0,
                transcript_root: header.transcriptRoot.0,
                reward_root: header.rewardRoot.0,
                cumulative_budget: cumulative_budget.map_err(|_| ClientError::Answer { what: "a budget" })?,
                cohort: header.cohort,
                dimension: header.dimension,
                rule: header.rule,
                rule_parameter: header.ruleParameter.0,
                input_root: header.inputRoot.0,
                attempt: header.attempt,
            },
            digest: event.digest.0,
            signers: event.signers.into_iter().map(Into::into).collect(),
            active_at: event.activeAt,
            transaction,
        })
    }};
}

/// An admission, as the registry told it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    /// What both keys signed.
    pub binding: Binding,
    /// By the payout key; 65 bytes unless the account is a contract.
    pub payout_signature: Vec<u8>,
    /// By the node key, ed25519 over the binding's digest.
    pub node_signature: Vec<u8>,
}

impl Admission {
    /// The payout signature, if it is one of a key.
    #[must_use]
    pub fn signature(&self) -> Option<Signature> {
        self.payout_signature.as_slice().try_into().ok().map(Signature)
    }
}

/// A posted round, as the round manager told it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted {
    /// The header.
    pub header: RoundHeader,
    /// Its digest.
    pub digest: Digest,
    /// The members that signed, ascending.
    pub signers: Vec<Account>,
    /// When its rewards become claimable, Unix seconds.
    pub active_at: u64,
    /// The transaction that posted it.
    pub transaction: Digest,
}

/// A payment, as the distributor told it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Payment {
    /// Node key of the earner.
    pub participant: Digest,
    /// Who received it.
    pub payout: Account,
    /// Round whose root was used.
    pub round: u64,
    /// Paid then.
    pub amount: u128,
    /// Paid in total.
    pub cumulative: u128,
}

impl SettlementClient {
    /// All admissions, oldest first; removed members included.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn admissions(&self) -> Result<Vec<Admission>, ClientError> {
        let federation = self.deployment().terms.federation;
        let logs = self
            .logs::<FederationRegistry::MemberAdmitted>(self.deployment().registry)
            .await?;
        Ok(logs
            .into_iter()
            .map(|event| Admission {
                binding: Binding {
                    federation,
                    node_key: event.nodeKey.0,
                    payout: event.payout.into(),
                    chain_id: event.chainId,
                    nonce: event.nonce,
                    expiry: event.expiry,
                },
                payout_signature: event.payoutSignature.into(),
                node_signature: event.nodeSignature.into(),
            })
            .collect())
    }

    /// All posted rounds, oldest first; vetoed ones included. On a mirror those that were mirrored.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn posted(&self) -> Result<Vec<Posted>, ClientError> {
        let rounds = self.deployment().rounds;
        if self.deployment().is_home() {
            let logs = self.told::<RoundManager::RoundPosted>(rounds).await?;
            return logs.into_iter().map(|event| posted!(event)).collect();
        }
        let logs = self.told::<RoundMirror::RoundMirrored>(rounds).await?;
        logs.into_iter().map(|event| posted!(event)).collect()
    }

    /// All payments, oldest first.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn payments(&self) -> Result<Vec<Payment>, ClientError> {
        let logs = self
            .logs::<RewardDistributor::Claimed>(self.deployment().distributor)
            .await?;
        let payment = |event: RewardDistributor::Claimed| {
            let amount = |value: alloy::primitives::U256| {
                value
                    .try_into()
                    .map_err(|_| ClientError::Answer { what: "an amount paid" })
            };
            Ok(Payment {
                participant: event.participant.0,
                payout: event.payout.into(),
                round: event.round,
                amount: amount(event.amount)?,
                cumulative: amount(event.cumulative)?,
            })
        };
        logs.into_iter().map(payment).collect()
    }

    async fn logs<E: SolEvent>(&self, address: Account) -> Result<Vec<E>, ClientError> {
        let told = self.told(address).await?;
        Ok(told.into_iter().map(|(event, _)| event).collect())
    }

    /// All events of one kind with their transactions, oldest first.
    pub(super) async fn told<E: SolEvent>(&self, address: Account) -> Result<Vec<(E, Digest)>, ClientError> {
        let (reader, tail) = self.read_events().await?;
        let all = reader.told().iter().chain(&tail);
        all.filter(|told| told.address == address && told.topics.first() == Some(&E::SIGNATURE_HASH.0))
            .map(|told| {
                let topics = told.topics.iter().map(B256::from).collect();
                let data = LogData::new_unchecked(topics, told.data.clone().into());
                let event = E::decode_log_data(&data).map_err(|_| ClientError::Answer { what: "an event" })?;
                Ok((event, told.transaction))
            })
            .collect()
    }

    /// The same, remembering in a file what was read. One that is damaged, or of other contracts, is said and read anew; it is no secret, and believed no
    /// further than the chain's own state bears it out.
    #[must_use]
    pub fn with_memory(self, file: PathBuf) -> Self {
        self.remember_in(file)
    }
}
