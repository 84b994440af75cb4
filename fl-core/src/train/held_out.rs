//! Held-out data: committed before the first round, shown to auditors afterwards, and the referee in between.

use super::{
    data::{Limits, Table},
    model::{Evaluation, Model},
};
use crate::{
    round::{Referee, RefereeError},
    schema::Schema,
};

/// A model and the data that no member has.
pub struct HeldOut {
    model: Box<dyn Model>,
    data: Table,
}

impl HeldOut {
    /// Reads held-out data from a file's bytes.
    ///
    /// # Errors
    /// What is wrong with the data.
    pub fn read(
        model: Box<dyn Model>,
        file: &str,
        bytes: &[u8],
        schema: &Schema,
    ) -> Result<Self, super::data::DataError> {
        Ok(Self {
            model,
            data: Table::read(file, bytes, schema, Limits::default())?,
        })
    }

    /// How well parameters do on it.
    ///
    /// # Errors
    /// Parameters that aren't the model's.
    pub fn evaluate(&self, parameters: &[f32]) -> Result<Evaluation, super::model::TrainError> {
        self.model.evaluate(parameters, &self.data)
    }

    /// Examples held out.
    pub fn examples(&self) -> usize {
        super::data::Data::len(&self.data)
    }
}

impl Referee for HeldOut {
    /// Minus the mean loss, in parts per million, rounded to the nearest.
    fn value(&mut self, parameters: &[f32]) -> Result<i64, RefereeError> {
        let evaluation = self.evaluate(parameters).map_err(|e| RefereeError(e.to_string()))?;
        // A float-to-integer cast saturates.
        Ok((-evaluation.loss * 1e6).round() as i64)
    }
}

/// The commitment to held-out data that a federation begins with.
pub fn commitment(salt: &[u8; 32], file: &[u8]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("xfl held-out v1");
    hasher.update(salt);
    hasher.update(file);
    *hasher.finalize().as_bytes()
}
