//! Interleaved Reed-Solomon decoding: many words, one per coordinate, whose wrong positions are the same members'.
//!
//! From m shares of a vector of polynomials of degree under t, up to `(m - t) / 2` members may be wrong in any way and
//! are named; up to `m - t` are at least noticed; with m = t nothing can be.
//!
//! All words are first interpolated from t members and compared with the others, which settles the honest case. If
//! some differ, the words are folded into one by a random combination (its coefficients hashed from the shares), that
//! word is decoded by Gao's algorithm, O(m^2), and the members found wrong are put aside. The outcome is accepted only
//! if every coordinate of every remaining member agrees exactly, so the fold decides how fast a word is decoded and
//! never what is decoded: within the radius the answer is unique. A fold that hides an error (probability about
//! width/q) is retried with other coefficients.
//!
//! Gao, "A new algorithm for decoding Reed-Solomon codes" (2003).

use thiserror::Error;

use super::expand;
use super::field::Fq;
use super::round::Seat;
use super::shamir::lagrange_weights;

/// How often another combination is tried.
const FOLDS: u8 = 4;

/// One member's claimed values, one per coordinate.
pub(crate) type Claim<'a> = (Seat, &'a [Fq]);

/// What the claims agree on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Decoded {
    /// Each polynomial's value at zero.
    pub(crate) secret: Vec<Fq>,
    /// Members whose claims are not on the polynomials, ascending.
    pub(crate) wrong: Vec<Seat>,
}

/// Why claims do not decode.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum DecodeError {
    /// Fewer claims than the threshold.
    #[error("opening takes {needed} shares, got {got}")]
    TooFew {
        /// The threshold.
        needed: usize,
        /// Shares received.
        got: usize,
    },
    /// More wrong claims than can be told apart from right ones.
    #[error(
        "more than {correctable} of {got} shares are wrong: {needed} must agree, and two more are needed for each wrong one"
    )]
    TooManyWrong {
        /// The threshold.
        needed: usize,
        /// Shares received.
        got: usize,
        /// Wrong shares that could have been named.
        correctable: usize,
    },
}

/// Decodes the claims of members with distinct seats, all of one width.
///
/// # Errors
/// See [`DecodeError`].
pub(crate) fn decode(claims: &[Claim<'_>], threshold: usize) -> Result<Decoded, DecodeError> {
    let got = claims.len();
    if got < threshold {
        return Err(DecodeError::TooFew { needed: threshold, got });
    }
    if let Some(secret) = interpolate_all(claims, threshold) {
        return Ok(Decoded {
            secret,
            wrong: Vec::new(),
        });
    }
    let correctable = (got - threshold) / 2;
    let failure = DecodeError::TooManyWrong {
        needed: threshold,
        got,
        correctable,
    };
    if correctable == 0 {
        return Err(failure);
    }
    let points: Vec<Fq> = claims.iter().map(|(seat, _)| seat.point()).collect();
    for attempt in 0..FOLDS {
        let word = fold(claims, attempt);
        let polynomial = gao(&points, &word, threshold).ok_or(failure)?;
        let (right, wrong): (Vec<_>, Vec<_>) = (0..got).partition(|i| evaluate(&polynomial, points[*i]) == word[*i]);
        if wrong.len() > correctable {
            return Err(failure);
        }
        let right: Vec<Claim<'_>> = right.into_iter().map(|i| claims[i]).collect();
        if let Some(secret) = interpolate_all(&right, threshold) {
            let mut wrong: Vec<Seat> = wrong.into_iter().map(|i| claims[i].0).collect();
            wrong.sort_unstable();
            return Ok(Decoded { secret, wrong });
        }
    }
    Err(failure)
}

/// The secrets, if every claim lies on polynomials of degree under `threshold`.
fn interpolate_all(claims: &[Claim<'_>], threshold: usize) -> Option<Vec<Fq>> {
    let (base, others) = claims.split_at_checked(threshold)?;
    let points: Vec<Fq> = base.iter().map(|(seat, _)| seat.point()).collect();
    let agree = others
        .iter()
        .all(|(seat, values)| combine(base, &lagrange_weights(&points, seat.point())) == *values);
    agree.then(|| combine(base, &lagrange_weights(&points, Fq::ZERO)))
}

fn combine(claims: &[Claim<'_>], weights: &[Fq]) -> Vec<Fq> {
    let mut sum = vec![Fq::ZERO; claims.first().map_or(0, |(_, values)| values.len())];
    for ((_, values), weight) in claims.iter().zip(weights) {
        for (sum, value) in sum.iter_mut().zip(*values) {
            *sum += *weight * *value;
        }
    }
    sum
}

/// One word out of all: the inner product of each claim with the same hashed coefficients.
fn fold(claims: &[Claim<'_>], attempt: u8) -> Vec<Fq> {
    let mut hasher = blake3::Hasher::new_derive_key("xfl mask v1 decoding fold");
    hasher.update(&[attempt]);
    for (seat, values) in claims {
        hasher.update(&seat.0.to_le_bytes());
        for value in *values {
            hasher.update(&value.get().to_le_bytes());
        }
    }
    let width = claims.first().map_or(0, |(_, values)| values.len());
    let coefficients = expand::uniform(hasher.finalize_xof(), width);
    claims
        .iter()
        .map(|(_, values)| {
            values
                .iter()
                .zip(coefficients.iter())
                .fold(Fq::ZERO, |sum, (v, c)| sum + *v * *c)
        })
        .collect()
}

/// The polynomial of degree under `threshold` that agrees with `word` in all but `(m - threshold) / 2` places, if
/// there is one; the caller counts the places.
fn gao(points: &[Fq], word: &[Fq], threshold: usize) -> Option<Vec<Fq>> {
    let product = points
        .iter()
        .fold(vec![Fq::ONE], |product, point| times_linear(&product, *point));
    let mut older = product.clone();
    let mut newer = interpolate(points, word, &product);
    let (mut older_factor, mut newer_factor) = (vec![], vec![Fq::ONE]);
    // Stop at the first remainder of degree under (m + threshold) / 2.
    while 2 * newer.len() >= points.len() + threshold + 2 {
        let (quotient, remainder) = divide(&older, &newer);
        let factor = subtract(&older_factor, &multiply(&quotient, &newer_factor));
        (older, newer) = (newer, remainder);
        (older_factor, newer_factor) = (newer_factor, factor);
    }
    if newer_factor.is_empty() {
        return None;
    }
    let (polynomial, remainder) = divide(&newer, &newer_factor);
    (remainder.is_empty() && polynomial.len() <= threshold).then_some(polynomial)
}

/// The polynomial of degree under m through m points, given the product of all `x - point`.
fn interpolate(points: &[Fq], word: &[Fq], product: &[Fq]) -> Vec<Fq> {
    let mut sum = vec![Fq::ZERO; points.len()];
    for (point, value) in points.iter().zip(word) {
        let (basis, _) = divide(product, &[-*point, Fq::ONE]);
        let scale = *value * evaluate(&basis, *point).inverse();
        for (sum, coefficient) in sum.iter_mut().zip(&basis) {
            *sum += scale * *coefficient;
        }
    }
    trim(sum)
}

/// Polynomials are coefficients from the constant up, without leading zeros; the zero polynomial is empty.
fn trim(mut polynomial: Vec<Fq>) -> Vec<Fq> {
    while polynomial.last() == Some(&Fq::ZERO) {
        polynomial.pop();
    }
    polynomial
}

fn evaluate(polynomial: &[Fq], at: Fq) -> Fq {
    polynomial
        .iter()
        .rev()
        .fold(Fq::ZERO, |value, coefficient| value * at + *coefficient)
}

fn times_linear(polynomial: &[Fq], root: Fq) -> Vec<Fq> {
    multiply(polynomial, &[-root, Fq::ONE])
}

fn multiply(a: &[Fq], b: &[Fq]) -> Vec<Fq> {
    if a.is_empty() || b.is_empty() {
        return vec![];
    }
    let mut product = vec![Fq::ZERO; a.len() + b.len() - 1];
    for (i, x) in a.iter().enumerate() {
        for (j, y) in b.iter().enumerate() {
            product[i + j] += *x * *y;
        }
    }
    trim(product)
}

fn subtract(a: &[Fq], b: &[Fq]) -> Vec<Fq> {
    let mut difference = a.to_vec();
    difference.resize(a.len().max(b.len()), Fq::ZERO);
    for (d, y) in difference.iter_mut().zip(b) {
        *d -= *y;
    }
    trim(difference)
}

/// Quotient and remainder by a divisor that is not zero.
fn divide(dividend: &[Fq], divisor: &[Fq]) -> (Vec<Fq>, Vec<Fq>) {
    let Some(leading) = divisor.last() else {
        return (vec![], dividend.to_vec());
    };
    if dividend.len() < divisor.len() {
        return (vec![], dividend.to_vec());
    }
    let inverse = leading.inverse();
    let mut remainder = dividend.to_vec();
    let mut quotient = vec![Fq::ZERO; dividend.len() - divisor.len() + 1];
    for shift in (0..quotient.len()).rev() {
        let factor = remainder[shift + divisor.len() - 1] * inverse;
        quotient[shift] = factor;
        for (r, d) in remainder[shift..].iter_mut().zip(divisor) {
            *r -= factor * *d;
        }
    }
    (trim(quotient), trim(remainder))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::mask::round::MaskRound;
    use crate::mask::shamir::Dealing;

    fn shares(width: usize, threshold: usize, members: u16, seed: u8) -> (Vec<Fq>, Vec<(Seat, Vec<Fq>)>) {
        let secret = expand::uniform(expand::stream("test secret", &[&[seed]]), width);
        let dealing = Dealing::new(
            secret.clone(),
            threshold,
            &[seed; 32],
            &MaskRound::new(&[0; 32], &[0; 32], 0, 0),
        );
        let shares = (0..members)
            .map(|seat| (Seat(seat), dealing.share(Seat(seat)).to_vec()))
            .collect();
        (secret.to_vec(), shares)
    }

    fn claims(shares: &[(Seat, Vec<Fq>)]) -> Vec<Claim<'_>> {
        shares.iter().map(|(seat, values)| (*seat, values.as_slice())).collect()
    }

    proptest! {
        #[test]
        fn wrong_claims_within_the_radius_are_named_and_corrected(
            threshold in 1_usize..8,
            spare in 0_usize..8,
            seed in any::<u8>(),
            victims in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..6, 1..u64::MAX >> 1), 0..5),
        ) {
            let members = threshold + spare;
            let (secret, mut shares) = shares(6, threshold, members as u16, seed);
            let mut liars = std::collections::BTreeSet::new();
            for (victim, coordinate, offset) in victims.iter().take(spare / 2) {
                let victim = victim.index(members);
                if liars.insert(Seat(victim as u16)) {
                    shares[victim].1[*coordinate] += Fq::reduced(*offset);
                }
            }
            let decoded = decode(&claims(&shares), threshold).unwrap();
            prop_assert_eq!(decoded.secret, secret);
            prop_assert_eq!(decoded.wrong, liars.into_iter().collect::<Vec<_>>());
        }

        #[test]
        fn a_wrong_claim_too_many_is_never_taken_for_right(seed in any::<u8>(), offset in 1..u64::MAX >> 1) {
            // One spare share: one wrong claim is noticed and cannot be named.
            let (_, mut shares) = shares(4, 4, 5, seed);
            shares[2].1[1] += Fq::reduced(offset);
            let refused = decode(&claims(&shares), 4);
            prop_assert_eq!(refused, Err(DecodeError::TooManyWrong { needed: 4, got: 5, correctable: 0 }));
        }
    }

    /// Two liars whose errors cancel in most coordinates, and a whole row of garbage, are found all the same.
    #[test]
    fn liars_in_different_coordinates_are_all_named() {
        let (secret, mut shares) = shares(8, 3, 9, 1);
        shares[0].1[0] += Fq::ONE;
        shares[4].1[7] += Fq::ONE;
        shares[8].1.fill(Fq::reduced(9));
        let decoded = decode(&claims(&shares), 3).unwrap();
        assert_eq!(decoded.secret, secret);
        assert_eq!(decoded.wrong, [Seat(0), Seat(4), Seat(8)]);
    }

    #[test]
    fn more_liars_than_the_radius_are_refused() {
        let (_, mut shares) = shares(8, 3, 7, 1);
        for (liar, (_, values)) in shares.iter_mut().take(3).enumerate() {
            values[liar] += Fq::reduced(77 + liar as u64);
        }
        let refused = decode(&claims(&shares), 3);
        assert_eq!(
            refused,
            Err(DecodeError::TooManyWrong {
                needed: 3,
                got: 7,
                correctable: 2
            })
        );
    }

    #[test]
    fn too_few_claims_are_refused() {
        let (_, shares) = shares(8, 3, 2, 1);
        assert_eq!(
            decode(&claims(&shares), 3),
            Err(DecodeError::TooFew { needed: 3, got: 2 })
        );
    }
}
