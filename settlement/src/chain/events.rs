//! What the contracts have told so far: admissions with both signatures, posted headers with their signers, payments.
//!
//! What was read once and is deep enough isn't asked for again: a client remembers up to which block it has read, with that block's hash, and looks there first (`reader`);
//! with a file ([`SettlementClient::with_memory`]) the next process goes on there too. The answers are the node's word, to be compared with contract
//! state and checked signatures ([`crate::audit`]).

mod memory;
pub(super) mod reader;
mod transaction;

use std::path::PathBuf;
use std::sync::PoisonError;

use alloy::primitives::{B256, LogData};
use alloy::sol_types::{SolCall, SolEvent, SolValue};

pub(super) use self::transaction::Found;
pub use self::transaction::Place;
use super::client::{ClientError, SettlementClient};
use super::contracts::bindings::{FederationRegistry, RewardDistributor, RoundManager, RoundMirror};
use crate::abi;
use crate::binding::Binding;
use crate::merkle::Digest;
use crate::payout::{Account, Signature};
use crate::statement::RoundHeader;

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
    pub place: Place,
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

    /// All posted rounds, oldest first; vetoed ones included. On a mirror those that were mirrored. A header is read from the calldata of the
    /// transaction that posted it, or from the event that tells it where another contract did, and has the digest that was posted. Where a
    /// reorganisation took the transaction after its event was read, the chain is looked at again.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn posted(&self) -> Result<Vec<Posted>, ClientError> {
        let mut looks = 0;
        loop {
            looks += 1;
            match self.posted_now().await {
                Err(ClientError::Gone { .. }) if looks < reader::LOOKS => {}
                posted => return posted,
            }
        }
    }

    async fn posted_now(&self) -> Result<Vec<Posted>, ClientError> {
        let rounds = self.deployment().rounds;
        let mut postings = Vec::new();
        if self.deployment().is_home() {
            for (event, place) in self.told::<RoundManager::RoundPosted>(rounds).await? {
                postings.push((event.digest.0, event.signers, event.activeAt, place));
            }
        } else {
            for (event, place) in self.told::<RoundMirror::RoundMirrored>(rounds).await? {
                postings.push((event.digest.0, event.signers, event.activeAt, place));
            }
        }
        let mut posted = Vec::with_capacity(postings.len());
        let mut fresh = Vec::new();
        let mut failed = None;
        for (digest, signers, active_at, place) in postings {
            let header = match self.known_header(&digest) {
                Some(header) => header,
                None => match self.header_of(&digest, &place).await {
                    Ok(header) => {
                        fresh.push(header);
                        header
                    }
                    Err(error) => {
                        failed = Some(error);
                        break;
                    }
                },
            };
            posted.push(Posted {
                header,
                digest,
                signers: signers.into_iter().map(Into::into).collect(),
                active_at,
                place,
            });
        }
        self.keep_headers(fresh).await;
        failed.map_or(Ok(posted), Err)
    }

    fn known_header(&self, digest: &Digest) -> Option<RoundHeader> {
        let known = self.headers.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(digest).copied()
    }

    /// The header with this digest that a transaction posted.
    async fn header_of(&self, digest: &Digest, place: &Place) -> Result<RoundHeader, ClientError> {
        let domain = self.deployment().header_domain();
        let fits = |header: RoundHeader| (header.digest(&domain) == *digest).then_some(header);
        let transaction = self.input_of(place).await?;
        let direct = match &transaction {
            Found::Input(input) => abi::postRoundCall::abi_decode(input).ok(),
            Found::Elsewhere | Found::Gone => None,
        };
        let mut found = direct.and_then(|call| RoundHeader::try_from(&call.header).ok().and_then(fits));
        if found.is_none() {
            let told = self.told::<RoundManager::HeaderTold>(self.deployment().rounds).await?;
            let headers = told.iter().map(|(event, _)| header_told(&event.header));
            found = headers.flatten().find_map(fits);
        }
        let header = found.ok_or(match transaction {
            Found::Gone => ClientError::Gone {
                transaction: place.transaction,
            },
            Found::Input(_) | Found::Elsewhere => ClientError::Answer {
                what: "no header of a posted round",
            },
        })?;
        let mut known = self.headers.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(*digest, header);
        Ok(header)
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
    pub(super) async fn told<E: SolEvent>(&self, address: Account) -> Result<Vec<(E, Place)>, ClientError> {
        let (reader, tail) = self.read_events().await?;
        let all = reader.told().iter().chain(&tail);
        all.filter(|told| told.address == address && told.topics.first() == Some(&E::SIGNATURE_HASH.0))
            .map(|told| {
                let topics = told.topics.iter().map(B256::from).collect();
                let data = LogData::new_unchecked(topics, told.data.clone().into());
                let event = E::decode_log_data(&data).map_err(|_| ClientError::Answer { what: "an event" })?;
                Ok((event, told.place()))
            })
            .collect()
    }

    /// The same, remembering in a file what was read. One that is damaged, or of other contracts, is said and read anew; it is no secret. It is
    /// compared with the number of members and the latest round's posting that the contracts hold, and with nothing else.
    #[must_use]
    pub fn with_memory(self, file: PathBuf) -> Self {
        self.remember_in(file)
    }
}

/// A header from the event's own type, which has the fields of the calldata's.
fn header_told(header: &RoundManager::RoundHeader) -> Option<RoundHeader> {
    let encoded = header.abi_encode();
    let header = abi::RoundHeader::abi_decode(&encoded).ok()?;
    RoundHeader::try_from(&header).ok()
}
