//! DnC on sampled coordinates ([`dnc`]): which are looked at is an argument, as a list or a seed.
//!
//! Only the sampled values of each row are gathered, n*k numbers per iteration, whatever d is; then one pass of cost n*d
//! makes the mean.

use super::decision::{Aggregate, Decision};
use super::element::Real;
use super::view::View;
use crate::decide::{DecisionError, dnc};
use crate::rows::MAX_COORDINATES;
use std::collections::BTreeSet;

/// Most values gathered over all iterations: 128 MiB.
pub const MAX_SAMPLED: usize = 1 << 24;

/// Which coordinates DnC looks at. Senders must not know them beforehand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Coordinates {
    /// For each iteration the coordinates by index.
    Listed(Vec<Vec<usize>>),
    /// `count` different ones per iteration (all d where there are no more), each set as likely as any other up to 2^-24:
    /// Floyd's sampling on the outputs of SplitMix64 for the seed, one after the other over all iterations. An output u
    /// becomes a number below m as floor(u * m / 2^64).
    Drawn {
        /// From randomness drawn after the rows were fixed.
        seed: u64,
        /// Coordinates per iteration, at least 1. The paper's k, up to 10,000.
        count: usize,
        /// Iterations, at least 1; only rows good in every one are kept.
        iterations: usize,
    },
}

impl Coordinates {
    /// Whether they are coordinates of rows of d, and not too many for n rows.
    pub(crate) fn check(&self, n: usize, d: usize) -> Result<(), DecisionError> {
        let parameter = |name, expected, got: usize| DecisionError::Parameter {
            name,
            expected,
            got: got as f64,
        };
        let values = match self {
            Coordinates::Listed(lists) => {
                let all = lists.iter().flatten();
                if let Some(&got) = all.clone().find(|&&c| c >= d) {
                    return Err(parameter("sampled coordinate", "an index below d", got));
                }
                if lists.is_empty() || lists.iter().any(Vec::is_empty) {
                    return Err(parameter("sampled coordinates", "at least one in each iteration", 0));
                }
                all.count()
            }
            Coordinates::Drawn { count, iterations, .. } => {
                if *count == 0 || *iterations == 0 {
                    return Err(parameter("sampled coordinates", "at least one in each iteration", 0));
                }
                (*count).min(d).saturating_mul(*iterations)
            }
        };
        match values.saturating_mul(n) > MAX_SAMPLED {
            true => Err(parameter(
                "sampled values",
                "at most 2^24 over all rows and iterations",
                values,
            )),
            false => Ok(()),
        }
    }

    /// For each iteration the coordinates, all below d.
    pub(crate) fn lists(&self, d: usize) -> Vec<Vec<usize>> {
        match self {
            Coordinates::Listed(lists) => lists.clone(),
            Coordinates::Drawn {
                seed,
                count,
                iterations,
            } => {
                let mut state = *seed;
                (0..*iterations).map(|_| draw(&mut state, *count, d)).collect()
            }
        }
    }
}

/// `count` different numbers below d, at most d, in ascending order.
fn draw(state: &mut u64, count: usize, d: usize) -> Vec<usize> {
    let d = d.min(MAX_COORDINATES);
    let mut drawn = BTreeSet::new();
    for last in d - count.min(d)..d {
        let number = (u128::from(next(state)) * (last as u128 + 1)) >> 64;
        if !drawn.insert(number as usize) {
            drawn.insert(last);
        }
    }
    drawn.into_iter().collect()
}

/// SplitMix64: Steele, Lea and Flood, *Fast Splittable Pseudorandom Number Generators*, OOPSLA 2014.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

pub(super) fn aggregate<T: Real>(
    view: &View<'_, T>,
    f: usize,
    filter: f64,
    coordinates: &Coordinates,
) -> Result<Aggregate, DecisionError> {
    let removals = dnc::removals(f, filter)?;
    let lists = coordinates.lists(view.d());
    let samples: Vec<Vec<Vec<f64>>> = lists.iter().map(|list| view.at(list)).collect();
    let samples: Vec<dnc::Sample<'_>> = samples.iter().map(Vec::as_slice).collect();
    Decision::mean_of(&dnc::select(&samples, f, removals)?).combine(view, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_distinct_and_of_the_seed() {
        // The first output of SplitMix64 for seed 0.
        assert_eq!(next(&mut 0), 0xe220_a839_7b1d_cdaf);
        let drawn = |seed, count| {
            Coordinates::Drawn {
                seed,
                count,
                iterations: 2,
            }
            .lists(100)
        };
        let lists = drawn(1, 10);
        assert_eq!((lists.len(), lists[0].len()), (2, 10));
        assert!(
            lists
                .iter()
                .all(|list| list.is_sorted_by(|a, b| a < b) && list[9] < 100)
        );
        assert_ne!(lists[0], lists[1]);
        assert_eq!(lists, drawn(1, 10));
        assert_ne!(lists, drawn(2, 10));
        assert_eq!(drawn(1, usize::MAX)[1], (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn what_cannot_be_sampled_is_refused() {
        let drawn = |count, iterations| Coordinates::Drawn {
            seed: 0,
            count,
            iterations,
        };
        assert!(drawn(1000, 1).check(10, 5).is_ok());
        for bad in [
            drawn(0, 1),
            drawn(1, 0),
            drawn(1, usize::MAX),
            Coordinates::Listed(vec![]),
        ] {
            assert!(bad.check(10, 5).is_err(), "{bad:?}");
        }
        let listed = |list: &[usize]| Coordinates::Listed(vec![list.to_vec()]).check(10, 5);
        assert!(listed(&[4, 0]).is_ok() && listed(&[5]).is_err() && listed(&[]).is_err());
    }
}
