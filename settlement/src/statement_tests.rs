use super::*;

fn key(byte: u8) -> PayoutKey {
    PayoutKey::from_secret(&[byte; 32]).unwrap()
}

fn domain() -> Domain {
    Domain {
        chain_id: 31_337,
        contract: [9; 20],
        federation: [5; 32],
    }
}

fn header() -> RoundHeader {
    RoundHeader {
        federation: [5; 32],
        round: 1,
        plan_hash: [1; 32],
        parent: [0; 32],
        model_root: [2; 32],
        row_root: [3; 32],
        aggregate_root: [4; 32],
        transcript_root: [6; 32],
        reward_root: [7; 32],
        cumulative_budget: u128::MAX,
        cohort: 5,
        dimension: 62,
        rule: 2,
        rule_parameter: [0; 32],
        input_root: [10; 32],
        attempt: 0,
    }
}

fn quorum() -> Quorum {
    Quorum::new((1..=4).map(|byte| key(byte).account()).collect(), 3).unwrap()
}

#[test]
fn headers_survive_postcard_and_json_with_every_digit_of_the_budget() {
    let binary = postcard::to_stdvec(&header()).unwrap();
    assert_eq!(postcard::from_bytes::<RoundHeader>(&binary).unwrap(), header());
    let value = serde_json::to_value(header()).unwrap();
    assert_eq!(value["cumulative_budget"], u128::MAX.to_string());
    assert_eq!(serde_json::from_value::<RoundHeader>(value).unwrap(), header());
}

#[test]
fn the_encoding_is_pinned() {
    let digest = blake3::hash(&postcard::to_stdvec(&header()).unwrap());
    assert_eq!(
        digest.to_hex().as_str(),
        "cde43a75d465e25d5315f9c4faa0fa849ebc68ed42fcc166558279a05c8ad277"
    );
}

#[test]
fn every_field_changes_the_digest() {
    let h = header();
    let changed = [
        RoundHeader {
            federation: [8; 32],
            ..h
        },
        RoundHeader { round: 2, ..h },
        RoundHeader {
            plan_hash: [8; 32],
            ..h
        },
        RoundHeader { parent: [8; 32], ..h },
        RoundHeader {
            model_root: [8; 32],
            ..h
        },
        RoundHeader { row_root: [8; 32], ..h },
        RoundHeader {
            aggregate_root: [8; 32],
            ..h
        },
        RoundHeader {
            transcript_root: [8; 32],
            ..h
        },
        RoundHeader {
            reward_root: [8; 32],
            ..h
        },
        RoundHeader {
            cumulative_budget: 8,
            ..h
        },
        RoundHeader { cohort: 8, ..h },
        RoundHeader { dimension: 8, ..h },
        RoundHeader { rule: 8, ..h },
        RoundHeader {
            rule_parameter: [8; 32],
            ..h
        },
        RoundHeader {
            input_root: [8; 32],
            ..h
        },
        RoundHeader { attempt: 8, ..h },
    ];
    let digests: std::collections::BTreeSet<Digest> = changed
        .iter()
        .chain([&h])
        .map(|header| header.digest(&domain()))
        .collect();
    assert_eq!(digests.len(), changed.len() + 1);
}

#[test]
fn a_quorum_is_met_by_members_once_each_in_order() {
    let digest = header().digest(&domain());
    let sign = |byte| header().sign(&domain(), &key(byte)).unwrap();
    let mess = [sign(3), sign(9), sign(1), Signature([1; 65]), sign(3), sign(2)];
    let signatures = quorum().collect(&digest, mess).unwrap();
    assert_eq!(quorum().check(&digest, &signatures).unwrap().len(), 3);

    let mut doubled = signatures.clone();
    doubled[1] = doubled[0];
    assert_eq!(
        quorum().check(&digest, &doubled),
        Err(QuorumError::NotAscending { index: 1 })
    );
    let mut swapped = signatures.clone();
    swapped.swap(0, 1);
    assert_eq!(
        quorum().check(&digest, &swapped),
        Err(QuorumError::NotAscending { index: 1 })
    );
    assert_eq!(
        quorum().check(&digest, &signatures[..2]),
        Err(QuorumError::Missing { threshold: 3, got: 2 })
    );
    assert!(matches!(
        quorum().check(&digest, &[sign(9), signatures[0], signatures[1]]),
        Err(QuorumError::NotMember { index: 0, .. })
    ));
    assert!(matches!(
        quorum().check(&[0; 32], &signatures),
        Err(QuorumError::NotMember { index: 0, .. })
    ));
    assert!(quorum().collect(&digest, [sign(1), sign(1), sign(1)]).is_err());
    assert_eq!(Quorum::new(vec![], 0), Err(QuorumError::ZeroThreshold));
}
