//! Starts anvil from npm's `@foundry-rs/anvil`; installs it into `.ci/chain-nodes` if it isn't there.
//!
//! Where Node is missing the test is listed as skipped, by name; in CI that counts as a failure.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

/// A running node, stopped on drop.
pub(crate) struct Node {
    child: Child,
    port: u16,
}

impl Node {
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A fresh anvil of the Prague fork on a port of its own; none where Node is missing.
pub(crate) fn start(test: &str, chain_id: u64) -> Option<Node> {
    static BINARY: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let binary = match BINARY.get_or_init(install) {
        Ok(binary) => binary,
        Err(reason) => {
            eprintln!("skipped: {test} ({reason})");
            assert!(
                std::env::var_os("CI").is_none(),
                "a skipped test is a failure in CI: {test} ({reason})"
            );
            return None;
        }
    };
    let mut child = Command::new(binary)
        .args([
            "--port",
            "0",
            "--hardfork",
            "prague",
            "--chain-id",
            &chain_id.to_string(),
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // It says where it listens, since the port is chosen by the system; the rest of its output is read and dropped.
    let mut lines = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok);
    let port = lines
        .by_ref()
        .find_map(|line| line.strip_prefix("Listening on 127.0.0.1:")?.trim().parse().ok());
    std::thread::spawn(move || lines.for_each(drop));
    let mut node = Node { child, port: 0 };
    node.port = port.expect("anvil ended before it listened");
    Some(node)
}

fn install() -> Result<PathBuf, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.ci/chain-nodes");
    if Command::new("node").arg("--version").output().is_err() {
        return Err("node is missing".into());
    }
    let found = || {
        let scope = std::fs::read_dir(folder.join("node_modules/@foundry-rs")).ok()?;
        let binaries = scope.flatten().map(|package| package.path().join("bin").join("anvil"));
        binaries.into_iter().find(|binary| binary.is_file())
    };
    if let Some(binary) = found() {
        return Ok(binary);
    }
    // npm can't install into one folder twice at once.
    let status = Command::new("npm")
        .args(["ci", "--no-audit", "--no-fund"])
        .current_dir(&folder)
        .output();
    match status {
        Ok(output) if output.status.success() => {
            found().ok_or_else(|| "npm installed no anvil for this platform".into())
        }
        Ok(output) => Err(format!(
            "npm ci failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        )),
        Err(error) => Err(format!("npm did not start: {error}")),
    }
}
