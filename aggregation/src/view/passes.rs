//! One exact integer for each row: norms, distances to a point, scalar products with a vector. One pass of cost n*d each.

use super::View;
use crate::decide::caf::PowerStart;
use crate::distances::{dot_and_squared_norm, squared_norm};

/// Columns in a block.
const WIDTH: usize = 4096;

/// The squared Euclidean norm of each row seen, below 2^102.
pub(crate) fn squared_norms(view: &View<'_>) -> Vec<u128> {
    view.sum(
        WIDTH,
        view.n(),
        || (),
        |(), _, rows, sums: &mut [u128]| {
            for (sum, row) in sums.iter_mut().zip(rows) {
                *sum += squared_norm(row);
            }
        },
    )
}

/// The scalar product of each row seen with a vector of as many coordinates, and its squared norm.
pub(crate) fn products_and_norms(view: &View<'_>, vector: &[i32]) -> (Vec<i128>, Vec<u128>) {
    let n = view.n();
    let add = |(): &mut (), first: usize, rows: &[&[i32]], sums: &mut [i128]| {
        let (products, norms) = sums.split_at_mut(n);
        for ((product, norm), row) in products.iter_mut().zip(norms).zip(rows) {
            let (dot, squared) = dot_and_squared_norm(row, &vector[first..first + row.len()]);
            *product += dot;
            // Below 2^102.
            *norm += squared as i128;
        }
    };
    let mut products = view.sum(WIDTH, 2 * n, || (), add);
    let norms = products.split_off(n);
    (products, norms.into_iter().map(i128::unsigned_abs).collect())
}

/// The squared distance of each row seen to a point of as many coordinates: |x|^2 + |z|^2 - 2 x.z, which integers don't round.
pub(crate) fn squared_distances_to(view: &View<'_>, point: &[i32]) -> Vec<u128> {
    let of_point = squared_norm(point);
    let (products, norms) = products_and_norms(view, point);
    // Below 2^104 each; the difference is a square and so not negative.
    let distance = |(dot, norm): (i128, u128)| (norm + of_point).saturating_add_signed(-2 * dot);
    products.into_iter().zip(norms).map(distance).collect()
}

/// The squared distance of each row seen to row `index` of them, which is below n.
pub(crate) fn squared_distances_to_row(view: &View<'_>, index: usize) -> Vec<u128> {
    view.sum(
        WIDTH,
        view.n(),
        || (),
        |(), _, rows, sums: &mut [u128]| {
            let of_index = squared_norm(rows[index]);
            for (sum, row) in sums.iter_mut().zip(rows) {
                let (dot, norm) = dot_and_squared_norm(row, rows[index]);
                *sum += (norm + of_index).saturating_add_signed(-2 * dot);
            }
        },
    )
}

/// The scalar product of each row seen with the start of a power method, as the nearest double to the exact integer.
pub(crate) fn projections(view: &View<'_>, start: PowerStart) -> Vec<f64> {
    let add = |signs: &mut Vec<i64>, first: usize, rows: &[&[i32]], sums: &mut [i128]| {
        let width = rows.first().map_or(0, |row| row.len());
        signs.clear();
        signs.extend((first..first + width).map(|coordinate| start.at(coordinate as u64) as i64));
        for (sum, row) in sums.iter_mut().zip(rows) {
            // At most 2^12 values of at most 2^31.
            let part = row.iter().zip(&*signs).fold(0_i64, |part, (&v, sign)| {
                part.wrapping_add(sign.wrapping_mul(i64::from(v)))
            });
            *sum += i128::from(part);
        }
    };
    let exact = view.sum(WIDTH, view.n(), Vec::new, add);
    exact.into_iter().map(|sum| sum as f64).collect()
}
