//! Every rule and stage of `real` on one drawn table.

use super::draw::{self, Draw};
use std::sync::Mutex;
use xfl_aggregation::Neighbours;
use xfl_aggregation::decide::caf::PowerStart;
use xfl_aggregation::decide::weights::Cap;
use xfl_aggregation::decide::{Mixing, Square, bulyan};
use xfl_aggregation::real::{
    Aggregate, Coordinates, Real, Rule, RuleError, Source, Spool, Stage, State, StorageError, Table, TableError,
    distances, gram,
};

/// One of every rule there is, with drawn parameters.
fn rules(draw: &mut Draw, n: usize, d: usize) -> Vec<Rule> {
    let neighbours = draw.of_these(&[Neighbours::Blanchard, Neighbours::ByzFl]);
    let start = draw.of_these(&[PowerStart::Ones, PowerStart::Seed(7)]);
    let power = draw.of_these(&[1, 1, 1, 2, 5, 0, 10_001, usize::MAX]);
    let iterations = draw.of_these(&[0, 1, 3, 3, 10, 1000, 1001, u32::MAX]);
    let stage = draw.of_these(&[bulyan::Stage::Iterated, bulyan::Stage::Once]);
    // A search through subsets that ends by its limit takes long: rarely.
    let few = |draw: &mut Draw| match draw.once_in(200) {
        true => draw.f(n),
        false => draw.f(n).min(3),
    };
    let cap = match draw.below(3) {
        0 => Cap::None,
        1 => Cap::Claim(draw.parameter()),
        _ => Cap::Share(draw.parameter()),
    };
    let count = if draw.once_in(10) { draw.below(n + 2) } else { n };
    let weights = (0..count).map(|_| draw.parameter()).collect();
    let coordinates = match draw.below(3) {
        0 => Coordinates::Listed(vec![
            (0..draw.below(d + 1)).map(|_| draw.below(d)).collect();
            draw.below(3)
        ]),
        1 => Coordinates::Listed(vec![vec![draw.below(2 * d)]]),
        _ => Coordinates::Drawn {
            seed: draw.bits(),
            count: draw.of_these(&[0, 1, 10, 10_000, usize::MAX]),
            iterations: draw.of_these(&[0, 1, 2, usize::MAX]),
        },
    };
    vec![
        Rule::Mean,
        Rule::WeightedMean { weights, cap },
        Rule::Median,
        Rule::TrimmedMean { f: draw.f(n) },
        Rule::Meamed { f: draw.f(n) },
        Rule::SignMajority,
        Rule::GeometricMedian {
            nu: draw.parameter(),
            iterations,
        },
        Rule::CenteredClipping {
            tau: draw.parameter(),
            iterations,
        },
        Rule::Krum {
            f: draw.f(n),
            neighbours,
        },
        Rule::MultiKrum {
            f: draw.f(n),
            select: if draw.once_in(2) { draw.f(n) } else { 1 },
            neighbours,
        },
        Rule::Monna {
            f: draw.f(n),
            index: draw.below(n + 1),
        },
        Rule::NormClipping { norm: draw.parameter() },
        Rule::Bulyan {
            f: draw.f(n),
            stage,
            neighbours,
        },
        Rule::Mda { f: few(draw) },
        Rule::Smea {
            f: few(draw),
            start,
            power,
        },
        Rule::Caf {
            f: draw.f(n),
            start,
            power,
        },
        Rule::Dnc {
            f: draw.f(n),
            filter: draw.parameter(),
            coordinates,
        },
        Rule::FlTrust,
        Rule::Flame,
        Rule::FoolsGold {
            kappa: draw.parameter(),
        },
    ]
}

/// Up to three stages; how many rows the last leaves is for the library to find out.
fn stages(draw: &mut Draw, n: usize) -> Vec<Stage> {
    let count = [0, 0, 1, 1, 2, 3, 9][draw.below(7)];
    let stage = |draw: &mut Draw| match draw.below(5) {
        0 => Stage::StaticClip { norm: draw.parameter() },
        1 => Stage::Arc { f: draw.f(n) },
        2 => Stage::Nnm { f: draw.f(n) },
        3 => Stage::Bucketing {
            size: draw.of_these(&[0, 1, 2, 3, usize::MAX]),
            permutation: draw.permutation(n),
        },
        _ => {
            let m = 1 + draw.below(n + 1);
            let weights = (0..m * n).map(|_| draw.plain() / n as f64).collect();
            match Mixing::new(m, n, weights) {
                Ok(mixing) => Stage::Mix(mixing),
                Err(_) => Stage::Arc { f: 0 },
            }
        }
    };
    (0..count).map(|_| stage(draw)).collect()
}

/// A vector of d numbers, or now and then of another length or with a number that is refused.
fn told(draw: &mut Draw, d: usize) -> Vec<f64> {
    let len = if draw.once_in(20) { d + 1 } else { d };
    draw::rows(draw, 1, len).remove(0)
}

/// Draws a table and what rules are told, and tries every rule on it. How many aggregates were made.
pub(crate) fn case(seed: u64) -> usize {
    let mut draw = Draw::of(seed);
    let (n, d) = (draw.rows(), draw.coordinates());
    let rows = draw::rows(&mut draw, n, d);
    match draw.once_in(2) {
        true => typed(&mut draw, &rows),
        false => {
            let rows: Vec<Vec<f32>> = rows.iter().map(|row| row.iter().map(|&v| v as f32).collect()).collect();
            typed(&mut draw, &rows)
        }
    }
}

fn typed<T: Real>(draw: &mut Draw, rows: &[Vec<T>]) -> usize {
    let (n, d) = (rows.len(), rows[0].len());
    let slices = || rows.iter().map(Vec::as_slice).collect::<Vec<_>>();
    let all = || rows.iter().flatten().map(|&v| -> f64 { v.into() });
    let refused = all().position(|v| !v.is_finite());
    let table = match (Table::new(slices()), refused) {
        (Ok(table), None) => table,
        (Err(error), Some(at)) => {
            let TableError::Value { row, coordinate, .. } = error else {
                panic!("{error}")
            };
            assert_eq!((row, coordinate), (at / d, at % d));
            return 0;
        }
        (outcome, refused) => panic!("{refused:?}: {:?}", outcome.err()),
    };
    squares(&table, draw);
    let (start, reference) = (told(draw, d), told(draw, d));
    let history: Vec<Vec<f64>> = (0..n).map(|_| told(draw, d)).collect();
    let state = State {
        start: draw.once_in(2).then_some(&start[..]),
        reference: draw.once_in(4).then_some(&reference[..]),
        history: draw.once_in(3).then_some(&history[..]),
    };
    let pre = stages(draw, n);
    let most = all().fold(0.0, |most, v| f64::max(most, v.abs()));
    let order = draw.permutation(n);
    let other = Table::new(order.iter().map(|&row| &rows[row][..]).collect()).expect("the same rows");
    let mut made = 0;
    for rule in rules(draw, n, d) {
        let outcome = rule.aggregate(&table, &pre, state);
        let Ok(round) = &outcome else {
            let error = outcome.expect_err("not a result").to_string();
            assert!(!error.is_empty() && !error.ends_with('.'), "{error}");
            continue;
        };
        made += 1;
        finite(&rule, round, d);
        within(&rule, round, &pre, state, most);
        if draw.once_in(4) {
            assert_eq!(stored(&rule, rows, &pre, state).as_ref(), Ok(round), "{rule:?} {pre:?}");
        }
        if pre.is_empty() {
            reordered(&rule, round, &rule.aggregate(&other, &[], state), &order, most);
        }
        if pre.is_empty() && draw.once_in(4) {
            twice(&rule, round, rows, state, most);
        }
    }
    made
}

/// Distances and scalar products: finite, and the same for rows in another order.
fn squares<T: Real>(table: &Table<'_, T>, draw: &mut Draw) {
    let n = table.n();
    let order = draw.permutation(n);
    let other = Table::new(order.iter().filter_map(|&row| table.row(row)).collect()).expect("the same rows");
    for of in [distances::<T>, gram::<T>] {
        let (one, other): (Square<f64>, Square<f64>) = (of(table).expect("n is small"), of(&other).expect("as small"));
        for i in 0..n {
            for j in 0..n {
                assert!(one.at(i, j).is_finite());
                assert_eq!(other.at(i, j), one.at(order[i], order[j]));
            }
        }
    }
}

fn finite(rule: &Rule, round: &Aggregate, d: usize) {
    assert_eq!(round.values.len(), d, "{rule:?}");
    let numbers = round.values.iter().chain(round.weights.iter().flatten());
    let mut numbers = numbers.chain(round.scores.iter().flatten()).chain(&round.bound);
    assert!(numbers.all(|v| v.is_finite()), "{rule:?}: {round:?}");
    let distances = round.distances.iter().flat_map(Square::values);
    assert!(distances.into_iter().all(|v| v.is_finite() && *v >= 0.0), "{rule:?}");
}

/// No rule that averages leaves the rows' range; FLTrust keeps to the reference's length, and only a matrix given by the
/// caller may enlarge rows.
fn within(rule: &Rule, round: &Aggregate, pre: &[Stage], state: State<'_>, most: f64) {
    let enlarged = pre.iter().filter(|stage| matches!(stage, Stage::Mix(_))).count();
    let largest = |vector: Option<&[f64]>| vector.unwrap_or_default().iter().fold(0.0, |a, b| f64::max(a, b.abs()));
    let bound = match rule {
        Rule::SignMajority => 1.0,
        Rule::FlTrust => largest(state.reference) * (state.reference.map_or(0, <[f64]>::len) as f64).sqrt(),
        _ => f64::max(most * f64::powi(2.0, enlarged as i32), largest(state.start)),
    };
    // Where everything is subnormal, a product of weight and value is rounded to its grid.
    let bound = bound * (1.0 + 1e-9) + 1e-321;
    let worst = largest(Some(&round.values));
    assert!(worst <= bound, "{rule:?} {pre:?}: {worst:e} above {bound:e}");
}

/// The order in which rows came must not matter where the rule has no ties to settle by it.
fn reordered(rule: &Rule, round: &Aggregate, other: &Result<Aggregate, RuleError>, order: &[usize], most: f64) {
    let exact = matches!(rule, Rule::Median | Rule::SignMajority);
    let near = matches!(rule, Rule::Mean | Rule::TrimmedMean { .. } | Rule::NormClipping { .. });
    let scored = matches!(rule, Rule::Krum { .. } | Rule::MultiKrum { .. });
    if !(exact || near || scored) {
        return;
    }
    let other = other.as_ref().unwrap_or_else(|error| panic!("{rule:?}: {error}"));
    if exact {
        assert_eq!(round.values, other.values, "{rule:?}");
    }
    if near {
        close(rule, &round.values, &other.values, most);
    }
    if let (Some(scores), Some(others), true) = (&round.scores, &other.scores, scored) {
        let moved: Vec<f64> = order.iter().map(|&row| scores[row]).collect();
        assert_eq!(&moved, others, "{rule:?}");
    }
}

/// Every row twice, with twice as many bad ones, is the same round.
fn twice<T: Real>(rule: &Rule, round: &Aggregate, rows: &[Vec<T>], state: State<'_>, most: f64) {
    let double = match rule {
        Rule::Mean | Rule::Median | Rule::SignMajority => rule.clone(),
        Rule::TrimmedMean { f } => Rule::TrimmedMean { f: 2 * f },
        _ => return,
    };
    let rows = rows.iter().chain(rows).map(Vec::as_slice).collect();
    let table = Table::new(rows).expect("the same rows");
    // Of the state only the history has as many vectors as there are rows, and these rules don't look at it.
    let state = State { history: None, ..state };
    // Twice 2f+1 rows are one more than 2(2f)+1 asks for.
    let doubled = double.aggregate(&table, &[], state).expect("as good a cohort");
    match rule {
        Rule::Median | Rule::SignMajority => assert_eq!(doubled.values, round.values, "{rule:?}"),
        _ => close(rule, &doubled.values, &round.values, most),
    }
}

fn close(rule: &Rule, some: &[f64], others: &[f64], most: f64) {
    for (a, b) in some.iter().zip(others) {
        assert!((a - b).abs() <= 1e-12 * most + 1e-321, "{rule:?}: {a:e} and {b:e}");
    }
}

/// The same rows, read when they are needed.
struct Kept<'a, T>(&'a [Vec<T>]);

impl<T: Real> Source<T> for Kept<'_, T> {
    fn n(&self) -> usize {
        self.0.len()
    }

    fn d(&self) -> usize {
        self.0[0].len()
    }

    fn read(&self, row: usize, first: usize, out: &mut [T]) -> Result<(), StorageError> {
        out.copy_from_slice(&self.0[row][first..first + out.len()]);
        Ok(())
    }
}

fn stored<T: Real>(rule: &Rule, rows: &[Vec<T>], pre: &[Stage], state: State<'_>) -> Result<Aggregate, RuleError> {
    let values = Mutex::new(vec![f64::NAN; rows[0].len()]);
    let source = Kept(rows);
    let into = |first: usize, part: &[f64]| {
        values.lock().expect("no panic")[first..first + part.len()].copy_from_slice(part);
        Ok(())
    };
    let made = rule.aggregate_spool(&Spool::new(&source)?, pre, state, &into)?;
    Ok(Aggregate {
        values: values.into_inner().expect("no panic"),
        ..made
    })
}
