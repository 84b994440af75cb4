//! JSON-RPC over an embedded chain: what wallets, alloy's fillers and contract calls ask, and nothing that changes the chain
//! but `eth_sendRawTransaction`.
//!
//! Requests are hostile: parameters are parsed into types, calls are held to one block's gas, logs to [`MAX_LOGS`], and an
//! unknown method is answered with -32601. State is that of the latest block; asked for an older one, it says so. Proofs (`eth_getProof`, of
//! [`MAX_SLOTS`] slots at most) are of any of the last [`PROVABLE`] blocks.

use alloy::consensus::{Sealed, Transaction as _};
use alloy::eips::{BlockId, BlockNumberOrTag};
use alloy::primitives::{Address, B256, Bytes, U64, U256, hex};
use alloy::rpc::types::serde_helpers::JsonStorageKey;
use alloy::rpc::types::{FeeHistory, Filter, FilterBlockOption, Log, TransactionRequest};
use revm::context::result::ExecutionResult;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

use super::block::Mined;
use super::embedded::{EmbeddedChain, PROVABLE, SendError, State};
use super::execute::{Estimate, Failure};
use super::genesis::BASE_FEE;

/// The most logs in one answer.
pub const MAX_LOGS: usize = 10_000;

/// The most slots in one proof.
pub const MAX_SLOTS: usize = 1_024;

const MAX_FEE_BLOCKS: u64 = 1_024;
const MAX_PARAMS: usize = 8;

/// An error as JSON-RPC says it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} ({code})")]
pub struct RpcError {
    /// JSON-RPC error code.
    pub code: i64,
    /// For people.
    pub message: String,
    /// What a contract reverted with, in hex.
    pub data: Option<String>,
}

impl RpcError {
    pub(crate) fn new(code: i64, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            data: None,
        }
    }

    fn params(what: impl Into<String>) -> Self {
        Self::new(-32_602, what)
    }

    fn refused(what: impl Into<String>) -> Self {
        Self::new(-32_000, what)
    }
}

impl From<SendError> for RpcError {
    fn from(error: SendError) -> Self {
        let code = match error {
            SendError::Store(_) => -32_603,
            SendError::Malformed | SendError::TooLarge { .. } | SendError::Unsupported { .. } => -32_602,
            _ => -32_000,
        };
        Self::new(code, error.to_string())
    }
}

impl From<Failure> for RpcError {
    fn from(error: Failure) -> Self {
        Self::refused(error.to_string())
    }
}

struct Params(Vec<Value>);

impl Params {
    fn parse(params: Option<&RawValue>) -> Result<Self, RpcError> {
        let Some(params) = params else {
            return Ok(Self(Vec::new()));
        };
        let list: Vec<Value> =
            serde_json::from_str(params.get()).map_err(|_| RpcError::params("params must be an array"))?;
        if list.len() > MAX_PARAMS {
            return Err(RpcError::params(format!(
                "at most {MAX_PARAMS} params, got {}",
                list.len()
            )));
        }
        Ok(Self(list))
    }

    fn get<T: DeserializeOwned>(&mut self, index: usize) -> Result<T, RpcError> {
        self.optional(index)?
            .ok_or_else(|| RpcError::params(format!("param {index} is missing")))
    }

    fn optional<T: DeserializeOwned>(&mut self, index: usize) -> Result<Option<T>, RpcError> {
        let value = self.0.get_mut(index).map(Value::take).unwrap_or_default();
        serde_json::from_value(value).map_err(|error| RpcError::params(format!("param {index}: {error}")))
    }
}

/// Answers one request.
///
/// # Errors
/// [`RpcError`], to be sent back as it is.
pub fn answer(chain: &EmbeddedChain, method: &str, params: Option<&RawValue>) -> Result<Box<RawValue>, RpcError> {
    let mut params = Params::parse(params)?;
    match method {
        "web3_clientVersion" => json(concat!("xfl/", env!("CARGO_PKG_VERSION"))),
        "net_version" => json(chain.chain_id().to_string()),
        "eth_chainId" => json(U64::from(chain.chain_id())),
        "eth_blockNumber" => json(U64::from(chain.head().0)),
        "eth_gasPrice" => json(U64::from(BASE_FEE)),
        "eth_maxPriorityFeePerGas" => json(U64::ZERO),
        "eth_feeHistory" => fee_history(chain, &mut params),
        "eth_getBalance" | "eth_getTransactionCount" | "eth_getCode" | "eth_getStorageAt" => {
            account(chain, method, &mut params)
        }
        "eth_call" => {
            let request: TransactionRequest = params.get(0)?;
            at_latest(&chain.state(), params.optional(1)?)?;
            json(output(chain.call(&request)?)?)
        }
        "eth_estimateGas" => {
            let request: TransactionRequest = params.get(0)?;
            at_latest(&chain.state(), params.optional(1)?)?;
            match chain.estimate(&request)? {
                Estimate::Gas(gas) => json(U64::from(gas)),
                Estimate::Fails(result) => match output(result) {
                    Err(error) => Err(error),
                    Ok(_) => Err(RpcError::refused("the call needs more gas than a block has")),
                },
            }
        }
        "eth_sendRawTransaction" => json(chain.send(&params.get::<Bytes>(0)?)?),
        "eth_getTransactionReceipt" => json(
            chain
                .state()
                .by_transaction(&params.get(0)?)
                .and_then(Mined::rpc_receipt),
        ),
        "eth_getBlockReceipts" => {
            let state = chain.state();
            let block = by_id(&state, params.get(0)?);
            json(block.map(|block| block.rpc_receipt().into_iter().collect::<Vec<_>>()))
        }
        "eth_getProof" => proof(chain, &mut params),
        "eth_getTransactionByHash" => json(
            chain
                .state()
                .by_transaction(&params.get(0)?)
                .and_then(Mined::rpc_transaction),
        ),
        "eth_getTransactionByBlockHashAndIndex" => {
            let (hash, index): (B256, U64) = (params.get(0)?, params.get(1)?);
            let state = chain.state();
            // A block has one.
            let block = state.by_hash(&hash).filter(|_| index.is_zero());
            json(block.and_then(Mined::rpc_transaction))
        }
        "eth_getBlockByHash" => {
            let (hash, full): (B256, Option<bool>) = (params.get(0)?, params.optional(1)?);
            json(
                chain
                    .state()
                    .by_hash(&hash)
                    .map(|block| block.rpc_block(full.unwrap_or(false))),
            )
        }
        "eth_getBlockByNumber" => {
            let (tag, full): (BlockNumberOrTag, Option<bool>) = (params.get(0)?, params.optional(1)?);
            let state = chain.state();
            json(at(&state, tag).map(|block| block.rpc_block(full.unwrap_or(false))))
        }
        "eth_getLogs" => json(logs(&chain.state(), &params.get(0)?)?),
        _ => Err(RpcError::new(
            -32_601,
            format!("the method {method:.64} is not available"),
        )),
    }
}

fn json<T: Serialize>(value: T) -> Result<Box<RawValue>, RpcError> {
    serde_json::value::to_raw_value(&value).map_err(|error| RpcError::new(-32_603, error.to_string()))
}

fn account(chain: &EmbeddedChain, method: &str, params: &mut Params) -> Result<Box<RawValue>, RpcError> {
    let address: Address = params.get(0)?;
    let slot: Option<U256> = if method == "eth_getStorageAt" {
        Some(params.get(1)?)
    } else {
        None
    };
    let state = chain.state();
    at_latest(&state, params.optional(if slot.is_some() { 2 } else { 1 })?)?;
    match (method, slot) {
        ("eth_getBalance", _) => json(state.balance(&address)),
        ("eth_getTransactionCount", _) => json(U64::from(state.world.nonce(&address))),
        (_, Some(slot)) => json(B256::from(state.world.slot(&address, &slot))),
        _ => json(
            state
                .world
                .code(&address)
                .map(|code| code.original_bytes())
                .unwrap_or_default(),
        ),
    }
}

fn at(state: &State, tag: BlockNumberOrTag) -> Option<&Mined> {
    match tag {
        BlockNumberOrTag::Number(number) => state.blocks.get(usize::try_from(number).ok()?),
        BlockNumberOrTag::Earliest => state.blocks.first(),
        _ => Some(state.head()),
    }
}

fn by_id(state: &State, block: BlockId) -> Option<&Mined> {
    match block {
        BlockId::Hash(hash) => state.by_hash(&hash.block_hash),
        BlockId::Number(tag) => at(state, tag),
    }
}

fn proof(chain: &EmbeddedChain, params: &mut Params) -> Result<Box<RawValue>, RpcError> {
    let address: Address = params.get(0)?;
    let slots: Vec<JsonStorageKey> = params.get(1)?;
    if slots.len() > MAX_SLOTS {
        return Err(RpcError::params(format!(
            "at most {MAX_SLOTS} slots, got {}",
            slots.len()
        )));
    }
    let slots: Vec<B256> = slots.iter().map(JsonStorageKey::as_b256).collect();
    // Proving goes on without the lock.
    let world = {
        let state = chain.state();
        let block = by_id(&state, params.optional(2)?.unwrap_or_default());
        let number = block.ok_or_else(|| RpcError::refused("unknown block"))?.header.number;
        let gone = || RpcError::refused(format!("state is kept for the last {PROVABLE} blocks only"));
        state.world_after(number).ok_or_else(gone)?
    };
    let proof = world.proof(address, &slots);
    json(proof.map_err(|error| RpcError::new(-32_603, error.to_string()))?)
}

/// State is kept for the latest block alone.
fn at_latest(state: &State, block: Option<BlockId>) -> Result<(), RpcError> {
    let head: &Sealed<_> = &state.head().header;
    let latest = match block {
        None => true,
        Some(BlockId::Hash(hash)) => hash.block_hash == head.hash(),
        Some(BlockId::Number(BlockNumberOrTag::Number(number))) => number == head.number,
        Some(BlockId::Number(BlockNumberOrTag::Earliest)) => head.number == 0,
        Some(BlockId::Number(_)) => true,
    };
    if latest {
        Ok(())
    } else {
        Err(RpcError::refused("state is kept for the latest block only"))
    }
}

fn output(result: ExecutionResult) -> Result<Bytes, RpcError> {
    match result {
        ExecutionResult::Success { output, .. } => Ok(output.into_data()),
        ExecutionResult::Revert { output, .. } => Err(RpcError {
            code: 3,
            message: "execution reverted".into(),
            data: Some(hex::encode_prefixed(&output)),
        }),
        ExecutionResult::Halt { reason, .. } => Err(RpcError::refused(format!("execution halted: {reason:?}"))),
    }
}

fn fee_history(chain: &EmbeddedChain, params: &mut Params) -> Result<Box<RawValue>, RpcError> {
    let asked: U64 = params.get(0)?;
    let newest: BlockNumberOrTag = params.get(1)?;
    let percentiles: Vec<f64> = params.optional(2)?.unwrap_or_default();
    if percentiles.len() > 100 {
        return Err(RpcError::params("at most 100 reward percentiles"));
    }
    let state = chain.state();
    let newest = at(&state, newest)
        .ok_or_else(|| RpcError::params("no such block"))?
        .header
        .number;
    let count = asked.to::<u64>().clamp(1, MAX_FEE_BLOCKS).min(newest.saturating_add(1));
    let oldest = newest + 1 - count;
    let blocks = state.blocks.iter().skip(oldest as usize).take(count as usize);
    let tip = |block: &Mined| {
        block
            .body
            .as_ref()
            .map_or(0, |body| body.transaction.effective_tip_per_gas(BASE_FEE).unwrap_or(0))
    };
    let blocks: Vec<&Mined> = blocks.collect();
    json(FeeHistory {
        base_fee_per_gas: vec![u128::from(BASE_FEE); blocks.len() + 1],
        gas_used_ratio: blocks
            .iter()
            .map(|b| b.header.gas_used as f64 / b.header.gas_limit as f64)
            .collect(),
        oldest_block: oldest,
        reward: Some(blocks.iter().map(|block| vec![tip(block); percentiles.len()]).collect()),
        ..FeeHistory::default()
    })
}

fn logs(state: &State, filter: &Filter) -> Result<Vec<Log>, RpcError> {
    let (from, to) = match filter.block_option {
        FilterBlockOption::AtBlockHash(hash) => {
            let block = state.by_hash(&hash).ok_or_else(|| RpcError::refused("unknown block"))?;
            (block.header.number, block.header.number)
        }
        FilterBlockOption::Range { from_block, to_block } => {
            let head = state.head().header.number;
            let number = |tag: Option<BlockNumberOrTag>| match tag {
                Some(BlockNumberOrTag::Number(number)) => number,
                Some(BlockNumberOrTag::Earliest) => 0,
                _ => head,
            };
            (number(from_block), number(to_block).min(head))
        }
    };
    let mut found = Vec::new();
    for block in state
        .blocks
        .iter()
        .filter(|block| (from..=to).contains(&block.header.number))
    {
        found.extend(block.rpc_logs().into_iter().filter(|log| filter.matches(&log.inner)));
        if found.len() > MAX_LOGS {
            return Err(RpcError::new(
                -32_005,
                format!("more than {MAX_LOGS} logs, ask for fewer blocks"),
            ));
        }
    }
    Ok(found)
}
