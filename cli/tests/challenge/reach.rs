//! Where chains are reached is written down once: `xfl chain init`, and the commands that go by its file.

use std::{os::unix::fs::PermissionsExt, sync::Arc};

use xfl_settlement::chain::{
    embedded::EmbeddedChain,
    genesis::{Genesis, Seed},
};

use super::*;

/// A node of another chain with this id.
async fn node(chain_id: u64, timestamp: u64) -> server::ServerHandle {
    let genesis = Genesis {
        chain_id,
        timestamp,
        seeds: vec![Seed::coins([1; 20], 1)],
    };
    let chain = EmbeddedChain::ephemeral(genesis, Arc::new(move || timestamp)).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    server::serve(listener, chain).unwrap()
}

impl Stage {
    async fn alone(&self, line: &str, code: i32) -> Value {
        finish(self.start_alone(line), code).await
    }

    fn chains(&self, dir: &str) -> Option<String> {
        fs::read_to_string(self.folder.path().join(dir).join("chains.toml")).ok()
    }
}

fn said(answer: &Value) -> String {
    format!("{} / {}", answer["error"]["message"], answer["error"]["hint"])
}

#[tokio::test(flavor = "multi_thread")]
async fn chains_are_written_down_once_and_whole() {
    let mut stage = Stage::set("rule = \"median\"").await;
    let (second, stranger) = (node(31_338, 1).await, node(31_337, 2).await);
    let (home, other) = (stage.url.clone(), second.url());
    let host = |url: &str| url.trim_start_matches("http://").to_owned();

    // Nothing is half-written: what is wrong with one keeps all from the file.
    let nothing = stage.alone("chain init", 2).await;
    assert!(said(&nothing).contains("--rpc http://127.0.0.1:8545"), "{nothing}");
    let dead = "127.0.0.1:1";
    let silent = stage
        .alone(&format!("chain init --rpc {home} --rpc http://{dead}/SECRET"), 3)
        .await;
    assert!(
        said(&silent).contains(dead) && said(&silent).contains("nothing was written"),
        "{silent}"
    );
    let wrong = stage
        .alone(&format!("chain init --rpc {home} --rpc 31337={other}/?SECRET"), 2)
        .await;
    assert!(
        said(&wrong).contains(&format!(
            "{} is a node of chain 31338, not of chain 31337",
            host(&other)
        )),
        "{wrong}"
    );
    let differ = stage
        .alone(&format!("chain init --rpc {home},{}", stranger.url()), 5)
        .await;
    assert!(
        said(&differ).contains("disagree") && said(&differ).contains(&host(&stranger.url())),
        "{differ}"
    );
    for answer in [&silent, &wrong, &differ] {
        assert!(!answer.to_string().contains("SECRET"), "{answer}");
    }
    assert_eq!(stage.chains("."), None);

    // What holds is the owner's alone, is shown by host, and is added to what is there.
    let made = stage
        .alone(&format!("chain init --rpc {home},{home}/?key=SECRET"), 0)
        .await;
    assert_eq!(made["data"]["chains"][0]["chain_id"], 31_337, "{made}");
    assert!(!made.to_string().contains("SECRET"), "{made}");
    assert!(stage.chains(".").unwrap().contains("SECRET"));
    let mode = fs::metadata(stage.folder.path().join("chains.toml"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    stage.alone(&format!("chain init --rpc 31338={other}"), 0).await;
    let both = stage.alone("chain init", 0).await;
    assert_eq!(both["data"]["chains"].as_array().unwrap().len(), 2, "{both}");

    // Every command goes by it, wherever the copy of the transcript lies below.
    stage.liar.honest_round().await;
    for _ in 0..40 {
        let connection = stage.liar.client.connection();
        connection.send_coin(&[7; 20], 1).await.unwrap();
    }
    fs::create_dir(stage.folder.path().join("state")).unwrap();
    stage.write("state/transcript.xfl", &stage.liar.transcript());
    let found = stage
        .alone("challenge state/transcript.xfl --payout-key payout.key", 0)
        .await;
    assert_eq!(found["data"]["lies"], 0, "{found}");
    let verified = stage.alone("chain verify --dir state", 0).await;
    assert_eq!(verified["data"]["chains"][0]["latest"], 2, "{verified}");
    stage.alone("stake show --dir state --payout-key payout.key", 0).await;
    stage.alone("settle --dir state --payout-key payout.key", 0).await;
    let audited = stage.alone("audit state", 0).await;
    assert!(
        !audited["data"]["checks"].to_string().contains("isn't at hand"),
        "{audited}"
    );
    // What the chain told in blocks that are deep enough is remembered in the directory.
    assert!(stage.folder.path().join("state/events-31337.xfl").is_file());

    // A flag wins over the file, and a member's own file over the one beside; an auditor isn't led by the audited directory's.
    let elsewhere = stage
        .alone("chain verify --dir state --rpc 31337=http://127.0.0.1:1", 3)
        .await;
    assert!(said(&elsewhere).contains("127.0.0.1:1"), "{elsewhere}");
    stage.write(
        "state/chains.toml",
        b"[[chain]]\nid = 31337\nurls = [\"http://127.0.0.1:1\"]\n",
    );
    stage.alone("chain verify --dir state", 3).await;
    stage.alone("audit state", 0).await;
    stage.alone(&format!("chain init --dir state --rpc {home}"), 0).await;
    stage.alone("chain verify --dir state", 0).await;

    // A file that somebody damaged is told of, with its line.
    stage.write("state/chains.toml", b"[[chain]]\nid = \"SECRET\"\n");
    let damaged = stage.alone("chain verify --dir state", 2).await;
    assert!(
        said(&damaged).contains("line 2") && said(&damaged).contains("chain init"),
        "{damaged}"
    );
    assert!(!damaged.to_string().contains("SECRET"), "{damaged}");
}
