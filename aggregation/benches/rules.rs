//! Times each rule at n = 20, f = 4, d = 1,000,000 on one and two threads, beside a plain read of the same rows.
//!
//! `cargo bench -p xfl-aggregation` prints the best and the median of nine runs in milliseconds, and how many times the time of one
//! pass that sums every value. Another d is the first argument: `cargo bench -p xfl-aggregation -- 100000`.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark prints and reads the clock"
)]

use rayon::prelude::*;
use std::hint::black_box;
use std::time::Instant;
use xfl_aggregation::decide::caf::PowerStart;
use xfl_aggregation::{Neighbours, Rows, Rule, Stage, State, score};

const N: usize = 20;
const F: usize = 4;
const RUNS: usize = 9;

/// Values like a quantised update's: a shared direction, a bounded spread, and the last `F` rows far away.
fn updates(d: usize, poison: i32) -> Vec<Vec<i32>> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut noise = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 44) as i32 - (1 << 19)
    };
    let shared: Vec<i32> = (0..d).map(|_| noise()).collect();
    let row = |i: usize, noise: &mut dyn FnMut() -> i32| -> Vec<i32> {
        shared
            .iter()
            .map(|&v| if i < N - F { v / 2 + noise() / 2 } else { poison - v })
            .collect()
    };
    (0..N).map(|i| row(i, &mut noise)).collect()
}

fn milliseconds(mut work: impl FnMut()) -> (f64, f64) {
    let mut times: Vec<f64> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    (times[0], times[RUNS / 2])
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let d = std::env::args()
        .skip(1)
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(1_000_000);
    let near = updates(d, 1 << 22);
    let far = updates(d, 1 << 30);
    let near = Rows::new(near.iter().map(Vec::as_slice).collect())?;
    let far = Rows::new(far.iter().map(Vec::as_slice).collect())?;
    let krum = |select| Rule::MultiKrum {
        f: F,
        select,
        neighbours: Neighbours::Blanchard,
    };
    let rules = [
        Rule::Mean,
        Rule::Median,
        Rule::TrimmedMean { f: F },
        krum(1),
        krum(N - F),
        Rule::Meamed { f: F },
        Rule::Monna { f: F, index: 0 },
        Rule::Smea {
            f: F,
            start: PowerStart::Ones,
            power: 1,
        },
        Rule::Dnc {
            f: F,
            filter_ppm: 1_000_000,
            seed: 1,
            count: 10_000,
            iterations: 1,
        },
        Rule::GeometricMedian { nu: 1, iterations: 3 },
        Rule::CenteredClipping {
            tau: 1 << 24,
            iterations: 1,
        },
        Rule::FlTrust,
        Rule::Flame,
        Rule::FoolsGold { kappa_ppm: 1_000_000 },
    ];
    let (nnm, arc) = (Stage::Nnm { f: F }, Stage::Arc { f: F });
    let bucketing = Stage::Bucketing {
        size: 2,
        permutation: (0..N).rev().collect(),
    };
    let chains = [vec![nnm.clone()], vec![arc.clone()], vec![bucketing], vec![arc, nnm]];
    let state = State {
        reference: near.row(0),
        ..State::default()
    };
    println!("n = {N}, f = {F}, d = {d}, best and median of {RUNS} runs");
    println!(
        "{:<58} {:>7} {:>9} {:>9} {:>7}",
        "", "threads", "best ms", "median ms", "x read"
    );
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
        let time = |work: &(dyn Fn() + Sync)| pool.install(|| milliseconds(work));
        let read = time(&|| {
            let sum = |row: &[i32]| row.iter().fold(0_i32, |sum, &v| sum.wrapping_add(v));
            let chunks = (0..d.div_ceil(4096))
                .into_par_iter()
                .map(|c| c * 4096..d.min((c + 1) * 4096));
            let total = chunks.map(|c| {
                near.iter()
                    .map(|row| sum(&row[c.clone()]))
                    .fold(0_i32, i32::wrapping_add)
            });
            black_box(total.reduce(|| 0, i32::wrapping_add));
        });
        let print = |name: String, (best, median): (f64, f64)| {
            println!(
                "{name:<58} {threads:>7} {best:>9.2} {median:>9.2} {:>7.1}",
                best / read.0
            );
        };
        print("read every value once".into(), read);
        for rule in rules {
            rule.aggregate_after(&near, &[], state)?;
            let run = || drop(black_box(rule.aggregate_after(&near, &[], state)));
            print(rule.to_string(), time(&run));
        }
        for chain in &chains {
            let names: Vec<&str> = chain.iter().map(Stage::name).collect();
            let rule = Rule::TrimmedMean { f: F };
            rule.aggregate_after(&near, chain, state)?;
            let run = || drop(black_box(rule.aggregate_after(&near, chain, state)));
            print(format!("{}, {rule}", names.join(", ")), time(&run));
        }
        print(
            format!("{}, bad rows at 2^30", krum(N - F)),
            time(&|| drop(black_box(krum(N - F).aggregate(&far)))),
        );
        let aggregate = Rule::Median.aggregate(&near)?.values;
        print(
            "cosine to aggregate".into(),
            time(&|| drop(black_box(score::cosine_to_aggregate(&near, &aggregate)))),
        );
    }
    Ok(())
}
