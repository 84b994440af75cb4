//! One coordinate of a result from one column: what a contract recomputes, and a check that shares no code with the rules.

use super::{Rule, RuleError, meamed};

impl Rule {
    /// One coordinate of the result from that coordinate of every row, by the plainest algorithm: sort, cut, sum, floor.
    /// What a contract computes, and a check of [`Rule::aggregate`] that shares no code with it. `column` holds n values,
    /// for Meamed in the order of rows, for the others in any.
    ///
    /// # Errors
    /// [`RuleError::NotCoordinateWise`] for the other rules; otherwise those of [`Rule::aggregate`].
    pub fn recompute_coordinate(&self, column: &[i32]) -> Result<i32, RuleError> {
        let n = column.len();
        if !self.coordinate_wise() {
            return Err(RuleError::NotCoordinateWise { rule: self.name() });
        }
        self.check_cohort(n)?;
        let cut = match *self {
            Rule::Median => (n - 1) / 2,
            Rule::TrimmedMean { f } => f,
            Rule::Meamed { f } => {
                let sum = meamed::by_row(column.iter().copied(), n - f);
                return Ok(sum.div_euclid((n - f) as i64) as i32);
            }
            Rule::SignMajority => {
                let votes: i64 = column.iter().map(|v| i64::from(v.signum())).sum();
                return Ok(votes.signum() as i32);
            }
            _ => 0,
        };
        let mut sorted = column.to_vec();
        sorted.sort_unstable();
        let kept = &sorted[cut..n - cut];
        let sum: i64 = kept.iter().map(|&v| i64::from(v)).sum();
        // A mean of values of i32 lies between the least and the largest of them.
        Ok(sum.div_euclid(kept.len() as i64) as i32)
    }
}
