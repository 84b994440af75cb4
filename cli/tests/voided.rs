//! A round that is vetoed on the home chain: the run says so and ends, for ever; no further round is begun.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "what goes wrong in a helper fails its test"
)]

#[path = "../../settlement/tests/support/anvil.rs"]
#[allow(dead_code)]
mod anvil;
#[path = "support/place.rs"]
mod place;

use std::{
    fs,
    path::Path,
    process::{Child, Command},
};

use serde_json::{Value, json};
use xfl_core::{
    node::settle::{self, Book, SettleError},
    round::Rounds,
};
use xfl_settlement::{
    chain::{client::SettlementClient, connect::Connection},
    payout::PayoutKey,
};

use place::{Place, answer, call, text, until};

const TEST: &str = "a_voided_round_ends_the_run_and_none_is_begun_after_it";
const MEMBERS: [&str; 4] = ["a", "b", "c", "d"];

/// A plan of two rounds and its keys; the coordinator's node id and account.
fn begin(place: &Place) -> (String, String) {
    let begun = place.run("init --rounds 2", 0);
    let csv = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/data/breast_cancer_wisconsin.csv");
    let csv = fs::read_to_string(csv).unwrap();
    let (header, rows) = csv.split_once('\n').unwrap();
    let rows: Vec<_> = rows.lines().collect();
    for (name, rows) in MEMBERS.iter().zip(rows.chunks(rows.len() / MEMBERS.len())) {
        let file = place.0.path().join(format!("{name}.csv"));
        fs::write(file, format!("{header}\n{}\n", rows.join("\n"))).unwrap();
        let made = place.run(&format!("keygen --out {name}"), 0);
        place.run(&format!("member add {} --name {name}", text(&made["data"]["node"])), 0);
    }
    (text(&begun["data"]["coordinator"]), text(&begun["data"]["payout"]))
}

/// Processes that go with the test.
struct Running(Vec<Child>);

impl Drop for Running {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn veto(place: &Place, url: &str, rounds: &Rounds) {
    let key = PayoutKey::from_file(place.read("coordinator-payout.key").trim()).unwrap();
    let genesis = rounds.genesis();
    let deployment = settle::deployment(rounds.plan(), genesis, &genesis.contracts);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let connection = Connection::http(url, Some(&key)).unwrap();
        let client = SettlementClient::connect(connection, deployment).await.unwrap();
        assert_eq!(client.latest_round().await.unwrap(), 1);
        client.veto(1).await.unwrap();
    });
}

#[test]
fn a_voided_round_ends_the_run_and_none_is_begun_after_it() {
    let Some(home) = anvil::start(TEST, 31_350) else { return };
    let place = Place::new();
    let (coordinator, payer) = begin(&place);
    let url = home.url();
    call(&url, "anvil_setBalance", &json!([payer, "0x3635c9adc5dea00000"]));

    // One round, and the coordinator rests; members wait for it.
    let round = format!("round --listen 127.0.0.1:0 --chain {url}");
    let mut coordinating = Running(vec![place.start(&format!("{round} --rounds 1"))]);
    let address = until("the coordinator listens", || {
        serde_json::from_str::<Value>(&place.read("run/address.json")).ok()
    });
    let udp = text(&address["coordinator"]);
    let joining = Running(
        MEMBERS
            .iter()
            .map(|name| {
                place.start(&format!(
                    "join --coordinator {udp} --coordinator-key {coordinator} --key {name}/node.pem --payout-chain 31350 \
                     --payout-key {name}/payout.key --data {name}.csv --dir {name}/state"
                ))
            })
            .collect(),
    );
    // It stays until the round is final, to show rows.
    until("a round is finished", || {
        let status: Value = serde_json::from_str(&place.read("run/status.json")).unwrap_or_default();
        (status["finished"] == 1 && status["stage"] != "post").then_some(())
    });
    // Whoever stops it before is told what that risks, and until when.
    let staying = coordinating.0.pop().unwrap();
    let interrupted = Command::new("kill").args(["-INT", &staying.id().to_string()]).status();
    assert!(interrupted.unwrap().success());
    let stopped = staying.wait_with_output().unwrap();
    let told = answer(&stopped, 0);
    let standing = &told["data"]["chains"][0];
    assert!(text(&standing["waits_for"]).contains("round 1 to be final"), "{told}");
    assert!(standing["until"].as_u64().unwrap() > 1_700_000_000, "{told}");
    let warned = String::from_utf8_lossy(&stopped.stderr);
    for words in ["nobody shows its rows now", "slashed", "--watch --answer"] {
        assert!(warned.contains(words), "{warned}");
    }
    let transcript = fs::read(place.0.path().join("run/transcript.xfl")).unwrap();
    let (_, rounds) = Book::read(&transcript).unwrap();
    veto(&place, &url, &rounds);

    // Started again, it says what happened and begins nothing, as often as it is tried.
    for _ in 0..2 {
        let ended = place.run(&format!("round --listen {udp} --chain {url}"), 5);
        let said = text(&ended["error"]["message"]);
        assert!(said.contains("round 1 was voided on chain 31350"), "{said}");
        assert!(text(&ended["error"]["hint"]).contains("another --dir"), "{ended}");
    }
    let after = fs::read(place.0.path().join("run/transcript.xfl")).unwrap();
    let (book, later) = Book::read(&after).unwrap();
    assert_eq!((book.finished(), later.finished()), (1, 1));

    // Settling says it too, and doesn't wait for what can't come.
    let settled = place.run("settle --wait", 5);
    let chain = &settled["error"]["chains"][0];
    assert_eq!((&chain["void"], &chain["posted"]), (&json!(1), &json!(0)), "{settled}");
    assert!(chain["trouble"].is_null(), "{settled}");
    drop(joining);

    // Nobody passes such a chain off as the coordinator's own, which needs neither a second signer nor time to dispute.
    let mut genesis = rounds.genesis().clone();
    settle::check_contracts(rounds.plan(), &genesis).unwrap();
    genesis.contracts.embedded = true;
    let lie = settle::check_contracts(rounds.plan(), &genesis).unwrap_err();
    assert!(
        matches!(
            lie,
            SettleError::Embedded {
                chain_id: 31_350,
                embedded: true
            }
        ),
        "{lie}"
    );
    (genesis.contracts.embedded, genesis.contracts.chain_id) = (false, settle::EMBEDDED_CHAIN_ID);
    assert!(settle::check_contracts(rounds.plan(), &genesis).is_err());
}
