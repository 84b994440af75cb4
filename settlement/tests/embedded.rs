//! The embedded chain: a whole settlement history through the alloy provider, restarts, kills, clocks, its HTTP server,
//! hostile requests, snapshots and the audit.
#![cfg(feature = "chain")]
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

#[path = "support/calls.rs"]
mod calls;
#[path = "support/challenge.rs"]
mod challenge;
#[path = "support/disputes.rs"]
mod disputes;
#[path = "support/embedded.rs"]
mod embedded;
#[path = "support/forwarder.rs"]
mod forwarder;
#[path = "support/hidden.rs"]
mod hidden;
#[path = "support/history.rs"]
mod history;
#[path = "support/honest.rs"]
mod honest;
#[path = "support/kill.rs"]
mod kill;
#[path = "support/requests.rs"]
mod requests;
#[path = "support/snapshots.rs"]
mod snapshots;
#[path = "support/story.rs"]
mod story;
