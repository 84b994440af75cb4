//! Mined blocks: real headers (state, transaction and receipt roots, bloom), one transaction each, and their RPC views.

use alloy::consensus::proofs::{calculate_receipt_root, calculate_transaction_root};
use alloy::consensus::transaction::Recovered;
use alloy::consensus::{
    Header, Receipt, ReceiptEnvelope, ReceiptWithBloom, Sealed, Transaction as _, TxEnvelope, TxType,
};
use alloy::eips::eip7685::EMPTY_REQUESTS_HASH;
use alloy::primitives::{B256, Log};
use alloy::rpc::types::{
    Block, BlockTransactions, Header as RpcHeader, Log as RpcLog, Transaction, TransactionReceipt,
};
use alloy::trie::EMPTY_ROOT_HASH;
use revm::context::result::ExecutionResult;

use super::genesis::{BASE_FEE, BLOCK_GAS};

/// A block and what its transaction, if it has one, came to.
#[derive(Debug, Clone)]
pub(crate) struct Mined {
    pub(crate) header: Sealed<Header>,
    pub(crate) body: Option<Body>,
}

#[derive(Debug, Clone)]
pub(crate) struct Body {
    pub(crate) transaction: Recovered<TxEnvelope>,
    pub(crate) receipt: ReceiptEnvelope,
}

fn header(parent: B256, number: u64, timestamp: u64, state_root: B256) -> Header {
    Header {
        parent_hash: parent,
        number,
        timestamp,
        state_root,
        gas_limit: BLOCK_GAS,
        base_fee_per_gas: Some(BASE_FEE),
        withdrawals_root: Some(EMPTY_ROOT_HASH),
        blob_gas_used: Some(0),
        excess_blob_gas: Some(0),
        parent_beacon_block_root: Some(B256::ZERO),
        requests_hash: Some(EMPTY_REQUESTS_HASH),
        ..Header::default()
    }
}

impl Mined {
    pub(crate) fn genesis(timestamp: u64, state_root: B256) -> Self {
        Self {
            header: Sealed::new(header(B256::ZERO, 0, timestamp, state_root)),
            body: None,
        }
    }

    /// The block after `parent` with this transaction, whose execution gave `result` and led to `state_root`.
    pub(crate) fn after(
        parent: &Self,
        timestamp: u64,
        transaction: Recovered<TxEnvelope>,
        result: ExecutionResult,
        state_root: B256,
    ) -> Self {
        let gas_used = result.tx_gas_used();
        let success = result.is_success();
        let logs = if success { result.into_logs() } else { Vec::new() };
        let receipt = envelope(transaction.tx_type(), success, gas_used, logs);
        let number = parent.header.number.saturating_add(1);
        let header = Header {
            transactions_root: calculate_transaction_root(std::slice::from_ref(transaction.inner())),
            receipts_root: calculate_receipt_root(std::slice::from_ref(&receipt)),
            logs_bloom: *receipt.logs_bloom(),
            gas_used,
            ..header(parent.header.hash(), number, timestamp, state_root)
        };
        Self {
            header: Sealed::new(header),
            body: Some(Body { transaction, receipt }),
        }
    }

    pub(crate) fn rpc_block(&self, full: bool) -> Block {
        let transactions = match full {
            true => BlockTransactions::Full(self.rpc_transaction().into_iter().collect()),
            false => BlockTransactions::Hashes(self.body.iter().map(|body| *body.transaction.tx_hash()).collect()),
        };
        Block::new(RpcHeader::from_sealed(self.header.clone()), transactions)
            .with_withdrawals(Some(alloy::eips::eip4895::Withdrawals::default()))
    }

    pub(crate) fn rpc_transaction(&self) -> Option<Transaction> {
        let body = self.body.as_ref()?;
        Some(Transaction {
            inner: body.transaction.clone(),
            block_hash: Some(self.header.hash()),
            block_number: Some(self.header.number),
            transaction_index: Some(0),
            effective_gas_price: Some(body.transaction.effective_gas_price(Some(BASE_FEE))),
            block_timestamp: Some(self.header.timestamp),
        })
    }

    pub(crate) fn rpc_receipt(&self) -> Option<TransactionReceipt> {
        let body = self.body.as_ref()?;
        let transaction = &body.transaction;
        let logs = self.rpc_logs();
        let receipt = body.receipt.as_receipt()?;
        let inner = ReceiptWithBloom {
            receipt: Receipt {
                status: receipt.status,
                cumulative_gas_used: receipt.cumulative_gas_used,
                logs,
            },
            logs_bloom: *body.receipt.logs_bloom(),
        };
        let sender = transaction.signer();
        Some(TransactionReceipt {
            inner: wrap(transaction.tx_type(), inner),
            transaction_hash: *transaction.tx_hash(),
            transaction_index: Some(0),
            block_hash: Some(self.header.hash()),
            block_number: Some(self.header.number),
            gas_used: self.header.gas_used,
            effective_gas_price: transaction.effective_gas_price(Some(BASE_FEE)),
            blob_gas_used: None,
            blob_gas_price: None,
            from: sender,
            to: transaction.to(),
            contract_address: transaction.is_create().then(|| sender.create(transaction.nonce())),
        })
    }

    pub(crate) fn rpc_logs(&self) -> Vec<RpcLog> {
        let Some(body) = &self.body else { return Vec::new() };
        let logs = body.receipt.logs().iter().enumerate();
        logs.map(|(index, log)| RpcLog {
            inner: log.clone(),
            block_hash: Some(self.header.hash()),
            block_number: Some(self.header.number),
            block_timestamp: Some(self.header.timestamp),
            transaction_hash: Some(*body.transaction.tx_hash()),
            transaction_index: Some(0),
            log_index: Some(index as u64),
            removed: false,
        })
        .collect()
    }
}

fn envelope(kind: TxType, success: bool, gas_used: u64, logs: Vec<Log>) -> ReceiptEnvelope {
    let receipt = Receipt {
        status: success.into(),
        cumulative_gas_used: gas_used,
        logs,
    };
    let bloom = receipt.bloom_slow();
    wrap(
        kind,
        ReceiptWithBloom {
            receipt,
            logs_bloom: bloom,
        },
    )
}

fn wrap<T>(kind: TxType, receipt: ReceiptWithBloom<Receipt<T>>) -> ReceiptEnvelope<T> {
    match kind {
        TxType::Legacy => ReceiptEnvelope::Legacy(receipt),
        TxType::Eip2930 => ReceiptEnvelope::Eip2930(receipt),
        TxType::Eip1559 => ReceiptEnvelope::Eip1559(receipt),
        TxType::Eip4844 => ReceiptEnvelope::Eip4844(receipt),
        TxType::Eip7702 => ReceiptEnvelope::Eip7702(receipt),
    }
}
