//! Why a coordinator wasn't reached, from silence to refusal.

use std::net::SocketAddr;
use std::time::Duration;

use super::CloseReason;
use crate::identity::NodeId;
use crate::node::endpoint::EndpointError;
use crate::node::tls::TlsError;

/// Why a coordinator wasn't reached.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Nothing came back: UDP is blocked on the way, or nothing listens there.
    #[error("no answer from {addr} within {waited:?}: udp is blocked on the way, or nothing listens there")]
    NoAnswer {
        /// Where it was looked for.
        addr: SocketAddr,
        /// How long.
        waited: Duration,
    },
    /// It answered, then fell silent before letting us in.
    #[error("{addr} answered, but didn't let us in within {waited:?}")]
    Silent {
        /// Who.
        addr: SocketAddr,
        /// How long it was waited for.
        waited: Duration,
    },
    /// Another node listens there, or somebody is in between.
    #[error("wrong coordinator key: expected {expected}, got {got}")]
    WrongCoordinatorKey {
        /// The key asked for.
        expected: NodeId,
        /// The key presented.
        got: NodeId,
    },
    /// The coordinator is the right one and doesn't know us.
    #[error("the coordinator does not admit node {node}")]
    NotAdmitted {
        /// Our own id.
        node: NodeId,
    },
    /// The coordinator has too many handshakes under way.
    #[error("{addr} is too busy to shake hands")]
    Busy {
        /// Who.
        addr: SocketAddr,
    },
    /// It answered and refused for another reason.
    #[error("{addr} answered and refused: {reason}")]
    Refused {
        /// Who.
        addr: SocketAddr,
        /// What it said, or why we refused it.
        reason: String,
    },
    /// It let us in and closed at once.
    #[error("{addr} closed the connection: {reason}")]
    Closed {
        /// Who.
        addr: SocketAddr,
        /// Why.
        reason: CloseReason,
    },
    /// It has the right key and doesn't speak the federation's protocol.
    #[error("{addr} does not greet as a coordinator does")]
    NoWelcome {
        /// Who.
        addr: SocketAddr,
    },
    /// No such address can be dialled.
    #[error("{addr} can't be dialled: {reason}")]
    Undialable {
        /// The address.
        addr: SocketAddr,
        /// Why.
        reason: String,
    },
    /// Our own socket.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// Our own certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl ConnectError {
    /// Whether anything came back from the address, so that UDP gets through.
    pub fn answered(&self) -> bool {
        !matches!(
            self,
            Self::NoAnswer { .. } | Self::Undialable { .. } | Self::Endpoint(_) | Self::Tls(_)
        )
    }

    /// Whether trying again later can help without anyone changing anything.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::NoAnswer { .. } | Self::Silent { .. } | Self::Busy { .. } | Self::Closed { .. }
        )
    }

    /// What the person at the keyboard can do, where that is known.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoAnswer { addr, .. } => format!(
                "is the coordinator running, and does every firewall between let udp port {} through both ways?",
                addr.port()
            ),
            Self::WrongCoordinatorKey { .. } => {
                "ask the coordinator for its key by another channel before trusting the one presented".to_owned()
            }
            Self::NotAdmitted { node } => format!("the coordinator can admit it with `xfl member add {node}`"),
            _ => return None,
        })
    }
}
