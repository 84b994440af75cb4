//! A coordinator and a quorum that lie and post through a contract of theirs, so that no transaction shows what they signed.

use alloy::primitives::TxKind;
use xfl_settlement::chain::challenge::Lie;
use xfl_settlement::refute::{Evidence, RuleProof};
use xfl_settlement::row::aggregate_tree;
use xfl_settlement::statement::RoundHeader;

use super::calls::{packed, posting};
use super::disputes::{Court, Received, views};
use super::forwarder::{create, send, through};
use super::story::coordinator;

#[tokio::test]
async fn whoever_lies_through_a_contract_is_punished_like_others() {
    let court = Court::open().await;
    let client = &court.federation.client;
    let forwarder = create(client.connection(), &coordinator()).await;
    let received = Received::of(vec![vec![1, 5, -3], vec![2, 5, 0], vec![4, -5, 9]]);
    let (honest, mut aggregate) = received.header(&court.template, 2, [0; 32], &[]);
    aggregate[2] = 8;
    let header = RoundHeader {
        aggregate_root: aggregate_tree(&aggregate).unwrap().root(),
        ..honest
    };
    let signatures = court.federation.sign(&header, &[1, 2, 3]);
    let deployment = client.deployment();
    let posted = through(&deployment.rounds, &posting(&header, packed(&signatures)));
    send(
        client.connection(),
        &coordinator(),
        TxKind::Call(forwarder.into()),
        posted,
    )
    .await;

    let posted = client.posted().await.unwrap().pop().unwrap();
    assert_eq!(posted.header, header);
    let told = client.signatures_of(&posted).await.unwrap();
    assert_eq!(told, signatures);

    // The row that they show in the same way is as good as any, and convicts them.
    client.demand_row(&header, 0).await.unwrap();
    let views = views(&received.updates);
    let row = Evidence::new(&header, &views, &aggregate, 0).unwrap();
    let answer = through(&deployment.rounds, &row.answer(&header));
    send(
        client.connection(),
        &coordinator(),
        TxKind::Call(forwarder.into()),
        answer,
    )
    .await;
    let shown = client.shown(&header).await.unwrap();
    assert_eq!(shown, [row]);

    let proof = RuleProof::in_chunk(&header, &shown[0], &[]).unwrap().unwrap();
    client.prove_rule(&header, &proof).await.unwrap();
    let lie = client.lie_of(&court.digest(&header)).await.unwrap();
    assert_eq!(lie, Some((Lie::Rule, coordinator().account())));
    court.punished(&header, &told).await;
}
