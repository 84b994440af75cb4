//! A contract that passes on whatever it is sent: to the address that its calldata begins with, with the rest of it. Whoever posts a round through
//! one keeps the header and its signatures out of the transaction.

use alloy::eips::eip2718::Encodable2718;
use alloy::network::{EthereumWallet, NetworkTransactionBuilder, TransactionBuilder};
use alloy::primitives::{Address, TxKind, hex};
use alloy::providers::Provider;
use alloy::rpc::types::TransactionRequest;
use xfl_settlement::chain::connect::Connection;
use xfl_settlement::payout::{Account, PayoutKey};

/// Creates 34 bytes of code: copy what comes after the address, call with it, hand back what a failure returned.
const CREATION: &str = "6022806009 5f395ff3 601436038060145f37 5f5f915f5f5f3560601c5af1 15601a5700 5b3d5f5f3e3d5ffd";

/// A forwarder's calldata for a call of `to`.
pub(crate) fn through(to: &Account, calldata: &[u8]) -> Vec<u8> {
    [&to[..], calldata].concat()
}

/// Creates one.
pub(crate) async fn create(connection: &Connection, key: &PayoutKey) -> Account {
    let code = hex::decode(CREATION.replace(' ', "")).unwrap();
    let nonce = send(connection, key, TxKind::Create, code).await;
    let account = Address::from(key.account()).create(nonce).into();
    assert_eq!(connection.code(&account).await.unwrap().len(), 34);
    account
}

/// Sends a transaction that has to pass; its nonce.
pub(crate) async fn send(connection: &Connection, key: &PayoutKey, to: TxKind, input: Vec<u8>) -> u64 {
    let nonce = connection.nonce(&key.account()).await.unwrap();
    let request = TransactionRequest::default()
        .with_from(key.account().into())
        .with_kind(to)
        .with_input(input)
        .with_gas_limit(3_000_000)
        .with_gas_price(3_000_000_000)
        .with_nonce(nonce)
        .with_chain_id(connection.chain_id().await.unwrap());
    let signed = request.build(&EthereumWallet::from(key.signer())).await.unwrap();
    let sent = connection.provider().send_raw_transaction(&signed.encoded_2718()).await;
    assert!(sent.unwrap().get_receipt().await.unwrap().status());
    nonce
}
