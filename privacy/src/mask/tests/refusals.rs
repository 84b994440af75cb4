//! What members refuse, and what happens to what they are sent by adversaries.

use proptest::prelude::*;

use super::*;

fn all_but(world: &Cohort, seat: Seat) -> BTreeSet<Seat> {
    world.masked.keys().copied().filter(|other| *other != seat).collect()
}

/// The subtractor asks for two sums that differ in one member; the second is refused, also after a crash.
#[test]
fn a_second_opening_is_refused() {
    let mut world = Cohort::masked(plan(5, 1, 4, 10), 1);
    let first = world.opening();
    let second = world.opening_of(all_but(&world, Seat(3))).unwrap();
    let answer = world.answer(Seat(0), &first).unwrap();
    assert_eq!(world.answer(Seat(0), &second), Err(OpenError::SecondOpening));
    world.crash();
    assert_eq!(world.answer(Seat(0), &second), Err(OpenError::SecondOpening));
    assert_eq!(world.answer(Seat(0), &first), Ok(answer));
}

/// The same survivors with another commitment are another view.
#[test]
fn the_equivocator_finds_no_second_answer() {
    let mut world = Cohort::masked(plan(5, 1, 4, 10), 1);
    let first = world.opening();
    world.answer(Seat(0), &first).unwrap();
    world.masked.insert(Seat(4), world.masked[&Seat(3)].clone());
    let second = world.opening();
    assert_eq!(first.survivors(), second.survivors());
    assert_ne!(first.digest(), second.digest());
    assert_eq!(world.answer(Seat(0), &second), Err(OpenError::SecondOpening));
}

#[test]
fn sums_over_too_few_or_strangers_are_refused() {
    let mut world = Cohort::masked(plan(5, 1, 4, 10), 1);
    let few: BTreeSet<Seat> = (0..3).map(Seat).collect();
    assert_eq!(world.opening_of(few), Err(OpeningError::TooFew { needed: 4, got: 3 }));
    world.masked.insert(Seat(5), world.masked[&Seat(0)].clone());
    world.share_lists.insert(Seat(5), [0; 32]);
    let strangers = world.opening_of(world.masked.keys().copied().collect());
    assert_eq!(
        strangers,
        Err(OpeningError::UnknownSeat {
            seat: Seat(5),
            cohort: 5
        })
    );

    // c + 2 binds where the threshold is lower.
    let params = MaskParams::new(plan(3, 0, 2, 10)).unwrap();
    assert_eq!(params.min_survivors(), 2);
    assert_eq!(MaskParams::new(plan(4, 2, 4, 10)).unwrap().min_survivors(), 4);
    assert!(MaskParams::new(plan(4, 3, 4, 10)).is_err());
}

/// The answer is not used up by an opening that could not be answered.
#[test]
fn missing_and_altered_shares_are_named() {
    let mut world = Cohort::masked(plan(5, 1, 4, 10), 1);
    let opening = world.opening();
    let shares = world.sealed.get_mut(&Seat(0)).unwrap();
    let good = shares.remove(&Seat(2)).unwrap();
    assert_eq!(
        world.answer(Seat(0), &opening),
        Err(OpenError::Missing { dealer: Seat(2) })
    );
    let not_authentic = |dealer| OpenError::Unseal {
        dealer,
        source: UnsealError::NotAuthentic,
    };

    // Somebody else's share, the same dealer's share for somebody else, and one of another attempt.
    for wrong in [
        world.sealed[&Seat(0)][&Seat(3)].clone(),
        world.sealed[&Seat(1)][&Seat(2)].clone(),
    ] {
        world.sealed.get_mut(&Seat(0)).unwrap().insert(Seat(2), wrong);
        assert_eq!(world.answer(Seat(0), &opening), Err(not_authentic(Seat(2))));
    }
    let later = MaskRound::new(&[1; 32], &[2; 32], 1, 1);
    let mut bytes = world.members[&Seat(2)].to_bytes().to_vec();
    bytes[1..33].copy_from_slice(later.id());
    let later = MaskClient::from_bytes(world.params.clone(), later, &bytes).unwrap();
    let replayed = later.shares_for(&world.publics, &mut world.rng).unwrap()[&Seat(0)].clone();
    world.sealed.get_mut(&Seat(0)).unwrap().insert(Seat(2), replayed);
    assert_eq!(world.answer(Seat(0), &opening), Err(not_authentic(Seat(2))));

    world.sealed.get_mut(&Seat(0)).unwrap().insert(Seat(2), good);
    assert!(world.answer(Seat(0), &opening).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_flipped_bit_of_a_sealed_share_is_noticed(byte in 0..SEALED_BYTES, bit in 0_u8..8) {
        let mut world = Cohort::masked(plan(3, 0, 2, 10), 1);
        let opening = world.opening();
        let mut bytes = *world.sealed[&Seat(0)][&Seat(1)].as_bytes();
        bytes[byte] ^= 1 << bit;
        let tampered = SealedShare::from_bytes(&bytes).unwrap();
        world.sealed.get_mut(&Seat(0)).unwrap().insert(Seat(1), tampered);
        let refused = OpenError::Unseal { dealer: Seat(1), source: UnsealError::NotAuthentic };
        prop_assert_eq!(world.answer(Seat(0), &opening), Err(refused));
    }
}

/// The forger, without the dealer's secret, seals a share in its name.
#[test]
fn a_forged_dealer_is_refused() {
    let mut world = Cohort::masked(plan(3, 0, 2, 10), 1);
    let opening = world.opening();
    let forger = MaskClient::new(world.params.clone(), world.round, Seat(1), &mut world.rng).unwrap();
    let forged = forger.shares_for(&world.publics, &mut world.rng).unwrap()[&Seat(0)].clone();
    world.sealed.get_mut(&Seat(0)).unwrap().insert(Seat(1), forged);
    let refused = OpenError::Unseal {
        dealer: Seat(1),
        source: UnsealError::NotAuthentic,
    };
    assert_eq!(world.answer(Seat(0), &opening), Err(refused));
}

#[test]
fn one_attempt_masks_one_update() {
    let mut world = Cohort::masked(plan(3, 0, 2, 2050), 1);
    let sent = world.masked[&Seat(0)].clone();
    let mut other = update(Seat(0), &world.params);
    other[7] += 1;
    for _ in 0..2 {
        let member = world.members.get_mut(&Seat(0)).unwrap();
        assert_eq!(member.mask(&other), Err(MaskError::SecondUpdate));
        assert_eq!(member.mask(&update(Seat(0), &world.params)), Ok(sent.clone()));
        world.crash();
    }
}

#[test]
fn updates_that_do_not_fit_the_plan_are_not_masked() {
    let mut world = Cohort::new(plan(3, 0, 2, 3), 1);
    let member = world.members.get_mut(&Seat(0)).unwrap();
    assert_eq!(member.mask(&[0; 4]), Err(MaskError::Length { expected: 3, got: 4 }));
    let refused = MaskError::Range {
        coordinate: 1,
        got: i32::MIN,
        most: 1 << 20,
    };
    assert_eq!(member.mask(&[1, i32::MIN, 0]), Err(refused));
    assert!(member.mask(&[1 << 20, -(1 << 20), 0]).is_ok());
}

#[test]
fn a_second_dealer_check_is_refused() {
    let mut world = Cohort::new(plan(3, 0, 2, 3), 1);
    world.deal();
    world.check();
    world.crash();
    world.check();
    world.share_lists.insert(Seat(1), [9; 32]);
    let challenge = DealerChallenge::new(&world.round, &world.share_lists);
    let received = Cohort::received(&world.publics, &world.sealed, Seat(0));
    let refused = world
        .members
        .get_mut(&Seat(0))
        .unwrap()
        .check_dealers(&challenge, received);
    assert_eq!(refused, Err(CheckError::SecondChallenge));
}

#[test]
fn dealing_needs_enough_known_receivers_with_sound_keys() {
    let mut world = Cohort::new(plan(5, 1, 4, 3), 1);
    let member = &world.members[&Seat(0)];
    let few: BTreeMap<_, _> = world.publics.iter().take(3).map(|(s, p)| (*s, p.clone())).collect();
    assert_eq!(
        member.shares_for(&few, &mut world.rng),
        Err(DealError::TooFew { needed: 4, got: 3 })
    );
    let mut strangers = world.publics.clone();
    strangers.insert(Seat(5), world.publics[&Seat(1)].clone());
    let refused = DealError::UnknownSeat(SeatError {
        seat: Seat(5),
        cohort: 5,
    });
    assert_eq!(member.shares_for(&strangers, &mut world.rng), Err(refused));
    let mut weak = *world.publics[&Seat(1)].as_bytes();
    weak[..32].fill(0);
    let mut publics = world.publics.clone();
    publics.insert(Seat(1), EphemeralPublic::from_bytes(&weak).unwrap());
    let refused = DealError::Seal {
        receiver: Seat(1),
        source: SealError::SmallOrder,
    };
    assert_eq!(member.shares_for(&publics, &mut world.rng), Err(refused));
    weak[32..].fill(0xff);
    assert_eq!(EphemeralPublic::from_bytes(&weak), Err(PublicKeyError::MlKem));
}

#[test]
fn sums_and_key_sums_of_different_rounds_do_not_open() {
    let mut world = Cohort::masked(plan(3, 0, 2, 100), 1);
    let opening = world.opening();
    let answers = world.answers(&opening);
    let key_sum = reconstruct_key_sum(&world.params, &opening, &answers).unwrap();
    let partial = sum_bodies(&world.params, world.masked.values().take(2)).unwrap();
    let refused = unmask(&world.params, &world.round, &partial, &key_sum);
    assert_eq!(refused, Err(UnmaskError::Updates { expected: 3, got: 2 }));
    let other = MaskRound::new(&[1; 32], &[2; 32], 99, 0);
    let sum = world.masked_sum(&opening);
    assert!(unmask(&world.params, &other, &sum, &key_sum).is_err());
    assert!(verify_opening(&world.params, &world.round, &sum, &key_sum, &[0; 99]).is_err());

    let stranger = BTreeMap::from([(Seat(3), answers[&Seat(0)].clone())]);
    let refused = reconstruct_key_sum(&world.params, &opening, &stranger);
    assert_eq!(
        refused,
        Err(ReconstructError::UnknownSeat {
            seat: Seat(3),
            cohort: 3
        })
    );
    let few = answers.into_iter().take(1).collect();
    let refused = reconstruct_key_sum(&world.params, &opening, &few);
    assert_eq!(
        refused,
        Err(ReconstructError::Decode(DecodeError::TooFew { needed: 2, got: 1 }))
    );
}

#[test]
fn bodies_from_peers_are_checked() {
    let params = MaskParams::new(plan(3, 0, 2, 3)).unwrap();
    assert_eq!(
        MaskedUpdate::from_bodies(&params, vec![0, MODULUS, 0]),
        Err(BodyError::NotReduced {
            coordinate: 1,
            got: MODULUS
        })
    );
    assert_eq!(
        MaskedUpdate::from_bytes(&params, &[0; 23]),
        Err(BodyError::Bytes { expected: 3, got: 23 })
    );
    assert_eq!(
        MaskedUpdate::from_bodies(&params, vec![0; 2]),
        Err(BodyError::Length { expected: 3, got: 2 })
    );
    let other = MaskParams::new(plan(3, 0, 2, 4)).unwrap();
    let update = MaskedUpdate::from_bodies(&other, vec![0; 4]).unwrap();
    assert!(sum_bodies(&params, [&update]).is_err());
}
