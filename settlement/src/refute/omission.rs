//! An update left out: the coordinator signed a receipt for it, and it isn't among the header's inputs.
//!
//! Inputs ascend strictly by node key and each leaf says how many there are, so that two neighbours (one at either end) show that nobody
//! stands between them. The coordinator answers for it alone: signers can't know who else holds a receipt.

use alloy::primitives::{Bytes, U256};
use alloy::sol_types::SolCall;
use serde::{Deserialize, Serialize};

use super::RefuteError;
use crate::abi;
use crate::domain::Domain;
use crate::input::{Input, input_tree};
use crate::merkle::Proof;
use crate::payout::Account;
use crate::receipt::SignedReceipt;
use crate::statement::RoundHeader;

/// The proof that an update with a receipt was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OmissionProof {
    /// The coordinator's word.
    pub receipt: SignedReceipt,
    /// Number of the round's inputs.
    pub count: u32,
    /// Place of the first input whose key isn't below the receipt's.
    pub index: u64,
    /// The inputs before and at that place, as far as there are such.
    pub neighbours: Vec<(Input, Proof)>,
}

impl OmissionProof {
    /// The proof, from the inputs that the header is over; checked.
    ///
    /// # Errors
    /// [`RefuteError`]; [`RefuteError::Listed`] where the update isn't left out.
    pub fn new(
        header: &RoundHeader,
        domain: &Domain,
        coordinator: &Account,
        receipt: &SignedReceipt,
        inputs: &[Input],
    ) -> Result<Self, RefuteError> {
        let other = |what| RefuteError::OtherData { what };
        let tree = input_tree(inputs).map_err(|_| other("inputs"))?;
        let index = inputs.partition_point(|input| input.node_key < receipt.receipt.node_key);
        let beside = index.saturating_sub(1)..inputs.len().min(index.saturating_add(1));
        let neighbours = beside.map(|place| Some((inputs[place], tree.proof(place)?)));
        let proof = Self {
            receipt: *receipt,
            // As many as there are leaves, which were counted in 32 bits.
            count: inputs.len() as u32,
            index: index as u64,
            neighbours: neighbours.collect::<Option<_>>().ok_or(other("inputs"))?,
        };
        proof.check(header, domain, coordinator)?;
        Ok(proof)
    }

    /// Whether the contract will take it.
    ///
    /// # Errors
    /// [`RefuteError`] for what the contract would refuse it for.
    pub fn check(&self, header: &RoundHeader, domain: &Domain, coordinator: &Account) -> Result<(), RefuteError> {
        let other = |what| Err(RefuteError::OtherData { what });
        let receipt = &self.receipt.receipt;
        if (receipt.federation, receipt.round, receipt.attempt) != (header.federation, header.round, header.attempt) {
            return Err(RefuteError::OtherReceipt {
                round: receipt.round,
                attempt: receipt.attempt,
            });
        }
        self.receipt.check(domain, coordinator)?;
        if header.input_root == [0; 32] {
            return Ok(());
        }
        let (count, first) = (u64::from(self.count), self.index.saturating_sub(1));
        let last = if self.index < count { self.index } else { first };
        if self.index > count || self.neighbours.len() as u64 != last - first + 1 {
            return other("neighbours");
        }
        for (place, (input, proof)) in (first..).zip(&self.neighbours) {
            let leaf = input.hash(self.count);
            if proof.index != place || !proof.verify(&header.input_root, &leaf, count) {
                return other("inputs");
            }
            let apart = match place < self.index {
                true => input.node_key < receipt.node_key,
                false => {
                    input.node_key > receipt.node_key
                        || (input.node_key == receipt.node_key && input.commitment != receipt.commitment)
                }
            };
            if !apart {
                return Err(RefuteError::Listed);
            }
        }
        Ok(())
    }

    /// What to send to the round manager.
    #[must_use]
    pub fn calldata(&self, header: &RoundHeader) -> Vec<u8> {
        let siblings = |proof: &Proof| proof.siblings.iter().map(Into::into).collect();
        abi::proveOmissionCall {
            header: header.into(),
            receipt: (&self.receipt.receipt).into(),
            signature: Bytes::copy_from_slice(&self.receipt.signature.0),
            count: self.count,
            index: U256::from(self.index),
            neighbours: self.neighbours.iter().map(|(input, _)| input.into()).collect(),
            proofs: self.neighbours.iter().map(|(_, proof)| siblings(proof)).collect(),
        }
        .abi_encode()
    }
}
