//! The coordinate-wise trimmed mean: without the f smallest and the f largest values, the floor of the mean of the other n-2f.
//!
//! Tolerates f arbitrary rows where n >= 2f+1: each kept value lies between two honest ones. Ties need no rule, for equal
//! values are interchangeable. Cost n*d*log^2 n comparisons without branches.
//! Source: Yin et al., *Byzantine-Robust Distributed Learning: Towards Optimal Statistical Rates*, ICML 2018 (with beta = f/n).

use super::middle::{NETWORK_ROWS, mean_of_middle};
use super::{Rule, RuleError};
use crate::view::View;

pub(super) fn trimmed_mean(view: &View<'_>, f: usize) -> Result<Vec<i32>, RuleError> {
    mean_of_middle(view, f, Rule::TrimmedMean { f }.name(), NETWORK_ROWS)
}
