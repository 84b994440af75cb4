//! What a server counts.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a server has seen since it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Members let in.
    pub accepted: u64,
    /// Handshakes with a key that isn't admitted.
    pub refused_unknown: u64,
    /// Handshakes that failed or took too long for any other reason.
    pub failed_handshakes: u64,
    /// Handshakes turned away unread because too many were under way.
    pub refused_busy: u64,
    /// Connections ended because of what the peer sent.
    pub malformed: u64,
    /// Connections whose place a newer one of the same node took.
    pub replaced: u64,
    /// Preflight probes answered.
    pub probes: u64,
}

#[derive(Default)]
pub(super) struct Tally {
    pub(super) accepted: AtomicU64,
    pub(super) refused_late: AtomicU64,
    pub(super) failed_handshakes: AtomicU64,
    pub(super) refused_busy: AtomicU64,
    pub(super) malformed: AtomicU64,
    pub(super) replaced: AtomicU64,
    pub(super) probes: AtomicU64,
}

pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Tally {
    /// The counters now, given how many the admission has refused.
    pub(super) fn read(&self, refused: u64) -> Counters {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counters {
            accepted: read(&self.accepted),
            refused_unknown: refused.saturating_add(read(&self.refused_late)),
            failed_handshakes: read(&self.failed_handshakes),
            refused_busy: read(&self.refused_busy),
            malformed: read(&self.malformed),
            replaced: read(&self.replaced),
            probes: read(&self.probes),
        }
    }
}
