//! Proofs that a block holds something: a contract's storage, an event. Checked here without asking anybody.
//!
//! **Claim.** What these functions answer follows from a block's hash alone: [`header`] opens the hash into roots, [`account`] the state root
//! into an account and its storage, [`receipt`] the receipts root into a transaction's receipt and its events. [`ancestry`] goes from a block
//! that somebody vouches for (a [`Checkpoint`]) back to those before it. What isn't there is proved too: an empty slot, an account that
//! doesn't exist.
//!
//! **How.** Headers, nodes and values are the RLP bytes that the chain hashed, as `eth_getProof` and its like give them. Each is hashed and
//! compared with what its parent names; nothing is read from a node that hasn't been compared.
//!
//! **Bounds.** All bytes are taken for hostile. Headers have at most [`header::MAX_HEADER`] bytes, proofs at most [`trie::MAX_NODES`] nodes and
//! [`trie::MAX_BYTES`] bytes, a walk over headers at most [`ancestry::MAX_STEPS`] steps.
//!
//! **Not here.** Whether a block is the chain's. A block vouches for those before it by their hashes and for none after it: anybody can put a
//! forged block on top of a real one. Consensus (signatures of validators, finality) isn't checked: a hash must come from somebody trusted.
//!
//! The slots of this federation's contracts are in [`slots`]. Solidity's side is `contracts/src/libraries/RelayProof.sol`.
//!
//! ```
//! use xfl_settlement::proof::trie::{TrieError, lookup, prove};
//!
//! let entries = (0..9u8).map(|i| (vec![i; 32], vec![i + 1])).collect();
//! let (root, proofs) = prove(&entries, &[&[7; 32], &[77; 32]])?;
//! assert_eq!(lookup(&root, &[7; 32], &proofs[0])?, Some(vec![8]));
//! assert_eq!(lookup(&root, &[77; 32], &proofs[1])?, None);
//! assert!(lookup(&[0; 32], &[7; 32], &proofs[0]).is_err());
//! # Ok::<(), TrieError>(())
//! ```
//!
//! References: Ethereum yellow paper, appendix D (tries); EIP-1186 (`eth_getProof`); EIP-2718 (typed receipts).

pub mod account;
pub mod ancestry;
pub mod checkpoint;
pub mod collected;
pub mod header;
pub mod receipt;
pub mod slots;
pub mod trie;

pub use checkpoint::Checkpoint;
pub use collected::Collected;
