//! The shell: sockets, disk, clock and entropy (feature `node`).
//!
//! Everything here performs what the state machines elsewhere in this crate decide. From the outside in: [`keyfile`] keeps
//! the node key on disk; [`tls`] turns it into the TLS identity of both sides; [`endpoint`] opens the UDP socket;
//! [`frame`] cuts a stream into messages; [`peer`] is the message-oriented
//! connection that the coordinator's and the institution's shells use.

pub mod endpoint;
pub mod frame;
pub mod keyfile;
pub mod peer;
pub mod tls;
