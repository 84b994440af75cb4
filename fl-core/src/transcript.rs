//! The transcript: everything that happened, in order, hash-chained, enough to replay a federation.
//!
//! **Claim.** A coordinator's journal, an institution's own copy and an auditor's input are one and the same list of
//! [`Entry`]s. Some are *given* (what members signed, when a stage was closed); the others are *derived* from the given
//! ones by [`crate::round::Rounds`], and replaying compares them bit for bit.
//!
//! **Framing.** `len: u32 LE || postcard(entry) || head: 32 bytes`, with `head_k = BLAKE3(head_(k-1) || len || entry)` under
//! a derivation context. A flipped byte anywhere breaks the head at that entry, which [`Reader`] reports with its number.
//! The head before a round's header is the header's `transcriptRoot`, signed by a quorum of members and held by the chain.
//!
//! **Not here.** Secrets: the transcript holds signed messages, noised integers or ciphertexts, and openings.

use serde::{Deserialize, Serialize};
use xfl_settlement::{claim::Venue, domain::Domain, payout::Account, statement::RoundHeader};

use crate::{
    identity::{self, NodeId, NodeKey, Signature},
    message::{Beginning, Parcel, decode, encode},
    round::Phase,
};

/// Longest entry accepted, in bytes.
pub const MAX_ENTRY: usize = 1 << 30;

/// The most chains that a federation settles on.
pub const MAX_CHAINS: usize = 16;

const CONTEXT: &str = "xfl transcript v2";
/// Of messages that were signed for a federation, and not for one run of it.
const EARLIER: &str = "xfl transcript v1";

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[allow(
    clippy::large_enum_variant,
    reason = "entries are read, applied and dropped one by one"
)]
pub enum Entry {
    /// Given: the federation begins.
    Genesis(Box<Genesis>),
    /// Given: a member's signed message was accepted.
    Accepted(Parcel),
    /// Given: a round's attempt began.
    Begun {
        /// From 1.
        round: u64,
        /// From 0.
        attempt: u32,
        /// Who takes part, ascending.
        cohort: Vec<NodeId>,
        /// Coordinator's clock, milliseconds since 1970.
        at: u64,
    },
    /// Given: the coordinator alone has a member's update, which opens its commitment and is within the plan's bounds; its own word.
    Received {
        /// Whose.
        member: NodeId,
    },
    /// Given: the sum of the updates that the coordinator alone has, with the promised noise; its own word.
    Summed {
        /// Grid integers.
        values: Vec<i64>,
    },
    /// Given: a stage ended with these members' answers.
    Closed {
        /// The stage.
        phase: Phase,
        /// Whose answers count, ascending.
        members: Vec<NodeId>,
        /// Coordinator's clock, milliseconds since 1970.
        at: u64,
    },
    /// Given: the attempt came to nothing.
    Abandoned {
        /// Why, for people.
        reason: String,
        /// Coordinator's clock, milliseconds since 1970.
        at: u64,
    },
    /// Derived: the aggregate.
    Aggregated(Aggregated),
    /// Derived, within the plan's tolerance where a model was evaluated: contributions.
    Scored(Scored),
    /// Derived: the header that members sign; with the coordinator's own signature.
    Settled {
        /// What is posted.
        header: RoundHeader,
        /// By the coordinator's node key over the header's digest.
        signature: Signature,
    },
    /// Given: the chain has the header.
    Posted {
        /// The transaction; zero where the header was found posted already.
        transaction: [u8; 32],
        /// Its block.
        block: u64,
    },
}

/// What a federation begins with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Genesis {
    /// The plan's text.
    pub plan: String,
    /// The allowlist, ascending.
    pub members: Vec<Member>,
    /// The initial model's parameters.
    pub model: Vec<f32>,
    /// BLAKE3 commitment to salt and held-out data, where the score needs it.
    pub held_out: Option<[u8; 32]>,
    /// Drawn by the coordinator when the run began: contracts have it in their addresses, so that nothing that is signed for those of one run
    /// says anything in another run of the same plan.
    pub run: [u8; 16],
    /// The contracts on the home chain, where rounds are posted and disputed.
    pub contracts: Contracts,
    /// The contracts on the other chains on which members can be paid, in the order in which members sign for them.
    pub mirrors: Vec<Contracts>,
    /// Milliseconds since 1970.
    pub at: u64,
    /// The coordinator's signature over all of the above.
    pub signature: Signature,
}

/// Where a federation settles on one chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contracts {
    /// EIP-155 id of the chain.
    pub chain_id: u64,
    /// Members and their bindings.
    pub registry: Account,
    /// Headers: the round manager, or its mirror.
    pub rounds: Account,
    /// Stakes; the home chain has them alone.
    pub vault: Option<Account>,
    /// Claims.
    pub distributor: Account,
    /// What is paid.
    pub token: Account,
    /// Who deployed them: coordinator of the registry, treasury of the token.
    pub coordinator: Account,
    /// Whether the chain is the coordinator's own, embedded one.
    pub embedded: bool,
}

impl Contracts {
    /// The EIP-712 domain of bindings.
    pub fn registry_domain(&self, federation: [u8; 32]) -> Domain {
        Domain {
            chain_id: self.chain_id,
            contract: self.registry,
            federation,
        }
    }

    /// The EIP-712 domain of headers; the home chain's serves all.
    pub fn rounds_domain(&self, federation: [u8; 32]) -> Domain {
        Domain {
            chain_id: self.chain_id,
            contract: self.rounds,
            federation,
        }
    }

    /// Where rewards are paid.
    pub fn venue(&self) -> Venue {
        Venue {
            chain_id: self.chain_id,
            distributor: self.distributor,
            token: self.token,
        }
    }
}

/// An admitted node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Member {
    /// Its key.
    pub id: NodeId,
    /// Its name for people.
    pub name: String,
}

/// What the rule made of a round's updates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Aggregated {
    /// Members whose updates went in, ascending.
    pub members: Vec<NodeId>,
    /// Members whose updates were refused (range or norm), ascending.
    pub refused: Vec<NodeId>,
    /// For each of `members`: did the rule use the row.
    pub selected: Vec<bool>,
    /// Row tree over the cohort's chunks.
    pub row_root: [u8; 32],
    /// Tree over the aggregate's chunks.
    pub aggregate_root: [u8; 32],
    /// BLAKE3 over the new model's parameters.
    pub model_root: [u8; 32],
}

/// Contributions of a round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scored {
    /// Values of models on held-out data, parts per million, in the order in which the scorer asked for them; empty for a scorer
    /// without held-out data.
    pub values: Vec<i64>,
    /// Parts per million, in the order of the aggregate's members.
    pub scores: Vec<i64>,
    /// Tokens, in the same order.
    pub rewards: Vec<u64>,
}

/// Why bytes are not a transcript.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TranscriptError {
    /// The chain of hashes breaks.
    #[error("entry {0}: the chain of hashes breaks here")]
    Chain(u64),
    /// Written by a program that is older.
    #[error("an earlier version of xfl wrote this transcript: read it with that one")]
    Earlier,
    /// The bytes end inside an entry.
    #[error("entry {0}: the file ends inside it")]
    Torn(u64),
    /// An entry that is no entry.
    #[error("entry {index}: {what}")]
    Encoding {
        /// Its number.
        index: u64,
        /// What the decoder said.
        what: String,
    },
}

/// The head of the chain of hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Entries so far.
    pub height: u64,
    /// The chain's hash.
    pub hash: [u8; 32],
}

impl Head {
    /// Before the first entry.
    pub const START: Self = Self {
        height: 0,
        hash: [0; 32],
    };

    /// Appends an entry: its frame, and the new head.
    pub fn append(&self, entry: &Entry) -> (Vec<u8>, Self) {
        let body = encode(entry);
        let next = self.after(&body);
        let mut frame = Vec::with_capacity(body.len() + 36);
        frame.extend((body.len() as u32).to_le_bytes());
        frame.extend(&body);
        frame.extend(next.hash);
        (frame, next)
    }

    fn after(&self, body: &[u8]) -> Self {
        Self {
            height: self.height.saturating_add(1),
            hash: self.hash_of(CONTEXT, body),
        }
    }

    fn hash_of(&self, context: &str, body: &[u8]) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key(context);
        hasher.update(&self.hash);
        hasher.update(&(body.len() as u32).to_le_bytes());
        hasher.update(body);
        *hasher.finalize().as_bytes()
    }
}

/// An entry that was read, with the heads around it; a [`Reader`] alone makes one, so that they belong together.
#[derive(Clone, Debug)]
pub struct Chained {
    entry: Entry,
    before: Head,
    head: Head,
}

impl Chained {
    /// The entry.
    pub fn entry(&self) -> &Entry {
        &self.entry
    }

    /// The head before it.
    pub fn before(&self) -> Head {
        self.before
    }

    /// The head after it.
    pub fn head(&self) -> Head {
        self.head
    }
}

/// Reads frames one after the other, checking the chain.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    head: Head,
}

impl<'a> Reader<'a> {
    /// Reads from the start of a transcript.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self::after(Head::START, bytes)
    }

    /// Reads what follows `head`.
    pub fn after(head: Head, bytes: &'a [u8]) -> Self {
        Self { rest: bytes, head }
    }

    /// The head after the last entry read.
    pub fn head(&self) -> Head {
        self.head
    }

    /// Bytes not yet read.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next entry, or `None` at the end.
    ///
    /// # Errors
    /// [`TranscriptError`] with the entry's number; the reader then stays where it is.
    #[allow(
        clippy::should_implement_trait,
        reason = "an error must stop the caller, not be skipped by an adapter"
    )]
    pub fn next(&mut self) -> Result<Option<Entry>, TranscriptError> {
        Ok(self.next_chained()?.map(|read| read.entry))
    }

    /// The next entry with the head after it, or `None` at the end.
    ///
    /// # Errors
    /// As [`Self::next`].
    pub fn next_chained(&mut self) -> Result<Option<Chained>, TranscriptError> {
        let index = self.head.height;
        if self.rest.is_empty() {
            return Ok(None);
        }
        let torn = TranscriptError::Torn(index);
        let (len, rest) = self.rest.split_first_chunk::<4>().ok_or(torn.clone())?;
        let len = u32::from_le_bytes(*len) as usize;
        if len > MAX_ENTRY || rest.len() < len + 32 {
            return Err(torn);
        }
        let (body, rest) = rest.split_at(len);
        let (hash, rest) = rest.split_first_chunk::<32>().ok_or(torn)?;
        let next = self.head.after(body);
        if next.hash != *hash {
            if index == 0 && self.head.hash_of(EARLIER, body) == *hash {
                return Err(TranscriptError::Earlier);
            }
            return Err(TranscriptError::Chain(index));
        }
        let entry = decode(body).map_err(|e| TranscriptError::Encoding {
            index,
            what: e.to_string(),
        })?;
        let before = std::mem::replace(&mut self.head, next);
        self.rest = rest;
        Ok(Some(Chained {
            entry,
            before,
            head: next,
        }))
    }
}

/// What follows the first frame, by its length alone; none where there is no whole one.
pub(crate) fn after_first(frames: &[u8]) -> Option<&[u8]> {
    let (len, rest) = frames.split_first_chunk::<4>()?;
    rest.get((u32::from_le_bytes(*len) as usize).checked_add(32)?..)
}

/// The whole frames that bytes begin with: a file that is being written may end inside one.
pub fn whole(frames: &[u8]) -> &[u8] {
    let mut rest = frames;
    while let Some(next) = after_first(rest) {
        rest = next;
    }
    &frames[..frames.len() - rest.len()]
}

impl Genesis {
    /// Signs the beginning.
    pub fn sign(mut self, key: &NodeKey) -> Self {
        self.signature = key.sign(Self::DOMAIN, &self.signed_bytes());
        self
    }

    /// Whether `coordinator` signed it.
    pub fn signed_by(&self, coordinator: &NodeId) -> bool {
        coordinator
            .verify(Self::DOMAIN, &self.signed_bytes(), &self.signature)
            .is_ok()
    }

    /// What every message of the run carries.
    pub fn beginning(&self) -> Beginning {
        let mut hasher = blake3::Hasher::new_derive_key("xfl beginning v1");
        hasher.update(&self.signed_bytes());
        Beginning(*hasher.finalize().as_bytes())
    }

    const DOMAIN: identity::Domain = identity::Domain::new("genesis");

    fn signed_bytes(&self) -> Vec<u8> {
        encode(&(
            &self.plan,
            &self.members,
            &self.model,
            &self.held_out,
            &self.run,
            &self.contracts,
            &self.mirrors,
            self.at,
        ))
    }

    /// All chains, the home chain first.
    pub fn chains(&self) -> impl Iterator<Item = &Contracts> {
        std::iter::once(&self.contracts).chain(&self.mirrors)
    }

    /// What is wrong with the chains, if anything is: more than [`MAX_CHAINS`], one twice, or a vault on the wrong one.
    pub fn chains_fault(&self) -> Option<&'static str> {
        let mut ids: Vec<u64> = self.chains().map(|chain| chain.chain_id).collect();
        ids.sort_unstable();
        ids.dedup();
        let vaults = self.contracts.vault.is_some() && self.mirrors.iter().all(|mirror| mirror.vault.is_none());
        match () {
            () if self.mirrors.len() >= MAX_CHAINS => Some("there are more chains than a federation can have"),
            () if ids.len() != self.mirrors.len() + 1 => Some("a chain is named twice"),
            () if !vaults => Some("stakes are on the home chain, and there alone"),
            () => None,
        }
    }
}
