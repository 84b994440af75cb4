//! Wire and transcript bytes are pinned: changing one of these digests is a deliberate act, and a new version.
//! And hostile bytes never panic a decoder.
#![allow(missing_docs, clippy::unwrap_used)]

use proptest::prelude::*;
use xfl_core::{
    challenge::refused,
    identity::{NodeKey, Signature},
    message::{Beginning, Commit, Envelope, Join, Order, Parcel, Report, Upload},
    round::{Phase, commit::Protected},
    transcript::{Aggregated, Contracts, Entry, Genesis, Head, Member, Reader, Scored, TranscriptError},
};
use xfl_privacy::{Mode, Relation, Unit};
use xfl_settlement::{binding::Binding, statement::RoundHeader};

fn digest(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex()[..16].to_owned()
}

fn seal(report: &Report) -> Vec<u8> {
    let key = NodeKey::from_seed(&[7; 32]);
    let envelope = Envelope::seal(&key, Beginning([9; 32]), 3, 1, report);
    Parcel {
        envelope,
        attachment: vec![1, 2, 3],
    }
    .encode()
}

#[test]
fn messages_are_pinned() {
    let commit = Commit {
        root: [1; 32],
        salt_hash: [2; 32],
        protected: Protected {
            mode: Mode::DpSgd,
            unit: Unit::Record,
            relation: Relation::ZeroOut,
            step: 1,
            clip_steps: 1000,
            count_steps: 7,
            sigma: 2000,
            promised: 2000,
            rate: 2,
            steps: 10,
            separation: 1,
        },
        charged: 5,
        budget_head: [3; 32],
    };
    let upload = Upload {
        part: 1,
        salt_key: [4; 32],
        values: vec![-1, 0, i32::MAX, i32::MIN],
    };
    let reports = [
        Report::Commit(commit),
        Report::Upload(upload),
        Report::Deal(vec![[5; 32]]),
        Report::Agree([6; 32]),
        Report::Decline("no".into()),
    ];
    let digests: Vec<String> = reports.iter().map(|r| digest(&seal(r))).collect();
    assert_eq!(
        digests,
        [
            "09ff8d313f0340d5",
            "b90182525fe71a71",
            "b933e7387761fafe",
            "406429b52c276989",
            "45354ed8707601b3"
        ]
    );
    let key = NodeKey::from_seed(&[8; 32]);
    let begin = Order::Begin {
        model: [1; 32],
        cohort: vec![key.node_id()],
        scale: 1f64.to_bits(),
    };
    let receipt = Order::Receipt {
        root: [1; 32],
        signature: xfl_settlement::payout::Signature([2; 65]),
    };
    let orders = [begin, receipt].map(|order| {
        let envelope = Envelope::seal(&key, Beginning([9; 32]), 1, 0, &order);
        digest(&Parcel::bare(envelope).encode())
    });
    assert_eq!(orders, ["20da8a0a722f7749", "d7829775761ef7f0"]);
}

#[test]
fn chains_and_joins_are_pinned() {
    let chain = |chain_id, vault| Contracts {
        chain_id,
        registry: [1; 20],
        rounds: [2; 20],
        vault,
        distributor: [3; 20],
        token: [4; 20],
        coordinator: [5; 20],
        embedded: false,
    };
    let genesis = Genesis {
        plan: "plan".into(),
        members: vec![Member {
            id: NodeKey::from_seed(&[7; 32]).node_id(),
            name: "a".into(),
        }],
        model: vec![0.5],
        held_out: Some([6; 32]),
        run: [11; 16],
        contracts: chain(1, Some([7; 20])),
        mirrors: vec![chain(300, None)],
        at: 5,
        signature: Signature([8; 64]),
    };
    assert_eq!(digest(&postcard::to_stdvec(&genesis).unwrap()), "08148a0f21999433");
    assert_eq!(digest(&genesis.beginning().0), "f76ab5992e159374");
    let signed = (xfl_settlement::payout::Signature([9; 65]), Signature([10; 64]));
    let join = Join {
        binding: Binding {
            federation: [1; 32],
            node_key: [2; 32],
            payout: [3; 20],
            chain_id: 300,
            nonce: 1,
            expiry: u64::MAX,
        },
        payout_signature: signed.0,
        node_signature: signed.1,
        mirrors: vec![signed],
        height: 4,
    };
    assert_eq!(digest(&postcard::to_stdvec(&join).unwrap()), "6271e2a0e9e0fff8");
}

#[test]
fn transcripts_are_pinned() {
    let node = NodeKey::from_seed(&[7; 32]).node_id();
    let aggregated = Aggregated {
        members: vec![node],
        refused: Vec::new(),
        selected: vec![true],
        row_root: [1; 32],
        aggregate_root: [2; 32],
        model_root: [3; 32],
    };
    let entries = [
        Entry::Begun {
            round: 1,
            attempt: 0,
            cohort: vec![node],
            at: 5,
        },
        Entry::Closed {
            phase: Phase::Commit,
            members: vec![node],
            at: 6,
        },
        Entry::Received { member: node },
        Entry::Summed {
            values: vec![-3, i64::MAX],
        },
        Entry::Abandoned {
            reason: "nobody came".into(),
            at: 7,
        },
        Entry::Aggregated(aggregated),
        Entry::Scored(Scored {
            values: vec![-7, 3],
            scores: vec![-5],
            rewards: vec![0],
        }),
        Entry::Posted {
            transaction: [4; 32],
            block: 9,
        },
    ];
    let mut head = Head::START;
    let mut bytes = Vec::new();
    for entry in &entries {
        let (frame, next) = head.append(entry);
        bytes.extend(frame);
        head = next;
    }
    assert_eq!(digest(&bytes), "2ca1824e11edec62");
    let mut reader = Reader::new(&bytes);
    for entry in &entries {
        assert_eq!(reader.next().unwrap().as_ref(), Some(entry));
    }
    assert_eq!((reader.next().unwrap(), reader.head()), (None, head));
}

/// A number may have more bytes than it needs: the head is over the bytes as they are, for whoever reads them.
#[test]
fn a_head_is_that_of_the_bytes_that_were_read() {
    let reason = "nobody came".into();
    let entry = Entry::Abandoned { reason, at: 5 };
    let (frame, head) = Head::START.append(&entry);
    let mut body = frame[4..frame.len() - 32].to_vec();
    assert_eq!(body.pop(), Some(5));
    body.extend([0x85, 0x00]);
    let len = (body.len() as u32).to_le_bytes();
    let mut hasher = blake3::Hasher::new_derive_key("xfl transcript v2");
    let padded = hasher.update(&[0; 32]).update(&len).update(&body).finalize();
    let bytes = [&len[..], &body, padded.as_bytes()].concat();

    let mut earlier = bytes.clone();
    let from = earlier.len() - 32;
    let mut hasher = blake3::Hasher::new_derive_key("xfl transcript v1");
    let old = hasher.update(&[0; 32]).update(&len).update(&body).finalize();
    earlier[from..].copy_from_slice(old.as_bytes());
    assert_eq!(Reader::new(&earlier).next(), Err(TranscriptError::Earlier));

    let mut reader = Reader::new(&bytes);
    let read = reader.next_chained().unwrap().unwrap();
    assert_eq!((read.entry(), read.before()), (&entry, Head::START));
    assert_eq!(read.head(), reader.head());
    assert_eq!((read.head().hash, read.head().height), (*padded.as_bytes(), 1));
    assert_ne!(read.head(), head);
}

/// What an institution refuses to sign is kept after its own copy, once.
#[test]
fn refused_rounds_follow_the_copy_that_is_there() {
    let (key, other) = (NodeKey::from_seed(&[1; 32]), NodeKey::from_seed(&[2; 32]));
    let beginning = Beginning([9; 32]);
    let mut head = Head::START;
    let frames: Vec<Vec<u8>> = (0..6)
        .map(|at| {
            let reason = "nobody came".into();
            let (frame, next) = head.append(&Entry::Abandoned { reason, at });
            head = next;
            frame
        })
        .collect();
    let header = RoundHeader {
        federation: [9; 32],
        round: 2,
        plan_hash: [0; 32],
        parent: [0; 32],
        model_root: [0; 32],
        row_root: [0; 32],
        aggregate_root: [0; 32],
        transcript_root: [0; 32],
        reward_root: [0; 32],
        cumulative_budget: 0,
        cohort: 1,
        dimension: 1,
        rule: 1,
        rule_parameter: [0; 32],
        input_root: [0; 32],
        attempt: 0,
    };
    let said = |key: &NodeKey, order: &Order, attachment: Vec<u8>| {
        let envelope = Envelope::seal(key, beginning, 2, 0, order);
        Parcel { envelope, attachment }.encode()
    };
    let statement = |from| Order::Statement {
        header: Box::new(header),
        from,
    };
    let copy = frames[..4].concat();
    for from in 0..=4 {
        let message = said(&key, &statement(from as u64), frames[from..].concat());
        let kept = refused(&message, key.node_id(), beginning, &copy);
        assert_eq!(kept, Some((2, frames.concat())), "from {from}");
    }
    // What is no frame is kept too, and breaks the chain where it stands.
    let torn = said(&key, &statement(4), b"torn".to_vec());
    let kept = refused(&torn, key.node_id(), beginning, &copy).unwrap().1;
    assert_eq!(kept, [&copy[..], b"torn"].concat());
    // Somebody else's word, or another message, is nothing to keep.
    let stranger = said(&other, &statement(4), Vec::new());
    assert_eq!(refused(&stranger, key.node_id(), beginning, &copy), None);
    // Nor is one that says nothing new, or nothing that follows.
    for (from, frames) in [(4, Vec::new()), (5, frames[5].clone())] {
        for order in [Order::Done { from }, statement(from)] {
            let message = said(&key, &order, frames.clone());
            assert_eq!(refused(&message, key.node_id(), beginning, &copy), None);
        }
    }
    let done = said(&key, &Order::Done { from: 4 }, frames[4..].concat());
    assert_eq!(
        refused(&done, key.node_id(), beginning, &copy),
        Some((2, frames.concat()))
    );
    assert_eq!(refused(b"noise", key.node_id(), beginning, &copy), None);
}

proptest! {
    #[test]
    fn hostile_bytes_are_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(parcel) = Parcel::decode(&bytes) {
            prop_assert!(parcel.envelope.open::<Report>(Beginning([9; 32])).is_err());
        }
        let mut reader = Reader::new(&bytes);
        while let Ok(Some(_)) = reader.next() {}
    }

    #[test]
    fn a_flipped_bit_breaks_a_signature_or_the_encoding(at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let mut bytes = seal(&Report::Agree([6; 32]));
        let envelope = bytes.len() - 4;
        bytes[at.index(envelope)] ^= 1 << bit;
        if let Ok(parcel) = Parcel::decode(&bytes) {
            prop_assert!(parcel.envelope.open::<Report>(Beginning([9; 32])).is_err());
        }
    }
}
