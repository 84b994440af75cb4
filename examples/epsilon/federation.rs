//! The federations: whose records, how many institutions, and the recipe of each way.

use std::path::Path;

use thiserror::Error;
use xfl_core::{
    schema::Schema,
    seed::Seed,
    train::{
        Data, Limits, Table, Target,
        data::{DataError, TableError},
        split::{SplitError, split},
    },
};

use crate::pixels::{self, PixelsError};
use crate::way::{Recipe, Way};

mod recipes;

const PATIENTS: &str = include_str!("../data/breast_cancer_wisconsin.csv");
const PATIENTS_SCHEMA: &str = include_str!("../data/breast_cancer_wisconsin.toml");

/// Why a federation can't be set up.
#[derive(Debug, Error)]
pub(crate) enum FederationError {
    /// The schema.
    #[error("the schema of {name}: {error}")]
    Schema { name: &'static str, error: toml::de::Error },
    /// The patients.
    #[error(transparent)]
    Patients(#[from] DataError),
    /// The digits.
    #[error(transparent)]
    Digits(#[from] PixelsError),
    /// The records can't be dealt out.
    #[error(transparent)]
    Split(#[from] SplitError),
    /// A deal that doesn't fit its table.
    #[error(transparent)]
    Table(#[from] TableError),
}

/// Records that are dealt out evenly.
pub(crate) struct Federation {
    /// For people.
    pub(crate) name: &'static str,
    /// The plan's `[data]` table.
    pub(crate) schema: String,
    /// How many institutions.
    pub(crate) institutions: usize,
    /// Records of each.
    pub(crate) records: usize,
    /// Institutions whose noise isn't counted on, in mode distributed.
    pub(crate) dishonest: usize,
    /// Seeds where none are asked for.
    pub(crate) seeds: u64,
    /// What each way is run with.
    recipe: fn(Way) -> Recipe,
    /// What centralised training is run with: rounds and step size.
    pub(crate) centralised: (u64, f64),
    /// All records to train on, and those to test with where there are any of their own.
    table: Table,
    test: Option<Table>,
}

/// One way to deal the records out.
pub(crate) struct Deal {
    /// One table for each institution.
    pub(crate) institutions: Vec<Table>,
    /// All of theirs in one place.
    pub(crate) pooled: Table,
    /// What nobody trains on.
    pub(crate) held_out: Table,
}

impl Federation {
    /// Five hospitals with 91 patients each; the other 114 are held out, others under each seed.
    ///
    /// # Errors
    /// The table and its schema don't fit: an error in this repository.
    pub(crate) fn patients() -> Result<Self, FederationError> {
        let name = "Breast Cancer Wisconsin";
        let schema: Schema =
            toml::from_str(PATIENTS_SCHEMA).map_err(|error| FederationError::Schema { name, error })?;
        Ok(Self {
            name,
            schema: PATIENTS_SCHEMA.to_owned(),
            institutions: 5,
            records: 91,
            dishonest: 1,
            seeds: 20,
            recipe: recipes::patients,
            centralised: (500, 1.0),
            table: Table::read("patients", PATIENTS.as_bytes(), &schema, Limits::default())?,
            test: None,
        })
    }

    /// A hundred institutions with `records` digits each, others under each seed, tested on MNIST's own 10,000; a quick one has 20
    /// institutions and 1,000 digits to test with.
    ///
    /// # Errors
    /// The files in `folder` are missing or damaged.
    pub(crate) fn digits(folder: &Path, records: usize, quick: bool) -> Result<Self, FederationError> {
        let (institutions, digits, tested) = if quick {
            (20, 12_000, 1_000)
        } else {
            (100, 60_000, 10_000)
        };
        Ok(Self {
            name: "MNIST",
            schema: pixels::schema(),
            institutions,
            records,
            dishonest: institutions / 10,
            seeds: 3,
            recipe: recipes::digits,
            centralised: (if quick { 50 } else { 300 }, 1.0),
            table: pixels::load(folder, "train", digits)?,
            test: Some(pixels::load(folder, "t10k", tested)?),
        })
    }

    /// What a way is run with here.
    pub(crate) fn recipe(&self, way: Way) -> Recipe {
        (self.recipe)(way)
    }

    /// Deals the records out as the seed says.
    ///
    /// # Errors
    /// There are too few.
    pub(crate) fn deal(&self, seed: &Seed) -> Result<Deal, FederationError> {
        let held_out = self.table.len().saturating_sub(self.institutions * self.records);
        let parts = split(self.table.len(), held_out, &vec![1; self.institutions], seed)?;
        let tables = parts.institutions.iter().map(|rows| self.table.select(rows));
        Ok(Deal {
            institutions: tables.collect::<Result<_, _>>()?,
            pooled: self.table.select(&parts.institutions.concat())?,
            held_out: match &self.test {
                Some(test) => test.clone(),
                None => self.table.select(&parts.held_out)?,
            },
        })
    }

    /// The share of the most frequent class among the records that are tested with: what guessing gets.
    pub(crate) fn guessing(&self) -> f64 {
        let table = self.test.as_ref().unwrap_or(&self.table);
        let mut counts = std::collections::BTreeMap::new();
        for target in (0..table.len()).map(|i| table.target(i)) {
            if let Target::Class(class) = target {
                *counts.entry(class).or_insert(0_usize) += 1;
            }
        }
        counts.into_values().max().unwrap_or_default() as f64 / table.len().max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hospital_has_as_many_patients_and_nobody_is_tested_on_who_was_trained_on() {
        let federation = Federation::patients().unwrap();
        let deal = federation.deal(&Seed::from_number(7)).unwrap();
        assert!(deal.institutions.iter().all(|t| t.len() == 91));
        assert_eq!((deal.pooled.len(), deal.held_out.len()), (455, 114));
        let row = |table: &Table, i: usize| table.row(i).unwrap().iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        let pooled: std::collections::BTreeSet<_> = (0..455).map(|i| row(&deal.pooled, i)).collect();
        assert!((0..114).all(|i| !pooled.contains(&row(&deal.held_out, i))));
        assert!((federation.guessing() - 357.0 / 569.0).abs() < 1e-12);
    }
}
