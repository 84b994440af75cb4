//! A challenger with everybody's receipts and any copy of the transcript, damaged ones too: it finds nothing against an honest coordinator.

use xfl_core::{
    challenge::{AnswerError, Dossier, Known, answers},
    seed::Seed,
    transcript::Genesis,
};
use xfl_settlement::{
    receipt::SignedReceipt,
    refute::{Evidence, confidential, provable},
    row::chunks,
    statement::RoundHeader,
};

use crate::sim::World;

/// Accuses the coordinator of every round that it posted.
pub(crate) fn finds_nothing(world: &World, journal: &[u8], genesis: &Genesis) {
    let receipts: Vec<SignedReceipt> = world.members.iter().flat_map(|host| host.receipts.clone()).collect();
    let dossier = Dossier::read(journal, |_| true).unwrap();
    assert_eq!(dossier.broken(), None);
    let mut random = Seed::from_number(world.scenario.seed).derive("accuser", &[]).stream();
    for header in world.office.chain.values() {
        let shown = rows(world, journal, header);
        for shown in [&[][..], &shown] {
            let known = known(&dossier, genesis, &receipts, header, shown);
            let found = dossier.examine(header, &known);
            assert_eq!((&found.lies, &found.doubts), (&Vec::new(), &Vec::new()));
            assert!(found.holds.contains(&"inputs"), "{found:?}");
            assert!(!found.wants_rows(header), "{found:?}");
            if provable(header.rule) {
                let holds = ["rows", "aggregate"].iter().all(|part| found.holds.contains(part));
                assert!(holds && found.unknown.is_empty(), "{found:?}");
            }
        }
        // A byte that fell over on the way makes nobody a liar.
        let mut damaged = journal.to_vec();
        let place = random.below(damaged.len() as u64) as usize;
        damaged[place] ^= 1 << random.below(8);
        if let Ok(dossier) = Dossier::read(&damaged, |_| true) {
            let known = known(&dossier, genesis, &receipts, header, &shown);
            assert_eq!(dossier.examine(header, &known).lies, []);
        }
    }
}

fn known<'a>(
    dossier: &Dossier,
    genesis: &Genesis,
    receipts: &'a [SignedReceipt],
    header: &RoundHeader,
    shown: &'a [Evidence],
) -> Known<'a> {
    assert_eq!(header.federation, dossier.plan().federation().0);
    Known {
        domain: genesis.contracts.rounds_domain(header.federation),
        coordinator: genesis.contracts.coordinator,
        receipts,
        aggregates: &[],
        shown,
    }
}

/// A round's rows, as somebody would show them who holds the transcript.
fn rows(world: &World, journal: &[u8], header: &RoundHeader) -> Vec<Evidence> {
    if chunks(header.dimension) > 100 {
        return Vec::new();
    }
    let all: Vec<u64> = (0..chunks(header.dimension)).collect();
    let made = answers(journal, header, &all);
    if world.scenario.plan.masked() || world.scenario.plan.sealed() {
        assert!(confidential(header.rule) && matches!(made, Err(AnswerError::Absent { .. })));
        return Vec::new();
    }
    assert!(!confidential(header.rule));
    match made {
        Ok(rows) => rows,
        // A round that is posted, and the transcript doesn't say so yet, is in it all the same.
        Err(error) => panic!("no rows: {error}"),
    }
}
