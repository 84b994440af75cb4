//! Which records a round's step uses, where the unit of privacy is a record.
//!
//! The records stand in one seeded random order, and round r takes the `batch` records from place `r * batch` on,
//! coming round to the beginning after the last: a rotation. A batch has a fixed size and never holds a record twice, and
//! over any n rounds every one of n records takes part exactly `batch` times. Where n is at least `b * batch`, no record takes part twice in b rounds
//! in a row: places move by `batch` each round, and `b` batches in a row are different places.
//!
//! The order follows from the seed, so **no privacy amplification by sampling is claimed** for it: accounting treats
//! every record as if it took part in every round.

use super::model::TrainError;
use crate::seed::Seed;

/// The records of round `round`, as indices below `records`.
///
/// # Errors
/// Where `batch` is 0 or more than there are records.
pub fn rotation(seed: &Seed, records: usize, batch: usize, round: u64) -> Result<Vec<usize>, TrainError> {
    if batch == 0 || batch > records {
        let got = format!("{batch} of {records}");
        return Err(TrainError::Option {
            option: "batch",
            expected: "1 to the number of records",
            got,
        });
    }
    let order = seed
        .derive("batch rotation", &[records as u64])
        .stream()
        .permutation(records);
    let start = (u128::from(round) * batch as u128 % records as u128) as usize;
    Ok((start..start + batch).map(|place| order[place % records]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn a_batch_is_full_and_has_no_record_twice(records in 1usize..200, share in 0usize..200, round: u64, number: u64) {
            let batch = 1 + share % records;
            let chosen = rotation(&Seed::from_number(number), records, batch, round).unwrap();
            prop_assert_eq!(chosen.iter().collect::<BTreeSet<_>>().len(), batch);
            prop_assert!(chosen.iter().all(|&record| record < records));
        }

        #[test]
        fn n_rounds_use_every_record_batch_times(records in 1usize..40, share in 0usize..40, from in 0u64..1000) {
            let batch = 1 + share % records;
            let mut uses = vec![0; records];
            for round in from..from + records as u64 {
                for record in rotation(&Seed::from_number(1), records, batch, round).unwrap() {
                    uses[record] += 1;
                }
            }
            prop_assert!(uses.iter().all(|&count| count == batch));
        }
    }

    proptest! {
        /// What mode dp-ftrl rests on: with `separation` batches or more, any so many rounds in a row have different records.
        #[test]
        fn a_record_rests_for_as_many_rounds_as_there_are_whole_batches(
            batch in 1usize..9, separation in 1usize..12, more in 0usize..9, from in 0u64..10_000, number: u64,
        ) {
            let records = batch * separation + more.min(batch - 1);
            let seed = Seed::from_number(number);
            let used: Vec<usize> = (from..from + separation as u64)
                .flat_map(|round| rotation(&seed, records, batch, round).unwrap())
                .collect();
            prop_assert_eq!(used.iter().collect::<BTreeSet<_>>().len(), used.len());
        }
    }

    #[test]
    fn impossible_batches_are_refused() {
        for (records, batch) in [(0, 0), (0, 1), (5, 0), (5, 6)] {
            let error = rotation(&Seed::from_number(0), records, batch, 0).unwrap_err();
            assert!(matches!(error, TrainError::Option { option: "batch", .. }));
        }
    }
}
