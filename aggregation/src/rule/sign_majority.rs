//! Sign majority: per coordinate 1, 0 or -1, whichever sign more rows have; 0 where as many are positive as negative.
//!
//! A zero votes for neither. The result is a direction, not an update: a server multiplies it with its step. Tolerates fewer than
//! half of the votes of a coordinate being bad where honest rows agree on its sign; one huge row has one vote. Cost n*d. One
//! coordinate can be recomputed alone. Source: Bernstein et al., *signSGD with Majority Vote is Communication Efficient and Fault
//! Tolerant*, ICLR 2019.

use crate::view::View;

pub(super) fn sign_majority(view: &View<'_>) -> Vec<i32> {
    view.map(
        || (),
        |(), _, rows, votes| {
            for row in rows {
                // At most MAX_ROWS votes.
                for (votes, v) in votes.iter_mut().zip(*row) {
                    *votes += v.signum();
                }
            }
            for votes in votes {
                *votes = votes.signum();
            }
        },
    )
}
