//! Chains: the embedded one and any other by URL, behind the same alloy provider.
//!
//! [`embedded`] is an EVM chain in this process (revm, persisted, replayed on opening), [`transport`] makes it an alloy
//! transport, [`server`] serves it as JSON-RPC on loopback, [`snapshot`] exports it for auditors. [`deploy`] puts the
//! [`contracts`] onto a chain by [`create2`], [`client`] posts rounds and claims rewards, [`collect`] asks for proofs and [`challenge`] proves
//! lies, on the embedded chain and on others alike.

pub mod challenge;
pub mod client;
pub mod collect;
pub mod connect;
pub mod contracts;
pub mod create2;
pub mod deploy;
pub mod embedded;
pub mod events;
pub mod genesis;
pub mod server;
pub mod snapshot;
pub mod transport;

mod block;
mod execute;
pub mod rpc;
pub mod store;
mod world;
