//! Every encoding is pinned by a digest, decodes from hostile bytes without a panic, and survives a crash.

use proptest::prelude::*;

use super::*;

fn hex(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex()[..16].to_string()
}

/// Changing a digest here changes the protocol: old journals, transcripts and peers no longer fit.
#[test]
fn encodings_are_pinned() {
    let mut world = Cohort::new(plan(5, 1, 4, 2049), 42);
    world.deal();
    let checks = world.check();
    world.mask();
    let opening = world.opening();
    let answers = world.answers(&opening);
    let key_sum = reconstruct_key_sum(&world.params, &opening, &answers).unwrap();
    let sealed = &world.sealed[&Seat(0)][&Seat(1)];
    let digests = [
        ("parameters", hex(&world.params.digest())),
        ("round", hex(world.round.id())),
        (
            "public keys",
            hex(&postcard::to_stdvec(&world.publics[&Seat(0)]).unwrap()),
        ),
        ("sealed share", hex(&postcard::to_stdvec(sealed).unwrap())),
        ("share list", hex(&world.share_lists[&Seat(0)])),
        (
            "check value",
            hex(&postcard::to_stdvec(&checks[&Seat(0)][&Seat(1)]).unwrap()),
        ),
        ("masked update", hex(&world.masked[&Seat(0)].to_bytes())),
        ("opening", hex(opening.digest())),
        ("key sum share", hex(&postcard::to_stdvec(&answers[&Seat(0)]).unwrap())),
        (
            "key sum share digest",
            hex(&answers[&Seat(0)].digest(&opening, Seat(0))),
        ),
        ("key sum", hex(&key_sum.to_bytes())),
        ("state", hex(&world.members[&Seat(0)].to_bytes())),
    ];
    let pinned = [
        ("parameters", "e18d416049ede0d8"),
        ("round", "9e2cd00ce3cf9f40"),
        ("public keys", "6cc774f66cf6faf4"),
        ("sealed share", "cf307de4de58a2c4"),
        ("share list", "b2cf64c2a7058b40"),
        ("check value", "b542f4702c9599e1"),
        ("masked update", "10fe361c4229f1a5"),
        ("opening", "75817a5c681a35cc"),
        ("key sum share", "d7fc5636f3600bd8"),
        ("key sum share digest", "23329d39555dacd1"),
        ("key sum", "66b4e6d9e69cdc4b"),
        ("state", "a698cd2cdfacd2ec"),
    ];
    let digests: Vec<(&str, &str)> = digests.iter().map(|(name, digest)| (*name, digest.as_str())).collect();
    assert_eq!(digests, pinned);
}

#[test]
fn lengths_are_those_documented() {
    let mut world = Cohort::masked(plan(3, 0, 2, 5), 1);
    let opening = world.opening();
    let answer = world.answer(Seat(0), &opening).unwrap();
    assert_eq!(
        postcard::to_stdvec(&world.publics[&Seat(0)]).unwrap().len(),
        PUBLIC_BYTES
    );
    assert_eq!(
        postcard::to_stdvec(&world.sealed[&Seat(0)][&Seat(1)]).unwrap().len(),
        SEALED_BYTES
    );
    assert_eq!(postcard::to_stdvec(&answer).unwrap().len(), KEY_SUM_BYTES);
    assert_eq!(world.masked[&Seat(0)].to_bytes().len(), 40);
    assert_eq!(world.members[&Seat(0)].to_bytes().len(), STATE_BYTES);
    assert_eq!((PUBLIC_BYTES, SEALED_BYTES, KEY_SUM_BYTES), (1216, 17_504, 16_384));
}

/// A member that crashed and one that did not deal, mask and open alike.
#[test]
fn a_resumed_member_is_the_same_member() {
    let mut world = Cohort::masked(plan(3, 0, 2, 2049), 5);
    let bytes = world.members[&Seat(0)].to_bytes();
    let mut resumed = MaskClient::from_bytes(world.params.clone(), world.round, &bytes).unwrap();
    assert_eq!(resumed.public(), &world.publics[&Seat(0)]);
    assert_eq!(resumed.to_bytes(), bytes);
    assert_eq!(
        resumed.mask(&update(Seat(0), &world.params)).unwrap(),
        world.masked[&Seat(0)]
    );

    // Shares sealed again by the resumed dealer open to the same values: the cohort still opens.
    for (receiver, share) in resumed.shares_for(&world.publics, &mut world.rng).unwrap() {
        world.sealed.get_mut(&receiver).unwrap().insert(Seat(0), share);
    }
    let opening = world.opening();
    let before = world.answers(&opening);
    world.crash();
    assert_eq!(world.answers(&opening), before);
    let key_sum = reconstruct_key_sum(&world.params, &opening, &before).unwrap();
    let sum = world.masked_sum(&opening);
    assert_eq!(
        unmask(&world.params, &world.round, &sum, &key_sum).unwrap(),
        world.plain_sum(&opening)
    );
}

#[test]
fn states_of_other_rounds_plans_and_versions_are_refused() {
    let world = Cohort::new(plan(3, 0, 2, 5), 1);
    let bytes = world.members[&Seat(1)].to_bytes();
    let read = |bytes: &[u8]| MaskClient::from_bytes(world.params.clone(), world.round, bytes).map(|_| ());
    assert_eq!(read(&bytes), Ok(()));
    assert_eq!(read(&bytes[1..]), Err(RestoreError::Length { got: STATE_BYTES - 1 }));
    let with = |at: usize, value: u8| {
        let mut bytes = bytes.to_vec();
        bytes[at] = value;
        bytes
    };
    assert_eq!(read(&with(0, 9)), Err(RestoreError::Version { got: 9 }));
    assert_eq!(
        read(&with(STATE_BYTES - 33, 2)),
        Err(RestoreError::Flag { index: 2, got: 2 })
    );
    assert_eq!(
        read(&with(65, 3)),
        Err(RestoreError::Seat(SeatError {
            seat: Seat(3),
            cohort: 3
        }))
    );
    let other = MaskRound::new(&[1; 32], &[2; 32], 1, 1);
    let moved = MaskClient::from_bytes(world.params.clone(), other, &bytes).map(|_| ());
    assert_eq!(moved, Err(RestoreError::OtherRound));
    let params = MaskParams::new(plan(3, 0, 2, 6)).unwrap();
    let moved = MaskClient::from_bytes(params, world.round, &bytes).map(|_| ());
    assert_eq!(moved, Err(RestoreError::OtherParams));
}

#[test]
fn secrets_are_not_printed() {
    let world = Cohort::new(plan(3, 0, 2, 5), 1);
    let member = &world.members[&Seat(0)];
    let printed = format!("{member:?}");
    let state = member.to_bytes();
    assert!(printed.len() < 400, "{printed}");
    for secret in state[67..195].chunks(4) {
        let list = format!("{}, {}, {}, {}", secret[0], secret[1], secret[2], secret[3]);
        assert!(!printed.contains(&list), "{printed}");
    }
}

proptest! {
    #[test]
    fn hostile_bytes_decode_to_errors_or_to_themselves(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        if let Ok(public) = postcard::from_bytes::<EphemeralPublic>(&bytes) {
            prop_assert_eq!(public.as_bytes().as_slice(), &bytes[..PUBLIC_BYTES]);
        }
        prop_assert!(postcard::from_bytes::<SealedShare>(&bytes).is_err());
        prop_assert!(postcard::from_bytes::<KeySumShare>(&bytes).is_err());
        let value = postcard::from_bytes::<CheckValue>(&bytes);
        if bytes.len() < 16 {
            prop_assert!(value.is_err());
        }
        let world = MaskParams::new(plan(3, 0, 2, 5)).unwrap();
        prop_assert!(MaskClient::from_bytes(world.clone(), MaskRound::new(&[0; 32], &[0; 32], 0, 0), &bytes).is_err());
        prop_assert!(MaskedUpdate::from_bytes(&world, &bytes).is_err() || bytes.len() == 40);
    }

    #[test]
    fn answers_with_elements_over_the_modulus_are_refused(at in 0..RING_DEGREE, value in MODULUS..=u64::MAX) {
        let mut bytes = vec![0; KEY_SUM_BYTES];
        bytes[at * 8..at * 8 + 8].copy_from_slice(&value.to_le_bytes());
        prop_assert!(postcard::from_bytes::<KeySumShare>(&bytes).is_err());
    }
}
