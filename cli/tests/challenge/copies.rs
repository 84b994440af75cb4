//! What whoever challenges has to go by: copies that are behind, receipts, a chain that is down.

use super::*;

/// Whoever has an old copy, or one that is being written, knows nothing against a round that it doesn't reach.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_is_behind_demands_nothing() {
    let mut stage = Stage::set("rule = \"median\"").await;
    stage.liar.honest_round().await;
    let whole = stage.liar.transcript();
    let honest = stage.liar.client.posted().await.unwrap().pop().unwrap().header;
    let claimed = stage.liar.gather();
    let longer = stage.liar.transcript();
    let known = Known {
        domain: stage.liar.client.deployment().header_domain(),
        coordinator: stage.liar.payout.account(),
        receipts: &[],
        aggregates: &[],
        shown: &[],
    };
    let (mut behind, mut up_to_date) = (0, 0);
    let mut cuts: Vec<usize> = (0..longer.len()).step_by(41).collect();
    cuts.extend([whole.len() - 1, whole.len(), longer.len()]);
    for cut in cuts {
        let Ok(dossier) = Dossier::read(&longer[..cut], |_| true) else {
            continue;
        };
        for header in [&honest, &claimed.header] {
            let found = dossier.examine(header, &known);
            assert!(!found.wants_rows(header) && found.lies.is_empty(), "{cut}: {found:?}");
            assert!(found.behind || !found.rows_would_help(header), "{cut}: {found:?}");
            if found.behind {
                behind += 1;
                assert!(found.unknown[0].contains("ends before"), "{cut}: {found:?}");
            } else {
                up_to_date += 1;
                assert_eq!(found.holds, ["inputs", "rows", "aggregate"], "{cut}: {found:?}");
            }
        }
    }
    assert!(behind > 50 && up_to_date > 5, "{behind} {up_to_date}");

    // One whose chain of hashes breaks in the round is no old copy.
    let mut false_copy = longer.clone();
    false_copy[(whole.len() + longer.len()) / 2] ^= 1;
    let found = Dossier::read(&false_copy, |_| true)
        .unwrap()
        .examine(&claimed.header, &known);
    assert!(found.wants_rows(&claimed.header), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn several_who_were_left_out_together_are_found_by_their_receipts() {
    let mut stage = Stage::set("rule = \"median\"").await;
    let mut lie = stage.liar.gather();
    let receipts: Vec<_> = (0..4).map(|place| stage.liar.receipt(place)).collect();
    let inputs: Vec<Input> = [(0, 0), (2, 1)]
        .map(|(place, position): (usize, u32)| Input {
            node_key: receipts[place].receipt.node_key,
            commitment: receipts[place].receipt.commitment,
            position,
        })
        .into();
    let full = stage.liar.transcript_of(&lie);
    let all = lie.header.input_root;
    lie.header.input_root = input_tree(&inputs).unwrap().root();
    let dossier = Dossier::read(&full, |_| true).unwrap();
    let base = Known {
        domain: stage.liar.client.deployment().header_domain(),
        coordinator: stage.liar.payout.account(),
        receipts: &[],
        aggregates: &[],
        shown: &[],
    };
    // Whether those that went in have receipts at hand too, or not.
    for some in [vec![1, 3], vec![0, 1, 2, 3]] {
        let held: Vec<_> = some.iter().map(|place| receipts[*place]).collect();
        let found = dossier.examine(
            &lie.header,
            &Known {
                receipts: &held,
                ..base
            },
        );
        assert_eq!(found.lies.len(), 2, "{found:?}");
        assert!(
            found.lies.iter().all(|proof| matches!(proof, Proof::Omission(_))),
            "{found:?}"
        );
    }
    // Inputs that nothing leads to: the receipt can't be used, and that is said.
    lie.header.input_root = [7; 32];
    let found = dossier.examine(
        &lie.header,
        &Known {
            receipts: &receipts[1..2],
            ..base
        },
    );
    assert!(
        found.lies.is_empty() && found.unknown.iter().any(|what| what.contains("can't be used")),
        "{found:?}"
    );
    lie.header.input_root = all;
    let found = dossier.examine(
        &lie.header,
        &Known {
            receipts: &receipts,
            ..base
        },
    );
    assert!(found.lies.is_empty(), "{found:?}");
}

/// A chain that is down when the watch begins, and for a while: it goes on, and finds what was posted in between.
#[tokio::test(flavor = "multi_thread")]
async fn a_watch_outlasts_a_chain_that_is_down() {
    let mut stage = Stage::set("rule = \"median\"").await;
    let lie = wrong_coordinate(stage.liar.gather());
    let transcript = stage.liar.lie(&lie).await;
    stage.write("transcript.xfl", &transcript);
    stage.keep_models(&transcript);
    let address = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    stage.url = format!("http://{address}");
    let mut watching = stage.start("challenge . --payout-key payout.key --watch --poll 1");
    let lines = lines_of(&mut watching);
    // It doesn't give up.
    hears(&lines, "looking again in").await;
    let listener = tokio::net::TcpListener::bind(address).await.unwrap();
    let _served = server::serve(listener, stage.liar.chain.clone()).unwrap();
    let began = std::time::Instant::now();
    while stage.liar.client.latest_round().await.unwrap() > 1 {
        assert!(began.elapsed() < Duration::from_secs(60), "the lie stands");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(watching.try_wait().unwrap().is_none(), "rounds are to come");
    watching.kill().unwrap();
    watching.wait().unwrap();
}

/// A round whose rows can't be made keeps no other one from its answer.
#[tokio::test(flavor = "multi_thread")]
async fn rows_of_several_rounds_are_made_by_one_replay() {
    let mut stage = Stage::set("rule = \"median\"").await;
    stage.liar.honest_round().await;
    let headers: Vec<_> = stage
        .liar
        .client
        .posted()
        .await
        .unwrap()
        .iter()
        .map(|p| p.header)
        .collect();
    let mut wrong = headers[0];
    wrong.row_root = [9; 32];
    let absent = RoundHeader { round: 9, ..headers[0] };
    let wanted = [wrong, headers[1], absent, headers[0]].map(|header| (header, vec![0, 1]));
    let rows = answers_of(&stage.liar.transcript(), &wanted);
    assert!(matches!(rows[0], Err(AnswerError::Refute(_))), "{:?}", rows[0]);
    assert_eq!(rows[1].as_ref().unwrap().len(), 2);
    assert!(
        matches!(rows[2], Err(AnswerError::Absent { round: 9, .. })),
        "{:?}",
        rows[2]
    );
    assert_eq!(rows[3].as_ref().unwrap()[1].chunk(), 1);
}
