//! The federation: plan, rounds, training, transcript and audit.
//!
//! The protocol is pure: [`coordinator`] and [`institution`] are state machines without sockets, disk or clock, and both
//! run on [`round`], which also replays a [`transcript`] for [`audit`]. What touches the world is behind features: `train`
//! (burn) and `node` (QUIC, files, chains).

#[cfg(feature = "train")]
pub mod attack;
pub mod audit;
pub mod challenge;
pub mod coordinator;
mod digest;
pub mod identity;
pub mod institution;
pub mod message;
#[cfg(feature = "node")]
pub mod node;
pub mod plan;
pub mod round;
pub mod schema;
pub mod seed;
#[cfg(feature = "train")]
pub mod simulate;
pub mod spec;
#[cfg(feature = "train")]
pub mod train;
pub mod transcript;
pub mod update;
