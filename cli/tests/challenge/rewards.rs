//! `xfl claim --rewards`: from a file that anybody may hand on, without the transcript; a file that lies costs nothing.

use std::path::PathBuf;

use xfl_settlement::{
    claim::Venue,
    ledger::{Ledger, RewardTree},
    stored,
};

use super::*;

/// Rewards of one chain as a file.
fn file(stage: &Stage, name: &str, tree: &RewardTree, federation: [u8; 32]) -> PathBuf {
    let mut bytes = Vec::new();
    stored::write(tree, &federation, &mut bytes).unwrap();
    stage.write(name, &bytes);
    stage.folder.path().join(name)
}

#[tokio::test(flavor = "multi_thread")]
async fn members_claim_from_a_file_and_lies_in_it_cost_nothing() {
    let mut stage = Stage::set("rule = \"median\"").await;
    stage.liar.honest_round().await;
    stage.write("transcript.xfl", &stage.liar.transcript());
    // Anybody makes the file from a copy of the transcript.
    stage.run("settle --dir . --payout-key payout.key", 0).await;
    let path = stage.folder.path().join("rewards-2.xfl");
    let good = fs::read(&path).unwrap();
    let member = stage.liar.players[0].payout.clone();
    let node = stage.liar.players[0].key.node_id();
    let account = member.account();
    key_file(&stage.folder.path().join("member.key"), &member);
    let coin = 1_000_000_000_000_000_000;
    stage.liar.client.connection().send_coin(&account, coin).await.unwrap();
    fs::create_dir(stage.folder.path().join("empty")).unwrap();
    let nonce = || async { stage.liar.client.connection().nonce(&account).await.unwrap() };

    // The round isn't final: what is due waits, and nothing is sent.
    let claim = |name: &str| format!("claim --dir empty --rewards {name} --payout-key member.key");
    let waits = stage.run(&claim("rewards-2.xfl"), 0).await;
    let due: u128 = waits["data"]["waiting"][0]["amount"].as_str().unwrap().parse().unwrap();
    assert!(due > 0 && waits["data"]["paid"] == "0", "{waits}");
    stage.liar.wait(DELAY);

    // Files that lie, and what they lie about.
    let of = stage.liar.client.deployment().clone();
    let federation = of.terms.federation;
    let tree = |venue: Venue, round: u64, earned: u128, payee: [u8; 20]| {
        let mut ledger = Ledger::new(federation);
        ledger.add_venue(venue).unwrap();
        ledger.bind(node.0, payee, venue.chain_id).unwrap();
        for number in 1..=round {
            ledger.credit(number, &[(node.0, earned)]).unwrap();
        }
        ledger.tree()
    };
    let venue = of.venue();
    let said = |answer: &Value| format!("{} / {}", answer["error"]["message"], answer["error"]["hint"]);
    let refused = |name: &'static str, code: i32, what: &'static str| {
        let (stage, said) = (&stage, &said);
        async move {
            let answer = stage.run(&claim(name), code).await;
            assert!(said(&answer).contains(what), "{name}: {answer}");
        }
    };
    file(&stage, "more.xfl", &tree(venue, 2, 1_000_000, account), federation);
    refused("more.xfl", 5, "aren't those that were signed for round 2").await;
    file(&stage, "federation.xfl", &tree(venue, 2, 1, account), [7; 32]);
    refused("federation.xfl", 5, "are of federation").await;
    let none = Venue {
        distributor: of.token,
        ..venue
    };
    file(&stage, "contract.xfl", &tree(none, 2, 1, account), federation);
    refused("contract.xfl", 5, "is not RewardDistributor's").await;
    let token = Venue {
        token: [9; 20],
        ..venue
    };
    file(&stage, "token.xfl", &tree(token, 2, 1, account), federation);
    refused("token.xfl", 5, "another token").await;
    let chain = Venue { chain_id: 1, ..venue };
    file(&stage, "chain.xfl", &tree(chain, 2, 1, account), federation);
    refused("chain.xfl", 2, "no url of chain 1").await;
    file(&stage, "other.xfl", &tree(venue, 2, 1, [3; 20]), federation);
    refused("other.xfl", 3, "has earned nothing in it").await;

    // Another run's, with the same code, federation, members and coordinator, on the same chain: this key signed nothing for it.
    let foreign = xfl_settlement::chain::deploy::Plan::at(
        of.chain_id,
        of.coordinator,
        None,
        xfl_settlement::chain::deploy::Terms {
            run: [9; 16],
            ..of.terms.clone()
        },
    );
    let sender = xfl_settlement::chain::connect::Connection::embedded(&stage.liar.chain, Some(&stage.liar.payout));
    let foreign = foreign.unwrap().execute(&sender).await.unwrap();
    file(&stage, "foreign.xfl", &tree(foreign.venue(), 2, 1, account), federation);
    refused("foreign.xfl", 5, "never joined").await;

    // The right root over wrong leaves, and a file cut anywhere.
    for cut in [0, 10, 59, 100, good.len() / 2, good.len() - 1] {
        stage.write("cut.xfl", &good[..cut]);
        refused("cut.xfl", 5, "rewards").await;
    }
    // The head is 60 bytes and its one chain 72, which end with the number of leaves; a leaf is 68, which end with the amount.
    let leaves = u64::from_be_bytes(good[124..132].try_into().unwrap()) as usize;
    for (at, bytes) in [(56, [0xff; 8]), (124, [0xff; 8]), (124, (1u64 << 31).to_be_bytes())] {
        let mut huge = good.clone();
        huge[at..at + 8].copy_from_slice(&bytes);
        stage.write("huge.xfl", &huge);
        refused("huge.xfl", 5, "huge.xfl: ").await;
    }
    let mut changed = good.clone();
    for leaf in 0..leaves {
        changed[132 + leaf * 68 + 67] ^= 1;
    }
    stage.write("changed.xfl", &changed);
    refused("changed.xfl", 5, "damaged").await;
    assert_eq!(nonce().await, 0, "nothing was sent so far");

    // The true one pays all of it, once, and only to whom it names.
    let paid = stage.run(&claim("rewards-2.xfl"), 0).await;
    assert_eq!(paid["data"]["paid"], due.to_string(), "{paid}");
    assert_eq!(stage.liar.client.token_balance(&account).await.unwrap(), due);
    assert_eq!(stage.run(&claim("rewards-2.xfl"), 0).await["data"]["paid"], "0");
    let folder = stage.folder.path();
    let said = |text: String| async move {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xfl"));
        command.args(text.split_whitespace()).current_dir(folder);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap());
        let output = output.await.unwrap();
        (
            output.status.code(),
            [output.stdout, output.stderr]
                .map(|out| String::from_utf8(out).unwrap())
                .concat(),
        )
    };
    let line = |name: &str| format!("{} --rpc {}", claim(name), stage.url);
    let (code, text) = said(line("rewards-2.xfl")).await;
    assert!(
        code == Some(0) && text.contains("everything in this file is paid"),
        "{text}"
    );
    assert!(!text.contains("waiting"), "{text}");

    // A file of a round that isn't there says so; once later ones are, it never will be.
    file(
        &stage,
        "next.xfl",
        &tree(venue, 9, 1_000_000 * due, account),
        federation,
    );
    let (code, text) = said(line("next.xfl")).await;
    assert!(
        code == Some(0) && text.contains("the amount is the file's word"),
        "{text}"
    );
}
