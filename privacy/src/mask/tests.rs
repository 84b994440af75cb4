//! Whole attempts: cohorts that deal, mask, drop out, crash, lie and open.

mod encodings;
mod protocol;
mod refusals;

use std::collections::{BTreeMap, BTreeSet};

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use super::*;

/// A cohort in one attempt, with everything that its members have sent.
struct Cohort {
    params: MaskParams,
    round: MaskRound,
    rng: ChaCha20Rng,
    members: BTreeMap<Seat, MaskClient>,
    publics: BTreeMap<Seat, EphemeralPublic>,
    /// By receiver, then dealer.
    sealed: BTreeMap<Seat, BTreeMap<Seat, SealedShare>>,
    share_lists: BTreeMap<Seat, [u8; 32]>,
    masked: BTreeMap<Seat, MaskedUpdate>,
}

fn plan(cohort: u16, colluders: u16, threshold: u16, dimension: u32) -> MaskPlan {
    MaskPlan {
        cohort,
        colluders,
        threshold,
        dimension,
        max_abs: 1 << 20,
    }
}

/// A deterministic update with coordinates over the whole allowed range.
fn update(seat: Seat, params: &MaskParams) -> Vec<i32> {
    let most = u64::from(params.plan().max_abs);
    let parts: [&[u8]; 1] = [&seat.0.to_le_bytes()];
    let draws = expand::uniform(expand::stream("test update", &parts), params.dimension());
    let mut update: Vec<i32> = draws
        .iter()
        .map(|d| (d.get() % (2 * most + 1)) as i32 - most as i32)
        .collect();
    update[0] = params.plan().max_abs as i32;
    update
}

impl Cohort {
    fn new(plan: MaskPlan, seed: u64) -> Self {
        Self::with_params(MaskParams::new(plan).unwrap(), seed)
    }

    fn with_params(params: MaskParams, seed: u64) -> Self {
        let round = MaskRound::new(&[1; 32], &[2; 32], seed, 0);
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let members: BTreeMap<_, _> = (0..params.plan().cohort)
            .map(|seat| {
                (
                    Seat(seat),
                    MaskClient::new(params.clone(), round, Seat(seat), &mut rng).unwrap(),
                )
            })
            .collect();
        let publics = members
            .iter()
            .map(|(seat, member)| (*seat, member.public().clone()))
            .collect();
        Self {
            params,
            round,
            rng,
            members,
            publics,
            sealed: BTreeMap::new(),
            share_lists: BTreeMap::new(),
            masked: BTreeMap::new(),
        }
    }

    /// A cohort in which everybody dealt and masked.
    fn masked(plan: MaskPlan, seed: u64) -> Self {
        let mut cohort = Self::new(plan, seed);
        cohort.deal();
        cohort.mask();
        cohort
    }

    fn drop_out(&mut self, leavers: &[Seat]) {
        self.members.retain(|seat, _| !leavers.contains(seat));
    }

    /// Every member writes its state down, crashes and resumes.
    fn crash(&mut self) {
        for member in self.members.values_mut() {
            let bytes = member.to_bytes();
            *member = MaskClient::from_bytes(self.params.clone(), self.round, &bytes).unwrap();
        }
    }

    fn deal(&mut self) {
        for (dealer, member) in &self.members {
            let shares = member.shares_for(&self.publics, &mut self.rng).unwrap();
            self.share_lists
                .insert(*dealer, share_list_digest(&self.round, *dealer, &shares));
            for (receiver, share) in shares {
                self.sealed.entry(receiver).or_default().insert(*dealer, share);
            }
        }
    }

    fn received<'a>(
        publics: &'a BTreeMap<Seat, EphemeralPublic>,
        sealed: &'a BTreeMap<Seat, BTreeMap<Seat, SealedShare>>,
        seat: Seat,
    ) -> Received<'a> {
        static NOTHING: BTreeMap<Seat, SealedShare> = BTreeMap::new();
        Received {
            publics,
            shares: sealed.get(&seat).unwrap_or(&NOTHING),
        }
    }

    /// By dealer, then member.
    fn check(&mut self) -> BTreeMap<Seat, BTreeMap<Seat, CheckValue>> {
        let challenge = DealerChallenge::new(&self.round, &self.share_lists);
        let mut answers: BTreeMap<Seat, BTreeMap<Seat, CheckValue>> = BTreeMap::new();
        for (seat, member) in &mut self.members {
            let received = Self::received(&self.publics, &self.sealed, *seat);
            for (dealer, answer) in member.check_dealers(&challenge, received).unwrap() {
                if let Ok(answer) = answer
                    && self.share_lists.contains_key(&dealer)
                {
                    answers.entry(dealer).or_default().insert(*seat, answer);
                }
            }
        }
        answers
    }

    fn mask(&mut self) {
        for (seat, member) in &mut self.members {
            self.masked
                .insert(*seat, member.mask(&update(*seat, &self.params)).unwrap());
        }
    }

    /// The view in which everybody who dealt and masked survives.
    fn opening(&self) -> Opening {
        self.opening_of(self.masked.keys().copied().collect()).unwrap()
    }

    fn opening_of(&self, survivors: BTreeSet<Seat>) -> Result<Opening, OpeningError> {
        let evidence = |seat: &Seat| Evidence {
            commitment: blake3::hash(&self.masked[seat].to_bytes()).into(),
            share_list: self.share_lists[seat],
        };
        Opening::new(
            &self.params,
            &self.round,
            &survivors.iter().map(|seat| (*seat, evidence(seat))).collect(),
        )
    }

    fn answer(&mut self, seat: Seat, opening: &Opening) -> Result<KeySumShare, OpenError> {
        let received = Self::received(&self.publics, &self.sealed, seat);
        self.members.get_mut(&seat).unwrap().open_sum(opening, received)
    }

    fn answers(&mut self, opening: &Opening) -> BTreeMap<Seat, KeySumShare> {
        let seats: Vec<Seat> = self.members.keys().copied().collect();
        seats
            .into_iter()
            .map(|seat| (seat, self.answer(seat, opening).unwrap()))
            .collect()
    }

    fn masked_sum(&self, opening: &Opening) -> MaskedSum {
        sum_bodies(&self.params, opening.survivors().iter().map(|seat| &self.masked[seat])).unwrap()
    }

    fn plain_sum(&self, opening: &Opening) -> Vec<i64> {
        let mut sum = vec![0; self.params.dimension()];
        for seat in opening.survivors() {
            for (sum, u) in sum.iter_mut().zip(update(*seat, &self.params)) {
                *sum += i64::from(u);
            }
        }
        sum
    }
}
