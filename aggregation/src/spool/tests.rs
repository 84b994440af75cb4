//! Rows in a source give what rows in memory give, whatever is done with them; and what a read fails with is said.

use proptest::prelude::*;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::decide::{bulyan, caf::PowerStart};
use crate::reference::{hostile, table};
use crate::{Neighbours, Rows, Rule, Stage, State};

/// Rows behind a counter of reads; every read from the `last` on fails.
struct Shelf {
    rows: Vec<Vec<i32>>,
    reads: AtomicUsize,
    last: usize,
}

impl Shelf {
    fn of(rows: Vec<Vec<i32>>, last: usize) -> Self {
        Self {
            rows,
            reads: AtomicUsize::new(0),
            last,
        }
    }
}

impl Source for Shelf {
    fn n(&self) -> usize {
        self.rows.len()
    }

    fn d(&self) -> usize {
        self.rows.first().map_or(0, Vec::len)
    }

    fn read(&self, row: usize, first: usize, out: &mut [i32]) -> Result<(), StorageError> {
        if self.reads.fetch_add(1, Ordering::Relaxed) >= self.last {
            return Err(StorageError::new(io::Error::other("the shelf is gone")));
        }
        out.copy_from_slice(&self.rows[row][first..first + out.len()]);
        Ok(())
    }
}

fn rules(n: usize) -> Vec<Rule> {
    let (f, neighbours, start, power) = ((n - 1) / 2, Neighbours::ByzFl, PowerStart::Seed(3), 2);
    let mut all = vec![
        Rule::Mean,
        Rule::WeightedMean { cap: 4 },
        Rule::Median,
        Rule::TrimmedMean { f },
        Rule::Meamed { f },
        Rule::SignMajority,
        Rule::Mda { f },
        Rule::Monna { f, index: n - 1 },
        Rule::Caf { f, start, power },
        Rule::Smea { f, start, power },
        Rule::Dnc {
            f,
            filter_ppm: 1_000_000,
            seed: 4,
            count: 9,
            iterations: 2,
        },
        Rule::FlTrust,
        Rule::Flame,
        Rule::FoolsGold { kappa_ppm: 1_000_000 },
        Rule::GeometricMedian { nu: 1, iterations: 3 },
        Rule::CenteredClipping {
            tau: 1000,
            iterations: 2,
        },
        Rule::NormClipping { norm: 1 << 20 },
    ];
    if n > 1 {
        all.push(Rule::Krum { f: 0, neighbours });
        let select = n - n / 3;
        all.push(Rule::MultiKrum {
            f: n / 3,
            select,
            neighbours,
        });
    }
    if n > 2 {
        let stage = bulyan::Stage::Iterated;
        all.push(Rule::Bulyan {
            f: 0,
            stage,
            neighbours,
        });
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_spool_gives_what_rows_in_memory_give(
        rows in table(1..8, 1..60, hostile()),
        wide in 0_usize..2,
        order in Just((0..8).collect::<Vec<usize>>()).prop_shuffle(),
    ) {
        // Some rows are longer than a segment of a result.
        let longer = |row: &Vec<i32>| row.iter().copied().cycle().take(row.len() + wide * 9000).collect();
        let rows: Vec<Vec<i32>> = rows.iter().map(longer).collect();
        let n = rows.len();
        let shelf = Shelf::of(rows.clone(), usize::MAX);
        let spool = Spool::new(&shelf).unwrap();
        let held = Rows::new(rows.iter().map(Vec::as_slice).collect()).unwrap();
        let pairs = Stage::Bucketing { size: 2, permutation: order.into_iter().filter(|&row| row < n).collect() };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        for chain in [vec![], vec![Stage::Arc { f: n / 3 }, Stage::Nnm { f: n / 3 }], vec![pairs, Stage::Clipping { norm: 1 << 25 }]] {
            let left = chain.iter().fold(n, |n, stage| stage.rows_after(n));
            let weights: Vec<u64> = (1..=left as u64).collect();
            let state = State { reference: Some(&rows[0]), weights: Some(&weights), ..State::default() };
            for rule in rules(left) {
                let expected = rule.aggregate_after(&held, &chain, state);
                prop_assert_eq!(&rule.aggregate_spool(&spool, &chain, state), &expected, "{}", rule);
                prop_assert_eq!(&pool.install(|| rule.aggregate_spool(&spool, &chain, state)), &expected, "{} on three threads", rule);
            }
        }
    }
}

#[test]
fn a_read_that_fails_ends_the_rule_and_the_next_run_may_succeed() {
    let rows: Vec<Vec<i32>> = (0..5)
        .map(|i| (0..10_000).map(|j| i * j % 977 - 400).collect())
        .collect();
    let chain = [Stage::Nnm { f: 1 }];
    for rule in rules(5) {
        let weights = [1; 5];
        let state = State {
            reference: Some(&rows[0]),
            weights: Some(&weights),
            ..State::default()
        };
        for last in 0..7 {
            let mut shelf = Shelf::of(rows.clone(), last);
            let failed = rule.aggregate_spool(&Spool::new(&shelf).unwrap(), &chain, state);
            let error = failed.unwrap_err().to_string();
            assert!(
                error.starts_with("row ") && error.ends_with(" on: the shelf is gone"),
                "{rule}: {error}"
            );
            assert!(shelf.reads.load(Ordering::Relaxed) <= last + 8, "{rule} reads on");
            shelf.last = usize::MAX;
            rule.aggregate_spool(&Spool::new(&shelf).unwrap(), &chain, state)
                .unwrap();
        }
    }
    let none = Shelf::of(Vec::new(), 0);
    assert_eq!(Spool::new(&none).unwrap_err(), RowsError::NoRows);
    let empty = Shelf::of(vec![Vec::new()], 0);
    assert_eq!(Spool::new(&empty).unwrap_err(), RowsError::NoCoordinates);
}
