//! Embedded chains for tests: the clock stands where it is put.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use xfl_settlement::chain::embedded::{Clock, EmbeddedChain};
use xfl_settlement::chain::genesis::{Genesis, Seed};

use super::story::coordinator;

pub(crate) const CHAIN_ID: u64 = 31_337;
pub(crate) const START: u64 = 1_800_000_000;

pub(crate) fn genesis() -> Genesis {
    Genesis {
        chain_id: CHAIN_ID,
        timestamp: START,
        seeds: vec![Seed::coins(coordinator().account(), 10_000)],
    }
}

/// A clock and the hand that moves it.
pub(crate) fn clock() -> (Clock, Arc<AtomicU64>) {
    let hand = Arc::new(AtomicU64::new(START));
    let clock = Arc::clone(&hand);
    (Arc::new(move || clock.load(Ordering::SeqCst)), hand)
}

pub(crate) fn ephemeral() -> EmbeddedChain {
    EmbeddedChain::ephemeral(genesis(), clock().0).unwrap()
}
