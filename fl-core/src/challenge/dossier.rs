//! What members signed, round by round, from any copy of a transcript.

use std::collections::{BTreeMap, BTreeSet};

use xfl_settlement::{payout, statement::RoundHeader};

use crate::{
    identity::NodeId,
    message::{Beginning, Commit, Envelope, Report, Upload},
    plan::{Plan, PlanError},
    round::upload::Assembly,
    transcript::{Aggregated, Entry, Genesis, Reader, TranscriptError},
    update,
};

/// Signatures over headers that are kept in one attempt, for each member.
const WORDS: usize = 4;

/// What was signed in a federation, and what the transcript says of it.
#[derive(Debug)]
pub struct Dossier {
    pub(super) plan: Plan,
    genesis: Genesis,
    beginning: Beginning,
    pub(super) received: BTreeMap<(u64, u32), Received>,
    broken: Option<TranscriptError>,
    /// Round and attempt in which it ends.
    end: (u64, u32),
}

/// What came in in one attempt.
#[derive(Debug, Default)]
pub(super) struct Received {
    pub(super) commits: BTreeMap<NodeId, Commit>,
    uploads: BTreeMap<NodeId, Assembly<i32>>,
    salts: BTreeMap<NodeId, [u8; 32]>,
    /// Whose updates are whole and open their commitments.
    whole: BTreeSet<NodeId>,
    /// What the transcript's writer says went in; not believed.
    pub(super) told: Option<Aggregated>,
    header: Option<RoundHeader>,
    endorsements: Vec<payout::Signature>,
}

/// A header of which signatures are known.
#[derive(Clone, Debug, PartialEq)]
pub struct Signed {
    /// The header.
    pub header: RoundHeader,
    /// As they were said to be over it: whose they are, only their recovery tells.
    pub signatures: Vec<payout::Signature>,
}

/// Why there is nothing to go by.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum DossierError {
    /// Not a transcript, or not its beginning.
    #[error(transparent)]
    Transcript(#[from] TranscriptError),
    /// It begins with something else than a plan.
    #[error("the transcript doesn't begin with a plan")]
    NoBeginning,
    /// The plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// Somebody else's plan.
    #[error("the beginning isn't signed by the plan's coordinator")]
    Unsigned,
}

impl Dossier {
    /// Reads a transcript as far as its chain of hashes holds, keeping the rounds that are `wanted`.
    ///
    /// # Errors
    /// [`DossierError`] where not even the beginning is valid.
    pub fn read(transcript: &[u8], wanted: impl Fn(u64) -> bool) -> Result<Self, DossierError> {
        let mut reader = Reader::new(transcript);
        let Some(Entry::Genesis(genesis)) = reader.next()? else {
            return Err(DossierError::NoBeginning);
        };
        let plan = Plan::parse(&genesis.plan, "federation.toml")?;
        if !genesis.signed_by(&plan.terms().federation.coordinator) {
            return Err(DossierError::Unsigned);
        }
        let length = plan.mechanism(genesis.model.len())?.length() as usize;
        let mut this = Self {
            plan,
            beginning: genesis.beginning(),
            genesis: *genesis,
            received: BTreeMap::new(),
            broken: None,
            end: (0, 0),
        };
        let mut at = (0, 0);
        loop {
            match reader.next() {
                Ok(None) => return Ok(this),
                Ok(Some(entry)) => {
                    this.take(entry, &mut at, length, &wanted);
                    this.end = at;
                }
                Err(error) => {
                    this.broken = Some(error);
                    return Ok(this);
                }
            }
        }
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The beginning.
    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// Where the transcript's chain of hashes breaks, if it does; what comes before counts.
    pub fn broken(&self) -> Option<&TranscriptError> {
        self.broken.as_ref()
    }

    /// Whether this copy ends before it says what went into an attempt: then it is merely old, or torn while it was written, and nothing that
    /// it doesn't hold is held back. A copy whose chain of hashes breaks there isn't old but false.
    pub(super) fn ends_before(&self, at: (u64, u32)) -> bool {
        let told = self.received.get(&at).is_some_and(|received| received.told.is_some());
        let false_here = self
            .broken
            .as_ref()
            .is_some_and(|e| !matches!(e, TranscriptError::Torn(_)))
            && self.end == at;
        !told && !false_here && self.end <= at
    }

    /// The headers that the transcript holds for a round, with the signatures that came in for them.
    pub fn signed(&self, round: u64) -> Vec<Signed> {
        let attempts = self.received.range((round, 0)..=(round, u32::MAX));
        let signed = attempts.filter_map(|(_, received)| {
            Some(Signed {
                header: received.header?,
                signatures: received.endorsements.clone(),
            })
        });
        signed.collect()
    }

    fn take(&mut self, entry: Entry, at: &mut (u64, u32), length: usize, wanted: &impl Fn(u64) -> bool) {
        match entry {
            Entry::Begun { round, attempt, .. } => *at = (round, attempt),
            Entry::Accepted(parcel) if wanted(at.0) => self.hear(&parcel.envelope, *at, length),
            Entry::Aggregated(told) if wanted(at.0) => self.received.entry(*at).or_default().told = Some(told),
            Entry::Settled { header, .. } if wanted(at.0) => {
                self.received.entry(*at).or_default().header = Some(header);
            }
            _ => {}
        }
    }

    /// A message that its sender didn't sign, that is of another attempt, or that fits nothing before it, is passed over.
    fn hear(&mut self, envelope: &Envelope, at: (u64, u32), length: usize) {
        if (envelope.round, envelope.attempt) != at {
            return;
        }
        let member = envelope.sender;
        let members = &self.genesis.members;
        if members.binary_search_by(|m| m.id.cmp(&member)).is_err() {
            return;
        }
        let Ok(report) = envelope.open::<Report>(self.beginning) else {
            return;
        };
        let received = self.received.entry(at).or_default();
        match report {
            Report::Commit(commit) => {
                received.commits.entry(member).or_insert(commit);
            }
            Report::Upload(part) => received.upload(member, &part, length),
            Report::Endorse(signature) if received.endorsements.len() < WORDS * members.len() => {
                received.endorsements.push(signature);
            }
            _ => {}
        }
    }
}

impl Received {
    fn upload(&mut self, member: NodeId, part: &Upload, length: usize) {
        let Some(commit) = self.commits.get(&member) else {
            return;
        };
        if update::salt_hash(&part.salt_key) != commit.salt_hash || self.whole.contains(&member) {
            return;
        }
        // Before anything is made room for: this many values can only be part of an update.
        if part.part >= update::parts(length) || part.values.len() != update::part_len(length, part.part) {
            return;
        }
        let assembly = self.uploads.entry(member).or_insert_with(|| Assembly::new(length));
        if assembly.put(part.part, &part.values) != Ok(true) {
            return;
        }
        if update::root(assembly.values(), &part.salt_key) == commit.root {
            self.salts.insert(member, part.salt_key);
            self.whole.insert(member);
        } else {
            assembly.take_back(part.part);
        }
    }

    /// A member's update, if all of it came and it opens the commitment.
    pub(super) fn update(&self, member: &NodeId) -> Option<&[i32]> {
        let whole = self.whole.contains(member);
        self.uploads.get(member).filter(|_| whole).map(Assembly::values)
    }

    /// Whose updates are whole, ascending.
    pub(super) fn whole(&self) -> impl Iterator<Item = NodeId> {
        self.whole.iter().copied()
    }

    /// A member's update with its salts' key.
    pub(super) fn opened(&self, member: &NodeId) -> Option<(&[i32], &[u8; 32])> {
        Some((self.update(member)?, self.salts.get(member)?))
    }
}
