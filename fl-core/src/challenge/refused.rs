//! What an institution refuses to sign is evidence: it is kept as a transcript of its own, for `xfl challenge`.

use xfl_settlement::statement::RoundHeader;

use crate::{
    identity::NodeId,
    message::{Beginning, Order, Parcel},
    transcript::after_first,
};

/// The round in a coordinator's message that asks for a signature, and the transcript that leads to it: the institution's own `copy` with what the
/// message adds. None for any other message.
pub fn refused(
    message: &[u8],
    coordinator: NodeId,
    beginning: Beginning,
    copy: &[u8],
) -> Option<(RoundHeader, Vec<u8>)> {
    let parcel = Parcel::decode(message).ok()?;
    if parcel.envelope.sender != coordinator {
        return None;
    }
    match parcel.envelope.open::<Order>(beginning).ok()? {
        Order::Statement { header, from } => Some((*header, joined(copy, from, &parcel.attachment))),
        _ => None,
    }
}

/// Frames from entry `from` on, after a copy that may hold some of them already.
fn joined(copy: &[u8], from: u64, frames: &[u8]) -> Vec<u8> {
    let (mut held, mut rest) = (0u64, copy);
    while let Some(next) = after_first(rest) {
        (held, rest) = (held.saturating_add(1), next);
    }
    let mut new = frames;
    for _ in from..held {
        new = after_first(new).unwrap_or_default();
    }
    [copy, new].concat()
}
