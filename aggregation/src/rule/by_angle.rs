//! FLTrust, FLAME and FoolsGold on integers: decided in doubles by [`crate::decide`] from exact scalar products, ending in exact sums.
//!
//! Scalar products and squared norms are exact integers turned into the nearest doubles; the decisions are a fixed order of + - * / and
//! square roots, the same bits on every machine. Then:
//!
//! - **FLTrust.** Weight i, trust_i / (sum of trusts) * |reference| / |x_i|, is put on the grid of 2^-62 towards zero, the sum is exact
//!   and rounded to the nearest integer (halves up), and what is beyond 32 bits is held at their ends. A grid that fine costs no
//!   digit of a row of any length: a weight's rounding moves a coordinate by less than 2^-31.
//! - **FLAME.** Each admitted row's factor, at most 1, is put on the grid of 2^-30 towards zero; the aggregate is floor(sum of f_i x_i /
//!   (2^30 k)) over the k admitted. Rows that are not shortened have the factor 1 exactly, so without any it is the exact mean.
//! - **FoolsGold.** Each rate, 0 to 1, is put on the nearest point of the grid of 2^-30; the aggregate is floor(sum of r_i x_i / sum
//!   of r_i). The history is exact: the sum of all updates ([`super::add_to_history`]).
//!
//! Cost n*d for FLTrust, n^2*d/2 for the others, and n*d for the sum. Not coordinate-wise. Definitions, what they tolerate and sources:
//! [`fltrust`], [`flame`], [`foolsgold`].

use super::error::of_rule;
use super::weighted::{floored, mean_by};
use super::{Aggregate, RuleError};
use crate::decide::weights::{GRID, to_grid};
use crate::decide::{DecisionError, clipping, flame, fltrust, foolsgold};
use crate::distances::squared_norm;
use crate::view::passes::products_and_norms;
use crate::view::{View, scalar_products};

/// The bits after the point of a weight of FLTrust.
const FINE: u32 = 62;

/// `reference` has d coordinates.
pub(super) fn fltrust(view: &View<'_>, reference: &[i32]) -> Result<Aggregate, RuleError> {
    let (products, norms) = products_and_norms(view, reference);
    let products: Vec<f64> = products.into_iter().map(|product| product as f64).collect();
    let norms: Vec<f64> = norms.into_iter().map(|norm| (norm as f64).sqrt()).collect();
    let length = (squared_norm(reference) as f64).sqrt();
    let trusted = fltrust::weigh(&products, &norms, length).map_err(of_rule("fltrust"))?;
    Ok(Aggregate {
        values: trusted_sum(view, &trusted.weights),
        selected: trusted.weights.iter().map(|&weight| weight > 0.0).collect(),
        weights: Some(trusted.weights),
        distances: None,
    })
}

/// The exact sum with FLTrust's weights, rounded to the nearest integer and held within 32 bits.
///
/// A weight times the largest value of its row is at most its share of the trust times the reference's norm, which is below 2^51: in
/// units of 2^-62 a term is below 2^114, and since the shares sum to 1 so is a sum.
fn trusted_sum(view: &View<'_>, weights: &[f64]) -> Vec<i32> {
    let used: Vec<usize> = (0..weights.len()).filter(|&row| weights[row] > 0.0).collect();
    let one = (1_u64 << FINE) as f64;
    // Multiplying by a power of two is exact; the conversion cuts towards zero.
    let fine: Vec<i128> = used.iter().map(|&row| (weights[row] * one) as i128).collect();
    view.picked(&used).map(
        || (),
        |(), _, rows, out| {
            for (column, out) in out.iter_mut().enumerate() {
                let terms = fine.iter().zip(rows);
                let sum: i128 = terms.map(|(weight, row)| weight * i128::from(row[column])).sum();
                let nearest = (sum + (1 << (FINE - 1))) >> FINE;
                *out = nearest.clamp(i128::from(i32::MIN), i128::from(i32::MAX)) as i32;
            }
        },
    )
}

pub(super) fn flame(view: &View<'_>) -> Result<Aggregate, RuleError> {
    let decide = || -> Result<_, DecisionError> {
        let gram = scalar_products(view, None)?;
        let flame = flame::select(&gram)?;
        let norms: Vec<f64> = (0..gram.n()).map(|row| gram.at(row, row).sqrt()).collect();
        let factors = clipping::factors(&norms, flame.bound)?;
        Ok((flame, factors))
    };
    let (flame, factors) = decide().map_err(of_rule("flame"))?;
    let selected = flame.admitted.mask();
    let counted = selected.iter().zip(factors);
    // At most 2^30 each.
    let on_grid = |(&admitted, factor): (&bool, f64)| (f64::from(u8::from(admitted)) * factor * f64::from(GRID)) as u64;
    let grid: Vec<u64> = counted.map(on_grid).collect();
    let divisor = u128::from(GRID) * flame.admitted.rows().len() as u128;
    Ok(Aggregate {
        values: floored(view, None, &grid, divisor),
        selected,
        weights: Some(flame.weights),
        distances: None,
    })
}

/// `history` holds a vector of d integers per row seen, none too large.
pub(super) fn foolsgold(view: &View<'_>, history: Option<&[Vec<i64>]>, kappa_ppm: u64) -> Result<Aggregate, RuleError> {
    let rule = "foolsgold";
    let decide = || -> Result<Vec<i64>, DecisionError> {
        let gram = scalar_products(view, history)?;
        to_grid(&foolsgold::rates(&gram, kappa_ppm as f64 / 1e6)?)
    };
    let rates = decide().map_err(of_rule(rule))?;
    let rates: Vec<u64> = rates.into_iter().map(i64::unsigned_abs).collect();
    match mean_by(view, &rates) {
        Err(RuleError::NoWeight) => Err(of_rule(rule)(DecisionError::NothingLeft { decision: rule })),
        made => made,
    }
}
