//! keccak256, for what a contract must be able to check.

/// keccak256 of bytes.
pub(crate) fn keccak(bytes: &[u8]) -> [u8; 32] {
    xfl_settlement::keccak256(bytes)
}
