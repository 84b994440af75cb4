//! Settlement: who signed a round, who earned what, and getting it paid on EVM chains.
//!
//! Pure (no IO, clock or entropy): [`payout`] keys, [`binding`] of node key to payout address, the [`statement`] of a
//! round and its quorum, keccak [`merkle`] trees, [`row`] trees and the [`input`] tree for on-chain checks of
//! aggregation and the evidence that [`refute`]s one, [`receipt`]s, the [`ledger`] of cumulative totals and its [`claim`] proofs,
//! also from a file of any size ([`stored`]), and [`proof`]s that a block holds a slot or an event. The digests are those of the contracts under
//! `settlement/contracts`.
//!
//! With feature `chain` (on by default): [`chain`], the only place that talks to a chain, and [`audit`], which compares a
//! chain with what the transcript says.
//!
//! ```
//! use xfl_settlement::{claim::Venue, ledger::Ledger};
//!
//! let mut ledger = Ledger::new([5; 32]);
//! ledger.add_venue(Venue { chain_id: 31_337, distributor: [1; 20], token: [2; 20] })?;
//! ledger.bind([7; 32], [3; 20], 31_337)?;
//! ledger.bind([8; 32], [4; 20], 31_337)?;
//! ledger.credit(1, &[([7; 32], 667), ([8; 32], 333)])?;
//!
//! let tree = ledger.tree();
//! let claim = tree.claim(&[7; 32], 31_337).expect("it has earned something");
//! assert_eq!(claim.leaf.cumulative, 667);
//! assert!(claim.verify(&tree.root()).is_ok());
//! # Ok::<(), xfl_settlement::ledger::LedgerError>(())
//! ```

mod abi;
#[cfg(feature = "chain")]
pub mod audit;
pub mod binding;
mod bytes;
#[cfg(feature = "chain")]
pub mod chain;
pub mod claim;
pub mod domain;
pub mod input;
pub mod ledger;
pub mod merkle;
pub mod payout;
pub mod proof;
pub mod receipt;
pub mod refute;
pub mod row;
pub mod statement;
pub mod stored;

pub use xfl_keccak::keccak256_many;

/// keccak256 of bytes, as contracts compute it.
pub fn keccak256(bytes: &[u8]) -> [u8; 32] {
    alloy::primitives::keccak256(bytes).0
}
#[cfg(test)]
mod vectors_tests;
