//! Rows that are read in blocks: the bits of the same rows in memory, and what happens when reading or writing fails.

use super::*;
use std::io::{Error, ErrorKind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Rows in memory that behave like files: they count what is read, can fail, and can change.
#[derive(Default)]
struct Files {
    rows: Vec<Vec<f64>>,
    read: AtomicUsize,
    longest: AtomicUsize,
    /// A row and coordinate that can't be read.
    broken: Option<(usize, usize)>,
    /// After so many numbers were read, the last row is NaN.
    changes_after: Option<usize>,
}

impl Files {
    fn of(rows: &[Vec<f64>]) -> Self {
        Self {
            rows: rows.to_vec(),
            ..Self::default()
        }
    }

    fn broken_at(self, row: usize, coordinate: usize) -> Self {
        Self {
            broken: Some((row, coordinate)),
            ..self
        }
    }
}

impl Source<f64> for Files {
    fn n(&self) -> usize {
        self.rows.len()
    }

    fn d(&self) -> usize {
        self.rows.first().map_or(0, Vec::len)
    }

    fn read(&self, row: usize, first: usize, out: &mut [f64]) -> Result<(), StorageError> {
        let columns = first..first + out.len();
        if self.broken.is_some_and(|(r, c)| r == row && columns.contains(&c)) {
            return Err(StorageError::new(Error::new(ErrorKind::UnexpectedEof, "cut short")));
        }
        let before = self.read.fetch_add(out.len(), Ordering::Relaxed);
        self.longest.fetch_max(out.len(), Ordering::Relaxed);
        out.copy_from_slice(&self.rows[row][columns]);
        if self.changes_after.is_some_and(|most| before >= most) && row + 1 == self.rows.len() {
            out.fill(f64::NAN);
        }
        Ok(())
    }
}

/// The aggregate with its values, each of which must be handed over once.
fn collected(rule: &Rule, files: &Files, pre: &[Stage], state: State<'_>) -> Result<Aggregate, RuleError> {
    let d = files.d();
    let values = Mutex::new((vec![f64::NAN; d], 0));
    let into = |first: usize, part: &[f64]| {
        let mut values = values.lock().unwrap();
        assert!(values.0[first..first + part.len()].iter().all(|v| v.is_nan()), "twice");
        values.0[first..first + part.len()].copy_from_slice(part);
        values.1 += part.len();
        Ok(())
    };
    let made = rule.aggregate_spool(&Spool::new(files)?, pre, state, &into)?;
    assert!(made.values.is_empty());
    let (values, handed) = values.into_inner().unwrap();
    assert_eq!(handed, d);
    Ok(Aggregate { values, ..made })
}

fn every_stage(n: usize) -> Vec<Stage> {
    vec![
        Stage::StaticClip { norm: 60.0 },
        Stage::Arc { f: 1 },
        Stage::Nnm { f: 1 },
        Stage::Bucketing {
            size: 1,
            permutation: (0..n).rev().collect(),
        },
    ]
}

#[test]
fn a_spool_gives_the_bits_of_the_table() {
    for (n, d) in [(7, 70_001), (5, 3), (1, 140_000), (41, 9_000)] {
        let rows = long_rows(n, d);
        let (table, files) = (&Table::new(rows_of(&rows)).unwrap(), &Files::of(&rows));
        let start = &long_rows(n + 1, d)[n];
        let stages = every_stage(n);
        let mut chains = vec![&stages[..0]];
        if n == 7 {
            chains.extend([&stages[..], &stages[2..3]]);
        }
        let told = [
            Rule::FlTrust,
            Rule::FoolsGold { kappa: 1.0 },
            Rule::Dnc {
                f: n / 5,
                filter: 1.0,
                coordinates: Coordinates::Drawn {
                    seed: 5,
                    count: 100,
                    iterations: 2,
                },
            },
        ];
        for rule in rules(n).into_iter().chain(told) {
            // A search, not a pass.
            if matches!(rule, Rule::Mda { .. } | Rule::Smea { .. }) && n > 20 {
                continue;
            }
            let state = State {
                start: Some(start),
                reference: Some(&rows[0]),
                ..State::default()
            };
            for pre in &chains {
                let held = rule.aggregate(table, pre, state);
                for threads in [1, 3] {
                    let stored = on_threads(threads, || collected(&rule, files, pre, state));
                    match (&held, &stored) {
                        (Ok(held), Ok(stored)) => {
                            assert_eq!(bits(&held.values), bits(&stored.values), "{rule:?} {pre:?}");
                            assert_eq!(held, stored);
                        }
                        _ => assert_eq!(held, stored, "{rule:?} {pre:?}"),
                    }
                }
            }
        }
    }
}

/// A row that is left out must be looked at once all the same.
#[test]
fn the_value_at_fault_is_the_one_that_a_table_names() {
    let n = 6;
    let good = long_rows(n, 70_001);
    for places in [
        &[(5, 70_000)][..],
        &[(4, 1), (2, 69_999), (2, 70_000)],
        &[(0, 0), (5, 3)],
    ] {
        let mut rows = good.clone();
        for &(row, coordinate) in places {
            rows[row][coordinate] = if row % 2 == 0 { f64::NAN } else { 1e200 };
        }
        let expected = Table::new(rows_of(&rows)).unwrap_err().to_string();
        let weights = vec![1.0, 1.0, 0.0, 1.0, 0.0, 0.0];
        let others = [
            Rule::WeightedMean {
                weights,
                cap: Cap::None,
            },
            Rule::GeometricMedian { nu: 0.1, iterations: 0 },
            Rule::Dnc {
                f: 1,
                filter: 1.0,
                coordinates: Coordinates::Listed(vec![vec![7, 8]]),
            },
        ];
        for rule in rules(n).into_iter().chain(others) {
            for pre in [&[][..], &[Stage::Nnm { f: 1 }]] {
                let error = collected(&rule, &Files::of(&rows), pre, State::default()).unwrap_err();
                assert_eq!(error.to_string(), expected, "{rule:?}");
                assert!(matches!(error, RuleError::Rows(TableError::Value { .. })));
            }
        }
    }
}

#[test]
fn what_cannot_be_read_or_written_is_an_error_that_carries_its_cause() {
    let rows = long_rows(6, 70_001);
    for rule in rules(6) {
        let files = Files::of(&rows).broken_at(3, 69_000);
        let error = collected(&rule, &files, &[], State::default()).unwrap_err();
        let RuleError::Rows(TableError::Read { row: 3, error, .. }) = error else {
            panic!("{rule:?}: {error}")
        };
        let cause: &(dyn std::error::Error + 'static) = error.cause();
        assert_eq!(cause.downcast_ref::<Error>().unwrap().kind(), ErrorKind::UnexpectedEof);

        let files = Files::of(&rows);
        let full = |first: usize, _: &[f64]| match first {
            0 => Ok(()),
            _ => Err(StorageError::new(Error::from(ErrorKind::StorageFull))),
        };
        let error = rule.aggregate_spool(&Spool::new(&files).unwrap(), &[], State::default(), &full);
        let error = error.unwrap_err();
        assert!(
            matches!(&error, RuleError::Write { coordinate, .. } if *coordinate > 0),
            "{rule:?}: {error}"
        );
        // Nothing is left of either: the same source again.
        let table = Table::new(rows_of(&rows)).unwrap();
        let again = collected(&rule, &files, &[], State::default()).unwrap();
        assert_eq!(again, rule.aggregate(&table, &[], State::default()).unwrap());
    }
}

/// A file that another process writes to between two passes.
#[test]
fn rows_that_change_between_passes_poison_nothing() {
    let rows = long_rows(6, 70_001);
    let rule = Rule::GeometricMedian { nu: 0.1, iterations: 3 };
    for changes_after in [Some(6 * 70_001), Some(13 * 70_001)] {
        let files = Files {
            changes_after,
            ..Files::of(&rows)
        };
        let error = collected(&rule, &files, &[], State::default()).unwrap_err();
        assert!(
            matches!(error, RuleError::Rows(TableError::Value { row: 5, .. })),
            "{error}"
        );
    }
}

#[test]
fn rows_that_are_not_needed_are_not_read_again() {
    let (n, d) = (9, 50_001);
    let rows = long_rows(n, d);
    let read = |rule: &Rule| {
        let files = Files::of(&rows);
        collected(rule, &files, &[], State::default()).unwrap();
        assert!(files.longest.load(Ordering::Relaxed) <= 1 << 16);
        files.read.load(Ordering::Relaxed)
    };
    let neighbours = Neighbours::Blanchard;
    assert_eq!(read(&Rule::Median), n * d);
    assert_eq!(read(&Rule::Krum { f: 2, neighbours }), n * d + d);
    let select = 4;
    assert_eq!(
        read(&Rule::MultiKrum {
            f: 2,
            select,
            neighbours
        }),
        n * d + 4 * d
    );
    assert_eq!(read(&Rule::GeometricMedian { nu: 0.1, iterations: 2 }), 3 * n * d);
}

#[test]
fn a_source_without_rows_is_refused() {
    assert_eq!(Spool::new(&Files::default()).unwrap_err(), TableError::NoRows);
    assert_eq!(
        Spool::new(&Files::of(&[vec![]])).unwrap_err(),
        TableError::NoCoordinates
    );
    let crowd = Files::of(&vec![vec![1.0]; crate::MAX_ROWS + 1]);
    assert!(matches!(Spool::new(&crowd), Err(TableError::TooManyRows { .. })));
    let spool = Files::of(&[vec![1.0, 2.0]]);
    let spool = Spool::new(&spool).unwrap();
    assert_eq!((spool.n(), spool.d()), (1, 2));
}
