//! An institution's machine: its disk, its trainer, its character, and the laws that it must not break.

use std::collections::BTreeMap;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use xfl_core::{
    identity::NodeId,
    institution::{Identity, Institution, InstitutionError, Note, Release, Wish},
    message::{Envelope, Parcel, Report},
    plan::Plan,
    round::commit::Protected,
    transcript::{Entry, Head},
};
use xfl_settlement::receipt::SignedReceipt;

use crate::{
    cast::{COORDINATOR, MIRROR, PLAYERS},
    scenario::Character,
};

/// What a charge is made for.
pub(crate) type Charge = (u64, u32);

pub(crate) struct Host {
    pub(crate) place: usize,
    pub(crate) character: Character,
    /// None while it is down.
    pub(crate) machine: Option<Institution>,
    /// Lives so far; what belongs to an earlier one is void.
    pub(crate) life: u64,
    pub(crate) outputs: u64,
    /// The connection it talks over.
    pub(crate) connection: Option<u64>,
    pub(crate) dead: bool,
    pub(crate) finished: bool,
    /// The trainer is at work for this.
    pub(crate) training: Option<Charge>,
    notes: Vec<Vec<u8>>,
    masked: Option<Vec<u8>>,
    /// Its own copy of the transcript.
    pub(crate) copy: Vec<u8>,
    /// Its budget file: what was charged.
    charges: Vec<Charge>,
    /// What it must stand by.
    pub(crate) releases: BTreeMap<Charge, Vec<i32>>,
    signed: BTreeMap<u64, [u8; 32]>,
    /// The coordinator's receipts.
    pub(crate) receipts: Vec<SignedReceipt>,
    committed: BTreeMap<(u64, u32), [u8; 32]>,
    opened: BTreeMap<Charge, Vec<u8>>,
}

impl Host {
    pub(crate) fn new(place: usize, character: Character) -> Self {
        Self {
            place,
            character,
            machine: None,
            life: 0,
            outputs: 0,
            connection: None,
            dead: false,
            finished: false,
            training: None,
            notes: Vec::new(),
            masked: None,
            copy: Vec::new(),
            charges: Vec::new(),
            releases: BTreeMap::new(),
            signed: BTreeMap::new(),
            receipts: Vec::new(),
            committed: BTreeMap::new(),
            opened: BTreeMap::new(),
        }
    }

    pub(crate) fn id(&self) -> NodeId {
        PLAYERS[self.place].key.node_id()
    }

    /// Starts from what is on disk, with entropy that no earlier life had.
    pub(crate) fn start(&mut self, world: u64) {
        self.life += 1;
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&world.to_le_bytes());
        seed[8..16].copy_from_slice(&self.life.to_le_bytes());
        seed[16] = self.place as u8;
        let player = &PLAYERS[self.place];
        let identity = Identity {
            node: player.key.clone(),
            payout: player.payout.clone(),
            payout_chain: (self.place == 1).then_some(MIRROR),
            rng: Box::new(ChaCha20Rng::from_seed(seed)),
        };
        let notes = self
            .notes
            .iter()
            .chain(&self.masked)
            .map(|b| postcard::from_bytes::<Note>(b).unwrap());
        let machine = Institution::restore(identity, COORDINATOR.node_id(), notes.collect::<Vec<_>>());
        self.machine = Some(machine.expect("what was remembered follows"));
        (self.training, self.connection, self.finished) = (None, None, false);
    }

    pub(crate) fn crash(&mut self) {
        (self.machine, self.training, self.connection) = (None, None, None);
    }

    /// Writes a note down.
    pub(crate) fn remember(&mut self, note: &Note) {
        let bytes = postcard::to_stdvec(note).unwrap();
        match note {
            Note::Masked(_) => return self.masked = Some(bytes),
            Note::Genesis(genesis) => {
                self.copy.extend(Head::START.append(&Entry::Genesis(genesis.clone())).0);
            }
            Note::Verified(frames) => self.copy.extend(frames),
            Note::Receipt(envelope) => {
                let machine = self.machine.as_ref().unwrap();
                let signed = machine.receipt_in(envelope).expect("what is kept is a receipt");
                let contracts = machine.rounds().unwrap().genesis().contracts;
                let domain = contracts.rounds_domain(signed.receipt.federation);
                assert_eq!(signed.check(&domain, &contracts.coordinator), Ok(()));
                let at = (envelope.round, envelope.attempt);
                let own = self.committed.get(&at).filter(|_| self.character.honest());
                assert!(
                    own.is_none_or(|root| *root == signed.receipt.commitment),
                    "a receipt for another update"
                );
                self.receipts.push(signed);
            }
            Note::Signed { round, digest } => {
                let before = self.signed.insert(*round, *digest);
                assert!(
                    before.is_none_or(|b| b == *digest),
                    "{:?} signs two headers of round {round}",
                    self.id()
                );
            }
            Note::Release {
                round,
                attempt,
                release,
                ..
            } => {
                let before = self.releases.insert((*round, *attempt), release.values.clone());
                assert!(
                    before.is_none(),
                    "{:?} makes two releases for round {round} attempt {attempt}",
                    self.id()
                );
            }
        }
        self.notes.push(bytes);
    }

    /// Charges, and protects an update: a function of model, round and member plus noise that is fresh each time.
    pub(crate) fn release(&mut self, wish: &Wish, plan: &Plan, noise: &mut xfl_core::seed::Stream) -> Release {
        let (charge, model) = (wish.charge, &wish.model);
        let mechanism = plan.mechanism(model.len()).unwrap().scaled(wish.scale).unwrap();
        if !self.charges.contains(&charge) {
            self.charges.push(charge);
        }
        let pull = |(i, v): (usize, &f32)| (v * 8.0) as i32 - (charge.0 as i32 + self.place as i32 + i as i32) % 5;
        let mut values: Vec<i32> = model
            .iter()
            .enumerate()
            .map(|v| (-pull(v)).clamp(-40, 40) + noise.below(9) as i32 - 4)
            .collect();
        let count = mechanism.count_steps() as i32;
        if count > 0 {
            values.push(if noise.below(2) == 0 { count } else { -count });
        }
        if self.character == Character::Oversized {
            values[0] = 2_000_000;
        }
        let mut salt_secret = [0; 32];
        noise.fill(&mut salt_secret);
        Release {
            values,
            salt_secret,
            protected: Protected::of(&mechanism),
            charged: self.charges.len() as u64,
            budget_head: [self.charges.len() as u8; 32],
        }
    }

    /// What leaves must be one thing for one charge.
    pub(crate) fn leaves(&mut self, parcel: &Parcel, masked: bool) {
        let envelope = &parcel.envelope;
        let report: Report = postcard::from_bytes(&envelope.body).unwrap();
        let at = (envelope.round, envelope.attempt);
        let charge = (at.0, if masked { at.1 } else { 0 });
        let name = self.id();
        match report {
            Report::Commit(commit) => {
                let before = self.committed.insert(at, commit.root);
                assert!(
                    before.is_none_or(|b| b == commit.root),
                    "{name:?} commits to two updates for {at:?}"
                );
                assert!(
                    self.releases.contains_key(&charge),
                    "{name:?} commits before it remembers"
                );
            }
            Report::Upload(part) => {
                assert!(!masked, "{name:?} shows an update in the clear in a masked federation");
                let start = part.part as usize * xfl_core::update::PART;
                let own = &self.releases[&charge][start..start + part.values.len()];
                assert_eq!(part.values, own, "{name:?} shows another update");
            }
            Report::Open(share) => {
                let bytes = postcard::to_stdvec(&share).unwrap();
                let before = self.opened.insert(at, bytes.clone());
                assert!(before.is_none_or(|b| b == bytes), "{name:?} opens two sums for {at:?}");
            }
            Report::Endorse(_) => assert!(self.signed.contains_key(&at.0), "{name:?} signs before it remembers"),
            _ => {}
        }
    }

    /// What this character makes of a report before it leaves.
    pub(crate) fn twist(&self, parcel: Parcel, copied: Option<[u8; 32]>) -> Vec<Parcel> {
        if self.character.honest() {
            return vec![parcel];
        }
        let envelope = &parcel.envelope;
        let report: Report = postcard::from_bytes(&envelope.body).unwrap();
        let key = &PLAYERS[self.place].key;
        let seal = |r: &Report| {
            Parcel::bare(Envelope::seal(
                key,
                envelope.beginning,
                envelope.round,
                envelope.attempt,
                r,
            ))
        };
        match (self.character, report) {
            (Character::Copier, Report::Commit(mut commit)) => {
                commit.root = copied.unwrap_or(commit.root);
                vec![seal(&Report::Commit(commit))]
            }
            (Character::Equivocator, Report::Commit(mut commit)) => {
                commit.root = [0x5a; 32];
                commit.root[0] = self.place as u8;
                vec![seal(&Report::Commit(commit)), parcel]
            }
            (Character::Withholder, Report::Upload(_)) => Vec::new(),
            _ => vec![parcel],
        }
    }

    /// An order arrives; only somebody who broke the protocol may have to stop.
    pub(crate) fn order(&mut self, bytes: &[u8]) -> Result<(), InstitutionError> {
        match &mut self.machine {
            Some(machine) => machine.order(bytes),
            None => Ok(()),
        }
    }
}
