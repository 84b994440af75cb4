//! Proofs captured from anvil, which Solidity's `RelayProof` is tested with: `contracts/test/proofs.json`. The same bytes must pass here.
//!
//! `XFL_WRITE_VECTORS=true cargo test --release --workspace --test proofs vectors` captures them anew: a block of 25 transactions, one of which
//! posts a round, and the state some blocks later.

use alloy::eips::BlockId;
use alloy::hex;
use alloy::primitives::{Address, B256, Bytes};
use alloy::providers::Provider;
use serde_json::{Value, json};
use xfl_settlement::chain::connect::Connection;
use xfl_settlement::proof::account::Account;
use xfl_settlement::proof::header::{self, Header};
use xfl_settlement::proof::receipt::Receipt;
use xfl_settlement::proof::slots::{self, RoundSlots};
use xfl_settlement::proof::{Checkpoint, account::AccountError, receipt::ReceiptError};

use super::{anvil, blocks, embedded, story};
use story::COIN;

const CROWD: usize = 24;
const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/contracts/test/proofs.json");

fn bytes(value: &Value) -> Bytes {
    value.as_str().unwrap().parse().unwrap()
}

fn array<const N: usize>(value: &Value) -> [u8; N] {
    hex::decode_to_array(value.as_str().unwrap()).unwrap()
}

fn list(value: &Value) -> Vec<Bytes> {
    value.as_array().unwrap().iter().map(bytes).collect()
}

fn header(value: &Value) -> Header {
    let header = Header::decode(&bytes(&value["header"])).unwrap();
    assert_eq!(header.hash, array(&value["hash"]));
    header
}

#[test]
fn the_proofs_that_solidity_takes_hold_here() {
    let all: Value = serde_json::from_str(&std::fs::read_to_string(PATH).unwrap()).unwrap();
    let block = header(&all["block"]);
    for name in ["manager", "distributor"] {
        let contract = &all[name];
        let address = array(&contract["account"]);
        let nodes = list(&contract["nodes"]);
        assert!(nodes.len() > 1, "a trie of some depth");
        let account = Account::proven(&block.state_root, &address, &nodes).unwrap().unwrap();
        for slot in contract["slots"].as_array().unwrap() {
            let key = array(&slot["slot"]);
            let value: [u8; 32] = array(&slot["value"]);
            assert_eq!(account.slot(&key, &list(&slot["nodes"])), Ok(value));
            let other = account.slot(&[9; 32], &list(&slot["nodes"]));
            assert!(
                matches!(other, Err(AccountError::Slot { .. }) | Ok([0, ..])),
                "{other:?}"
            );
        }
        let stranger = Account::proven(&block.state_root, &[9; 20], &nodes);
        assert_ne!(stranger, Ok(Some(account)));
    }
    let latest = &all["manager"]["slots"][0];
    assert_eq!(array(&latest["slot"]), RoundSlots::HOME.latest());
    assert_eq!(RoundSlots::HOME.latest_in(&array(&latest["value"])), 2);
    let digest = &all["manager"]["slots"][1];
    assert_eq!(array(&digest["slot"]), RoundSlots::HOME.digest(2));

    let posting = &all["posting"];
    let block = header(&posting["block"]);
    let index = posting["transaction"].as_u64().unwrap();
    let nodes = list(&posting["nodes"]);
    assert!(nodes.len() > 1, "a block of some transactions");
    let receipt = Receipt::proven(&block.receipts_root, index, &nodes).unwrap();
    let log = &receipt.logs()[posting["log"].as_u64().unwrap() as usize];
    assert_eq!(log.address, Address::from(array(&all["manager"]["account"])));
    let topics: Vec<_> = posting["topics"]
        .as_array()
        .unwrap()
        .iter()
        .map(array)
        .map(B256::new)
        .collect();
    assert_eq!((log.topics(), &log.data.data), (&topics[..], &bytes(&posting["data"])));
    assert_eq!(topics[2].0, array(&digest["value"]));
    let other = Receipt::proven(&block.receipts_root, index + 1, &nodes).unwrap_err();
    assert!(
        matches!(&other, ReceiptError::Trie { .. } | ReceiptError::None { .. }),
        "{other}"
    );
}

#[tokio::test]
async fn vectors_are_captured_anew_when_asked() {
    let writes = std::env::var("XFL_WRITE_VECTORS").is_ok_and(|value| value == "true");
    let test = "vectors_are_captured_anew_when_asked";
    let Some(node) = anvil::start(test, embedded::CHAIN_ID) else {
        return;
    };
    let all = capture(&node.url()).await;
    if writes {
        let text = serde_json::to_string_pretty(&all).unwrap() + "\n";
        std::fs::write(PATH, text).unwrap();
    }
    // What is captured has the shape of what is committed.
    let kept: Value = serde_json::from_str(&std::fs::read_to_string(PATH).unwrap()).unwrap();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&kept), keys(&all));
    assert_eq!(kept["manager"]["account"], all["manager"]["account"]);
}

/// Plays a history in which the second round is posted in a crowd, and collects what proves it.
async fn capture(url: &str) -> Value {
    let key = story::coordinator();
    let connection = Connection::http(url, Some(&key)).unwrap();
    let mut federation = story::Federation::found(connection.clone(), story::terms()).await;
    let first = federation.next_round(100 * COIN, [3, 2, 1, 0]);
    federation.post(first).await;
    federation.claim(1).await;

    let provider = connection.provider();
    let ask = async |method: &'static str, params: Value| -> Value {
        provider.raw_request(method.into(), params).await.unwrap()
    };
    ask("evm_setAutomine", json!([false])).await;
    let accounts = ask("eth_accounts", json!([])).await;
    for place in 0..CROWD {
        let from = &accounts[1 + place % 9];
        let to = Address::repeat_byte(0x40 + place as u8);
        ask(
            "eth_sendTransaction",
            json!([{ "from": from, "to": to, "value": "0x1" }]),
        )
        .await;
    }
    let second = federation.next_round(60 * COIN, [1, 1, 1, 1]);
    let mine = async {
        loop {
            let status = ask("txpool_status", json!([])).await;
            if status["pending"] == format!("{:#x}", CROWD + 1) {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        ask("evm_mine", json!([])).await;
    };
    tokio::join!(federation.post(second), mine);
    ask("evm_setAutomine", json!([true])).await;
    federation.claim(2).await;

    let head = provider.get_block(BlockId::latest()).await.unwrap().unwrap().header;
    let checkpoint = Checkpoint {
        chain_id: embedded::CHAIN_ID,
        number: head.inner.number,
        hash: head.hash.0,
    };
    let (checks, collected) = blocks::proofs(&federation, &federation.client, &[checkpoint]).await;
    blocks::all_hold(&checks);
    let collected = collected.unwrap();
    let deployment = federation.client.deployment();
    let root = head.inner.state_root.0;
    let contract = |address: &[u8; 20], contract: &xfl_settlement::proof::collected::Contract, slots: &[[u8; 32]]| {
        let account = Account::proven(&root, address, &contract.nodes).unwrap().unwrap();
        let slots = slots.iter().map(|slot| {
            let nodes = contract
                .slots
                .iter()
                .find(|kept| kept.slot == *slot)
                .unwrap()
                .nodes
                .as_slice();
            let value = B256::from(account.slot(slot, nodes).unwrap());
            json!({ "slot": B256::from(*slot), "value": value, "nodes": nodes })
        });
        json!({ "account": Address::from(*address), "nodes": contract.nodes, "slots": slots.collect::<Vec<_>>() })
    };
    let posting = &collected.postings[1];
    let posted = provider
        .get_block(BlockId::hash(posting.block.into()))
        .await
        .unwrap()
        .unwrap()
        .header;
    let receipt = Receipt::proven(&posted.inner.receipts_root.0, posting.index, &posting.nodes).unwrap();
    let log = receipt
        .logs()
        .iter()
        .position(|log| log.address == Address::from(deployment.rounds));
    let log = log.unwrap();
    let block =
        |header: &alloy::rpc::types::Header| json!({ "hash": header.hash, "header": header::encode(&header.inner) });
    json!({
        "block": block(&head),
        "manager": contract(
            &deployment.rounds,
            &collected.rounds,
            &[RoundSlots::HOME.latest(), RoundSlots::HOME.digest(2), RoundSlots::HOME.digest(1)],
        ),
        "distributor": contract(
            &deployment.distributor,
            &collected.distributor,
            &[slots::total_paid(), slots::paid(&[1; 32])],
        ),
        "posting": {
            "block": block(&posted),
            "transaction": posting.index,
            "nodes": posting.nodes,
            "log": log,
            "topics": receipt.logs()[log].topics(),
            "data": receipt.logs()[log].data.data,
        },
    })
}
