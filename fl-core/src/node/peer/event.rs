//! What a server tells its shell.

use std::net::SocketAddr;

use tokio::sync::mpsc;

use super::CloseReason;
use super::link::Received;
use crate::identity::NodeId;

/// Numbers a server's connections, in the order in which they were accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// What happened on a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The node is connected and can be sent to.
    Connected {
        /// Where from; it may change later.
        remote: SocketAddr,
    },
    /// The node sent this.
    Message(Vec<u8>),
    /// The connection is over; nothing more comes from it.
    Closed(CloseReason),
}

/// An event and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerEvent {
    /// The connection.
    pub connection: ConnectionId,
    /// The node whose key the connection proved.
    pub node: NodeId,
    /// What happened.
    pub event: Event,
}

pub(super) enum What {
    Connected(SocketAddr),
    Message(Received),
    Closed(CloseReason),
}

pub(super) struct Queued {
    pub(super) connection: ConnectionId,
    pub(super) node: NodeId,
    pub(super) what: What,
}

/// The server's events, in order. The shell must keep taking them: peers wait while it doesn't.
pub struct Events(pub(super) mpsc::Receiver<Queued>);

impl Events {
    /// The next event; `None` once the server is gone and all its connections are closed. Safe to cancel.
    pub async fn recv(&mut self) -> Option<PeerEvent> {
        let Queued { connection, node, what } = self.0.recv().await?;
        let event = match what {
            What::Connected(remote) => Event::Connected { remote },
            What::Message(received) => Event::Message(received.take()),
            What::Closed(reason) => Event::Closed(reason),
        };
        Some(PeerEvent {
            connection,
            node,
            event,
        })
    }
}
