//! One transaction or call in revm, against the accounts as they stand.
//!
//! revm's EVM isn't `Send` and is cheap to make: one is built for each execution and dropped after it. Rules are those of the
//! Prague fork, without its system calls (beacon roots, block hash history): the embedded chain has no beacon chain.

use std::convert::Infallible;

use alloy::consensus::transaction::Recovered;
use alloy::consensus::{Transaction, TxEnvelope};
use alloy::primitives::{Address, B256, Bytes, TxKind, U256};
use alloy::rpc::types::TransactionRequest;
use revm::context::result::{EVMError, ExecResultAndState, ExecutionResult};
use revm::context::{BlockEnv, TxEnv};
use revm::context_interface::block::BlobExcessGasAndPrice;
use revm::database_interface::WrapDatabaseRef;
use revm::primitives::hardfork::SpecId;
use revm::{Context, ExecuteEvm, MainBuilder, MainContext};

use super::genesis::{BASE_FEE, BLOCK_GAS};
use super::world::World;

pub(crate) type Failure = EVMError<Infallible>;

/// The block in which something is executed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) chain_id: u64,
    pub(crate) number: u64,
    pub(crate) timestamp: u64,
}

impl Place {
    fn block(self) -> BlockEnv {
        BlockEnv {
            number: U256::from(self.number),
            beneficiary: Address::ZERO,
            timestamp: U256::from(self.timestamp),
            gas_limit: BLOCK_GAS,
            basefee: BASE_FEE,
            difficulty: U256::ZERO,
            prevrandao: Some(B256::ZERO),
            blob_excess_gas_and_price: Some(BlobExcessGasAndPrice {
                excess_blob_gas: 0,
                blob_gasprice: 1,
            }),
            ..BlockEnv::default()
        }
    }
}

/// Executes a signed transaction with every check of the protocol.
pub(crate) fn transact(
    world: &World,
    place: Place,
    transaction: &Recovered<TxEnvelope>,
) -> Result<ExecResultAndState<ExecutionResult>, Failure> {
    let mut evm = Context::mainnet()
        .with_db(WrapDatabaseRef(world))
        .modify_cfg_chained(|cfg| {
            cfg.set_spec_and_mainnet_gas_params(SpecId::PRAGUE);
            cfg.chain_id = place.chain_id;
        })
        .modify_block_chained(|block| *block = place.block())
        .build_mainnet();
    evm.transact(signed(transaction))
}

/// Executes a call that changes nothing: any sender, no nonce, no fee, no balance needed.
pub(crate) fn call(
    world: &World,
    place: Place,
    request: &TransactionRequest,
    gas_limit: u64,
) -> Result<ExecutionResult, Failure> {
    let mut evm = Context::mainnet()
        .with_db(WrapDatabaseRef(world))
        .modify_cfg_chained(|cfg| {
            cfg.set_spec_and_mainnet_gas_params(SpecId::PRAGUE);
            cfg.chain_id = place.chain_id;
            cfg.disable_nonce_check = true;
            cfg.disable_balance_check = true;
            cfg.disable_base_fee = true;
            cfg.disable_eip3607 = true;
        })
        .modify_block_chained(|block| *block = place.block())
        .build_mainnet();
    let transaction = TxEnv {
        caller: request.from.unwrap_or_default(),
        gas_limit,
        gas_price: 0,
        kind: request.to.unwrap_or(TxKind::Create),
        value: request.value.unwrap_or_default(),
        data: request.input.input().cloned().unwrap_or_default(),
        nonce: world.nonce(&request.from.unwrap_or_default()),
        chain_id: Some(place.chain_id),
        access_list: request.access_list.clone().unwrap_or_default(),
        tx_type: u8::from(request.access_list.is_some()),
        ..TxEnv::default()
    };
    evm.transact(transaction).map(|outcome| outcome.result)
}

/// Gas that a call must be given, from one run with all the gas there is and a search below it: gas that is refunded or
/// held back from inner calls (EIP-150) must be there too.
pub(crate) fn estimate(world: &World, place: Place, request: &TransactionRequest) -> Result<Estimate, Failure> {
    let most = request.gas.unwrap_or(BLOCK_GAS).min(BLOCK_GAS);
    let first = call(world, place, request, most)?;
    if !first.is_success() {
        return Ok(Estimate::Fails(first));
    }
    let succeeds = |gas| call(world, place, request, gas).is_ok_and(|result| result.is_success());
    let (mut fails, mut enough) = (first.tx_gas_used().saturating_sub(1), most);
    let likely = first.gas().total_gas_spent().saturating_mul(65) / 64 + 2_300;
    if likely < enough && succeeds(likely) {
        enough = likely;
    }
    while enough - fails > enough / 64 {
        let middle = fails.midpoint(enough);
        if succeeds(middle) {
            enough = middle;
        } else {
            fails = middle;
        }
    }
    Ok(Estimate::Gas(enough))
}

pub(crate) enum Estimate {
    Gas(u64),
    Fails(ExecutionResult),
}

fn signed(transaction: &Recovered<TxEnvelope>) -> TxEnv {
    TxEnv {
        tx_type: u8::from(transaction.tx_type()),
        caller: transaction.signer(),
        gas_limit: transaction.gas_limit(),
        gas_price: transaction.max_fee_per_gas(),
        kind: transaction.kind(),
        value: transaction.value(),
        data: Bytes::clone(transaction.input()),
        nonce: transaction.nonce(),
        chain_id: transaction.chain_id(),
        access_list: transaction.access_list().cloned().unwrap_or_default(),
        gas_priority_fee: transaction.max_priority_fee_per_gas(),
        ..TxEnv::default()
    }
}
