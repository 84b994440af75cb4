//! Encrypted payout keys: the keystore files (Web3 Secret Storage, version 3) that other Ethereum programs read and write too.
//!
//! The password comes from `XFL_PASSWORD` or is asked for on the terminal, without an echo; it is never an argument and never logged.
//! Files are checked before they are decrypted, so that none can ask for more memory than [`MOST_MEMORY`].

use std::{
    fs::OpenOptions,
    io::{self, Read, Write},
    path::Path,
};

use rand08::rngs::OsRng;
use serde_json::Value;
use xfl_core::node::keyfile;
use xfl_settlement::payout::PayoutKey;
use zeroize::Zeroizing;

use crate::failure::{Code, Failure};

/// Memory that the derivation of a key may take, in bytes.
const MOST_MEMORY: u64 = 1 << 30;
/// Iterations of PBKDF2 at most.
const MOST_ITERATIONS: u64 = 10_000_000;
/// The longest password that is typed, in bytes.
const LONGEST: usize = 1024;
/// The environment variable with the password.
const VARIABLE: &str = "XFL_PASSWORD";

/// Whether a key file's content is a keystore's.
pub(crate) fn is_one(content: &[u8]) -> bool {
    content.trim_ascii_start().starts_with(b"{")
}

/// Decrypts a keystore file.
pub(crate) fn read(path: &Path, content: &[u8]) -> Result<PayoutKey, Failure> {
    let unfit = |what: &str| {
        Failure::new(Code::Network, format!("keystore {}: {what}", path.display()))
            .hint("name a keystore file of version 3, such as `xfl keygen --encrypt` writes")
    };
    check(content).map_err(unfit)?;
    let password = password(&format!("password of {}: ", path.display()))?;
    let secret = eth_keystore::decrypt_key(path, password.as_bytes()).map_err(|error| match error {
        eth_keystore::KeystoreError::MacMismatch => {
            Failure::new(Code::Network, format!("keystore {}: wrong password", path.display()))
                .hint(format!("check the password, and what {VARIABLE} is set to"))
        }
        error => unfit(&error.to_string()),
    })?;
    let secret = Zeroizing::new(secret);
    let bytes: Zeroizing<[u8; 32]> = match secret.as_slice().try_into() {
        Ok(bytes) => Zeroizing::new(bytes),
        Err(_) => return Err(unfit("it holds no key of 32 bytes")),
    };
    PayoutKey::from_secret(&bytes).map_err(|error| unfit(&error.to_string()))
}

/// Writes a key to a new keystore file; the password is asked for twice where it is asked for.
pub(crate) fn write(path: &Path, key: &PayoutKey) -> Result<(), Failure> {
    let password = match from_environment()? {
        Some(password) => password,
        None => {
            let first = prompt(&format!("new password for {}: ", path.display()))?;
            if *prompt("again: ")? != *first {
                return Err(Failure::usage("the two passwords differ").hint("try again; nothing was written"));
            }
            first
        }
    };
    if password.is_empty() {
        return Err(Failure::usage("the password is empty").hint("choose one, or leave --encrypt out"));
    }
    let hex = key.to_file();
    let mut secret = Zeroizing::new([0u8; 32]);
    for (byte, digits) in secret.iter_mut().zip(hex.as_bytes().chunks(2)) {
        let digits = std::str::from_utf8(digits).unwrap_or_default();
        *byte = u8::from_str_radix(digits, 16)
            .map_err(|_| Failure::new(Code::Bug, "this is a bug in xfl: a payout key's file isn't hex"))?;
    }
    let failed = |error: &dyn std::fmt::Display| Failure::failed(format!("{}: {error}", path.display()));
    // Made in a folder of its own, which this user alone can enter, then put in place with a key file's mode.
    let aside = tempfile::tempdir().map_err(|error| failed(&error))?;
    eth_keystore::encrypt_key(
        aside.path(),
        &mut OsRng,
        secret.as_slice(),
        password.as_bytes(),
        Some("key"),
    )
    .map_err(|error| failed(&error))?;
    let bytes = std::fs::read(aside.path().join("key")).map_err(|error| failed(&error))?;
    Ok(keyfile::write_secret(path, &bytes)?)
}

/// Whether the derivation that a keystore asks for is one that can be afforded.
fn check(content: &[u8]) -> Result<(), &'static str> {
    let store: Value = serde_json::from_slice(content).map_err(|_| "not json")?;
    if store["version"] != 3 {
        return Err("not of version 3");
    }
    let parameters = &store["crypto"]["kdfparams"];
    let number = |name: &str| parameters[name].as_u64().unwrap_or_default();
    if number("dklen") != 32 {
        return Err("its derived key hasn't 32 bytes");
    }
    match store["crypto"]["kdf"].as_str() {
        Some("scrypt") => {
            let (n, r, p) = (number("n"), number("r"), number("p"));
            let memory = n.checked_mul(128).and_then(|bytes| bytes.checked_mul(r));
            let affordable = memory.is_some_and(|bytes| bytes <= MOST_MEMORY) && p <= 16;
            match n.is_power_of_two() && n > 1 && r > 0 && p > 0 && affordable {
                true => Ok(()),
                false => Err("its scrypt parameters are none, or take too much memory"),
            }
        }
        Some("pbkdf2") if (1..=MOST_ITERATIONS).contains(&number("c")) => Ok(()),
        _ => Err("its key derivation is neither scrypt nor pbkdf2 within bounds"),
    }
}

fn from_environment() -> Result<Option<Zeroizing<String>>, Failure> {
    match std::env::var(VARIABLE) {
        Ok(password) => Ok(Some(Zeroizing::new(password))),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => {
            Err(Failure::usage(format!("{VARIABLE} is not UTF-8")).hint("unset it, to be asked on the terminal"))
        }
    }
}

fn password(question: &str) -> Result<Zeroizing<String>, Failure> {
    match from_environment()? {
        Some(password) => Ok(password),
        None => prompt(question),
    }
}

/// Asks on the terminal, without an echo.
fn prompt(question: &str) -> Result<Zeroizing<String>, Failure> {
    use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
    let failed = |error: &dyn std::fmt::Display| {
        Failure::usage(format!("the password can't be asked for: {error}"))
            .hint(format!("set {VARIABLE} where there is no terminal"))
    };
    let mut terminal = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/tty")
        .map_err(|error| failed(&error))?;
    let before = tcgetattr(&terminal).map_err(|error| failed(&error))?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    tcsetattr(&terminal, OptionalActions::Flush, &silent).map_err(|error| failed(&error))?;
    let asked = terminal
        .write_all(question.as_bytes())
        .and_then(|()| line_of(&mut terminal));
    let restored = tcsetattr(&terminal, OptionalActions::Flush, &before);
    let _ = terminal.write_all(b"\n");
    let line = asked.map_err(|error| failed(&error))?;
    restored.map_err(|error| failed(&error))?;
    let text = std::str::from_utf8(&line).map_err(|error| failed(&error))?;
    Ok(Zeroizing::new(text.trim_end_matches('\r').to_owned()))
}

/// A line, byte by byte: nothing of it stays behind in a buffer.
fn line_of(from: &mut impl Read) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut line = Zeroizing::new(Vec::with_capacity(LONGEST));
    let mut byte = Zeroizing::new([0; 1]);
    loop {
        match from.read(&mut byte[..]) {
            Ok(0) => break,
            Ok(_) if byte[0] == b'\n' => break,
            Ok(_) if line.len() == LONGEST => {
                return Err(io::Error::other(format!("it is longer than {LONGEST} bytes")));
            }
            Ok(_) => line.push(byte[0]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn store(kdf: &str, parameters: &Value) -> Vec<u8> {
        json!({ "version": 3, "crypto": { "kdf": kdf, "kdfparams": parameters } })
            .to_string()
            .into_bytes()
    }

    #[test]
    fn a_typed_line_ends_where_it_ends_and_has_a_bound() {
        let line = |typed: &str| line_of(&mut typed.as_bytes()).map(|line| line.to_vec());
        assert_eq!(line("secret\nmore").unwrap(), b"secret");
        assert_eq!(line("").unwrap(), b"");
        assert_eq!(line(&"x".repeat(LONGEST)).unwrap().len(), LONGEST);
        line(&"x".repeat(LONGEST + 1)).unwrap_err();
    }

    #[test]
    fn derivations_that_nobody_can_afford_are_refused() {
        let scrypt = |n: u64, r: u64| store("scrypt", &json!({ "dklen": 32, "n": n, "r": r, "p": 1, "salt": "00" }));
        assert_eq!(check(&scrypt(1 << 18, 8)), Ok(()));
        for (n, r) in [(1 << 30, 8), (u64::MAX, 8), (1000, 8), (0, 8), (1, 8), (8192, 0)] {
            assert!(check(&scrypt(n, r)).is_err(), "{n} {r}");
        }
        assert!(check(&store("scrypt", &json!({ "dklen": 8, "n": 8192, "r": 8, "p": 1 }))).is_err());
        assert!(check(&store("pbkdf2", &json!({ "dklen": 32, "c": u64::MAX }))).is_err());
        assert!(check(b"{}").is_err() && check(b"[").is_err());
        assert!(is_one(b" {\"version\":3}") && !is_one(b"00aa"));
    }
}
