//! The scorers by name, made of `--param`, and the random orders that some walk along.

use std::path::PathBuf;

use xfl_aggregation::score::{GtgTerms, Ppm, ReputationTerms};
use xfl_core::seed::Seed;

use super::catalogue;
use crate::{commands::aggregate::Params, failure::Failure};

/// Most random orders walked.
const MAX_ORDERS: usize = 100_000;

/// Random orders that the truncated walk takes where nothing is said.
pub(super) const USUALLY: usize = 20;

/// The same for the guided one, where that is a sweep at least.
pub(super) const USUALLY_GUIDED: usize = 60;

/// What a seed is.
const SEED: &str = "a number that no sender of a row could know when it sent it; it decides the random orders";

/// How rows are scored.
#[derive(Clone, Debug)]
pub(super) enum Scorer {
    /// What is lost without the row.
    LeaveOneOut,
    /// Exact Shapley values.
    Shapley,
    /// Shapley values from random orders.
    TruncatedShapley {
        orders: Orders,
        /// What is left to gain where a walk stops.
        tolerance: Ppm,
    },
    /// The same, guided, until it converges.
    GtgShapley { orders: Orders, terms: GtgTerms },
    /// Cosine with the aggregate.
    Cosine,
    /// Cosine with the sum of the rows, and reputations.
    Cgsv {
        terms: ReputationTerms,
        /// Of the rounds before; equal where absent.
        reputations: Option<PathBuf>,
        /// Where the new ones go.
        next: Option<PathBuf>,
    },
    /// Whose row is whose.
    Copies,
}

/// Random orders of the rows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Orders {
    count: Option<usize>,
    seed: u64,
}

impl Orders {
    fn parse(params: &mut Params) -> Result<Self, Failure> {
        let count: Option<usize> = params.maybe("orders")?;
        if let Some(count) = count.filter(|count| !(1..=MAX_ORDERS).contains(count)) {
            let what = format!("--param orders={count}: expected 1 to {MAX_ORDERS} orders");
            return Err(Failure::usage(what).hint("more orders make standard errors smaller, by their square root"));
        }
        Ok(Self {
            count,
            seed: params.needed("seed", SEED)?,
        })
    }

    /// The orders of `n` rows, each uniform; `usually` many where no number was given.
    pub(super) fn draw(self, n: usize, usually: usize) -> Vec<Vec<usize>> {
        let root = Seed::from_number(self.seed);
        let order = |k: usize| root.derive("order of rows", &[k as u64]).stream().permutation(n);
        (0..self.count.unwrap_or(usually)).map(order).collect()
    }
}

impl Scorer {
    /// The scorer of this name with these `NAME=VALUE` texts.
    pub(super) fn parse(name: &str, texts: &[String]) -> Result<Self, Failure> {
        let mut params = Params::parse(texts)?;
        let scorer = match name {
            "leave-one-out" => Self::LeaveOneOut,
            "shapley" => Self::Shapley,
            "truncated-shapley" => Self::TruncatedShapley {
                orders: Orders::parse(&mut params)?,
                tolerance: ppm(&mut params, "tolerance", Ppm(1_000))?,
            },
            "gtg-shapley" => Self::GtgShapley {
                orders: Orders::parse(&mut params)?,
                terms: gtg(&mut params)?,
            },
            "cosine" => Self::Cosine,
            "cgsv" => {
                let usual = ReputationTerms::default();
                Self::Cgsv {
                    terms: ReputationTerms {
                        decay: ppm(&mut params, "decay", usual.decay)?,
                        least: ppm(&mut params, "least", usual.least)?,
                    },
                    reputations: params.maybe("reputations")?,
                    next: params.maybe("next")?,
                }
            }
            "copies" => Self::Copies,
            _ => {
                let known: Vec<_> = catalogue::SCORERS.iter().map(|s| s.name).collect();
                return Err(
                    Failure::usage(format!("no scorer {name:?}")).hint(format!("there are {}", known.join(", ")))
                );
            }
        };
        params.finish(name)?;
        Ok(scorer)
    }

    /// Its name.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::LeaveOneOut => "leave-one-out",
            Self::Shapley => "shapley",
            Self::TruncatedShapley { .. } => "truncated-shapley",
            Self::GtgShapley { .. } => "gtg-shapley",
            Self::Cosine => "cosine",
            Self::Cgsv { .. } => "cgsv",
            Self::Copies => "copies",
        }
    }

    /// Whether it asks what coalitions are worth.
    pub(super) fn plays(&self) -> bool {
        !matches!(self, Self::Cosine | Self::Cgsv { .. } | Self::Copies)
    }
}

impl Scorer {
    /// The most coalitions of `n` rows that it asks for.
    pub(super) fn most_evaluations(&self, n: usize) -> u64 {
        let n = n as u64;
        let all = 1 << n.min(63);
        let walks = |orders: &Orders, usually: u64| {
            let orders = orders.count.map_or(usually, |count| count as u64);
            orders.saturating_mul(n.saturating_sub(1)).saturating_add(2).min(all)
        };
        match self {
            Self::LeaveOneOut => n + 1,
            Self::Shapley => all,
            Self::TruncatedShapley { orders, .. } => walks(orders, USUALLY as u64),
            Self::GtgShapley { orders, .. } => walks(orders, (USUALLY_GUIDED as u64).max(n)),
            Self::Cosine | Self::Cgsv { .. } | Self::Copies => 0,
        }
    }
}

fn ppm(params: &mut Params, name: &'static str, usual: Ppm) -> Result<Ppm, Failure> {
    Ok(Ppm(params.or(name, usual.0)?))
}

fn gtg(params: &mut Params) -> Result<GtgTerms, Failure> {
    let usual = GtgTerms::default();
    Ok(GtgTerms {
        round_tolerance: ppm(params, "round-tolerance", usual.round_tolerance)?,
        walk_tolerance: ppm(params, "walk-tolerance", usual.walk_tolerance)?,
        fewest: params.or("fewest", usual.fewest)?,
        window: params.or("window", usual.window)?,
        change: ppm(params, "change", usual.change)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scorer_of_the_list_is_known_by_its_name() {
        for entry in catalogue::SCORERS {
            let texts = if entry.params.contains("seed=") {
                vec!["seed=1".to_owned()]
            } else {
                Vec::new()
            };
            let scorer = Scorer::parse(entry.name, &texts).unwrap();
            assert_eq!(scorer.name(), entry.name);
            assert_eq!(scorer.plays(), entry.needs.contains("value"), "{}", entry.name);
        }
    }

    #[test]
    fn orders_are_drawn_from_the_seed_and_uniform() {
        let orders = Orders {
            count: Some(6_000),
            seed: 3,
        };
        let drawn = orders.draw(3, 1);
        assert_eq!(drawn, orders.draw(3, 7));
        let mut counts = std::collections::BTreeMap::new();
        for order in drawn {
            *counts.entry(order).or_insert(0_u32) += 1;
        }
        // Six orders, a thousand each; the deviation is below five standard deviations of 29.
        assert!(
            counts.len() == 6 && counts.values().all(|&c| c.abs_diff(1_000) < 150),
            "{counts:?}"
        );
    }
}
