//! Who replays a round on an older processor gets the same bits: every pass on wide vectors and on the least there are.

use super::*;
use crate::decide::Square;
use crate::real::pairs::{scalar_products, squared_distances};
use crate::real::point::{Point, squared_norms};
use crate::real::view::View;
use crate::vectors::Vectors;

/// The bits of what the passes make of some rows.
fn bits<T: Real>(view: &View<'_, T>) -> Vec<u64> {
    let n = view.n();
    let weights: Vec<f64> = (0..n).map(|i| 1.0 / (i as f64 - 0.7)).collect();
    let point = Point {
        weights: &weights,
        divisor: 3.0,
        start: None,
    };
    let square = |square: Square<f64>| (0..n).flat_map(|i| square.row(i).to_vec()).collect::<Vec<f64>>();
    let passes = [
        square(squared_distances(view).unwrap()),
        square(scalar_products(view).unwrap()),
        point.values(view).unwrap(),
        point.squared_distances(view).unwrap(),
        squared_norms(view).unwrap(),
    ];
    passes.concat().into_iter().map(f64::to_bits).collect()
}

fn same<T: Real>(rows: &[Vec<T>]) -> Result<(), TestCaseError> {
    let table = Table::new(rows_of(rows)).unwrap();
    let n = rows.len();
    let entries = (0..n * n).map(|at| [0.25, 0.0, 0.125][at % 3]).collect();
    let mixing = Mixing::new(n, n, entries).unwrap();
    prop_assert_eq!(bits(&View::of(&table)), bits(&View::of(&table).on(Vectors::least())));
    let mixed = |vectors| bits(&View::of(&table).mixed(mixing.clone()).on(vectors));
    prop_assert_eq!(mixed(Vectors::here()), mixed(Vectors::least()));
    Ok(())
}

proptest! {
    #[test]
    fn sums_do_not_depend_on_the_processors_vectors(rows in table(2..14, 1..700, hostile())) {
        same(&rows)?;
        let clamp = |v: &f64| v.clamp(f64::from(f32::MIN), f64::from(f32::MAX)) as f32;
        same(&rows.iter().map(|row| row.iter().map(clamp).collect()).collect::<Vec<Vec<f32>>>())?;
    }
}
