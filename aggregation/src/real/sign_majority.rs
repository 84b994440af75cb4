//! Sign majority: per coordinate 1, 0 or -1, whichever sign more rows have; 0 where as many are positive as negative.
//!
//! A zero votes for neither. The result is a direction: a server multiplies it with its step. Tolerates fewer than half
//! of the votes of a coordinate being bad where honest rows agree on its sign; magnitudes play no part, so one huge row
//! has one vote. Cost n*d. Coordinate-wise; a sum of signs, not of values, so it runs on masked sums only where clients
//! send signs.
//! Source: Bernstein et al., *signSGD with Majority Vote is Communication Efficient and Fault Tolerant*, ICLR 2019.

use super::element::Real;
use super::view::Kernel;

pub(super) struct SignMajority;

impl Kernel for SignMajority {
    const WIDTH: usize = 1024;
    type Scratch<E: Real> = ();

    fn scratch<E: Real>(&self, _: usize) {}

    #[inline(always)]
    fn block<E: Real>(&self, (): &mut (), _: usize, rows: &[&[E]], out: &mut [f64]) {
        out.fill(0.0);
        for row in rows {
            for (votes, &v) in out.iter_mut().zip(*row) {
                *votes += sign(v.into());
            }
        }
        for votes in out {
            *votes = sign(*votes);
        }
    }
}

#[inline(always)]
fn sign(v: f64) -> f64 {
    let positive = if v > 0.0 { 1.0 } else { 0.0 };
    let negative = if v < 0.0 { 1.0 } else { 0.0 };
    positive - negative
}
