//! A coordinator and a quorum that lie about one coordinate, and anybody who holds the rows.

use std::sync::atomic::Ordering;

use xfl_settlement::chain::challenge::Lie;
use xfl_settlement::chain::client::{ClientError, Outcome};
use xfl_settlement::chain::connect::Connection;
use xfl_settlement::chain::deploy::Terms;
use xfl_settlement::chain::embedded::EmbeddedChain;
use xfl_settlement::refute::{Round as Held, RuleProof, wrong_coordinate};
use xfl_settlement::row::{aggregate_tree, row_tree};
use xfl_settlement::statement::RoundHeader;

use super::embedded::{clock, genesis};
use super::story::{COIN, Federation, coordinator, terms};

/// Updates whose columns have ties, both ends of the range, and negative sums.
const UPDATES: [[i32; 11]; 4] = [
    [1, -1, 0, i32::MIN, i32::MAX, 5, -3, 2, 2, -9, 7],
    [1, -2, 0, i32::MAX, i32::MAX, 5, -3, -2, 3, 9, 7],
    [4, -2, 1, 0, i32::MIN, -5, -4, 1, 4, 9, -7],
    [4, -4, -1, 0, i32::MIN, 6, -4, -1, 5, 0, 8],
];

/// Code, parameter's last byte, weights, and what the rule makes of [`UPDATES`], worked out by hand.
const RULES: [(u8, u8, &[u64], [i32; 11]); 5] = [
    (1, 0, &[], [2, -3, 0, -1, -1, 2, -4, 0, 3, 2, 3]),
    (2, 0, &[], [2, -2, 0, 0, -1, 5, -4, 0, 3, 4, 7]),
    (3, 1, &[], [2, -2, 0, 0, -1, 5, -4, 0, 3, 4, 7]),
    (5, 0, &[], [1, -1, 0, 0, 0, 1, -1, 0, 1, 1, 1]),
    (
        18,
        0,
        &[1, 0, 0, 1],
        [2, -3, -1, -1_073_741_824, -1, 5, -4, 0, 3, -5, 7],
    ),
];

fn header(round: &RoundHeader, rule: (u8, u8, &[u64]), aggregate: &[i32]) -> RoundHeader {
    let (code, cut, weights) = rule;
    let updates = UPDATES.each_ref().map(<[i32; 11]>::as_slice);
    let mut rule_parameter = [0; 32];
    rule_parameter[31] = cut;
    if !weights.is_empty() {
        let packed: Vec<u8> = weights.iter().flat_map(|weight| weight.to_be_bytes()).collect();
        rule_parameter = xfl_settlement::keccak256(&packed);
    }
    RoundHeader {
        row_root: row_tree(&updates).unwrap().root(),
        aggregate_root: aggregate_tree(aggregate).unwrap().root(),
        cohort: 4,
        dimension: 11,
        rule: code,
        rule_parameter,
        ..*round
    }
}

#[tokio::test]
async fn the_contract_redoes_every_rule_as_rust_does_and_a_lie_is_void() {
    let updates = UPDATES.each_ref().map(<[i32; 11]>::as_slice);
    let (clock, hand) = clock();
    let chain = EmbeddedChain::ephemeral(genesis(), clock).unwrap();
    let slow = Terms {
        activation_delay: 3_600,
        ..terms()
    };
    let connection = Connection::embedded(&chain, Some(&coordinator()));
    let mut federation = Federation::found(connection, slow).await;
    let template = federation.next_round(COIN, [1, 1, 1, 1]).header;
    let domain = federation.client.deployment().header_domain();
    for (code, cut, weights, aggregate) in RULES {
        let rule = (code, cut, weights);
        let mut wrong = aggregate;
        wrong[9] += 1;
        let header = header(&template, rule, &wrong);
        let signatures = federation.sign(&header, &[1, 2, 3]);
        federation.client.post_round(&header, &signatures).await.unwrap();
        let held = Held {
            header: &header,
            updates: &updates,
            aggregate: &wrong,
            weights,
        };
        assert_eq!(wrong_coordinate(&held).unwrap(), Some(9), "rule {code}");
        for coordinate in (0..11).filter(|coordinate| *coordinate != 9) {
            let proof = RuleProof::new(&held, coordinate).unwrap();
            assert_eq!((proof.expected, proof.got), (proof.got, aggregate[coordinate as usize]));
            let refused = federation.client.prove_rule(&header, &proof).await.unwrap_err();
            assert!(
                matches!(&refused, ClientError::Refused { reason } if reason.contains("FollowsTheRule")),
                "rule {code}, coordinate {coordinate}: {refused}"
            );
        }
        let proof = RuleProof::new(&held, 9).unwrap();
        let outcome = federation.client.prove_rule(&header, &proof).await.unwrap();
        assert!(matches!(outcome, Outcome::Done(_)));
        assert_eq!(
            federation.client.prove_rule(&header, &proof).await.unwrap(),
            Outcome::Already
        );
        let digest = header.digest(&domain);
        let lie = federation.client.lie_of(&digest).await.unwrap();
        assert_eq!(lie, Some((Lie::Rule, coordinator().account())));
        assert_eq!(federation.client.latest_round().await.unwrap(), 0);
        let punished = federation.client.punish(&digest, &signatures[0]).await.unwrap();
        assert!(matches!(punished, Outcome::Done(_)));
        assert_eq!(
            federation.client.punish(&digest, &signatures[0]).await.unwrap(),
            Outcome::Already
        );
    }

    // The truth stands, and after a lie in round 2 the budget of round 1 is brought back before the next is posted.
    let (code, cut, weights, aggregate) = RULES[1];
    let honest = header(&template, (code, cut, weights), &aggregate);
    let signatures = federation.sign(&honest, &[1, 2, 3]);
    federation.client.post_round(&honest, &signatures).await.unwrap();
    let second = RoundHeader {
        round: 2,
        parent: honest.digest(&domain),
        cumulative_budget: 2 * COIN,
        ..honest
    };
    let signatures = federation.sign(&second, &[1, 2, 3]);
    federation.client.post_round(&second, &signatures).await.unwrap();
    federation.client.veto(2).await.unwrap();
    let corrected = RoundHeader { attempt: 1, ..second };
    let signatures = federation.sign(&corrected, &[1, 2, 3]);
    federation.client.post_round(&corrected, &signatures).await.unwrap();
    hand.fetch_add(3_600, Ordering::SeqCst);
    assert!(federation.client.is_active(2).await.unwrap());
    assert_eq!(
        federation.client.header_digest(2).await.unwrap(),
        Some(corrected.digest(&domain))
    );
}

/// A new member's signature is no reason to refuse a round that has enough others; it counts when the timelock is over.
#[tokio::test]
async fn a_member_within_the_timelock_holds_nobody_up() {
    let (clock, hand) = clock();
    let chain = EmbeddedChain::ephemeral(genesis(), clock).unwrap();
    let strict = Terms {
        embedded: false,
        activation_delay: 3_600,
        ..terms()
    };
    let mut federation = Federation::found(Connection::embedded(&chain, Some(&coordinator())), strict).await;
    let mut round = federation.next_round(COIN, [1, 1, 1, 1]);
    round.signatures = federation.sign(&round.header, &[1, 2, 3, 4]);
    federation.post(round).await;
    let posted = federation.client.posted().await.unwrap();
    assert_eq!(posted[0].signers.len(), 3, "founders sign at once, the fourth not yet");

    hand.fetch_add(3_600, Ordering::SeqCst);
    let mut round = federation.next_round(COIN, [1, 1, 1, 1]);
    round.signatures = federation.sign(&round.header, &[1, 2, 3, 4]);
    federation.post(round).await;
    let posted = federation.client.posted().await.unwrap();
    assert_eq!(posted[1].signers.len(), 4);
}
