use proptest::prelude::*;

use super::*;
use crate::mechanism::Mechanism;
use crate::quantise::norm_squared;
use crate::testing;

/// What blocks are made of, for some examples.
#[derive(Clone, Debug)]
enum Made {
    Full(Vec<f32>),
    Outer(Vec<f32>, Vec<f32>),
    Rows(usize, usize, Vec<u32>, Vec<f32>),
}

impl Made {
    fn block(&self) -> Block<'_> {
        match self {
            Self::Full(values) => Block::Full { values },
            Self::Outer(left, right) => Block::Outer { left, right },
            Self::Rows(rows, width, named, values) => Block::Rows {
                rows: *rows,
                width: *width,
                named,
                values,
            },
        }
    }

    /// Some of the examples.
    fn part(&self, examples: usize, of: std::ops::Range<usize>) -> Self {
        let cut = |v: &[f32]| v[v.len() / examples * of.start..v.len() / examples * of.end].to_vec();
        match self {
            Self::Full(values) => Self::Full(cut(values)),
            Self::Outer(left, right) => Self::Outer(cut(left), cut(right)),
            Self::Rows(rows, width, named, values) => {
                let places = named.len() / examples;
                Self::Rows(
                    *rows,
                    *width,
                    named[places * of.start..places * of.end].to_vec(),
                    cut(values),
                )
            }
        }
    }

    /// The gradient of one example, by the definition.
    fn written(&self, examples: usize, example: usize) -> Vec<f32> {
        match self.part(examples, example..example + 1) {
            Self::Full(values) => values,
            Self::Outer(left, right) => left.iter().flat_map(|l| right.iter().map(move |r| l * r)).collect(),
            Self::Rows(rows, width, named, values) => {
                let mut table = vec![0.0; rows * width];
                for (place, row) in named.iter().enumerate() {
                    for i in 0..width {
                        table[*row as usize * width + i] += values[place * width + i];
                    }
                }
                table
            }
        }
    }
}

fn number() -> impl Strategy<Value = f32> {
    prop_oneof![4 => -2.0f32..2.0, 1 => Just(0.0f32), 1 => -300.0f32..300.0, 1 => -1e-3f32..1e-3]
}

fn numbers(count: usize) -> impl Strategy<Value = Vec<f32>> {
    prop::collection::vec(number(), count)
}

fn made(examples: usize) -> impl Strategy<Value = Made> {
    prop_oneof![
        (1usize..40).prop_flat_map(move |width| numbers(examples * width).prop_map(Made::Full)),
        (1usize..6, 1usize..40)
            .prop_flat_map(move |(o, i)| (numbers(examples * o), numbers(examples * i)))
            .prop_map(|(left, right)| Made::Outer(left, right)),
        (1usize..5, 1usize..4, 1usize..6).prop_flat_map(move |(rows, width, places)| {
            let named = prop::collection::vec(0..rows as u32, examples * places);
            (named, numbers(examples * places * width))
                .prop_map(move |(named, values)| Made::Rows(rows, width, named, values))
        }),
    ]
}

fn batches() -> impl Strategy<Value = (usize, Vec<Made>)> {
    (1usize..8).prop_flat_map(|examples| (Just(examples), prop::collection::vec(made(examples), 1..4)))
}

fn gradient(examples: usize, example: usize, blocks: &[Made]) -> Vec<f32> {
    blocks
        .iter()
        .flat_map(|block| block.written(examples, example))
        .collect()
}

fn blocks(made: &[Made]) -> Vec<Block<'_>> {
    made.iter().map(Made::block).collect()
}

fn dimension(examples: usize, made: &[Made]) -> usize {
    gradient(examples, 0, made).len()
}

fn sum_of(mechanism: &Mechanism, examples: usize, made: &[Made]) -> Vec<i32> {
    let mut sum = RecordSum::new(mechanism).unwrap();
    sum.add_batch(examples, &blocks(made)).unwrap();
    sum.finish().unwrap().values
}

proptest! {
    /// The laws of the module's documentation: no example is longer than the bound, exactly; a sum of single examples is the sum;
    /// every coordinate is within a step for each example of the slow way's.
    #[test]
    fn a_batch_is_the_sum_of_its_examples((examples, made) in batches(), steps in 12u32..100_000) {
        let d = dimension(examples, &made);
        prop_assume!(u64::from(steps).pow(2) >= d as u64);
        let whole = sum_of(&testing::record(d as u64, steps, 1.0, examples as u32), examples, &made);
        let mut total = vec![0i32; d];
        let mut slowly = RecordSum::new(&testing::record(d as u64, steps, 1.0, examples as u32)).unwrap();
        for example in 0..examples {
            let one: Vec<Made> = made.iter().map(|m| m.part(examples, example..example + 1)).collect();
            let alone = sum_of(&testing::record(d as u64, steps, 1.0, 1), 1, &one);
            prop_assert!(norm_squared(&alone) <= u128::from(steps).pow(2));
            total.iter_mut().zip(&alone).for_each(|(t, a)| *t += a);
            slowly.add_example(&gradient(examples, example, &made)).unwrap();
        }
        prop_assert_eq!(&whole, &total);
        for (fast, slow) in whole.iter().zip(&slowly.finish().unwrap().values) {
            prop_assert!(fast.abs_diff(*slow) as usize <= examples, "{fast} and {slow}");
        }
    }

    #[test]
    fn factors_of_any_size_stay_within_the_bound(
        exponents in prop::collection::vec(-149i32..128, 6),
        steps in prop_oneof![10u32..1000, 1_000_000u32..1_000_000_000],
    ) {
        let values: Vec<f32> = exponents.iter().map(|&e| 1.7 * 2f64.powi(e) as f32).collect();
        let made = [Made::Outer(values[..2].to_vec(), values[2..].to_vec())];
        let mechanism = testing::record(8, steps, 0.001, 1);
        let mut sum = RecordSum::new(&mechanism).unwrap();
        let gradient = gradient(1, 0, &made);
        let added = sum.add_batch(1, &blocks(&made));
        if gradient.iter().all(|value| value.is_finite()) {
            prop_assert_eq!(added, Ok(()));
            let fast = sum.finish().unwrap().values;
            prop_assert!(norm_squared(&fast) <= u128::from(steps).pow(2));
            let mut slow = RecordSum::new(&mechanism).unwrap();
            slow.add_example(&gradient).unwrap();
            for (fast, slow) in fast.iter().zip(&slow.finish().unwrap().values) {
                prop_assert!(fast.abs_diff(*slow) <= 1 + slow.unsigned_abs() / (1 << 20), "{fast} and {slow}");
            }
        } else {
            prop_assert!(added.is_err());
            prop_assert!(sum.sum.iter().all(|&value| value == 0));
        }
    }
}

/// Enough work to be divided, with lines longer than a stretch, written-out parts and a table.
fn large(examples: usize) -> Vec<Made> {
    let mut state = 1u64;
    let mut draw = |count: usize, largest: f32| -> Vec<f32> {
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            ((state >> 40) as f32 / (1u64 << 23) as f32 - 1.0) * largest
        };
        (0..count).map(|_| next()).collect()
    };
    vec![
        Made::Outer(draw(examples * 7, 1.0), draw(examples * 1500, 300.0)),
        Made::Full(draw(examples * 5000, 300.0)),
        Made::Rows(
            300,
            2,
            (0..examples as u32 * 9).map(|i| i * i % 300).collect(),
            draw(examples * 18, 300.0),
        ),
    ]
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let examples = 130;
    let made = large(examples);
    let d = dimension(examples, &made);
    let mechanism = testing::record(d as u64, 9000, 1.0, examples as u32);
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| sum_of(&mechanism, examples, &made))
    };
    let one = on(1);
    assert!(one.iter().any(|&value| value != 0));
    assert_eq!(one, on(2));
    assert_eq!(one, on(3));
    let mut slowly = RecordSum::new(&mechanism).unwrap();
    for example in 0..examples {
        slowly.add_example(&gradient(examples, example, &made)).unwrap();
    }
    let slowly = slowly.finish().unwrap().values;
    let furthest = one.iter().zip(&slowly).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
    assert!(furthest < 5, "{furthest}");
}

/// What a failed check relies on: the same integers with the other sign.
#[test]
fn what_was_added_can_be_taken_out() {
    let examples = 70;
    let made = large(examples);
    let d = dimension(examples, &made);
    let mechanism = testing::record(d as u64, 9000, 1.0, examples as u32);
    let blocks = check(examples, &blocks(&made), d).unwrap();
    let mut measured = measure(examples, &blocks, &mechanism).ok().unwrap();
    let mut sum = vec![0i64; d];
    let squares = add(&mut sum, &blocks, &measured);
    assert!(
        squares
            .iter()
            .all(|&square| square > 8000 * 8000 && square <= 9000 * 9000)
    );
    for example in &mut measured.examples {
        example.scale = -example.scale;
    }
    assert_eq!(squares, add(&mut sum, &blocks, &measured));
    assert!(sum.iter().all(|&value| value == 0));
}

#[test]
fn blocks_that_do_not_fit_change_nothing() {
    let mechanism = testing::record(4, 5, 1.0, 3);
    let mut sum = RecordSum::new(&mechanism).unwrap();
    let values = [1.0f32; 8];
    let full = |len: usize| Block::Full { values: &values[..len] };
    let rows = |named: &'static [u32], values| Block::Rows {
        rows: 2,
        width: 2,
        named,
        values,
    };
    let refused = |sum: &mut RecordSum, examples, blocks: &[Block<'_>]| sum.add_batch(examples, blocks).unwrap_err();
    let (block, examples) = (0, 2);
    assert_eq!(
        refused(&mut sum, 2, &[full(7)]),
        RecordError::Blocks(BlockError::Uneven {
            block,
            got: 7,
            examples
        })
    );
    assert_eq!(
        refused(&mut sum, 2, &[full(6)]),
        RecordError::Blocks(BlockError::Dimension { got: 3, expected: 4 })
    );
    assert_eq!(
        refused(&mut sum, 2, &[rows(&[0, 2], &values[..4])]),
        RecordError::Blocks(BlockError::Row { block, got: 2, rows: 2 })
    );
    assert_eq!(
        refused(&mut sum, 2, &[rows(&[0, 1], &values[..5])]),
        RecordError::Blocks(BlockError::Values {
            block,
            got: 5,
            expected: 4
        })
    );
    assert_eq!(refused(&mut sum, 4, &[full(8)]), RecordError::Full { batch: 3 });
    assert!(sum.sum.iter().all(|&value| value == 0) && sum.added == 0);
    sum.add_batch(0, &[]).unwrap();
    sum.add_batch(2, &[full(8)]).unwrap();
    sum.add_batch(1, &[rows(&[0, 0], &values[..4])]).unwrap();
    // Both ones of the row that is named twice are summed before they are rounded.
    assert_eq!(sum.finish().unwrap().values, [2 + 2, 2 + 2, 2, 2]);
}

/// What isn't finite, written out or as a product, counts as nothing beyond the norm, and the others as ever.
#[test]
fn examples_that_overflow_are_nothing() {
    let mechanism = testing::record(4, 1000, 1.0, 3);
    let mut sum = RecordSum::new(&mechanism).unwrap();
    let bad = [1.0, 2.0, 3.0, 4.0, 1.0, f32::INFINITY, 1.0, 1.0];
    sum.add_batch(2, &[Block::Full { values: &bad }]).unwrap();
    let (left, right) = ([1e30f32, 1.0], [1.0f32, 1e30]);
    let product = Block::Outer {
        left: &left,
        right: &right,
    };
    sum.add_batch(1, &[product]).unwrap();
    assert_eq!(sum.finish().unwrap().values, [1, 2, 3, 4]);
}

/// Each example says whether it was within the clip norm, however it is added.
#[test]
fn the_count_is_that_of_single_examples() {
    let mechanism = Mechanism::try_from(crate::Settings {
        unit: crate::Unit::Record,
        clip_norm: 10.0,
        grid_step: 0.01,
        noise_multiplier: 2.0,
        batch: Some(3),
        dimension: 2,
        count_noise: Some(3.0),
        ..crate::Settings::default()
    })
    .unwrap();
    let values = [3.0f32, 4.0, 30.0, 40.0, 1.0, 1.0];
    let mut fast = RecordSum::new(&mechanism).unwrap();
    fast.add_batch(3, &[Block::Full { values: &values }]).unwrap();
    let mut slow = RecordSum::new(&mechanism).unwrap();
    values
        .chunks(2)
        .for_each(|gradient| slow.add_example(gradient).unwrap());
    assert_eq!(fast.sum.last(), slow.sum.last());
    assert_eq!(fast.sum[2], i64::from(mechanism.count_steps()));
}
