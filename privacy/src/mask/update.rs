//! Masked updates and their sum: one element of the field a coordinate, 8 bytes each, least significant byte first.

use thiserror::Error;

use super::field::{Fq, MODULUS};
use super::params::MaskParams;

/// One client's masked update: the bodies of its ciphertexts, one per coordinate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaskedUpdate {
    bodies: Vec<u64>,
}

/// The sum of some masked updates, modulo q, and how many they were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaskedSum {
    bodies: Vec<u64>,
    updates: usize,
}

/// Why something received is not a masked update.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum BodyError {
    /// Wrong number of coordinates.
    #[error("a masked update has {expected} coordinates, got {got}")]
    Length {
        /// Coordinates of the plan.
        expected: usize,
        /// Coordinates received.
        got: usize,
    },
    /// Not a whole number of coordinates.
    #[error("a masked update of {expected} coordinates takes {} bytes, got {got}", expected * 8)]
    Bytes {
        /// Coordinates of the plan.
        expected: usize,
        /// Bytes received.
        got: usize,
    },
    /// A body that is not an element of the field.
    #[error("coordinate {coordinate} is {got}, not under the modulus")]
    NotReduced {
        /// Position of the first such coordinate.
        coordinate: usize,
        /// Its value.
        got: u64,
    },
}

impl MaskedUpdate {
    /// Checks bodies received from a peer.
    ///
    /// # Errors
    /// A wrong length, or a body that is not under [`MODULUS`].
    pub fn from_bodies(params: &MaskParams, bodies: Vec<u64>) -> Result<Self, BodyError> {
        if bodies.len() != params.dimension() {
            return Err(BodyError::Length {
                expected: params.dimension(),
                got: bodies.len(),
            });
        }
        match bodies.iter().position(|body| *body >= MODULUS) {
            Some(coordinate) => Err(BodyError::NotReduced {
                coordinate,
                got: bodies[coordinate],
            }),
            None => Ok(Self { bodies }),
        }
    }

    /// Checks the encoding of an update received from a peer.
    ///
    /// # Errors
    /// A wrong length, or a body that is not under [`MODULUS`].
    pub fn from_bytes(params: &MaskParams, bytes: &[u8]) -> Result<Self, BodyError> {
        let expected = params.dimension();
        if bytes.len() != expected * 8 {
            return Err(BodyError::Bytes {
                expected,
                got: bytes.len(),
            });
        }
        let bodies = bytes.chunks_exact(8).map(|word| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(word);
            u64::from_le_bytes(bytes)
        });
        Self::from_bodies(params, bodies.collect())
    }

    /// Wraps bodies that this crate has just made.
    pub(crate) fn assemble(bodies: Vec<u64>) -> Self {
        Self { bodies }
    }

    /// The bodies, each under [`MODULUS`], one per coordinate.
    pub fn bodies(&self) -> &[u64] {
        &self.bodies
    }

    /// The bodies, by value.
    pub fn into_bodies(self) -> Vec<u64> {
        self.bodies
    }

    /// The encoding: 8 bytes a coordinate.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.bodies.iter().flat_map(|body| body.to_le_bytes()).collect()
    }
}

impl MaskedSum {
    /// The sum of no updates.
    pub fn empty(params: &MaskParams) -> Self {
        Self {
            bodies: vec![0; params.dimension()],
            updates: 0,
        }
    }

    /// Adds one update, so that a coordinator needs memory for one sum and one update at a time.
    ///
    /// # Errors
    /// The update was made for another plan.
    pub fn add(&mut self, update: &MaskedUpdate) -> Result<(), BodyError> {
        if update.bodies.len() != self.bodies.len() {
            return Err(BodyError::Length {
                expected: self.bodies.len(),
                got: update.bodies.len(),
            });
        }
        for (sum, body) in self.bodies.iter_mut().zip(&update.bodies) {
            *sum = (Fq::reduced(*sum) + Fq::reduced(*body)).get();
        }
        self.updates += 1;
        Ok(())
    }

    /// The summed bodies, each under [`MODULUS`].
    pub fn bodies(&self) -> &[u64] {
        &self.bodies
    }

    /// How many updates were added.
    pub fn updates(&self) -> usize {
        self.updates
    }
}

/// Adds masked updates of one plan.
///
/// # Errors
/// An update was made for another plan.
pub fn sum_bodies<'a>(
    params: &MaskParams,
    updates: impl IntoIterator<Item = &'a MaskedUpdate>,
) -> Result<MaskedSum, BodyError> {
    let mut sum = MaskedSum::empty(params);
    for update in updates {
        sum.add(update)?;
    }
    Ok(sum)
}
