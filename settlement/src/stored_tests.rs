use proptest::prelude::*;

use super::*;
use crate::ledger::Ledger;

fn digest_of(number: u64) -> Digest {
    crate::keccak256(&number.to_be_bytes())
}

/// A ledger of so many earners on two chains, every third on the second.
fn ledger(earners: u64) -> Ledger {
    let mut ledger = Ledger::new([5; 32]);
    for (chain_id, byte) in [(1, 0xd1), (7, 0xd7)] {
        let (distributor, token) = ([byte; 20], [byte + 1; 20]);
        ledger
            .add_venue(Venue {
                chain_id,
                distributor,
                token,
            })
            .unwrap();
    }
    let parts: Vec<_> = (0..earners).map(|n| (digest_of(n), u128::from(n) + 1)).collect();
    for (n, (participant, _)) in (0u64..).zip(&parts) {
        let mut payout = [0; 20];
        payout[..8].copy_from_slice(&n.to_be_bytes());
        ledger
            .bind(*participant, payout, if n % 3 == 2 { 7 } else { 1 })
            .unwrap();
    }
    ledger.credit(1, &parts).unwrap();
    ledger
}

fn file(tree: &RewardTree) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(tree, &[5; 32], &mut bytes).unwrap();
    bytes
}

impl ReadAt for Vec<u8> {
    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.as_slice().read_at(offset, bytes)
    }
}

#[test]
fn a_file_is_a_file_of_rewards_or_refused() {
    let tree = ledger(20).tree();
    let bytes = file(&tree);
    let stored = Stored::open(bytes.clone()).unwrap();
    assert_eq!(
        (stored.root(), stored.round(), stored.federation()),
        (tree.root(), 1, [5; 32])
    );
    assert_eq!(stored.entries(), tree.entries());
    let mut other = bytes.clone();
    other[0] = b'X';
    assert!(matches!(Stored::open(other), Err(StoredError::Format)));
    let mut many = bytes.clone();
    many[56..60].copy_from_slice(&u32::MAX.to_be_bytes());
    assert!(matches!(
        Stored::open(many),
        Err(StoredError::TooMany { what: "chains", .. })
    ));
    let mut long = bytes.clone();
    long[60 + 64..60 + 72].copy_from_slice(&u64::MAX.to_be_bytes());
    assert!(matches!(
        Stored::open(long),
        Err(StoredError::TooMany { what: "earners", .. })
    ));
    for length in 0..bytes.len() {
        let cut = bytes[..length].to_vec();
        // What is left may still be enough for the head; a proof that needs the rest is an error, never a wrong claim.
        if let Ok(stored) = Stored::open(cut) {
            let claim = stored.claim(&digest_of(19), 1);
            assert!(claim.is_err() || claim.is_ok_and(|claim| claim == tree.claim(&digest_of(19), 1)));
        }
    }
}

proptest! {
    #[test]
    fn claims_from_a_file_are_the_tree_s(earners in 1u64..80, asked in 0u64..100) {
        let tree = ledger(earners).tree();
        let stored = Stored::open(file(&tree)).unwrap();
        for chain_id in [1, 7, 9] {
            prop_assert_eq!(stored.claim(&digest_of(asked), chain_id).unwrap(), tree.claim(&digest_of(asked), chain_id));
        }
    }

    #[test]
    fn a_changed_file_never_makes_a_claim_that_its_root_doesn_t_bear(at in any::<prop::sample::Index>(), to: u8) {
        let tree = ledger(30).tree();
        let mut bytes = file(&tree);
        let at = at.index(bytes.len());
        bytes[at] = to;
        if let Ok(stored) = Stored::open(bytes) {
            for n in 0..30 {
                for chain_id in [1, 7] {
                    if let Ok(Some(claim)) = stored.claim(&digest_of(n), chain_id) {
                        prop_assert!(claim.verify(&stored.root()).is_ok());
                        // The round's number isn't under the root: the posted header of that round has to bear it.
                        let claim = ClaimProof { round: tree.round(), ..claim };
                        prop_assert!(stored.root() != tree.root() || Some(claim) == tree.claim(&digest_of(n), chain_id));
                    }
                }
            }
        }
    }
}

/// Measurement, to be run alone: `cargo test --release --workspace --lib -- --ignored --nocapture a_million_earners`.
#[test]
#[ignore = "a measurement"]
#[allow(clippy::disallowed_methods, reason = "a measurement")]
fn a_million_earners() {
    let resident = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
    };
    let ledger = ledger(1_000_000);
    let before = resident();
    let began = std::time::Instant::now();
    let tree = ledger.tree();
    println!(
        "tree of 1,000,000 earners: {:.2} s, {:.0} MiB above the ledger's {before:.0}",
        began.elapsed().as_secs_f64(),
        resident() - before
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rewards");
    let began = std::time::Instant::now();
    let mut out = io::BufWriter::new(std::fs::File::create(&path).unwrap());
    write(&tree, &[5; 32], &mut out).unwrap();
    out.flush().unwrap();
    println!(
        "written: {:.2} s, {} MB",
        began.elapsed().as_secs_f64(),
        path.metadata().unwrap().len() / 1_000_000
    );
    let began = std::time::Instant::now();
    for n in 0..1000 {
        let stored = Stored::open(std::fs::File::open(&path).unwrap()).unwrap();
        assert!(
            stored
                .claim(&digest_of(n * 999), if n * 999 % 3 == 2 { 7 } else { 1 })
                .unwrap()
                .is_some()
        );
    }
    println!(
        "one proof, opening the file anew: {:.1} us",
        began.elapsed().as_secs_f64() * 1000.0
    );
}
