//! Honest rounds of all rules, sizes, ties and extremes, and somebody who tries everything against them.

use std::sync::atomic::{AtomicU64, Ordering};

use proptest::prelude::*;
use xfl_settlement::chain::challenge::Call;
use xfl_settlement::input::input_tree;
use xfl_settlement::refute::{Evidence, InputProof, OmissionProof, RefuteError, Round, RuleProof};
use xfl_settlement::row::CHUNK;
use xfl_settlement::statement::RoundHeader;

use super::disputes::{Court, Received, opening, views};
use super::story::coordinator;

fn cohort() -> impl Strategy<Value = Vec<Vec<i32>>> {
    let value = prop_oneof![
        4 => -2i32..3,
        1 => prop::sample::select(vec![i32::MIN, i32::MIN + 1, -1, 0, 1, i32::MAX - 1, i32::MAX]),
        1 => any::<i32>(),
    ];
    (1usize..20).prop_flat_map(move |d| prop::collection::vec(prop::collection::vec(value.clone(), d), 1..9))
}

/// Over rules, cohorts, ties and extremes: no evidence about an honest round is taken, by Rust or by the contract.
#[test]
fn an_honest_round_is_never_slashable() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let court = runtime.block_on(Court::open());
    let attempts = AtomicU64::new(0);
    let config = ProptestConfig {
        cases: 24,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let cases = (
        cohort(),
        prop::sample::select(vec![1u8, 2, 3, 5, 18]),
        any::<[u64; 9]>(),
        0usize..5,
    );
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let result = runner.run(&cases, |(updates, rule, draws, cut)| {
        let n = updates.len();
        // At least one weighs something.
        let mut weights: Vec<u64> = draws[..n].to_vec();
        weights[0] = weights[0].max(1);
        let mut parameter = [0; 32];
        match rule {
            3 => parameter[31] = cut.min((n - 1) / 2) as u8,
            18 => {
                let packed: Vec<u8> = weights.iter().flat_map(|w| w.to_be_bytes()).collect();
                parameter = xfl_settlement::keccak256(&packed);
            }
            _ => {}
        }
        let weights = if rule == 18 { weights } else { Vec::new() };
        let received = Received::of(updates);
        let template = RoundHeader {
            attempt: attempts.fetch_add(1, Ordering::SeqCst) as u32,
            ..court.template
        };
        let (header, aggregate) = received.header(&template, rule, parameter, &weights);
        runtime.block_on(honest(&court, &received, &header, &aggregate, &weights));
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

async fn honest(court: &Court, received: &Received, header: &RoundHeader, aggregate: &[i32], weights: &[u64]) {
    let client = &court.federation.client;
    let signatures = court.post(header).await;
    let (domain, account) = (client.deployment().header_domain(), coordinator().account());
    let views = views(&received.updates);
    let tree = input_tree(&received.inputs).unwrap();
    for chunk in 0..aggregate.len().div_ceil(CHUNK) {
        let evidence = Evidence::new(header, &views, aggregate, chunk).unwrap();
        assert_eq!(RuleProof::in_chunk(header, &evidence, weights), Ok(None));
        for place in (0..CHUNK).take_while(|place| chunk * CHUNK + place < aggregate.len()) {
            let round = Round {
                header,
                updates: &views,
                aggregate,
                weights,
            };
            let proof = RuleProof::new(&round, (chunk * CHUNK + place) as u64).unwrap();
            assert_eq!(proof.check(header), Err(RefuteError::Follows { value: proof.got }));
            let refused = court.tried(&Call::rule(header, &proof)).await.unwrap_err();
            assert!(refused.contains("FollowsTheRule"), "{refused}");
        }
        for (place, values) in received.updates.iter().enumerate() {
            let proof = InputProof {
                evidence: evidence.clone(),
                count: received.inputs.len() as u32,
                input: received.inputs[place],
                place: tree.proof(place).unwrap(),
                opening: opening(place, values, chunk as u64),
            };
            assert_eq!(proof.check(header), Err(RefuteError::Matches));
            let refused = court.tried(&Call::input(header, &proof)).await.unwrap_err();
            assert!(refused.contains("MatchesTheInput"), "{refused}");
        }
    }
    for place in 0..received.inputs.len() {
        let receipt = received.receipt(&court.federation, place, header);
        let made = OmissionProof::new(header, &domain, &account, &receipt, &received.inputs);
        assert_eq!(made, Err(RefuteError::Listed));
        let beside = place.saturating_sub(1)..received.inputs.len().min(place + 1);
        let proof = OmissionProof {
            receipt,
            count: received.inputs.len() as u32,
            index: place as u64,
            neighbours: beside.map(|i| (received.inputs[i], tree.proof(i).unwrap())).collect(),
        };
        let refused = court.tried(&Call::omission(header, &proof)).await.unwrap_err();
        assert!(refused.contains("NoGap"), "{refused}");
    }
    for signature in &signatures {
        let digest = court.digest(header);
        assert!(
            court
                .tried(&Call::punish(&digest, signature))
                .await
                .unwrap_err()
                .contains("NoLie")
        );
    }
    client.veto(1).await.unwrap();
}
