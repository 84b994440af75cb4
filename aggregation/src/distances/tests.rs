//! Distances against their definition, at the bounds where the block kernel changes its way of summing.

use super::*;
use crate::reference::{hostile, squared_distance, table};
use proptest::prelude::*;

fn check(rows: &[Vec<i32>], block: usize) {
    let slices: Vec<&[i32]> = rows.iter().map(Vec::as_slice).collect();
    let distances = SquaredDistances::seen(&View::of(&Rows::new(slices).unwrap()).in_blocks(block));
    for (i, a) in rows.iter().enumerate() {
        for (j, b) in rows.iter().enumerate() {
            assert_eq!(
                distances.get(i, j),
                Some(squared_distance(a, b)),
                "rows {i} and {j}, block {block}"
            );
        }
    }
    assert_eq!(distances.get(0, rows.len()), None);
}

#[test]
fn the_largest_near_and_the_smallest_far_differences_are_exact() {
    let (low, high) = (-(1 << 27), (1 << 27) - 1);
    for d in [1, 255, 256, 257, 600] {
        check(
            &[
                vec![low; d],
                vec![high; d],
                vec![high + 1; d],
                vec![low - 1; d],
                vec![0; d],
            ],
            kernel::WIDTH,
        );
        check(
            &[vec![i32::MIN; d], vec![i32::MAX; d], vec![i32::MIN; d], vec![-1; d]],
            kernel::WIDTH,
        );
    }
}

#[test]
fn close_rows_of_large_weights_keep_every_digit() {
    // Whole weights near 100 that differ by 0.01, on a grid of 2^-16: f32 Gram matrices name the wrong neighbour here.
    let near_hundred = |offset: i32| vec![100 * 65_536 + offset; 5000];
    let rows = [near_hundred(0), near_hundred(655), near_hundred(656)];
    check(&rows, kernel::WIDTH);
}

#[test]
fn without_drops_one_row_from_both_sides() {
    let rows: Vec<Vec<i32>> = (0..5).map(|i| vec![i * i, 3 - i]).collect();
    let all = Rows::new(rows.iter().map(Vec::as_slice).collect()).unwrap();
    let distances = SquaredDistances::of(&all);
    for row in 0..5 {
        assert_eq!(distances.without(row), SquaredDistances::of(&all.without(row).unwrap()));
    }
    assert_eq!(distances.without(5), distances);
}

proptest! {
    #[test]
    fn every_pair_is_the_definition(rows in table(1..12, 1..600, hostile()), block in 1..=kernel::WIDTH) {
        check(&rows, block);
    }

    #[test]
    fn threads_do_not_show(rows in table(2..8, 300..1500, -1000..1000_i32)) {
        let slices: Vec<&[i32]> = rows.iter().map(Vec::as_slice).collect();
        let rows = Rows::new(slices).unwrap();
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| SquaredDistances::of(&rows))
        };
        prop_assert_eq!(on(1), on(2));
    }

    #[test]
    fn products_and_norms_are_the_definition(pairs in prop::collection::vec((hostile(), hostile()), 1..700)) {
        let (a, b): (Vec<i32>, Vec<i32>) = pairs.into_iter().unzip();
        let naive = |a: &[i32], b: &[i32]| a.iter().zip(b).map(|(&a, &b)| i128::from(a) * i128::from(b)).sum::<i128>();
        prop_assert_eq!(dot_and_squared_norm(&a, &b), (naive(&a, &b), naive(&a, &a) as u128));
        prop_assert_eq!(squared_norm(&a), naive(&a, &a) as u128);
    }
}

proptest! {
    /// Who replays a round on an older processor gets the same bits.
    #[test]
    fn distances_do_not_depend_on_the_processors_vectors(rows in table(2..9, 1..300, hostile())) {
        let parts: Vec<&[i32]> = rows.iter().map(|row| &row[..row.len().min(kernel::WIDTH)]).collect();
        let on = |vectors| {
            let mut upper = vec![0_u128; pairs(rows.len())];
            kernel::Block::new(rows.len()).on(vectors).add(&parts, &mut upper);
            upper
        };
        prop_assert_eq!(on(crate::vectors::Vectors::here()), on(crate::vectors::Vectors::least()));
    }
}
