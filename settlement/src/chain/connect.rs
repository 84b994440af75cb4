//! A connection to a chain, embedded or by URL, reading only or with a payout key that signs transactions.
//!
//! Transactions are confirmed by asking for their receipt, at once and then ever more slowly, so that a chain which mines
//! at once costs no waiting. Nonces are asked for each time, never cached, and transactions of one connection go one after
//! another: a failed one can't leave a gap.

use std::sync::Arc;
use std::time::Duration;

use alloy::network::EthereumWallet;
use alloy::primitives::{Address, B256, U256};
use alloy::providers::{DynProvider, Provider, ProviderBuilder};
use alloy::rpc::client::RpcClient;
use alloy::rpc::types::{TransactionReceipt, TransactionRequest};
use alloy::transports::http::{Http, reqwest};
use tokio::sync::Mutex;
use tokio::time::sleep;

use super::embedded::EmbeddedChain;
use super::transport::EmbeddedTransport;
use crate::merkle::Digest;
use crate::payout::{Account, PayoutKey};

/// How long a request to a URL may take.
pub const REQUEST_PATIENCE: Duration = Duration::from_secs(20);
/// How long a transaction may take to be mined, unless told otherwise.
pub const MINING_PATIENCE: Duration = Duration::from_secs(120);

/// Why a chain couldn't be asked, or a transaction not be confirmed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectionError {
    /// Not an http or https URL.
    #[error("{url:?} is not an http or https url")]
    Url {
        /// What was given.
        url: String,
    },
    /// The request failed, or the node answered with an error.
    #[error("the chain did not answer: {reason}")]
    Rpc {
        /// What the node or the connection said.
        reason: String,
    },
    /// The connection has no key.
    #[error("this connection has no key to sign transactions with")]
    NoKey,
    /// It was sent, and is in no block yet; it may still be.
    #[error("transaction {} is in no block after {seconds} s", B256::from(*.transaction))]
    NotMined {
        /// Its hash.
        transaction: Digest,
        /// How long was waited.
        seconds: u64,
    },
    /// It is in a block and failed.
    #[error("transaction {} reverted", B256::from(*.transaction))]
    Reverted {
        /// Its hash.
        transaction: Digest,
    },
}

impl ConnectionError {
    pub(crate) fn rpc(error: impl std::fmt::Display) -> Self {
        Self::Rpc {
            reason: error.to_string(),
        }
    }
}

/// A transaction in a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Confirmed {
    /// Its hash.
    pub transaction: Digest,
    /// Number of its block.
    pub block: u64,
    /// What it cost.
    pub gas_used: u64,
}

/// A connection; clones share it.
#[derive(Debug, Clone)]
pub struct Connection {
    provider: DynProvider,
    sender: Option<Account>,
    patience: Duration,
    turn: Arc<Mutex<()>>,
}

impl Connection {
    /// To a chain in this process. With a key, the connection can send.
    #[must_use]
    pub fn embedded(chain: &EmbeddedChain, key: Option<&PayoutKey>) -> Self {
        Self::new(EmbeddedTransport::new(chain.clone()).client(), key)
    }

    /// To a node's JSON-RPC by URL. Nothing is sent yet.
    ///
    /// # Errors
    /// [`ConnectionError::Url`], and [`ConnectionError::Rpc`] if TLS can't be set up.
    pub fn http(url: &str, key: Option<&PayoutKey>) -> Result<Self, ConnectionError> {
        let malformed = || ConnectionError::Url { url: url.into() };
        let parsed: reqwest::Url = url.parse().map_err(|_| malformed())?;
        if !matches!(parsed.scheme(), "http" | "https") {
            return Err(malformed());
        }
        let mut builder = reqwest::Client::builder().timeout(REQUEST_PATIENCE);
        let loopback = parsed
            .host_str()
            .is_some_and(|host| matches!(host, "localhost" | "127.0.0.1" | "[::1]"));
        if loopback {
            // A proxy for the outside has no way to this machine's own ports.
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(ConnectionError::rpc)?;
        Ok(Self::new(
            RpcClient::new(Http::with_client(client, parsed), loopback),
            key,
        ))
    }

    fn new(client: RpcClient, key: Option<&PayoutKey>) -> Self {
        let provider = match key {
            None => ProviderBuilder::new()
                .disable_recommended_fillers()
                .connect_client(client)
                .erased(),
            Some(key) => ProviderBuilder::new()
                .disable_recommended_fillers()
                .with_gas_estimation()
                .with_simple_nonce_management()
                .fetch_chain_id()
                .wallet(EthereumWallet::from(key.signer()))
                .connect_client(client)
                .erased(),
        };
        let sender = key.map(PayoutKey::account);
        Self {
            provider,
            sender,
            patience: MINING_PATIENCE,
            turn: Arc::default(),
        }
    }

    /// The same with another limit on how long a transaction may take to be mined.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// The provider, for anything that isn't here.
    #[must_use]
    pub fn provider(&self) -> &DynProvider {
        &self.provider
    }

    /// Who signs transactions, if anybody does.
    #[must_use]
    pub fn sender(&self) -> Option<Account> {
        self.sender
    }

    /// EIP-155 id.
    ///
    /// # Errors
    /// [`ConnectionError::Rpc`].
    pub async fn chain_id(&self) -> Result<u64, ConnectionError> {
        self.provider.get_chain_id().await.map_err(ConnectionError::rpc)
    }

    /// Native coin of an account, in wei.
    ///
    /// # Errors
    /// [`ConnectionError::Rpc`].
    pub async fn coin_balance(&self, account: &Account) -> Result<u128, ConnectionError> {
        let balance = self
            .provider
            .get_balance(Address::from(*account))
            .await
            .map_err(ConnectionError::rpc)?;
        Ok(balance.saturating_to())
    }

    /// The code at an address; empty if there is none.
    ///
    /// # Errors
    /// [`ConnectionError::Rpc`].
    pub async fn code(&self, account: &Account) -> Result<Vec<u8>, ConnectionError> {
        let code = self
            .provider
            .get_code_at(Address::from(*account))
            .await
            .map_err(ConnectionError::rpc)?;
        Ok(code.into())
    }

    /// Number of transactions that an account has in blocks.
    ///
    /// # Errors
    /// [`ConnectionError::Rpc`].
    pub async fn nonce(&self, account: &Account) -> Result<u64, ConnectionError> {
        self.provider
            .get_transaction_count(Address::from(*account))
            .await
            .map_err(ConnectionError::rpc)
    }

    /// Sends native coin (so that its receiver can pay for gas) and waits for it.
    ///
    /// # Errors
    /// [`ConnectionError`].
    pub async fn send_coin(&self, to: &Account, wei: u128) -> Result<Confirmed, ConnectionError> {
        let request = TransactionRequest::default()
            .to(Address::from(*to))
            .value(U256::from(wei));
        let turn = self.turn().await?;
        let sent = self
            .provider
            .send_transaction(self.from(request))
            .await
            .map_err(ConnectionError::rpc)?;
        let receipt = self.confirm(*sent.tx_hash()).await?;
        drop(turn);
        succeeded(&receipt)
    }

    pub(crate) fn from(&self, request: TransactionRequest) -> TransactionRequest {
        TransactionRequest {
            from: self.sender.map(Address::from),
            ..request
        }
    }

    /// Held while a transaction is made, sent and confirmed.
    pub(crate) async fn turn(&self) -> Result<tokio::sync::MutexGuard<'_, ()>, ConnectionError> {
        if self.sender.is_none() {
            return Err(ConnectionError::NoKey);
        }
        Ok(self.turn.lock().await)
    }

    /// Waits until the transaction is in a block.
    pub(crate) async fn confirm(&self, transaction: B256) -> Result<TransactionReceipt, ConnectionError> {
        let mut pause = Duration::from_millis(20);
        let mut waited = Duration::ZERO;
        loop {
            let receipt = self
                .provider
                .get_transaction_receipt(transaction)
                .await
                .map_err(ConnectionError::rpc)?;
            if let Some(receipt) = receipt.filter(|receipt| receipt.block_number.is_some()) {
                return Ok(receipt);
            }
            if waited >= self.patience {
                let seconds = waited.as_secs();
                return Err(ConnectionError::NotMined {
                    transaction: transaction.0,
                    seconds,
                });
            }
            sleep(pause).await;
            waited = waited.saturating_add(pause);
            pause = pause.saturating_mul(2).min(Duration::from_secs(2));
        }
    }
}

pub(crate) fn succeeded(receipt: &TransactionReceipt) -> Result<Confirmed, ConnectionError> {
    let transaction = receipt.transaction_hash.0;
    if !receipt.status() {
        return Err(ConnectionError::Reverted { transaction });
    }
    Ok(Confirmed {
        transaction,
        block: receipt.block_number.unwrap_or_default(),
        gas_used: receipt.gas_used,
    })
}
