//! The same settlement history on anvil, a node that others wrote: same addresses, digests, gas and payments as on the embedded
//! chain, and everything done once.
#![cfg(feature = "chain")]
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

#[path = "support/anvil.rs"]
mod anvil;
#[path = "support/embedded.rs"]
#[allow(dead_code)]
mod embedded;
#[path = "support/story.rs"]
#[allow(dead_code)]
mod story;

use xfl_settlement::audit::{Expected, ExpectedRound, audit};
use xfl_settlement::chain::connect::Connection;
use xfl_settlement::payout::Account;

#[tokio::test]
async fn anvil_and_the_embedded_chain_settle_alike() {
    let Some(node) = anvil::start("anvil_and_the_embedded_chain_settle_alike", embedded::CHAIN_ID) else {
        return;
    };
    let connection = Connection::http(&node.url(), Some(&story::coordinator())).unwrap();
    let (there, paid_there) = story::play(connection).await;
    let chain = embedded::ephemeral();
    let (here, paid_here) = story::play(Connection::embedded(&chain, Some(&story::coordinator()))).await;

    assert_eq!(there.client.deployment(), here.client.deployment());
    assert_eq!(paid_there, paid_here);
    assert_eq!(there.gas, here.gas);
    for (ours, theirs) in here.rounds.iter().zip(&there.rounds) {
        assert_eq!(ours.header, theirs.header);
    }
    assert_eq!(
        there.client.payments().await.unwrap(),
        here.client.payments().await.unwrap()
    );
    assert_eq!(
        there.client.admissions().await.unwrap(),
        here.client.admissions().await.unwrap()
    );

    let members: Vec<Account> = (1..=4).map(|byte| story::member(byte).account()).collect();
    let rounds: Vec<_> = there
        .rounds
        .iter()
        .map(|round| ExpectedRound {
            header: &round.header,
            signatures: &round.signatures,
            members: &members,
            tree: &round.tree,
        })
        .collect();
    for check in audit(
        &there.client,
        &Expected {
            rounds: &rounds,
            members: &there.bindings,
        },
    )
    .await
    {
        assert_eq!(check.result, Ok(()), "{}", check.name);
    }
}
