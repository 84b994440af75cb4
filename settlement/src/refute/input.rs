//! A changed input: the row holds another chunk than the member committed to.
//!
//! The member's place in every row and its commitment stand in the header's input tree ([`crate::input`]); an [`Opening`] of that commitment
//! at the row's chunk, beside the row, is the proof. Anybody can make it who saw the update with its salts: in the clear, everybody.

use alloy::primitives::{Keccak256, U256};
use alloy::sol_types::SolCall;
use serde::{Deserialize, Serialize};

use super::{Evidence, RefuteError, evidence::WORD};
use crate::abi;
use crate::input::{Input, REFUSED, input_tree};
use crate::merkle::{Digest, Proof};
use crate::row::chunks;
use crate::statement::RoundHeader;

/// One chunk of a member's update, opened from its commitment: leaf `keccak256(0x02 || salt || chunk)`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opening {
    /// What hid the chunk.
    pub salt: [u8; 16],
    /// Eight big-endian `i32`, zeros past the last coordinate.
    #[serde(with = "crate::bytes")]
    pub values: [u8; WORD],
    /// The leaf's way to the commitment; the index is the chunk.
    pub proof: Proof,
}

impl Opening {
    /// Whether it opens `commitment`, over an update of `dimension` coordinates.
    #[must_use]
    pub fn verify(&self, commitment: &Digest, dimension: u64) -> bool {
        let mut leaf = Keccak256::new();
        leaf.update([2]);
        leaf.update(self.salt);
        leaf.update(self.values);
        self.proof.verify(commitment, &leaf.finalize().0, chunks(dimension))
    }
}

/// The proof that a row isn't what a member committed to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputProof {
    /// The row; the aggregate's chunk beside it is shown for its place alone.
    pub evidence: Evidence,
    /// Number of the round's inputs.
    pub count: u32,
    /// The member's input.
    pub input: Input,
    /// Its way to the input root.
    pub place: Proof,
    /// What the member committed to.
    pub opening: Opening,
}

impl InputProof {
    /// The proof about one member, from the inputs that the header is over; checked.
    ///
    /// # Errors
    /// [`RefuteError`]; [`RefuteError::Matches`] where the row is what the member committed to.
    pub fn new(
        header: &RoundHeader,
        evidence: Evidence,
        inputs: &[Input],
        member: &Digest,
        opening: Opening,
    ) -> Result<Self, RefuteError> {
        let other = |what| RefuteError::OtherData { what };
        let tree = input_tree(inputs).map_err(|_| other("inputs"))?;
        let index = inputs.binary_search_by(|input| input.node_key.cmp(member));
        let index = index.map_err(|_| RefuteError::NotListed)?;
        let proof = Self {
            evidence,
            // As many as there are leaves, which were counted in 32 bits.
            count: inputs.len() as u32,
            input: inputs[index],
            place: tree.proof(index).ok_or(RefuteError::NotListed)?,
            opening,
        };
        proof.check(header)?;
        Ok(proof)
    }

    /// Whether the contract will take it.
    ///
    /// # Errors
    /// [`RefuteError`] for what the contract would refuse it for.
    pub fn check(&self, header: &RoundHeader) -> Result<(), RefuteError> {
        let other = |what| Err(RefuteError::OtherData { what });
        self.evidence.verify(header)?;
        let leaf = self.input.hash(self.count);
        if !self.place.verify(&header.input_root, &leaf, u64::from(self.count)) {
            return other("inputs");
        }
        if self.input.position == REFUSED {
            return Err(RefuteError::Refused);
        }
        let Some(word) = self.evidence.word(self.input.position) else {
            return other("positions");
        };
        let (place, opening) = (self.evidence.chunk(), &self.opening);
        if opening.proof.index != place || !opening.verify(&self.input.commitment, header.dimension) {
            return other("opened values");
        }
        if word == opening.values {
            return Err(RefuteError::Matches);
        }
        Ok(())
    }

    /// What to send to the round manager.
    #[must_use]
    pub fn calldata(&self, header: &RoundHeader) -> Vec<u8> {
        let words = |proof: &Proof| proof.siblings.iter().map(Into::into).collect();
        abi::proveInputCall {
            header: header.into(),
            evidence: self.evidence.abi(),
            count: self.count,
            input: (&self.input).into(),
            opening: abi::Opening {
                index: U256::from(self.place.index),
                inputProof: words(&self.place),
                salt: self.opening.salt.into(),
                values: self.opening.values.into(),
                proof: words(&self.opening.proof),
            },
        }
        .abi_encode()
    }
}
