//! The institution's side: reaches one coordinator, whose key it knows.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use quinn::{ConnectionError, RecvStream, SendStream, TransportErrorCode};
use tokio::time::{Instant, timeout};

use super::connection::{Connection, Reached};
use super::greeting::{self, Greeting};
use super::link::reason_of;
use super::{CloseCode, ConnectError, LinkLimits};
use crate::identity::{NodeId, NodeKey};
use crate::node::endpoint::{self, TransportLimits};
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

/// What a probe saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// Round trip on the established connection.
    pub rtt: Duration,
    /// The coordinator's clock when it answered.
    pub coordinator_clock: SystemTime,
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
