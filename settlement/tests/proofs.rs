//! Proofs of slots and events: random tries, the compiler's layout, and real blocks of the embedded chain, anvil and hardhat.
#![cfg(feature = "chain")]
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

#[path = "support/anvil.rs"]
mod anvil;
#[path = "support/blocks.rs"]
mod blocks;
#[path = "support/embedded.rs"]
#[allow(dead_code)]
mod embedded;
#[path = "support/forged.rs"]
mod forged;
#[path = "support/layout.rs"]
mod layout;
#[path = "support/story.rs"]
#[allow(dead_code)]
mod story;
#[path = "support/tries.rs"]
mod tries;
#[path = "support/vectors.rs"]
mod vectors;
