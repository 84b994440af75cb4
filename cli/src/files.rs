//! The files that commands share: plan, keys, models, run directories.

use std::{
    fs::{File, OpenOptions},
    io::{Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::Arc,
};

use xfl_core::{
    identity::NodeKey,
    node::{entropy, keyfile},
    plan::{MAX_PLAN_BYTES, Plan},
    spec::TensorShape,
    train::checkpoint::{self, Checkpoint},
};
use xfl_settlement::payout::{Account, PayoutKey};

use crate::{
    failure::{Code, Failure},
    keystore,
};

/// Longest transcript, bundle or data file that is read whole.
pub(crate) const MAX_FILE: u64 = 4 << 30;

/// Reads and checks a plan.
pub(crate) fn plan(path: &Path) -> Result<Plan, Failure> {
    let bytes = read(path, MAX_PLAN_BYTES as u64 + 1)
        .map_err(|failure| failure.hint("make one with `xfl init`, or name another with --plan"))?;
    let name = path.display().to_string();
    let text = String::from_utf8(bytes)
        .map_err(|_| Failure::usage(format!("{name}: not UTF-8 text")).hint("save the plan as UTF-8"))?;
    Ok(Plan::parse(&text, &name)?)
}

/// Reads a whole file of at most `most` bytes.
pub(crate) fn read(path: &Path, most: u64) -> Result<Vec<u8>, Failure> {
    let file = File::open(path).map_err(|error| Failure::file(path, &error))?;
    let mut bytes = Vec::new();
    file.take(most.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::file(path, &error))?;
    if bytes.len() as u64 > most {
        return Err(Failure::usage(format!("{}: longer than {most} bytes", path.display())));
    }
    Ok(bytes)
}

/// Reads a node key.
pub(crate) fn node_key(path: &Path) -> Result<Arc<NodeKey>, Failure> {
    Ok(Arc::new(keyfile::read(path)?))
}

/// Reads a payout key.
pub(crate) fn payout_key(path: &Path) -> Result<PayoutKey, Failure> {
    let bytes = keyfile::read_secret(path)?;
    if keystore::is_one(&bytes) {
        return keystore::read(path, &bytes);
    }
    let unfit = |what: String| {
        Failure::new(Code::Network, format!("payout key {}: {what}", path.display()))
            .hint("a payout key file is what `xfl keygen` writes: 64 hex digits, or an encrypted keystore")
    };
    let text = std::str::from_utf8(&bytes).map_err(|_| unfit("not text".into()))?;
    PayoutKey::from_file(text).map_err(|error| unfit(error.to_string()))
}

/// The payout key of a file that needs no password, if there is one: for what can be told without a key too.
pub(crate) fn open_payout_key(path: &Path) -> Option<PayoutKey> {
    let bytes = keyfile::read_secret(path)
        .ok()
        .filter(|bytes| !keystore::is_one(bytes))?;
    PayoutKey::from_file(std::str::from_utf8(&bytes).ok()?).ok()
}

/// Draws both keys and writes them to new files, the payout key encrypted if so wished.
pub(crate) fn new_keys(node: &Path, payout: &Path, encrypt: bool) -> Result<(NodeKey, Account), Failure> {
    for path in [node, payout] {
        absent(path)?;
    }
    let entropy_failed = |error: std::io::Error| Failure::failed(format!("no entropy: {error}"));
    let key = NodeKey::generate(&mut entropy::generator().map_err(entropy_failed)?);
    let secret = entropy::bytes().map_err(entropy_failed)?;
    let reward = PayoutKey::from_secret(&secret).map_err(|error| Failure::failed(error.to_string()))?;
    // First what may ask and be given up.
    match encrypt {
        true => keystore::write(payout, &reward)?,
        false => keyfile::write_secret(payout, reward.to_file().as_bytes())?,
    }
    keyfile::write(node, &key)?;
    Ok((key, reward.account()))
}

/// Refuses a path that something is at already.
pub(crate) fn absent(path: &Path) -> Result<(), Failure> {
    match path.symlink_metadata() {
        Ok(_) => Err(
            Failure::usage(format!("{} exists already; nothing was changed", path.display()))
                .hint("choose an empty folder or another name"),
        ),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Failure::file(path, &error)),
    }
}

/// Writes a file that wasn't there, with this mode.
pub(crate) fn create(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Failure> {
    let write = || -> std::io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|error| Failure::file(path, &error))
}

/// Replaces a file in one step: readers see the old or the new one.
pub(crate) fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Failure> {
    let folder = path
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let write = || -> std::io::Result<()> {
        let mut new = tempfile::Builder::new().prefix(".xfl-").make_in(folder, |name| {
            OpenOptions::new().write(true).create_new(true).mode(mode).open(name)
        })?;
        new.write_all(bytes)?;
        new.as_file().sync_all()?;
        new.persist(path)?;
        Ok(())
    };
    write().map_err(|error| Failure::file(path, &error))
}

/// Reads a model's file.
pub(crate) fn model(path: &Path, tensors: &[TensorShape]) -> Result<Checkpoint, Failure> {
    let bytes = read(path, MAX_FILE)?;
    checkpoint::decode(tensors, &bytes).map_err(|error| {
        let failure = Failure::from(error);
        Failure {
            message: format!("{}: {}", path.display(), failure.message),
            ..failure
        }
    })
}

/// An account as people write it.
pub(crate) fn account(account: &Account) -> String {
    hex(account)
}

/// Bytes as people write them.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::from("0x"), |text, byte| text + &format!("{byte:02x}"))
}
