//! The bytes of a member's state, as it keeps them for itself.
//!
//! `version 1 | attempt 32 | parameters 32 | seat 2 | secret 32 | ephemeral seeds 96 | 3 x (0 or 1, digest 32)`

use thiserror::Error;
use zeroize::Zeroizing;

use super::client::{Done, MaskClient, SeatError, known};
use super::params::MaskParams;
use super::round::{MaskRound, Seat};
use super::seal::{EphemeralKeys, SECRET_BYTES};

const VERSION: u8 = 1;

/// Length of a member's state, in bytes.
pub const STATE_BYTES: usize = 1 + 32 + 32 + 2 + 32 + SECRET_BYTES + 3 * 33;

/// Why a journal's bytes are not a member's state.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum RestoreError {
    /// Wrong length.
    #[error("a mask state takes {STATE_BYTES} bytes, got {got}")]
    Length {
        /// Bytes read.
        got: usize,
    },
    /// Written by another version.
    #[error("mask state of version {got}, expected {VERSION}")]
    Version {
        /// Version read.
        got: u8,
    },
    /// Of another attempt or another round.
    #[error("the mask state is of another attempt")]
    OtherRound,
    /// Made under other parameters.
    #[error("the mask state is of another plan")]
    OtherParams,
    /// A seat that the plan does not have.
    #[error(transparent)]
    Seat(#[from] SeatError),
    /// A flag that is neither 0 nor 1.
    #[error("flag {index} of the mask state is {got}, expected 0 or 1")]
    Flag {
        /// Which of the three.
        index: usize,
        /// Its value.
        got: u8,
    },
}

pub(crate) fn encode(client: &MaskClient) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(STATE_BYTES));
    bytes.push(VERSION);
    bytes.extend_from_slice(client.round.id());
    bytes.extend_from_slice(&client.params.digest());
    bytes.extend_from_slice(&client.seat.0.to_le_bytes());
    bytes.extend_from_slice(client.secret.as_ref());
    bytes.extend_from_slice(client.keys.secret());
    for slot in [client.done.checked, client.done.masked, client.done.opened] {
        bytes.push(u8::from(slot.is_some()));
        bytes.extend_from_slice(&slot.unwrap_or_default());
    }
    bytes
}

pub(crate) fn decode(params: MaskParams, round: MaskRound, bytes: &[u8]) -> Result<MaskClient, RestoreError> {
    if bytes.len() != STATE_BYTES {
        return Err(RestoreError::Length { got: bytes.len() });
    }
    let mut rest = bytes;
    let [version] = take::<1>(&mut rest);
    if version != VERSION {
        return Err(RestoreError::Version { got: version });
    }
    if take::<32>(&mut rest) != *round.id() {
        return Err(RestoreError::OtherRound);
    }
    if take::<32>(&mut rest) != params.digest() {
        return Err(RestoreError::OtherParams);
    }
    let seat = Seat(u16::from_le_bytes(take(&mut rest)));
    known(&params, seat)?;
    let secret = Zeroizing::new(take(&mut rest));
    let keys = EphemeralKeys::from_secret(Zeroizing::new(take(&mut rest)));
    let mut slots = [None; 3];
    for (index, slot) in slots.iter_mut().enumerate() {
        let [flag] = take::<1>(&mut rest);
        let digest = take::<32>(&mut rest);
        *slot = match flag {
            0 => None,
            1 => Some(digest),
            got => return Err(RestoreError::Flag { index, got }),
        };
    }
    let [checked, masked, opened] = slots;
    Ok(MaskClient {
        params,
        round,
        seat,
        secret,
        keys,
        done: Done {
            checked,
            masked,
            opened,
        },
    })
}

/// The next `K` bytes; zeros past the end, which the length check above rules out.
fn take<const K: usize>(rest: &mut &[u8]) -> [u8; K] {
    let mut bytes = [0; K];
    if let Some((head, tail)) = rest.split_at_checked(K) {
        bytes.copy_from_slice(head);
        *rest = tail;
    }
    bytes
}
