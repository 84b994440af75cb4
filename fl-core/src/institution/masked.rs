//! The institution's part in a masked attempt: keys, shares, ciphertext, agreement, opening; each remembered before it leaves.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use xfl_privacy::mask::{EphemeralPublic, Evidence, MaskClient, OpenError, Opening, Received, SealedShare, Seat};

use super::{Institution, InstitutionError, Note, check, commit_of, refuse};
use crate::{
    identity::NodeId,
    message::{Envelope, MaskedUpload, Report},
    round::mask::{attempt_of, params, seat, share_list},
    update,
};

/// Everything an institution needs to go on inside a masked attempt; holds secrets.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct MaskNote {
    at: (u64, u32),
    cohort: Vec<NodeId>,
    secrets: Vec<u8>,
    advertisements: Vec<Envelope>,
    lists: Vec<Envelope>,
    shares: Vec<SealedShare>,
    survivors: Vec<Envelope>,
    agreed: Option<[u8; 32]>,
    root: Option<[u8; 32]>,
}

/// The attempt under way.
#[derive(Default)]
pub(super) struct Masked {
    note: Option<MaskNote>,
    have: Vec<u32>,
}

impl Masked {
    pub(super) fn recall(&mut self, note: MaskNote) -> Result<(), InstitutionError> {
        self.note = Some(note);
        Ok(())
    }

    pub(super) fn disconnected(&mut self) {
        self.have.clear();
    }

    pub(super) fn at(&self) -> Option<(u64, u32)> {
        self.note.as_ref().map(|n| n.at)
    }

    pub(super) fn root(&self, at: (u64, u32)) -> Option<[u8; 32]> {
        self.note.as_ref().filter(|n| n.at == at).and_then(|n| n.root)
    }
}

impl Institution {
    /// Advertises this attempt's keys, the same ones if asked again.
    pub(super) fn advertise(&mut self, at: (u64, u32), cohort: &[NodeId]) -> Result<(), InstitutionError> {
        if self.masked.note.as_ref().is_none_or(|n| n.at != at) {
            if self.masked.note.as_ref().is_some_and(|n| n.at > at) {
                return refuse("asked to go back to an earlier attempt".into());
            }
            let rounds = self.rounds_ref()?;
            let Some(seat) = seat(cohort, &self.id()) else {
                return refuse("a cohort out of order".into());
            };
            let params = params(rounds.plan(), rounds.model().len(), cohort.len()).map_err(refused)?;
            let attempt = attempt_of(rounds, at.0, at.1);
            let client = MaskClient::new(params, attempt, seat, &mut self.identity.rng).map_err(refused)?;
            let note = MaskNote {
                at,
                cohort: cohort.to_vec(),
                secrets: client.to_bytes().to_vec(),
                advertisements: Vec::new(),
                lists: Vec::new(),
                shares: Vec::new(),
                survivors: Vec::new(),
                agreed: None,
                root: None,
            };
            self.remember(Note::Masked(note))?;
        }
        let client = self.client(at)?;
        self.report(at, &Report::Advertise(client.public().clone()));
        Ok(())
    }

    /// Seals a share of the key to every other member that advertised.
    pub(super) fn keys(&mut self, at: (u64, u32), advertisements: &[Envelope]) -> Result<(), InstitutionError> {
        let mut note = self.note(at)?;
        if !note.advertisements.is_empty() && note.advertisements != advertisements {
            return refuse("told of another set of keys than before".into());
        }
        note.advertisements = advertisements.to_vec();
        let publics = self.publics(&note)?;
        if !publics.contains_key(&self.seat_of(&note)?) {
            return refuse("asked to deal without having advertised".into());
        }
        let client = self.client(at)?;
        let sealed = match client.shares_for(&publics, &mut self.identity.rng) {
            Ok(sealed) => sealed,
            // Another member's keys are at fault: the attempt is lost, not this institution.
            Err(error) => return self.decline(at, &error),
        };
        let hashes = sealed.values().map(SealedShare::digest).collect();
        let attachment = sealed.values().flat_map(|s| s.as_bytes().to_vec()).collect();
        self.remember(Note::Masked(note))?;
        self.report_with(at, &Report::Deal(hashes), attachment);
        Ok(())
    }

    /// Keeps the shares that the others dealt, and masks the update when it is ready.
    pub(super) fn dealt(
        &mut self,
        at: (u64, u32),
        lists: &[Envelope],
        shares: Vec<SealedShare>,
        have: Vec<u32>,
    ) -> Result<(), InstitutionError> {
        let mut note = self.note(at)?;
        if note.lists.is_empty() {
            let receivers: Vec<NodeId> = note.advertisements.iter().map(|e| e.sender).collect();
            let id = self.id();
            if !lists.is_sorted_by(|a, b| a.sender < b.sender) || !lists.iter().any(|e| e.sender == id) {
                return refuse("share lists out of order, or without one's own".into());
            }
            let mut sealed = shares.iter();
            for list in lists.iter().filter(|e| e.sender != id) {
                let hashes = self.deal_of(list, at)?;
                let place = receivers.iter().filter(|r| **r != list.sender).position(|r| *r == id);
                let hash = place.and_then(|p| hashes.get(p));
                match (sealed.next(), hash) {
                    (Some(share), Some(hash)) if share.digest() == *hash => {}
                    _ => return refuse(format!("{}'s share isn't the one it signed for", list.sender)),
                }
            }
            note.lists = lists.to_vec();
            note.shares = shares;
            self.remember(Note::Masked(note))?;
        } else if note.lists != lists {
            return refuse("told of another set of dealers than before".into());
        }
        self.masked.have = have;
        self.mask_if_ready(at)
    }

    /// Masks and sends the update as soon as both the shares and the update are there.
    pub(super) fn mask_if_ready(&mut self, at: (u64, u32)) -> Result<(), InstitutionError> {
        let Some(mut note) = self.masked.note.clone().filter(|n| n.at == at && !n.lists.is_empty()) else {
            return Ok(());
        };
        let Some(release) = self.memory.release(at).cloned() else {
            return Ok(());
        };
        let mut client = self.client(at)?;
        let bodies = client.mask(&release.values).map_err(refused)?.into_bodies();
        let root = update::masked_root(&bodies);
        if note.root.is_none() {
            note.root = Some(root);
            note.secrets = client.to_bytes().to_vec();
            self.remember(Note::Masked(note))?;
        }
        self.report(at, &Report::Commit(commit_of(&release, at, root)));
        let have = self.masked.have.clone();
        for part in (0..update::parts(bodies.len())).filter(|p| !have.contains(p)) {
            let start = part as usize * update::PART;
            let end = start + update::part_len(bodies.len(), part);
            let upload = MaskedUpload {
                part,
                bodies: bodies[start..end].to_vec(),
            };
            self.report(at, &Report::Masked(upload));
        }
        Ok(())
    }

    /// Agrees to open the sum over these members, and over no other set.
    pub(super) fn survivors(&mut self, at: (u64, u32), commitments: &[Envelope]) -> Result<(), InstitutionError> {
        let mut note = self.note(at)?;
        let digest = *self.opening_of(&note, commitments)?.digest();
        match note.agreed {
            Some(before) if before != digest => return refuse("asked to agree on a second set of survivors".into()),
            Some(_) => {}
            None => {
                note.agreed = Some(digest);
                note.survivors = commitments.to_vec();
                self.remember(Note::Masked(note))?;
            }
        }
        self.report(at, &Report::Agree(digest));
        Ok(())
    }

    /// Opens its share of the key sum, once, for the set that enough members signed.
    pub(super) fn opening(&mut self, at: (u64, u32), agreements: &[Envelope]) -> Result<(), InstitutionError> {
        let mut note = self.note(at)?;
        let rounds = self.rounds_ref()?;
        let Some(agreed) = note.agreed else {
            return refuse("asked to open before agreeing on what".into());
        };
        let mut signers = Vec::new();
        for envelope in agreements {
            let same = envelope.open::<Report>(rounds.beginning())? == Report::Agree(agreed);
            if same && (envelope.round, envelope.attempt) == at && note.cohort.contains(&envelope.sender) {
                signers.push(envelope.sender);
            }
        }
        signers.sort_unstable();
        signers.dedup();
        let threshold = rounds.plan().terms().masking.threshold;
        if signers.len() < threshold {
            return refuse(format!(
                "asked to open with {} signatures of {threshold}",
                signers.len()
            ));
        }
        let opening = self.opening_of(&note, &note.survivors)?;
        if *opening.digest() != agreed {
            return refuse("asked to open another set than agreed".into());
        }
        let publics = self.publics(&note)?;
        let shares = self.shares(&note)?;
        let mut client = self.client(at)?;
        let received = Received {
            publics: &publics,
            shares: &shares,
        };
        let share = match client.open_sum(&opening, received) {
            Ok(share) => share,
            // A dealer sealed nonsense, which nobody could see before: the attempt is lost, not this institution.
            Err(error @ (OpenError::Unseal { .. } | OpenError::Missing { .. })) => return self.decline(at, &error),
            Err(error) => return Err(refused(error)),
        };
        note.secrets = client.to_bytes().to_vec();
        self.remember(Note::Masked(note))?;
        self.report(at, &Report::Open(share));
        Ok(())
    }

    fn decline(&mut self, at: (u64, u32), error: &dyn std::fmt::Display) -> Result<(), InstitutionError> {
        let reason = error.to_string().chars().take(200).collect();
        self.report(at, &Report::Decline(reason));
        Ok(())
    }

    fn opening_of(&self, note: &MaskNote, commitments: &[Envelope]) -> Result<Opening, InstitutionError> {
        let rounds = self.rounds_ref()?;
        let commits = check::commitments(rounds, note.at, commitments)?;
        let mut evidence = BTreeMap::new();
        for (envelope, commit) in commitments.iter().zip(commits) {
            let Some(list) = note.lists.iter().find(|l| l.sender == envelope.sender) else {
                return refuse(format!("{} survives without having dealt", envelope.sender));
            };
            let hashes = self.deal_of(list, note.at)?;
            let Some(seat) = seat(&note.cohort, &envelope.sender) else {
                return refuse(format!("{} isn't in the cohort", envelope.sender));
            };
            evidence.insert(
                seat,
                Evidence {
                    commitment: commit.root,
                    share_list: share_list(&hashes),
                },
            );
        }
        let params = params(rounds.plan(), rounds.model().len(), note.cohort.len()).map_err(refused)?;
        Opening::new(&params, &attempt_of(rounds, note.at.0, note.at.1), &evidence).map_err(refused)
    }

    fn publics(&self, note: &MaskNote) -> Result<BTreeMap<Seat, EphemeralPublic>, InstitutionError> {
        let beginning = self.rounds_ref()?.beginning();
        let mut publics = BTreeMap::new();
        for envelope in &note.advertisements {
            let at = (envelope.round, envelope.attempt);
            match (
                envelope.open::<Report>(beginning)?,
                seat(&note.cohort, &envelope.sender),
            ) {
                (Report::Advertise(keys), Some(seat)) if at == note.at => publics.insert(seat, keys),
                _ => return refuse(format!("{} advertised no keys for this attempt", envelope.sender)),
            };
        }
        if publics.len() != note.advertisements.len() {
            return refuse("keys of one member twice".into());
        }
        Ok(publics)
    }

    fn shares(&self, note: &MaskNote) -> Result<BTreeMap<Seat, SealedShare>, InstitutionError> {
        let id = self.id();
        let dealers = note.lists.iter().map(|l| l.sender).filter(|s| *s != id);
        let seats = dealers.map(|d| seat(&note.cohort, &d));
        seats
            .zip(&note.shares)
            .map(|(s, share)| Ok((s.ok_or_else(|| refused("a dealer without a seat"))?, share.clone())))
            .collect()
    }

    fn deal_of(&self, list: &Envelope, at: (u64, u32)) -> Result<Vec<[u8; 32]>, InstitutionError> {
        match list.open::<Report>(self.rounds_ref()?.beginning())? {
            Report::Deal(hashes) if (list.round, list.attempt) == at => Ok(hashes),
            _ => refuse(format!("{} dealt nothing in this attempt", list.sender)),
        }
    }

    fn seat_of(&self, note: &MaskNote) -> Result<Seat, InstitutionError> {
        seat(&note.cohort, &self.id()).ok_or_else(|| refused("not in the cohort"))
    }

    fn note(&self, at: (u64, u32)) -> Result<MaskNote, InstitutionError> {
        let note = self.masked.note.clone().filter(|n| n.at == at);
        note.ok_or_else(|| refused(format!("no keys were advertised for round {} attempt {}", at.0, at.1)))
    }

    fn client(&self, at: (u64, u32)) -> Result<MaskClient, InstitutionError> {
        let note = self.note(at)?;
        let rounds = self.rounds_ref()?;
        let params = params(rounds.plan(), rounds.model().len(), note.cohort.len()).map_err(refused)?;
        MaskClient::from_bytes(params, attempt_of(rounds, at.0, at.1), &note.secrets).map_err(refused)
    }
}

impl std::fmt::Debug for MaskNote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MaskNote").field("at", &self.at).finish_non_exhaustive()
    }
}

fn refused(error: impl std::fmt::Display) -> InstitutionError {
    InstitutionError::Refused(error.to_string())
}
