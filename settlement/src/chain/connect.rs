//! A connection to a chain, embedded or by URL, reading only or with a payout key that signs transactions.
//!
//! Transactions are confirmed by asking for their receipt, at once and then ever more slowly, so that a chain which mines
//! at once costs no waiting. Nonces are asked for each time, never cached, and transactions of one connection go one after
//! another: a failed one can't leave a gap. Stuck, dropped and reorganised ones are sent again under their nonce.

mod agree;
mod send;

use std::sync::Arc;
use std::time::Duration;

use alloy::network::EthereumWallet;
use alloy::primitives::{Address, B256, U256};
use alloy::providers::{DynProvider, Provider, ProviderBuilder};
use alloy::rpc::client::RpcClient;
use alloy::rpc::types::{TransactionReceipt, TransactionRequest};
use alloy::transports::http::{Http, reqwest};
use tokio::sync::Mutex;

use self::agree::{Agreeing, Node};
pub(crate) use self::send::TransactError;
use super::embedded::EmbeddedChain;
use super::transport::EmbeddedTransport;
use crate::merkle::Digest;
use crate::payout::{Account, PayoutKey};

/// How long a request to a URL may take.
pub const REQUEST_PATIENCE: Duration = Duration::from_secs(20);
/// How long a transaction may take to be mined before it is sent again at a higher fee, unless told otherwise.
pub const MINING_PATIENCE: Duration = Duration::from_secs(45);

/// Why a chain couldn't be asked, or a transaction not be confirmed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectionError {
    /// Nodes of one chain say different things: at least one of them lies, or is on another branch.
    #[error("{what}")]
    Disagreement {
        /// Which node says what.
        what: String,
    },
    /// Not an http or https URL.
    #[error("{url:?} is not an http or https url")]
    Url {
        /// What was given, as far as it can hold no key ([`place`]).
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
    /// It was in a block, and no more blocks came on top of it for so long that it can't be counted on.
    #[error("transaction {} has {have} of {wanted} confirmations, and no new block came for {seconds} s", B256::from(*.transaction))]
    Unconfirmed {
        /// Its hash.
        transaction: Digest,
        /// Blocks from its own on.
        have: u64,
        /// Blocks asked for.
        wanted: u64,
        /// How long no new one came.
        seconds: u64,
    },
    /// The sender's nonce was used by a transaction that isn't one of these, none of which any node knows: another process has the same key.
    #[error("nonce {nonce} was used by another transaction of this account, and not by {}", hashes(.sent))]
    Overtaken {
        /// The nonce.
        nonce: u64,
        /// Hashes of what was sent under it, by its fees from low to high.
        sent: Vec<Digest>,
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
        let reason = error.to_string();
        // Through the client's layers an error comes as its words.
        match reason.find(agree::DISAGREE) {
            Some(at) => Self::Disagreement {
                what: reason[at..].to_owned(),
            },
            None => Self::Rpc { reason },
        }
    }
}

fn hashes(sent: &[Digest]) -> String {
    let hashes: Vec<_> = sent.iter().map(|hash| B256::from(*hash).to_string()).collect();
    hashes.join(", ")
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
    wallet: Option<EthereumWallet>,
    sender: Option<Account>,
    patience: Duration,
    confirmations: u64,
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
        Self::several(&[url.to_owned()], key)
    }

    /// To several nodes of one chain by URL: what is read is asked of all of them, and differing answers are an error. Nothing is sent yet.
    ///
    /// # Errors
    /// [`ConnectionError::Url`], also where there is none, and [`ConnectionError::Rpc`] if TLS can't be set up.
    pub fn several(urls: &[String], key: Option<&PayoutKey>) -> Result<Self, ConnectionError> {
        let mut nodes = Vec::with_capacity(urls.len());
        let mut local = true;
        for url in urls {
            let (node, loopback) = node(url)?;
            local &= loopback;
            nodes.push(node);
        }
        let client = match nodes.len() {
            0 => return Err(ConnectionError::Url { url: String::new() }),
            1 => RpcClient::new(nodes.remove(0), local),
            _ => RpcClient::new(Agreeing::new(nodes), local),
        };
        Ok(Self::new(client, key))
    }

    fn new(client: RpcClient, key: Option<&PayoutKey>) -> Self {
        let provider = ProviderBuilder::new()
            .disable_recommended_fillers()
            .connect_client(client)
            .erased();
        Self {
            provider,
            wallet: key.map(|key| EthereumWallet::from(key.signer())),
            sender: key.map(PayoutKey::account),
            patience: MINING_PATIENCE,
            confirmations: 1,
            turn: Arc::default(),
        }
    }

    /// The same with another limit on how long a transaction may take to be mined before it is sent again.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// The same, waiting until a transaction has this many blocks, its own included. However long that takes: only where no new block comes
    /// for four times the patience is it an error.
    #[must_use]
    pub fn with_confirmations(self, confirmations: u64) -> Self {
        Self { confirmations, ..self }
    }

    /// Blocks that a transaction must have before it counts, its own included.
    #[must_use]
    pub fn confirmations(&self) -> u64 {
        self.confirmations
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

    /// Sends native coin (so that its receiver can pay for gas) and waits for it. Called twice it sends twice.
    ///
    /// # Errors
    /// [`ConnectionError`]; after [`ConnectionError::Overtaken`] nothing was sent, as far as the nodes know.
    pub async fn send_coin(&self, to: &Account, wei: u128) -> Result<Confirmed, ConnectionError> {
        let request = TransactionRequest::default()
            .to(Address::from(*to))
            .value(U256::from(wei));
        let receipt = self.transact_once(request).await.map_err(ConnectionError::from)?;
        succeeded(&receipt)
    }
}

/// Host and port of a url, for people: what else it has may be a key. Nothing of what isn't one, or has no host.
#[must_use]
pub fn place(url: &str) -> String {
    let Ok(parsed) = url.trim().parse::<reqwest::Url>() else {
        return String::new();
    };
    let host: String = parsed.host_str().unwrap_or_default().chars().take(256).collect();
    match parsed.port() {
        Some(port) if !host.is_empty() => format!("{host}:{port}"),
        _ => host,
    }
}

/// A node by its URL, and whether it is on this machine.
fn node(url: &str) -> Result<(Node, bool), ConnectionError> {
    let malformed = || ConnectionError::Url { url: place(url) };
    let parsed: reqwest::Url = url.parse().map_err(|_| malformed())?;
    if !matches!(parsed.scheme(), "http" | "https") {
        return Err(malformed());
    }
    let mut builder = reqwest::Client::builder().timeout(REQUEST_PATIENCE);
    let host = parsed.host_str().unwrap_or_default();
    let loopback = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
    if loopback {
        // A proxy for the outside has no way to this machine's own ports.
        builder = builder.no_proxy();
    }
    let name = match parsed.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    };
    let client = builder.build().map_err(ConnectionError::rpc)?;
    let http = Http::with_client(client, parsed);
    Ok((Node { name, http }, loopback))
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
