//! Asks a node for everything that proves a federation's rounds and payments: headers, `eth_getProof`, receipts.
//!
//! **Which block.** State is that of the highest checkpoint, or of the latest block where there is none. A posting's block is reached from a
//! checkpoint at or after it by the headers in between ([`MAX_STEPS`](crate::proof::ancestry::MAX_STEPS) at most).
//!
//! **What is compared here.** What only the answers say and the proofs don't hold: that a header has the hash under which it was given, that
//! values beside a proof are those in it, that a block's receipts have the root in its header. All else is checked later and anywhere
//! ([`crate::audit::proven`]).
//!
//! Cost: a request for each 256 slots, one for the receipts of each block with a posting, one for each header (16 at a time).

mod node;

use std::collections::{BTreeMap, BTreeSet};

use alloy::primitives::B256;

use self::node::Node;
use super::client::SettlementClient;
use super::connect::ConnectionError;
use crate::audit::proven::places;
use crate::merkle::Digest;
use crate::proof::account::AccountError;
use crate::proof::collected::Collected;
use crate::proof::header::HeaderError;
use crate::proof::receipt::ReceiptError;
use crate::proof::{Checkpoint, slots};

/// Why there are no proofs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CollectError {
    /// The node can't be asked.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// The node answers, and has none of what is asked for: it doesn't know the method, or has no state that old.
    #[error("the node gives no {what}: {reason}")]
    Refused {
        /// What was asked for.
        what: &'static str,
        /// What it said.
        reason: String,
    },
    /// The node knows no such block, or another one in its place.
    #[error("block {} of chain {} is {}, not the checkpoint's {}", .checkpoint.number, .checkpoint.chain_id, there(.got), B256::from(.checkpoint.hash))]
    Checkpoint {
        /// The checkpoint.
        checkpoint: Checkpoint,
        /// Hash of the node's block of that number, if it has one.
        got: Option<Digest>,
    },
    /// An answer says something else than the bytes that it consists of.
    #[error("chain {chain_id}, block {block}: the node says that {what} is {said}, and what it proves is {proven}")]
    Lie {
        /// EIP-155 id.
        chain_id: u64,
        /// The block's number.
        block: u64,
        /// What.
        what: String,
        /// By the answer.
        said: String,
        /// By the proof in it.
        proven: String,
    },
    /// A header whose fields, as far as they are known here, don't hash to what the node says.
    #[error(
        "chain {chain_id}, block {block}: the node says that the block's hash is {}, and what it gives of the header hashes to {}: it lies, or this \
         chain's headers have fields that are not known here",
        B256::from(*.said),
        B256::from(*.proven)
    )]
    OtherHash {
        /// EIP-155 id.
        chain_id: u64,
        /// The block's number.
        block: u64,
        /// By the answer.
        said: Digest,
        /// Of the fields.
        proven: Digest,
    },
    /// A header that is none.
    #[error("chain {chain_id}, block {block}: {source}")]
    Header {
        /// EIP-155 id.
        chain_id: u64,
        /// The block's number.
        block: u64,
        /// Why.
        source: HeaderError,
    },
    /// A proof that proves nothing.
    #[error("chain {chain_id}, block {block}: {source}")]
    Account {
        /// EIP-155 id.
        chain_id: u64,
        /// The block's number.
        block: u64,
        /// Why.
        source: Box<AccountError>,
    },
    /// Receipts that can't be a block's.
    #[error("chain {chain_id}, block {block}: {source}")]
    Receipt {
        /// EIP-155 id.
        chain_id: u64,
        /// The block's number.
        block: u64,
        /// Why.
        source: Box<ReceiptError>,
    },
}

fn there(got: &Option<Digest>) -> String {
    got.map_or_else(|| "not there yet".into(), |hash| B256::from(hash).to_string())
}

impl CollectError {
    /// Whether the node merely has not what is asked for, rather than something that can't be.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused { .. })
    }
}

/// What is to be proven.
#[derive(Debug, Clone)]
pub struct Wanted<'a> {
    /// Slots of rounds 1 to this.
    pub rounds: u64,
    /// Slots of what these were paid.
    pub participants: &'a BTreeSet<Digest>,
    /// Rounds and the transactions that posted them.
    pub postings: &'a [(u64, Digest)],
    /// Blocks of this chain that are vouched for.
    pub checkpoints: &'a [Checkpoint],
}

/// Collects proofs of what is wanted.
///
/// What doesn't fit together is asked for once more: the chain may have gone over to another branch between two questions. A posting whose receipt
/// the node has not, or not in a form that can be read, is left out.
///
/// # Errors
/// [`CollectError`].
pub async fn collect(client: &SettlementClient, wanted: &Wanted<'_>) -> Result<Collected, CollectError> {
    match once(client, wanted).await {
        Err(CollectError::Account { .. } | CollectError::Lie { .. }) => once(client, wanted).await,
        answer => answer,
    }
}

async fn once(client: &SettlementClient, wanted: &Wanted<'_>) -> Result<Collected, CollectError> {
    let deployment = client.deployment();
    let node = Node::new(client);
    let mut headers = BTreeMap::new();
    for checkpoint in wanted.checkpoints {
        let (header, bytes) = node.checkpoint(checkpoint).await?;
        headers.insert((header.number, header.hash), bytes);
    }
    let highest = wanted.checkpoints.iter().max_by_key(|checkpoint| checkpoint.number);
    let (state, bytes) = match highest {
        Some(checkpoint) => node.checkpoint(checkpoint).await?,
        None => node.latest().await?,
    };
    headers.insert((state.number, state.hash), bytes);

    let places = places(deployment);
    let rounds: Vec<_> = std::iter::once(places.latest())
        .chain((1..=wanted.rounds).map(|round| places.digest(round)))
        .collect();
    let paid: Vec<_> = std::iter::once(slots::total_paid())
        .chain(wanted.participants.iter().map(slots::paid))
        .collect();
    let mut collected = Collected {
        chain_id: deployment.chain_id,
        block: state.hash,
        headers: Vec::new(),
        rounds: node.contract(client, &state, &deployment.rounds, &rounds).await?,
        distributor: node.contract(client, &state, &deployment.distributor, &paid).await?,
        postings: Vec::new(),
    };
    let mut blocks = BTreeMap::new();
    for (round, transaction) in wanted.postings {
        let found = match node.posting(&mut blocks, *round, transaction).await {
            // Said by the check, which finds it missing; all else is proven nonetheless.
            Err(error) if error.is_refusal() => None,
            found => found?,
        };
        let Some((block, bytes, posting)) = found else {
            continue;
        };
        headers.insert((block.number, block.hash), bytes);
        collected.postings.push(posting);
    }
    let numbers: BTreeSet<u64> = blocks.keys().copied().collect();
    for (header, bytes) in node.between(wanted.checkpoints, &numbers).await? {
        headers.insert((header.number, header.hash), bytes);
    }
    collected.headers = headers.into_values().collect();
    Ok(collected)
}
