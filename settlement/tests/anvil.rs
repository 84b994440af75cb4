//! The same settlement history on anvil, a node that others wrote: same addresses, digests, gas and payments as on the embedded
//! chain, and everything done once.
#![cfg(feature = "chain")]
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

#[path = "support/anvil.rs"]
mod anvil;
#[path = "support/calls.rs"]
mod calls;
#[path = "support/differential.rs"]
mod differential;
#[path = "support/embedded.rs"]
#[allow(dead_code)]
mod embedded;
#[path = "support/forwarder.rs"]
mod forwarder;
#[path = "support/story.rs"]
#[allow(dead_code)]
mod story;

use std::time::Duration;

use alloy::providers::Provider;
use serde_json::json;
use xfl_settlement::chain::connect::{Connection, ConnectionError};

async fn ask(connection: &Connection, method: &'static str, params: serde_json::Value) {
    let answer = connection
        .provider()
        .raw_request::<_, serde_json::Value>(method.into(), params)
        .await;
    answer.unwrap();
}

/// A transaction that isn't mined is sent again under its nonce for a higher fee, one that the node dropped too; each counts once.
#[tokio::test]
async fn stuck_and_dropped_transactions_are_sent_again_and_count_once() {
    let Some(node) = anvil::start("stuck_and_dropped_transactions_are_sent_again_and_count_once", 31_340) else {
        return;
    };
    let reader = Connection::http(&node.url(), None).unwrap();
    let sender = Connection::http(&node.url(), Some(&story::coordinator()))
        .unwrap()
        .with_patience(Duration::from_millis(600));
    let account = story::coordinator().account();
    ask(&reader, "evm_setAutomine", json!([false])).await;
    for (round, dropped) in [(1u64, false), (2, true)] {
        let sending = tokio::spawn({
            let sender = sender.clone();
            async move { sender.send_coin(&[9; 20], 5).await }
        });
        tokio::time::sleep(Duration::from_millis(300)).await;
        if dropped {
            ask(&reader, "anvil_dropAllTransactions", json!([])).await;
        }
        tokio::time::sleep(Duration::from_millis(900)).await;
        let pending: serde_json::Value = reader
            .provider()
            .raw_request("txpool_content".into(), ())
            .await
            .unwrap();
        let waiting = pending["pending"].as_object().unwrap().values().next().unwrap();
        assert_eq!(
            waiting.as_object().unwrap().len(),
            1,
            "one nonce, one transaction: {waiting}"
        );
        ask(&reader, "evm_mine", json!([])).await;
        sending.await.unwrap().unwrap();
        assert_eq!(reader.nonce(&account).await.unwrap(), round);
        assert_eq!(reader.coin_balance(&[9; 20]).await.unwrap(), 5 * u128::from(round));
    }
}

/// A block that is reorganised away before enough others are on top of it takes its transaction along: it is sent again, once.
#[tokio::test]
async fn a_reorganised_transaction_is_sent_again() {
    let Some(node) = anvil::start("a_reorganised_transaction_is_sent_again", 31_341) else {
        return;
    };
    let reader = Connection::http(&node.url(), None).unwrap();
    let sender = Connection::http(&node.url(), Some(&story::coordinator()))
        .unwrap()
        .with_patience(Duration::from_millis(800))
        .with_confirmations(3);
    ask(&reader, "anvil_mine", json!(["0x5"])).await;
    let sending = tokio::spawn({
        let sender = sender.clone();
        async move { sender.send_coin(&[9; 20], 5).await }
    });
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(reader.coin_balance(&[9; 20]).await.unwrap(), 5, "mined at once");
    ask(&reader, "anvil_reorg", json!([1, []])).await;
    assert_eq!(reader.coin_balance(&[9; 20]).await.unwrap(), 0, "and taken back");
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(250)).await;
        ask(&reader, "evm_mine", json!([])).await;
    }
    sending.await.unwrap().unwrap();
    assert_eq!(reader.coin_balance(&[9; 20]).await.unwrap(), 5);
    assert_eq!(reader.nonce(&story::coordinator().account()).await.unwrap(), 1);
}

/// Two processes with one key: each does its part, nothing is done twice.
#[tokio::test]
async fn two_senders_with_one_key_do_not_lose_each_others_transactions() {
    let Some(node) = anvil::start("two_senders_with_one_key_do_not_lose_each_others_transactions", 31_342) else {
        return;
    };
    let one = || Connection::http(&node.url(), Some(&story::coordinator())).unwrap();
    let sends = |connection: Connection, to: [u8; 20]| {
        tokio::spawn(async move {
            for _ in 0..10 {
                // What was overtaken is nowhere: it is sent again by whoever wants it, and counts once.
                while let Err(error) = connection.send_coin(&to, 1).await {
                    assert!(matches!(error, ConnectionError::Overtaken { .. }), "{error}");
                }
            }
        })
    };
    let (first, second) = (sends(one(), [8; 20]), sends(one(), [9; 20]));
    first.await.unwrap();
    second.await.unwrap();
    for to in [[8; 20], [9; 20]] {
        assert_eq!(one().coin_balance(&to).await.unwrap(), 10);
    }
}

/// Coin that another process's transaction overtook isn't sent again by itself: who sent it hears of it, with the hash.
#[tokio::test]
async fn an_overtaken_sending_of_coin_is_told_and_not_repeated() {
    let Some(node) = anvil::start("an_overtaken_sending_of_coin_is_told_and_not_repeated", 31_343) else {
        return;
    };
    let reader = Connection::http(&node.url(), None).unwrap();
    ask(&reader, "evm_setAutomine", json!([false])).await;
    let sends = |to: [u8; 20], patience: u64| {
        let sender = Connection::http(&node.url(), Some(&story::coordinator())).unwrap();
        let sender = sender.with_patience(Duration::from_millis(patience));
        tokio::spawn(async move { sender.send_coin(&to, 5).await })
    };
    let slow = sends([8; 20], 3_000);
    tokio::time::sleep(Duration::from_millis(700)).await;
    // Its nonce is the same, and it pays more in the end.
    let eager = sends([9; 20], 1_500);
    tokio::time::sleep(Duration::from_millis(700)).await;
    ask(&reader, "evm_mine", json!([])).await;
    eager.await.unwrap().unwrap();
    let overtaken = slow.await.unwrap().unwrap_err();
    let ConnectionError::Overtaken { nonce: 0, sent } = &overtaken else {
        panic!("{overtaken}");
    };
    assert!(!sent.is_empty() && overtaken.to_string().contains("0x"), "{overtaken}");
    ask(&reader, "evm_mine", json!([])).await;
    assert_eq!(reader.coin_balance(&[8; 20]).await.unwrap(), 0);
    assert_eq!(reader.coin_balance(&[9; 20]).await.unwrap(), 5);
    assert_eq!(reader.nonce(&story::coordinator().account()).await.unwrap(), 1);
}

/// Confirmations are waited for longer than a transaction is; without new blocks it isn't confirmed, and that is said.
#[tokio::test]
async fn confirmations_are_waited_for_and_a_standstill_is_an_error() {
    let Some(node) = anvil::start("confirmations_are_waited_for_and_a_standstill_is_an_error", 31_344) else {
        return;
    };
    let reader = Connection::http(&node.url(), None).unwrap();
    let sender = Connection::http(&node.url(), Some(&story::coordinator()))
        .unwrap()
        .with_patience(Duration::from_millis(250))
        .with_confirmations(5);
    let sending = tokio::spawn({
        let sender = sender.clone();
        async move { sender.send_coin(&[9; 20], 5).await }
    });
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_millis(600)).await;
        assert!(!sending.is_finished(), "confirmed too early");
        ask(&reader, "evm_mine", json!([])).await;
    }
    let confirmed = sending.await.unwrap().unwrap();
    assert!(reader.head().await.unwrap() >= confirmed.block + 4);
    let still = sender.send_coin(&[9; 20], 5).await.unwrap_err();
    assert!(
        matches!(still, ConnectionError::Unconfirmed { have: 1, wanted: 5, .. }),
        "{still}"
    );
}

/// Urls hold keys: an error names the node, and shows nothing else of its url.
#[tokio::test]
async fn an_unreachable_node_is_named_without_the_key_in_its_url() {
    let url = |path: &str| format!("http://someone:secret-marker@127.0.0.1:1/{path}");
    let one = vec![url("v3/secret-marker?key=secret-marker")];
    let two = vec![one[0].clone(), url("secret-marker")];
    for urls in [one, two] {
        let connection = Connection::several(&urls, None).unwrap();
        let error = connection.chain_id().await.unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("secret-marker"), "{shown}");
        assert!(shown.contains("127.0.0.1:1"), "{shown}");
    }
}

/// The proxy is published where it is missing, and what hardhat settles is what the embedded chain settles.
#[tokio::test]
async fn hardhat_settles_alike_once_the_proxy_is_published() {
    let Some(node) = anvil::start_hardhat("hardhat_settles_alike_once_the_proxy_is_published", embedded::CHAIN_ID)
    else {
        return;
    };
    let connection = Connection::http(&node.url(), Some(&story::coordinator())).unwrap();
    assert!(
        connection
            .code(&xfl_settlement::chain::create2::PROXY)
            .await
            .unwrap()
            .is_empty()
    );
    let (there, paid_there) = story::play(connection).await;
    let chain = embedded::ephemeral();
    let (here, paid_here) = story::play(Connection::embedded(&chain, Some(&story::coordinator()))).await;
    assert_eq!(there.client.deployment(), here.client.deployment());
    assert_eq!((paid_there, there.gas), (paid_here, here.gas));
}

#[tokio::test]
async fn anvil_and_the_embedded_chain_settle_alike() {
    let Some(node) = anvil::start("anvil_and_the_embedded_chain_settle_alike", embedded::CHAIN_ID) else {
        return;
    };
    let connection = Connection::http(&node.url(), Some(&story::coordinator())).unwrap();
    let (there, paid_there) = story::play(connection).await;
    let chain = embedded::ephemeral();
    let (here, paid_here) = story::play(Connection::embedded(&chain, Some(&story::coordinator()))).await;

    assert_eq!(there.client.deployment(), here.client.deployment());
    assert_eq!(paid_there, paid_here);
    assert_eq!(there.gas, here.gas);
    for (ours, theirs) in here.rounds.iter().zip(&there.rounds) {
        assert_eq!(ours.header, theirs.header);
    }
    assert_eq!(
        there.client.payments().await.unwrap(),
        here.client.payments().await.unwrap()
    );
    assert_eq!(
        there.client.admissions().await.unwrap(),
        here.client.admissions().await.unwrap()
    );

    for check in story::audited(&there.client, &there, &there.rounds).await {
        assert_eq!(check.result, Ok(()), "{}", check.name);
    }
}

/// Histories that nobody thought of: each transaction comes to the same on both chains.
#[test]
fn random_histories_come_to_the_same_on_anvil_and_the_embedded_chain() {
    let test = "random_histories_come_to_the_same_on_anvil_and_the_embedded_chain";
    // The histories have times of their own, and no block may be older than anvil's first, which has the wall clock's otherwise.
    let before = (embedded::START - 1).to_string();
    let Some(node) = anvil::start_with(test, embedded::CHAIN_ID, 0, &["--timestamp", &before]) else {
        return;
    };
    let tally = differential::run(&node.url());
    let (mut passed, mut reverted) = (0, 0);
    for (kind, (good, bad)) in &tally {
        println!("{kind}: {good} passed, {bad} reverted");
        passed += good;
        reverted += bad;
    }
    println!("{passed} passed, {reverted} reverted");
    // The histories are drawn from one seed: they reach all of this each time.
    for kind in [
        "admit",
        "remove",
        "postRound",
        "postRound by a contract",
        "veto",
        "recall",
        "finalise",
        "demandRow",
        "answerRow",
        "expireDemand",
        "returnBond",
        "collectBonds",
        "proveRule",
        "proveOmission",
        "punish",
        "proveEquivocation",
        "open",
        "claim",
        "claimMany",
        "fund",
        "deposit",
        "exit",
        "cancelExit",
        "withdraw",
        "collect",
        "sink",
    ] {
        let (good, bad) = tally.get(kind).copied().unwrap_or_default();
        assert!(good > 0 && bad > 0, "{kind}: {good} passed, {bad} reverted");
    }
}
