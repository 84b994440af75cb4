use proptest::prelude::*;

use super::*;
use crate::claim::ClaimError;

const HOME: Venue = Venue {
    chain_id: 1,
    distributor: [0xd1; 20],
    token: [0xe1; 20],
};
const AWAY: Venue = Venue {
    chain_id: 7,
    distributor: [0xd7; 20],
    token: [0xe7; 20],
};

fn ledger(participants: u8) -> Ledger {
    let mut ledger = Ledger::new([5; 32]);
    ledger.add_venue(HOME).unwrap();
    ledger.add_venue(AWAY).unwrap();
    for byte in 1..=participants {
        let venue = if byte % 2 == 0 { AWAY } else { HOME };
        ledger.bind([byte; 32], [byte; 20], venue.chain_id).unwrap();
    }
    ledger
}

#[test]
fn totals_accumulate_and_a_switch_of_chain_leaves_the_past_where_it_was() {
    let mut ledger = ledger(2);
    ledger.credit(1, &[([1; 32], 10), ([2; 32], 5)]).unwrap();
    ledger.bind([1; 32], [9; 20], AWAY.chain_id).unwrap();
    ledger.credit(2, &[([1; 32], 7)]).unwrap();
    assert_eq!([1, 7].map(|chain| ledger.cumulative(&[1; 32], chain)), [10, 7]);
    assert_eq!(ledger.total(), 22);

    let tree = ledger.tree();
    let old = tree.claim(&[1; 32], 1).unwrap();
    let new = tree.claim(&[1; 32], 7).unwrap();
    assert_eq!((old.leaf.payout, new.leaf.payout), ([1; 20], [9; 20]));
    assert_eq!(
        tree.entries().iter().map(|entry| entry.cumulative_budget).sum::<u128>(),
        22
    );
}

#[test]
fn a_new_account_on_the_same_chain_gets_the_whole_total() {
    let mut ledger = ledger(1);
    ledger.credit(1, &[([1; 32], 10)]).unwrap();
    ledger.bind([1; 32], [9; 20], HOME.chain_id).unwrap();
    assert_eq!(ledger.tree().claim(&[1; 32], 1).unwrap().leaf.payout, [1; 20]);
    ledger.credit(2, &[([1; 32], 1)]).unwrap();
    let leaf = ledger.tree().claim(&[1; 32], 1).unwrap().leaf;
    assert_eq!((leaf.payout, leaf.cumulative), ([9; 20], 11));
}

#[test]
fn a_refused_round_changes_nothing() {
    let mut ledger = ledger(2);
    ledger.credit(1, &[([1; 32], 10)]).unwrap();
    let before = ledger.clone();
    let refused = [
        (1, vec![([1; 32], 1)], LedgerError::OutOfOrder { expected: 2, got: 1 }),
        (3, vec![([1; 32], 1)], LedgerError::OutOfOrder { expected: 2, got: 3 }),
        (
            2,
            vec![([1; 32], 1), ([3; 32], 1)],
            LedgerError::UnknownParticipant { participant: [3; 32] },
        ),
        (
            2,
            vec![([1; 32], 1), ([1; 32], 1)],
            LedgerError::Twice { participant: [1; 32] },
        ),
        (2, vec![([1; 32], 1), ([2; 32], u128::MAX - 10)], LedgerError::Overflow),
    ];
    for (round, parts, error) in refused {
        assert_eq!(ledger.credit(round, &parts), Err(error));
        assert_eq!(ledger, before);
    }
    assert_eq!(
        ledger.bind([1; 32], [1; 20], 2),
        Err(LedgerError::UnknownChain { chain_id: 2 })
    );
    let moved = Venue { token: [0; 20], ..HOME };
    assert_eq!(ledger.add_venue(moved), Err(LedgerError::VenueChanged { chain_id: 1 }));
}

#[test]
fn nobody_earned_so_the_root_is_zero_and_there_are_no_claims() {
    let mut ledger = ledger(2);
    ledger.credit(1, &[([1; 32], 0)]).unwrap();
    assert_eq!(ledger.tree().root(), [0; 32]);
    assert_eq!(ledger.tree().claims().count(), 0);
}

proptest! {
    #[test]
    fn budgets_sum_to_the_total_and_every_claim_is_proved(
        rounds in prop::collection::vec((any::<u64>(), prop::collection::vec(0u64..1_000_000, 6)), 1..6),
        bit in 0u32..128,
    ) {
        let mut ledger = ledger(6);
        let mut spent = 0;
        for (round, (budget, weights)) in (1..).zip(&rounds) {
            let total: u128 = weights.iter().copied().map(u128::from).sum();
            let parts: Vec<u128> = weights.iter().map(|w| u128::from(*budget) * u128::from(*w) / total.max(1)).collect();
            spent += parts.iter().sum::<u128>();
            let parts: Vec<_> = (1u8..).map(|byte| [byte; 32]).zip(parts).collect();
            ledger.credit(round, &parts).unwrap();
        }
        let tree = ledger.tree();
        prop_assert_eq!(ledger.total(), spent);
        prop_assert_eq!(tree.entries().iter().map(|entry| entry.cumulative_budget).sum::<u128>(), spent);
        for claim in tree.claims() {
            prop_assert_eq!(claim.verify(&tree.root()), Ok(()));
            let mut inflated = claim.clone();
            inflated.leaf.cumulative ^= 1 << bit;
            prop_assert!(inflated.verify(&tree.root()).is_err());
            let mut elsewhere = claim.clone();
            elsewhere.leaf.venue.chain_id ^= 1;
            prop_assert_eq!(elsewhere.verify(&tree.root()), Err(ClaimError::Venue));
        }
        let bytes = postcard::to_stdvec(&ledger).unwrap();
        prop_assert_eq!(postcard::from_bytes::<Ledger>(&bytes).unwrap(), ledger);
    }
}

#[test]
fn the_encodings_are_pinned() {
    let mut ledger = ledger(3);
    ledger
        .credit(1, &[([1; 32], 10), ([2; 32], 5), ([3; 32], 300)])
        .unwrap();
    let claim = ledger.tree().claim(&[3; 32], 1).unwrap();
    let digest = |bytes: &[u8]| blake3::hash(bytes).to_hex().to_string();
    assert_eq!(
        digest(&postcard::to_stdvec(&ledger).unwrap()),
        "05b03af184ab3d475fb91e85ac94d9b978cfc3dd3bca9e63e121ca8ac1e8c27a"
    );
    assert_eq!(
        digest(&postcard::to_stdvec(&claim).unwrap()),
        "71b723f9f178d185c42da34047fcbe1b46b9ef6411f82ce279e7404576dc1149"
    );
}
