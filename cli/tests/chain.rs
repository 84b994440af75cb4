//! A federation of real processes that settles on a node that others wrote (anvil, from npm), by the same code as on the
//! embedded chain: accounts without coins are named, the coordinator is killed between rounds, members claim once, and an
//! auditor with nothing but the run's folder and the node's address checks it all.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "what goes wrong in a helper fails its test"
)]

#[path = "../../settlement/tests/support/anvil.rs"]
mod anvil;

#[path = "support/liar.rs"]
#[allow(dead_code)]
mod liar;
#[path = "support/place.rs"]
mod place;
#[path = "chain/proven.rs"]
mod proven;

use std::{fs, path::Path, process::Child, thread::sleep, time::Duration};

use serde_json::{Value, json};

use place::{Place, answer, call, text, until};

const ROUNDS: u64 = 3;

fn hex(number: &Value) -> u64 {
    u64::from_str_radix(number.as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
}

#[test]
fn a_federation_settles_on_a_node_that_others_wrote() {
    let Some(node) = anvil::start("a_federation_settles_on_a_node_that_others_wrote", 31_337) else {
        return;
    };
    let url = node.url();
    let place = Place::new();
    let begun = place.run(&format!("init --rounds {ROUNDS}"), 0);
    let (coordinator, payer) = (text(&begun["data"]["coordinator"]), text(&begun["data"]["payout"]));
    let plan = place.0.path().join("federation.toml");
    let written = fs::read_to_string(&plan).unwrap();
    fs::write(
        &plan,
        written.replace("# activation_seconds = 3600", "activation_seconds = 1"),
    )
    .unwrap();
    let csv =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/data/breast_cancer_wisconsin.csv"));
    let csv = csv.unwrap();
    let (header, rows) = csv.split_once('\n').unwrap();
    let rows: Vec<_> = rows.lines().collect();
    let mut accounts = Vec::new();
    for (name, rows) in [("a", &rows[..280]), ("b", &rows[280..])] {
        fs::write(
            place.0.path().join(format!("{name}.csv")),
            format!("{header}\n{}\n", rows.join("\n")),
        )
        .unwrap();
        let made = place.run(&format!("keygen --out {name}"), 0);
        place.run(&format!("member add {} --name {name}", text(&made["data"]["node"])), 0);
        accounts.push(text(&made["data"]["payout"]));
    }

    // Nothing can be deployed by an account without coins; it is named, and nothing is lost.
    let round = format!("round --listen 127.0.0.1:0 --chain {url}");
    let refused = place.run(&round, 1);
    let said = refused["error"].to_string().to_lowercase();
    assert!(said.contains(&payer.to_lowercase()), "{said}");

    for account in [&payer, &accounts[0], &accounts[1]] {
        call(&url, "anvil_setBalance", &json!([account, "0x3635c9adc5dea00000"]));
    }
    let mut first = place.start(&round);
    let address = until("the coordinator listens", || {
        let address: Value = serde_json::from_str(&place.read("run/address.json")).ok()?;
        Some(text(&address["coordinator"]))
    });
    let joins: Vec<Child> = ["a", "b"]
        .iter()
        .map(|name| {
            place.start(&format!(
                "join --coordinator {address} --coordinator-key {coordinator} --key {name}/node.pem \
                 --payout-key {name}/payout.key --data {name}.csv --dir {name}/state"
            ))
        })
        .collect();
    until("the first round is posted", || {
        (!place.read("run/metrics.jsonl").is_empty()).then_some(())
    });
    first.kill().unwrap();
    first.wait().unwrap();
    let again = place.start(&format!("round --listen {address} --chain {url}"));
    let done = answer(&again.wait_with_output().unwrap(), 0);
    assert_eq!(done["data"]["finished"], ROUNDS, "{done}");
    let joined: Vec<Value> = joins
        .into_iter()
        .map(|join| answer(&join.wait_with_output().unwrap(), 0))
        .collect();

    // Rewards can be claimed a second after they were posted, once.
    sleep(Duration::from_millis(1_500));
    call(&url, "evm_mine", &json!([]));
    for (name, joined) in ["a", "b"].iter().zip(&joined) {
        let claim =
            format!("claim --dir {name}/state --key {name}/node.pem --payout-key {name}/payout.key --rpc {url}");
        assert_eq!(place.run(&claim, 0)["data"]["paid"], joined["data"]["earned"]);
        assert_eq!(place.run(&claim, 0)["data"]["paid"], "0");
    }
    let audit = place.run(&format!("audit run --rpc {url}"), 0);
    assert_eq!(audit["data"]["rounds"], ROUNDS, "{audit}");

    proven::against(&place, &url);

    // A node that has none of it is no witness, for or against.
    let other = anvil::start("a_federation_settles_on_a_node_that_others_wrote", 31_337).unwrap();
    let unknown = place.run(&format!("audit run --rpc {}", other.url()), 3);
    assert!(
        unknown["error"]["hint"].as_str().unwrap().contains("another node"),
        "{unknown}"
    );
}
