//! The coordinator's machine: its journal, the chain it posts to, and the laws that it must not break.

use std::collections::{BTreeMap, BTreeSet};

use xfl_core::{
    coordinator::Coordinator,
    identity::NodeId,
    message::Report,
    round::{Phase, Rounds},
    transcript::{Entry, Genesis, Head, Reader},
};
use xfl_settlement::{payout, statement::RoundHeader};

use crate::{
    cast::{COORDINATOR, Frugal, OFFICE_PAYOUT, PLAYERS},
    scenario::Millis,
};

pub(crate) struct Office {
    /// None while it is down.
    pub(crate) machine: Option<Coordinator>,
    pub(crate) life: u64,
    /// Open connections, by number.
    pub(crate) connections: BTreeMap<u64, NodeId>,
    /// Frames, the first being the beginning.
    frames: Vec<Vec<u8>>,
    kept: BTreeMap<((u64, u32), NodeId), Vec<u8>>,
    /// The chain: what was posted, round by round.
    pub(crate) chain: BTreeMap<u64, RoundHeader>,
    /// Roots that were committed to in the current attempt, by member.
    pub(crate) roots: Vec<(NodeId, [u8; 32])>,
    pub(crate) abandoned: u64,
}

impl Office {
    pub(crate) fn new(genesis: &Genesis) -> Self {
        let frame = Head::START.append(&Entry::Genesis(Box::new(genesis.clone()))).0;
        Self {
            machine: None,
            life: 0,
            connections: BTreeMap::new(),
            frames: vec![frame],
            kept: BTreeMap::new(),
            chain: BTreeMap::new(),
            roots: Vec::new(),
            abandoned: 0,
        }
    }

    /// Starts from what is in the journal.
    pub(crate) fn start(&mut self, now: Millis) {
        self.life += 1;
        let journal = self.journal();
        let mut reader = Reader::new(&journal);
        let Ok(Some(Entry::Genesis(genesis))) = reader.next() else {
            panic!("the journal has no beginning")
        };
        let mut rounds = Rounds::begin(*genesis).expect("the beginning stands");
        while let Some(entry) = reader.next().expect("the journal is whole") {
            rounds.apply(&entry, None).expect("what was journaled follows");
        }
        let kept = matches!(rounds.phase(), Phase::Deal | Phase::Mask).then(|| rounds.position());
        let mut machine = Coordinator::restore(
            rounds,
            COORDINATOR.clone(),
            OFFICE_PAYOUT.clone(),
            Some(Box::new(Frugal)),
            now,
        );
        for ((_, dealer), sealed) in self.kept.iter().filter(|((at, _), _)| Some(*at) == kept) {
            machine.relay(*dealer, sealed);
        }
        self.machine = Some(machine);
    }

    pub(crate) fn crash(&mut self) {
        self.machine = None;
        self.connections.clear();
    }

    pub(crate) fn journal(&self) -> Vec<u8> {
        self.frames.concat()
    }

    /// Frames from an entry on.
    pub(crate) fn from(&self, entry: u64) -> Vec<u8> {
        self.frames[entry as usize..].concat()
    }

    pub(crate) fn append(&mut self, entry: &Entry, frame: Vec<u8>) {
        match entry {
            Entry::Begun { .. } => self.roots.clear(),
            Entry::Abandoned { .. } => self.abandoned += 1,
            Entry::Accepted(parcel) => {
                let envelope = &parcel.envelope;
                if let Ok(Report::Commit(commit)) = postcard::from_bytes(&envelope.body) {
                    self.roots.push((envelope.sender, commit.root));
                }
            }
            _ => {}
        }
        self.frames.push(frame);
    }

    pub(crate) fn keep(&mut self, at: (u64, u32), dealer: NodeId, sealed: Vec<u8>) {
        self.kept.insert((at, dealer), sealed);
    }

    /// What the contract does with a header: once for a round, in sequence, under enough members' signatures.
    pub(crate) fn post(&mut self, header: &RoundHeader, signatures: &[payout::Signature], rounds: &Rounds) {
        let domain = rounds.genesis().contracts.rounds_domain(rounds.plan().federation().0);
        let digest = header.digest(&domain);
        let accounts: BTreeSet<_> = PLAYERS.iter().map(|p| p.payout.account()).collect();
        let signers: BTreeSet<_> = signatures.iter().map(|s| s.recover(&digest).unwrap()).collect();
        assert!(signers.is_subset(&accounts), "a stranger signed the header");
        assert!(
            signers.len() >= rounds.plan().settlement_threshold(),
            "{} signatures",
            signers.len()
        );
        match self.chain.get(&header.round) {
            Some(posted) => assert_eq!(posted, header, "a second header for round {}", header.round),
            None => {
                assert_eq!(
                    header.round,
                    self.chain.len() as u64 + 1,
                    "rounds are posted in sequence"
                );
                self.chain.insert(header.round, *header);
            }
        }
    }
}
