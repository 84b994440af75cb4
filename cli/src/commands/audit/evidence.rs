//! What there is to audit: from a run's directory, a bare transcript, or an exported file.
//!
//! Nothing of it is opened for writing: the chain's file is copied before it is replayed.

use std::{fs::File, path::Path};

use xfl_core::{
    audit::{Check, Verdict},
    node::{bundle::Bundle, settle},
    train::data::Limits,
    transcript::Contracts,
};
use xfl_settlement::chain::{
    embedded::EmbeddedChain,
    snapshot::{self, MAX_SNAPSHOT},
};

use super::{Args, beginning};
use crate::{bug, commands::status, failure::Failure, files};

/// Everything at hand.
pub(super) struct Evidence {
    pub(super) transcript: Vec<u8>,
    /// The chain's snapshot, and the chain that it replays to.
    pub(super) chain: Option<(Vec<u8>, EmbeddedChain)>,
    pub(super) salt: Option<[u8; 32]>,
    pub(super) held_out: Option<Vec<u8>>,
}

impl Evidence {
    /// Collects it; a damaged part is a failed check, not a failure to read.
    pub(super) fn gather(args: &Args) -> Result<Result<Self, Check>, Failure> {
        let target = &args.target;
        let found = if target.is_dir() {
            directory(args, target)?
        } else {
            file(target)?
        };
        let mut evidence = match found {
            Ok(evidence) => evidence,
            Err(check) => return Ok(Err(check)),
        };
        if let Some(path) = &args.held_out {
            evidence.held_out = Some(files::read(path, Limits::default().bytes)?);
        }
        if let Some(path) = &args.salt {
            let salt = files::read(path, 32)?.try_into();
            evidence.salt = Some(salt.map_err(|_| Failure::usage(format!("{}: expected 32 bytes", path.display())))?);
        }
        Ok(Ok(evidence))
    }
}

fn directory(args: &Args, dir: &Path) -> Result<Result<Evidence, Check>, Failure> {
    let transcript = files::read(&dir.join("transcript.xfl"), files::MAX_FILE)
        .map_err(|failure| failure.hint("name the directory of a run or of an institution, or an exported file"))?;
    let contracts = beginning(&transcript).and_then(|(genesis, _)| {
        genesis
            .chains()
            .find(|chain| chain.chain_id == settle::EMBEDDED_CHAIN_ID)
            .copied()
    });
    // Where one is asked by url, the coordinator runs, and its file is in use.
    let chain = match contracts.filter(|_| args.rpc.is_empty()) {
        Some(contracts) => match embedded(dir, &contracts)? {
            Ok(chain) => chain,
            Err(what) => return Ok(Err(failed("chain", what))),
        },
        None => None,
    };
    let optional = |name: &str, most: u64| {
        let path = dir.join(name);
        path.is_file().then(|| files::read(&path, most)).transpose()
    };
    let salt = match optional("held-out.salt", 32)? {
        None => None,
        Some(salt) => match salt.try_into() {
            Ok(salt) => Some(salt),
            Err(_) => return Ok(Err(failed("plan", "held-out.salt has not 32 bytes"))),
        },
    };
    let held_out = optional("held-out.csv", Limits::default().bytes)?;
    Ok(Ok(Evidence {
        transcript,
        chain,
        salt,
        held_out,
    }))
}

fn file(path: &Path) -> Result<Result<Evidence, Check>, Failure> {
    let bytes = files::read(path, files::MAX_FILE)
        .map_err(|failure| failure.hint("name the directory of a run or of an institution, or an exported file"))?;
    if !Bundle::is_one(&bytes) {
        return Ok(Ok(Evidence {
            transcript: bytes,
            chain: None,
            salt: None,
            held_out: None,
        }));
    }
    let Bundle {
        transcript,
        chain,
        salt,
        held_out,
    } = match Bundle::decode(&bytes) {
        Ok(bundle) => bundle,
        Err(error) => return Ok(Err(failed("file", error.to_string()))),
    };
    let chain = match chain {
        None => None,
        Some(bytes) => match bug::quietly(|| snapshot::verify(&bytes)) {
            Ok(Ok(chain)) => Some((bytes, chain)),
            Ok(Err(error)) => return Ok(Err(failed("chain", error.to_string()))),
            Err(what) => return Ok(Err(failed("chain", what))),
        },
    };
    Ok(Ok(Evidence {
        transcript,
        chain,
        salt,
        held_out,
    }))
}

/// The directory's chain, replayed from a copy of its file; what is wrong with it in the inner error.
type Replayed = Result<Option<(Vec<u8>, EmbeddedChain)>, String>;

fn embedded(dir: &Path, contracts: &Contracts) -> Result<Replayed, Failure> {
    let original = dir.join("chain").join("chain.redb");
    if !original.is_file() {
        return Ok(Ok(None));
    }
    let fail = |error: &std::io::Error| Failure::file(&original, error);
    let lock = File::open(&original).map_err(|error| fail(&error))?;
    if lock.try_lock_shared().is_err() {
        let url = status::address(dir)
            .and_then(|address| address.rpc)
            .unwrap_or_else(|| "URL".into());
        return Err(
            Failure::usage(format!("{} is in use by a running coordinator", original.display()))
                .hint(format!("ask it with --rpc {url}, or wait until it has stopped")),
        );
    }
    let aside = tempfile::tempdir().map_err(|error| fail(&error))?;
    let folder = aside.path().join("chain");
    std::fs::create_dir(&folder).map_err(|error| fail(&error))?;
    std::fs::copy(&original, folder.join("chain.redb")).map_err(|error| fail(&error))?;
    drop(lock);
    // The database isn't made for hostile files and may panic on one.
    let opened = bug::quietly(|| -> Result<_, String> {
        let chain = settle::embedded(aside.path(), contracts.coordinator).map_err(|error| error.to_string())?;
        let bytes = chain.snapshot().map_err(|error| error.to_string())?;
        if bytes.len() > MAX_SNAPSHOT {
            return Err(format!("the chain has more than {MAX_SNAPSHOT} bytes"));
        }
        let replayed = snapshot::verify(&bytes).map_err(|error| error.to_string())?;
        Ok((bytes, replayed))
    });
    Ok(match opened {
        Ok(Ok(chain)) => Ok(Some(chain)),
        Ok(Err(what)) => Err(what),
        Err(panic) => Err(format!("the chain's file is damaged: {panic}")),
    })
}

fn failed(stage: &str, text: impl Into<String>) -> Check {
    Check {
        round: None,
        stage: stage.into(),
        text: text.into(),
        verdict: Verdict::Fails,
    }
}
