//! Rules decided by the angles between rows: FLTrust, FLAME and FoolsGold.
//!
//! One pass makes the scalar products (FLTrust: n*d, with the reference alone; the others n^2*d/2), [`crate::decide`]
//! decides, and one pass of cost n*d applies the weights.

use super::decision::{Aggregate, Decision};
use super::element::Real;
use super::error::Fault;
use super::pairs::{scalar_products, scalar_products_with};
use super::strip;
use super::view::{Kernel, View};
use crate::decide::{DecisionError, flame, fltrust, foolsgold};

/// Below it, the sum of FoolsGold's rates is lifted.
const LEAST_TOTAL: f64 = 1e-100;

/// 2^600.
const LIFT: f64 = f64::from_bits((1023 + 600) << 52);

type Outcome = Result<Aggregate, Fault>;

/// `reference` has d coordinates.
pub(super) fn fltrust<T: Real>(view: &View<'_, T>, reference: &[f64]) -> Outcome {
    let n = view.n();
    let mut sums = view.sum(&WithReference(reference), 2 * n + 1)?;
    let norms: Vec<f64> = sums.split_off(n).into_iter().map(f64::sqrt).collect();
    let trust = fltrust::weigh(&sums, &norms[..n], norms[n])?;
    let decision = Decision::weighted(trust.weights, 1.0);
    decision.with_scores(Some(trust.trust)).combine(view, None)
}

pub(super) fn flame<T: Real>(view: &View<'_, T>) -> Outcome {
    let flame = flame::select(&scalar_products(view)?)?;
    let mut decision = Decision::weighted(flame.weights, 1.0);
    decision.evidence.selected = Some(flame.admitted.mask());
    decision.evidence.bound = Some(flame.bound);
    decision.combine(view, None)
}

/// The mean weighted by the rates; `history` has as many vectors of d coordinates as there are rows.
pub(super) fn foolsgold<T: Real>(view: &View<'_, T>, history: Option<&[Vec<f64>]>, kappa: f64) -> Outcome {
    let rates = foolsgold::rates(&scalar_products_with(view, history)?, kappa)?;
    let total: f64 = rates.iter().sum();
    if total == 0.0 {
        return Err(DecisionError::NothingLeft { decision: "foolsgold" }.into());
    }
    // Next to zero, products with a rate would be rounded to whole numbers of the least number there is; a power of two on both
    // sides of the quotient changes nothing else.
    let lift = if total < LEAST_TOTAL { LIFT } else { 1.0 };
    let lifted = rates.iter().map(|rate| rate * lift).collect();
    let decision = Decision::weighted(lifted, total * lift);
    decision.with_scores(Some(rates)).combine(view, None)
}

/// Totals are the n scalar products with the reference, the n squared norms, and that of the reference.
struct WithReference<'a>(&'a [f64]);

impl Kernel for WithReference<'_> {
    const WIDTH: usize = 4096;
    type Scratch<E: Real> = ();

    fn scratch<E: Real>(&self, _: usize) {}

    #[inline(always)]
    fn block<E: Real>(&self, (): &mut (), start: usize, rows: &[&[E]], totals: &mut [f64]) {
        let width = rows.first().map_or(0, |row| row.len());
        let reference = &self.0[start..start + width];
        let (products, norms) = totals.split_at_mut(rows.len());
        for (i, row) in rows.iter().enumerate() {
            products[i] += strip::sum(row, reference, strip::product);
            norms[i] += strip::sum(row, row, strip::product);
        }
        norms[rows.len()] += strip::sum(reference, reference, strip::product);
    }
}
