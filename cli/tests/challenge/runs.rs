//! Two runs of one plan, with the same members, keys and accounts, on chains of one id: what was signed in one proves nothing in the other.

use xfl_core::{message::Report, node::settle};
use xfl_settlement::{payout::Signature, refute::Equivocation};

use super::*;

/// The first round of a transcript: its header and its signatures.
fn first_round(transcript: &[u8]) -> (RoundHeader, Vec<Signature>) {
    let (mut header, mut signatures, mut reader) = (None, Vec::new(), Reader::new(transcript));
    let mut beginning = None;
    while let Some(entry) = reader.next().unwrap() {
        match entry {
            Entry::Genesis(genesis) => beginning = Some(genesis.beginning()),
            Entry::Settled { header: settled, .. } => drop(header.get_or_insert(settled)),
            Entry::Accepted(parcel) => {
                if let Ok(Report::Endorse(signature)) = parcel.envelope.open(beginning.unwrap()) {
                    signatures.push(signature);
                }
            }
            Entry::Posted { .. } => break,
            _ => {}
        }
    }
    (header.unwrap(), signatures)
}

/// Both runs had their contracts at the same addresses once, and so one domain for all signatures: whoever took part in both had signed two headers for
/// round 1, for which anybody could have it slashed.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_signed_in_one_run_is_no_evidence_in_another() {
    let rule = "rule = \"median\"";
    let mut stage = Stage::set(rule).await;
    let mut again = LyingCoordinator::begin_run(rule, [2; 16]).await;
    again.honest_round().await;
    let (one, other) = (stage.liar.client.deployment(), again.client.deployment());
    assert_eq!((one.chain_id, one.coordinator), (other.chain_id, other.coordinator));
    for ((_, here), (_, there)) in one.contracts().iter().zip(other.contracts()) {
        assert_ne!(*here, there);
    }
    let domains = [one.header_domain(), other.header_domain()];

    // The same members signed another header for the same round of the same federation.
    let (header, signatures) = first_round(&stage.liar.transcript());
    let (elsewhere, foreign) = first_round(&again.transcript());
    assert_eq!(
        (header.federation, header.round),
        (elsewhere.federation, elsewhere.round)
    );
    assert_ne!(header, elsewhere);
    assert_eq!((signatures.len(), foreign.len()), (3, 3));
    for domain in &domains {
        for (a, b) in signatures.iter().flat_map(|a| foreign.iter().map(move |b| (a, b))) {
            Equivocation::new(domain, (&header, a), (&elsewhere, b)).unwrap_err();
        }
    }
    // It is as bad as it looks where both are of one run: that is what the domains are for.
    let member = &stage.liar.players[0].payout;
    let [a, b] = [&header, &elsewhere].map(|header| header.sign(&domains[0], member).unwrap());
    Equivocation::new(&domains[0], (&header, &a), (&elsewhere, &b)).unwrap();

    for run in [&mut stage.liar, &mut again] {
        run.honest_round().await;
    }
    // A round that leaves an update out: a receipt for it proves that, one for the same update in the other run doesn't.
    let mut lie = stage.liar.gather();
    let [receipts, foreign] = {
        again.gather();
        [&stage.liar, &again].map(|run| (0..4).map(|place| run.receipt(place)).collect::<Vec<_>>())
    };
    let listed = receipts[0].receipt;
    let input = Input {
        node_key: listed.node_key,
        commitment: listed.commitment,
        position: 0,
    };
    let full = stage.liar.transcript_of(&lie);
    lie.header.input_root = input_tree(&[input]).unwrap().root();
    let dossier = Dossier::read(&full, |_| true).unwrap();
    for (receipts, lies) in [(&receipts, 3), (&foreign, 0)] {
        let known = Known {
            domain: domains[0],
            coordinator: stage.liar.payout.account(),
            receipts,
            aggregates: &[],
            shown: &[],
        };
        let found = dossier.examine(&lie.header, &known);
        let omissions = found.lies.iter().filter(|proof| matches!(proof, Proof::Omission(_)));
        assert_eq!(omissions.count(), lies, "{found:?}");
    }

    // The command has all of it in hand, and finds nothing.
    stage.write("transcript.xfl", &stage.liar.transcript());
    stage.write("other.xfl", &again.transcript());
    let lines = foreign
        .iter()
        .map(|signed| serde_json::to_string(signed).unwrap() + "\n");
    stage.write("receipts.jsonl", lines.collect::<String>().as_bytes());
    let line = "challenge transcript.xfl --other other.xfl --receipts receipts.jsonl --payout-key payout.key";
    let found = stage.run(line, 0).await;
    assert_eq!(
        (&found["data"]["lies"], functions(&found)),
        (&Value::from(0), Vec::new()),
        "{found}"
    );

    // A member checks that addresses follow from the salt, whatever the coordinator says.
    let Some(Entry::Genesis(genesis)) = Reader::new(&again.transcript()).next().unwrap() else {
        panic!("no beginning")
    };
    let plan = Plan::parse(&genesis.plan, "federation.toml").unwrap();
    let mut lie = (*genesis).clone();
    lie.run = [1; 16];
    for (genesis, holds) in [(&*genesis, true), (&lie, false)] {
        let named = &genesis.contracts;
        let own = settle::contracts(&plan, &genesis.run, named.coordinator, named.chain_id, false, None).unwrap();
        assert_eq!(own == *named, holds);
        assert_eq!(settle::check_contracts(&plan, genesis).is_ok(), holds);
    }
}
