//! Two headers of one round, after one parent, under one signature key: the signer is slashed for the pair.

use alloy::primitives::Bytes;
use alloy::sol_types::SolCall;
use serde::{Deserialize, Serialize};

use super::RefuteError;
use crate::abi;
use crate::domain::Domain;
use crate::keccak256;
use crate::merkle::Digest;
use crate::payout::{Account, Signature};
use crate::statement::RoundHeader;

/// Two headers and two signatures of one member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Equivocation {
    /// One header.
    pub first: RoundHeader,
    /// Another one.
    pub second: RoundHeader,
    /// Over the first.
    pub first_signature: Signature,
    /// Over the second.
    pub second_signature: Signature,
    /// Who made both.
    pub signer: Account,
    /// Digest of the pair, in either order: what the signer is punished for at most once.
    #[serde(with = "crate::bytes")]
    pub pair: Digest,
}

impl Equivocation {
    /// The equivocation, if it is one. Whether one of the headers was voided, which makes it none, only the chain knows.
    ///
    /// # Errors
    /// [`RefuteError::NoEquivocation`].
    pub fn new(
        domain: &Domain,
        first: (&RoundHeader, &Signature),
        second: (&RoundHeader, &Signature),
    ) -> Result<Self, RefuteError> {
        let no = |what| RefuteError::NoEquivocation { what };
        let (one, other) = (first.0.digest(domain), second.0.digest(domain));
        if one == other {
            return Err(no("the headers are the same"));
        }
        if first.0.round != second.0.round || first.0.parent != second.0.parent {
            return Err(no("the headers are of different rounds or after different parents"));
        }
        let signer = |digest: &Digest, signature: &Signature| signature.recover(digest).map_err(RefuteError::Signature);
        let (by, also_by) = (signer(&one, first.1)?, signer(&other, second.1)?);
        if by != also_by {
            return Err(no("the signatures are of different members"));
        }
        Ok(Self {
            first: *first.0,
            second: *second.0,
            first_signature: *first.1,
            second_signature: *second.1,
            signer: by,
            pair: keccak256(&[one.min(other), one.max(other)].concat()),
        })
    }

    /// What to send to the round manager.
    #[must_use]
    pub fn calldata(&self) -> Vec<u8> {
        abi::proveEquivocationCall {
            first: (&self.first).into(),
            second: (&self.second).into(),
            firstSignature: Bytes::copy_from_slice(&self.first_signature.0),
            secondSignature: Bytes::copy_from_slice(&self.second_signature.0),
        }
        .abi_encode()
    }
}
