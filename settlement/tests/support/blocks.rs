//! Real blocks: the embedded chain's, anvil's and hardhat's own proofs of one settlement history.

use std::sync::OnceLock;

use alloy::eips::BlockId;
use alloy::primitives::{Address, B256, Bytes};
use alloy::providers::Provider;
use proptest::prelude::*;
use serde_json::{Value, json};
use xfl_settlement::audit::kept::{self, KeptError};
use xfl_settlement::audit::proven::{prove, proven};
use xfl_settlement::audit::{Check, Expected, ExpectedRound, Finding};
use xfl_settlement::chain::client::SettlementClient;
use xfl_settlement::chain::connect::Connection;
use xfl_settlement::chain::embedded::PROVABLE;
use xfl_settlement::proof::account::Account;
use xfl_settlement::proof::slots::{self, RoundSlots};
use xfl_settlement::proof::{Checkpoint, Collected};

use super::{anvil, embedded, story};
use story::Federation;

/// The transcript's rounds of a played history.
fn rounds(federation: &Federation) -> Vec<ExpectedRound<'_>> {
    let rounds = federation.rounds.iter();
    rounds
        .map(|round| ExpectedRound {
            header: &round.header,
            signatures: &round.signatures,
            members: &[],
            tree: &round.tree,
        })
        .collect()
}

/// Hands the transcript's side of a played history to `with`.
pub(crate) fn expecting<T>(federation: &Federation, with: impl FnOnce(&Expected<'_>) -> T) -> T {
    with(&Expected {
        rounds: &rounds(federation),
        members: &federation.bindings,
    })
}

pub(crate) async fn proofs(
    federation: &Federation,
    client: &SettlementClient,
    checkpoints: &[Checkpoint],
) -> (Vec<Check>, Option<Collected>) {
    let expected = Expected {
        rounds: &rounds(federation),
        members: &federation.bindings,
    };
    prove(client, &expected, checkpoints).await
}

/// The node's block as a checkpoint.
async fn checkpoint(client: &SettlementClient, block: BlockId) -> Checkpoint {
    let block = client.connection().provider().get_block(block).await.unwrap().unwrap();
    Checkpoint {
        chain_id: client.deployment().chain_id,
        number: block.header.inner.number,
        hash: block.header.hash.0,
    }
}

pub(crate) fn all_hold(checks: &[Check]) {
    for check in checks {
        assert_eq!(check.result, Ok(()), "{}", check.name);
    }
    // Block, code, two rounds, two postings, payments.
    assert_eq!(checks.len(), 7, "{checks:?}");
}

pub(crate) fn wrong<'a>(checks: &'a [Check], words: &[&str]) -> &'a str {
    let found = checks.iter().find_map(|check| match &check.result {
        Err(Finding::Wrong(what)) => Some(what.as_str()),
        _ => None,
    });
    let found = found.unwrap_or_else(|| panic!("nothing is wrong: {checks:?}"));
    assert!(words.iter().all(|word| found.contains(word)), "{found}");
    found
}

pub(crate) fn unanchored(checks: &[Check]) -> Vec<&str> {
    checks
        .iter()
        .filter_map(|check| match &check.result {
            Err(Finding::Unanchored(what)) => Some(what.as_str()),
            _ => None,
        })
        .collect()
}

/// What a chain's node says of the distributor, as it says it.
async fn answered(federation: &Federation, slots: &[[u8; 32]]) -> Value {
    let keys: Vec<_> = slots.iter().map(B256::from).collect();
    let address = Address::from(federation.client.deployment().distributor);
    let params = json!([address, keys, "latest"]);
    let provider = federation.client.connection().provider();
    provider.raw_request("eth_getProof".into(), params).await.unwrap()
}

/// Every check a chain's proofs must pass, and what must be found without a checkpoint, with an old one and with wrong ones.
async fn proven_everywhere(federation: &Federation) -> Collected {
    let client = &federation.client;
    let head = checkpoint(client, BlockId::latest()).await;
    let (checks, collected) = proofs(federation, client, &[head]).await;
    all_hold(&checks);
    let collected = collected.unwrap();

    let (checks, _) = proofs(federation, client, &[]).await;
    let said = unanchored(&checks);
    assert!(said.len() == 1 && said[0].contains(&head.to_string()), "{checks:?}");
    assert_eq!(checks.iter().filter(|check| check.result.is_ok()).count(), 6);

    // Before the second round was posted, its postings and payments aren't vouched for, and the first round's are.
    let second = client.posted().await.unwrap().pop().unwrap();
    let receipt = client
        .connection()
        .provider()
        .get_transaction_receipt(B256::from(second.place.transaction));
    let posted = receipt.await.unwrap().unwrap().block_number.unwrap();
    let earlier = checkpoint(client, BlockId::number(posted - 1)).await;
    let (checks, _) = proofs(federation, client, &[earlier]).await;
    let said = unanchored(&checks);
    assert_eq!(said.len(), 2, "{checks:?}");
    assert!(
        said[0].contains("round 2 came later") && said[1].contains("give a later checkpoint"),
        "{said:?}"
    );
    assert_eq!(
        checks.iter().filter(|check| check.result.is_ok()).count(),
        5,
        "{checks:?}"
    );
    let (checks, _) = proofs(federation, client, &[earlier, head]).await;
    all_hold(&checks);

    let other = Checkpoint { hash: [7; 32], ..head };
    let (checks, none) = proofs(federation, client, &[other]).await;
    let number = head.number.to_string();
    wrong(
        &checks,
        &[
            &number,
            &B256::from(head.hash).to_string(),
            &B256::from([7; 32]).to_string(),
        ],
    );
    assert!(none.is_none());
    let future = Checkpoint {
        number: head.number + 1_000,
        ..head
    };
    let (checks, _) = proofs(federation, client, &[future]).await;
    wrong(&checks, &["not there yet"]);
    collected
}

/// The accounts and slots that collected proofs prove: number of the last round, digests, payments.
fn values(collected: &Collected, federation: &Federation) -> Vec<[u8; 32]> {
    let mut bag = xfl_settlement::proof::ancestry::Ancestry::default();
    for header in &collected.headers {
        bag.add(header).unwrap();
    }
    let root = bag.get(&collected.block).unwrap().state_root;
    let deployment = federation.client.deployment();
    let mut values = Vec::new();
    for (address, contract) in [
        (&deployment.rounds, &collected.rounds),
        (&deployment.distributor, &collected.distributor),
    ] {
        let account = Account::proven(&root, address, &contract.nodes).unwrap().unwrap();
        for slot in &contract.slots {
            let mut value = account.slot(&slot.slot, &slot.nodes).unwrap();
            if slot.slot == RoundSlots::HOME.latest() && address == &deployment.rounds {
                // Beside it stand times, which are each chain's own.
                let latest = RoundSlots::HOME.latest_in(&value);
                value = [0; 32];
                value[24..].copy_from_slice(&latest.to_be_bytes());
            }
            values.push(value);
        }
    }
    values
}

#[tokio::test]
async fn the_same_slots_are_proven_on_the_embedded_chain_anvil_and_hardhat() {
    let test = "the_same_slots_are_proven_on_the_embedded_chain_anvil_and_hardhat";
    let Some(anvil) = anvil::start(test, embedded::CHAIN_ID) else {
        return;
    };
    let hardhat = anvil::start_hardhat(test, embedded::CHAIN_ID).unwrap();
    let chain = embedded::ephemeral();
    let key = story::coordinator();
    let mut answers = Vec::new();
    let mut proven = Vec::new();
    for connection in [
        Connection::embedded(&chain, Some(&key)),
        Connection::http(&anvil.url(), Some(&key)).unwrap(),
        Connection::http(&hardhat.url(), Some(&key)).unwrap(),
    ] {
        let (federation, _) = story::play(connection).await;
        let collected = proven_everywhere(&federation).await;
        proven.push(values(&collected, &federation));
        // One that is zero and one that was never written among them.
        let slots = [
            slots::total_paid(),
            slots::paid(&[1; 32]),
            slots::paid(&[0xee; 32]),
            [9; 32],
        ];
        answers.push(answered(&federation, &slots).await);
    }
    // The last round, two digests; the sum, four participants.
    assert_eq!(proven[0].len(), 8);
    assert_eq!(proven[0], proven[1]);
    assert_eq!(proven[0], proven[2]);
    // The distributor's storage is the same on all three: so are the bytes that prove it, and how the answer is made.
    let fields = |answer: &Value| answer.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    for other in &answers[1..] {
        assert_eq!(other["storageProof"], answers[0]["storageProof"]);
        assert_eq!(other["storageHash"], answers[0]["storageHash"]);
        assert_eq!(fields(other), fields(&answers[0]));
    }
}

/// The embedded chain proves the state of its last blocks, and says where that ends; an older one is replayed up to it.
#[tokio::test]
async fn the_embedded_chain_proves_its_last_blocks_and_what_is_not_there() {
    let chain = embedded::ephemeral();
    let connection = Connection::embedded(&chain, Some(&story::coordinator()));
    let (federation, _) = story::play(connection.clone()).await;
    let head = checkpoint(&federation.client, BlockId::latest()).await;
    let provider = connection.provider();
    let nobody = provider
        .get_proof(Address::repeat_byte(9), vec![B256::ZERO])
        .await
        .unwrap();
    let header = provider.get_block(BlockId::latest()).await.unwrap().unwrap().header;
    let root = header.inner.state_root.0;
    assert_eq!(Account::proven(&root, &[9; 20], &nobody.account_proof), Ok(None));
    assert_eq!(
        Account::NONE.slot(&[0; 32], &nobody.storage_proof[0].proof),
        Ok([0; 32])
    );

    for _ in 0..PROVABLE - 1 {
        connection.send_coin(&[9; 20], 1).await.unwrap();
    }
    let (checks, _) = proofs(&federation, &federation.client, &[head]).await;
    all_hold(&checks);
    connection.send_coin(&[9; 20], 1).await.unwrap();
    let (checks, _) = proofs(&federation, &federation.client, &[head]).await;
    wrong(&checks, &["last 128 blocks", "archive node"]);

    let then = chain.until(head.number).unwrap();
    assert_eq!(then.head(), (head.number, head.hash));
    let client = SettlementClient::unchecked(
        Connection::embedded(&then, None),
        federation.client.deployment().clone(),
    );
    let (checks, _) = proofs(&federation, &client, &[head]).await;
    all_hold(&checks);
    assert!(chain.until(100_000).is_err());
}

/// A history on the embedded chain, what proves it, and its last block.
pub(crate) fn played() -> &'static (Federation, Collected, Checkpoint) {
    static PLAYED: OnceLock<(Federation, Collected, Checkpoint)> = OnceLock::new();
    PLAYED.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let chain = embedded::ephemeral();
            let connection = Connection::embedded(&chain, Some(&story::coordinator()));
            let (federation, _) = story::play(connection).await;
            let head = checkpoint(&federation.client, BlockId::latest()).await;
            let (_, collected) = proofs(&federation, &federation.client, &[head]).await;
            (federation, collected.unwrap(), head)
        })
    })
}

fn check(collected: &Collected) -> Vec<Check> {
    let (federation, _, head) = played();
    expecting(federation, |expected| {
        proven(collected, federation.client.deployment(), expected, &[*head])
    })
}

/// All byte strings of collected proofs.
fn parts(collected: &mut Collected) -> Vec<&mut Bytes> {
    let Collected {
        headers,
        rounds,
        distributor,
        postings,
        ..
    } = collected;
    let mut parts: Vec<_> = headers.iter_mut().collect();
    for contract in [rounds, distributor] {
        parts.push(&mut contract.code);
        parts.extend(&mut contract.nodes);
        parts.extend(contract.slots.iter_mut().flat_map(|slot| &mut slot.nodes));
    }
    parts.extend(postings.iter_mut().flat_map(|posting| &mut posting.nodes));
    parts
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_changed_byte_of_collected_proofs_is_found(part: prop::sample::Index, place: prop::sample::Index, by in 1u8..) {
        let mut collected = played().1.clone();
        {
            let mut parts = parts(&mut collected);
            let part = part.index(parts.len());
            let mut bytes = parts[part].to_vec();
            let place = place.index(bytes.len());
            bytes[place] ^= by;
            *parts[part] = bytes.into();
        }
        let checks = check(&collected);
        let failed = checks.iter().any(|check| matches!(check.result, Err(Finding::Wrong(_))));
        prop_assert!(failed, "{:?}", checks);
    }

    #[test]
    fn nonsense_is_no_file_of_proofs(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert_eq!(kept::decode(&bytes), Err(KeptError::NoProofs));
        let whole = kept::encode(&[played().1.clone()]).unwrap();
        let _ = kept::decode(&[&whole[..16], &bytes].concat());
    }

    #[test]
    fn a_missing_part_is_found(part: prop::sample::Index) {
        let mut collected = played().1.clone();
        {
            let mut parts = parts(&mut collected);
            let part = part.index(parts.len());
            *parts[part] = Bytes::new();
        }
        let checks = check(&collected);
        prop_assert!(checks.iter().any(|check| matches!(check.result, Err(Finding::Wrong(_)))), "{:?}", checks);
    }
}

#[test]
fn kept_proofs_are_those_collected_and_hold_without_a_chain() {
    let (_, honest, _) = played();
    let bytes = kept::encode(std::slice::from_ref(honest)).unwrap();
    let read = kept::decode(&bytes).unwrap();
    all_hold(&check(&read[0]));
    assert_eq!(read, std::slice::from_ref(honest));
    println!("proofs of two rounds: {} bytes", bytes.len());
    assert_eq!(kept::decode(&bytes[..bytes.len() - 1]), Err(KeptError::Malformed));
    assert_eq!(kept::decode(&[&bytes[..], &[0]].concat()), Err(KeptError::Malformed));
    let twice = kept::encode(&[honest.clone(), honest.clone()]).unwrap();
    let chain_id = embedded::CHAIN_ID;
    assert_eq!(kept::decode(&twice), Err(KeptError::Twice { chain_id }));
}

#[test]
fn proofs_of_something_else_are_named() {
    let (federation, honest, head) = played();
    all_hold(&check(honest));

    let swapped = Collected {
        rounds: honest.distributor.clone(),
        ..honest.clone()
    };
    wrong(&check(&swapped), &["the account isn't proven"]);
    let mut without = honest.clone();
    without
        .rounds
        .slots
        .retain(|slot| slot.slot != RoundSlots::HOME.digest(2));
    wrong(&check(&without), &["the proofs lack slot"]);
    let mut elsewhere = honest.clone();
    elsewhere.postings[1].index = 1;
    wrong(&check(&elsewhere), &["the block has no transaction 1"]);
    let mut exchanged = honest.clone();
    exchanged.postings[0].block = honest.postings[1].block;
    exchanged.postings[0].nodes = honest.postings[1].nodes.clone();
    wrong(&check(&exchanged), &["tells of no posting of this header"]);
    let mut stranger = honest.clone();
    stranger.postings[0].round = 3;
    wrong(&check(&stranger), &["no round 3"]);
    let foreign = Collected {
        chain_id: 5,
        ..honest.clone()
    };
    assert!(check(&foreign).iter().any(|check| check.result.is_err()));
    let headless = Collected {
        headers: Vec::new(),
        ..honest.clone()
    };
    wrong(&check(&headless), &["header of the proofs' own block is missing"]);

    // Proofs of another block than the checkpoint's: a later checkpoint has no way to it.
    let later = Checkpoint {
        number: head.number + 1,
        hash: [3; 32],
        ..*head
    };
    let checks = expecting(federation, |expected| {
        proven(honest, federation.client.deployment(), expected, &[later])
    });
    wrong(&checks, &["the proofs have no block"]);

    // A transcript with fewer rounds than the chain has, and one with another history.
    let deployment = federation.client.deployment();
    expecting(federation, |expected| {
        let fewer = Expected {
            rounds: &expected.rounds[..1],
            ..*expected
        };
        wrong(
            &proven(honest, deployment, &fewer, &[*head]),
            &["the last round is 2, expected 1"],
        );
        let mut header = *expected.rounds[1].header;
        header.model_root = [9; 32];
        let rounds = [
            expected.rounds[0],
            ExpectedRound {
                header: &header,
                ..expected.rounds[1]
            },
        ];
        let rival = Expected {
            rounds: &rounds,
            ..*expected
        };
        let checks = proven(honest, deployment, &rival, &[*head]);
        assert!(wrong(&checks, &["the digest of round 2", "expected 0x"]).contains("chain 31337, block"));
        let rounds = [
            expected.rounds[0],
            ExpectedRound {
                tree: expected.rounds[0].tree,
                ..expected.rounds[1]
            },
        ];
        let poorer = Expected {
            rounds: &rounds,
            ..*expected
        };
        wrong(
            &proven(honest, deployment, &poorer, &[*head]),
            &["was paid", "a total that it has earned"],
        );
    });
}
