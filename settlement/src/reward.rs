//! Apportionment: a budget divided in proportion to integer weights, to the last unit.
//!
//! Largest remainder (Hamilton's method): participant `i` first gets `floor(budget * w_i / W)` with `W = sum w`, then the
//! units left over, fewer than there are participants, go one each to the largest remainders `budget * w_i mod W`,
//! ties to the lower index. The parts sum to the budget exactly and each is within one unit of its quota; a weight of
//! zero gets nothing.
//!
//! Where **all weights are zero** every part is zero and the budget stays unspent: nobody contributed, so nobody is
//! owed anything, and the caller must not add the budget to what was settled.
//!
//! Not promised: house monotonicity (the Alabama paradox: a larger budget may give somebody one unit less).
//! Cost: one 256-bit division a participant and one sort.
//! Reference: Balinski and Young, Fair Representation (2nd ed., 2001), chapter 3.

use alloy::primitives::U256;

/// Parts of `budget` (in the token's smallest unit) for `weights` (parts per million, or any other integers), in the
/// same order. All zero where no weight is positive.
#[must_use]
pub fn apportion(budget: u128, weights: &[u64]) -> Vec<u128> {
    let total: u128 = weights.iter().copied().map(u128::from).sum();
    if total == 0 {
        return vec![0; weights.len()];
    }
    let (budget, total) = (U256::from(budget), U256::from(total));
    let (mut parts, remainders): (Vec<U256>, Vec<U256>) = weights
        .iter()
        .map(|weight| (budget * U256::from(*weight)).div_rem(total))
        .unzip();
    let left_over = budget - parts.iter().copied().fold(U256::ZERO, |sum, part| sum + part);

    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by_key(|&index| (std::cmp::Reverse(remainders[index]), index));
    for &index in order.iter().take(left_over.saturating_to()) {
        parts[index] += U256::from(1);
    }
    parts.into_iter().map(|part| part.saturating_to()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn remainders_decide_and_ties_go_to_the_lower_index() {
        assert_eq!(apportion(10, &[1, 1, 1]), [4, 3, 3]);
        assert_eq!(apportion(10, &[6, 6, 2]), [4, 4, 2]);
        assert_eq!(apportion(1, &[0, 5, 5]), [0, 1, 0]);
        assert_eq!(apportion(0, &[1, 2]), [0, 0]);
        assert_eq!(apportion(7, &[]), [0u128; 0]);
    }

    #[test]
    fn nobody_contributed_so_the_budget_stays_unspent() {
        assert_eq!(apportion(1_000, &[0, 0, 0]), [0, 0, 0]);
    }

    proptest! {
        #[test]
        fn parts_sum_to_the_budget_and_keep_quota(budget: u128, weights in prop::collection::vec(any::<u64>(), 1..40)) {
            prop_assume!(weights.iter().any(|weight| *weight > 0));
            let parts = apportion(budget, &weights);
            let sum = parts.iter().try_fold(0u128, |sum, part| sum.checked_add(*part));
            prop_assert_eq!(sum, Some(budget));
            let total: U256 = weights.iter().copied().map(U256::from).fold(U256::ZERO, |sum, weight| sum + weight);
            for (part, weight) in parts.iter().zip(&weights) {
                let quota = (U256::from(budget) * U256::from(*weight)) / total;
                prop_assert!(U256::from(*part) >= quota && U256::from(*part) <= quota + U256::from(1));
                prop_assert!(*weight > 0 || *part == 0);
            }
        }

        #[test]
        fn more_weight_never_earns_less(budget: u128, weights in prop::collection::vec(0u64..1_000_000, 2..20)) {
            let parts = apportion(budget, &weights);
            for i in 0..weights.len() {
                for j in 0..weights.len() {
                    prop_assert!(weights[i] <= weights[j] || parts[i] >= parts[j]);
                }
            }
        }
    }
}
