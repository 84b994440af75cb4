//! Contribution scores: how much each row of a round mattered, in integer parts per million.
//!
//! | score | needs | cost | rounding |
//! |---|---|---|---|
//! | [`cosine_to_aggregate`] | the rows only | 2*n*d | towards zero |
//! | [`leave_one_out`] | a value of a model | n+1 aggregates, up to n+1 evaluations | none |
//!
//! Both are exact functions of their inputs, so that what is paid for them can be recomputed. Neither is fair by itself: the cosine
//! rewards a copy as much as its original and says nothing about length; leave-one-out gives two copies of the same good
//! row nothing where either suffices. Releasing a score releases something about the row it belongs to.

mod cosine;
mod leave_one_out;
mod ppm;
mod wide;

pub use cosine::{CosineError, cosine_to_aggregate};
pub use leave_one_out::{LeaveOneOut, ScoreError, leave_one_out};
pub use ppm::Ppm;
