//! `kill -9` at any moment, of an institution or of the coordinator: the federation finishes all the same.
//!
//! Real processes of the real program over QUIC; the moments are spread over the run. That every *stage* is hit is the
//! world test's part (fl-core/tests/world.rs), which crashes either side between any two steps.
#![allow(missing_docs, clippy::unwrap_used)]

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use serde_json::Value;

const HOSPITALS: [&str; 5] = ["northfield", "riverside", "hillcrest", "lakeview", "mallory"];
const ROUNDS: u64 = 6;

struct Federation {
    dir: tempfile::TempDir,
    coordinator_key: String,
    address: String,
}

impl Federation {
    fn new(masked: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("federation");
        let rounds = ROUNDS.to_string();
        let mut args = vec![
            "demo",
            "--write-only",
            "--json",
            "--rounds",
            &rounds,
            "--dir",
            path.to_str().unwrap(),
        ];
        if masked {
            args.push("--masked");
        }
        let output = Command::new(env!("CARGO_BIN_EXE_xfl")).args(args).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        let coordinator_key = answer["data"]["coordinator_key"].as_str().unwrap().to_owned();
        Self {
            dir,
            coordinator_key,
            address: "127.0.0.1:0".into(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("federation").join(name)
    }

    fn start(&self, name: &str, args: &[&str]) -> Child {
        let log = |end: &str| {
            let path = self.dir.path().join(format!("{name}.{end}"));
            std::fs::OpenOptions::new()
                .create(true)
                .append(true)
                .open(path)
                .unwrap()
        };
        let mut command = Command::new(env!("CARGO_BIN_EXE_xfl"));
        command
            .args(args)
            .arg("--json")
            .stdin(Stdio::null())
            .stdout(log("out"))
            .stderr(log("err"))
            .spawn()
            .unwrap()
    }

    fn coordinator(&self) -> Child {
        let [dir, plan, members, key, payout, held_out] = [
            "coordinator",
            "federation.toml",
            "members.toml",
            "coordinator.pem",
            "coordinator-payout.key",
            "held-out.csv",
        ]
        .map(|n| self.path(n).to_str().unwrap().to_owned());
        let args = [
            "round",
            "--dir",
            &dir,
            "--plan",
            &plan,
            "--members",
            &members,
            "--key",
            &key,
            "--payout-key",
            &payout,
            "--listen",
            &self.address,
            "--held-out",
            &held_out,
            "--rpc-listen",
            "127.0.0.1:0",
        ];
        self.start("coordinator", &args)
    }

    fn hospital(&self, name: &str) -> Child {
        let own = self.path(name);
        let [dir, key, payout, data] =
            ["state", "node.pem", "payout.key", "patients.csv"].map(|n| own.join(n).to_str().unwrap().to_owned());
        let args = [
            "join",
            "--coordinator",
            &self.address,
            "--coordinator-key",
            &self.coordinator_key,
            "--dir",
            &dir,
            "--key",
            &key,
            "--payout-key",
            &payout,
            "--data",
            &data,
        ];
        self.start(name, &args)
    }

    fn wait_for_address(&mut self) {
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            let file = std::fs::read(self.path("coordinator/address.json")).ok();
            let value = file.and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
            if let Some(address) = value.and_then(|v| v["coordinator"].as_str().map(str::to_owned)) {
                self.address = address;
                return;
            }
            assert!(Instant::now() < until, "the coordinator doesn't start: {}", self.logs());
            sleep(Duration::from_millis(20));
        }
    }

    fn logs(&self) -> String {
        let mut text = String::new();
        for entry in std::fs::read_dir(self.dir.path()).unwrap().flatten() {
            if entry.path().is_file() {
                let content = std::fs::read_to_string(entry.path()).unwrap_or_default();
                text += &format!("--- {}\n{content}\n", entry.file_name().to_string_lossy());
            }
        }
        text
    }

    fn finish(&self, child: &mut Child, what: &str) {
        let until = Instant::now() + Duration::from_secs(150);
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                assert!(status.success(), "{what}: {status}\n{}", self.logs());
                return;
            }
            assert!(Instant::now() < until, "{what} doesn't end\n{}", self.logs());
            sleep(Duration::from_millis(50));
        }
    }

    /// The audit holds, every round is posted once, and no budget was charged twice for one release.
    fn check(&self) {
        let dir = self.path("coordinator");
        let held_out = self.path("held-out.csv");
        let args = [
            "audit",
            dir.to_str().unwrap(),
            "--held-out",
            held_out.to_str().unwrap(),
            "--json",
        ];
        let output = Command::new(env!("CARGO_BIN_EXE_xfl")).args(args).output().unwrap();
        assert!(
            output.status.success(),
            "{}\n{}",
            String::from_utf8_lossy(&output.stdout),
            self.logs()
        );
        let metrics = std::fs::read_to_string(self.path("coordinator/metrics.jsonl")).unwrap();
        let rounds: Vec<u64> = metrics
            .lines()
            .map(|l| serde_json::from_str::<Value>(l).unwrap()["round"].as_u64().unwrap())
            .collect();
        let distinct: BTreeSet<u64> = rounds.iter().copied().collect();
        assert_eq!(
            distinct.into_iter().collect::<Vec<_>>(),
            (1..=ROUNDS).collect::<Vec<_>>()
        );
        for name in HOSPITALS {
            charged_once(&self.path(name).join("state/budget.jsonl"));
        }
    }
}

fn charged_once(budget: &Path) {
    let text = std::fs::read_to_string(budget).unwrap();
    let mut charged = BTreeSet::new();
    for line in text.lines() {
        let entry: Value = serde_json::from_str(line).unwrap();
        if !entry["round"].is_null() {
            let key = (entry["round"].as_u64(), entry["attempt"].as_u64());
            assert!(charged.insert(key), "{}: {key:?} was charged twice", budget.display());
        }
    }
    assert!(charged.len() as u64 >= ROUNDS - 2, "{}: {text}", budget.display());
}

/// One run in which `victim` (0 for the coordinator, else a hospital) is killed after `delay` and started again.
fn kill(masked: bool, victim: usize, delay: Duration) {
    let mut federation = Federation::new(masked);
    let mut coordinator = federation.coordinator();
    federation.wait_for_address();
    let mut hospitals: Vec<Child> = HOSPITALS.iter().map(|h| federation.hospital(h)).collect();
    sleep(delay);
    if victim == 0 {
        coordinator.kill().unwrap();
        coordinator.wait().unwrap();
        coordinator = federation.coordinator();
    } else {
        hospitals[victim - 1].kill().unwrap();
        hospitals[victim - 1].wait().unwrap();
        sleep(Duration::from_millis(300));
        hospitals[victim - 1] = federation.hospital(HOSPITALS[victim - 1]);
    }
    federation.finish(&mut coordinator, "the coordinator");
    for (name, hospital) in HOSPITALS.iter().zip(&mut hospitals) {
        federation.finish(hospital, name);
    }
    federation.check();
}

#[test]
fn an_institution_dies_and_comes_back() {
    for (i, millis) in [150, 400, 800].into_iter().enumerate() {
        kill(false, i + 1, Duration::from_millis(millis));
    }
}

#[test]
fn an_institution_of_a_masked_federation_dies_and_comes_back() {
    for (i, millis) in [200, 600, 1200].into_iter().enumerate() {
        kill(true, i + 2, Duration::from_millis(millis));
    }
}

#[test]
fn the_coordinator_dies_and_goes_on() {
    for (masked, millis) in [(false, 200), (false, 500), (false, 900), (true, 400), (true, 1000)] {
        kill(masked, 0, Duration::from_millis(millis));
    }
}
