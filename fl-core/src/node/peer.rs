//! Messages between authenticated nodes.
//!
//! The coordinator runs a [`Server`]: whole messages in, labelled with the node whose key the connection proved, whole
//! messages out by node. An institution has a [`Dialer`] and, for each time it gets through, a [`Connection`].
//!
//! ```text
//! institution                              coordinator
//!   QUIC + TLS 1.3, both keys proved         admission asked, refusals counted
//!   opens the one stream: "join"       ->
//!                                      <-    "welcome", the coordinator's clock
//!   frames                            <->    frames
//!   ends its half                      ->    flushes, ends its half, closes
//! ```
//!
//! **Guarantees.** What a peer can make this machine hold is bounded by [`LinkLimits`], per peer and for a server in all:
//! a message is read only once there is room for it, and until then QUIC's flow control holds its sender back. Frames
//! that are slow, oversized or nonsense end that connection alone, are counted, and everyone else goes on. Per connection,
//! events come in order: connected, messages in the order sent, closed. A new connection of a node replaces its old one,
//! and the old one's end is told before the new one's beginning.
//!
//! **Does not do.** Delivery is certain only while a connection lasts: what was under way when it broke may or may not
//! have arrived, so the protocol above repeats itself and numbers what it says. What a message means, and whether its
//! signature names the node that sent it, is for the shells; they call [`Server::disconnect`] on a peer that talks
//! nonsense. Reconnecting is left to them too, with [`backoff::delay`].

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use quinn::VarInt;

use crate::node::frame::Pace;

pub mod backoff;
mod connection;
mod counters;
mod dialer;
mod event;
mod greeting;
mod link;
mod server;
mod unreached;

pub use connection::Connection;
pub use counters::Counters;
pub use dialer::{Dialer, Probe};
pub use event::{ConnectionId, Event, Events, PeerEvent};
pub use link::Sender;
pub use server::{ServeError, Server, ServerLimits};
pub use unreached::ConnectError;

/// Bytes that even the shortest message counts as wherever bytes are counted, for what holding it costs.
const MIN_CHARGE: u32 = 256;

/// What one connection may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkLimits {
    /// Longest message either way, in bytes.
    pub max_message: u32,
    /// Bytes of received messages that the shell hasn't taken yet. One message of the greatest length always fits.
    pub inbound_bytes: u32,
    /// Number of received messages that the shell hasn't taken yet, from 1.
    pub inbound_messages: u32,
    /// Bytes of messages to be sent that QUIC hasn't taken yet. One message of the greatest length always fits.
    pub backlog_bytes: u32,
    /// Messages per second taken from the peer, in the long run; more are made to wait. `None` for no bound.
    pub messages_per_second: Option<NonZeroU32>,
    /// How slowly a frame may move either way.
    pub pace: Pace,
}

impl LinkLimits {
    /// Limits for messages of up to `max_message` bytes: room for two of them each way, 64 waiting messages, no bound on
    /// their rate, 20 s and 64 KiB/s for a frame to get through.
    pub const fn for_messages_up_to(max_message: u32) -> Self {
        let room = max_message.saturating_mul(2);
        Self {
            max_message,
            inbound_bytes: room,
            inbound_messages: 64,
            backlog_bytes: room,
            messages_per_second: None,
            pace: Pace {
                grace: Duration::from_secs(20),
                min_rate: match NonZeroU32::new(64 * 1024) {
                    Some(rate) => rate,
                    None => NonZeroU32::MIN,
                },
            },
        }
    }

    fn charge(len: u32) -> u32 {
        len.max(MIN_CHARGE)
    }

    fn room(&self, wanted: u32) -> usize {
        wanted.max(Self::charge(self.max_message)) as usize
    }
}

/// Why a connection was closed on purpose, as a number on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CloseCode {
    /// Everything was said.
    Done,
    /// A newer connection of the same node took this one's place. Dialling again would only swap them back.
    Replaced,
    /// The peer sent something that can't be understood.
    Malformed,
    /// The peer sent or took a frame too slowly.
    TooSlow,
    /// The node is no longer, or not, a member.
    NotAdmitted,
    /// The whole endpoint is going away; it may come back.
    Shutdown,
    /// A reason of the protocol above, below 2^24.
    Application(u32),
    /// A number this version has no name for.
    Unknown(u64),
}

/// First wire number of the protocol above.
const APPLICATION: u64 = 1 << 24;

impl CloseCode {
    fn to_wire(self) -> VarInt {
        match self {
            Self::Done => VarInt::from_u32(0),
            Self::Replaced => VarInt::from_u32(1),
            Self::Malformed => VarInt::from_u32(2),
            Self::TooSlow => VarInt::from_u32(3),
            Self::NotAdmitted => VarInt::from_u32(4),
            Self::Shutdown => VarInt::from_u32(5),
            Self::Application(code) => VarInt::from_u32(APPLICATION as u32 | (code & 0x00ff_ffff)),
            Self::Unknown(code) => VarInt::from_u64(code).unwrap_or(VarInt::MAX),
        }
    }

    fn from_wire(code: VarInt) -> Self {
        match code.into_inner() {
            0 => Self::Done,
            1 => Self::Replaced,
            2 => Self::Malformed,
            3 => Self::TooSlow,
            4 => Self::NotAdmitted,
            5 => Self::Shutdown,
            code @ APPLICATION..0x0200_0000 => Self::Application((code - APPLICATION) as u32),
            code => Self::Unknown(code),
        }
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("done"),
            Self::Replaced => f.write_str("replaced by a newer connection of the same node"),
            Self::Malformed => f.write_str("message not understood"),
            Self::TooSlow => f.write_str("too slow"),
            Self::NotAdmitted => f.write_str("not a member"),
            Self::Shutdown => f.write_str("shutting down"),
            Self::Application(code) => write!(f, "application code {code}"),
            Self::Unknown(code) => write!(f, "unknown code {code}"),
        }
    }
}

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CloseReason {
    /// The peer said everything it had to and ended its half.
    #[error("finished by the peer")]
    Finished,
    /// The peer closed it.
    #[error("closed by the peer: {0}")]
    Peer(CloseCode),
    /// This side closed it.
    #[error("closed here: {0}")]
    Local(CloseCode),
    /// The peer broke the framing or QUIC's rules.
    #[error("peer misbehaved: {0}")]
    Misbehaved(String),
    /// Nothing was heard for the idle timeout: the peer or the path is dead.
    #[error("nothing heard from the peer for the idle timeout")]
    TimedOut,
    /// The peer has forgotten the connection, as after a restart.
    #[error("peer no longer knows the connection")]
    Forgotten,
    /// QUIC gave up for another reason.
    #[error("connection failed: {0}")]
    Failed(String),
}

/// Why a message wasn't queued.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// There is no connection to this node (any more).
    #[error("not connected")]
    NotConnected,
    /// The peer takes messages more slowly than they are queued.
    #[error("backlog full: at most {max} bytes wait to be sent")]
    BacklogFull {
        /// Bytes allowed.
        max: u32,
    },
    /// Longer than any message may be.
    #[error("message of {got} bytes, at most {max} are allowed")]
    TooLong {
        /// Bytes allowed.
        max: u32,
        /// Bytes given.
        got: usize,
    },
}

#[cfg(test)]
mod tests;
