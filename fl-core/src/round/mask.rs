//! Mask: advertise keys, deal shares, send ciphertexts, agree on the survivors, open their sum.
//!
//! Steps 2 to 5 and 8 of the masked mode on top of [`xfl_privacy::mask`]; a member's seat is its place in the cohort. The
//! transcript keeps hashes of sealed shares, never the shares: the coordinator relays those from its own store.

use std::collections::BTreeMap;

use xfl_privacy::mask::{
    EphemeralPublic, Evidence, KeySumShare, MaskParams, MaskPlan, MaskRound, MaskedUpdate, Opening, SEALED_BYTES,
    SealedShare, Seat, reconstruct_key_sum, sum_bodies, unmask,
};

use super::{
    Phase, RoundError, Rounds,
    score::impossible,
    upload::{Assembly, PartError},
};
use crate::{
    identity::NodeId,
    message::{Envelope, MaskedUpload, Parcel},
    plan::{Plan, PlanError},
    update,
};

/// What a masked attempt gathered.
#[derive(Debug)]
pub struct Masked {
    params: MaskParams,
    attempt: MaskRound,
    cohort: Vec<NodeId>,
    publics: BTreeMap<NodeId, (EphemeralPublic, Envelope)>,
    receivers: Vec<NodeId>,
    deals: BTreeMap<NodeId, (Vec<[u8; 32]>, Envelope)>,
    sealed: BTreeMap<NodeId, Vec<SealedShare>>,
    dealers: Vec<NodeId>,
    bodies: BTreeMap<NodeId, (Assembly<u64>, [u8; 32])>,
    survivors: Vec<NodeId>,
    opening: Option<Opening>,
    agreements: BTreeMap<NodeId, Envelope>,
    shares: BTreeMap<NodeId, KeySumShare>,
}

/// Parameters of a masked round with `n` members, for a model of `d` parameters.
///
/// # Errors
/// The plan's threshold, colluders or grid don't allow it.
pub fn params(plan: &Plan, d: usize, n: usize) -> Result<MaskParams, PlanError> {
    let masking = &plan.terms().masking;
    let narrow = |v: usize| u16::try_from(v).unwrap_or(u16::MAX);
    let mechanism = plan.mechanism(d)?;
    let plan = MaskPlan {
        cohort: narrow(n),
        colluders: narrow(masking.colluders),
        threshold: narrow(masking.threshold),
        dimension: u32::try_from(mechanism.length()).unwrap_or(u32::MAX),
        max_abs: mechanism.max_abs().unsigned_abs(),
    };
    let hint = "raise masking.threshold, lower masking.colluders, or write a coarser privacy.step";
    MaskParams::new(plan).map_err(|e| PlanError::at("masking", e.to_string(), hint))
}

/// The name of an attempt, from which everything public about it is expanded.
pub fn attempt_of(rounds: &Rounds, round: u64, attempt: u32) -> MaskRound {
    MaskRound::new(&rounds.beginning().0, &rounds.plan().federation().0, round, attempt)
}

/// Digest of the hashes that a dealer signed.
pub fn share_list(hashes: &[[u8; 32]]) -> [u8; 32] {
    blake3::derive_key("xfl share list v1", hashes.as_flattened())
}

/// A member's seat: its place in the cohort.
pub fn seat(cohort: &[NodeId], member: &NodeId) -> Option<Seat> {
    cohort
        .binary_search(member)
        .ok()
        .and_then(|i| u16::try_from(i).ok())
        .map(Seat)
}

impl Masked {
    pub(super) fn new(rounds: &Rounds, round: u64, attempt: u32, cohort: &[NodeId]) -> Result<Self, RoundError> {
        Ok(Self {
            params: params(rounds.plan(), rounds.model().len(), cohort.len())?,
            attempt: attempt_of(rounds, round, attempt),
            cohort: cohort.to_vec(),
            publics: BTreeMap::new(),
            receivers: Vec::new(),
            deals: BTreeMap::new(),
            sealed: BTreeMap::new(),
            dealers: Vec::new(),
            bodies: BTreeMap::new(),
            survivors: Vec::new(),
            opening: None,
            agreements: BTreeMap::new(),
            shares: BTreeMap::new(),
        })
    }

    pub(super) fn answered(&self, phase: Phase, member: &NodeId) -> bool {
        match phase {
            Phase::Advertise => self.publics.contains_key(member),
            Phase::Deal => self.deals.contains_key(member),
            Phase::Mask => self.bodies.get(member).is_some_and(|(assembly, _)| assembly.complete()),
            Phase::Agree => self.agreements.contains_key(member),
            Phase::Open => self.shares.contains_key(member),
            _ => false,
        }
    }

    /// The committed root of a survivor's ciphertext.
    pub(super) fn root(&self, member: &NodeId) -> [u8; 32] {
        self.bodies.get(member).map(|(_, root)| *root).unwrap_or_default()
    }

    /// A survivor's ciphertext.
    pub(super) fn bodies(&self, member: &NodeId) -> Option<&[u64]> {
        self.bodies.get(member).map(|(assembly, _)| assembly.values())
    }

    /// The receivers' signed keys, ascending.
    pub(crate) fn advertisements(&self) -> Vec<Envelope> {
        self.receivers
            .iter()
            .filter_map(|m| self.publics.get(m))
            .map(|(_, e)| e.clone())
            .collect()
    }

    /// The signatures over the survivors, ascending by member.
    pub(crate) fn agreements(&self) -> Vec<Envelope> {
        self.agreements.values().cloned().collect()
    }

    /// For a dealer: all dealers' signed lists, the shares sealed to it by the others, and the parts that are here.
    pub(crate) fn dealt_to(&self, to: &NodeId) -> Option<(Vec<Envelope>, Vec<SealedShare>, Vec<u32>)> {
        let lists = self
            .dealers
            .iter()
            .filter_map(|m| self.deals.get(m))
            .map(|(_, e)| e.clone())
            .collect();
        let mut shares = Vec::new();
        for dealer in self.dealers.iter().filter(|d| *d != to) {
            let place = self.receivers.iter().filter(|r| *r != dealer).position(|r| r == to)?;
            shares.push(self.sealed.get(dealer)?.get(place)?.clone());
        }
        let have = self
            .bodies
            .get(to)
            .map(|(assembly, _)| assembly.have())
            .unwrap_or_default();
        Some((lists, shares, have))
    }

    /// The survivors and the sum of their updates.
    pub(super) fn opened_sum(&self) -> Result<(Vec<NodeId>, Vec<i64>), RoundError> {
        let opening = self
            .opening
            .as_ref()
            .ok_or_else(|| impossible("nothing was agreed on"))?;
        let answers = self
            .shares
            .iter()
            .filter_map(|(m, s)| Some((seat(&self.cohort, m)?, s.clone())))
            .collect();
        let key_sum = reconstruct_key_sum(&self.params, opening, &answers).map_err(impossible)?;
        let updates = self.survivors.iter().filter_map(|m| self.bodies.get(m));
        let updates: Result<Vec<_>, _> = updates
            .map(|(a, _)| MaskedUpdate::from_bodies(&self.params, a.values().to_vec()))
            .collect();
        let sum = sum_bodies(&self.params, &updates.map_err(impossible)?).map_err(impossible)?;
        let plain = unmask(&self.params, &self.attempt, &sum, &key_sum).map_err(impossible)?;
        Ok((self.survivors.clone(), plain))
    }

    fn agree_on(&self, survivors: &[NodeId]) -> Result<Opening, RoundError> {
        let evidence = survivors.iter().filter_map(|m| {
            let (hashes, _) = self.deals.get(m)?;
            Some((
                seat(&self.cohort, m)?,
                Evidence {
                    commitment: self.root(m),
                    share_list: share_list(hashes),
                },
            ))
        });
        Opening::new(&self.params, &self.attempt, &evidence.collect()).map_err(impossible)
    }
}

impl Rounds {
    pub(super) fn advertise(
        &mut self,
        member: NodeId,
        parcel: &Parcel,
        keys: EphemeralPublic,
    ) -> Result<(), RoundError> {
        let mask = self.masked_work()?;
        let twin = mask
            .publics
            .values()
            .any(|(k, e)| k.as_bytes() == keys.as_bytes() && e.sender != member);
        if twin {
            return Err(RoundError::Misbehaved {
                member,
                what: "another member's keys".into(),
            });
        }
        fresh(mask.publics.contains_key(&member), member)?;
        mask.publics.insert(member, (keys, parcel.envelope.clone()));
        Ok(())
    }

    pub(super) fn deal(&mut self, member: NodeId, parcel: &Parcel, hashes: Vec<[u8; 32]>) -> Result<(), RoundError> {
        let mask = self.masked_work()?;
        fresh(mask.deals.contains_key(&member), member)?;
        let receivers = mask.receivers.iter().filter(|r| **r != member).count();
        if hashes.len() != receivers {
            let what = format!("{} shares for {receivers} receivers", hashes.len());
            return Err(RoundError::Misbehaved { member, what });
        }
        mask.deals.insert(member, (hashes, parcel.envelope.clone()));
        Ok(())
    }

    /// Takes the sealed shares that belong to an accepted deal: they are relayed, and stay out of the transcript.
    ///
    /// # Errors
    /// The shares aren't those that the dealer signed.
    pub fn relay(&mut self, member: NodeId, sealed: &[u8]) -> Result<(), RoundError> {
        let mask = self.masked_work()?;
        let wrong = |what: String| RoundError::Misbehaved { member, what };
        let Some((hashes, _)) = mask.deals.get(&member) else {
            return Err(RoundError::Misplaced {
                member,
                what: "shares without a signed list".into(),
            });
        };
        let shares = split_shares(sealed, hashes).map_err(wrong)?;
        mask.sealed.insert(member, shares);
        Ok(())
    }

    pub(super) fn masked(&mut self, member: NodeId, upload: MaskedUpload) -> Result<(), RoundError> {
        let d = self.update_len();
        let wrong = |what: String| Err(RoundError::Misbehaved { member, what });
        let Some(root) = self.work.commits.get(&member).map(|c| c.commit.root) else {
            // The commitment may have got lost on the way: both are asked for again.
            return Err(RoundError::Misplaced {
                member,
                what: "a ciphertext without a commitment".into(),
            });
        };
        let mask = self.masked_work()?;
        let (assembly, _) = mask.bodies.entry(member).or_insert_with(|| (Assembly::new(d), root));
        match assembly.put(upload.part, &upload.bodies) {
            Err(again @ PartError::Again(_)) => Err(RoundError::Misplaced {
                member,
                what: again.to_string(),
            }),
            Err(error) => wrong(error.to_string()),
            Ok(true) if update::masked_root(assembly.values()) != root => {
                assembly.take_back(upload.part);
                wrong("the ciphertext isn't the committed one".into())
            }
            Ok(true) => match MaskedUpdate::from_bodies(&mask.params, assembly.values().to_vec()) {
                Ok(_) => Ok(()),
                Err(error) => {
                    assembly.take_back(upload.part);
                    wrong(error.to_string())
                }
            },
            Ok(false) => Ok(()),
        }
    }

    pub(super) fn agree(&mut self, member: NodeId, parcel: &Parcel, digest: [u8; 32]) -> Result<(), RoundError> {
        let mask = self.masked_work()?;
        fresh(mask.agreements.contains_key(&member), member)?;
        if mask.opening.as_ref().is_none_or(|o| *o.digest() != digest) {
            return Err(RoundError::Misbehaved {
                member,
                what: "agrees on another set of survivors".into(),
            });
        }
        mask.agreements.insert(member, parcel.envelope.clone());
        Ok(())
    }

    pub(super) fn open(&mut self, member: NodeId, share: KeySumShare) -> Result<(), RoundError> {
        let mask = self.masked_work()?;
        fresh(mask.shares.contains_key(&member), member)?;
        mask.shares.insert(member, share);
        Ok(())
    }

    pub(super) fn mask_advance(&mut self, next: Phase, members: &[NodeId]) -> Result<(), RoundError> {
        let mask = self.masked_work()?;
        match next {
            Phase::Deal => mask.receivers = members.to_vec(),
            Phase::Mask => mask.dealers = members.to_vec(),
            _ => {
                let opening = mask.agree_on(members)?;
                mask.survivors = members.to_vec();
                mask.opening = Some(opening);
            }
        }
        Ok(())
    }

    fn masked_work(&mut self) -> Result<&mut Masked, RoundError> {
        let phase = self.phase;
        let what = "this federation isn't masked".to_owned();
        self.work.mask.as_mut().ok_or(RoundError::OutOfPlace { phase, what })
    }
}

/// Cuts attached shares and compares them with their signed hashes.
pub(crate) fn split_shares(bytes: &[u8], hashes: &[[u8; 32]]) -> Result<Vec<SealedShare>, String> {
    if bytes.len() != hashes.len() * SEALED_BYTES {
        return Err(format!(
            "{} bytes of shares, expected {}",
            bytes.len(),
            hashes.len() * SEALED_BYTES
        ));
    }
    let shares = bytes.chunks_exact(SEALED_BYTES).zip(hashes).map(|(chunk, hash)| {
        let share = SealedShare::from_bytes(chunk).map_err(|e| e.to_string())?;
        if share.digest() == *hash {
            Ok(share)
        } else {
            Err("a share that isn't the one signed for".into())
        }
    });
    shares.collect()
}

fn fresh(again: bool, member: NodeId) -> Result<(), RoundError> {
    if again {
        return Err(RoundError::Misplaced {
            member,
            what: "said already".into(),
        });
    }
    Ok(())
}
