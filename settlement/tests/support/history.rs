//! Settlement on the embedded chain, from deployment to audit.

use std::sync::atomic::Ordering;

use xfl_settlement::audit::Check;
use xfl_settlement::chain::client::{ClientError, SettlementClient};
use xfl_settlement::chain::connect::Connection;
use xfl_settlement::chain::deploy::{DeployError, Plan, Terms};
use xfl_settlement::chain::embedded::{EmbeddedChain, OpenError};
use xfl_settlement::chain::genesis::Genesis;
use xfl_settlement::statement::RoundHeader;

use super::embedded::{CHAIN_ID, START, clock, ephemeral, genesis};
use super::story::{COIN, Federation, audited, coordinator, member, play, terms};

#[tokio::test]
async fn deploys_admits_posts_and_pays_exactly_what_was_earned() {
    let chain = ephemeral();
    let (federation, paid) = play(Connection::embedded(&chain, Some(&coordinator()))).await;
    // 3 : 2 : 1 of 100 coins and 1, then a quarter of 60 each.
    let thirds = [33_333_333_333_333_333_334, 16_666_666_666_666_666_667];
    assert_eq!(
        paid,
        [
            50 * COIN,
            15 * COIN,
            thirds[0] + 15 * COIN,
            thirds[1] + 15 * COIN,
            15 * COIN
        ]
    );
    for (step, gas) in &federation.gas {
        println!("{step}: {gas} gas");
    }
}

#[tokio::test]
async fn a_chain_that_is_dropped_and_opened_again_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, hand) = clock();
    let open = || EmbeddedChain::open(folder.path(), genesis(), clock.clone());

    let chain = open().unwrap();
    let mut federation = Federation::found(Connection::embedded(&chain, Some(&coordinator())), terms()).await;
    let round = federation.next_round(COIN, [1, 1, 1, 1]);
    federation.post(round).await;
    let (head, deployment) = (chain.head(), federation.client.deployment().clone());
    assert!(
        matches!(open(), Err(OpenError::Store(_))),
        "a second opening must be refused"
    );

    let Federation {
        client,
        ledger,
        bindings,
        rounds,
        gas,
    } = federation;
    drop((client, chain));
    hand.fetch_add(60, Ordering::SeqCst);
    let chain = open().unwrap();
    assert_eq!(chain.head(), head);
    let connection = Connection::embedded(&chain, Some(&coordinator()));
    let client = SettlementClient::connect(connection, deployment).await.unwrap();
    let mut federation = Federation {
        client,
        ledger,
        bindings,
        rounds,
        gas,
    };
    let round = federation.next_round(COIN, [1, 0, 0, 0]);
    federation.post(round).await;
    federation.claim(1).await;
    drop((federation, chain));

    let elsewhere = Genesis {
        chain_id: CHAIN_ID + 1,
        ..genesis()
    };
    let refused = EmbeddedChain::open(folder.path(), elsewhere, clock.clone()).unwrap_err();
    assert!(matches!(refused, OpenError::OtherGenesis { expected, found } if expected == found + 1));
}

#[tokio::test]
async fn a_deployment_that_was_cut_short_is_finished_without_doing_anything_twice() {
    // Registry, round manager, vault, token, distributor; the vault's attachment; the funding.
    const STEPS: u64 = 7;
    for done in 0..=STEPS {
        let chain = ephemeral();
        let connection = Connection::embedded(&chain, Some(&coordinator()));
        let plan = Plan::new(&connection, terms()).await.unwrap();
        let whole = ephemeral();
        plan.execute(&Connection::embedded(&whole, Some(&coordinator())))
            .await
            .unwrap();
        // The same transactions, as far as they had come.
        let provider_of_whole = Connection::embedded(&whole, None);
        for number in 1..=done {
            let raw = requests_raw(&provider_of_whole, number).await;
            chain.send(&raw).unwrap();
        }
        let deployment = plan.execute(&connection).await.unwrap();
        assert_eq!(deployment, plan.deployment(), "addresses are known before");
        assert_eq!(chain.head().0, STEPS, "so many transactions in all");
        let client = SettlementClient::connect(connection, deployment.clone()).await.unwrap();
        assert_eq!(
            client.token_balance(&deployment.distributor).await.unwrap(),
            terms().funding
        );
    }
}

/// Stakes go in, unbond, can be put back, and come out when the time is over.
#[tokio::test]
async fn stakes_unbond_before_they_are_paid_back() {
    let (clock, hand) = clock();
    let chain = EmbeddedChain::ephemeral(genesis(), clock).unwrap();
    let slow = Terms {
        activation_delay: 3_600,
        ..terms()
    };
    let federation = Federation::found(Connection::embedded(&chain, Some(&coordinator())), slow.clone()).await;
    let (client, account) = (&federation.client, coordinator().account());
    client.deposit(&account, 3 * COIN).await.unwrap();
    client.exit(COIN).await.unwrap();
    let stake = client.stake_of(&account).await.unwrap();
    assert_eq!(
        (stake.total, stake.unbonding, stake.bonded()),
        (3 * COIN, COIN, 2 * COIN)
    );
    assert!(stake.release_at >= START + slow.unbonding_time());
    client.cancel_exit().await.unwrap();
    assert_eq!(client.stake_of(&account).await.unwrap().bonded(), 3 * COIN);
    client.exit(3 * COIN).await.unwrap();
    let early = client.withdraw(&account).await.unwrap_err();
    assert!(
        matches!(&early, ClientError::Refused { reason } if reason.contains("StillUnbonding")),
        "{early}"
    );
    hand.fetch_add(slow.unbonding_time(), Ordering::SeqCst);
    client.withdraw(&account).await.unwrap();
    assert_eq!(client.stake_of(&account).await.unwrap().total, 0);
}

async fn requests_raw(connection: &Connection, block: u64) -> Vec<u8> {
    use alloy::eips::eip2718::Encodable2718;
    use alloy::providers::Provider;
    let block = connection
        .provider()
        .get_block_by_number(block.into())
        .full()
        .await
        .unwrap()
        .unwrap();
    block.into_transactions_vec()[0].inner.encoded_2718()
}

#[tokio::test]
async fn code_and_wiring_are_checked_before_an_address_is_trusted() {
    let chain = ephemeral();
    let connection = Connection::embedded(&chain, Some(&coordinator()));
    let deployment = Plan::new(&connection, terms())
        .await
        .unwrap()
        .execute(&connection)
        .await
        .unwrap();

    let mut swapped = deployment.clone();
    std::mem::swap(&mut swapped.token, &mut swapped.registry);
    assert!(matches!(
        swapped.check(&connection).await,
        Err(DeployError::Code { .. })
    ));
    let strict = Terms {
        threshold: 2,
        ..terms()
    };
    let other = Plan::new(&connection, strict)
        .await
        .unwrap()
        .execute(&connection)
        .await
        .unwrap();
    let mixed = xfl_settlement::chain::deploy::Deployment {
        registry: other.registry,
        ..deployment.clone()
    };
    assert!(matches!(
        mixed.check(&connection).await,
        Err(DeployError::Wiring { .. })
    ));
    let relaxed = Terms {
        threshold: 1,
        ..terms()
    };
    let claimed = xfl_settlement::chain::deploy::Deployment {
        terms: relaxed,
        ..deployment
    };
    assert!(matches!(
        claimed.check(&connection).await,
        Err(DeployError::Wiring { .. })
    ));
}

#[tokio::test]
async fn rewards_wait_for_the_delay_and_a_veto_voids_them() {
    let (clock, hand) = clock();
    let chain = EmbeddedChain::ephemeral(genesis(), clock).unwrap();
    let connection = Connection::embedded(&chain, Some(&coordinator()));
    let slow = Terms {
        activation_delay: 3_600,
        ..terms()
    };
    let mut federation = Federation::found(connection, slow).await;
    let round = federation.next_round(COIN, [1, 0, 0, 0]);
    federation.post(round.clone()).await;
    let proof = round.tree.claim(&[1; 32], CHAIN_ID).unwrap();
    let early = federation.client.claim(&proof).await.unwrap_err();
    assert!(
        matches!(&early, ClientError::Refused { reason } if reason.contains("RoundNotActive")),
        "{early}"
    );
    assert!(!federation.client.is_active(1).await.unwrap());
    hand.fetch_add(3_600, Ordering::SeqCst);
    assert!(federation.client.is_active(1).await.unwrap());
    assert_eq!(federation.claim(1).await, COIN);

    let round = federation.next_round(COIN, [0, 1, 0, 0]);
    federation.post(round.clone()).await;
    federation.client.veto(2).await.unwrap();
    hand.fetch_add(3_600, Ordering::SeqCst);
    let proof = round.tree.claim(&[2; 32], CHAIN_ID).unwrap();
    assert!(matches!(
        federation.client.claim(&proof).await,
        Err(ClientError::Refused { .. })
    ));
}

#[tokio::test]
async fn a_member_without_coin_claims_once_it_is_sent_some() {
    let chain = ephemeral();
    let mut federation = Federation::found(Connection::embedded(&chain, Some(&coordinator())), terms()).await;
    let round = federation.next_round(COIN, [1, 0, 0, 0]);
    federation.post(round.clone()).await;
    let own = Connection::embedded(&chain, Some(&member(1)));
    let deployment = federation.client.deployment().clone();
    let client = SettlementClient::connect(own.clone(), deployment).await.unwrap();
    let proof = round.tree.claim(&[1; 32], CHAIN_ID).unwrap();
    let poor = client.claim(&proof).await.unwrap_err();
    assert!(poor.to_string().contains("insufficient funds"), "{poor}");
    federation
        .client
        .connection()
        .send_coin(&member(1).account(), COIN)
        .await
        .unwrap();
    assert!(matches!(
        client.claim(&proof).await,
        Ok(xfl_settlement::chain::client::Claimed::Paid { .. })
    ));
    assert!(own.coin_balance(&member(1).account()).await.unwrap() < COIN);
}

fn failing(checks: &[Check]) -> Vec<&str> {
    checks
        .iter()
        .filter(|check| check.result.is_err())
        .map(|check| check.name.as_str())
        .collect()
}

#[tokio::test]
async fn the_audit_passes_on_the_truth_and_names_what_differs() {
    let chain = ephemeral();
    let (federation, _) = play(Connection::embedded(&chain, Some(&coordinator()))).await;
    // An auditor has the snapshot alone.
    let replayed = xfl_settlement::chain::snapshot::verify(&chain.snapshot().unwrap()).unwrap();
    let connection = Connection::embedded(&replayed, None);
    let client = SettlementClient::unchecked(connection, federation.client.deployment().clone());
    let checks = audited(&client, &federation, &federation.rounds).await;
    assert_eq!(failing(&checks), [""; 0]);
    // Five codes, wiring, members, count; two a round; one a payment, and the totals.
    assert_eq!(checks.len(), 5 + 3 + 2 * 2 + 5 + 1);

    let mut other = federation.rounds.clone();
    other[1].header = RoundHeader {
        model_root: [7; 32],
        ..other[1].header
    };
    assert_eq!(
        failing(&audited(&client, &federation, &other).await),
        ["round 2 is posted as signed"]
    );

    let mut unsigned = federation.rounds.clone();
    unsigned[0].signatures.pop();
    assert_eq!(
        failing(&audited(&client, &federation, &unsigned).await),
        ["round 1 is posted as signed"]
    );

    let mut swapped = federation.rounds.clone();
    swapped[1].tree = swapped[0].tree.clone();
    let checks = audited(&client, &federation, &swapped).await;
    assert!(
        failing(&checks).contains(&"rewards of round 2"),
        "{:?}",
        failing(&checks)
    );
    assert!(
        failing(&checks).contains(&"a payment under round 2"),
        "{:?}",
        failing(&checks)
    );

    let missing = audited(&client, &federation, &federation.rounds[..1]).await;
    assert!(failing(&missing).contains(&"the number of rounds"));
    assert!(failing(&missing).contains(&"a payment under round 2"));

    let mut strangers = Federation {
        bindings: federation.bindings.clone(),
        ..federation
    };
    strangers.bindings[0].chain_id = 1;
    let rounds = strangers.rounds.clone();
    assert_eq!(
        failing(&audited(&client, &strangers, &rounds).await),
        ["the members are the transcript's"]
    );
}
