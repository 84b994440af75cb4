//! An audit of a chain that doesn't stand still: what was told and what is held are read one after the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use alloy::primitives::{U256, hex};
use alloy::sol_types::{SolCall, SolValue};
use serde_json::json;
use xfl_settlement::audit::{Check, Finding};
use xfl_settlement::chain::connect::Connection;
use xfl_settlement::chain::contracts::bindings::RewardDistributor::totalPaidCall;
use xfl_settlement::chain::server;

use super::narrow::Narrow;
use super::story::{self, COIN, Federation};
use super::{embedded, post, reader};

/// A total that has grown since the payments were read, or is of a node behind the others, is asked for again; one that stays wrong is told.
#[tokio::test(flavor = "multi_thread")]
async fn a_total_that_moved_is_looked_at_again_and_a_wrong_one_is_found() {
    let chain = embedded::ephemeral();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let served = server::serve(listener, chain.clone()).unwrap();
    let narrow = Narrow::before(&served.url(), 1_000);
    let connection = Connection::embedded(&chain, Some(&story::coordinator()));
    let mut federation = Federation::found(connection, story::terms()).await;
    post(&mut federation).await;
    federation.claim(1).await;
    for (moving, found) in [(2, 0), (usize::MAX, 1)] {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        narrow.answer(move |request, answer| {
            let call = &request["params"][0];
            let input = call["input"].as_str().or(call["data"].as_str()).unwrap_or_default();
            let total = input == hex::encode_prefixed(totalPaidCall::SELECTOR);
            if total && count.fetch_add(1, Ordering::SeqCst) < moving {
                answer["result"] = json!(hex::encode_prefixed(U256::from(COIN).abi_encode()));
            }
        });
        let client = reader(&federation, narrow.url());
        let checks = story::audited(&client, &federation, &federation.rounds).await;
        let wrong: Vec<&Check> = checks.iter().filter(|check| check.result.is_err()).collect();
        assert_eq!(wrong.len(), found, "{wrong:?}");
        for check in wrong {
            assert_eq!(check.name, "the totals paid");
            assert!(matches!(check.result, Err(Finding::Differs { .. })));
        }
        assert!(asked.load(Ordering::SeqCst) > 2);
    }
}
