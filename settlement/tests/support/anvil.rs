//! Starts nodes that others wrote: anvil from npm's `@foundry-rs/anvil` and hardhat's; installs them into `.ci/chain-nodes` if they aren't there.
//!
//! Where Node is missing the test is listed as skipped, by name; in CI that counts as a failure.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

/// A running node, killed on drop.
pub(crate) struct Node {
    child: Child,
    port: u16,
}

impl Node {
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Power off, without a chance to tidy up.
    #[allow(dead_code)]
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
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
    start_with(test, chain_id, 0, &[])
}

/// An anvil on a port (0 for any free one) with arguments of its own.
pub(crate) fn start_with(test: &str, chain_id: u64, port: u16, more: &[&str]) -> Option<Node> {
    let folder = installed(test)?;
    let scope = std::fs::read_dir(folder.join("node_modules/@foundry-rs")).unwrap();
    let mut binaries = scope.flatten().map(|package| package.path().join("bin").join("anvil"));
    let binary = binaries.find(|binary| binary.is_file()).unwrap();
    let (port, chain_id) = (port.to_string(), chain_id.to_string());
    let mut command = Command::new(binary);
    command
        .args(["--port", &port, "--hardfork", "prague", "--chain-id", &chain_id])
        .args(more);
    Some(listening(&mut command, "Listening on 127.0.0.1:"))
}

/// A fresh hardhat node.
#[allow(dead_code)]
pub(crate) fn start_hardhat(test: &str, chain_id: u64) -> Option<Node> {
    let folder = installed(test)?;
    let place = std::env::temp_dir().join(format!("xfl-hardhat-{}", std::process::id()));
    std::fs::create_dir_all(&place).unwrap();
    // Its configuration must lie beside its modules' resolution, and its caches must not lie in the repository.
    let config = folder.join(format!("hardhat-{}.tmp.js", std::process::id()));
    let text = format!(
        "module.exports = {{ networks: {{ hardhat: {{ chainId: {chain_id}, hardfork: 'prague' }} }}, paths: {{ root: {place:?}, cache: {place:?}, artifacts: {place:?} }} }};"
    );
    std::fs::write(&config, text).unwrap();
    // It prints the port that it was given, not the one it got.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let mut command = Command::new("node");
    command
        .arg(folder.join("node_modules/hardhat/internal/cli/bootstrap.js"))
        .args([
            "--config",
            config.to_str().unwrap(),
            "node",
            "--hostname",
            "127.0.0.1",
            "--port",
            &port.to_string(),
        ])
        .env("HARDHAT_DISABLE_TELEMETRY_PROMPT", "true")
        // Where CI is set it writes its lines in colour.
        .env("NO_COLOR", "1")
        .current_dir(&folder);
    let node = listening(
        &mut command,
        "Started HTTP and WebSocket JSON-RPC server at http://127.0.0.1:",
    );
    let _ = std::fs::remove_file(config);
    Some(node)
}

/// Starts a node and waits until it says where it listens; the rest of its output is read and dropped.
fn listening(command: &mut Command, says: &str) -> Node {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap());
    let mut node = Node { child, port: 0 };
    let (tell, told) = std::sync::mpsc::channel();
    let says = says.to_owned();
    std::thread::spawn(move || {
        for line in lines.lines().map_while(Result::ok) {
            if let Some((_, rest)) = line.split_once(&says) {
                let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
                let _ = rest[..digits].parse().map(|port| tell.send(port));
            }
        }
    });
    node.port = told
        .recv_timeout(std::time::Duration::from_secs(60))
        .expect("the node didn't say within a minute where it listens");
    node
}

/// The folder with the nodes; none where they can't be had, and then the test is listed as skipped.
fn installed(test: &str) -> Option<PathBuf> {
    static FOLDER: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    match FOLDER.get_or_init(install) {
        Ok(folder) => Some(folder.clone()),
        Err(reason) => {
            eprintln!("skipped: {test} ({reason})");
            assert!(
                std::env::var_os("CI").is_none(),
                "a skipped test is a failure in CI: {test} ({reason})"
            );
            None
        }
    }
}

fn install() -> Result<PathBuf, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.ci/chain-nodes");
    if Command::new("node").arg("--version").output().is_err() {
        return Err("node is missing".into());
    }
    let found = || {
        let scope = std::fs::read_dir(folder.join("node_modules/@foundry-rs")).ok()?;
        let mut binaries = scope.flatten().map(|package| package.path().join("bin").join("anvil"));
        let hardhat = folder.join("node_modules/hardhat/internal/cli/bootstrap.js");
        (binaries.any(|binary| binary.is_file()) && hardhat.is_file()).then(|| folder.clone())
    };
    if let Some(folder) = found() {
        return Ok(folder);
    }
    // npm can't install into one folder twice at once.
    let status = Command::new("npm")
        .args(["ci", "--no-audit", "--no-fund"])
        .current_dir(&folder)
        .output();
    match status {
        Ok(output) if output.status.success() => {
            found().ok_or_else(|| "npm installed no nodes for this platform".into())
        }
        Ok(output) => Err(format!(
            "npm ci failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        )),
        Err(error) => Err(format!("npm did not start: {error}")),
    }
}
