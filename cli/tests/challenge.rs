//! `xfl challenge` against a coordinator that lies in each way there is: who notices, what it costs, who is slashed; and against an honest
//! one, where there is nothing to do.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "what goes wrong in a helper fails its test, and the table is printed"
)]

#[path = "challenge/copies.rs"]
mod copies;
#[path = "challenge/liar.rs"]
mod liar;
#[path = "challenge/reach.rs"]
mod reach;
#[path = "challenge/rewards.rs"]
mod rewards;
#[path = "challenge/runs.rs"]
mod runs;
#[path = "challenge/victim.rs"]
mod victim;

use std::{
    fs,
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;
use xfl_core::{
    audit::{Verdict, replay},
    challenge::{AnswerError, Dossier, Known, Proof, answers_of},
    plan::Plan,
    spec::TensorShape,
    train::{
        Device,
        checkpoint::{Origin, encode},
    },
    transcript::{Entry, Reader},
};
use xfl_settlement::{
    chain::{client::ClientError, server},
    input::{Input, input_tree},
    ledger::Ledger,
    payout::PayoutKey,
    row::aggregate_tree,
    statement::RoundHeader,
};

use liar::{Claimed, DELAY, LyingCoordinator, STAKE};

/// The longest that anything is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// A liar on a chain that is served, and a folder for what its victims hold.
struct Stage {
    liar: LyingCoordinator,
    url: String,
    folder: tempfile::TempDir,
    _served: server::ServerHandle,
}

impl Stage {
    async fn set(rule: &str) -> Self {
        let mut stage = Self::open(rule).await;
        stage.liar.honest_round().await;
        stage.liar.wait(DELAY);
        stage
    }

    /// The same before the first round.
    async fn open(rule: &str) -> Self {
        let liar = LyingCoordinator::begin(rule).await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let served = server::serve(listener, liar.chain.clone()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        key_file(&folder.path().join("payout.key"), &liar.challenger);
        Self {
            url: served.url(),
            liar,
            folder,
            _served: served,
        }
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.folder.path().join(name), bytes).unwrap();
    }

    fn start(&self, line: &str) -> Child {
        self.start_alone(&format!("{line} --rpc {}", self.url))
    }

    /// The same without the chain's url.
    fn start_alone(&self, line: &str) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xfl"));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("XFL_")) {
            command.env_remove(name);
        }
        let line = format!("{line} --json");
        command.args(line.split_whitespace()).current_dir(self.folder.path());
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    async fn run(&self, line: &str, code: i32) -> Value {
        finish(self.start(line), code).await
    }

    /// The models that the coordinator keeps and sends.
    fn keep_models(&self, transcript: &[u8]) {
        let Some(Entry::Genesis(genesis)) = Reader::new(transcript).next().unwrap() else {
            panic!("no beginning")
        };
        let plan = Plan::parse(&genesis.plan, "federation.toml").unwrap();
        let model = plan.terms().model.build(&plan.terms().data, Device::Cpu).unwrap();
        let tensors: Vec<TensorShape> = model.tensors();
        fs::create_dir_all(self.folder.path().join("models")).unwrap();
        for (round, parameters) in (1u64..).zip(&self.liar.models) {
            let origin = Origin {
                federation: plan.federation().to_string(),
                round,
            };
            let bytes = encode(&tensors, parameters, &origin).unwrap();
            self.write(&format!("models/round-{round:05}.safetensors"), &bytes);
        }
    }
}

fn key_file(path: &Path, key: &PayoutKey) {
    use std::os::unix::fs::PermissionsExt;
    fs::write(path, key.to_file().as_bytes()).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

async fn finish(child: Child, code: i32) -> Value {
    let output = tokio::task::spawn_blocking(|| child.wait_with_output().unwrap());
    answer(&output.await.unwrap(), code)
}

#[track_caller]
fn answer(output: &Output, code: i32) -> Value {
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert_eq!(output.status.code(), Some(code), "{out}{err}");
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}"))
}

/// What every honest member finds before it signs.
fn replayed(transcript: &[u8]) -> Option<String> {
    let audit = replay(transcript, None);
    let failed = audit.checks.into_iter().find(|check| check.verdict == Verdict::Fails);
    failed.map(|check| format!("{}: {}", check.stage, check.text))
}

fn steps(found: &Value) -> Vec<(String, Option<u64>)> {
    let rounds = found["data"]["rounds"].as_array().unwrap().iter();
    let steps = rounds.flat_map(|round| round["steps"].as_array().unwrap());
    steps
        .map(|step| (step["function"].as_str().unwrap().to_owned(), step["gas"].as_u64()))
        .collect()
}

/// A line of the table: what was done about a lie.
fn told(lie: &str, found: &Value) {
    let steps: Vec<String> = steps(found)
        .iter()
        .map(|(function, gas)| format!("{function} {}", gas.map_or("-".into(), |gas| gas.to_string())))
        .collect();
    let lies = found["data"]["rounds"][0]["lies"].to_string();
    println!(
        "| {lie} | {lies} | {} | slashed {} |",
        steps.join(", "),
        found["data"]["slashed"]
    );
}

fn functions(found: &Value) -> Vec<String> {
    steps(found).into_iter().map(|(function, _)| function).collect()
}

/// Adds one to a coordinate of the aggregate; everything else follows from it.
fn wrong_coordinate(mut claimed: Claimed) -> Claimed {
    claimed.aggregate[9] += 1;
    claimed.header.aggregate_root = aggregate_tree(&claimed.aggregate).unwrap().root();
    claimed
}

/// How many lost all that a lie costs.
#[track_caller]
fn slashed(found: &Value, liars: u128) {
    assert_eq!(found["data"]["slashed"], (liars * STAKE).to_string(), "{found}");
}

const PROVED: [&str; 4] = ["proveRule", "punish", "punish", "punish"];

#[tokio::test(flavor = "multi_thread")]
async fn nothing_can_be_held_against_an_honest_round() {
    for rule in ["rule = \"median\"", "rule = \"krum\"\nbyzantine = 0", "rule = \"mean\""] {
        let mut stage = Stage::set(rule).await;
        stage.liar.honest_round().await;
        stage.write("transcript.xfl", &stage.liar.transcript());
        let found = stage.run("challenge transcript.xfl --payout-key payout.key", 0).await;
        let rounds = found["data"]["rounds"].as_array().unwrap();
        assert_eq!((rounds.len(), &rounds[0]["round"]), (1, &Value::from(2)), "{found}");
        assert_eq!(
            (&found["data"]["lies"], functions(&found)),
            (&Value::from(0), Vec::new()),
            "{found}"
        );
        let named = rounds[0]["unknown"].to_string();
        assert_eq!(named.contains("no contract can redo"), rule.contains("krum"), "{named}");

        // Somebody asks for a row all the same: it is shown, and whoever shows it earns the bond.
        let header = stage.liar.client.posted().await.unwrap().pop().unwrap().header;
        stage.liar.client.demand_row(&header, 1).await.unwrap();
        let found = stage
            .run("challenge transcript.xfl --payout-key payout.key --answer", 0)
            .await;
        assert_eq!(functions(&found), ["answerRow", "collectBonds"], "{found}");
        told("none; a row is demanded", &found);
        stage.liar.wait(3 * DELAY);
        assert!(stage.liar.client.is_active(2).await.unwrap());
        // Two rounds are to come, so it goes on watching, and notices the next one.
        let mut watching = stage.start("challenge transcript.xfl --payout-key payout.key --watch --poll 1");
        let lines = lines_of(&mut watching);
        stage.liar.honest_round().await;
        stage.write("transcript.xfl", &stage.liar.transcript());
        hears(&lines, "round 3").await;
        watching.kill().unwrap();
        watching.wait().unwrap();
    }
}

/// What `xfl round` does beside its rounds: whoever demands a row of an honest one loses the bond.
#[tokio::test(flavor = "multi_thread")]
async fn a_coordinator_shows_rows_while_it_runs() {
    let mut stage = Stage::set("rule = \"median\"").await;
    stage.liar.honest_round().await;
    stage.write("transcript.xfl", &stage.liar.transcript());
    let client = stage.liar.client.clone();
    let posted = client.posted().await.unwrap().pop().unwrap();
    for chunk in 0..2 {
        client.demand_row(&posted.header, chunk).await.unwrap();
    }
    let file = stage.folder.path().join("transcript.xfl");
    let answering = tokio::spawn(xfl_core::node::settle::answer_demands(client.clone(), file));
    let began = std::time::Instant::now();
    while client.shown(&posted.header).await.unwrap().len() < 2 {
        assert!(began.elapsed() < Duration::from_secs(60), "nobody shows the rows");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    answering.abort();
    assert_eq!(client.demand_of(&posted.digest, 0).await.unwrap(), None);
    stage.liar.wait(3 * DELAY);
    assert!(client.is_active(2).await.unwrap(), "the round stands, and pays");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_coordinate_costs_every_signer_whoever_finds_it() {
    // The models that the coordinator sent show it.
    let mut stage = Stage::set("rule = \"trimmed-mean\"\nbyzantine = 1").await;
    let lie = wrong_coordinate(stage.liar.gather());
    let transcript = stage.liar.lie(&lie).await;
    let noticed = replayed(&transcript).unwrap();
    assert!(noticed.starts_with("aggregate"), "{noticed}");
    stage.write("transcript.xfl", &transcript);
    stage.keep_models(&transcript);
    let dry = stage.run("challenge . --payout-key nobody.key --dry-run", 0).await;
    assert_eq!(functions(&dry), PROVED);
    let step = &dry["data"]["rounds"][0]["steps"][0];
    assert!(
        step["calldata"].as_str().unwrap().len() > 1_000 && step["gas"].as_u64() > Some(50_000),
        "{dry}"
    );
    assert_eq!(stage.liar.client.latest_round().await.unwrap(), 2, "nothing was sent");
    let found = stage.run("challenge . --payout-key payout.key", 0).await;
    assert_eq!(functions(&found), PROVED);
    told("wrong coordinate, the model is at hand", &found);
    slashed(&found, 3);
    assert_eq!(stage.liar.client.latest_round().await.unwrap(), 1, "the round is void");
    let again = stage.run("challenge . --payout-key payout.key", 0).await;
    assert_eq!(functions(&again), Vec::<String>::new(), "{again}");

    // Nobody has the false aggregate: rows are demanded, and what is shown proves the lie.
    let mut stage = Stage::set("rule = \"median\"").await;
    let lie = wrong_coordinate(stage.liar.gather());
    let transcript = stage.liar.lie(&lie).await;
    stage.write("transcript.xfl", &transcript);
    let mut running = stage.start("challenge transcript.xfl --payout-key payout.key --poll 1");
    shown(&stage, &lie, &mut running).await;
    let found = finish(running, 0).await;
    assert_eq!(functions(&found), [&["demandRow", "demandRow"][..], &PROVED].concat());
    told("wrong coordinate, rows are demanded", &found);
    slashed(&found, 3);
}

/// The liar shows what it is asked for.
async fn shown(stage: &Stage, lie: &Claimed, running: &mut Child) {
    let (mut count, began) = (0, Instant::now());
    while count < 2 {
        count += stage.liar.show(lie).await;
        goes_on(running, began).await;
    }
}

/// A moment's pause while something is waited for, unless that takes too long or can't come any more.
async fn goes_on(running: &mut Child, began: Instant) {
    assert!(began.elapsed() < PATIENCE, "nothing came of it");
    let ended = running.try_wait().unwrap();
    assert!(ended.is_none(), "the command ended: {ended:?}");
    tokio::time::sleep(Duration::from_millis(100)).await;
}

/// What a command says on its error output, line by line.
fn lines_of(child: &mut Child) -> std::sync::mpsc::Receiver<String> {
    let (tell, lines) = std::sync::mpsc::channel();
    let said = std::io::BufReader::new(child.stderr.take().unwrap());
    std::thread::spawn(move || {
        for line in std::io::BufRead::lines(said).map_while(Result::ok) {
            // Nobody may listen any more; it is read all the same.
            let _ = tell.send(line);
        }
    });
    lines
}

/// Waits for a line with these words.
async fn hears(lines: &std::sync::mpsc::Receiver<String>, words: &str) {
    let (mut said, began) = (String::new(), Instant::now());
    loop {
        match lines.try_recv() {
            Ok(line) if line.contains(words) => return,
            Ok(line) => said += &format!("{line}\n"),
            Err(std::sync::mpsc::TryRecvError::Disconnected) => panic!("it ended: {said}"),
            Err(std::sync::mpsc::TryRecvError::Empty) => {
                assert!(began.elapsed() < PATIENCE, "{words:?} isn't said: {said}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_input_and_a_withheld_row_cost_every_signer() {
    let mut stage = Stage::set("rule = \"median\"").await;
    let truth = stage.liar.gather();
    let mut updates = truth.updates.clone();
    updates[2][10] += 3;
    // The aggregate follows from the changed row, so that the rule holds.
    let lie = stage.liar.claimed(truth.members.clone(), Some(updates.clone()));
    let transcript = stage.liar.lie(&lie).await;
    let noticed = replayed(&transcript).unwrap();
    assert!(noticed.starts_with("aggregate"), "{noticed}");
    stage.write("transcript.xfl", &transcript);
    let mut running = stage.start("challenge transcript.xfl --payout-key payout.key --poll 1");
    shown(&stage, &lie, &mut running).await;
    let found = finish(running, 0).await;
    let expected = ["demandRow", "demandRow", "proveInput", "punish", "punish", "punish"];
    assert_eq!(functions(&found), expected);
    told("changed input", &found);
    slashed(&found, 3);

    let mut stage = Stage::set("rule = \"median\"").await;
    let truth = stage.liar.gather();
    let lie = stage.liar.claimed(truth.members, Some(updates));
    let transcript = stage.liar.lie(&lie).await;
    stage.write("transcript.xfl", &transcript);
    let mut running = stage.start("challenge transcript.xfl --payout-key payout.key --poll 1");
    let began = Instant::now();
    while stage.liar.client.demanded().await.unwrap().len() < 2 {
        goes_on(&mut running, began).await;
    }
    stage.liar.wait(DELAY + 1);
    let found = finish(running, 0).await;
    let expected = [
        "demandRow",
        "demandRow",
        "expireDemand",
        "punish",
        "punish",
        "punish",
        "collectBonds",
    ];
    assert_eq!(functions(&found), expected, "{found}");
    told("withheld row", &found);
    slashed(&found, 3);
    assert_eq!(stage.liar.client.latest_round().await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_client_with_a_receipt_costs_the_coordinator() {
    let mut stage = Stage::set("rule = \"median\"").await;
    stage.liar.gather();
    let receipt = stage.liar.receipt(1);
    let lie = stage.liar.claimed(vec![0, 2, 3], None);
    let transcript = stage.liar.lie(&lie).await;
    assert_eq!(replayed(&transcript), None, "the rest is as it should be");
    stage.write("transcript.xfl", &transcript);
    // Without the receipt nothing shows that an update came.
    let found = stage.run("challenge transcript.xfl --payout-key payout.key", 0).await;
    assert_eq!(functions(&found), Vec::<String>::new(), "{found}");
    stage.write("receipts.jsonl", serde_json::to_string(&receipt).unwrap().as_bytes());
    let found = stage.run("challenge . --payout-key payout.key", 0).await;
    assert_eq!(functions(&found), ["proveOmission"], "{found}");
    told("dropped client", &found);
    slashed(&found, 1);
    let account = found["data"]["rounds"][0]["steps"][0]["slashed"][0]["account"]
        .as_str()
        .unwrap();
    let coordinator = stage.liar.payout.account();
    assert!(account.ends_with(&format!("{:02x}", coordinator[19])), "{account}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_roots_for_one_round_cost_whoever_signed_both() {
    let mut stage = Stage::set("rule = \"median\"").await;
    let truth = stage.liar.gather();
    let mut other = truth.clone();
    other.header.reward_root = [0xee; 32];
    // One member is told one thing, the chain another.
    let shown = stage.liar.transcript_of(&other);
    let honest = stage.liar.lie(&truth).await;
    stage.write("transcript.xfl", &honest);
    stage.write("mine.xfl", &shown);
    let line = "challenge transcript.xfl --other mine.xfl --payout-key payout.key";
    let found = stage.run(line, 0).await;
    assert_eq!(functions(&found), ["proveEquivocation"; 3], "{found}");
    told("two roots for one round", &found);
    slashed(&found, 3);
    assert_eq!(stage.liar.client.latest_round().await.unwrap(), 2, "the round stands");
    let again = stage.run(line, 0).await;
    assert_eq!(functions(&again), Vec::<String>::new(), "{again}");
}

/// Lies that no contract can be shown: noticed by every member before it signs, by `xfl challenge` and `xfl audit`; nobody is slashed, the
/// coordinator's veto or its members' refusal is what stops them.
#[tokio::test(flavor = "multi_thread")]
async fn lies_about_rewards_are_noticed_by_everybody_and_provable_by_nobody() {
    // As much in all as there is, and all of it for the first.
    let inflated = |claimed: &mut Claimed, liar: &LyingCoordinator| {
        let mut ledger = Ledger::new(claimed.header.federation);
        ledger.add_venue(liar.client.deployment().venue()).unwrap();
        let first = &liar.players[0];
        let node = first.key.node_id().0;
        ledger.bind(node, first.payout.account(), 31_337).unwrap();
        ledger.credit(1, &[(node, claimed.header.cumulative_budget)]).unwrap();
        claimed.header.reward_root = ledger.tree().root();
    };
    let double_leaf = |claimed: &mut Claimed, liar: &LyingCoordinator| {
        let mut ledger = Ledger::new(claimed.header.federation);
        ledger.add_venue(liar.client.deployment().venue()).unwrap();
        for (place, key) in [(0usize, 0u8), (0, 1)] {
            let account = liar.players[place].payout.account();
            ledger.bind([key + 1; 32], account, 31_337).unwrap();
        }
        ledger.credit(1, &[([1; 32], 700), ([2; 32], 700)]).unwrap();
        claimed.header.reward_root = ledger.tree().root();
    };
    let wrong_chain = |claimed: &mut Claimed, liar: &LyingCoordinator| {
        let mut ledger = Ledger::new(claimed.header.federation);
        let venue = xfl_settlement::claim::Venue {
            chain_id: 1,
            ..liar.client.deployment().venue()
        };
        ledger.add_venue(venue).unwrap();
        ledger.bind([1; 32], liar.players[0].payout.account(), 1).unwrap();
        ledger.credit(1, &[([1; 32], 1_400)]).unwrap();
        claimed.header.reward_root = ledger.tree().root();
    };
    type Twist = fn(&mut Claimed, &LyingCoordinator);
    let lies: [(&str, Twist); 3] = [
        ("inflated reward", inflated),
        ("double leaf", double_leaf),
        ("wrong chain", wrong_chain),
    ];
    for (name, twist) in lies {
        let mut stage = Stage::set("rule = \"median\"").await;
        let mut lie = stage.liar.gather();
        twist(&mut lie, &stage.liar);
        let transcript = stage.liar.lie(&lie).await;
        assert!(replayed(&transcript).is_some(), "{name}");
        stage.write("transcript.xfl", &transcript);
        let found = stage.run("challenge transcript.xfl --payout-key payout.key", 5).await;
        let hint = found["error"]["hint"].as_str().unwrap();
        assert!(hint.contains("veto"), "{found}");
        assert_eq!(found["error"]["slashed"], "0");
        println!("| {name} | {} | nobody | - |", found["error"]["message"]);
        stage.run("audit transcript.xfl", 5).await;
    }

    // More than a round may pay is refused by the contract itself; and what was signed for another deployment has no signers here.
    let mut stage = Stage::set("rule = \"median\"").await;
    let mut greedy = stage.liar.gather();
    greedy.header.cumulative_budget += 1_000_003 * 2;
    let signatures = stage.liar.sign(&greedy.header);
    let refused = stage
        .liar
        .client
        .post_round(&greedy.header, &signatures)
        .await
        .unwrap_err();
    assert!(
        matches!(&refused, ClientError::Refused { reason } if reason.contains("BudgetAboveCap")),
        "{refused}"
    );
    let elsewhere = LyingCoordinator::begin("rule = \"mean\"").await;
    let truth = stage.liar.claimed(vec![0, 1, 2, 3], None);
    let foreign: Vec<_> = stage.liar.players[..3]
        .iter()
        .map(|player| {
            let mut domain = elsewhere.client.deployment().header_domain();
            domain.chain_id = 1;
            truth.header.sign(&domain, &player.payout).unwrap()
        })
        .collect();
    let refused = stage.liar.client.post_round(&truth.header, &foreign).await.unwrap_err();
    assert!(matches!(refused, ClientError::Refused { .. }), "{refused}");
}

/// A coordinator that shows a transcript of the past, as if a round had never been.
#[tokio::test(flavor = "multi_thread")]
async fn a_rolled_back_transcript_is_noticed_against_the_chain() {
    let mut stage = Stage::set("rule = \"median\"").await;
    let past = stage.liar.transcript();
    stage.liar.honest_round().await;
    stage.write("transcript.xfl", &past);
    assert_eq!(replayed(&past), None, "it follows, as far as it goes");
    let found = stage.run("audit transcript.xfl", 5).await;
    println!(
        "| rolled-back transcript | {} | nobody | - |",
        found["error"]["message"]
    );
    // Nothing is demanded of what this copy merely doesn't reach.
    let found = stage.run("challenge transcript.xfl --payout-key payout.key", 0).await;
    let unknown = found["data"]["rounds"][0]["unknown"].to_string();
    assert!(unknown.contains("ends before round 2"), "{unknown}");
    assert_eq!(functions(&found), Vec::<String>::new(), "{found}");
    let line = "challenge transcript.xfl --payout-key payout.key --dry-run --demands 1";
    assert_eq!(
        functions(&stage.run(line, 0).await),
        ["demandRow"],
        "whoever says so may"
    );
}
