//! Random tries, headers and receipts: what is there is proved, what isn't too, and whatever is changed proves nothing else.

use std::collections::BTreeMap;

use alloy::consensus::{Eip658Value, Header as Consensus, Receipt as Body, ReceiptEnvelope, ReceiptWithBloom};
use alloy::eips::eip2718::Encodable2718;
use alloy::primitives::{B256, Bytes, Log, U256};
use alloy::rlp::Encodable;
use alloy::trie::nodes::{BranchNode, ExtensionNode, LeafNode, RlpNode};
use alloy::trie::{EMPTY_ROOT_HASH, Nibbles, TrieAccount, TrieMask};
use proptest::prelude::*;

use xfl_settlement::keccak256;
use xfl_settlement::proof::account::{Account, AccountError};
use xfl_settlement::proof::ancestry::{Ancestry, AncestryError, MAX_STEPS};
use xfl_settlement::proof::header::{self, Header, HeaderError, MAX_HEADER};
use xfl_settlement::proof::receipt::{self, Receipt, ReceiptError};
use xfl_settlement::proof::trie::{self, MAX_BYTES, MAX_NODES, TrieError, lookup};

type Entries = BTreeMap<Vec<u8>, Vec<u8>>;

fn prove(entries: &Entries, key: &[u8]) -> ([u8; 32], Vec<Bytes>) {
    let (root, mut nodes) = trie::prove(entries, &[key]).unwrap();
    (root, nodes.pop().unwrap())
}

fn entries(values: &[u64]) -> Entries {
    let entry = |(place, value): (usize, &u64)| {
        let key = keccak256(&(place as u64).to_be_bytes()).to_vec();
        (key, alloy::rlp::encode(value.max(&1)))
    };
    values.iter().enumerate().map(entry).collect()
}

fn changed(nodes: &[Bytes], node: usize, place: usize, by: u8) -> Vec<Bytes> {
    let mut nodes = nodes.to_vec();
    let mut bytes = nodes[node].to_vec();
    bytes[place] ^= by;
    nodes[node] = bytes.into();
    nodes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn each_key_is_proved_and_each_other_is_proved_absent(values in prop::collection::vec(any::<u64>(), 0..200), other: [u8; 32]) {
        let entries = entries(&values);
        let keys: Vec<&[u8]> = entries.keys().map(Vec::as_slice).take(20).chain([&other[..]]).collect();
        let (root, proofs) = trie::prove(&entries, &keys).unwrap();
        for (key, nodes) in keys.iter().zip(proofs) {
            prop_assert_eq!(lookup(&root, key, &nodes).unwrap(), entries.get(*key).cloned());
            prop_assert_eq!(prove(&entries, key), (root, nodes));
        }
    }

    #[test]
    fn a_changed_node_proves_nothing(values in prop::collection::vec(any::<u64>(), 1..100), node: prop::sample::Index, place: prop::sample::Index, by in 1u8..) {
        let entries = entries(&values);
        let key = entries.keys().next().unwrap().clone();
        let (root, nodes) = prove(&entries, &key);
        let node = node.index(nodes.len());
        let changed = changed(&nodes, node, place.index(nodes[node].len()), by);
        let error = lookup(&root, &key, &changed).unwrap_err();
        let named = matches!(error, TrieError::OtherNode { place, .. } if place == node);
        prop_assert!(named, "{}", error);
    }

    #[test]
    fn another_keys_nodes_prove_no_other_value(values in prop::collection::vec(any::<u64>(), 2..100)) {
        let entries = entries(&values);
        let mut keys = entries.keys();
        let (one, other) = (keys.next().unwrap(), keys.next_back().unwrap());
        let (root, nodes) = prove(&entries, one);
        // A leaf at the root would say of every other key that it isn't there; with two keys the root is none.
        let found = lookup(&root, other, &nodes);
        prop_assert!(found.is_err(), "{:?}", found);
    }

    #[test]
    fn nonsense_never_panics(nodes in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..5), key in prop::collection::vec(any::<u8>(), 0..40)) {
        let nodes: Vec<Bytes> = nodes.into_iter().map(Bytes::from).collect();
        // The first node is made the root's, so that it is read.
        let root = nodes.first().map_or(EMPTY_ROOT_HASH.0, |node| keccak256(node));
        let _ = lookup(&root, &key, &nodes);
        let _ = Receipt::proven(&root, 0, &nodes);
        let _ = Account::proven(&root, &[1; 20], &nodes);
        for node in &nodes {
            let _ = Header::decode(node);
        }
    }

    #[test]
    fn headers_of_every_fork_hash_to_their_hash(number: u64, timestamp: u64, roots: [u8; 32], extra in prop::collection::vec(any::<u8>(), 0..100), fork in 0usize..7) {
        let consensus = block(number, timestamp, roots, extra, fork);
        let bytes = header::encode(&consensus);
        let read = Header::decode(&bytes).unwrap();
        prop_assert_eq!(read.hash, consensus.hash_slow().0);
        prop_assert_eq!((read.number, read.timestamp), (number, timestamp));
        prop_assert_eq!((read.parent, read.state_root, read.receipts_root), ([1; 32], roots, [3; 32]));
    }

    #[test]
    fn every_receipt_of_a_block_is_proved(count in 1u64..300, index: prop::sample::Index) {
        let receipts: Vec<_> = (0..count).map(envelope).collect();
        let bytes: Vec<_> = receipts.iter().map(Encodable2718::encoded_2718).collect();
        let index = index.index(receipts.len()) as u64;
        let (root, nodes) = receipt::prove(&bytes, index).unwrap();
        prop_assert_eq!(root, alloy::consensus::proofs::calculate_receipt_root(&receipts).0);
        let proven = Receipt::proven(&root, index, &nodes).unwrap();
        prop_assert_eq!(proven.logs(), receipts[index as usize].logs());
        prop_assert!(proven.succeeded());
        // Beyond the last there is none.
        let (_, beyond) = prove(&(0..count).map(|i| (alloy::rlp::encode(i), bytes[i as usize].clone())).collect(), &alloy::rlp::encode(count));
        let none = Receipt::proven(&root, count, &beyond);
        prop_assert_eq!(none, Err(ReceiptError::None { index: count }));
        prop_assert_eq!(receipt::prove(&bytes, count), Err(ReceiptError::None { index: count }));
    }
}

/// A header with as many of the later forks' fields as `fork` says: none, London, Shanghai, Cancun, Prague and the two after.
fn block(number: u64, timestamp: u64, state_root: [u8; 32], extra: Vec<u8>, fork: usize) -> Consensus {
    let since = |first: usize| fork >= first;
    Consensus {
        parent_hash: B256::repeat_byte(1),
        state_root: state_root.into(),
        receipts_root: B256::repeat_byte(3),
        number,
        timestamp,
        extra_data: extra.into(),
        base_fee_per_gas: since(1).then_some(7),
        withdrawals_root: since(2).then_some(EMPTY_ROOT_HASH),
        blob_gas_used: since(3).then_some(0),
        excess_blob_gas: since(3).then_some(5),
        parent_beacon_block_root: since(3).then_some(B256::ZERO),
        requests_hash: since(4).then_some(B256::ZERO),
        block_access_list_hash: since(5).then_some(B256::ZERO),
        slot_number: since(6).then_some(9),
        ..Consensus::default()
    }
}

/// A receipt of each kind in turn, with an event that tells its place.
fn envelope(place: u64) -> ReceiptEnvelope {
    let topic = B256::from(U256::from(place));
    let log = Log::new_unchecked([7; 20].into(), vec![B256::repeat_byte(9), topic], vec![1; 40].into());
    let receipt = Body {
        status: Eip658Value::Eip658(true),
        cumulative_gas_used: 21_000 * (place + 1),
        logs: vec![log],
    };
    let receipt = ReceiptWithBloom {
        logs_bloom: receipt.bloom_slow(),
        receipt,
    };
    match place % 5 {
        0 => ReceiptEnvelope::Legacy(receipt),
        1 => ReceiptEnvelope::Eip2930(receipt),
        2 => ReceiptEnvelope::Eip1559(receipt),
        3 => ReceiptEnvelope::Eip4844(receipt),
        _ => ReceiptEnvelope::Eip7702(receipt),
    }
}

#[test]
fn a_cut_or_padded_proof_and_another_root_are_named() {
    let entries = entries(&[1; 100]);
    let key = entries.keys().next().unwrap();
    let (root, nodes) = prove(&entries, key);
    assert!(nodes.len() > 1);
    let short = lookup(&root, key, &nodes[..nodes.len() - 1]);
    assert_eq!(short, Err(TrieError::Short { nodes: nodes.len() - 1 }));
    let got = nodes.len() + 1;
    let long = lookup(&root, key, &[nodes.clone(), vec![nodes[0].clone()]].concat());
    assert_eq!(long, Err(TrieError::TooLong { place: got - 2, got }));
    assert!(matches!(
        lookup(&[1; 32], key, &nodes),
        Err(TrieError::OtherNode { place: 0, .. })
    ));
    assert_eq!(lookup(&root, key, &[]), Err(TrieError::Short { nodes: 0 }));
    assert_eq!(lookup(&EMPTY_ROOT_HASH.0, key, &[]), Ok(None));
    assert_eq!(
        lookup(&EMPTY_ROOT_HASH.0, key, &[Bytes::from_static(&[0x80])]),
        Ok(None)
    );
}

#[test]
fn sizes_are_bounded() {
    let node = Bytes::from(vec![0; MAX_BYTES + 1]);
    let large = lookup(&[0; 32], &[1], &[node]);
    assert_eq!(large, Err(TrieError::TooLarge { got: MAX_BYTES + 1 }));
    let many = lookup(&[0; 32], &[1], &vec![Bytes::new(); MAX_NODES + 1]);
    assert_eq!(many, Err(TrieError::TooManyNodes { got: MAX_NODES + 1 }));
    for got in [0, 33] {
        assert_eq!(lookup(&[0; 32], &vec![1; got], &[]), Err(TrieError::Key { got }));
    }
    let long = Header::decode(&vec![0; MAX_HEADER + 1]);
    assert_eq!(long, Err(HeaderError::TooLarge { got: MAX_HEADER + 1 }));
}

fn encoded(node: impl Encodable) -> Bytes {
    alloy::rlp::encode(node).into()
}

/// alloy-trie's own `verify_proof` panics on paths that are longer together than a key can be.
#[test]
fn paths_longer_than_a_key_end_in_an_error_or_in_absence() {
    let key = [0x11; 32];
    let leaf = encoded(LeafNode::new(Nibbles::unpack(key), vec![1; 40]));
    let below = encoded(ExtensionNode::new(
        Nibbles::unpack(key),
        RlpNode::word_rlp(&keccak256(&leaf).into()),
    ));
    let above = encoded(ExtensionNode::new(
        Nibbles::unpack(key),
        RlpNode::word_rlp(&keccak256(&below).into()),
    ));
    let root = keccak256(&above);
    // The key is over where the second begins: nothing of it matches, whatever follows.
    let nodes = [above.clone(), below.clone()];
    assert_eq!(lookup(&root, &key, &nodes), Ok(None));
    let nodes = [above, below, leaf];
    assert_eq!(
        lookup(&root, &key, &nodes),
        Err(TrieError::TooLong { place: 1, got: 3 })
    );

    let mut mask = TrieMask::default();
    mask.set_bit(1);
    let branch = encoded(BranchNode::new(vec![RlpNode::word_rlp(&B256::ZERO)], mask));
    let first = encoded(ExtensionNode::new(
        Nibbles::unpack(key),
        RlpNode::word_rlp(&keccak256(&branch).into()),
    ));
    assert_eq!(lookup(&keccak256(&first), &key, &[first.clone(), branch]), Ok(None));
}

#[test]
fn malformed_nodes_are_named_with_their_place() {
    let malformed = |bytes: Bytes| match lookup(&keccak256(&bytes), &[1; 32], &[bytes]) {
        Err(TrieError::Malformed { place: 0, reason }) => reason,
        other => panic!("{other:?}"),
    };
    let leaf = |value: &[u8]| encoded(LeafNode::new(Nibbles::unpack([1; 32]), value.to_vec()));
    assert!(malformed(leaf(&[])).contains("empty"));
    assert!(malformed([&leaf(&[5])[..], &[0]].concat().into()).contains("follow"));
    assert!(
        malformed(encoded(ExtensionNode::new(
            Nibbles::new(),
            RlpNode::word_rlp(&B256::ZERO)
        )))
        .contains("empty")
    );
    assert!(!malformed(Bytes::from_static(&[0xc0])).is_empty());
    assert!(!malformed(Bytes::from_static(&[0xf8])).is_empty());
}

#[test]
fn accounts_and_slots_are_read_from_their_nodes_alone() {
    let slots: BTreeMap<_, _> = [([1u8; 32], 5u64), ([2; 32], u64::MAX)].into();
    let storage: Entries = slots
        .iter()
        .map(|(slot, value)| (keccak256(slot).to_vec(), alloy::rlp::encode(U256::from(*value))))
        .collect();
    let (storage_root, of_one) = prove(&storage, &keccak256(&[1; 32]));
    let (_, of_none) = prove(&storage, &keccak256(&[3; 32]));
    let account = TrieAccount {
        nonce: 4,
        balance: U256::from(9),
        storage_root: storage_root.into(),
        code_hash: B256::repeat_byte(8),
    };
    let accounts: BTreeMap<_, _> = (0..50u8)
        .map(|byte| (keccak256(&[byte; 20]).to_vec(), alloy::rlp::encode(account)))
        .collect();
    let (root, nodes) = prove(&accounts, &keccak256(&[7; 20]));
    let found = Account::proven(&root, &[7; 20], &nodes).unwrap().unwrap();
    assert_eq!(
        (found.nonce, found.balance, found.code_hash),
        (4, U256::from(9), [8; 32])
    );
    let mut five = [0; 32];
    five[31] = 5;
    assert_eq!(found.slot(&[1; 32], &of_one), Ok(five));
    assert_eq!(found.slot(&[3; 32], &of_none), Ok([0; 32]));
    // The nodes of one slot say nothing about another.
    let other = found.slot(&[2; 32], &of_one);
    assert!(
        matches!(other, Err(AccountError::Slot { slot, .. }) if slot == [2; 32]),
        "{other:?}"
    );
    let (_, absent) = prove(&accounts, &keccak256(&[77; 20]));
    assert_eq!(Account::proven(&root, &[77; 20], &absent), Ok(None));
    assert_eq!(Account::NONE.slot(&[1; 32], &[]), Ok([0; 32]));
    assert!(matches!(
        Account::proven(&root, &[8; 20], &absent),
        Err(AccountError::Account(_))
    ));

    // A leaf that holds something else than an account, or a zero.
    let strange: BTreeMap<_, _> = [(keccak256(&[7; 20]).to_vec(), alloy::rlp::encode([0u8; 5].as_slice()))].into();
    let (root, nodes) = prove(&strange, &keccak256(&[7; 20]));
    assert!(matches!(
        Account::proven(&root, &[7; 20], &nodes),
        Err(AccountError::Malformed { .. })
    ));
    let zero: BTreeMap<_, _> = [(keccak256(&[1; 32]).to_vec(), vec![0x80])].into();
    let (root, nodes) = prove(&zero, &keccak256(&[1; 32]));
    let holder = Account {
        storage_root: root,
        ..Account::NONE
    };
    assert!(matches!(holder.slot(&[1; 32], &nodes), Err(AccountError::Value { .. })));
}

#[test]
fn events_are_found_by_contract_and_topics() {
    let bytes: Vec<_> = (0..3).map(|place| envelope(place).encoded_2718()).collect();
    let (root, nodes) = receipt::prove(&bytes, 2).unwrap();
    let proven = Receipt::proven(&root, 2, &nodes).unwrap();
    let two = U256::from(2).to_be_bytes();
    assert!(proven.event(&[7; 20], &[[9; 32], two]).is_some());
    assert!(proven.event(&[8; 20], &[[9; 32], two]).is_none());
    assert!(proven.event(&[7; 20], &[[9; 32], [1; 32]]).is_none());
    assert!(proven.event(&[7; 20], &[[9; 32], two, two]).is_none());
    let other = Receipt::proven(&root, 1, &nodes);
    assert!(matches!(other, Err(ReceiptError::Trie { index: 1, .. })), "{other:?}");
    let unknown = [(alloy::rlp::encode(0u64), vec![0x7e, 0xc0])].into();
    let (root, nodes) = prove(&unknown, &alloy::rlp::encode(0u64));
    let unknown = Receipt::proven(&root, 0, &nodes);
    assert!(
        matches!(unknown, Err(ReceiptError::Malformed { index: 0, .. })),
        "{unknown:?}"
    );
}

#[test]
fn headers_with_other_fields_are_refused() {
    let fields = |count: usize| {
        let list: Vec<Bytes> = vec![Bytes::from_static(&[1; 32]); count];
        Header::decode(&alloy::rlp::encode(&list))
    };
    assert_eq!(fields(14), Err(HeaderError::Fields { got: 14 }));
    assert_eq!(fields(65), Err(HeaderError::Fields { got: 65 }));
    assert!(matches!(
        fields(15),
        Err(HeaderError::Field {
            field: "the number",
            ..
        })
    ));
    assert!(matches!(Header::decode(&[]), Err(HeaderError::Malformed { .. })));
    let bytes = header::encode(&block(1, 2, [2; 32], Vec::new(), 4));
    assert!(Header::decode(&[&bytes[..], &[0]].concat()).is_err());
    assert!(Header::decode(&bytes[..bytes.len() - 1]).is_err());
}

#[test]
fn a_block_vouches_for_those_before_it_alone() {
    let mut bag = Ancestry::default();
    let mut chain = Vec::new();
    let mut parent = B256::ZERO;
    for number in 0..=MAX_STEPS + 1 {
        let header = Consensus {
            parent_hash: parent,
            ..block(number, 1, [2; 32], Vec::new(), 4)
        };
        let read = bag.add(&header::encode(&header)).unwrap();
        parent = read.hash.into();
        chain.push(read);
    }
    let (first, middle, last) = (chain[0].hash, chain[100].hash, chain[chain.len() - 1].hash);
    assert_eq!(bag.descends(&middle, &first), Ok(()));
    assert_eq!(bag.descends(&middle, &middle), Ok(()));
    let after = bag.descends(&first, &middle);
    assert_eq!(after, Err(AncestryError::After { trusted: 0, block: 100 }));
    assert_eq!(bag.descends(&last, &chain[1].hash), Ok(()));
    let far = bag.descends(&last, &first);
    assert!(matches!(far, Err(AncestryError::TooFar { block: 0, .. })), "{far:?}");

    // A forged block on top of a real one, and one in a real one's place.
    let forged = bag.add(&header::encode(&Consensus {
        parent_hash: chain[49].hash.into(),
        ..block(50, 1, [6; 32], Vec::new(), 4)
    }));
    let forged = forged.unwrap().hash;
    let other = bag.descends(&middle, &forged);
    assert!(
        matches!(other, Err(AncestryError::OtherBlock { number: 50, .. })),
        "{other:?}"
    );
    assert_eq!(bag.descends(&forged, &first), Ok(()));
    let missing = bag.descends(&middle, &[9; 32]);
    assert_eq!(missing, Err(AncestryError::Missing { hash: [9; 32] }));
    let skips = bag.add(&header::encode(&Consensus {
        parent_hash: chain[10].hash.into(),
        ..block(12, 1, [6; 32], Vec::new(), 4)
    }));
    let skips = bag.descends(&skips.unwrap().hash, &first);
    assert_eq!(skips, Err(AncestryError::Number { block: 12, parent: 10 }));
}

#[test]
fn entries_that_no_trie_holds_are_refused() {
    let one = |key: &[u8], value: &[u8]| -> Entries { [(key.to_vec(), value.to_vec())].into() };
    let both: Entries = [(vec![1], vec![1]), (vec![1, 2], vec![1])].into();
    assert_eq!(trie::prove(&both, &[&[3]]), Err(TrieError::Entries));
    assert_eq!(trie::prove(&one(&[1], &[]), &[&[3]]), Err(TrieError::Entries));
    assert_eq!(trie::prove(&one(&[], &[1]), &[&[3]]), Err(TrieError::Key { got: 0 }));
    assert_eq!(
        trie::prove(&one(&[1], &[1]), &[&[0; 33]]),
        Err(TrieError::Key { got: 33 })
    );
}
