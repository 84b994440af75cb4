//! The demo's processes: one coordinator and five institutions, each this same program.

use std::{path::Path, process::Stdio, time::Duration};

use serde_json::Value;
use tokio::process::{Child, Command};

use super::scenario::{Hospital, Scenario};

/// A process of the demo; killed if the demo ends before it.
pub(crate) struct Process {
    pub(crate) name: String,
    child: Child,
}

/// What a finished process said.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) answer: Value,
    pub(crate) talk: String,
}

impl Process {
    fn start(name: &str, args: &[&str]) -> std::io::Result<Self> {
        let child = Command::new(std::env::current_exe()?)
            .args(args)
            .arg("--json")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        Ok(Self {
            name: name.into(),
            child,
        })
    }

    /// The coordinator, listening on a free port and serving its embedded chain.
    pub(crate) fn coordinator(scenario: &Scenario) -> std::io::Result<Self> {
        let [dir, plan, members, key, payout, held_out] = [
            scenario.run_dir(),
            scenario.file("federation.toml"),
            scenario.file("members.toml"),
            scenario.file("coordinator.pem"),
            scenario.file("coordinator-payout.key"),
            scenario.held_out(),
        ]
        .map(|p| p.display().to_string());
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
            "127.0.0.1:0",
            "--rpc-listen",
            "127.0.0.1:0",
            "--held-out",
            &held_out,
            "--serve",
        ];
        Self::start("coordinator", &args)
    }

    /// A hospital.
    pub(crate) fn hospital(
        scenario: &Scenario,
        hospital: &Hospital,
        address: &str,
        attack: bool,
    ) -> std::io::Result<Self> {
        let [dir, key, payout, data] = [
            hospital.dir.join("state"),
            hospital.key(),
            hospital.payout(),
            hospital.data(),
        ]
        .map(|p| p.display().to_string());
        let coordinator = scenario.coordinator.to_string();
        let mut args = vec![
            "join",
            "--coordinator",
            address,
            "--coordinator-key",
            &coordinator,
            "--dir",
            &dir,
            "--key",
            &key,
            "--payout-key",
            &payout,
            "--data",
            &data,
        ];
        if attack {
            args.extend(["--attack", "sign-flip"]);
        }
        Self::start(&hospital.name, &args)
    }

    /// A hospital's claim.
    pub(crate) fn claim(hospital: &Hospital, rpc: &str) -> std::io::Result<Self> {
        let [dir, key, payout] =
            [hospital.dir.join("state"), hospital.key(), hospital.payout()].map(|p| p.display().to_string());
        Self::start(
            &hospital.name,
            &[
                "claim",
                "--dir",
                &dir,
                "--key",
                &key,
                "--payout-key",
                &payout,
                "--rpc",
                rpc,
            ],
        )
    }

    /// The auditor.
    pub(crate) fn audit(scenario: &Scenario) -> std::io::Result<Self> {
        let [dir, held_out] = [scenario.run_dir(), scenario.held_out()].map(|p| p.display().to_string());
        Self::start("audit", &["audit", &dir, "--held-out", &held_out])
    }

    /// Whether it is over already.
    pub(crate) fn is_over(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Asks it to stop, as Ctrl-C does.
    pub(crate) fn interrupt(&self) {
        let pid = self
            .child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            // It may be over already.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::INT);
        }
    }

    /// Waits for its end and its answer.
    pub(crate) async fn finish(self, patience: Duration) -> Result<Finished, String> {
        let Self { name, child } = self;
        let output = tokio::time::timeout(patience, child.wait_with_output())
            .await
            .map_err(|_| format!("{name} didn't end within {} s", patience.as_secs()))?
            .map_err(|e| format!("{name}: {e}"))?;
        let talk = String::from_utf8_lossy(&output.stderr).into_owned();
        let text = String::from_utf8_lossy(&output.stdout);
        let answer = text.lines().rev().find_map(|line| serde_json::from_str(line).ok());
        let answer = answer
            .or_else(|| serde_json::from_str(&text).ok())
            .unwrap_or(Value::Null);
        Ok(Finished {
            code: output.status.code(),
            answer,
            talk,
        })
    }
}

/// Reads a small JSON file that another process replaces as a whole.
pub(crate) fn read_json(path: &Path) -> Option<Value> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}
