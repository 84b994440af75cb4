use proptest::prelude::*;

use super::*;
use crate::row::{aggregate_tree, row_tree};

fn header(rule: u8, parameter: [u8; 32], updates: &[&[i32]], aggregate: &[i32]) -> RoundHeader {
    RoundHeader {
        federation: [5; 32],
        round: 1,
        plan_hash: [1; 32],
        parent: [0; 32],
        model_root: [2; 32],
        row_root: row_tree(updates).unwrap().root(),
        aggregate_root: aggregate_tree(aggregate).unwrap().root(),
        transcript_root: [6; 32],
        reward_root: [7; 32],
        cumulative_budget: 0,
        cohort: updates.len() as u32,
        dimension: aggregate.len() as u64,
        rule,
        rule_parameter: parameter,
        input_root: [8; 32],
        attempt: 0,
    }
}

fn parameter(cut: u64) -> [u8; 32] {
    let mut word = [0; 32];
    word[24..].copy_from_slice(&cut.to_be_bytes());
    word
}

fn expected(rule: u8, cut: u64, column: &[i32], weights: &[u64]) -> i32 {
    let updates: Vec<[i32; 1]> = column.iter().map(|value| [*value]).collect();
    let views: Vec<&[i32]> = updates.iter().map(<[i32; 1]>::as_slice).collect();
    let header = header(rule, parameter(cut), &views, &[0]);
    let round = Round {
        header: &header,
        updates: &views,
        aggregate: &[0],
        weights,
    };
    round.redo(0).unwrap().0
}

#[test]
fn rules_round_down_and_ties_need_no_rule() {
    assert_eq!(expected(1, 0, &[-1, 0], &[]), -1);
    assert_eq!(expected(2, 0, &[5, -8, 4], &[]), 4);
    assert_eq!(expected(2, 0, &[i32::MIN, -1], &[]), -1_073_741_825);
    assert_eq!(expected(3, 1, &[9, 1, 1, -9], &[]), 1);
    assert_eq!(expected(5, 0, &[1, i32::MIN, 0], &[]), 0);
    assert_eq!(expected(18, 0, &[0, -1], &[1, u64::MAX]), -1);
    assert_eq!(expected(1 | CONFIDENTIAL, 0, &[3, 4], &[]), 3);
}

#[test]
fn what_no_contract_redoes_is_said_to_be_so() {
    let updates: [&[i32]; 2] = [&[1], &[2]];
    let refused = |rule, cut| {
        let header = header(rule, parameter(cut), &updates, &[1]);
        let round = Round {
            header: &header,
            updates: &updates,
            aggregate: &[1],
            weights: &[],
        };
        wrong_coordinate(&round).unwrap_err()
    };
    assert_eq!(refused(4, 0), RefuteError::NotProvable { rule: 4 });
    assert_eq!(refused(0x81, 0), RefuteError::NotProvable { rule: 0x81 });
    assert_eq!(refused(3, 1), RefuteError::NoResult { rule: 3, cohort: 2 });
    assert_eq!(refused(3, u64::MAX), RefuteError::NoResult { rule: 3, cohort: 2 });
    assert_eq!(refused(18, 0), RefuteError::NoResult { rule: 18, cohort: 2 });
}

#[test]
fn other_rows_than_the_headers_prove_nothing() {
    let updates: [&[i32]; 2] = [&[1, 2], &[3, 4]];
    let header = header(1, [0; 32], &updates, &[2, 3]);
    let of = |updates, aggregate| Round {
        header: &header,
        updates,
        aggregate,
        weights: &[],
    };
    assert_eq!(wrong_coordinate(&of(&updates, &[2, 3])), Ok(None));
    let short: [&[i32]; 1] = [&[1, 2]];
    assert_eq!(
        wrong_coordinate(&of(&short, &[2, 3])),
        Err(RefuteError::OtherData { what: "updates" })
    );
    assert_eq!(
        wrong_coordinate(&of(&updates, &[2])),
        Err(RefuteError::OtherData { what: "coordinates" })
    );
    assert!(RuleProof::new(&of(&updates, &[2, 4]), 0).is_err());
    assert!(RuleProof::new(&of(&updates, &[2, 3]), 2).is_err());
}

proptest! {
    #[test]
    fn the_first_wrong_coordinate_is_found_and_its_hints_have_their_ranks(
        updates in (1usize..20).prop_flat_map(|d| prop::collection::vec(prop::collection::vec(-3i32..4, d), 1..8)),
        rule in prop::sample::select(vec![1u8, 2, 3, 5, 18]),
        pick: prop::sample::Index,
    ) {
        let views: Vec<&[i32]> = updates.iter().map(Vec::as_slice).collect();
        let (n, d) = (views.len(), views[0].len());
        let weights: Vec<u64> = if rule == 18 { (1..=n as u64).collect() } else { Vec::new() };
        let cut = if rule == 3 { (n as u64 - 1) / 2 } else { 0 };
        let column = |k: usize| views.iter().map(|update| update[k]).collect::<Vec<_>>();
        let mut aggregate: Vec<i32> = (0..d).map(|k| expected(rule, cut, &column(k), &weights)).collect();
        let parameter = if rule == 18 { keccak256(&packed(&weights)) } else { parameter(cut) };
        let honest = header(rule, parameter, &views, &aggregate);
        let round = Round { header: &honest, updates: &views, aggregate: &aggregate, weights: &weights };
        prop_assert_eq!(wrong_coordinate(&round), Ok(None));

        let place = pick.index(d);
        aggregate[place] += 1;
        let lying = header(rule, parameter, &views, &aggregate);
        let round = Round { header: &lying, updates: &views, aggregate: &aggregate, weights: &weights };
        prop_assert_eq!(wrong_coordinate(&round), Ok(Some(place as u64)));
        let proof = RuleProof::new(&round, place as u64).unwrap();
        prop_assert_eq!(proof.got, proof.expected + 1);
        prop_assert_eq!(proof.evidence.verify(&lying), Ok(()));
        if rule < 5 {
            let values = column(place);
            let below = |limit: i32| values.iter().filter(|value| **value < limit).count();
            let up_to = |limit: i32| values.iter().filter(|value| **value <= limit).count();
            let cut = if rule == 2 { (n - 1) / 2 } else { cut as usize };
            prop_assert!(below(proof.low) <= cut && up_to(proof.low) > cut);
            prop_assert!(below(proof.high) < n - cut && up_to(proof.high) >= n - cut);
        }
        prop_assert_eq!(&proof.calldata(&lying)[..4], abi::proveRuleCall::SELECTOR);
        prop_assert_eq!(proof.check(&lying), Ok(()));
        let shown = Evidence::from_answer(&lying, &proof.evidence.answer(&lying)).unwrap();
        prop_assert_eq!(RuleProof::in_chunk(&lying, &shown, &weights).unwrap(), Some(proof));
        let other = (place / CHUNK).checked_sub(1);
        if let Some(chunk) = other {
            let shown = Evidence::new(&lying, &views, &aggregate, chunk).unwrap();
            prop_assert_eq!(RuleProof::in_chunk(&lying, &shown, &weights), Ok(None));
        }
    }
}
