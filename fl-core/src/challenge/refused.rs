//! What an institution refuses to sign is evidence: it is kept as a transcript of its own, for `xfl challenge`.

use crate::{
    identity::NodeId,
    message::{Beginning, Order, Parcel},
    transcript::after_first,
};

/// The transcript that a coordinator's message tells, from the beginning: the institution's own `copy` with what the message adds; and the round that
/// it was said in. None for a message that adds nothing.
pub fn refused(message: &[u8], coordinator: NodeId, beginning: Beginning, copy: &[u8]) -> Option<(u64, Vec<u8>)> {
    let Parcel { envelope, attachment } = Parcel::decode(message).ok()?;
    if envelope.sender != coordinator {
        return None;
    }
    match envelope.open::<Order>(beginning).ok()? {
        Order::Statement { from, .. } | Order::Done { from } => {
            let transcript = joined(copy, from, &attachment)?;
            (transcript.len() > copy.len()).then_some((envelope.round, transcript))
        }
        _ => None,
    }
}

/// Frames from entry `from` on, after a copy that may hold some of them already; none where they don't follow it.
fn joined(copy: &[u8], from: u64, frames: &[u8]) -> Option<Vec<u8>> {
    let (mut held, mut rest) = (0u64, copy);
    while let Some(next) = after_first(rest) {
        (held, rest) = (held.saturating_add(1), next);
    }
    if from > held {
        return None;
    }
    let mut new = frames;
    for _ in from..held {
        new = after_first(new).unwrap_or_default();
    }
    Some([copy, new].concat())
}
