//! One table dealt out to several institutions and a held-out part, as a seed says.
//!
//! The rows are shuffled; the first `held_out` of them are held out, and the others go to the institutions in
//! proportion to their shares (largest remainders, ties to the earlier one, so that every row goes somewhere). Unequal
//! shares make unequal hospitals; what each holds is a uniform sample of the whole.
//!
//! What it does not do: make hospitals differ in kind (label or feature skew).

use crate::seed::Seed;

/// Rows, as indices, of each part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// One entry for each share, never empty.
    pub institutions: Vec<Vec<usize>>,
    /// Rows that no institution trains on.
    pub held_out: Vec<usize>,
}

/// Why a table can't be dealt out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    /// No shares.
    #[error("shares: expected at least one, got none")]
    NoShares,
    /// A share of nothing.
    #[error("shares: expected numbers above 0, got 0 for institution {institution}")]
    ZeroShare {
        /// Which, from 0.
        institution: usize,
    },
    /// Too few rows for everybody to get one.
    #[error(
        "institution {institution} would get no row: {rows} rows with {held_out} held out are too few for these shares"
    )]
    TooFewRows {
        /// Which, from 0.
        institution: usize,
        /// Rows of the table.
        rows: usize,
        /// Rows to hold out.
        held_out: usize,
    },
}

/// Deals out `rows` rows: `held_out` of them to nobody, the others by `shares`.
///
/// # Errors
/// Where there is no share, a share of 0, or an institution left without a row.
pub fn split(rows: usize, held_out: usize, shares: &[u32], seed: &Seed) -> Result<Split, SplitError> {
    if shares.is_empty() {
        return Err(SplitError::NoShares);
    }
    if let Some(institution) = shares.iter().position(|&share| share == 0) {
        return Err(SplitError::ZeroShare { institution });
    }
    let total: u128 = shares.iter().map(|&share| u128::from(share)).sum();
    let dealt = rows.saturating_sub(held_out);
    let exact = |share: u32| dealt as u128 * u128::from(share);
    let mut sizes: Vec<usize> = shares.iter().map(|&share| (exact(share) / total) as usize).collect();
    let mut by_remainder: Vec<usize> = (0..shares.len()).collect();
    by_remainder.sort_by_key(|&i| std::cmp::Reverse(exact(shares[i]) % total));
    let left = dealt - sizes.iter().sum::<usize>();
    for &institution in by_remainder.iter().take(left) {
        sizes[institution] += 1;
    }
    if let Some(institution) = sizes.iter().position(|&size| size == 0) {
        return Err(SplitError::TooFewRows {
            institution,
            rows,
            held_out,
        });
    }
    let order = seed.derive("split", &[rows as u64]).stream().permutation(rows);
    let (held_out, mut rest) = order.split_at(held_out);
    let mut institutions = Vec::with_capacity(sizes.len());
    for size in sizes {
        let (own, after) = rest.split_at(size);
        institutions.push(own.to_vec());
        rest = after;
    }
    Ok(Split {
        institutions,
        held_out: held_out.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_row_goes_to_exactly_one_place(
            rows in 0usize..300, held_out in 0usize..300, shares in prop::collection::vec(1u32..1000, 1..8), number: u64,
        ) {
            match split(rows, held_out, &shares, &Seed::from_number(number)) {
                Ok(split) => {
                    prop_assert_eq!(split.held_out.len(), held_out);
                    let mut all = split.held_out.clone();
                    for (own, &share) in split.institutions.iter().zip(&shares) {
                        let total: u32 = shares.iter().sum();
                        let fair = (rows - held_out) as f64 * f64::from(share) / f64::from(total);
                        prop_assert!((own.len() as f64 - fair).abs() < 1.0);
                        all.extend(own);
                    }
                    all.sort_unstable();
                    prop_assert_eq!(all, (0..rows).collect::<Vec<_>>());
                }
                Err(error) => {
                    let too_few = matches!(error, SplitError::TooFewRows { .. });
                    prop_assert!(too_few);
                }
            }
        }
    }

    #[test]
    fn the_seed_decides() {
        let deal = |number| split(100, 20, &[3, 2, 1], &Seed::from_number(number)).unwrap();
        assert_eq!(deal(1), deal(1));
        assert_ne!(deal(1), deal(2));
        assert_eq!(
            deal(1).institutions.iter().map(Vec::len).collect::<Vec<_>>(),
            [40, 27, 13]
        );
    }

    #[test]
    fn impossible_shares_are_refused() {
        let seed = Seed::from_number(0);
        assert_eq!(split(10, 0, &[], &seed), Err(SplitError::NoShares));
        assert_eq!(
            split(10, 0, &[1, 0], &seed),
            Err(SplitError::ZeroShare { institution: 1 })
        );
        let too_few = SplitError::TooFewRows {
            institution: 1,
            rows: 10,
            held_out: 9,
        };
        assert_eq!(split(10, 9, &[2, 1], &seed), Err(too_few));
        assert!(split(10, 11, &[1], &seed).is_err());
    }
}
