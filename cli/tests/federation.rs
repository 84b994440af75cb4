//! A small federation of real processes, from `init` to `claim`; then the auditor against everything that can be changed
//! in what the run left behind.

#![allow(clippy::unwrap_used, reason = "what goes wrong in a helper fails its test")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

use proptest::prelude::*;
use serde_json::Value;
use xfl_core::{
    audit::{Verdict, replay},
    node::bundle::Bundle,
    transcript::{Entry, Reader},
};
use xfl_settlement::{chain::snapshot, proof::Checkpoint};

const PATIENCE: Duration = Duration::from_secs(120);

/// A finished run: its folder, and what its processes said.
struct Run {
    folder: tempfile::TempDir,
    round: Value,
    joined: Vec<Value>,
    claims: Vec<Value>,
    /// What a preflight says to the wrong coordinator key, and to a stranger; and an audit of a chain in use.
    refused: [Value; 3],
}

/// The one run that all tests look at.
fn run() -> &'static Run {
    static RUN: OnceLock<Run> = OnceLock::new();
    RUN.get_or_init(Run::begin_to_end)
}

fn xfl(folder: &Path, line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xfl"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("XFL_")) {
        command.env_remove(name);
    }
    command
        .args(line.split_whitespace())
        .current_dir(folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
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

fn wait_for(path: &Path, coordinator: &mut Child) -> Value {
    let began = Instant::now();
    loop {
        if let Some(value) = fs::read(path)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        {
            return value;
        }
        assert!(
            coordinator.try_wait().unwrap().is_none() && began.elapsed() < PATIENCE,
            "no {}",
            path.display()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

impl Run {
    fn begin_to_end() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        let done = |line: &str| answer(&xfl(at, &format!("{line} --json")).output().unwrap(), 0);
        let coordinator = done("init --rounds 2")["data"]["coordinator"]
            .as_str()
            .unwrap()
            .to_owned();
        let plan = fs::read_to_string(at.join("federation.toml")).unwrap();
        fs::write(
            at.join("federation.toml"),
            plan.replace("kind = \"cosine\"", "kind = \"leave-one-out\""),
        )
        .unwrap();
        let csv = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/data/breast_cancer_wisconsin.csv");
        let csv = fs::read_to_string(csv).unwrap();
        let (header, rows) = csv.split_once('\n').unwrap();
        let rows: Vec<_> = rows.lines().collect();
        for (name, rows) in [
            ("a.csv", &rows[..230]),
            ("b.csv", &rows[230..460]),
            ("held-out.csv", &rows[460..]),
        ] {
            fs::write(at.join(name), format!("{header}\n{}\n", rows.join("\n"))).unwrap();
        }
        for name in ["a", "b"] {
            let node = done(&format!("keygen --out {name}"))["data"]["node"]
                .as_str()
                .unwrap()
                .to_owned();
            done(&format!("member add {node} --name {name}"));
        }
        let line = "round --listen 127.0.0.1:0 --rpc-listen 127.0.0.1:0 --held-out held-out.csv --serve --json";
        let mut round = xfl(at, line).spawn().unwrap();
        let address = wait_for(&at.join("run/address.json"), &mut round);
        let address = |key: &str| address[key].as_str().unwrap().to_owned();
        let udp = address("coordinator");
        let stranger = done("keygen --out c")["data"]["node"].as_str().unwrap().to_owned();
        let refused = |line: String, code| answer(&xfl(at, &format!("{line} --json")).output().unwrap(), code);
        let preflight = |who: &str, key: &str| {
            let keys = format!("--key {who}/node.pem --payout-key {who}/payout.key --data a.csv");
            refused(
                format!("join --check --coordinator {udp} --coordinator-key {key} {keys}"),
                3,
            )
        };
        let refused = [
            preflight("a", &stranger),
            preflight("c", &coordinator),
            refused("audit run".to_owned(), 2),
        ];
        let joins: Vec<_> = ["a", "b"]
            .iter()
            .map(|name| {
                let line = format!(
                    "join --json --coordinator {udp} --coordinator-key {coordinator} --key {name}/node.pem \
                     --payout-key {name}/payout.key --data {name}.csv --dir {name}/state"
                );
                xfl(at, &line).spawn().unwrap()
            })
            .collect();
        let joined = joins
            .into_iter()
            .map(|join| answer(&join.wait_with_output().unwrap(), 0)["data"].take())
            .collect();
        let mut claims = Vec::new();
        for name in ["a", "a", "b"] {
            let keys = format!(
                "--key {name}/node.pem --payout-key {name}/payout.key --rpc {}",
                address("rpc")
            );
            claims.push(done(&format!("claim --dir {name}/state {keys}"))["data"].take());
        }
        let interrupted = Command::new("kill")
            .args(["-INT", &round.id().to_string()])
            .status()
            .unwrap();
        assert!(interrupted.success());
        let round = answer(&round.wait_with_output().unwrap(), 0)["data"].take();
        Self {
            folder,
            round,
            joined,
            claims,
            refused,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn audit(&self, line: &str, code: i32) -> Value {
        answer(
            &xfl(self.folder.path(), &format!("audit {line} --json"))
                .output()
                .unwrap(),
            code,
        )
    }

    fn exported(&self) -> Vec<u8> {
        static EXPORTED: OnceLock<Vec<u8>> = OnceLock::new();
        let make = || {
            self.audit("run --export run.audit", 0);
            fs::read(self.path("run.audit")).unwrap()
        };
        EXPORTED.get_or_init(make).clone()
    }
}

#[test]
fn a_federation_of_processes_trains_pays_and_shows_it() {
    let run = run();
    assert_eq!((&run.round["finished"], &run.round["planned"]), (&2.into(), &2.into()));
    assert!(
        run.round["evaluation"]["accuracy"].as_f64().unwrap() > 0.7,
        "{}",
        run.round["evaluation"]
    );
    assert!(
        run.joined
            .iter()
            .all(|joined| joined["finished"] == 2 && joined["declined"] == 0),
        "{:?}",
        run.joined
    );
    let earned = |i: usize| run.joined[i]["earned"].as_str().unwrap().parse::<u64>().unwrap();
    // A round's million is shared out to the last token, or kept where nobody's update helped: noise decides which.
    let transcript = fs::read(run.path("run/transcript.xfl")).unwrap();
    let mut reader = Reader::new(&transcript);
    let mut shared = Vec::new();
    while let Some(entry) = reader.next().unwrap() {
        if let Entry::Scored(scored) = entry {
            let sum: u64 = scored.rewards.iter().sum();
            let helped = scored.scores.iter().any(|score| *score > 0);
            assert!(sum == 0 || sum == 1_000_000 && helped, "{scored:?}");
            assert!(
                sum > 0 || !helped || !shared.is_empty(),
                "in round 1 there is no earlier harm: {scored:?}"
            );
            shared.push(sum);
        }
    }
    assert_eq!((shared.len(), earned(0) + earned(1)), (2, shared.iter().sum()));
    let paid: Vec<_> = run
        .claims
        .iter()
        .map(|claim| claim["paid"].as_str().unwrap().parse::<u64>().unwrap())
        .collect();
    assert_eq!(paid, [earned(0), 0, earned(1)], "and a second claim pays nothing");
    let status = answer(&xfl(run.folder.path(), "status --json").output().unwrap(), 0);
    assert_eq!(status["data"]["finished"], 2);
    let evaluated = answer(
        &xfl(run.folder.path(), "evaluate --data held-out.csv --json")
            .output()
            .unwrap(),
        0,
    );
    assert_eq!(evaluated["data"]["evaluation"], run.round["evaluation"]);
    assert_eq!(evaluated["data"]["round"], 2);
}

#[test]
fn wrong_keys_strangers_and_a_chain_in_use_are_told_apart() {
    let says = |i: usize, words: &str| {
        let error = &run().refused[i]["error"];
        assert!(
            error["message"].as_str().unwrap().contains(words) && error["hint"].is_string(),
            "{error}"
        );
    };
    says(0, "wrong coordinator key");
    says(1, "does not admit node");
    says(2, "in use by a running coordinator");
}

#[test]
fn the_audit_holds_for_the_run_the_exported_file_and_a_members_copy() {
    let run = run();
    let audit = run.audit("run", 0);
    assert_eq!(
        (&audit["data"]["unchecked"], &audit["data"]["rounds"]),
        (&0.into(), &2.into())
    );
    run.exported();
    let file = run.audit("run.audit", 0);
    assert_eq!(file["data"]["checks"], audit["data"]["checks"]);
    // A member's copy has neither the chain nor the held-out data; it says so and holds.
    let copy = run.audit("a/state", 0);
    assert!(copy["data"]["unchecked"].as_u64().unwrap() >= 2);
}

/// A crash may come between journal and copy: what the copy lacks is evidence that `refused.xfl` would have to follow.
#[test]
fn a_members_copy_that_is_cut_short_is_made_anew_from_its_journal() {
    let at = run().folder.path();
    let copy = fs::read(at.join("a/state/transcript.xfl")).unwrap();
    for (name, left) in [("cut", Some(copy.len() - 100)), ("gone", None)] {
        fs::create_dir(at.join(name)).unwrap();
        fs::copy(
            at.join("a/state/institution.redb"),
            at.join(name).join("institution.redb"),
        )
        .unwrap();
        let file = at.join(name).join("transcript.xfl");
        if let Some(left) = left {
            fs::write(&file, &copy[..left]).unwrap();
        }
        let keys = "--plan federation.toml --key a/node.pem --payout-key a/payout.key --data a.csv";
        answer(
            &xfl(at, &format!("join --dir {name} {keys} --json")).output().unwrap(),
            0,
        );
        assert!(fs::read(&file).unwrap() == copy, "{name}");
    }
}

/// A replayed chain needs no proofs; a checkpoint says whether it is the history that somebody else saw, up to there.
#[test]
fn a_checkpoint_ties_the_runs_own_chain_to_what_others_saw() {
    let run = run();
    let plain = run.audit("run", 0);
    let told = |hash: &str| run.audit(&format!("run --checkpoint 5885:1:{hash}"), 5)["error"]["message"].to_string();
    let said = told(&format!("0x{}", "ab".repeat(32)));
    // The chain's own block is named beside the other.
    let at = said
        .find("block 1 of chain 5885 is 0x")
        .unwrap_or_else(|| panic!("{said}"));
    let hash = &said[at + "block 1 of chain 5885 is ".len()..][..66];
    let early = run.audit(&format!("run --checkpoint 5885:1:{hash}"), 0);
    let text = early["data"]["checks"].to_string();
    assert!(text.contains("give a later checkpoint"), "{text}");
    assert_eq!(early["data"]["held"], plain["data"]["held"], "{text}");
    assert_eq!(early["data"]["unchecked"], 1, "{text}");

    run.exported();
    let chain = Bundle::decode(&run.exported()).unwrap().chain.unwrap();
    let (number, hash) = snapshot::verify(&chain).unwrap().head();
    let head = Checkpoint {
        chain_id: 5_885,
        number,
        hash,
    };
    let whole = run.audit(&format!("run.audit --checkpoint {head} --save-proofs run.proofs"), 0);
    let text = whole["data"]["checks"].to_string();
    assert_eq!(whole["data"]["unchecked"], 0, "{text}");
    // The block, the code, two rounds, two postings, the payments.
    let more = whole["data"]["held"].as_u64().unwrap() - plain["data"]["held"].as_u64().unwrap();
    assert_eq!(more, 7, "{text}");
    // A member's copy of the transcript, the proofs and the checkpoint are enough.
    let copy = run.audit(&format!("a/state --checkpoint {head} --proofs run.proofs"), 0);
    let text = copy["data"]["checks"].to_string();
    assert!(text.contains("round 2, proven in block"), "{text}");
}

#[test]
fn other_held_out_data_are_not_those_committed_to() {
    let run = run();
    let audit = run.audit("run --held-out a.csv", 5);
    assert!(
        audit["error"]["message"].as_str().unwrap().contains("committed"),
        "{}",
        audit["error"]["message"]
    );
}

#[test]
fn a_round_that_the_chain_has_and_the_transcript_lacks_fails() {
    let run = run();
    let mut bundle = Bundle::decode(&run.exported()).unwrap();
    let mut reader = Reader::new(&bundle.transcript);
    let mut posted = Vec::new();
    while let Some(entry) = reader.next().unwrap() {
        if matches!(entry, Entry::Posted { .. }) {
            posted.push(bundle.transcript.len() - reader.rest().len());
        }
    }
    bundle.transcript.truncate(posted[0]);
    fs::write(run.path("short.audit"), bundle.encode()).unwrap();
    let audit = run.audit("short.audit", 5);
    assert!(
        audit["error"]["message"].as_str().unwrap().contains("stage chain"),
        "{}",
        audit["error"]["message"]
    );
}

#[test]
fn the_command_names_round_and_stage_of_a_flipped_byte() {
    let run = run();
    let transcript = fs::read(run.path("run/transcript.xfl")).unwrap();
    for (place, words) in [
        (40, "stage plan"),
        (transcript.len() * 3 / 4, "round "),
        (transcript.len() - 40, "round 2"),
    ] {
        let mut flipped = transcript.clone();
        flipped[place] ^= 1;
        fs::write(run.path("flipped.xfl"), flipped).unwrap();
        let message = run.audit("flipped.xfl", 5)["error"]["message"].to_string();
        assert!(message.contains(words) && message.contains("stage "), "{message}");
    }
    let exported = run.exported();
    for (i, place) in (0..6).map(|i| (i, exported.len() * i / 6)) {
        let mut flipped = exported.clone();
        flipped[place] ^= 0x80;
        let name = format!("flipped-{i}.audit");
        fs::write(run.path(&name), flipped).unwrap();
        run.audit(&name, 5);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Any changed byte of a transcript, a stored update among them, fails with a stage, and with its round once one began.
    #[test]
    fn any_flipped_byte_of_a_transcript_fails_the_audit(at in any::<prop::sample::Index>(), by in 1u8..) {
        static TRANSCRIPT: OnceLock<(Vec<u8>, usize)> = OnceLock::new();
        let (transcript, begun) = TRANSCRIPT.get_or_init(|| {
            let bytes = fs::read(run().path("run/transcript.xfl")).unwrap();
            let mut reader = Reader::new(&bytes);
            while !matches!(reader.next().unwrap(), Some(Entry::Begun { .. })) {}
            let begun = bytes.len() - reader.rest().len();
            (bytes, begun)
        });
        let at = at.index(transcript.len());
        let mut flipped = transcript.clone();
        flipped[at] ^= by;
        let audit = replay(&flipped, None);
        prop_assert!(!audit.holds());
        let failed: Vec<_> = audit.checks.iter().filter(|check| check.verdict == Verdict::Fails).collect();
        prop_assert_eq!(failed.len(), 1);
        prop_assert!(!failed[0].stage.is_empty() && !failed[0].text.is_empty());
        prop_assert_eq!(failed[0].round.is_some(), at >= *begun, "{}", failed[0]);
    }

    /// The same for an exported file, chain snapshot and held-out data included: the section is named.
    #[test]
    fn any_flipped_byte_of_an_exported_file_is_noticed(at in any::<prop::sample::Index>(), by in 1u8..) {
        let mut bytes = run().exported();
        let at = at.index(bytes.len());
        bytes[at] ^= by;
        prop_assert!(Bundle::decode(&bytes).is_err());
    }
}
