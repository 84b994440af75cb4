//! What coordinator and institutions say to each other, and what is signed.
//!
//! **Claim.** Every message is a [`Parcel`]: an [`Envelope`] that names the run's beginning, round, attempt and sequence
//! under the sender's ed25519 signature and a domain tag for its direction, and an attachment that the body refers to by
//! hash. A message of another federation, run, round or direction can't be replayed as one of this.
//!
//! **Guarantees.** [`Parcel::decode`] reads at most the bytes it is given and never panics; [`Envelope::open`] returns a
//! body only after the signature, the beginning and the encoding were checked.
//!
//! **Sequence.** A sender's messages within an attempt are numbered by what they are ([`Report::sequence`]), so that the
//! same message sent again is the same bytes, and a second, different one under the same number is an equivocation that
//! carries two signatures.

use std::fmt;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use xfl_privacy::mask::{EphemeralPublic, KeySumShare, SealedShare};
use xfl_settlement::{binding::Binding, payout, statement::RoundHeader};

use crate::{
    identity::{Domain, NodeId, NodeKey, Signature},
    round::commit::Protected,
};

/// Version of the encoding; the first byte of every parcel.
pub const VERSION: u8 = 2;

/// BLAKE3 of what a run of a federation begins with: plan, members, model, contracts, all that
/// [`Genesis`](crate::transcript::Genesis) has but its signature. Two runs of one plan differ in it, and so does what two
/// members were told if they were told different things.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beginning(pub [u8; 32]);

impl fmt::Display for Beginning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Beginning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Beginning({self})")
    }
}

/// A signed statement of one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// The run that it belongs to.
    pub beginning: Beginning,
    /// The round, from 1; 0 before the first.
    pub round: u64,
    /// The attempt at that round, from 0.
    pub attempt: u32,
    /// The message's number within the attempt.
    pub sequence: u32,
    /// Who says it.
    pub sender: NodeId,
    /// The body, postcard-encoded.
    #[serde(with = "serde_bytes")]
    pub body: Vec<u8>,
    /// Over everything above.
    pub signature: Signature,
}

/// An envelope and the bytes that its body refers to by hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parcel {
    /// The signed part.
    pub envelope: Envelope,
    /// Unsigned bytes; empty where the body needs none.
    #[serde(with = "serde_bytes")]
    pub attachment: Vec<u8>,
}

/// What an institution says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Report {
    /// "I take part, and my rewards go there"; answers [`Order::Welcome`].
    Join(Join),
    /// "My protected update has this root."
    Commit(Commit),
    /// One part of the committed update.
    Upload(Upload),
    /// Masked rounds: keys for this attempt's shares.
    Advertise(EphemeralPublic),
    /// Masked rounds: BLAKE3 of each sealed share, in the order of the cohort; the shares are attached.
    Deal(Vec<[u8; 32]>),
    /// Masked rounds: one part of the committed ciphertext.
    Masked(MaskedUpload),
    /// Masked rounds: "this is the set whose sum may be opened".
    Agree([u8; 32]),
    /// Masked rounds: a share of the survivors' key sum.
    Open(KeySumShare),
    /// The payout key's EIP-712 signature over the round's header.
    Endorse(payout::Signature),
    /// "I can't, and won't be waited for"; the reason is for people.
    Decline(String),
}

/// An institution's first message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Join {
    /// Node key and payout address, bound.
    pub binding: Binding,
    /// EIP-712 signature by the payout key.
    pub payout_signature: payout::Signature,
    /// ed25519 signature by the node key over the same binding.
    pub node_signature: Signature,
    /// Both signatures again for each mirror's registry, in the beginning's order: a registry takes none made for another one.
    pub mirrors: Vec<(payout::Signature, Signature)>,
    /// Transcript entries that the institution already holds.
    pub height: u64,
}

/// An institution's commitment, made before anybody sees an update.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    /// Root over the salted chunks, or over the ciphertext.
    pub root: [u8; 32],
    /// The salts' key, hashed: revealed with the upload.
    pub salt_hash: [u8; 32],
    /// How the update was protected.
    pub protected: Protected,
    /// Releases charged for this run so far, this one included; 0 without noise.
    pub charged: u64,
    /// Head of the institution's own budget file after the charge.
    pub budget_head: [u8; 32],
}

/// A part of an update in the clear.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upload {
    /// The part's number, from 0.
    pub part: u32,
    /// The salts' key.
    pub salt_key: [u8; 32],
    /// Grid integers.
    pub values: Vec<i32>,
}

/// A part of a ciphertext.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaskedUpload {
    /// The part's number, from 0.
    pub part: u32,
    /// Residues modulo q.
    pub bodies: Vec<u64>,
}

/// What the coordinator says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Order {
    /// First message of a connection.
    Welcome(Welcome),
    /// "Train on this model"; the parameters are attached as little-endian f32.
    Begin {
        /// BLAKE3 of the attachment.
        model: [u8; 32],
        /// Who takes part, ascending.
        cohort: Vec<NodeId>,
        /// The round's clip norm over the plan's, as the bits of an f64.
        scale: u64,
    },
    /// "All these committed; now send yours."
    Reveal {
        /// The commitments, by ascending sender.
        commitments: Vec<Envelope>,
        /// Parts of the receiver's upload that are already here.
        have: Vec<u32>,
    },
    /// Masked rounds: "share your key among these".
    Keys(Vec<Envelope>),
    /// Masked rounds: the dealers' signed lists, and the shares sealed to the receiver in the same order.
    Dealt {
        /// By ascending dealer.
        lists: Vec<Envelope>,
        /// One for each list.
        shares: Vec<SealedShare>,
        /// Parts of the receiver's ciphertext that are already here.
        have: Vec<u32>,
    },
    /// Masked rounds: the survivors' commitments, to be agreed on.
    Survivors(Vec<Envelope>),
    /// Masked rounds: enough signatures under the same set; now open.
    Opening(Vec<Envelope>),
    /// "This is the round; check it and sign."
    Statement {
        /// The header to sign.
        header: Box<RoundHeader>,
        /// Number of the first attached transcript entry; the attachment holds them in the transcript's own framing.
        from: u64,
    },
    /// "Your update is in."
    Receipt {
        /// The committed root.
        root: [u8; 32],
        /// The coordinator's account over the [`Receipt`](xfl_settlement::receipt::Receipt) that says so: what a contract checks.
        signature: payout::Signature,
    },
    /// "That was the last round"; the rest of the transcript is attached.
    Done {
        /// Number of the first attached entry.
        from: u64,
    },
    /// "No", with a reason for people.
    Refused(String),
}

/// What an institution checks before it joins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Welcome {
    /// Number of transcript entries so far.
    pub height: u64,
    /// The transcript's first entry, encoded: plan, members, initial model, settlement.
    #[serde(with = "serde_bytes")]
    pub genesis: Vec<u8>,
    /// The last commitment of the member that is welcomed, in its own signed words: the budget that it had then is one that it must
    /// still have.
    pub seen: Option<Envelope>,
}

/// Why bytes are not a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Not this encoding, or trailing bytes.
    #[error("not a message of version {VERSION}: {0}")]
    Encoding(String),
    /// Of another run.
    #[error("a message of another run: it begins with {got}, this one with {expected}")]
    Beginning {
        /// Ours.
        expected: Beginning,
        /// Theirs.
        got: Beginning,
    },
    /// Signed by another key than the sender's, or altered.
    #[error("the signature of {0} does not fit the message")]
    Signature(NodeId),
    /// Sent over a connection of another node.
    #[error("message of {got} over the connection of {expected}")]
    Sender {
        /// The connection's node.
        expected: NodeId,
        /// The envelope's.
        got: NodeId,
    },
}

/// A body with its direction's domain tag.
pub trait Body: Serialize + DeserializeOwned {
    /// Separates signatures of one direction from those of the other.
    const DOMAIN: Domain;
    /// The body's number within an attempt.
    fn sequence(&self) -> u32;
}

impl Body for Report {
    const DOMAIN: Domain = Domain::new("report");

    fn sequence(&self) -> u32 {
        match self {
            Self::Join(_) => 0,
            Self::Advertise(_) => 1,
            Self::Deal(_) => 2,
            Self::Commit(_) => 3,
            Self::Agree(_) => 4,
            Self::Open(_) => 5,
            Self::Endorse(_) => 6,
            Self::Decline(_) => 7,
            Self::Upload(Upload { part, .. }) | Self::Masked(MaskedUpload { part, .. }) => part.saturating_add(16),
        }
    }
}

impl Body for Order {
    const DOMAIN: Domain = Domain::new("order");

    fn sequence(&self) -> u32 {
        match self {
            Self::Welcome(_) => 0,
            Self::Begin { .. } => 1,
            Self::Keys(_) => 2,
            Self::Dealt { .. } => 3,
            Self::Reveal { .. } => 4,
            Self::Receipt { .. } => 5,
            Self::Survivors(_) => 6,
            Self::Opening(_) => 7,
            Self::Statement { .. } => 8,
            Self::Done { .. } => 9,
            Self::Refused(_) => 10,
        }
    }
}

impl Envelope {
    /// Signs `body` for a round and attempt.
    pub fn seal<B: Body>(key: &NodeKey, beginning: Beginning, round: u64, attempt: u32, body: &B) -> Self {
        let sequence = body.sequence();
        let body = encode(body);
        let signed = signed_bytes(&beginning, round, attempt, sequence, &body);
        let signature = key.sign(B::DOMAIN, &signed);
        Self {
            beginning,
            round,
            attempt,
            sequence,
            sender: key.node_id(),
            body,
            signature,
        }
    }

    /// Checks run, signature and encoding, and returns the body.
    ///
    /// # Errors
    /// [`MessageError`], each the sender's fault.
    pub fn open<B: Body>(&self, beginning: Beginning) -> Result<B, MessageError> {
        if self.beginning != beginning {
            return Err(MessageError::Beginning {
                expected: beginning,
                got: self.beginning,
            });
        }
        let signed = signed_bytes(&self.beginning, self.round, self.attempt, self.sequence, &self.body);
        if self.sender.verify(B::DOMAIN, &signed, &self.signature).is_err() {
            return Err(MessageError::Signature(self.sender));
        }
        let body: B = decode(&self.body)?;
        if body.sequence() != self.sequence {
            return Err(MessageError::Encoding(format!(
                "sequence {} for a body of {}",
                self.sequence,
                body.sequence()
            )));
        }
        Ok(body)
    }

    /// BLAKE3 of the whole envelope.
    pub fn digest(&self) -> [u8; 32] {
        *blake3::hash(&encode(self)).as_bytes()
    }
}

impl Parcel {
    /// A parcel without attachment.
    pub fn bare(envelope: Envelope) -> Self {
        Self {
            envelope,
            attachment: Vec::new(),
        }
    }

    /// The wire's bytes: version, then postcard.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        out.extend(encode(self));
        out
    }

    /// Reads a parcel.
    ///
    /// # Errors
    /// [`MessageError::Encoding`].
    pub fn decode(bytes: &[u8]) -> Result<Self, MessageError> {
        match bytes.split_first() {
            Some((&VERSION, rest)) => decode(rest),
            Some((other, _)) => Err(MessageError::Encoding(format!("version {other}"))),
            None => Err(MessageError::Encoding("no bytes".into())),
        }
    }
}

/// postcard of a value that can always be encoded.
pub(crate) fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    // Our types have no maps of unknown length and no failing serialisers; postcard to a growing buffer can't fail.
    #[allow(clippy::expect_used)]
    postcard::to_stdvec(value).expect("plain data encodes")
}

pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, MessageError> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        Ok((_, rest)) => Err(MessageError::Encoding(format!("{} bytes too many", rest.len()))),
        Err(e) => Err(MessageError::Encoding(e.to_string())),
    }
}

fn signed_bytes(beginning: &Beginning, round: u64, attempt: u32, sequence: u32, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(48 + body.len());
    out.push(VERSION);
    out.extend(beginning.0);
    out.extend(round.to_be_bytes());
    out.extend(attempt.to_be_bytes());
    out.extend(sequence.to_be_bytes());
    out.extend(body);
    out
}
