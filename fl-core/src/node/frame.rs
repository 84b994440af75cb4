//! Messages on a byte stream: a version, a length, the bytes.
//!
//! ```text
//! version (1 byte, now 1) || length (4 bytes, big endian) || message
//! ```
//!
//! **Guarantees.** A length over the given limit is refused before anything is read or reserved for it. Memory grows with
//! the bytes that arrive (at most twice them, and 64 KiB), never with the length announced. Once a frame has begun it
//! must arrive at a [`Pace`]: a grace and a least rate; a peer that drips bytes is cut off. Waiting for a frame to begin
//! is not timed here: whether a silent peer still lives is the connection's business.
//!
//! **Does not do.** No checksum and no encryption; QUIC has both. Nothing here is safe to cancel between header and end:
//! a reader owns its stream in one task.

use std::io;
use std::num::NonZeroU32;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

/// Version of the frame layout.
pub const VERSION: u8 = 1;
/// Bytes before the message.
pub const HEADER_LEN: usize = 5;
/// Least that is reserved for a message that has begun to arrive, in bytes.
const FIRST_STEP: usize = 64 * 1024;

/// How slowly a frame may move before its peer is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Time allowed whatever the length.
    pub grace: Duration,
    /// Least rate beyond it, in bytes per second.
    pub min_rate: NonZeroU32,
}

impl Pace {
    /// Time allowed for `len` bytes.
    pub fn allowed(&self, len: usize) -> Duration {
        let seconds = Duration::from_secs(len as u64 / u64::from(self.min_rate.get()));
        self.grace.saturating_add(seconds)
    }
}

/// Why a frame didn't arrive or leave.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The peer speaks another version, or nonsense.
    #[error("expected frame version {expected}, got {got}")]
    Version {
        /// Ours.
        expected: u8,
        /// Theirs.
        got: u8,
    },
    /// Announced (or asked to be sent) longer than the limit.
    #[error("frame of {got} bytes, at most {max} are allowed")]
    TooLong {
        /// Bytes allowed.
        max: u32,
        /// Bytes announced.
        got: u64,
    },
    /// The stream ended inside a frame.
    #[error("stream ended inside a frame: expected {expected} bytes, got {got}")]
    Truncated {
        /// Bytes announced.
        expected: u64,
        /// Bytes that came.
        got: u64,
    },
    /// Slower than its pace.
    #[error("frame not through after {allowed:?}")]
    TooSlow {
        /// Time it was given.
        allowed: Duration,
    },
    /// This machine has no memory for what has arrived.
    #[error("no memory for a frame of {len} bytes")]
    NoMemory {
        /// Bytes announced.
        len: u32,
    },
    /// The stream failed.
    #[error("stream failed: {0}")]
    Io(#[from] io::Error),
}

/// Reads the header of the next frame and returns the length of its message; `None` if the stream ended before it.
///
/// # Errors
/// [`FrameError`], all but `NoMemory`.
pub async fn read_header<R: AsyncRead + Unpin>(
    stream: &mut R,
    max_len: u32,
    pace: Pace,
) -> Result<Option<u32>, FrameError> {
    let mut header = [0u8; HEADER_LEN];
    if stream.read(&mut header[..1]).await? == 0 {
        return Ok(None);
    }
    // Nonsense is told by its first byte, so nothing more of it is waited for.
    if header[0] != VERSION {
        return Err(FrameError::Version {
            expected: VERSION,
            got: header[0],
        });
    }
    let rest = async {
        let mut got = 1;
        while got < HEADER_LEN {
            match stream.read(&mut header[got..]).await? {
                0 => {
                    return Err(FrameError::Truncated {
                        expected: HEADER_LEN as u64,
                        got: got as u64,
                    });
                }
                more => got += more,
            }
        }
        Ok(())
    };
    timeout(pace.grace, rest)
        .await
        .map_err(|_| FrameError::TooSlow { allowed: pace.grace })??;
    let len = u32::from_be_bytes([header[1], header[2], header[3], header[4]]);
    if len > max_len {
        return Err(FrameError::TooLong {
            max: max_len,
            got: u64::from(len),
        });
    }
    Ok(Some(len))
}

/// Reads the `len` bytes of a message whose header was read.
///
/// # Errors
/// [`FrameError`]: `Truncated`, `TooSlow`, `NoMemory`, `Io`.
pub async fn read_body<R: AsyncRead + Unpin>(stream: &mut R, len: u32, pace: Pace) -> Result<Vec<u8>, FrameError> {
    let expected = len as usize;
    let allowed = pace.allowed(expected);
    let body = async {
        let mut body = Vec::new();
        while body.len() < expected {
            if body.len() == body.capacity() {
                let step = (expected - body.len()).min(body.len().max(FIRST_STEP));
                body.try_reserve_exact(step).map_err(|_| FrameError::NoMemory { len })?;
            }
            let room = (expected - body.len()).min(body.capacity() - body.len());
            if (&mut *stream).take(room as u64).read_buf(&mut body).await? == 0 {
                return Err(FrameError::Truncated {
                    expected: u64::from(len),
                    got: body.len() as u64,
                });
            }
        }
        Ok(body)
    };
    timeout(allowed, body)
        .await
        .map_err(|_| FrameError::TooSlow { allowed })?
}

/// Reads one whole message; `None` if the stream ended before it began.
///
/// # Errors
/// [`FrameError`].
pub async fn read_frame<R: AsyncRead + Unpin>(
    stream: &mut R,
    max_len: u32,
    pace: Pace,
) -> Result<Option<Vec<u8>>, FrameError> {
    match read_header(stream, max_len, pace).await? {
        Some(len) => read_body(stream, len, pace).await.map(Some),
        None => Ok(None),
    }
}

/// Writes one message.
///
/// # Errors
/// [`FrameError`]: `TooLong` over four gibibytes, `TooSlow` if the peer doesn't take it at its pace, `Io`.
pub async fn write_frame<W: AsyncWrite + Unpin>(stream: &mut W, message: &[u8], pace: Pace) -> Result<(), FrameError> {
    let len = u32::try_from(message.len()).map_err(|_| FrameError::TooLong {
        max: u32::MAX,
        got: message.len() as u64,
    })?;
    let mut header = [VERSION; HEADER_LEN];
    header[1..].copy_from_slice(&len.to_be_bytes());
    let allowed = pace.allowed(message.len());
    let write = async {
        stream.write_all(&header).await?;
        stream.write_all(message).await
    };
    timeout(allowed, write)
        .await
        .map_err(|_| FrameError::TooSlow { allowed })??;
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PACE: Pace = Pace {
        grace: Duration::from_millis(200),
        min_rate: NonZeroU32::new(1 << 20).unwrap(),
    };

    fn block_on<F: Future>(future: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap()
            .block_on(future)
    }

    fn read(mut bytes: &[u8], max: u32) -> Result<Option<Vec<u8>>, FrameError> {
        block_on(read_frame(&mut bytes, max, PACE))
    }

    fn write(message: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        block_on(write_frame(&mut bytes, message, PACE)).unwrap();
        bytes
    }

    #[test]
    fn the_layout_is_pinned() {
        assert_eq!(write(b"abc"), b"\x01\x00\x00\x00\x03abc");
    }

    #[test]
    fn nonsense_is_told_apart() {
        assert!(matches!(read(b"", 9), Ok(None)));
        assert!(matches!(
            read(b"GET / HTTP/1.1", 9),
            Err(FrameError::Version { expected: 1, got: b'G' })
        ));
        assert!(matches!(
            read(b"\x01\x00\x00", 9),
            Err(FrameError::Truncated { expected: 5, got: 3 })
        ));
        assert!(matches!(
            read(b"\x01\x00\x00\x00\x0aabc", 9),
            Err(FrameError::TooLong { max: 9, got: 10 })
        ));
        assert!(matches!(
            read(b"\x01\x00\x00\x00\x05abc", 9),
            Err(FrameError::Truncated { expected: 5, got: 3 })
        ));
    }

    /// A peer once could make the reader reserve the gigabytes it announced and then send nothing.
    #[test]
    fn an_announced_length_reserves_nothing() {
        block_on(async {
            let (mut ours, mut theirs) = tokio::io::duplex(1024);
            theirs.write_all(b"\x01\xff\xff\xff\xffabc").await.unwrap();
            let len = read_header(&mut ours, u32::MAX, PACE).await.unwrap().unwrap();
            assert_eq!(len, u32::MAX);
            drop(theirs);
            let error = read_body(&mut ours, len, PACE).await.unwrap_err();
            assert!(matches!(error, FrameError::Truncated { got: 3, .. }));
        });
    }

    #[test]
    fn a_dripping_peer_is_cut_off_and_a_silent_one_is_not() {
        block_on(async {
            let (mut ours, mut theirs) = tokio::io::duplex(1024);
            let silent = timeout(PACE.grace * 3, read_frame(&mut ours, 100, PACE)).await;
            assert!(silent.is_err(), "waiting for a frame to begin has no end of its own");
            theirs.write_all(b"\x01\x00\x00\x00\x64abc").await.unwrap();
            let error = read_frame(&mut ours, 100, PACE).await.unwrap_err();
            assert!(matches!(error, FrameError::TooSlow { allowed } if allowed == PACE.grace));
            // And a reader who takes nothing is cut off by the writer.
            let error = write_frame(&mut theirs, &[0; 4096], PACE).await.unwrap_err();
            assert!(matches!(error, FrameError::TooSlow { .. }));
        });
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_written_is_read(messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200_000), 0..4)) {
            let bytes: Vec<u8> = messages.iter().flat_map(|message| write(message)).collect();
            let mut stream = bytes.as_slice();
            for message in &messages {
                let read = block_on(read_frame(&mut stream, 200_000, PACE)).unwrap();
                prop_assert_eq!(read.as_ref(), Some(message));
            }
            prop_assert!(block_on(read_frame(&mut stream, 200_000, PACE)).unwrap().is_none());
        }

        #[test]
        fn no_bytes_panic_or_pass_the_limit(bytes: Vec<u8>, max in 0u32..64) {
            if let Ok(Some(message)) = read(&bytes, max) {
                prop_assert!(message.len() <= max as usize);
            }
        }
    }
}
