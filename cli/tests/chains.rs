//! A federation of real processes on four chains at once: two anvil nodes, hardhat's node, and the embedded chain. Its members are paid on
//! different ones. A node is killed in the middle and comes back later, two are reorganised, one lies: nothing is lost, nothing is doubled.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "what goes wrong in a helper fails its test"
)]

#[path = "../../settlement/tests/support/anvil.rs"]
mod anvil;
#[path = "support/liar.rs"]
mod liar;
#[path = "support/place.rs"]
mod place;

use std::{collections::BTreeSet, fs, path::Path, process::Child, thread::sleep, time::Duration};

use serde_json::{Value, json};

use place::{Place, answer, call, text, until};

const TEST: &str = "members_are_paid_on_four_chains_whatever_happens_to_them";
const ROUNDS: u64 = 3;
const MEMBERS: [&str; 4] = ["a", "b", "c", "d"];

/// The plan of a run that settles a second after it posts, and its keys; the accounts of the coordinator and of the members.
fn begin(place: &Place) -> (String, String, Vec<String>) {
    let begun = place.run(&format!("init --rounds {ROUNDS}"), 0);
    let plan = place.0.path().join("federation.toml");
    let written = fs::read_to_string(&plan).unwrap();
    let written = written.replace("# activation_seconds = 3600", "activation_seconds = 1");
    fs::write(&plan, written).unwrap();
    let csv = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/data/breast_cancer_wisconsin.csv");
    let csv = fs::read_to_string(csv).unwrap();
    let (header, rows) = csv.split_once('\n').unwrap();
    let rows: Vec<_> = rows.lines().collect();
    let mut accounts = Vec::new();
    for (name, rows) in MEMBERS.iter().zip(rows.chunks(rows.len() / MEMBERS.len())) {
        fs::write(
            place.0.path().join(format!("{name}.csv")),
            format!("{header}\n{}\n", rows.join("\n")),
        )
        .unwrap();
        let made = place.run(&format!("keygen --out {name}"), 0);
        place.run(&format!("member add {} --name {name}", text(&made["data"]["node"])), 0);
        accounts.push(text(&made["data"]["payout"]));
    }
    (
        text(&begun["data"]["coordinator"]),
        text(&begun["data"]["payout"]),
        accounts,
    )
}

fn status(place: &Place) -> Value {
    serde_json::from_str(&place.read("run/status.json")).unwrap_or_default()
}

/// What a chain's line in the status or an answer says.
fn standing(chains: &Value, id: u64) -> Value {
    let chains = chains.as_array().cloned().unwrap_or_default();
    chains
        .into_iter()
        .find(|chain| chain["chain_id"] == id)
        .unwrap_or_default()
}

/// Everything that contracts on a chain have said, oldest first.
fn logs(url: &str) -> Vec<Value> {
    let all = json!([{ "fromBlock": "0x0", "toBlock": "latest" }]);
    call(url, "eth_getLogs", &all).as_array().unwrap().clone()
}

fn number(hex: &Value) -> u64 {
    u64::from_str_radix(hex.as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
}

#[test]
fn members_are_paid_on_four_chains_whatever_happens_to_them() {
    let Some(home) = anvil::start(TEST, 31_337) else { return };
    let place = Place::new();
    let state = place.0.path().join("anvil-state.json");
    let keeps = ["--state", state.to_str().unwrap(), "--state-interval", "1"];
    let mut second = anvil::start_with(TEST, 31_338, 0, &keeps).unwrap();
    let port: u16 = second.url().rsplit(':').next().unwrap().parse().unwrap();
    let hardhat = anvil::start_hardhat(TEST, 31_339).unwrap();
    let (a, b, c) = (home.url(), second.url(), hardhat.url());

    let (coordinator, payer, accounts) = begin(&place);
    let fortune = "0x3635c9adc5dea00000";
    for url in [&a, &b] {
        call(url, "anvil_setBalance", &json!([payer, fortune]));
    }
    call(&c, "hardhat_setBalance", &json!([payer, fortune]));
    call(&a, "anvil_setBalance", &json!([accounts[0], fortune]));
    call(&b, "anvil_setBalance", &json!([accounts[1], fortune]));
    call(&c, "hardhat_setBalance", &json!([accounts[2], fortune]));

    let round = format!(
        "round --listen 127.0.0.1:0 --rpc-listen 127.0.0.1:0 --serve --chain {a} --mirror 31338={b} --mirror {c} --mirror embedded"
    );
    let coordinating = Running(Some(place.start(&round)));
    let address = until("the coordinator listens", || {
        serde_json::from_str::<Value>(&place.read("run/address.json")).ok()
    });
    let (udp, embedded) = (text(&address["coordinator"]), text(&address["rpc"]));
    // The contracts stand by now; what the second chain keeps on disk has them a second later, if not the members.
    sleep(Duration::from_millis(1_300));
    let chains = ["31337", "31338", "31339", "5885"];
    let joins: Vec<Child> = MEMBERS
        .iter()
        .zip(chains)
        .map(|(name, chain)| {
            place.start(&format!(
                "join --coordinator {udp} --coordinator-key {coordinator} --key {name}/node.pem --payout-chain {chain} \
                 --payout-key {name}/payout.key --data {name}.csv --dir {name}/state"
            ))
        })
        .collect();

    // The lights go out at the second chain while rounds run: nothing else waits for it.
    until("the first round is posted", || {
        (!place.read("run/metrics.jsonl").is_empty()).then_some(())
    });
    second.kill();
    drop(second);
    until("all rounds are finished", || {
        (status(&place)["finished"] == ROUNDS).then_some(())
    });
    let joined: Vec<Value> = joins
        .into_iter()
        .map(|join| answer(&join.wait_with_output().unwrap(), 0))
        .collect();
    until("the dead chain is told of", || {
        standing(&status(&place)["chains"], 31_338)["trouble"]
            .is_string()
            .then_some(())
    });

    // Everything but the dead chain is brought up; it is named, and so is the command's failure.
    let ways = format!("--rpc {a} --rpc 31338={b} --rpc {c} --rpc 5885={embedded}");
    let ripe = |urls: &[&str]| {
        sleep(Duration::from_millis(1_300));
        for url in urls {
            call(url, "evm_mine", &json!([]));
        }
    };
    ripe(&[&a]);
    let failed = place.run(&format!("settle --dir run {ways}"), 3);
    let chains = &failed["error"]["chains"];
    assert_eq!(standing(chains, 31_339)["posted"], ROUNDS, "{failed}");
    assert_eq!(standing(chains, 5_885)["posted"], ROUNDS, "{failed}");
    assert!(standing(chains, 31_338)["trouble"].is_string(), "{failed}");

    // It comes back with what it had on disk, and gets what it missed.
    let second = anvil::start_with(TEST, 31_338, port, &keeps).unwrap();
    assert_eq!(second.url(), b);
    let settle = format!("settle --dir run {ways}");
    let done = place.run(&settle, 0);
    assert_eq!(done["data"]["done"], true, "{done}");

    // Blocks with postings are reorganised away, at home and on a mirror; they are posted again, once. Whoever sees it first posts: the coordinator,
    // which still runs, or the command.
    let before = [logs(&a), logs(&b)];
    for (url, logs) in [&a, &b].into_iter().zip(&before) {
        let latest = number(&call(url, "eth_blockNumber", &json!([])));
        let gone = latest + 1 - number(&logs.last().unwrap()["blockNumber"]);
        call(url, "anvil_reorg", &json!([gone, []]));
    }
    place.run(&settle, 0);
    ripe(&[&a]);
    let done = place.run(&settle, 0);
    assert_eq!(done["data"]["done"], true, "{done}");
    for (url, before) in [&a, &b].into_iter().zip(&before) {
        let after = logs(url);
        let said = |logs: &[Value]| -> Vec<String> { logs.iter().map(|log| log["topics"].to_string()).collect() };
        // Each once. A mirror may have an earlier round in between that it skipped before.
        let unique: BTreeSet<_> = said(&after).into_iter().collect();
        assert_eq!(unique.len(), after.len(), "{after:?}");
        assert!(unique.is_superset(&said(before).into_iter().collect()), "{after:?}");
        let block = |logs: &[Value]| text(&logs.last().unwrap()["blockHash"]);
        assert_ne!(block(&after), block(before));
    }
    let verified = place.run(&format!("chain verify {ways}"), 0);
    for id in [31_337, 31_338, 31_339, 5_885] {
        assert_eq!(
            standing(&verified["data"]["chains"], id)["latest"],
            ROUNDS,
            "{verified}"
        );
    }

    // A second run of the same plan with the salt of this one would have its members sign every round twice; it is refused before anybody joins.
    let mirrors = format!("--mirror 31338={b} --mirror {c}");
    let again = format!("round --listen 127.0.0.1:0 --rpc-listen 127.0.0.1:0 --dir again --chain {a} {mirrors}");
    let folder = place.0.path().join("again");
    fs::create_dir(&folder).unwrap();
    fs::copy(place.0.path().join("run/run.salt"), folder.join("run.salt")).unwrap();
    let refused = place.run(&again, 2);
    let said = format!("{} {}", refused["error"]["message"], refused["error"]["hint"]);
    assert!(said.contains("already") && said.contains("run.salt"), "{said}");
    assert!(!folder.join("transcript.xfl").exists());

    // With a salt of its own it has contracts of its own, which nobody used.
    fs::remove_dir_all(&folder).unwrap();
    let second_run = Running(Some(place.start(&again)));
    until("the second run listens", || {
        (!place.read("again/address.json").is_empty()).then_some(())
    });
    drop(second_run);
    let lists = ["run", "again"].map(|dir| place.run(&format!("chain list --dir {dir}"), 0));
    for id in [31_337, 31_338, 31_339] {
        let [one, other] = [0, 1].map(|i: usize| standing(&lists[i]["data"]["chains"], id));
        assert!(
            one["rounds"] != other["rounds"] && one["token"] != other["token"],
            "{one} {other}"
        );
        let terms = &one["terms"];
        assert!(
            terms["threshold"].as_u64() >= Some(2) && terms["activation_seconds"] == 1,
            "{one}"
        );
        assert_eq!(
            terms["penalty_wei"].is_string(),
            id == 31_337,
            "stakes are at home: {one}"
        );
    }
    let stood = place.run("chain verify --dir again --chain-id 31337", 0);
    assert_eq!(standing(&stood["data"]["chains"], 31_337)["latest"], 0, "{stood}");
    // What was deployed by an earlier start is found again.
    place.run("chain deploy --dir again --chain-id 31338", 0);

    // A node that says something else than another one of the same chain is no witness, and both are named.
    let liar = liar::Liar::before(&a);
    let both = format!("chain verify --dir run --rpc 31337={a},{} --chain-id 31337", liar.url());
    let lied = place.run(&both, 5);
    let said = lied["error"]["message"].as_str().unwrap();
    assert!(
        said.contains("disagree") && said.contains(liar.name()) && said.contains(a.strip_prefix("http://").unwrap()),
        "{said}"
    );

    // Each member is paid on its own chain, all of it, once.
    ripe(&[&a, &b, &c]);
    for (name, joined) in MEMBERS.iter().zip(&joined) {
        let claim = format!("claim --dir {name}/state --key {name}/node.pem --payout-key {name}/payout.key {ways}");
        let claimed = place.run(&claim, 0);
        assert_eq!(claimed["data"]["paid"], joined["data"]["earned"], "{name}: {claimed}");
        assert_eq!(place.run(&claim, 0)["data"]["paid"], "0");
    }
    let audit = place.run(&format!("audit run {ways}"), 0);
    assert_eq!(audit["data"]["rounds"], ROUNDS, "{audit}");
    let text = audit["data"]["checks"].to_string();
    for stage in ["chain 31338", "chain 31339", "chain 5885"] {
        assert!(text.contains(stage), "{text}");
    }
    drop(coordinating);
}

/// A process that goes with the test.
struct Running(Option<Child>);

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
