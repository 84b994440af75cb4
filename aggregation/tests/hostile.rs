//! Every rule and stage on rows that nobody should send: a finite result or an error, in bounded time, never a panic, and the laws
//! that hold for any rows.
//!
//! A thousand cases by default, the same ones on every run. For longer, from a seed on:
//!
//! ```console
//! XFL_FUZZ_SECONDS=600 XFL_FUZZ_SEED=1000000 cargo test --release -p xfl-aggregation --test hostile -- --ignored --nocapture
//! ```
//!
//! A failure names the seed of its case; `XFL_FUZZ_SEED` with it and one second tries that case first.
#![allow(clippy::print_stdout, reason = "how far a long run came")]

#[path = "hostile/draw.rs"]
mod draw;
#[path = "hostile/floats.rs"]
mod floats;
#[path = "hostile/integers.rs"]
mod integers;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// A case is a table and every rule on it; the longest search that no limit ends takes seconds. Counted in processor time where
/// the system tells it, since a busy machine may let a test wait for minutes.
const HANGS_AFTER: Duration = Duration::from_secs(300);

/// User and system time of this process.
fn processor_time() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // After the name, which may hold anything: state, then eleven numbers, then both times in hundredths of a second.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let (user, system): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(Duration::from_millis(10 * (user + system)))
}

/// Tries the cases of these seeds for as long as `more` says; how many cases, and how many aggregates they had.
fn run(seeds: std::ops::RangeFrom<u64>, more: impl Fn(u64) -> bool + Send + 'static) -> (u64, usize) {
    let first = seeds.start;
    let (began, watched) = channel();
    let tried = thread::spawn(move || {
        let mut made = 0;
        for seed in seeds {
            if !more(seed - first) {
                return (seed - first, made);
            }
            began.send(seed).expect("somebody watches");
            let case = AssertUnwindSafe(|| floats::case(seed) + integers::case(seed));
            made += catch_unwind(case).unwrap_or_else(|panic| {
                println!("the case of seed {seed} failed");
                resume_unwind(panic)
            });
        }
        unreachable!("there are more seeds than time")
    });
    let started = Instant::now();
    let now = || processor_time().unwrap_or_else(|| started.elapsed());
    let (mut seed, mut since) = (first, now());
    loop {
        match watched.recv_timeout(HANGS_AFTER) {
            Ok(next) => (seed, since) = (next, now()),
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => assert!(
                now().saturating_sub(since) < HANGS_AFTER,
                "the case of seed {seed} hangs"
            ),
        }
    }
    tried.join().unwrap_or_else(|panic| resume_unwind(panic))
}

#[test]
fn a_thousand_cases() {
    let (cases, aggregates) = run(0.., |tried| tried < 1000);
    println!("{cases} cases, {aggregates} aggregates");
    assert!(cases == 1000 && aggregates > 12_000, "{aggregates}");
}

#[test]
#[ignore = "as long as XFL_FUZZ_SECONDS says"]
fn for_as_long_as_is_asked() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seconds = Duration::from_secs(number("XFL_FUZZ_SECONDS").unwrap_or(600));
    let began = Instant::now();
    let (cases, aggregates) = run(number("XFL_FUZZ_SEED").unwrap_or(1_000_000).., move |tried| {
        tried == 0 || began.elapsed() < seconds
    });
    println!(
        "{cases} cases, {aggregates} aggregates in {} s",
        began.elapsed().as_secs()
    );
}
