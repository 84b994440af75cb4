//! Random settlement histories, played on anvil and on the embedded chain with the same signed bytes at the same times.
//!
//! After each transaction both must have the same status, gas, logs and bloom, and the same data returned or reverted with (on anvil as its
//! tracer saw it, on the embedded chain as the call answered a moment before); at the end the same storage in every slot that a transaction
//! has changed, and the same coins. A history that differs is shrunk, and printed with its seed and step.

#[path = "differential/attempt.rs"]
mod attempt;
#[path = "differential/op.rs"]
mod op;
#[path = "differential/pair.rs"]
mod pair;
#[path = "differential/play.rs"]
mod play;

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

use self::pair::Pair;
use self::play::Play;

/// Which histories are drawn.
const SEED: [u8; 32] = *b"xfl: the same on anvil and here.";
const HISTORIES: u32 = 24;

/// How often each kind of transaction passed and was reverted.
pub(crate) type Tally = BTreeMap<&'static str, (usize, usize)>;

/// Plays all histories against a fresh anvil with this chain id; what was done in them.
pub(crate) fn run(url: &str) -> Tally {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let pair = runtime.block_on(Pair::found(url));
    let (pair, tally) = (std::cell::RefCell::new(pair), std::cell::RefCell::new(Tally::new()));
    let config = Config {
        cases: HISTORIES,
        max_shrink_iters: 200,
        failure_persistence: None,
        ..Config::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &SEED);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let ran = runner.run(&vec(op::any(), 50..90), |history| {
        let mut pair = pair.borrow_mut();
        let played = runtime.block_on(async {
            pair.rewind().await;
            let mut play = Play::begin(&mut pair);
            for (step, op) in history.iter().enumerate() {
                let seed = String::from_utf8_lossy(&SEED);
                let said = |what: String| format!("seed {seed:?}, step {step}, {op:?}: {what}");
                let (kind, passed) = play.step(op).await.map_err(said)?;
                let mut tally = tally.borrow_mut();
                let count = tally.entry(kind).or_default();
                match passed {
                    true => count.0 += 1,
                    false => count.1 += 1,
                }
            }
            pair.compare_state().await
        });
        played.map_err(TestCaseError::fail)
    });
    if let Err(difference) = ran {
        panic!("{difference}");
    }
    tally.into_inner()
}
