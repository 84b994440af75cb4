//! Files of proofs whose author chose what is in them: blocks nobody made, blocks that are out of date, postings left out.

use std::collections::BTreeMap;

use alloy::consensus::Header as Consensus;
use alloy::primitives::{Bytes, U256};
use alloy::rlp::Decodable;
use alloy::trie::TrieAccount;
use xfl_settlement::audit::kept::{self, KeptError, MAX_CHAINS, MAX_FILE};
use xfl_settlement::audit::proven::proven;
use xfl_settlement::audit::{Check, Finding};
use xfl_settlement::keccak256;
use xfl_settlement::payout::Account as Address;
use xfl_settlement::proof::collected::{Contract, MAX_HEADERS, MAX_POSTINGS, MAX_SLOTS, Posting, Slot};
use xfl_settlement::proof::header::{self, Header};
use xfl_settlement::proof::slots::RoundSlots;
use xfl_settlement::proof::trie::MAX_NODES;
use xfl_settlement::proof::{Checkpoint, Collected, trie};

use super::blocks::{all_hold, expecting, played, unanchored, wrong};

type Word = [u8; 32];

fn word(value: u64) -> Word {
    U256::from(value).to_be_bytes()
}

/// The last block that was played.
fn last() -> Consensus {
    let (_, honest, head) = played();
    let bytes = honest.headers.iter().find(|bytes| keccak256(bytes) == head.hash);
    Consensus::decode(&mut &bytes.unwrap()[..]).unwrap()
}

/// The digests that the contract of rounds holds after the played rounds.
fn digests() -> Vec<Word> {
    let (federation, ..) = played();
    let domain = federation.client.deployment().header_domain();
    let rounds = federation.rounds.iter();
    rounds.map(|round| round.header.digest(&domain)).collect()
}

/// A contract with these words in its storage and none else, and its account.
fn holding(honest: &Contract, words: &BTreeMap<Word, Word>) -> (TrieAccount, Vec<Slot>) {
    let held = words
        .iter()
        .map(|(slot, word)| (keccak256(slot).to_vec(), alloy::rlp::encode(U256::from_be_bytes(*word))))
        .collect();
    let keys: Vec<_> = honest.slots.iter().map(|slot| keccak256(&slot.slot)).collect();
    let keys: Vec<&[u8]> = keys.iter().map(|key| &key[..]).collect();
    let (root, proofs) = trie::prove(&held, &keys).unwrap();
    let slots = honest.slots.iter().zip(proofs);
    let slots = slots.map(|(slot, nodes)| Slot { slot: slot.slot, nodes });
    let account = TrieAccount {
        nonce: 1,
        storage_root: root.into(),
        code_hash: keccak256(&honest.code).into(),
        ..TrieAccount::default()
    };
    (account, slots.collect())
}

/// The played proofs with an invented block beside theirs, in which the contracts are there and hold these words and nobody was paid.
fn invented(number: u64, there: bool, rounds: &BTreeMap<Word, Word>) -> Collected {
    let (federation, honest, _) = played();
    let deployment = federation.client.deployment();
    let mut forged = honest.clone();
    let mut accounts = BTreeMap::new();
    let mut place = |address: &Address, contract: &mut Contract, words| {
        let (account, slots) = holding(contract, words);
        contract.slots = slots;
        accounts.insert(keccak256(address).to_vec(), alloy::rlp::encode(account));
    };
    place(&deployment.rounds, &mut forged.rounds, rounds);
    place(&deployment.distributor, &mut forged.distributor, &BTreeMap::new());
    if !there {
        accounts = [(vec![7; 32], vec![1])].into();
    }
    let keys = [deployment.rounds, deployment.distributor].map(|address| keccak256(&address));
    let (root, mut nodes) = trie::prove(&accounts, &[&keys[0], &keys[1]]).unwrap();
    forged.distributor.nodes = nodes.pop().unwrap();
    forged.rounds.nodes = nodes.pop().unwrap();
    let block = Consensus {
        number,
        state_root: root.into(),
        ..last()
    };
    with_block(forged, header::encode(&block))
}

fn with_block(mut proofs: Collected, bytes: Bytes) -> Collected {
    proofs.block = Header::decode(&bytes).unwrap().hash;
    proofs.headers.push(bytes);
    proofs
}

/// Two rounds posted, `latest` of them standing.
fn rounds(latest: u64) -> BTreeMap<Word, Word> {
    let digests = (1..).map(|round| RoundSlots::HOME.digest(round)).zip(digests());
    digests.chain([(RoundSlots::HOME.latest(), word(latest))]).collect()
}

fn against(collected: &Collected, checkpoints: &[Checkpoint]) -> Vec<Check> {
    let (federation, ..) = played();
    expecting(federation, |expected| {
        proven(collected, federation.client.deployment(), expected, checkpoints)
    })
}

/// The checkpoint's number isn't that of the block with its hash, and nothing is read.
fn misnumbered(checks: &[Check]) {
    let what = "the number of the checkpoint's block";
    let found = matches!(&checks[0].result, Err(Finding::Differs { what: differs, .. }) if *differs == what);
    assert!(found && checks.len() == 1, "{checks:?}");
}

/// The state that was read was that of whatever block the file named: one after the checkpoint, or so far below it that nothing was
/// walked, was unanchored and no more, and the audit passed with nobody paid.
#[test]
fn an_invented_block_is_refused_wherever_it_is_said_to_be() {
    let (_, _, head) = played();
    let far = Checkpoint {
        number: head.number + 10_000,
        ..*head
    };
    for number in [head.number + 1, head.number, head.number.saturating_sub(1), 0] {
        for there in [true, false] {
            let forged = invented(number, there, &rounds(2));
            let checks = against(&forged, &[*head]);
            assert_eq!(checks.len(), 1, "{checks:?}");
            wrong(&checks, &["not of checkpoint", &head.to_string(), "--save-proofs"]);
        }
    }
    misnumbered(&against(&invented(head.number, true, &rounds(2)), &[far]));

    // A block 10,000 below the checkpoint's, which is real and in the file.
    let top = header::encode(&Consensus {
        number: far.number,
        ..last()
    });
    let far = Checkpoint {
        hash: keccak256(&top),
        ..far
    };
    let mut forged = invented(head.number, true, &rounds(2));
    forged.headers.push(top);
    wrong(&against(&forged, &[far]), &["not of checkpoint"]);
}

/// An honest block before the checkpoint, with all headers between: what was voided or paid since wasn't seen.
#[test]
fn an_honest_block_before_the_checkpoint_is_not_its_state() {
    let (_, honest, head) = played();
    all_hold(&against(honest, &[*head]));
    let next = header::encode(&Consensus {
        parent_hash: head.hash.into(),
        number: head.number + 1,
        ..last()
    });
    let later = Checkpoint {
        number: head.number + 1,
        hash: keccak256(&next),
        ..*head
    };
    let mut stale = honest.clone();
    stale.headers.push(next);
    let checks = against(&stale, &[later]);
    assert_eq!(checks.len(), 1, "{checks:?}");
    wrong(&checks, &["not of checkpoint", &later.to_string()]);
    wrong(&against(&stale, &[*head, later]), &["not of checkpoint"]);
    let rival = Checkpoint {
        hash: head.hash,
        ..later
    };
    misnumbered(&against(&stale, &[later, rival]));
    // The earlier one beside it serves the postings alone.
    all_hold(&against(honest, &[*head, *head]));
}

/// A voided round was told as one that came later.
#[test]
fn a_voided_round_is_told_as_voided_with_and_without_a_checkpoint() {
    let (_, _, head) = played();
    let voided = invented(head.number, true, &rounds(1));
    let itself = Checkpoint {
        hash: voided.block,
        ..*head
    };
    for checkpoints in [&[itself][..], &[]] {
        let checks = against(&voided, checkpoints);
        wrong(&checks, &["round 2 was posted and does not stand", "voided"]);
        let round = checks.iter().find(|check| check.name.starts_with("round 1")).unwrap();
        assert_eq!(round.result, Ok(()));
    }
    // What was never posted came later.
    let mut words = rounds(1);
    words.remove(&RoundSlots::HOME.digest(2));
    let before = invented(head.number, true, &words);
    let itself = Checkpoint {
        hash: before.block,
        ..*head
    };
    let checks = against(&before, &[itself]);
    assert!(
        unanchored(&checks)
            .iter()
            .any(|said| said.contains("round 2 came later"))
    );
}

/// Postings that were left out weren't mentioned, and one that is there twice cost twice.
#[test]
fn postings_left_out_are_named_and_second_ones_are_passed_over() {
    let (_, honest, head) = played();
    let mut without = honest.clone();
    without.postings.remove(0);
    let checks = against(&without, &[*head]);
    let said = unanchored(&checks);
    assert!(
        said.len() == 1 && said[0].contains("isn't among the proofs"),
        "{said:?}"
    );
    let named = checks.iter().find(|check| check.result.is_err()).unwrap();
    assert_eq!(named.round, Some(1));

    let mut twice = honest.clone();
    for _ in 0..3 {
        twice.postings.extend(honest.postings.clone());
    }
    all_hold(&against(&twice, &[*head]));
}

/// The bytes of a file, whatever is in it.
fn file(proofs: &[Collected]) -> Vec<u8> {
    let (_, honest, _) = played();
    let magic = kept::encode(std::slice::from_ref(honest)).unwrap()[..16].to_vec();
    postcard::to_extend(proofs, magic).unwrap()
}

/// A file with many tiny chains was compared chain by chain with each before it, and lists of any length were walked.
#[test]
fn lists_that_are_too_long_are_neither_read_nor_written() {
    let (_, honest, _) = played();
    let tiny = Collected {
        headers: Vec::new(),
        postings: Vec::new(),
        ..honest.clone()
    };
    let chain = |chain_id| Collected {
        chain_id,
        ..tiny.clone()
    };
    let chains: Vec<_> = (1..=MAX_CHAINS as u64 + 1).map(chain).collect();
    assert_eq!(kept::decode(&file(&chains)), Err(KeptError::Malformed));
    assert_eq!(kept::decode(&file(&chains[1..])).unwrap().len(), MAX_CHAINS);

    type Fill = fn(&mut Collected, usize);
    let fills: [(&str, usize, Fill); 5] = [
        ("headers", MAX_HEADERS, |proofs, count| {
            proofs.headers = vec![Bytes::new(); count]
        }),
        ("slots", MAX_SLOTS, |proofs, count| {
            let slot = Slot {
                slot: [1; 32],
                nodes: Vec::new(),
            };
            proofs.distributor.slots = vec![slot; count];
        }),
        ("postings", MAX_POSTINGS, |proofs, count| {
            let posting = Posting {
                round: 1,
                block: [1; 32],
                index: 0,
                nodes: Vec::new(),
            };
            proofs.postings = vec![posting; count];
        }),
        ("nodes of a proof", MAX_NODES, |proofs, count| {
            proofs.rounds.nodes = vec![Bytes::new(); count]
        }),
        ("nodes of a proof", MAX_NODES, |proofs, count| {
            proofs.rounds.slots[0].nodes = vec![Bytes::new(); count];
        }),
    ];
    for (what, most, fill) in fills {
        let mut proofs = tiny.clone();
        fill(&mut proofs, most);
        assert_eq!(
            kept::decode(&file(std::slice::from_ref(&proofs))).unwrap(),
            [proofs.clone()]
        );
        fill(&mut proofs, most + 1);
        let got = most + 1;
        assert_eq!(
            kept::decode(&file(std::slice::from_ref(&proofs))),
            Err(KeptError::Malformed),
            "{what}"
        );
        assert_eq!(kept::encode(&[proofs]), Err(KeptError::TooMany { what, got, most }));
    }
    let got = MAX_FILE + 1;
    assert_eq!(kept::decode(&vec![0; got]), Err(KeptError::TooLarge { got }));
}
