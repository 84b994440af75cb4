//! Audits against checkpoints: what is proven, what isn't vouched for, and nodes that lie about one thing each.

use std::{
    fs,
    process::Stdio,
    sync::atomic::{AtomicBool, Ordering},
};

use serde_json::{Value, json};
use xfl_settlement::keccak256;

use super::liar::Liar;
use super::place::{Place, answer, call, text};
use super::{ROUNDS, hex};

/// How often a verdict is among the checks whose text has these words.
fn count(audit: &Value, verdict: &str, words: &str) -> usize {
    let data = if audit["data"].is_null() {
        &audit["error"]
    } else {
        &audit["data"]
    };
    let checks = data["checks"].as_array().unwrap().iter();
    checks
        .filter(|check| check["verdict"] == verdict && check["text"].as_str().unwrap().contains(words))
        .count()
}

fn says(audit: &Value, words: &[&str]) {
    let said = audit["error"]["message"].as_str().unwrap();
    assert!(words.iter().all(|word| said.contains(word)), "{said}");
}

/// The node's block as a checkpoint, and its hash.
fn checkpoint(url: &str, block: &str) -> (String, String) {
    let block = call(url, "eth_getBlockByNumber", &json!([block, false]));
    let hash = text(&block["hash"]);
    (format!("31337:{}:{hash}", hex(&block["number"])), hash)
}

/// Number of the block in which a round was posted.
fn posted_in(url: &str, round: u64) -> u64 {
    let posting = keccak256(b"RoundPosted(uint64,bytes32,uint64,address[])");
    let posting: String = posting.iter().map(|byte| format!("{byte:02x}")).collect();
    let topics = json!([format!("0x{posting}"), format!("0x{round:064x}")]);
    let logs = call(
        url,
        "eth_getLogs",
        &json!([{ "fromBlock": "0x0", "toBlock": "latest", "topics": topics }]),
    );
    hex(&logs[0]["blockNumber"])
}

/// Audits the run in `place`, whose home is the node at `url`.
pub(super) fn against(place: &Place, url: &str) {
    let (head, hash) = checkpoint(url, "latest");
    let rounds = usize::try_from(ROUNDS).unwrap();

    // Without a checkpoint all is proven against the node's own word, which is said.
    let audit = place.run(&format!("audit run --rpc {url}"), 0);
    assert_eq!(count(&audit, "unchecked", "unanchored"), 1, "{audit}");
    assert_eq!(
        count(&audit, "unchecked", &format!("--checkpoint {head}")),
        1,
        "{audit}"
    );
    assert_eq!(count(&audit, "holds", "proven in block"), rounds + 2, "{audit}");
    let unchecked = audit["data"]["unchecked"].as_u64().unwrap();

    // With one it isn't the node's word any more.
    let with = |checkpoint: &str, code| place.run(&format!("audit run --rpc {url} --checkpoint {checkpoint}"), code);
    let audit = with(&head, 0);
    assert_eq!(audit["data"]["unchecked"], unchecked - 1, "{audit}");
    assert_eq!(count(&audit, "holds", "is vouched for"), 1, "{audit}");
    assert_eq!(count(&audit, "holds", "proven by its receipt"), rounds, "{audit}");
    let mut by_environment = place.command(&format!("audit run --rpc {url}"));
    by_environment.env("XFL_CHECKPOINT", &head).stderr(Stdio::null());
    assert_eq!(answer(&by_environment.output().unwrap(), 0)["data"], audit["data"]);

    // A block before the contracts vouches for nothing of them; one before the last round for the others.
    let early = with(&checkpoint(url, "0x1").0, 0);
    assert_eq!(count(&early, "unchecked", "give a later checkpoint"), 1, "{early}");
    let last = posted_in(url, ROUNDS);
    let before = checkpoint(url, &format!("{:#x}", last - 1)).0;
    let audit = with(&before, 0);
    assert_eq!(
        count(&audit, "unchecked", &format!("round {ROUNDS} came later")),
        1,
        "{audit}"
    );
    assert_eq!(count(&audit, "holds", "proven by its receipt"), rounds - 1, "{audit}");
    let both = place.run(
        &format!("audit run --rpc {url} --checkpoint {before} --checkpoint {head}"),
        0,
    );
    assert_eq!(both["data"]["unchecked"], unchecked - 1, "{both}");

    // Another history than the one that somebody vouches for.
    let mut other = head.clone();
    other.replace_range(head.len() - 4.., "0bad");
    says(&with(&other, 5), &["31337", &hash, "0bad"]);
    says(
        &with(&format!("31337:99999:{hash}"), 5),
        &["block 99999", "not there yet"],
    );
    says(&with(&format!("5:1:{hash}"), 2), &["none of this federation's chains"]);
    says(&with(&format!("31337:{hash}"), 2), &["CHAIN_ID:BLOCK_NUMBER:HASH"]);
    let away = place.run(&format!("audit run --checkpoint {head}"), 5);
    says(&away, &["the chain isn't at hand"]);

    lies(place, url, &head);
    honest(place, url, &head);

    // Proofs of an earlier block are no proofs against a later checkpoint, though it vouches for that block.
    place.run(
        &format!("audit run --rpc {url} --checkpoint {before} --save-proofs before.proofs"),
        0,
    );
    let stale = format!("audit run --proofs before.proofs --checkpoint {head}");
    says(&place.run(&stale, 5), &["the proofs have no block"]);

    // Proofs in a file are checked without a node, against the checkpoint alone.
    place.run(
        &format!("audit run --rpc {url} --checkpoint {head} --save-proofs chain.proofs"),
        0,
    );
    let offline = |file: &str, checkpoint: &str, code| {
        place.run(&format!("audit run --proofs {file} --checkpoint {checkpoint}"), code)
    };
    let audit = offline("chain.proofs", &head, 0);
    assert_eq!(count(&audit, "holds", "proven in block"), rounds + 2, "{audit}");
    assert_eq!(
        count(&audit, "unchecked", ""),
        usize::try_from(unchecked - 1).unwrap(),
        "{audit}"
    );
    assert_eq!(
        count(
            &place.run("audit run --proofs chain.proofs", 0),
            "unchecked",
            "unanchored"
        ),
        1
    );
    says(
        &offline("chain.proofs", &other, 5),
        &["the proofs have no block", "0bad"],
    );
    let mut bytes = fs::read(place.0.path().join("chain.proofs")).unwrap();
    // The last byte is one of the last receipt.
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(place.0.path().join("changed.proofs"), bytes).unwrap();
    says(&offline("changed.proofs", &head, 5), &["the audit fails"]);
    assert!(
        offline("a.csv", &head, 2)["error"]["message"]
            .as_str()
            .unwrap()
            .contains("no proofs")
    );
}

/// Nodes that change one answer each: the audit fails, and names chain and block.
fn lies(place: &Place, url: &str, head: &str) {
    let through = |method, lie: fn(&mut Value), checkpoint: &str, code| {
        let liar = Liar::about(url, method, lie);
        place.run(&format!("audit run --rpc {}{checkpoint}", liar.url()), code)
    };
    let vouched = format!(" --checkpoint {head}");
    let named = "chain 31337, block ";

    fn other_value(answer: &mut Value) {
        answer["result"]["storageProof"][0]["value"] = "0x7".into();
    }
    let lied = through("eth_getProof", other_value, "", 5);
    says(&lied, &[named, "the node says that slot 0x", "what it proves is"]);

    fn other_node(answer: &mut Value) {
        let node = answer["result"]["accountProof"][0]
            .as_str()
            .unwrap()
            .replace("a0", "a1");
        answer["result"]["accountProof"][0] = node.into();
    }
    says(
        &through("eth_getProof", other_node, "", 5),
        &[named, "the account isn't proven", "node 0"],
    );

    fn other_state(answer: &mut Value) {
        answer["result"]["stateRoot"] = format!("0x{}", "ab".repeat(32)).into();
    }
    let forged = through("eth_getBlockByNumber", other_state, &vouched, 5);
    says(&forged, &[named, "the block's hash"]);

    fn other_event(answer: &mut Value) {
        for receipt in answer["result"].as_array_mut().unwrap() {
            receipt["logs"] = json!([]);
        }
    }
    let forged = through("eth_getBlockReceipts", other_event, "", 5);
    says(&forged, &[named, "the root of its receipts"]);

    // Who has no proofs is no liar, unless something is to be proven.
    fn none(answer: &mut Value) {
        let id = answer["id"].clone();
        *answer = json!({ "jsonrpc": "2.0", "id": id, "error": { "code": -32_601, "message": "no such method" } });
    }
    let silent = through("eth_getProof", none, "", 0);
    assert_eq!(count(&silent, "unchecked", "no such method"), 1, "{silent}");
    says(
        &through("eth_getProof", none, &vouched, 5),
        &["no such method", "archive node"],
    );
    // Receipts one by one, where they aren't served together.
    let audit = through("eth_getBlockReceipts", none, &vouched, 0);
    assert_eq!(
        count(&audit, "holds", "proven by its receipt"),
        usize::try_from(ROUNDS).unwrap(),
        "{audit}"
    );
}

/// Nodes that are honest, and slow, poor, or of a chain with its own headers and receipts: none of them fails the audit.
fn honest(place: &Place, url: &str, head: &str) {
    let rounds = usize::try_from(ROUNDS).unwrap();
    let beside = |method, change: fn(&mut Value), checkpoint: &str| {
        let other = Liar::about(url, method, change);
        place.run(&format!("audit run --rpc 31337={url},{}{checkpoint}", other.url()), 0)
    };
    let alone = |method, change: fn(&mut Value), checkpoint: &str| {
        let other = Liar::about(url, method, change);
        place.run(&format!("audit run --rpc {}{checkpoint}", other.url()), 0)
    };
    let vouched = format!(" --checkpoint {head}");

    // A node ahead of the other: the state is that of the last block that both have.
    fn ahead(answer: &mut Value) {
        let number = hex(&answer["result"]);
        answer["result"] = format!("{:#x}", number + 1).into();
    }
    let number: u64 = head.split(':').nth(1).unwrap().parse().unwrap();
    let audit = beside("eth_blockNumber", ahead, "");
    let words = format!("proven in block {number}");
    assert!(count(&audit, "holds", &words) > 0, "{audit}");

    // One of two serves no proofs, or no receipts: the other's count.
    fn none(answer: &mut Value) {
        let id = answer["id"].clone();
        *answer = json!({ "jsonrpc": "2.0", "id": id, "error": { "code": -32_601, "message": "no such method" } });
    }
    for method in ["eth_getProof", "eth_getBlockReceipts"] {
        let audit = beside(method, none, &vouched);
        assert_eq!(count(&audit, "holds", "proven in block"), rounds + 2, "{audit}");
        assert_eq!(count(&audit, "holds", "proven by its receipt"), rounds, "{audit}");
    }

    // A header that can't be hashed here is no lie where nothing is vouched for.
    fn other_header(answer: &mut Value) {
        answer["result"]["extraData"] = "0xabcd".into();
    }
    let audit = alone("eth_getBlockByNumber", other_header, "");
    assert_eq!(
        count(&audit, "unchecked", "fields that are not known here"),
        1,
        "{audit}"
    );

    // Receipts that can't be read, or that the node has not: each costs its posting's line.
    fn strange(answer: &mut Value) {
        answer["result"]["type"] = "0x7e".into();
    }
    fn unknown(answer: &mut Value) {
        answer["result"] = Value::Null;
    }
    for change in [strange, unknown] {
        let audit = alone("eth_getTransactionReceipt", change, &vouched);
        assert_eq!(count(&audit, "unchecked", "isn't among the proofs"), rounds, "{audit}");
        assert_eq!(count(&audit, "holds", "proven in block"), rounds + 2, "{audit}");
    }

    // Another branch between two questions: asked once more, all fits together.
    static GONE_OVER: AtomicBool = AtomicBool::new(false);
    fn once(answer: &mut Value) {
        if !GONE_OVER.swap(true, Ordering::Relaxed) {
            let node = answer["result"]["accountProof"][0].as_str().unwrap();
            answer["result"]["accountProof"][0] = node.replace("a0", "a1").into();
        }
    }
    let audit = alone("eth_getProof", once, "");
    assert!(GONE_OVER.load(Ordering::Relaxed));
    assert_eq!(count(&audit, "holds", "proven in block"), rounds + 2, "{audit}");
}
