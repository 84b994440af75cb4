//! Proofs of slots and events: random tries, the compiler's layout, and real blocks of the embedded chain, anvil and hardhat.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

#[path = "support/layout.rs"]
mod layout;
#[path = "support/tries.rs"]
mod tries;
