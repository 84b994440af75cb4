//! Which rows are copies of which, by direction.

use std::path::PathBuf;

use xfl_aggregation::{
    Rows,
    score::{Cosines, Ppm, copies},
};

use super::updates::Updates;
use crate::{
    commands::aggregate::{input::in_file, vectors},
    failure::Failure,
    npy::Array,
};

/// Most rows among which copies are looked for without being asked: a score should not cost n^2 d by the way.
const BY_THE_WAY: usize = 100;

/// What counts as a copy.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Cosine from which a row is marked as a copy of an earlier one, in ppm; among up to 100 rows unless --scorer copies.
    #[arg(long, value_name = "PPM", default_value_t = 999_000, value_parser = clap::value_parser!(i64).range(1..=1_000_000), env = "XFL_COPIES", hide_env_values = true)]
    copies: i64,
    /// A .npy file of every row's index once, earliest commitment first; the rows' own order where absent.
    #[arg(long, value_name = "ORDER.npy", env = "XFL_ORDER", hide_env_values = true)]
    order: Option<PathBuf>,
}

/// The rows' directions.
pub(super) struct Directions {
    values: Vec<i32>,
    d: usize,
}

impl Directions {
    /// Of these rows.
    pub(super) fn of(updates: &Updates) -> Self {
        Self {
            values: updates.directions(),
            d: updates.d(),
        }
    }

    /// As a table.
    pub(super) fn rows(&self, array: &Array) -> Result<Rows<'_>, Failure> {
        Rows::new(self.values.chunks_exact(self.d).collect()).map_err(|error| in_file(array, &error))
    }

    /// The cosines between all of them.
    pub(super) fn cosines(&self, array: &Array) -> Result<Cosines, Failure> {
        Cosines::of(&self.rows(array)?).map_err(|error| in_file(array, &error))
    }

    /// Which are nothing but zeros.
    pub(super) fn zeros(&self) -> Vec<bool> {
        let rows = self.values.chunks_exact(self.d);
        rows.map(|row| row.iter().all(|&v| v == 0)).collect()
    }
}

impl Args {
    /// Whether copies are looked for among `n` rows whose scorer doesn't do so itself.
    pub(super) fn by_the_way(n: usize) -> bool {
        n <= BY_THE_WAY
    }

    /// For each row the earlier one that it copies.
    pub(super) fn copies(&self, cosines: &Cosines) -> Result<Vec<Option<usize>>, Failure> {
        let order = match &self.order {
            Some(path) => vectors::indices(path)?,
            None => (0..cosines.n()).collect(),
        };
        copies(cosines, &order, Ppm(self.copies)).map_err(|error| {
            Failure::usage(format!("--order: {error}"))
                .hint("write every row's index once, in the order of commitments")
        })
    }
}
