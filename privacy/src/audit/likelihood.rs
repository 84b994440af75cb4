//! The likelihood ratio of a score, from shadow models with and without the example (LiRA).
//!
//! An example's score (the log-odds that a model gives its label) is close to normal over models; shadow models that were trained with
//! it and without it give both means, and how far the target's score is nearer to one than to the other is the attack (Carlini et al.
//! 2022, Algorithm 1). Few shadows give poor variances: they are shared by all examples where there are fewer than
//! [`OWN_VARIANCE`] of either kind, as the paper advises.

/// Shadows of either kind from which on an example has variances of its own.
pub(super) const OWN_VARIANCE: usize = 32;

/// Scores of one example over shadow models, with its coin in each.
struct Side {
    mean: f64,
    squares: f64,
    count: usize,
}

impl Side {
    fn of(scores: impl Iterator<Item = f64> + Clone) -> Self {
        let count = scores.clone().count();
        let mean = scores.clone().sum::<f64>() / count.max(1) as f64;
        let squares = scores.map(|score| (score - mean).powi(2)).sum();
        Self { mean, squares, count }
    }
}

/// The log-likelihood ratio (in over out) of every example's score under one target model.
///
/// `shadows[s][e]` is example `e`'s score under shadow model `s`, `coins[s][e]` whether that model was trained with it; `target[e]` the
/// score under attack. Rows are as long as `target`. An example that no shadow has seen, or all have, gets a ratio of 0. Every result is
/// finite if the scores are.
#[must_use]
pub fn likelihood_ratio(shadows: &[Vec<f64>], coins: &[Vec<bool>], target: &[f64]) -> Vec<f64> {
    let side = |example: usize, included: bool| {
        let rows = std::iter::zip(shadows, coins);
        let own = rows.filter(move |(_, coins)| coins.get(example) == Some(&included));
        Side::of(own.filter_map(move |(scores, _)| scores.get(example).copied()))
    };
    let sides: Vec<[Side; 2]> = (0..target.len()).map(|e| [side(e, false), side(e, true)]).collect();
    let shared = [0, 1].map(|kind| {
        let squares: f64 = sides.iter().map(|side| side[kind].squares).sum();
        let freedom: usize = sides.iter().map(|side| side[kind].count.saturating_sub(1)).sum();
        squares / freedom.max(1) as f64
    });
    let ratio = |(sides, &score): (&[Side; 2], &f64)| {
        if sides.iter().any(|side| side.count == 0) {
            return 0.0;
        }
        let enough = sides.iter().all(|side| side.count >= OWN_VARIANCE);
        let log_density = |kind: usize| {
            let side = &sides[kind];
            let variance = if enough {
                side.squares / (side.count - 1) as f64
            } else {
                shared[kind]
            };
            // Scores that never vary: any distance is a large one.
            let variance = variance.max(1e-12);
            -0.5 * (((score - side.mean).powi(2) / variance).min(1e300) + variance.ln())
        };
        log_density(1) - log_density(0)
    };
    std::iter::zip(&sides, target).map(ratio).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_near_the_members_is_a_members() {
        // Two examples: the first is 4 higher in models that saw it, the second doesn't care.
        let shadows: Vec<Vec<f64>> = (0..40)
            .map(|s| {
                let (own, wiggle) = (f64::from(s % 2) * 4.0, f64::from(s % 5) - 2.0);
                vec![own + 0.5 * wiggle, wiggle]
            })
            .collect();
        let coins: Vec<Vec<bool>> = (0..40).map(|s| vec![s % 2 == 1, s % 3 == 0]).collect();
        let member = likelihood_ratio(&shadows, &coins, &[4.0, 0.0]);
        let other = likelihood_ratio(&shadows, &coins, &[0.0, 0.0]);
        assert!(member[0] > 5.0 && other[0] < -5.0, "{member:?} {other:?}");
        assert!(member[1].abs() < 0.5, "{member:?}");
    }

    #[test]
    fn examples_without_shadows_and_still_scores_are_finite() {
        let same = vec![vec![1.0], vec![1.0]];
        assert_eq!(likelihood_ratio(&same, &[vec![true], vec![true]], &[7.0]), [0.0]);
        assert_eq!(likelihood_ratio(&[], &[], &[7.0]), [0.0]);
        let ratio = likelihood_ratio(&same, &[vec![true], vec![false]], &[1e200]);
        assert!(ratio[0].is_finite(), "{ratio:?}");
    }
}
