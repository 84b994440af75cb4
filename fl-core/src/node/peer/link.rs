//! One connection's two directions, each owned by one task and bounded by [`LinkLimits`]; the same on both sides.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use quinn::{ConnectionError, RecvStream, SendStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError, mpsc};
use tokio::time::{Instant, sleep, timeout};

use super::{CloseCode, CloseReason, LinkLimits, SendError};
use crate::node::frame::{FrameError, read_body, read_header, write_frame};

/// A QUIC connection and this side's reason for closing it, if it did.
#[derive(Debug)]
pub(super) struct End {
    connection: quinn::Connection,
    local: OnceLock<CloseCode>,
}

impl End {
    pub(super) fn new(connection: quinn::Connection) -> Arc<Self> {
        Arc::new(Self {
            connection,
            local: OnceLock::new(),
        })
    }

    pub(super) fn connection(&self) -> &quinn::Connection {
        &self.connection
    }

    /// Closes at once, unless it is closed; the first reason given is the one that holds.
    pub(super) fn close(&self, code: CloseCode) {
        if self.connection.close_reason().is_some() {
            return;
        }
        let code = *self.local.get_or_init(|| code);
        self.connection.close(code.to_wire(), code.to_string().as_bytes());
    }

    pub(super) fn closed_here(&self) -> bool {
        self.local.get().is_some()
    }

    /// Why reading ended, `None` for the end of the stream. Closes the connection where that is still to be done and the
    /// stream didn't merely end.
    pub(super) fn reason(&self, error: Option<FrameError>) -> CloseReason {
        // QUIC knows which side was first.
        if self.connection.close_reason() == Some(ConnectionError::LocallyClosed) {
            return CloseReason::Local(self.local.get().copied().unwrap_or(CloseCode::Shutdown));
        }
        let Some(error) = error else {
            return CloseReason::Finished;
        };
        let text = error.to_string();
        match error {
            FrameError::Io(_) => match self.connection.close_reason() {
                Some(error) => reason_of(error),
                None => {
                    self.close(CloseCode::Malformed);
                    CloseReason::Misbehaved("stream reset".to_owned())
                }
            },
            FrameError::NoMemory { .. } => {
                self.close(CloseCode::Shutdown);
                CloseReason::Failed(text)
            }
            FrameError::TooSlow { .. } => {
                self.close(CloseCode::TooSlow);
                CloseReason::Misbehaved(text)
            }
            FrameError::Version { .. } | FrameError::TooLong { .. } | FrameError::Truncated { .. } => {
                self.close(CloseCode::Malformed);
                CloseReason::Misbehaved(text)
            }
        }
    }
}

/// What QUIC says about a connection's end, in this module's words.
pub(super) fn reason_of(error: ConnectionError) -> CloseReason {
    match error {
        ConnectionError::ApplicationClosed(close) => CloseReason::Peer(CloseCode::from_wire(close.error_code)),
        ConnectionError::TimedOut => CloseReason::TimedOut,
        ConnectionError::Reset => CloseReason::Forgotten,
        // Closed by dropping or closing the endpoint.
        ConnectionError::LocallyClosed => CloseReason::Local(CloseCode::Shutdown),
        ConnectionError::TransportError(error) => CloseReason::Misbehaved(error.to_string()),
        error @ (ConnectionError::ConnectionClosed(_)
        | ConnectionError::VersionMismatch
        | ConnectionError::CidsExhausted) => CloseReason::Failed(error.to_string()),
    }
}

enum Outgoing {
    Message(Arc<Vec<u8>>, OwnedSemaphorePermit),
    Finish(CloseCode),
}

/// Queues messages for one connection, from any task.
#[derive(Debug, Clone)]
pub struct Sender {
    queue: mpsc::UnboundedSender<Outgoing>,
    room: Arc<Semaphore>,
    limits: LinkLimits,
}

impl std::fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Message(message, _) => write!(f, "Message({} bytes)", message.len()),
            Self::Finish(code) => write!(f, "Finish({code:?})"),
        }
    }
}

impl Sender {
    /// Queues a message, waiting for room in the backlog. A message for many peers can be shared in an `Arc`.
    ///
    /// # Errors
    /// [`SendError::TooLong`], [`SendError::NotConnected`]. Success means queued, not delivered.
    pub async fn send(&self, message: impl Into<Arc<Vec<u8>>>) -> Result<(), SendError> {
        let message = message.into();
        let charge = self.charge(&message)?;
        let permit = self
            .room
            .clone()
            .acquire_many_owned(charge)
            .await
            .map_err(|_| SendError::NotConnected)?;
        self.enqueue(message, permit)
    }

    /// Queues a message if the backlog has room for it now.
    ///
    /// # Errors
    /// [`SendError`]. Success means queued, not delivered.
    pub fn try_send(&self, message: impl Into<Arc<Vec<u8>>>) -> Result<(), SendError> {
        let message = message.into();
        let charge = self.charge(&message)?;
        let permit = self
            .room
            .clone()
            .try_acquire_many_owned(charge)
            .map_err(|error| match error {
                TryAcquireError::Closed => SendError::NotConnected,
                TryAcquireError::NoPermits => SendError::BacklogFull {
                    max: self.limits.backlog_bytes,
                },
            })?;
        self.enqueue(message, permit)
    }

    fn charge(&self, message: &[u8]) -> Result<u32, SendError> {
        let max = self.limits.max_message;
        match u32::try_from(message.len()) {
            Ok(len) if len <= max => Ok(LinkLimits::charge(len)),
            _ => Err(SendError::TooLong {
                max,
                got: message.len(),
            }),
        }
    }

    fn enqueue(&self, message: Arc<Vec<u8>>, permit: OwnedSemaphorePermit) -> Result<(), SendError> {
        self.queue
            .send(Outgoing::Message(message, permit))
            .map_err(|_| SendError::NotConnected)
    }

    /// Whether messages can still be queued.
    pub(super) fn is_open(&self) -> bool {
        !self.room.is_closed()
    }

    /// Lets the backlog go out, then ends this half. Nothing more can be queued.
    pub(super) fn finish(&self, code: CloseCode) {
        self.room.close();
        // No receiver: the connection is gone already.
        let _ = self.queue.send(Outgoing::Finish(code));
    }
}

/// The other end of a [`Sender`].
pub(super) struct Backlog {
    queue: mpsc::UnboundedReceiver<Outgoing>,
    room: Arc<Semaphore>,
    limits: LinkLimits,
}

pub(super) fn outbox(limits: LinkLimits) -> (Sender, Backlog) {
    let (queue, receiver) = mpsc::unbounded_channel();
    let room = Arc::new(Semaphore::new(limits.room(limits.backlog_bytes)));
    (
        Sender {
            queue,
            room: room.clone(),
            limits,
        },
        Backlog {
            queue: receiver,
            room,
            limits,
        },
    )
}

/// Who closes the connection after this side has ended its half.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Closer {
    /// This side, once the peer has everything.
    Here,
    /// The peer, once it has sent everything; this side only if it doesn't.
    Peer,
}

impl Backlog {
    /// Writes what is queued until the connection ends or is finished.
    pub(super) async fn write(mut self, end: Arc<End>, mut stream: SendStream, closer: Closer) {
        self.write_until_end(&end, &mut stream, closer).await;
        self.room.close();
    }

    async fn write_until_end(&mut self, end: &End, stream: &mut SendStream, closer: Closer) {
        let grace = self.limits.pace.grace;
        loop {
            let next = tokio::select! {
                biased;
                next = self.queue.recv() => next,
                _ = end.connection.closed() => return,
            };
            match next {
                Some(Outgoing::Message(message, permit)) => {
                    match write_frame(stream, &message, self.limits.pace).await {
                        Ok(()) => drop(permit),
                        Err(FrameError::TooSlow { .. }) => return end.close(CloseCode::TooSlow),
                        // The connection is gone, or the peer has stopped this stream, which leaves it no part to take.
                        Err(_) => return end.close(CloseCode::Malformed),
                    }
                }
                Some(Outgoing::Finish(code)) => {
                    // Fails only for a stream that the peer has stopped: nothing is left to be flushed then.
                    let _ = stream.finish();
                    let _ = match closer {
                        Closer::Here => timeout(grace, stream.stopped()).await.map(|_| ()),
                        Closer::Peer => timeout(grace, end.connection.closed()).await.map(|_| ()),
                    };
                    return end.close(code);
                }
                None => return end.close(CloseCode::Done),
            }
        }
    }
}

/// A message that counts against the quotas until it is taken.
#[derive(Debug)]
pub(super) struct Received {
    message: Vec<u8>,
    _held: [Option<OwnedSemaphorePermit>; 3],
}

impl Received {
    /// Takes the message; from here on it is the taker's memory.
    pub(super) fn take(self) -> Vec<u8> {
        self.message
    }
}

/// The receiving half of a connection.
pub(super) struct Inbound {
    stream: RecvStream,
    limits: LinkLimits,
    bytes: Arc<Semaphore>,
    messages: Arc<Semaphore>,
    all_peers: Option<Arc<Semaphore>>,
    rate: Option<Rate>,
}

impl Inbound {
    /// `all_peers` counts the bytes of all connections of a server together.
    pub(super) fn new(stream: RecvStream, limits: LinkLimits, all_peers: Option<Arc<Semaphore>>) -> Self {
        Self {
            stream,
            limits,
            bytes: Arc::new(Semaphore::new(limits.room(limits.inbound_bytes))),
            messages: Arc::new(Semaphore::new(limits.inbound_messages.max(1) as usize)),
            all_peers,
            rate: limits
                .messages_per_second
                .map(|limit| Rate::new(limit.get(), Instant::now())),
        }
    }

    /// The next message; `None` at the end of the stream. Not safe to cancel.
    pub(super) async fn next(&mut self) -> Result<Option<Received>, FrameError> {
        let Some(len) = read_header(&mut self.stream, self.limits.max_message, self.limits.pace).await? else {
            return Ok(None);
        };
        if let Some(rate) = &mut self.rate {
            sleep(rate.wait(Instant::now())).await;
        }
        // Room is taken whole and in one order, before the body's time starts to run: no two peers wait for each other,
        // and nobody is called slow for having waited for us.
        let charge = LinkLimits::charge(len);
        let held = [
            hold(Some(&self.messages), 1).await,
            hold(Some(&self.bytes), charge).await,
            hold(self.all_peers.as_ref(), charge).await,
        ];
        let message = read_body(&mut self.stream, len, self.limits.pace).await?;
        Ok(Some(Received { message, _held: held }))
    }
}

async fn hold(quota: Option<&Arc<Semaphore>>, amount: u32) -> Option<OwnedSemaphorePermit> {
    // These semaphores are never closed.
    quota?.clone().acquire_many_owned(amount).await.ok()
}

/// Spaces messages out, a second's worth at once allowed (the generic cell rate algorithm, ITU-T I.371).
#[derive(Debug)]
struct Rate {
    interval: Duration,
    burst: Duration,
    /// When a message would be due if they came evenly.
    due: Instant,
}

impl Rate {
    fn new(per_second: u32, now: Instant) -> Self {
        let second = Duration::from_secs(1);
        let interval = second / per_second.max(1);
        Self {
            interval,
            burst: second.saturating_sub(interval),
            due: now,
        }
    }

    /// How long the message that came now has to wait.
    fn wait(&mut self, now: Instant) -> Duration {
        let due = self.due.max(now);
        self.due = due + self.interval;
        due.duration_since(now).saturating_sub(self.burst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_s_worth_at_once_then_evenly() {
        let start = Instant::now();
        let mut rate = Rate::new(4, start);
        let waits: Vec<u128> = (0..7).map(|_| rate.wait(start).as_millis()).collect();
        assert_eq!(waits, [0, 0, 0, 0, 250, 500, 750]);
        assert_eq!(rate.wait(start + Duration::from_secs(60)), Duration::ZERO);
    }

    #[tokio::test]
    async fn the_backlog_is_bounded_and_a_finished_sender_takes_nothing() {
        let mut limits = LinkLimits::for_messages_up_to(1000);
        limits.backlog_bytes = 1500;
        let (sender, backlog) = outbox(limits);
        assert_eq!(
            sender.try_send(vec![0; 1001]),
            Err(SendError::TooLong { max: 1000, got: 1001 })
        );
        sender.try_send(vec![0; 1000]).unwrap();
        assert_eq!(
            sender.try_send(vec![0; 1000]),
            Err(SendError::BacklogFull { max: 1500 })
        );
        // Empty messages aren't free: 500 bytes of room hold one that counts as 256.
        sender.try_send(Vec::new()).unwrap();
        assert_eq!(sender.try_send(Vec::new()), Err(SendError::BacklogFull { max: 1500 }));
        sender.finish(CloseCode::Done);
        assert_eq!(sender.send(Vec::new()).await, Err(SendError::NotConnected));
        drop(backlog);
    }
}
