//! The two floating-point types that rows may hold.

/// The largest absolute value of a coordinate, 2^460 (about 3e138); every finite `f32` is below it. Squared distances
/// of such rows, and sums of them over every row and coordinate a table may have, stay below the largest `f64`.
pub const MAX_MAGNITUDE: f64 = f64::from_bits((1023 + 460) << 52);

/// A coordinate's type: `f32` or `f64`.
pub trait Real: Copy + Default + PartialOrd + Into<f64> + Send + Sync + sealed::Sealed + 'static {
    /// Whether the value is finite and at most [`MAX_MAGNITUDE`] in absolute value.
    fn admissible(self) -> bool;
}

impl Real for f32 {
    #[inline(always)]
    fn admissible(self) -> bool {
        self.abs() <= f32::MAX
    }
}

impl Real for f64 {
    #[inline(always)]
    fn admissible(self) -> bool {
        self.abs() <= MAX_MAGNITUDE
    }
}

/// What the crate does with rows of a type, compiled here once for each of the two types instead of wherever a generic
/// function is called.
pub(super) mod sealed {
    use crate::decide::Square;
    use crate::real::decision::Aggregate;
    use crate::real::spool::{Sink, Spool};
    use crate::real::table::{Table, TableError, check_rows};
    use crate::real::{Rule, RuleError, Stage, State, pairs, state};

    pub trait Sealed: Sized {
        fn aggregate(
            rule: &Rule,
            table: &Table<'_, Self>,
            pre: &[Stage],
            state: State<'_>,
        ) -> Result<Aggregate, RuleError>
        where
            Self: super::Real;

        fn aggregate_spool(
            rule: &Rule,
            spool: &Spool<'_, Self>,
            pre: &[Stage],
            state: State<'_>,
            into: &Sink<'_>,
        ) -> Result<Aggregate, RuleError>
        where
            Self: super::Real;

        fn check(rows: &[&[Self]]) -> Result<(), TableError>;

        fn distances(table: &Table<'_, Self>) -> Result<Square<f64>, RuleError>
        where
            Self: super::Real;

        fn gram(table: &Table<'_, Self>) -> Result<Square<f64>, RuleError>
        where
            Self: super::Real;

        fn add_to_history(history: &mut [Vec<f64>], table: &Table<'_, Self>, pre: &[Stage]) -> Result<(), RuleError>
        where
            Self: super::Real;
    }

    macro_rules! compiled {
        ($real:ty) => {
            impl Sealed for $real {
                fn aggregate(
                    rule: &Rule,
                    table: &Table<'_, Self>,
                    pre: &[Stage],
                    state: State<'_>,
                ) -> Result<Aggregate, RuleError> {
                    rule.run_on(table, pre, state)
                }

                fn aggregate_spool(
                    rule: &Rule,
                    spool: &Spool<'_, Self>,
                    pre: &[Stage],
                    state: State<'_>,
                    into: &Sink<'_>,
                ) -> Result<Aggregate, RuleError> {
                    rule.run_on_spool(spool, pre, state, into)
                }

                fn check(rows: &[&[Self]]) -> Result<(), TableError> {
                    check_rows(rows)
                }

                fn distances(table: &Table<'_, Self>) -> Result<Square<f64>, RuleError> {
                    pairs::distances_of(table)
                }

                fn gram(table: &Table<'_, Self>) -> Result<Square<f64>, RuleError> {
                    pairs::gram_of(table)
                }

                fn add_to_history(
                    history: &mut [Vec<f64>],
                    table: &Table<'_, Self>,
                    pre: &[Stage],
                ) -> Result<(), RuleError> {
                    state::add_rows(history, table, pre)
                }
            }
        };
    }

    compiled!(f32);
    compiled!(f64);
}
