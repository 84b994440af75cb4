//! What a chain told is read once, but for the last blocks: in ranges that nodes allow, from where the last look ended, by the next process too, and anew
//! from where a reorganisation began.
#![cfg(feature = "chain")]
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

#[path = "support/anvil.rs"]
#[allow(dead_code)]
mod anvil;
#[path = "support/embedded.rs"]
#[allow(dead_code)]
mod embedded;
#[path = "support/moving.rs"]
mod moving;
#[path = "support/narrow.rs"]
mod narrow;
#[path = "support/story.rs"]
#[allow(dead_code)]
mod story;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use alloy::primitives::keccak256;
use alloy::providers::Provider;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use xfl_settlement::chain::client::{ClientError, SettlementClient};
use xfl_settlement::chain::connect::Connection;
use xfl_settlement::chain::server;
use xfl_settlement::statement::RoundHeader;

use narrow::Narrow;
use story::{COIN, Federation};

async fn ask(connection: &Connection, method: &'static str, params: serde_json::Value) {
    let answer = connection
        .provider()
        .raw_request::<_, serde_json::Value>(method.into(), params)
        .await;
    answer.unwrap();
}

async fn rounds(client: &SettlementClient) -> Vec<u64> {
    let posted = client.posted().await.unwrap();
    posted.iter().map(|posted| posted.header.round).collect()
}

/// A reader of the same contracts through another node.
fn reader(federation: &Federation, url: &str) -> SettlementClient {
    let connection = Connection::http(url, None).unwrap();
    SettlementClient::unchecked(connection, federation.client.deployment().clone())
}

async fn post(federation: &mut Federation) {
    let round = federation.next_round(COIN, [1, 1, 1, 1]);
    federation.post(round).await;
}

/// The last blocks, which are read at each look.
const TAIL: u64 = 32;

/// Blocks without events, so that those before them are deep enough.
async fn deepen(federation: &Federation) {
    for _ in 0..TAIL + 8 {
        let connection = federation.client.connection();
        connection.send_coin(&[7; 20], 1).await.unwrap();
    }
}

/// Every block from the first to the last is in one range, in order.
#[track_caller]
fn covers(ranges: &[(u64, u64)], first: u64, last: u64) {
    let mut next = first;
    for (from, to) in ranges {
        assert_eq!(*from, next, "{ranges:?}");
        next = to + 1;
    }
    assert_eq!(next, last + 1, "{ranges:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_read_twice_and_ranges_shrink_to_what_a_node_allows() {
    let chain = embedded::ephemeral();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let served = server::serve(listener, chain.clone()).unwrap();
    let narrow = Narrow::before(&served.url(), 3);
    let connection = Connection::embedded(&chain, Some(&story::coordinator()));
    let mut federation = Federation::found(connection, story::terms()).await;
    post(&mut federation).await;
    let client = reader(&federation, narrow.url());

    assert_eq!(rounds(&client).await, [1]);
    let head = chain.head().0;
    assert!(head > 6, "{head}");
    covers(&narrow.given(), 0, head);
    let refused = narrow.refused();
    assert!(
        refused.len() > 1 && refused.is_sorted_by_key(|(_, to)| std::cmp::Reverse(*to)),
        "{refused:?}"
    );

    // Other events of the same blocks, and the same again: all but the last blocks is known.
    deepen(&federation).await;
    let head = chain.head().0;
    assert_eq!(rounds(&client).await, [1]);
    covers(&narrow.given(), 0, head);
    assert_eq!(client.admissions().await.unwrap().len(), 4);
    covers(&narrow.given(), head - TAIL + 1, head);
    assert!(client.payments().await.unwrap().is_empty());
    covers(&narrow.given(), head - TAIL + 1, head);
    // It tries larger ranges now and then.
    assert!((1..=2).contains(&narrow.refused().len()));

    // What is new is read, by whichever clone looks.
    post(&mut federation).await;
    federation.claim(1).await;
    let clone = client.clone();
    assert_eq!(rounds(&clone).await, [1, 2]);
    let now = chain.head().0;
    covers(&narrow.given(), head - TAIL + 1, now);
    assert_eq!(client.payments().await.unwrap().len(), 1);
    covers(&narrow.given(), now - TAIL + 1, now);

    // One that gives not even a block's is told of, and not asked for ever.
    let closed = Narrow::before(&served.url(), 0);
    reader(&federation, closed.url()).posted().await.unwrap_err();
    let refused = closed.refused();
    assert_eq!(refused.last(), Some(&(0, 0)), "{refused:?}");
    assert!(refused.len() < 16 && closed.given().is_empty(), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_node_keeps_back_once_is_not_lost() {
    let chain = embedded::ephemeral();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let served = server::serve(listener, chain.clone()).unwrap();
    let narrow = Narrow::before(&served.url(), 1_000);
    let connection = Connection::embedded(&chain, Some(&story::coordinator()));
    let mut federation = Federation::found(connection, story::terms()).await;
    deepen(&federation).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.xfl");
    let client = reader(&federation, narrow.url()).with_memory(path.clone());
    assert!(rounds(&client).await.is_empty());

    // The block is there, and its events aren't yet: the next look has them, and so it stays when the block is deep.
    post(&mut federation).await;
    let posted = chain.head().0;
    narrow.hide(posted);
    assert!(rounds(&client).await.is_empty());
    assert_eq!(rounds(&client).await, [1]);
    deepen(&federation).await;
    assert_eq!(rounds(&client).await, [1]);

    // Where the contracts' state says that there is more, it is looked for at once, and nothing is thrown away for it.
    post(&mut federation).await;
    narrow.hide(chain.head().0);
    narrow.given();
    let other = reader(&federation, narrow.url()).with_memory(path.clone());
    assert_eq!(rounds(&other).await, [1, 2]);
    assert!(narrow.given().iter().all(|(from, _)| *from > 0));

    // Kept back when it was deep already, it is gone until somebody has all of it read anew: then it is in the file, too.
    std::fs::remove_file(&path).unwrap();
    let late = reader(&federation, narrow.url()).with_memory(path.clone());
    narrow.hide(posted);
    assert_eq!(rounds(&late).await, [2]);
    assert_eq!(rounds(&late).await, [2]);
    late.forget_events().await;
    assert_eq!(rounds(&late).await, [1, 2]);
    assert_eq!(
        rounds(&reader(&federation, narrow.url()).with_memory(path)).await,
        [1, 2]
    );
}

/// Block, contract, topics, data and transaction of an event, the block's hash and the transaction's place in it.
type Event = (u64, [u8; 20], Vec<[u8; 32]>, Vec<u8>, [u8; 32], [u8; 32], u64);

/// The file as it is on disk.
#[derive(Serialize, Deserialize)]
struct File {
    of: (u64, Vec<[u8; 20]>),
    marks: Vec<(u64, [u8; 32])>,
    told: Vec<Event>,
    headers: Vec<RoundHeader>,
}

/// Rewrites what is in the file, with a checksum that is right.
fn forge(path: &Path, change: impl FnOnce(&mut File)) {
    let bytes = std::fs::read(path).unwrap();
    let mut file: File = postcard::from_bytes(&bytes[48..]).unwrap();
    change(&mut file);
    let body = postcard::to_stdvec(&file).unwrap();
    std::fs::write(path, [&bytes[..16], keccak256(&body).as_slice(), &body].concat()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_process_goes_on_from_a_file_that_it_does_not_believe_blindly() {
    let chain = embedded::ephemeral();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let served = server::serve(listener, chain.clone()).unwrap();
    let narrow = Narrow::before(&served.url(), 1_000);
    let connection = Connection::embedded(&chain, Some(&story::coordinator()));
    let mut federation = Federation::found(connection, story::terms()).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events-31337.xfl");
    deepen(&federation).await;
    let fresh = || reader(&federation, narrow.url()).with_memory(path.clone());
    assert!(rounds(&fresh()).await.is_empty());
    let before = chain.head().0;
    covers(&narrow.given(), 0, before);
    for _ in 0..2 {
        post(&mut federation).await;
    }
    deepen(&federation).await;
    let fresh = || reader(&federation, narrow.url()).with_memory(path.clone());

    // Another process: what came since, and no more; and then the last blocks alone.
    assert_eq!(rounds(&fresh()).await, [1, 2]);
    let head = chain.head().0;
    covers(&narrow.given(), before - TAIL + 1, head);
    let tail = [(head - TAIL + 1, head)];
    assert_eq!(rounds(&fresh()).await, [1, 2]);
    assert_eq!(narrow.given(), tail);
    assert_eq!(fresh().admissions().await.unwrap().len(), 4);
    assert_eq!(narrow.given(), tail);

    // The headers are in the file as well, and are nobody's word: one that was changed is asked for.
    let posted = federation.client.posted().await.unwrap();
    for (forged, asked) in [(false, 0), (true, 1)] {
        if forged {
            forge(&path, |file| file.headers[0].cumulative_budget += 1);
        }
        let count = Arc::new(AtomicUsize::new(0));
        let counting = Arc::clone(&count);
        narrow.answer(move |request, _| {
            let method = request["method"].as_str().unwrap();
            counting.fetch_add(usize::from([BY_PLACE, BY_HASH].contains(&method)), Ordering::SeqCst);
        });
        assert_eq!(fresh().posted().await.unwrap(), posted);
        assert_eq!((count.load(Ordering::SeqCst), narrow.given()), (asked, tail.to_vec()));
    }

    // Damaged, cut short, nothing at all, and of other contracts: told, and read anew.
    let good = std::fs::read(&path).unwrap();
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for bad in [flipped, good[..good.len() / 2].to_vec(), Vec::new()] {
        std::fs::write(&path, bad).unwrap();
        assert_eq!(rounds(&fresh()).await, [1, 2]);
        covers(&narrow.given(), 0, head);
        assert_eq!(rounds(&fresh()).await, [1, 2]);
        assert_eq!(narrow.given(), tail, "what was read anew is kept");
    }
    forge(&path, |file| file.of.0 = 1);
    assert_eq!(rounds(&fresh()).await, [1, 2]);
    covers(&narrow.given(), 0, head);

    // Whole and well-formed, and yet something is kept from whoever reads it: the contracts' state says so.
    for hidden in [0, 1] {
        forge(&path, |file| {
            let kept = match hidden {
                // Neither postings nor anything after.
                0 => file
                    .told
                    .iter()
                    .filter(|told| told.1 != file.told.last().unwrap().1)
                    .cloned()
                    .collect(),
                // No admissions.
                _ => file.told.split_off(file.told.len() - 2),
            };
            file.told = kept;
        });
        assert_eq!(rounds(&fresh()).await, [1, 2]);
        let given = narrow.given();
        assert_eq!(given[..2], [tail[0], tail[0]], "it looks twice before it believes that");
        covers(&given[2..], 0, head);
        assert_eq!(fresh().admissions().await.unwrap().len(), 4);
        assert_eq!(narrow.given(), tail);
    }

    // A folder that can't be written to costs memory, not answers.
    let nowhere = reader(&federation, narrow.url()).with_memory(folder.path().join("none/events.xfl"));
    assert_eq!(rounds(&nowhere).await, [1, 2]);
    assert_eq!(rounds(&nowhere).await, [1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_reorganisation_events_are_read_anew_from_where_it_began() {
    let test = "after_a_reorganisation_events_are_read_anew_from_where_it_began";
    let Some(node) = anvil::start(test, 31_341) else { return };
    let narrow = Narrow::before(&node.url(), 1_000);
    let connection = Connection::http(&node.url(), Some(&story::coordinator())).unwrap();
    let mut federation = Federation::found(connection.clone(), story::terms()).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.xfl");
    let client = reader(&federation, narrow.url()).with_memory(path.clone());
    // A mark after each.
    let mut heads = Vec::new();
    for round in 1..=3 {
        post(&mut federation).await;
        ask(&connection, "anvil_mine", json!(["0x28"])).await;
        assert_eq!(rounds(&client).await.len(), round);
        heads.push(connection.head().await.unwrap());
    }
    narrow.given();

    // The blocks of the last two rounds are replaced by empty ones, one more than there were.
    let gone = heads[2] - heads[0];
    ask(&connection, "anvil_reorg", json!([gone, []])).await;
    ask(&connection, "evm_mine", json!([])).await;
    assert_eq!(rounds(&client).await, [1]);
    let now = connection.head().await.unwrap();
    covers(&narrow.given(), heads[0] - TAIL + 1, now);
    // A process that has only the file of the old branch sees it, too.
    let other = reader(&federation, narrow.url()).with_memory(path.clone());
    assert_eq!(rounds(&other).await, [1]);
    assert_eq!(narrow.given(), [(now - TAIL + 1, now)]);

    // They are posted again, by those who have them, and told once each.
    for round in federation.rounds.clone().split_off(1) {
        federation
            .client
            .post_round(&round.header, &round.signatures)
            .await
            .unwrap();
    }
    assert_eq!(rounds(&client).await, [1, 2, 3]);
    covers(&narrow.given(), now - TAIL + 1, connection.head().await.unwrap());
    // The one that sent them saw the old branch itself.
    assert_eq!(rounds(&federation.client).await, [1, 2, 3]);

    // In the last blocks: those are read in any case. Deeper than anything that was marked: from the beginning.
    let fresh = reader(&federation, narrow.url());
    assert_eq!(rounds(&fresh).await, [1, 2, 3]);
    narrow.given();
    let all = connection.head().await.unwrap();
    ask(&connection, "anvil_reorg", json!([1, []])).await;
    assert_eq!(rounds(&fresh).await, [1, 2]);
    covers(&narrow.given(), all - TAIL + 1, all);
    // With the first round's posting: an empty block in place of an empty one would be the same.
    ask(&connection, "anvil_reorg", json!([all - heads[0] + 41, []])).await;
    assert!(rounds(&fresh).await.is_empty());
    covers(&narrow.given(), 0, all);
}

const BY_PLACE: &str = "eth_getTransactionByBlockHashAndIndex";
const BY_HASH: &str = "eth_getTransactionByHash";

/// As OP-stack chains tell of a deposit: a kind of its own, unsigned, with fields that others don't have.
fn deposit(request: &Value, answer: &mut Value) {
    let method = request["method"].as_str().unwrap();
    if let Some(transaction) = answer["result"]
        .as_object_mut()
        .filter(|_| [BY_PLACE, BY_HASH].contains(&method))
    {
        for field in [
            "r",
            "s",
            "v",
            "yParity",
            "chainId",
            "maxFeePerGas",
            "maxPriorityFeePerGas",
        ] {
            transaction.remove(field);
        }
        let hash = transaction["hash"].clone();
        transaction.extend([
            ("type".into(), json!("0x7e")),
            ("sourceHash".into(), hash),
            ("mint".into(), json!("0x0")),
        ]);
    }
}

/// What a quorum posts in a transaction of a kind that only its chain knows is read like any other, by its place in its block or by its hash.
#[tokio::test(flavor = "multi_thread")]
async fn rounds_posted_in_transactions_of_unknown_kinds_are_read() {
    let chain = embedded::ephemeral();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let served = server::serve(listener, chain.clone()).unwrap();
    let narrow = Narrow::before(&served.url(), 1_000);
    let connection = Connection::embedded(&chain, Some(&story::coordinator()));
    let mut federation = Federation::found(connection, story::terms()).await;
    post(&mut federation).await;
    post(&mut federation).await;
    let expected = federation.client.posted().await.unwrap();

    // Alloy can't read it: that is what the client must not depend on.
    narrow.answer(deposit);
    let client = reader(&federation, narrow.url());
    let typed = client.connection().provider();
    let typed = typed
        .get_transaction_by_hash(expected[0].place.transaction.into())
        .await;
    assert!(typed.unwrap_err().is_deser_error());

    // By its place alone, by its hash alone; refused and not there.
    for refusing in [None, Some(BY_PLACE), Some(BY_HASH)] {
        for refusal in [
            json!({ "result": null }),
            json!({ "error": { "code": -32_601, "message": "the method is not available" } }),
        ] {
            narrow.answer(move |request, answer| {
                deposit(request, answer);
                if refusing.is_some_and(|method| request["method"] == method) {
                    let (field, value) = refusal.as_object().unwrap().iter().next().unwrap();
                    answer.as_object_mut().unwrap().remove("result");
                    answer[field] = value.clone();
                }
            });
            let client = reader(&federation, narrow.url());
            let posted = client.posted().await.unwrap();
            assert_eq!(posted, expected, "{refusing:?}");
            for (posted, round) in posted.iter().zip(&federation.rounds) {
                assert_eq!(client.signatures_of(posted).await.unwrap(), round.signatures);
            }
        }
    }

    // Another transaction than the event's is none of it.
    let other = serde_json::to_value(alloy::primitives::B256::from([9; 32])).unwrap();
    narrow.answer(move |request, answer| {
        if request["method"] == BY_PLACE {
            answer["result"]["hash"] = other.clone();
        }
    });
    let error = reader(&federation, narrow.url()).posted().await.unwrap_err();
    assert!(
        error.to_string().contains("a transaction that wasn't asked for"),
        "{error}"
    );
}

/// A reorganisation may come between an event and the question for its transaction: the chain is looked at again, a few times.
#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_is_gone_after_its_event_was_read_is_looked_for_again() {
    let chain = embedded::ephemeral();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let served = server::serve(listener, chain.clone()).unwrap();
    let narrow = Narrow::before(&served.url(), 1_000);
    let connection = Connection::embedded(&chain, Some(&story::coordinator()));
    let mut federation = Federation::found(connection, story::terms()).await;
    post(&mut federation).await;
    for gone in [3, usize::MAX] {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        narrow.answer(move |request, answer| {
            let method = request["method"].as_str().unwrap();
            if [BY_PLACE, BY_HASH].contains(&method) {
                let before = count.fetch_add(usize::from(method == BY_HASH), Ordering::SeqCst);
                if before < gone {
                    answer["result"] = Value::Null;
                }
            }
        });
        let client = reader(&federation, narrow.url());
        if gone == 3 {
            assert_eq!(rounds(&client).await, [1]);
            assert_eq!(asked.load(Ordering::SeqCst), 3);
        } else {
            let error = client.posted().await.unwrap_err();
            assert!(matches!(error, ClientError::Gone { .. }), "{error}");
            assert_eq!(asked.load(Ordering::SeqCst), 8);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_before_the_contracts_are_not_read_where_a_node_knows_them() {
    let test = "blocks_before_the_contracts_are_not_read_where_a_node_knows_them";
    // Hardhat's node makes thousands of empty blocks at once.
    let Some(node) = anvil::start_hardhat(test, 31_342) else {
        return;
    };
    let narrow = Narrow::before(&node.url(), 4_000);
    let connection = Connection::http(&node.url(), Some(&story::coordinator())).unwrap();
    ask(&connection, "hardhat_mine", json!(["0x4e20"])).await;
    let mut federation = Federation::found(connection.clone(), story::terms()).await;
    post(&mut federation).await;
    let head = connection.head().await.unwrap();
    assert_eq!(rounds(&reader(&federation, narrow.url())).await, [1]);
    let given = narrow.given();
    assert!(given[0].0 > 20_000 - TAIL, "{given:?}");
    covers(&given, given[0].0, head);
    assert_eq!(narrow.refused(), []);

    // One that keeps no old state is asked from block 0, in ranges that it takes.
    narrow.forgetful.store(true, Ordering::SeqCst);
    assert_eq!(rounds(&reader(&federation, narrow.url())).await, [1]);
    let given = narrow.given();
    covers(&given, 0, head);
    assert!(
        given.len() == 9 && narrow.refused() == [(0, 9_999), (0, 4_999)],
        "{given:?}"
    );
}
