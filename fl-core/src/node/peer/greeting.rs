//! The first message each way on a connection's one stream.
//!
//! TLS 1.3 lets a client believe it is connected before the server has looked at its certificate; only the welcome says
//! that it was let in. A probe is greeted in the same way and then closed, without becoming the node's connection.

use std::time::{Duration, SystemTime};

const JOIN: &[u8] = b"xfl join";
const PROBE: &[u8] = b"xfl probe";
const WELCOME: &[u8] = b"xfl welcome ";

/// Longest greeting, in bytes.
pub(super) const MAX_LEN: u32 = 64;

/// What an institution dials for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Greeting {
    /// To be the node's connection from now on.
    Join,
    /// To see whether it could.
    Probe,
}

impl Greeting {
    pub(super) fn encode(self) -> &'static [u8] {
        match self {
            Self::Join => JOIN,
            Self::Probe => PROBE,
        }
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        [Self::Join, Self::Probe]
            .into_iter()
            .find(|greeting| greeting.encode() == bytes)
    }
}

/// The welcome, with the coordinator's clock in milliseconds since 1970.
pub(super) fn welcome(now: SystemTime) -> Vec<u8> {
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let millis = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
    [WELCOME, &millis.to_be_bytes()].concat()
}

/// The clock in a welcome; `None` if it is none.
pub(super) fn welcomed(bytes: &[u8]) -> Option<SystemTime> {
    let millis = bytes.strip_prefix(WELCOME)?.try_into().ok().map(u64::from_be_bytes)?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greetings_are_pinned_and_come_back() {
        assert_eq!(Greeting::decode(b"xfl join"), Some(Greeting::Join));
        assert_eq!(Greeting::decode(b"xfl probe"), Some(Greeting::Probe));
        assert_eq!(Greeting::decode(b"xfl join "), None);
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(258);
        assert_eq!(welcome(now), b"xfl welcome \0\0\0\0\0\0\x01\x02");
        assert_eq!(welcomed(&welcome(now)), Some(now));
        assert_eq!(welcomed(b"xfl welcome \0"), None);
        let _ = welcomed(b"xfl welcome \xff\xff\xff\xff\xff\xff\xff\xff");
    }
}
