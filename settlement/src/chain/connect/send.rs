//! One transaction, from request to receipt: numbered, priced, signed here, and sent again at a higher fee until it is in a block.
//!
//! A transaction keeps its nonce whatever happens to it, so that of all its versions one at most can ever count. A version that isn't mined
//! within the connection's patience is taken to be stuck or dropped; the next pays an eighth more at least, as nodes demand. Once a version is
//! in a block, the blocks that were asked for on top of it are waited for, and it is looked for again: if a reorganisation took it out, it is
//! sent again.

use alloy::eips::eip2718::Encodable2718;
use alloy::network::{EthereumWallet, NetworkTransactionBuilder};
use alloy::primitives::{Address, B256, Bytes};
use alloy::providers::Provider;
use alloy::rpc::types::{TransactionReceipt, TransactionRequest};
use alloy::transports::{RpcError, TransportErrorKind};
use std::time::Duration;
use tokio::time::{Instant, sleep};

use super::{Connection, ConnectionError};
use crate::merkle::Digest;

/// Nonces that are tried at most, where another process takes them.
const NONCES: u32 = 8;
/// Versions of a transaction that are sent at most.
const VERSIONS: u32 = 6;
/// How long a receipt may come after the nonce that its transaction used up.
const GRACE: Duration = Duration::from_secs(5);
/// How many times its patience a connection waits for a new block on top of a transaction.
const STILL: u32 = 4;
/// The longest pause between two looks for a receipt.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Why a transaction has no receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TransactError {
    /// Executed now it would revert with these bytes; nothing was sent.
    Revert(Bytes),
    /// Anything else.
    Connection(ConnectionError),
}

impl From<TransactError> for ConnectionError {
    fn from(error: TransactError) -> Self {
        match error {
            TransactError::Revert(data) => Self::Rpc {
                reason: format!("execution reverted: {data}"),
            },
            TransactError::Connection(error) => error,
        }
    }
}

impl From<ConnectionError> for TransactError {
    fn from(error: ConnectionError) -> Self {
        Self::Connection(error)
    }
}

type Rpc = RpcError<TransportErrorKind>;

/// What a node says of a transaction that it doesn't take.
enum Refusal {
    /// It has it already.
    Known,
    /// Another one with this nonce pays as much.
    Underpriced,
    /// The nonce is used up.
    Used,
    /// Anything else.
    Other,
}

impl Refusal {
    /// By the words of the usual nodes: JSON-RPC has no codes for these.
    fn of(error: &Rpc) -> Self {
        let Some(payload) = error.as_error_resp() else {
            return Self::Other;
        };
        let said = payload.message.to_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
        if says(&[
            "already known",
            "already imported",
            "known transaction",
            "already in the",
        ]) {
            Self::Known
        } else if says(&["underpriced", "too low to replace", "fee too low"]) {
            Self::Underpriced
        } else if says(&[
            "nonce too low",
            "nonce is too low",
            "invalid nonce",
            "nonce has already",
        ]) {
            Self::Used
        } else {
            Self::Other
        }
    }
}

/// What a unit of gas pays.
#[derive(Clone, Copy)]
struct Fees {
    most: u128,
    tip: u128,
}

impl Fees {
    /// A quarter more, and at least one unit.
    fn raised(self) -> Self {
        let raise = |fee: u128| fee.saturating_add(fee / 4).saturating_add(1);
        Self {
            most: raise(self.most),
            tip: raise(self.tip),
        }
    }
}

impl Connection {
    /// Sends a transaction and waits until it is in a block, with as many on top as the connection wants. Where another process takes its
    /// nonce it goes out again under the next: only for what a contract does once, however often it is asked.
    pub(crate) async fn transact(&self, request: TransactionRequest) -> Result<TransactionReceipt, TransactError> {
        self.under(request, NONCES).await
    }

    /// The same for what counts each time: it is tried under one nonce alone.
    pub(crate) async fn transact_once(&self, request: TransactionRequest) -> Result<TransactionReceipt, TransactError> {
        self.under(request, 1).await
    }

    async fn under(&self, request: TransactionRequest, nonces: u32) -> Result<TransactionReceipt, TransactError> {
        let wallet = self.wallet.as_ref().ok_or(ConnectionError::NoKey)?;
        let _turn = self.turn.lock().await;
        let sender = self.sender.map(Address::from).ok_or(ConnectionError::NoKey)?;
        let mut overtaken = None;
        for _ in 0..nonces {
            match self.under_one_nonce(request.clone().from(sender), wallet, sender).await {
                // What another process with this key did may be what was to be done: asked again, the contract says so.
                Err(TransactError::Connection(error @ ConnectionError::Overtaken { .. })) => overtaken = Some(error),
                other => return other,
            }
        }
        Err(overtaken.unwrap_or(ConnectionError::NoKey).into())
    }

    /// Sends it in version after version; [`ConnectionError::Overtaken`] where none of them can ever count, which takes a nonce that is used
    /// up, no receipt, and no node that knows any of them.
    async fn under_one_nonce(
        &self,
        request: TransactionRequest,
        wallet: &EthereumWallet,
        sender: Address,
    ) -> Result<TransactionReceipt, TransactError> {
        let request = self.complete(request).await?;
        let mut fees = self.fees().await?;
        let nonce = request.nonce.unwrap_or_default();
        let mut sent: Vec<B256> = Vec::new();
        for _ in 0..VERSIONS {
            let (hash, raw) = sign(request.clone(), fees, wallet).await?;
            fees = fees.raised();
            // Before it is sent: a node may take it and not say so.
            sent.push(hash);
            let mut patience = self.patience;
            if let Err(error) = self.provider.send_raw_transaction(&raw).await {
                match Refusal::of(&error) {
                    Refusal::Known => {}
                    Refusal::Underpriced => continue,
                    Refusal::Used => patience = patience.min(GRACE),
                    Refusal::Other => return Err(unsent(&error, &sent).into()),
                }
            }
            if let Some(receipt) = self.settle(&sent, patience).await? {
                return Ok(receipt);
            }
            // Behind one url may be several nodes, one of which knows the nonce before another has the receipt.
            if self.nonce(&sender.into()).await? > nonce
                && self.mined(&sent, GRACE).await?.is_none()
                && !self.any_known(&sent).await?
            {
                let sent = sent.iter().map(|hash| hash.0).collect();
                return Err(ConnectionError::Overtaken { nonce, sent }.into());
            }
        }
        let (transaction, seconds) = (sent.last().copied().unwrap_or_default().0, self.patience.as_secs());
        let seconds = seconds.saturating_mul(u64::from(VERSIONS));
        Err(ConnectionError::NotMined { transaction, seconds }.into())
    }

    /// Everything of a transaction but its fees.
    async fn complete(&self, request: TransactionRequest) -> Result<TransactionRequest, TransactError> {
        let gas = match self.provider.estimate_gas(request.clone()).await {
            // A tenth more: state may change until it is mined.
            Ok(gas) => gas.saturating_add(gas / 10),
            Err(error) => {
                return Err(match error.as_error_resp().and_then(|said| said.as_revert_data()) {
                    Some(data) => TransactError::Revert(data),
                    None => ConnectionError::rpc(error).into(),
                });
            }
        };
        let nonce = match request.from {
            Some(sender) => self.nonce(&sender.into()).await?,
            None => 0,
        };
        Ok(TransactionRequest {
            chain_id: Some(self.chain_id().await?),
            nonce: Some(nonce),
            gas: Some(gas),
            ..request
        })
    }

    async fn fees(&self) -> Result<Fees, ConnectionError> {
        let fees = self
            .provider
            .estimate_eip1559_fees()
            .await
            .map_err(ConnectionError::rpc)?;
        Ok(Fees {
            most: fees.max_fee_per_gas,
            tip: fees.max_priority_fee_per_gas,
        })
    }

    /// The receipt of one of these with enough blocks on top of it; none if there is none in time, or a reorganisation took it away.
    /// [`ConnectionError::Unconfirmed`] where blocks cease to come.
    async fn settle(
        &self,
        versions: &[B256],
        patience: Duration,
    ) -> Result<Option<TransactionReceipt>, ConnectionError> {
        let Some(mut receipt) = self.mined(versions, patience).await? else {
            return Ok(None);
        };
        if self.confirmations <= 1 {
            return Ok(Some(receipt));
        }
        let limit = self.patience.saturating_mul(STILL);
        let (mut highest, mut since) = (0, Instant::now());
        let mut pause = Duration::from_millis(20);
        loop {
            let head = self.head().await?;
            // Asked after the head: a reorganisation in between is seen here or in the next turn.
            let Some(now) = self.mined(versions, GRACE.min(self.patience)).await? else {
                return Ok(None);
            };
            let stands = now.block_hash == receipt.block_hash;
            receipt = now;
            let block = receipt.block_number.unwrap_or_default();
            let have = head.saturating_add(1).saturating_sub(block);
            if stands && have >= self.confirmations {
                return Ok(Some(receipt));
            }
            if head > highest {
                (highest, since) = (head, Instant::now());
            } else if since.elapsed() >= limit {
                return Err(ConnectionError::Unconfirmed {
                    transaction: receipt.transaction_hash.0,
                    have,
                    wanted: self.confirmations,
                    seconds: limit.as_secs(),
                });
            }
            sleep(pause).await;
            pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
        }
    }

    /// Whether the nodes know one of these, in a block or not; [`ConnectionError::Disagreement`] where some do and some don't.
    async fn any_known(&self, versions: &[B256]) -> Result<bool, ConnectionError> {
        for version in versions {
            let told = self.provider.get_transaction_by_hash(*version).await;
            if told.map_err(ConnectionError::rpc)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The receipt of whichever of these is in a block.
    async fn mined(
        &self,
        versions: &[B256],
        patience: Duration,
    ) -> Result<Option<TransactionReceipt>, ConnectionError> {
        let (mut pause, mut waited) = (Duration::from_millis(20), Duration::ZERO);
        loop {
            for version in versions.iter().rev() {
                let receipt = self
                    .provider
                    .get_transaction_receipt(*version)
                    .await
                    .map_err(ConnectionError::rpc)?;
                if let Some(receipt) = receipt.filter(|receipt| receipt.block_number.is_some()) {
                    return Ok(Some(receipt));
                }
            }
            if waited >= patience {
                return Ok(None);
            }
            sleep(pause).await;
            waited = waited.saturating_add(pause);
            pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
        }
    }

    /// Waits until a transaction that somebody else signed is in a block.
    pub(crate) async fn confirm(&self, transaction: B256) -> Result<TransactionReceipt, ConnectionError> {
        let receipt = self.mined(&[transaction], self.patience).await?;
        receipt.ok_or(ConnectionError::NotMined {
            transaction: transaction.0,
            seconds: self.patience.as_secs(),
        })
    }

    /// Hash of a block; none where the chain has no such one yet.
    ///
    /// # Errors
    /// [`ConnectionError`].
    pub async fn block_hash(&self, number: u64) -> Result<Option<Digest>, ConnectionError> {
        let block = self.provider.get_block_by_number(number.into()).await;
        let block = block.map_err(ConnectionError::rpc)?;
        Ok(block.map(|block| block.header.hash.0))
    }

    /// Number of the latest block.
    ///
    /// # Errors
    /// [`ConnectionError`].
    pub async fn head(&self) -> Result<u64, ConnectionError> {
        self.provider.get_block_number().await.map_err(ConnectionError::rpc)
    }
}

/// Why a version wasn't sent. Without an answer nobody knows whether it was, so that its hash is named.
fn unsent(error: &Rpc, sent: &[B256]) -> ConnectionError {
    match (ConnectionError::rpc(error), sent.last()) {
        (ConnectionError::Rpc { reason }, Some(hash)) if error.as_error_resp().is_none() => ConnectionError::Rpc {
            reason: format!("{reason}; transaction {hash} may be on its way all the same"),
        },
        (error, _) => error,
    }
}

/// Signs one version; its hash and its bytes.
async fn sign(
    request: TransactionRequest,
    fees: Fees,
    wallet: &EthereumWallet,
) -> Result<(B256, Vec<u8>), ConnectionError> {
    let request = TransactionRequest {
        max_fee_per_gas: Some(fees.most),
        max_priority_fee_per_gas: Some(fees.tip),
        ..request
    };
    let signed = NetworkTransactionBuilder::<alloy::network::Ethereum>::build(request, wallet)
        .await
        .map_err(ConnectionError::rpc)?;
    Ok((*signed.tx_hash(), signed.encoded_2718()))
}
