//! One chain's node, asked for headers, proofs and receipts.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use alloy::eips::eip2718::Encodable2718;
use alloy::eips::{BlockId, BlockNumberOrTag};
use alloy::primitives::{Address, B256, Bytes};
use alloy::providers::{DynProvider, Provider};
use alloy::rpc::types::{Block, TransactionReceipt};
use alloy::transports::{RpcError, TransportError};
use tokio::task::JoinSet;

use super::CollectError;
use crate::chain::client::SettlementClient;
use crate::chain::connect::ConnectionError;
use crate::merkle::Digest;
use crate::payout;
use crate::proof::Checkpoint;
use crate::proof::account::Account;
use crate::proof::ancestry::MAX_STEPS;
use crate::proof::collected::{Contract, Posting, Slot};
use crate::proof::header::{self, Header};
use crate::proof::receipt::{self, MAX_RECEIPTS};

/// Slots in one request.
const SLOTS: usize = 256;
/// Headers asked for at once.
const AT_ONCE: usize = 16;

/// A block's header and its receipts in EIP-2718 bytes.
pub(super) type Receipts = (Header, Bytes, Vec<Vec<u8>>);

#[derive(Clone)]
pub(super) struct Node {
    chain_id: u64,
    provider: DynProvider,
}

/// What the node answered, or why it doesn't: an error of its own is a refusal.
fn asked<T>(what: &'static str, answer: Result<T, TransportError>) -> Result<T, CollectError> {
    answer.map_err(|error| match &error {
        RpcError::ErrorResp(response) => CollectError::Refused {
            what,
            reason: response.message.to_string(),
        },
        RpcError::DeserError { err, .. } => CollectError::Refused {
            what,
            reason: format!("its answer can't be read: {err}"),
        },
        _ => ConnectionError::rpc(error).into(),
    })
}

impl Node {
    pub(super) fn new(client: &SettlementClient) -> Self {
        Self {
            chain_id: client.deployment().chain_id,
            provider: client.connection().provider().clone(),
        }
    }

    /// A header with its RLP bytes, whose hash is the one that the node says.
    fn header(&self, block: &Block) -> Result<(Header, Bytes), CollectError> {
        let (chain_id, number) = (self.chain_id, block.header.inner.number);
        let bytes = header::encode(&block.header.inner);
        let header = Header::decode(&bytes).map_err(|source| CollectError::Header {
            chain_id,
            block: number,
            source,
        })?;
        match header.hash == block.header.hash {
            true => Ok((header, bytes)),
            false => Err(CollectError::OtherHash {
                chain_id,
                block: number,
                said: block.header.hash.0,
                proven: header.hash,
            }),
        }
    }

    fn same<T: PartialEq + std::fmt::Display>(
        &self,
        block: u64,
        what: &str,
        proven: T,
        said: T,
    ) -> Result<(), CollectError> {
        if proven == said {
            return Ok(());
        }
        Err(CollectError::Lie {
            chain_id: self.chain_id,
            block,
            what: what.into(),
            said: said.to_string(),
            proven: proven.to_string(),
        })
    }

    async fn block(&self, id: BlockId) -> Result<Option<Block>, CollectError> {
        asked("block", self.provider.get_block(id).await)
    }

    /// The last block; of several nodes the last that all of them have.
    pub(super) async fn latest(&self) -> Result<(Header, Bytes), CollectError> {
        let number = asked("block number", self.provider.get_block_number().await)?;
        let block = self.block(BlockId::number(number)).await?;
        let block = block.ok_or_else(|| CollectError::Refused {
            what: "block",
            reason: "it has none".into(),
        })?;
        self.header(&block)
    }

    pub(super) async fn checkpoint(&self, checkpoint: &Checkpoint) -> Result<(Header, Bytes), CollectError> {
        let block = self.block(BlockId::number(checkpoint.number)).await?;
        let wrong = |got| CollectError::Checkpoint {
            checkpoint: *checkpoint,
            got,
        };
        let (header, bytes) = self.header(&block.ok_or_else(|| wrong(None))?)?;
        match (header.number, header.hash) == (checkpoint.number, checkpoint.hash) {
            true => Ok((header, bytes)),
            false => Err(wrong(Some(header.hash))),
        }
    }

    /// A contract's account, code and slots in the state of a block.
    pub(super) async fn contract(
        &self,
        client: &SettlementClient,
        block: &Header,
        address: &payout::Account,
        slots: &[Digest],
    ) -> Result<Contract, CollectError> {
        let mut contract = Contract {
            code: client.connection().code(address).await?.into(),
            nodes: Vec::new(),
            slots: Vec::with_capacity(slots.len()),
        };
        let wrong = |source| CollectError::Account {
            chain_id: self.chain_id,
            block: block.number,
            source: Box::new(source),
        };
        for chunk in slots.chunks(SLOTS) {
            let keys = chunk.iter().map(B256::from).collect();
            let asking = self.provider.get_proof(Address::from(*address), keys);
            let answer = asked("proof (eth_getProof)", asking.number(block.number).await)?;
            let account = Account::proven(&block.state_root, address, &answer.account_proof).map_err(wrong)?;
            let account = account.unwrap_or(Account::NONE);
            let who = format!("the balance of {}", Address::from(*address));
            self.same(block.number, &who, account.balance, answer.balance)?;
            if answer.storage_proof.len() != chunk.len() {
                return Err(CollectError::Refused {
                    what: "proof (eth_getProof)",
                    reason: format!(
                        "{} slots asked for, {} answered",
                        chunk.len(),
                        answer.storage_proof.len()
                    ),
                });
            }
            for (slot, told) in chunk.iter().zip(answer.storage_proof) {
                let proven = B256::from(account.slot(slot, &told.proof).map_err(wrong)?);
                let what = format!("slot {} of {}", B256::from(*slot), Address::from(*address));
                self.same(block.number, &what, proven, B256::from(told.value))?;
                contract.slots.push(Slot {
                    slot: *slot,
                    nodes: told.proof,
                });
            }
            contract.nodes = answer.account_proof;
        }
        Ok(contract)
    }

    /// The receipt of a posting; none where the node doesn't know the transaction.
    pub(super) async fn posting(
        &self,
        blocks: &mut BTreeMap<u64, Receipts>,
        round: u64,
        transaction: &Digest,
    ) -> Result<Option<(Header, Bytes, Posting)>, CollectError> {
        let receipt = self.receipt(B256::from(*transaction)).await?;
        let place = receipt.and_then(|receipt| Some((receipt.block_number?, receipt.transaction_index?)));
        let Some((number, index)) = place else { return Ok(None) };
        let (block, bytes, receipts) = match blocks.entry(number) {
            Entry::Occupied(read) => read.into_mut(),
            Entry::Vacant(place) => place.insert(self.receipts(number).await?),
        };
        let proof = receipt::prove(receipts, index);
        let (root, nodes) = proof.map_err(|source| CollectError::Receipt {
            chain_id: self.chain_id,
            block: number,
            source: Box::new(source),
        })?;
        let (proven, said) = (B256::from(block.receipts_root), B256::from(root));
        self.same(number, "the root of its receipts", proven, said)?;
        let posting = Posting {
            round,
            block: block.hash,
            index,
            nodes,
        };
        Ok(Some((*block, bytes.clone(), posting)))
    }

    async fn receipt(&self, transaction: B256) -> Result<Option<TransactionReceipt>, CollectError> {
        asked("receipt", self.provider.get_transaction_receipt(transaction).await)
    }

    /// All receipts of a block: at once, or one by one from a node that doesn't know how.
    async fn receipts(&self, number: u64) -> Result<Receipts, CollectError> {
        let none = |what: &'static str| CollectError::Refused {
            what,
            reason: format!("it doesn't have them for block {number}"),
        };
        let block = self.block(BlockId::number(number)).await?;
        let block = block.ok_or_else(|| none("block"))?;
        let (header, bytes) = self.header(&block)?;
        let id = BlockId::Number(BlockNumberOrTag::Number(number));
        let all = match asked("receipts", self.provider.get_block_receipts(id).await) {
            Ok(all) => all.ok_or_else(|| none("receipts"))?,
            Err(error) if error.is_refusal() => {
                let got = block.transactions.len();
                if got > MAX_RECEIPTS {
                    return Err(CollectError::Refused {
                        what: "receipts",
                        reason: format!(
                            "block {number} has {got} transactions, at most {MAX_RECEIPTS} are asked for one by one"
                        ),
                    });
                }
                let mut all = Vec::new();
                for hash in block.transactions.hashes() {
                    all.push(self.receipt(hash).await?.ok_or_else(|| none("receipts"))?);
                }
                all
            }
            Err(error) => return Err(error),
        };
        let encoded = |receipt: TransactionReceipt| receipt.into_primitives_receipt().inner.encoded_2718();
        Ok((header, bytes, all.into_iter().map(encoded).collect()))
    }

    /// Headers from checkpoints down to the lowest block that each is to vouch for.
    pub(super) async fn between(
        &self,
        checkpoints: &[Checkpoint],
        numbers: &BTreeSet<u64>,
    ) -> Result<Vec<(Header, Bytes)>, CollectError> {
        let mut spans: BTreeMap<u64, u64> = BTreeMap::new();
        for number in numbers {
            let after = checkpoints.iter().map(|checkpoint| checkpoint.number);
            let nearest = after.filter(|checkpoint| checkpoint >= number).min();
            if let Some(nearest) = nearest.filter(|nearest| nearest - number <= MAX_STEPS) {
                let lowest = spans.entry(nearest).or_insert(*number);
                *lowest = (*lowest).min(*number);
            }
        }
        let wanted: Vec<u64> = spans.iter().flat_map(|(to, from)| *from..*to).collect();
        let mut headers = Vec::with_capacity(wanted.len());
        for chunk in wanted.chunks(AT_ONCE) {
            let mut asking = JoinSet::new();
            for number in chunk.iter().copied() {
                let node = self.clone();
                asking.spawn(async move { node.block(BlockId::number(number)).await });
            }
            while let Some(answer) = asking.join_next().await {
                // A task ends by itself; where it didn't, its header is missing, and the check says so.
                if let Ok(answer) = answer
                    && let Some(block) = answer?
                {
                    headers.push(self.header(&block)?);
                }
            }
        }
        Ok(headers)
    }
}
