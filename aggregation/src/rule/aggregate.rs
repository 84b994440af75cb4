//! What an integer rule made of a round.

use super::KrumDistances;
use crate::view::View;

/// What a rule made of a round.
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregate {
    /// The d coordinates of the aggregate, in grid units.
    pub values: Vec<i32>,
    /// For each of the n rows given, whether the rule used it as a whole: itself or, after stages, in a row made of it. All true for
    /// rules that select none, but for rows that a stage gave no weight.
    pub selected: Vec<bool>,
    /// For each of the n rows given, its weight in the result, where the rule decides by weights: up to the roundings on the way, values =
    /// sum of weights_i * row_i, and what is missing is the start's or nobody's. Rounded doubles for people; the values are not
    /// made of them. `None` for rules whose result is no such sum.
    pub weights: Option<Vec<f64>>,
    /// The evidence behind a Krum selection, of the rows after the stages; `None` for other rules.
    pub distances: Option<KrumDistances>,
}

impl Aggregate {
    /// Of a rule that uses all n rows, the same weight for each or none that could be named.
    pub(super) fn of_all(values: Vec<i32>, n: usize, equally: bool) -> Self {
        Self {
            values,
            selected: vec![true; n],
            weights: equally.then(|| vec![1.0 / n as f64; n]),
            distances: None,
        }
    }

    /// What was said of the rows seen, of the rows given.
    pub(super) fn of_rows_given(self, view: &View<'_>) -> Self {
        let used = self.selected.iter().map(|&used| f64::from(u8::from(used))).collect();
        // Weights are never negative, so nothing cancels.
        let selected = view.weights_given(used).iter().map(|&weight| weight > 0.0).collect();
        Self {
            selected,
            weights: self.weights.map(|weights| view.weights_given(weights)),
            ..self
        }
    }
}
