//! The slots that auditors prove are where the compiler puts the variables.

use serde_json::Value;
use xfl_settlement::keccak256;
use xfl_settlement::proof::slots::{self, RoundSlots};

/// What the compiler says of a variable, as `scripts/artifacts.mjs` keeps it.
fn variable(contract: &str, label: &str) -> Value {
    let layout: Value = serde_json::from_str(include_str!("../../contracts/layout.json")).unwrap();
    let found = layout[contract]
        .as_array()
        .unwrap()
        .iter()
        .find(|variable| variable["label"] == label);
    found
        .unwrap_or_else(|| panic!("{contract} has no {label} any more: {layout}"))
        .clone()
}

/// Slot within the struct, offset in bytes from the low end, length in bytes.
fn member(variable: &Value, label: &str) -> (u64, u64, u64) {
    let members = variable["members"].as_array().unwrap();
    let member = members.iter().find(|member| member["label"] == label).unwrap();
    let field = |name: &str| member[name].as_u64().unwrap();
    (field("slot"), field("offset"), field("bytes"))
}

fn slot(variable: &Value) -> [u8; 32] {
    assert_eq!(variable["offset"], 0);
    word(variable["slot"].as_u64().unwrap())
}

fn word(value: u64) -> [u8; 32] {
    let mut word = [0; 32];
    word[24..].copy_from_slice(&value.to_be_bytes());
    word
}

fn entry(variable: &Value, key: [u8; 32]) -> [u8; 32] {
    keccak256(&[key, slot(variable)].concat())
}

#[test]
fn slots_are_where_the_compiler_puts_them() {
    let head = variable("RoundManager", "_head");
    assert_eq!(RoundSlots::HOME.latest(), slot(&head));
    assert_eq!(member(&head, "latest"), (0, 0, 4));
    let digests = variable("RoundManager", "_digests");
    assert_eq!(digests["type"], "mapping(uint64 => bytes32)");
    assert_eq!(RoundSlots::HOME.digest(7), entry(&digests, word(7)));

    let latest = variable("RoundMirror", "_latest");
    assert_eq!(latest["type"], "uint64");
    assert_eq!(RoundSlots::MIRROR.latest(), slot(&latest));
    let rounds = variable("RoundMirror", "_rounds");
    assert_eq!(rounds["type"], "mapping(uint64 => struct RoundMirror.Round)");
    assert_eq!(member(&rounds, "digest"), (0, 0, 32));
    assert_eq!(RoundSlots::MIRROR.digest(7), entry(&rounds, word(7)));

    let sums = variable("RewardDistributor", "_sums");
    assert_eq!(member(&sums, "paid"), (0, 0, 16));
    assert_eq!(slots::total_paid(), slot(&sums));
    let paid = variable("RewardDistributor", "_paid");
    assert_eq!(paid["type"], "mapping(bytes32 => uint256)");
    assert_eq!(slots::paid(&[9; 32]), entry(&paid, [9; 32]));
}
