//! The coordinate-wise median: per coordinate the middle value, for even n the floor of the mean of the two middle ones.
//!
//! Breakdown point 1/2: with fewer than n/2 arbitrary rows every coordinate lies between two honest values. Cost
//! n*d*log^2 n comparisons without branches. It is the trimmed mean that trims all it can, f = floor((n-1)/2), and is computed as
//! that. Where two middle values exist, several conventions do too (PyTorch takes the lower one); this is NumPy's, floored.
//! Source: Yin et al., *Byzantine-Robust Distributed Learning: Towards Optimal Statistical Rates*, ICML 2018.

use super::middle::{NETWORK_ROWS, mean_of_middle};
use super::{Rule, RuleError};
use crate::view::View;

pub(super) fn median(view: &View<'_>) -> Result<Vec<i32>, RuleError> {
    mean_of_middle(view, (view.n() - 1) / 2, Rule::Median.name(), NETWORK_ROWS)
}
