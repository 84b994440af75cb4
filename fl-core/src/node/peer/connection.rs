//! An institution's connection to its coordinator, once it has been let in.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use quinn::{ConnectionError, Endpoint, RecvStream, SendStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::link::{Closer, End, Inbound, Received, Sender, outbox, reason_of};
use super::{CloseCode, CloseReason, LinkLimits, SendError};
use crate::identity::NodeId;

/// An open connection and its one stream, welcomed.
pub(super) struct Reached {
    pub(super) endpoint: Endpoint,
    pub(super) connection: quinn::Connection,
    pub(super) send: SendStream,
    pub(super) recv: RecvStream,
    pub(super) coordinator_clock: SystemTime,
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
    pub(super) fn start(reached: Reached, coordinator: NodeId, limits: LinkLimits) -> Self {
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
