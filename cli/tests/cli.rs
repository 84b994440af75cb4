//! The binary as people use it: what it says, where, and how it exits.

#![allow(clippy::unwrap_used, reason = "what goes wrong in a helper fails its test")]

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;

/// A folder and the commands run in it.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn xfl(&self, line: &str) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xfl"));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("XFL_")) {
            command.env_remove(name);
        }
        let output = command
            .args(line.split_whitespace())
            .current_dir(self.0.path())
            .env_remove("RUST_LOG")
            .output();
        Said::from(output.unwrap())
    }

    /// A federation of two members, "a" and "b", with keys in folders of these names.
    fn federation() -> Self {
        let desk = Self::new();
        desk.xfl("init").good();
        for name in ["a", "b"] {
            let keys = desk.xfl(&format!("keygen --out {name}")).good();
            let node = keys.out.split_whitespace().nth(1).unwrap().to_owned();
            desk.xfl(&format!("member add {node} --name {name}")).good();
        }
        desk
    }

    fn edit(&self, file: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.path(file)).unwrap();
        assert!(text.contains(from), "{file} has no {from:?}");
        fs::write(self.path(file), text.replacen(from, to, 1)).unwrap();
    }

    fn patients(&self, file: &str) {
        let csv = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/data/breast_cancer_wisconsin.csv");
        fs::copy(csv, self.path(file)).unwrap();
    }
}

/// What a command said.
struct Said {
    code: i32,
    out: String,
    err: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Said {
    #[track_caller]
    fn good(self) -> Self {
        assert_eq!(self.code, 0, "{}{}", self.out, self.err);
        self
    }

    /// Fails with this code and these words, on stderr, with a hint on a line of its own.
    #[track_caller]
    fn fails(self, code: i32, words: &[&str]) -> Self {
        assert_eq!(self.code, code, "{}{}", self.out, self.err);
        let error = self
            .err
            .lines()
            .find(|line| line.starts_with("error: "))
            .unwrap_or_else(|| panic!("{}", self.err));
        assert!(!error.ends_with('.'), "{error}");
        assert!(
            self.err.lines().any(|line| line.starts_with("hint: ")),
            "no hint: {}",
            self.err
        );
        for word in words {
            assert!(
                self.err.contains(word) || self.out.contains(word),
                "no {word:?} in {}{}",
                self.out,
                self.err
            );
        }
        self
    }

    fn json(&self) -> Value {
        assert_eq!(self.out.lines().count(), 1, "{}", self.out);
        let value: Value = serde_json::from_str(&self.out).unwrap();
        assert_eq!(value["schema"], 1);
        value
    }
}

#[test]
fn every_command_has_help_on_stdout() {
    let desk = Desk::new();
    let help = desk.xfl("--help").good();
    let commands = help
        .out
        .split("Commands:")
        .nth(1)
        .unwrap()
        .split("\n\n")
        .next()
        .unwrap();
    let names: Vec<_> = commands
        .lines()
        .filter_map(|line| line.strip_prefix("  ").filter(|rest| !rest.starts_with(' ')))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    for name in [
        "init",
        "keygen",
        "member",
        "round",
        "join",
        "status",
        "evaluate",
        "audit",
        "claim",
        "completions",
    ] {
        assert!(names.contains(&name), "{name} is missing: {names:?}");
    }
    for name in names {
        let said = desk.xfl(&format!("{name} --help")).good();
        assert!(
            said.out.contains("Usage:") && said.err.is_empty(),
            "{name}: {}",
            said.err
        );
    }
    assert!(desk.xfl("--version").good().out.starts_with("xfl "));
    assert!(
        !desk.xfl("join --help").good().out.contains("poison"),
        "rehearsals are hidden"
    );
}

#[test]
fn completions_name_the_commands() {
    let desk = Desk::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(
            desk.xfl(&format!("completions {shell}"))
                .good()
                .out
                .contains("evaluate"),
            "{shell}"
        );
    }
}

#[test]
fn usage_mistakes_exit_with_2_and_in_json_where_asked() {
    let desk = Desk::new();
    assert_eq!(desk.xfl("frobnicate").code, 2);
    let said = desk.xfl("round --rounds zero --json");
    assert_eq!(said.code, 2);
    let value = said.json();
    assert_eq!(value["status"], "error");
    assert_eq!(value["error"]["code"], 2);
    assert!(value["error"]["message"].as_str().unwrap().contains("zero"));
    assert!(value["error"]["hint"].is_string());
}

#[test]
fn init_writes_private_keys_once() {
    let desk = Desk::new();
    let said = desk.xfl("init fed").good();
    assert!(said.out.starts_with("coordinator  ") && said.err.contains("federation.toml"));
    for key in ["fed/coordinator.pem", "fed/coordinator-payout.key"] {
        let mode = fs::metadata(desk.path(key)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{key}");
    }
    let before = fs::read(desk.path("fed/coordinator.pem")).unwrap();
    desk.xfl("init fed")
        .fails(2, &["exists already", "nothing was changed"]);
    assert_eq!(fs::read(desk.path("fed/coordinator.pem")).unwrap(), before);
    desk.xfl("keygen --key fed/coordinator.pem --payout fed/new.key")
        .fails(2, &["coordinator.pem exists"]);
    assert!(!desk.path("fed/new.key").exists());
}

#[test]
fn members_are_added_listed_and_removed() {
    let desk = Desk::federation();
    let list = desk.xfl("member list --json").good().json();
    assert_eq!(list["data"]["members"][1]["name"], "b");
    let node = list["data"]["members"][0]["node"].as_str().unwrap().to_owned();
    desk.xfl(&format!("member add {node} --name c"))
        .fails(2, &["on the list already", "\"a\""]);
    desk.xfl("member remove nobody")
        .fails(2, &["\"nobody\" is not on the list"]);
    desk.xfl("member remove a").good();
    let text = fs::read_to_string(desk.path("members.toml")).unwrap();
    assert!(text.starts_with("# Who may take part") && !text.contains(&node));
    desk.xfl("member list --members elsewhere.toml")
        .fails(2, &["elsewhere.toml", "xfl init"]);
    desk.xfl("round").fails(2, &["1 members, and a quorum is 2"]);
    assert_eq!(desk.xfl("member add 12ab --name x").code, 2);
}

#[test]
fn configuration_errors_name_file_line_and_key() {
    let desk = Desk::federation();
    let plan = fs::read_to_string(desk.path("federation.toml")).unwrap();
    for (from, to, words) in [
        ("batch = 52", "batch = 0", ["`training.batch`", "got 0"]),
        (
            "rule = \"median\"",
            "rule = \"mode\"",
            ["`aggregation.rule`", "unknown variant `mode`"],
        ),
        ("clip = 1.0", "clipp = 1.0", ["`privacy.clipp`", "unknown field"]),
        ("delta = 1e-5", "delta = 2.0", ["`privacy.delta`", "2"]),
        ("count = 10", "count = \"many\"", ["`rounds.count`", "invalid type"]),
    ] {
        assert!(plan.contains(from), "{from}");
        let changed = plan.replacen(from, to, 1);
        let line = changed.lines().position(|l| l.contains(to)).unwrap() + 1;
        fs::write(desk.path("federation.toml"), &changed).unwrap();
        desk.xfl("round")
            .fails(2, &[&format!("federation.toml:{line}: {}", words[0]), words[1]]);
    }
    fs::write(
        desk.path("federation.toml"),
        plan.replacen("noise_multiplier = 2.0", "noise_multiplier = 20.0", 1),
    )
    .unwrap();
    desk.xfl("round").fails(
        2,
        &["federation.toml:", "`privacy.noise_multiplier`", "noise would decide"],
    );
    fs::remove_file(desk.path("federation.toml")).unwrap();
    desk.xfl("round").fails(2, &["federation.toml", "xfl init"]);
}

#[test]
fn keys_that_are_no_secret_or_not_the_plans_are_refused() {
    let desk = Desk::federation();
    fs::set_permissions(desk.path("coordinator.pem"), fs::Permissions::from_mode(0o644)).unwrap();
    desk.xfl("round")
        .fails(3, &["coordinator.pem is open to others", "0644", "chmod 600"]);
    desk.xfl("round --key a/node.pem")
        .fails(3, &["not the plan's coordinator"]);
    desk.xfl("round --key missing.pem")
        .fails(3, &["no key file at missing.pem", "xfl keygen"]);
    fs::set_permissions(desk.path("coordinator.pem"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(desk.path("coordinator-payout.key"), fs::Permissions::from_mode(0o604)).unwrap();
    desk.xfl("round")
        .fails(3, &["coordinator-payout.key is open to others"]);
}

#[test]
fn a_port_in_use_is_named() {
    let desk = Desk::federation();
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let line = format!("round --listen 127.0.0.1:{port} --rpc-listen 127.0.0.1:0");
    desk.xfl(&line)
        .fails(3, &[&format!("udp port {port} is in use"), "--listen"]);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let line = format!("round --dir other --listen 127.0.0.1:0 --rpc-listen {address}");
    desk.xfl(&line)
        .fails(3, &[&address.to_string(), "in use", "--rpc-listen"]);
}

#[test]
fn leave_one_out_needs_held_out_data() {
    let desk = Desk::federation();
    desk.edit("federation.toml", "kind = \"cosine\"", "kind = \"leave-one-out\"");
    desk.xfl("round").fails(2, &["leave-one-out", "--held-out"]);
}

#[test]
fn status_evaluate_claim_and_audit_say_what_is_missing() {
    let desk = Desk::federation();
    desk.patients("data.csv");
    desk.xfl("status").fails(2, &["run/status.json", "--dir"]);
    desk.xfl("evaluate").fails(2, &["run/model.safetensors"]);
    fs::write(desk.path("model.safetensors"), b"{}").unwrap();
    desk.xfl("evaluate --model model.safetensors")
        .fails(2, &["model.safetensors", "safetensors"]);
    desk.xfl("claim --payout-key a/payout.key")
        .fails(2, &["institution/transcript.xfl", "--transcript"]);
    desk.xfl("audit").fails(2, &["run", "directory"]);
    fs::write(desk.path("t.xfl"), b"not a transcript").unwrap();
    desk.xfl("audit t.xfl")
        .fails(5, &["the audit fails: stage plan", "FAIL"]);
    let value = desk.xfl("audit t.xfl --json").json();
    assert_eq!(
        (&value["status"], &value["error"]["code"]),
        (&"error".into(), &5.into())
    );
    assert_eq!(value["error"]["checks"][0]["verdict"], "fails");
}

/// Each thing that can be wrong with a data file is its own error, with line and column.
#[test]
fn bad_data_are_named_by_line_and_column() {
    let desk = Desk::federation();
    desk.patients("data.csv");
    let good = fs::read_to_string(desk.path("data.csv")).unwrap();
    let check = |text: String, words: &[&str]| {
        fs::write(desk.path("data.csv"), text).unwrap();
        desk.xfl("evaluate").fails(2, words);
    };
    check(
        good.replacen("malignant", "malign", 1),
        &["data.csv", "line 2", "malign", "diagnosis"],
    );
    check(
        good.replacen("17.99", "NaN", 1),
        &["data.csv", "line 2", "radius_mean", "NaN"],
    );
    check(good.replacen("radius_mean", "radius", 1), &["data.csv", "radius_mean"]);
    check(String::new(), &["data.csv", "empty"]);
    check(good.lines().next().unwrap().to_owned() + "\n", &["data.csv", "no"]);
    fs::remove_file(desk.path("data.csv")).unwrap();
    desk.xfl("evaluate").fails(2, &["data.csv"]);
}

#[test]
fn a_missing_gpu_is_an_error_before_anything_starts() {
    let desk = Desk::federation();
    desk.patients("data.csv");
    if Path::new("/dev/nvidiactl").exists() {
        return;
    }
    desk.xfl("evaluate --device cuda").fails(2, &["cuda:0", "--device cpu"]);
    let key = "ab".repeat(32);
    let line = format!("join --coordinator-key {key} --key a/node.pem --payout-key a/payout.key --device cuda:3");
    desk.xfl(&line).fails(2, &["cuda:3"]);
    assert!(!desk.path("institution").exists());
    desk.xfl("evaluate --device tpu")
        .fails(2, &["expected cpu, cuda or cuda:N"]);
}

#[test]
fn the_preflight_lists_everything_and_spends_nothing() {
    let desk = Desk::federation();
    desk.patients("data.csv");
    // Nobody listens there.
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let line = format!(
        "join --check --plan federation.toml --coordinator {address} --key a/node.pem --payout-key a/payout.key"
    );
    let said = desk.xfl(&line).fails(3, &["no answer from", "firewall"]);
    for item in ["plan", "node key", "payout key", "device", "data", "budget"] {
        let ok = said
            .out
            .lines()
            .any(|l| l.starts_with("ok") && l[4..].trim_start().starts_with(item));
        assert!(ok, "{item}: {}", said.out);
    }
    assert!(said.out.contains("569 examples of 30 features"), "{}", said.out);
    assert!(said.out.contains("after 10 rounds epsilon"), "{}", said.out);
    assert!(!desk.path("institution").exists());
    desk.xfl("join --check --key a/node.pem")
        .fails(2, &["--coordinator-key", "not checked against a schema"]);
    desk.xfl("join --key a/node.pem --payout-key a/payout.key")
        .fails(2, &["the coordinator's key is not known"]);
}
