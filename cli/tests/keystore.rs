//! Payout keys at rest: a keystore file that other programs read, opened by its password alone.
#![allow(clippy::unwrap_used, reason = "what goes wrong in a helper fails its test")]

use std::{
    fs,
    io::{Read, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;

/// The vector of the Web3 Secret Storage Definition for PBKDF2; its password is "testpassword".
const VECTOR: &str = r#"{"crypto":{"cipher":"aes-128-ctr","cipherparams":{"iv":"6087dab2f9fdbbfaddc31a909735c1e6"},
"ciphertext":"5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46","kdf":"pbkdf2",
"kdfparams":{"c":262144,"dklen":32,"prf":"hmac-sha256","salt":"ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd"},
"mac":"517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2"},
"id":"3198bc9c-6672-5ab3-d995-4942343ae5b6","version":3}"#;

/// What the program says, with a password or none; it has no terminal to ask on.
fn xfl(folder: &Path, line: &str, password: Option<&str>) -> (i32, Value) {
    let mut command = Command::new("setsid");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("XFL_")) {
        command.env_remove(name);
    }
    command.envs(password.map(|password| ("XFL_PASSWORD", password)));
    let output = command
        .arg("--wait")
        .arg(env!("CARGO_BIN_EXE_xfl"))
        .args(line.split_whitespace())
        .arg("--json")
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let password = password.unwrap_or("\0");
    assert!(!text.contains(password), "a password is never said: {text}");
    (
        output.status.code().unwrap(),
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{text}")),
    )
}

#[test]
fn an_encrypted_key_opens_with_its_password_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let (code, unasked) = xfl(folder.path(), "keygen --encrypt --out k", None);
    assert_eq!(code, 2, "{unasked}");
    assert!(unasked["error"]["hint"].as_str().unwrap().contains("XFL_PASSWORD"));
    assert!(!folder.path().join("k/node.pem").exists(), "nothing is left of it");
    let (code, made) = xfl(folder.path(), "keygen --encrypt --out k", Some("correct horse"));
    assert_eq!(code, 0, "{made}");
    let file = folder.path().join("k/payout.key");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let store: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    assert_eq!(
        (store["version"].as_u64(), store["crypto"]["kdf"].as_str()),
        (Some(3), Some("scrypt"))
    );

    let claim = "claim --dir nothing --payout-key k/payout.key";
    let (code, wrong) = xfl(folder.path(), claim, Some("incorrect horse"));
    assert_eq!(code, 3);
    assert!(
        wrong["error"]["message"].as_str().unwrap().contains("wrong password"),
        "{wrong}"
    );
    // Opened, it fails at the transcript that isn't there.
    let (code, opened) = xfl(folder.path(), claim, Some("correct horse"));
    assert_eq!(code, 2);
    assert!(
        opened["error"]["message"].as_str().unwrap().contains("transcript"),
        "{opened}"
    );
}

/// What a program says on a terminal where these lines are typed, each when it is asked for; `script` (of util-linux) makes the terminal.
fn typed(folder: &Path, program: &str, answers: &[(&str, &str)]) -> (i32, String) {
    let mut command = Command::new("timeout");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("XFL_")) {
        command.env_remove(name);
    }
    let mut terminal = command
        .args(["60", "script", "--quiet", "--return", "--command", program, "/dev/null"])
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut keys, mut screen) = (terminal.stdin.take().unwrap(), terminal.stdout.take().unwrap());
    let mut shown = Vec::new();
    let mut byte = [0];
    for (question, answer) in answers {
        let from = shown.len();
        while !String::from_utf8_lossy(&shown[from..]).contains(question) {
            assert_eq!(
                screen.read(&mut byte).unwrap(),
                1,
                "{}",
                String::from_utf8_lossy(&shown)
            );
            shown.push(byte[0]);
        }
        keys.write_all(answer.as_bytes()).unwrap();
        keys.write_all(b"\r").unwrap();
    }
    screen.read_to_end(&mut shown).unwrap();
    drop(keys);
    let code = terminal.wait().unwrap().code().unwrap();
    (code, String::from_utf8_lossy(&shown).into_owned())
}

#[test]
fn a_password_is_asked_for_on_the_terminal_and_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let xfl_line = |line: &str| format!("{} {line}", env!("CARGO_BIN_EXE_xfl"));
    let make = &xfl_line("keygen --encrypt --out k");
    let twice = |one, other| [("new password", one), ("again: ", other)];
    let (code, shown) = typed(folder.path(), make, &twice("correct horse", "incorrect horse"));
    assert_eq!(code, 2, "{shown}");
    assert!(shown.contains("the two passwords differ"), "{shown}");
    assert!(!folder.path().join("k/payout.key").exists());
    let (code, empty) = typed(folder.path(), make, &twice("", ""));
    assert!(code == 2 && empty.contains("the password is empty"), "{empty}");
    let (code, made) = typed(folder.path(), make, &twice("correct horse", "correct horse"));
    assert_eq!(code, 0, "{made}");
    let line = "claim --dir nothing --payout-key k/payout.key";
    let claim = &xfl_line(line);
    let (code, opened) = typed(folder.path(), claim, &[("password of k/payout.key: ", "correct horse")]);
    assert!(code == 2 && opened.contains("transcript"), "{opened}");
    let (code, wrong) = typed(
        folder.path(),
        claim,
        &[("password of k/payout.key: ", "battery staple")],
    );
    assert!(code == 3 && wrong.contains("wrong password"), "{wrong}");
    for screen in [shown, made, opened, wrong] {
        assert!(!screen.contains("horse") && !screen.contains("staple"), "{screen}");
    }
    // What is typed on the terminal is what the environment would have said.
    let (code, opened) = xfl(folder.path(), line, Some("correct horse"));
    assert_eq!(code, 2, "{opened}");
    // This terminal shows what is typed, unless it is told not to.
    let (code, echoed) = typed(folder.path(), "sh -c 'echo what?; read word'", &[("what?", "battery")]);
    assert!(code == 0 && echoed.contains("battery"), "{echoed}");
}

#[test]
fn keystores_of_other_programs_open_and_damaged_ones_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("foreign.json");
    let put = |text: &str| {
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    };
    let claim = "claim --dir nothing --payout-key foreign.json";
    put(VECTOR);
    let (code, opened) = xfl(folder.path(), claim, Some("testpassword"));
    assert_eq!(code, 2, "{opened}");
    let damaged = [
        VECTOR.replace("\"dklen\":32", "\"dklen\":16"),
        VECTOR.replace("262144", "99999999999"),
        VECTOR.replace("\"version\":3", "\"version\":1"),
        VECTOR.replace("\"ciphertext\":\"53", "\"ciphertext\":\""),
        "{".into(),
    ];
    for text in damaged {
        put(&text);
        let (code, refused) = xfl(folder.path(), claim, Some("testpassword"));
        assert_eq!(code, 3, "{text}: {refused}");
    }
}
