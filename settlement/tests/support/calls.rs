//! Calldata of a posting, whoever sends it.

use alloy::sol_types::{SolCall, SolValue};
use xfl_settlement::chain::challenge::Call;
use xfl_settlement::chain::contracts::bindings::RoundManager;
use xfl_settlement::payout::Signature;
use xfl_settlement::statement::RoundHeader;

/// A header's sixteen words, as every function that takes one has them first.
pub(crate) fn encoded(header: &RoundHeader) -> Vec<u8> {
    Call::expire(header, 0).calldata[4..4 + 16 * 32].to_vec()
}

/// Signatures one after the other, each behind its length.
pub(crate) fn packed(signatures: &[Signature]) -> Vec<u8> {
    let one = |signature: &Signature| [&65u16.to_be_bytes()[..], &signature.0].concat();
    signatures.iter().flat_map(one).collect()
}

/// A round's posting.
pub(crate) fn posting(header: &RoundHeader, packed: Vec<u8>) -> Vec<u8> {
    RoundManager::postRoundCall {
        header: RoundManager::RoundHeader::abi_decode(&encoded(header)).unwrap(),
        signatures: packed.into(),
    }
    .abi_encode()
}
