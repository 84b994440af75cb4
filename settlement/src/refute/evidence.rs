//! One chunk of a round, as a contract is shown it: the cohort's row and the aggregate's chunk beside it.
//!
//! Whoever holds all updates and the aggregate makes it ([`Evidence::new`]); whoever holds neither takes it from the calldata of a row that was
//! demanded and shown ([`Evidence::from_answer`]). Either way [`Evidence::verify`] ties it to the header's roots.

use alloy::sol_types::{SolCall, SolValue};
use serde::{Deserialize, Serialize};

use super::RefuteError;
use crate::abi;
use crate::merkle::{MAX_DEPTH, Proof};
use crate::row::{CHUNK, RowProof, aggregate_tree, row_tree};
use crate::statement::RoundHeader;

/// Bytes of one member's chunk.
pub(super) const WORD: usize = CHUNK * 4;

/// A row and the aggregate's chunk, each with its way to the header's root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The cohort's row: [`CHUNK`] coordinates a member, four bytes each.
    pub row: RowProof,
    /// The aggregate's chunk.
    pub aggregate: RowProof,
}

impl Evidence {
    /// The evidence about one chunk, from the cohort's updates and the aggregate that the header is over.
    ///
    /// # Errors
    /// [`RefuteError::OtherData`] where the trees don't lead to the header's roots, and [`RefuteError::Row`].
    pub fn new(header: &RoundHeader, updates: &[&[i32]], aggregate: &[i32], chunk: usize) -> Result<Self, RefuteError> {
        let (rows, values) = (row_tree(updates)?, aggregate_tree(aggregate)?);
        if rows.root() != header.row_root || values.root() != header.aggregate_root {
            let what = "rows or aggregate";
            return Err(RefuteError::OtherData { what });
        }
        Ok(Self {
            row: RowProof::new(updates, &rows, chunk)?,
            aggregate: RowProof::new(&[aggregate], &values, chunk)?,
        })
    }

    /// The evidence in the calldata of `answerRow`, checked against the header.
    ///
    /// # Errors
    /// [`RefuteError::OtherData`] for other calldata, and as [`Self::verify`].
    pub fn from_answer(header: &RoundHeader, calldata: &[u8]) -> Result<Self, RefuteError> {
        let call = abi::answerRowCall::abi_decode(calldata);
        let call = call.map_err(|_| RefuteError::OtherData {
            what: "an answer's bytes",
        })?;
        Self::shown(header, call.evidence)
    }

    /// The evidence as the round manager told it, ABI-encoded, checked against the header.
    ///
    /// # Errors
    /// As [`Self::from_answer`].
    pub fn from_told(header: &RoundHeader, row: &[u8]) -> Result<Self, RefuteError> {
        let row = abi::Row::abi_decode(row).map_err(|_| RefuteError::OtherData { what: "a row's bytes" })?;
        Self::shown(header, row)
    }

    fn shown(header: &RoundHeader, shown: abi::Row) -> Result<Self, RefuteError> {
        let other = |what| RefuteError::OtherData { what };
        if shown.rowProof.len() > MAX_DEPTH || shown.aggregateProof.len() > MAX_DEPTH {
            return Err(other("an answer's proofs"));
        }
        let proof = |row: Vec<u8>, siblings: Vec<alloy::primitives::B256>| RowProof {
            row,
            proof: Proof {
                index: shown.chunk,
                siblings: siblings.into_iter().map(Into::into).collect(),
            },
        };
        let evidence = Self {
            row: proof(shown.row.into(), shown.rowProof),
            aggregate: proof(shown.aggregate.to_vec(), shown.aggregateProof),
        };
        evidence.verify(header)?;
        Ok(evidence)
    }

    /// The chunk's number.
    #[must_use]
    pub fn chunk(&self) -> u64 {
        self.row.proof.index
    }

    /// Whether both stand at the same place under the header's roots.
    ///
    /// # Errors
    /// [`RefuteError::Row`], and [`RefuteError::OtherData`] for two different places.
    pub fn verify(&self, header: &RoundHeader) -> Result<(), RefuteError> {
        if self.row.proof.index != self.aggregate.proof.index {
            let what = "row and aggregate's chunk";
            return Err(RefuteError::OtherData { what });
        }
        self.row
            .verify::<i32>(&header.row_root, header.cohort, header.dimension)?;
        self.aggregate
            .verify::<i32>(&header.aggregate_root, 1, header.dimension)?;
        Ok(())
    }

    /// What to send to the round manager to show a row that was demanded.
    #[must_use]
    pub fn answer(&self, header: &RoundHeader) -> Vec<u8> {
        let evidence = self.abi();
        let header = header.into();
        abi::answerRowCall { header, evidence }.abi_encode()
    }

    /// A member's chunk in the row: 32 bytes.
    pub(super) fn word(&self, position: u32) -> Option<[u8; WORD]> {
        let start = (position as usize).checked_mul(WORD)?;
        self.row.row.get(start..start.checked_add(WORD)?)?.try_into().ok()
    }

    /// The cohort's values of one coordinate of the chunk, and the aggregate's.
    pub(super) fn column(&self, place: usize) -> (Vec<i32>, i32) {
        let at = |word: &[u8]| {
            let bytes = word.get(4 * place..4 * place + 4).and_then(|b| b.try_into().ok());
            i32::from_be_bytes(bytes.unwrap_or_default())
        };
        let column = self.row.row.chunks_exact(WORD).map(at).collect();
        (column, at(&self.aggregate.row))
    }

    pub(super) fn abi(&self) -> abi::Row {
        let mut aggregate = [0; WORD];
        let length = self.aggregate.row.len().min(WORD);
        aggregate[..length].copy_from_slice(&self.aggregate.row[..length]);
        abi::Row {
            chunk: self.chunk(),
            row: self.row.row.clone().into(),
            rowProof: self.row.proof.siblings.iter().map(Into::into).collect(),
            aggregate: aggregate.into(),
            aggregateProof: self.aggregate.proof.siblings.iter().map(Into::into).collect(),
        }
    }
}
