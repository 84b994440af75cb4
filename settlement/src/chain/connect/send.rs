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
use tokio::time::sleep;

use super::{Connection, ConnectionError};

/// Versions of a transaction that are sent at most.
const VERSIONS: u32 = 6;
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
    /// Sends a transaction and waits until it is in a block, with as many on top as the connection wants.
    pub(crate) async fn transact(&self, request: TransactionRequest) -> Result<TransactionReceipt, TransactError> {
        let wallet = self.wallet.as_ref().ok_or(ConnectionError::NoKey)?;
        let _turn = self.turn.lock().await;
        let sender = self.sender.map(Address::from).ok_or(ConnectionError::NoKey)?;
        let request = self.complete(request.from(sender)).await?;
        let mut fees = self.fees().await?;
        let nonce = request.nonce.unwrap_or_default();
        let mut sent: Vec<B256> = Vec::new();
        for _ in 0..VERSIONS {
            let (hash, raw) = sign(request.clone(), fees, wallet).await?;
            fees = fees.raised();
            match self.provider.send_raw_transaction(&raw).await {
                Ok(_) => sent.push(hash),
                Err(error) => match Refusal::of(&error) {
                    Refusal::Known => sent.push(hash),
                    Refusal::Underpriced => continue,
                    Refusal::Used if !sent.is_empty() => {}
                    _ => return Err(ConnectionError::rpc(error).into()),
                },
            }
            if let Some(receipt) = self.settle(&sent).await? {
                return Ok(receipt);
            }
            if self.nonce(&sender.into()).await? > nonce && self.mined(&sent, Duration::ZERO).await?.is_none() {
                return Err(ConnectionError::Overtaken { nonce }.into());
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
    async fn settle(&self, versions: &[B256]) -> Result<Option<TransactionReceipt>, ConnectionError> {
        let Some(receipt) = self.mined(versions, self.patience).await? else {
            return Ok(None);
        };
        let block = receipt.block_number.unwrap_or_default();
        let wanted = block.saturating_add(self.confirmations.saturating_sub(1));
        let (mut pause, mut waited) = (Duration::from_millis(20), Duration::ZERO);
        while self.head().await? < wanted && waited < self.patience {
            sleep(pause).await;
            waited = waited.saturating_add(pause);
            pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
        }
        if self.confirmations <= 1 {
            return Ok(Some(receipt));
        }
        let again = self.mined(versions, Duration::ZERO).await?;
        Ok(again.filter(|again| again.block_hash == receipt.block_hash))
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

    /// Number of the latest block.
    ///
    /// # Errors
    /// [`ConnectionError`].
    pub async fn head(&self) -> Result<u64, ConnectionError> {
        self.provider.get_block_number().await.map_err(ConnectionError::rpc)
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
