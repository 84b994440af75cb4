//! The institution's side: reaches one coordinator, whose key it knows.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use quinn::{ConnectionError, Endpoint, RecvStream, SendStream, TransportErrorCode};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use super::greeting::{self, Greeting};
use super::link::{Closer, End, Inbound, Received, Sender, outbox, reason_of};
use super::{CloseCode, CloseReason, LinkLimits, SendError};
use crate::identity::{NodeId, NodeKey};
use crate::node::endpoint::{self, EndpointError, TransportLimits};
use crate::node::frame::{read_frame, write_frame};
use crate::node::tls::{ACCESS_DENIED, Pin, TlsError, TlsIdentity};

/// TLS wants a name to dial; nodes have none, and this one can't exist (RFC 2606).
const NO_NAME: &str = "node.invalid";
/// TLS alerts (RFC 8446 section 6.2).
const HANDSHAKE_FAILURE: u8 = 40;
const NO_APPLICATION_PROTOCOL: u8 = 120;

/// Dials coordinators as one node.
#[derive(Debug)]
pub struct Dialer {
    identity: TlsIdentity,
    link: LinkLimits,
    transport: TransportLimits,
}

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

/// What a probe saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// Round trip on the established connection.
    pub rtt: Duration,
    /// The coordinator's clock when it answered.
    pub coordinator_clock: SystemTime,
}

/// An open connection and its one stream, welcomed.
struct Reached {
    endpoint: Endpoint,
    connection: quinn::Connection,
    send: SendStream,
    recv: RecvStream,
    coordinator_clock: SystemTime,
}

impl Dialer {
    /// Dials as the node with this key.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn new(key: Arc<NodeKey>, link: LinkLimits, transport: TransportLimits) -> Result<Self, TlsError> {
        Ok(Self {
            identity: TlsIdentity::new(key)?,
            link,
            transport,
        })
    }

    /// Who dials.
    pub fn node_id(&self) -> NodeId {
        self.identity.node_id()
    }

    /// Connects to the coordinator with this key at this address, and returns once it has let us in.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub async fn connect(
        &self,
        addr: SocketAddr,
        coordinator: NodeId,
        deadline: Duration,
    ) -> Result<Connection, ConnectError> {
        let reached = self.reach(addr, coordinator, Greeting::Join, deadline).await?;
        Ok(Connection::start(reached, coordinator, self.link))
    }

    /// Sees whether [`Dialer::connect`] would get through, without becoming the node's connection: one that this node
    /// has elsewhere is left alone.
    ///
    /// # Errors
    /// [`ConnectError`]; its `answered` tells a silent address from a refusal.
    pub async fn probe(
        &self,
        addr: SocketAddr,
        coordinator: NodeId,
        deadline: Duration,
    ) -> Result<Probe, ConnectError> {
        let reached = self.reach(addr, coordinator, Greeting::Probe, deadline).await?;
        let rtt = reached.connection.rtt();
        reached.connection.close(CloseCode::Done.to_wire(), b"");
        // So that the coordinator hears of it rather than having to time out.
        let _ = timeout(Duration::from_secs(1), reached.endpoint.wait_idle()).await;
        Ok(Probe {
            rtt,
            coordinator_clock: reached.coordinator_clock,
        })
    }

    async fn reach(
        &self,
        addr: SocketAddr,
        coordinator: NodeId,
        greeting: Greeting,
        deadline: Duration,
    ) -> Result<Reached, ConnectError> {
        let pin = Arc::new(Pin::new(coordinator));
        let config = endpoint::dialing(self.identity.client_config(pin.clone())?, &self.transport)?;
        let endpoint = endpoint::bind_for(addr)?;
        let answered = AtomicBool::new(false);
        let started = Instant::now();
        let attempt = async {
            let connecting =
                endpoint
                    .connect_with(config, addr, NO_NAME)
                    .map_err(|error| ConnectError::Undialable {
                        addr,
                        reason: error.to_string(),
                    })?;
            let connection = connecting
                .await
                .map_err(|error| self.explain(addr, &pin, error, started, false))?;
            answered.store(true, Ordering::Relaxed);
            let greeted = self.greet(&connection, greeting).await;
            match greeted {
                Some((send, recv, Some(coordinator_clock))) => Ok(Reached {
                    endpoint: endpoint.clone(),
                    connection,
                    send,
                    recv,
                    coordinator_clock,
                }),
                Some(_) => {
                    connection.close(CloseCode::Malformed.to_wire(), b"no welcome");
                    Err(ConnectError::NoWelcome { addr })
                }
                None => Err(match connection.close_reason() {
                    Some(error) => self.explain(addr, &pin, error, started, true),
                    None => ConnectError::NoWelcome { addr },
                }),
            }
        };
        match timeout(deadline, attempt).await {
            Ok(result) => result,
            Err(_) if answered.load(Ordering::Relaxed) => Err(ConnectError::Silent { addr, waited: deadline }),
            Err(_) => Err(ConnectError::NoAnswer { addr, waited: deadline }),
        }
    }

    /// Sends the greeting and reads the answer; `None` if the stream failed, no clock if the answer is no welcome.
    async fn greet(
        &self,
        connection: &quinn::Connection,
        greeting: Greeting,
    ) -> Option<(SendStream, RecvStream, Option<SystemTime>)> {
        let (mut send, mut recv) = connection.open_bi().await.ok()?;
        write_frame(&mut send, greeting.encode(), self.link.pace).await.ok()?;
        let answer = read_frame(&mut recv, greeting::MAX_LEN, self.link.pace).await;
        if answer.is_err() && connection.close_reason().is_some() {
            return None;
        }
        let clock = answer.ok().flatten().and_then(|bytes| greeting::welcomed(&bytes));
        Some((send, recv, clock))
    }

    fn explain(
        &self,
        addr: SocketAddr,
        pin: &Pin,
        error: ConnectionError,
        started: Instant,
        answered: bool,
    ) -> ConnectError {
        if let Some(got) = pin.stranger() {
            return ConnectError::WrongCoordinatorKey {
                expected: pin.expected(),
                got,
            };
        }
        let waited = started.elapsed();
        match error {
            ConnectionError::TimedOut if answered => ConnectError::Silent { addr, waited },
            ConnectionError::TimedOut => ConnectError::NoAnswer { addr, waited },
            ConnectionError::ConnectionClosed(close) => match close.error_code {
                code if code == TransportErrorCode::crypto(ACCESS_DENIED) => {
                    ConnectError::NotAdmitted { node: self.node_id() }
                }
                code if code == TransportErrorCode::crypto(HANDSHAKE_FAILURE) => ConnectError::Refused {
                    addr,
                    reason: "no common cipher or post-quantum key exchange".to_owned(),
                },
                code if code == TransportErrorCode::crypto(NO_APPLICATION_PROTOCOL) => ConnectError::Refused {
                    addr,
                    reason: "it speaks another protocol or version".to_owned(),
                },
                TransportErrorCode::CONNECTION_REFUSED => ConnectError::Busy { addr },
                _ => ConnectError::Refused {
                    addr,
                    reason: close.to_string(),
                },
            },
            ConnectionError::ApplicationClosed(close)
                if CloseCode::from_wire(close.error_code) == CloseCode::NotAdmitted =>
            {
                ConnectError::NotAdmitted { node: self.node_id() }
            }
            error @ (ConnectionError::ApplicationClosed(_) | ConnectionError::Reset) => ConnectError::Closed {
                addr,
                reason: reason_of(error),
            },
            error => ConnectError::Refused {
                addr,
                reason: error.to_string(),
            },
        }
    }
}

/// A connection to the coordinator. Dropping it closes it at once; see [`Connection::close`].
#[derive(Debug)]
pub struct Connection {
    coordinator: NodeId,
    coordinator_clock: SystemTime,
    end: Arc<End>,
    endpoint: Endpoint,
    sender: Sender,
    inbox: mpsc::Receiver<Result<Received, CloseReason>>,
    ended: Option<CloseReason>,
}

impl Connection {
    fn start(reached: Reached, coordinator: NodeId, limits: LinkLimits) -> Self {
        let Reached {
            endpoint,
            connection,
            send,
            recv,
            coordinator_clock,
        } = reached;
        let end = End::new(connection);
        let (sender, backlog) = outbox(limits);
        let (deliver, inbox) = mpsc::channel(limits.inbound_messages.max(1) as usize);
        tokio::spawn(backlog.write(end.clone(), send, Closer::Peer));
        tokio::spawn(read(
            Inbound::new(recv, limits, None),
            end.clone(),
            deliver,
            limits.pace.grace,
        ));
        Self {
            coordinator,
            coordinator_clock,
            end,
            endpoint,
            sender,
            inbox,
            ended: None,
        }
    }

    /// Who is at the other end.
    pub fn coordinator(&self) -> NodeId {
        self.coordinator
    }

    /// The coordinator's clock when it let us in.
    pub fn coordinator_clock(&self) -> SystemTime {
        self.coordinator_clock
    }

    /// Round trip, as measured so far.
    pub fn rtt(&self) -> Duration {
        self.end.connection().rtt()
    }

    /// A handle for queueing messages from other tasks.
    pub fn sender(&self) -> Sender {
        self.sender.clone()
    }

    /// Queues a message, waiting for room in the backlog.
    ///
    /// # Errors
    /// [`SendError::TooLong`], [`SendError::NotConnected`].
    pub async fn send(&self, message: impl Into<Arc<Vec<u8>>>) -> Result<(), SendError> {
        self.sender.send(message).await
    }

    /// The next message. Safe to cancel.
    ///
    /// # Errors
    /// How the connection ended, from then on each time.
    pub async fn recv(&mut self) -> Result<Vec<u8>, CloseReason> {
        if let Some(reason) = &self.ended {
            return Err(reason.clone());
        }
        let reason = match self.inbox.recv().await {
            Some(Ok(received)) => return Ok(received.take()),
            Some(Err(reason)) => reason,
            None => CloseReason::Local(CloseCode::Done),
        };
        self.ended = Some(reason.clone());
        Err(reason)
    }

    /// Sends what is queued, waits until the coordinator has it all and has closed too, within `grace`. Messages that
    /// still come are lost.
    pub async fn close(mut self, grace: Duration) -> CloseReason {
        self.sender.finish(CloseCode::Done);
        let drained = timeout(grace, async {
            loop {
                if let Err(reason) = self.recv().await {
                    return reason;
                }
            }
        })
        .await;
        self.end.close(CloseCode::Done);
        let _ = timeout(grace, self.endpoint.wait_idle()).await;
        drained.unwrap_or(CloseReason::TimedOut)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.end.close(CloseCode::Done);
    }
}

async fn read(
    mut inbound: Inbound,
    end: Arc<End>,
    deliver: mpsc::Sender<Result<Received, CloseReason>>,
    grace: Duration,
) {
    let reason = loop {
        match inbound.next().await {
            Ok(Some(received)) => {
                if deliver.send(Ok(received)).await.is_err() {
                    return;
                }
            }
            // The coordinator closes as soon as it knows that everything has arrived, and says why.
            Ok(None) => match timeout(grace, end.connection().closed()).await {
                Ok(ConnectionError::LocallyClosed) | Err(_) => break end.reason(None),
                Ok(error) => break reason_of(error),
            },
            Err(error) => break end.reason(Some(error)),
        }
    };
    // Nobody to tell: the connection was dropped.
    let _ = deliver.send(Err(reason)).await;
}
