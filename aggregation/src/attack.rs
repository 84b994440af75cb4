//! Attacks on vectors: what malicious clients send, made from the honest rows they know.
//!
//! | attack | sends | knows | cost |
//! |---|---|---|---|
//! | [sign-flip](Attack::SignFlip) | -scale * mean | honest rows | n*d |
//! | [ipm](Attack::Ipm) | -epsilon * mean | honest rows | n*d |
//! | [alie](Attack::Alie) | mean + z * standard deviation | rows to estimate from | 2*n*d |
//! | [optimal-ipm](Attack::OptimalIpm), [optimal-alie](Attack::OptimalAlie) | the same with the factor that hurts most | honest rows and the rule | a run of the rule per evaluation |
//! | [mimic](Attack::Mimic) | one honest row, all alike | one honest row, or all to choose it | d, or n^2*d/2 |
//! | [gaussian](Attack::Gaussian) | noise | nothing | f*d draws |
//! | [min-max](Attack::MinMax), [min-sum](Attack::MinSum) | mean + gamma * p, as far as honest distances allow | honest rows | n^2*d/2 |
//! | [free-rider](Attack::FreeRider) | zeros, or the last aggregate | nothing | d |
//! | [copied-update](Attack::CopiedUpdate) | one honest row, each another | the rows copied | f*d |
//!
//! Infinities and NaN are [`non_finite`]: no table takes such rows. Label flips and backdoors change data, not vectors, and
//! are not here.
//!
//! - **Sendable.** A malicious row passes every check that honest rows pass: finite and within its type for a
//!   [`Table`](crate::real::Table); on the grid and within the plan's limits for a [`Grid`].
//! - **Total.** Parameters out of range are errors; any honest rows, all-equal, single or huge ones too, give a row.
//! - **Pure.** Noise, the last aggregate and the rule attacked are arguments ([`Knowledge`]); a mimic's memory is a
//!   [`Warmup`] that the caller keeps.
//! - **The same bits** on any number of threads. Sums follow the rows' order: permuted honest rows give the same rows up to
//!   rounding (exactly for grid means below 2^53), apart from attacks that name a row.
//!
//! It is for rehearsing a defence before it is needed. Surviving these attacks does not prove that a rule survives others.
//!
//! ```
//! use xfl_aggregation::attack::{Attack, Knowledge, RealDefence};
//! use xfl_aggregation::real::{Rule, State, Table};
//!
//! let honest = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]];
//! let honest = Table::new(honest.iter().map(|row| &row[..]).collect())?;
//!
//! let flipped = Attack::SignFlip { scale: 1.0 }.rows(&honest, Knowledge::of(2))?;
//! assert_eq!(flipped.iter().collect::<Vec<_>>(), [&[-4.0, -5.0, -6.0]; 2]);
//!
//! // A little is enough, with the factor that moves the median most.
//! let defence = RealDefence { rule: &Rule::Median, pre: &[], state: State::default() };
//! let knowledge = Knowledge { defence: Some(&defence), ..Knowledge::of(1) };
//! let hardest = Attack::named("optimal-alie").ok_or("unknown")?.rows(&honest, knowledge)?;
//! assert!(hardest.factor.is_some() && hardest.evaluations == 20);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! References are given with each attack.

mod alie;
mod copied_update;
mod defence;
mod error;
mod free_rider;
mod gaussian;
mod honest;
mod ipm;
mod knowledge;
mod line_search;
mod malicious;
mod mimic;
mod min_max;
mod min_sum;
mod moments;
mod names;
mod non_finite;
mod optimal;
mod perturbation;
mod quantile;
mod sign_flip;

pub use alie::AlieFactor;
pub use defence::{Defence, ExactDefence, RealDefence};
pub use error::{AttackError, DefenceError};
pub use free_rider::Idle;
pub use gaussian::Noise;
pub use honest::{Grid, Honest, Value};
pub use knowledge::Knowledge;
pub use line_search::{LineSearch, MAX_EVALUATIONS, Walk};
pub use malicious::Malicious;
pub use mimic::{MimicTarget, Warmup};
pub use min_sum::SumBound;
pub use moments::Divisor;
pub use names::ParameterError;
pub use non_finite::{NonFinite, non_finite};
pub use perturbation::{Halving, Perturbation};

use crate::rows::MAX_ROWS;
use line_search::Found;

/// Which attack, with its parameters; factors are pure numbers.
#[derive(Clone, Debug, PartialEq)]
pub enum Attack {
    /// -scale * mean.
    SignFlip {
        /// Finite; 1 is ByzFL's.
        scale: f64,
    },
    /// -epsilon * mean.
    Ipm {
        /// Finite; ByzFL's default is 2.
        epsilon: f64,
    },
    /// mean + z * standard deviation, per coordinate.
    Alie {
        /// z, or the formula for it.
        factor: AlieFactor,
        /// The standard deviation's divisor.
        divisor: Divisor,
    },
    /// IPM with the epsilon that moves [`Knowledge::defence`] most.
    OptimalIpm {
        /// How epsilon is searched.
        search: LineSearch,
    },
    /// ALIE with the z that moves [`Knowledge::defence`] most.
    OptimalAlie {
        /// How z is searched.
        search: LineSearch,
        /// The standard deviation's divisor.
        divisor: Divisor,
    },
    /// One honest row again.
    Mimic {
        /// Which one.
        target: MimicTarget,
    },
    /// mean + deviation * [`Knowledge::noise`], each coordinate of each row drawn on its own.
    Gaussian {
        /// In the unit of the rows; finite.
        mean: f64,
        /// In the unit of the rows; finite, at least 0.
        deviation: f64,
    },
    /// As far from the mean as the two honest rows furthest apart are from one another.
    MinMax {
        /// The direction.
        perturbation: Perturbation,
        /// How far is searched.
        halving: Halving,
    },
    /// As far from the mean as an honest row's sum of squared distances allows.
    MinSum {
        /// The direction.
        perturbation: Perturbation,
        /// Which honest row's sum.
        bound: SumBound,
        /// How far is searched.
        halving: Halving,
    },
    /// No training.
    FreeRider {
        /// What is sent instead.
        idle: Idle,
    },
    /// Attacker k sends honest row (first + k) mod n.
    CopiedUpdate {
        /// The first victim, below n.
        first: usize,
    },
}

impl Attack {
    /// The malicious rows for these honest ones. Memory: the distinct malicious rows, and a few times d numbers.
    ///
    /// # Errors
    /// [`AttackError`] where a parameter is out of range, knowledge that the attack needs is missing or does not fit, or
    /// the defence refuses.
    pub fn rows<H: Honest>(
        &self,
        honest: &H,
        knowledge: Knowledge<'_, H::Value>,
    ) -> Result<Malicious<H::Value>, AttackError> {
        let (f, n, attack) = (knowledge.byzantine, honest.n(), self.name());
        if f == 0 {
            return Err(AttackError::NoAttackers);
        }
        if f > MAX_ROWS - n {
            return Err(AttackError::TooManyRows {
                honest: n,
                byzantine: f,
            });
        }
        let scaled = |wanted, found| Ok(Malicious::scaled(honest.send(wanted), f, found));
        let rows = honest.rows();
        match *self {
            Attack::SignFlip { scale } => scaled(sign_flip::wanted(&rows, self.finite("scale", scale)?), given(scale)),
            Attack::Ipm { epsilon } => {
                let epsilon = self.finite("epsilon", epsilon)?;
                scaled(ipm::wanted(&moments::mean(&rows), epsilon), given(epsilon))
            }
            Attack::Alie { factor, divisor } => {
                let z = factor.value(n, f)?;
                let mean = moments::mean(&rows);
                let deviation = moments::deviation(&rows, &mean, divisor);
                scaled(alie::wanted(&mean, &deviation, z), given(z))
            }
            Attack::OptimalIpm { search } => {
                search.check(attack)?;
                let defence = self.needs("the rule attacked", knowledge.defence)?;
                let mean = moments::mean(&rows);
                let row_of = |epsilon| ipm::wanted(&mean, epsilon);
                let found = optimal::search(honest, f, defence, &search, &mean, row_of)?;
                scaled(row_of(found.factor), found)
            }
            Attack::OptimalAlie { search, divisor } => {
                search.check(attack)?;
                let defence = self.needs("the rule attacked", knowledge.defence)?;
                let mean = moments::mean(&rows);
                let deviation = moments::deviation(&rows, &mean, divisor);
                let row_of = |z| alie::wanted(&mean, &deviation, z);
                let found = optimal::search(honest, f, defence, &search, &mean, row_of)?;
                scaled(row_of(found.factor), found)
            }
            Attack::Mimic { target } => {
                let row = match target {
                    MimicTarget::Row(row) => self.below(n, row)?,
                    MimicTarget::LargestVariance => mimic::by_variance(honest)?,
                };
                Ok(Malicious {
                    copied: Some(row),
                    ..Malicious::new(vec![rows[row].to_vec()], f)
                })
            }
            Attack::Gaussian { mean, deviation } => {
                self.finite("mean", mean)?;
                if !(deviation >= 0.0 && deviation.is_finite()) {
                    return Err(self.parameter("deviation", "finite and at least 0", deviation));
                }
                let mut noise = self.needs("a source of noise", knowledge.noise)?;
                let wanted = gaussian::wanted(f, honest.d(), mean, deviation, &mut noise)?;
                Ok(Malicious::new(
                    wanted.into_iter().map(|row| honest.send(row)).collect(),
                    f,
                ))
            }
            Attack::MinMax { perturbation, halving } => {
                let (wanted, found) = min_max::wanted(honest, perturbation, &halving)?;
                scaled(wanted, found)
            }
            Attack::MinSum {
                perturbation,
                bound,
                halving,
            } => {
                let (wanted, found) = min_sum::wanted(honest, perturbation, bound, &halving)?;
                scaled(wanted, found)
            }
            Attack::FreeRider { idle } => {
                let wanted = free_rider::wanted(honest.d(), idle, knowledge.last_aggregate)?;
                Ok(Malicious::new(vec![honest.send(wanted)], f))
            }
            Attack::CopiedUpdate { first } => {
                let victims = copied_update::victims(self.below(n, first)?, f, n);
                Ok(Malicious::new(
                    victims.into_iter().map(|row| rows[row].to_vec()).collect(),
                    f,
                ))
            }
        }
    }

    fn finite(&self, parameter: &'static str, value: f64) -> Result<f64, AttackError> {
        let error = || self.parameter(parameter, "finite", value);
        value.is_finite().then_some(value).ok_or_else(error)
    }

    fn parameter(&self, parameter: &'static str, expected: &'static str, got: f64) -> AttackError {
        AttackError::Parameter {
            attack: self.name(),
            parameter,
            expected,
            got,
        }
    }

    fn needs<K>(&self, needs: &'static str, knowledge: Option<K>) -> Result<K, AttackError> {
        let attack = self.name();
        knowledge.ok_or(AttackError::Missing { attack, needs })
    }

    fn below(&self, n: usize, row: usize) -> Result<usize, AttackError> {
        let attack = self.name();
        (row < n)
            .then_some(row)
            .ok_or(AttackError::NoSuchRow { attack, row, n })
    }
}

fn given(factor: f64) -> Found {
    Found { factor, evaluations: 0 }
}

#[cfg(test)]
mod tests;
