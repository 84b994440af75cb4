//! What can be said of an integer rule before it sees a row: its name, what it needs, and how it is written.

use super::iterative::MAX_ITERATIONS;
use super::sampled::removals;
use super::{MAX_KRUM_ROWS, Rule, RuleError};
use crate::decide::bulyan;
use crate::decide::caf::{MAX_POWER, PowerStart};
use crate::rows::MAX_ROWS;
use std::fmt;

impl Rule {
    /// The name used in configuration and on the command line.
    pub fn name(&self) -> &'static str {
        match self {
            Rule::Mean => "mean",
            Rule::WeightedMean { .. } => "weighted-mean",
            Rule::Median => "median",
            Rule::TrimmedMean { .. } => "trimmed-mean",
            Rule::MultiKrum { .. } => "multi-krum",
            Rule::Meamed { .. } => "meamed",
            Rule::SignMajority => "sign-majority",
            Rule::Krum { .. } => "krum",
            Rule::Bulyan { .. } => "bulyan",
            Rule::Mda { .. } => "mda",
            Rule::Monna { .. } => "monna",
            Rule::Caf { .. } => "caf",
            Rule::Smea { .. } => "smea",
            Rule::Dnc { .. } => "dnc",
            Rule::FlTrust => "fltrust",
            Rule::Flame => "flame",
            Rule::FoolsGold { .. } => "foolsgold",
            Rule::GeometricMedian { .. } => "geometric-median",
            Rule::CenteredClipping { .. } => "centered-clipping",
            Rule::NormClipping { .. } => "norm-clipping",
        }
    }

    /// Whether the rule must see each update; means can also be taken of a masked sum ([`mean_of_sum`](crate::mean_of_sum)), the
    /// weighted one if it is of rows that were weighted before.
    pub fn needs_single_updates(&self) -> bool {
        !matches!(self, Rule::Mean | Rule::WeightedMean { .. })
    }

    /// Whether a coordinate of the result depends on that coordinate of the rows only, so that a
    /// contract can recompute it alone ([`Rule::recompute_coordinate`]). A weighted mean's depends on the weights too.
    pub fn coordinate_wise(&self) -> bool {
        matches!(
            self,
            Rule::Mean | Rule::Median | Rule::TrimmedMean { .. } | Rule::Meamed { .. } | Rule::SignMajority
        )
    }

    /// The fewest rows the rule works on with these parameters. Saturates, so that an absurd `f` is never met.
    pub fn minimum_cohort(&self) -> usize {
        match *self {
            Rule::TrimmedMean { f } | Rule::Meamed { f } | Rule::Mda { f } => majority(f),
            Rule::Monna { f, .. } | Rule::Caf { f, .. } | Rule::Smea { f, .. } => majority(f),
            Rule::Dnc { f, filter_ppm, .. } => majority(f).max(removals(f, filter_ppm).saturating_add(1)),
            Rule::Krum { f, neighbours } => neighbours.minimum_cohort(f),
            Rule::MultiKrum { f, select, neighbours } => neighbours.minimum_cohort(f).max(select.saturating_add(f)),
            Rule::Bulyan { f, .. } => f.saturating_mul(4).saturating_add(3),
            _ => 1,
        }
    }

    /// Whether the rule works on `n` rows with these parameters.
    pub(crate) fn check_cohort(&self, n: usize) -> Result<(), RuleError> {
        let rule = self.name();
        let in_range = |parameter, least: u64, most: u64, got: u64| match (least..=most).contains(&got) {
            true => Ok(()),
            false => Err(RuleError::Parameter {
                rule,
                parameter,
                least,
                most,
                got,
            }),
        };
        let mut most = MAX_ROWS;
        match *self {
            Rule::MultiKrum { f, select, neighbours } => {
                most = MAX_KRUM_ROWS;
                if select == 0 {
                    return Err(RuleError::SelectsNone);
                }
                if n >= neighbours.minimum_cohort(f) && select > n - f {
                    return Err(RuleError::SelectsTooMany { select, f, n });
                }
            }
            Rule::Krum { .. } | Rule::Bulyan { .. } | Rule::Mda { .. } => most = MAX_KRUM_ROWS,
            Rule::Dnc { .. } | Rule::Flame => most = MAX_KRUM_ROWS,
            Rule::FoolsGold { kappa_ppm } => {
                most = MAX_KRUM_ROWS;
                in_range("kappa in ppm", 1, u64::MAX, kappa_ppm)?;
            }
            Rule::Caf { power, .. } | Rule::Smea { power, .. } => {
                most = MAX_KRUM_ROWS;
                in_range("power", 1, MAX_POWER as u64, power as u64)?;
            }
            Rule::Monna { index, .. } if index >= n => return Err(RuleError::NoSuchRow { rule, row: index, n }),
            Rule::GeometricMedian { nu, iterations } => {
                in_range("nu", 1, u64::from(u32::MAX), u64::from(nu))?;
                in_range("iterations", 0, u64::from(MAX_ITERATIONS), u64::from(iterations))?;
            }
            Rule::CenteredClipping { iterations, .. } => {
                in_range("iterations", 0, u64::from(MAX_ITERATIONS), u64::from(iterations))?;
            }
            _ => {}
        }
        let expected = self.minimum_cohort();
        if n < expected {
            return Err(RuleError::CohortTooSmall { rule, expected, got: n });
        }
        if n > most {
            return Err(RuleError::CohortTooLarge {
                rule,
                expected: most,
                got: n,
            });
        }
        Ok(())
    }
}

fn majority(f: usize) -> usize {
    f.saturating_mul(2).saturating_add(1)
}

impl fmt::Display for Rule {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rule::Mean | Rule::Median | Rule::SignMajority | Rule::FlTrust | Rule::Flame => out.write_str(self.name()),
            Rule::TrimmedMean { f } | Rule::Meamed { f } | Rule::Mda { f } => write!(out, "{} f={f}", self.name()),
            Rule::Krum { f, neighbours } => write!(out, "{} f={f} neighbours={neighbours}", self.name()),
            Rule::Bulyan { f, stage, neighbours } => {
                let stage = match stage {
                    bulyan::Stage::Iterated => "iterated",
                    bulyan::Stage::Once => "once",
                };
                write!(out, "{} f={f} stage={stage} neighbours={neighbours}", self.name())
            }
            Rule::Monna { f, index } => write!(out, "{} f={f} index={index}", self.name()),
            Rule::Caf { f, start, power } | Rule::Smea { f, start, power } => {
                let start = match start {
                    PowerStart::Ones => "ones".to_owned(),
                    PowerStart::Seed(seed) => format!("seed:{seed}"),
                };
                write!(out, "{} f={f} power-start={start} power={power}", self.name())
            }
            Rule::Dnc {
                f,
                filter_ppm,
                seed,
                count,
                iterations,
            } => {
                let name = self.name();
                write!(
                    out,
                    "{name} f={f} filter-ppm={filter_ppm} seed={seed} count={count} iterations={iterations}"
                )
            }
            Rule::FoolsGold { kappa_ppm } => write!(out, "{} kappa-ppm={kappa_ppm}", self.name()),
            Rule::GeometricMedian { nu, iterations } => {
                write!(out, "{} nu={nu} iterations={iterations}", self.name())
            }
            Rule::CenteredClipping { tau, iterations } => {
                write!(out, "{} tau={tau} iterations={iterations}", self.name())
            }
            Rule::WeightedMean { cap } => write!(out, "{} cap={cap}", self.name()),
            Rule::NormClipping { norm } => write!(out, "{} norm={norm}", self.name()),
            Rule::MultiKrum { f, select, neighbours } => {
                write!(out, "{} f={f} select={select} neighbours={neighbours}", self.name())
            }
        }
    }
}
