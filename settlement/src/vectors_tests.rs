//! The digests here against those that Solidity computed: `contracts/test/vectors.json` is written by the contracts' own test.

use alloy::hex;
use serde_json::Value;

use crate::binding::Binding;
use crate::claim::{Entry, Leaf, Venue};
use crate::domain::Domain;
use crate::input::{Input, input_tree};
use crate::ledger::Ledger;
use crate::merkle::{Digest, Tree};
use crate::receipt::Receipt;
use crate::row::{aggregate_tree, row_tree};
use crate::statement::RoundHeader;

fn vectors() -> Value {
    serde_json::from_str(include_str!("../contracts/test/vectors.json")).unwrap()
}

fn bytes<const N: usize>(value: &Value) -> [u8; N] {
    hex::decode_to_array(value.as_str().unwrap()).unwrap()
}

fn number<T: std::str::FromStr>(value: &Value) -> T
where
    T::Err: std::fmt::Debug,
{
    value.as_str().unwrap().parse().unwrap()
}

fn domain(value: &Value) -> Domain {
    Domain {
        chain_id: number(&value["homeChainId"]),
        contract: bytes(&value["home"]),
        federation: bytes(&value["federation"]),
    }
}

fn venue(value: &Value) -> Venue {
    Venue {
        chain_id: number(&value["chainId"]),
        distributor: bytes(&value["distributor"]),
        token: bytes(&value["token"]),
    }
}

fn leaf(value: &Value) -> Leaf {
    Leaf {
        federation: bytes(&value["federation"]),
        participant: bytes(&value["participant"]),
        payout: bytes(&value["payout"]),
        venue: venue(value),
        cumulative: number(&value["cumulative"]),
    }
}

fn entry(value: &Value) -> Entry {
    Entry {
        venue: venue(value),
        chain_root: bytes(&value["chainRoot"]),
        cumulative_budget: number(&value["cumulativeBudget"]),
    }
}

#[test]
fn bindings_and_headers_have_solidity_digests() {
    let all = vectors();
    let (case, input) = (&all["binding"], &all["binding"]["input"]);
    let binding = Binding {
        federation: bytes(&input["federation"]),
        node_key: bytes(&input["nodeKey"]),
        payout: bytes(&input["payout"]),
        chain_id: number(&input["chainId"]),
        nonce: number(&input["nonce"]),
        expiry: number(&input["expiry"]),
    };
    assert_eq!(domain(&case["domain"]).separator(), bytes(&case["domain"]["separator"]));
    assert_eq!(binding.digest(&domain(&case["domain"])), bytes(&case["digest"]));

    let (case, input) = (&all["roundHeader"], &all["roundHeader"]["input"]);
    let header = RoundHeader {
        federation: bytes(&input["federation"]),
        round: number(&input["round"]),
        plan_hash: bytes(&input["planHash"]),
        parent: bytes(&input["parent"]),
        model_root: bytes(&input["modelRoot"]),
        row_root: bytes(&input["rowRoot"]),
        aggregate_root: bytes(&input["aggregateRoot"]),
        transcript_root: bytes(&input["transcriptRoot"]),
        reward_root: bytes(&input["rewardRoot"]),
        cumulative_budget: number(&input["cumulativeBudget"]),
        cohort: number(&input["cohort"]),
        dimension: number(&input["dimension"]),
        rule: number(&input["rule"]),
        rule_parameter: bytes(&input["ruleParameter"]),
        input_root: bytes(&input["inputRoot"]),
        attempt: number(&input["attempt"]),
    };
    assert_eq!(domain(&case["domain"]).separator(), bytes(&case["domain"]["separator"]));
    assert_eq!(header.digest(&domain(&case["domain"])), bytes(&case["digest"]));
}

#[test]
fn leaves_entries_and_proofs_are_soliditys() {
    let all = vectors();
    assert_eq!(entry(&all["entry"]["input"]).hash(), bytes(&all["entry"]["hash"]));
    assert_eq!(leaf(&all["leaf"]["input"]).hash(), bytes(&all["leaf"]["hash"]));

    let case = &all["tree"];
    let leaves: Vec<Leaf> = case["leaves"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| leaf(&item["input"]))
        .collect();
    let tree = Tree::new(leaves.iter().map(Leaf::hash).collect());
    assert_eq!(tree.root(), bytes(&case["chainRoot"]));
    for (index, expected) in case["proofs"].as_array().unwrap().iter().enumerate() {
        let siblings: Vec<Digest> = expected.as_array().unwrap().iter().map(bytes).collect();
        assert_eq!(tree.proof(index).unwrap().siblings, siblings);
    }
    assert_eq!(entry(&case["entry"]["input"]).hash(), bytes(&case["rewardRoot"]));

    // The ledger orders leaves by participant; its root is that of the same leaves in that order.
    let mut ledger = Ledger::new(leaves[0].federation);
    ledger.add_venue(leaves[0].venue).unwrap();
    for leaf in &leaves {
        ledger.bind(leaf.participant, leaf.payout, leaf.venue.chain_id).unwrap();
    }
    let parts: Vec<_> = leaves.iter().map(|leaf| (leaf.participant, leaf.cumulative)).collect();
    ledger.credit(1, &parts).unwrap();
    let mut sorted = leaves.clone();
    sorted.sort_by_key(|leaf| leaf.participant);
    assert_eq!(ledger.tree().leaves(4242), sorted);
    assert_eq!(
        ledger.tree().entries()[0].chain_root,
        Tree::new(sorted.iter().map(Leaf::hash).collect()).root()
    );
}

#[test]
fn rows_inputs_and_receipts_are_soliditys() {
    let all = vectors();
    let case = &all["round"];
    let numbers = |value: &Value| -> Vec<i32> {
        let list = value.as_array().unwrap().iter();
        list.map(|number| i32::try_from(number.as_i64().unwrap()).unwrap())
            .collect()
    };
    let updates: Vec<Vec<i32>> = case["updates"].as_array().unwrap().iter().map(numbers).collect();
    let views: Vec<&[i32]> = updates.iter().map(Vec::as_slice).collect();
    let median = numbers(&case["median"]);
    assert_eq!(row_tree(&views).unwrap().root(), bytes(&case["rowRoot"]));
    assert_eq!(aggregate_tree(&median).unwrap().root(), bytes(&case["aggregateRoot"]));

    let inputs: Vec<Input> = case["inputs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| Input {
            node_key: bytes(&item["nodeKey"]),
            commitment: bytes(&item["commitment"]),
            position: number(&item["position"]),
        })
        .collect();
    assert_eq!(input_tree(&inputs).unwrap().root(), bytes(&case["inputRoot"]));

    let (case, input) = (&all["receipt"], &all["receipt"]["input"]);
    let receipt = Receipt {
        federation: bytes(&input["federation"]),
        round: number(&input["round"]),
        attempt: number(&input["attempt"]),
        node_key: bytes(&input["nodeKey"]),
        commitment: bytes(&input["commitment"]),
    };
    assert_eq!(receipt.digest(&domain(&case["domain"])), bytes(&case["digest"]));
}
