//! What was read of a chain's events, in a file: `"xfl events v3\n\0\0"`, keccak256 of the rest, and the rest in postcard: the contracts that it is of,
//! the marks, the events and the headers of posted rounds.
//!
//! The file is a help and nothing depends on it: one that is missing, damaged, too long or of other contracts is read anew from the chain, and one
//! that can't be written is said once. Two processes may share it: each replaces it whole, and either one's is right.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use alloy::primitives::keccak256;
use serde::{Deserialize, Serialize};

use super::reader::Past;
use crate::chain::deploy::Deployment;
use crate::payout::Account;

const MAGIC: &[u8; 16] = b"xfl events v3\n\0\0";
/// The longest file that is read, in bytes.
const MAX_BYTES: u64 = 1 << 28;
/// Blocks without events after which the file is written all the same.
const QUIET: u64 = 1_000;

/// Whose events they are.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Of {
    chain_id: u64,
    contracts: Vec<Account>,
}

impl Of {
    fn new(deployment: &Deployment) -> Self {
        Self {
            chain_id: deployment.chain_id,
            contracts: deployment.contracts().into_iter().map(|(_, account)| account).collect(),
        }
    }
}

/// The file.
#[derive(Debug)]
pub(super) struct Memory {
    path: PathBuf,
    /// How many events and up to which block, as far as the file has them; none where it has to be written.
    kept: Option<(usize, Option<u64>)>,
    failed: bool,
}

impl Memory {
    /// Opens a file that need not be there, and takes what is right in it.
    pub(super) fn open(path: PathBuf, deployment: &Deployment) -> (Self, Past) {
        let past = match read(&path, &Of::new(deployment)) {
            Ok(past) => past,
            Err(what) => {
                tracing::warn!("{}: {what}; the chain's events are read anew", path.display());
                None
            }
        };
        let memory = Self {
            path,
            kept: past.as_ref().map(extent),
            failed: false,
        };
        (memory, past.unwrap_or_default())
    }

    /// What is in the file isn't what is known: it is written over at the next chance.
    pub(super) fn outdate(&mut self) {
        self.kept = None;
    }

    /// Writes what is new, if it is worth it.
    pub(super) fn keep(&mut self, past: &Past, deployment: &Deployment) {
        let (count, last) = extent(past);
        let fresh = self.kept.is_some_and(|(kept, until)| {
            kept == count && until <= last && last.unwrap_or_default() - until.unwrap_or_default() < QUIET
        });
        if fresh || self.failed || past.marks.is_empty() {
            return;
        }
        match write(&self.path, past, &Of::new(deployment)) {
            Ok(()) => self.kept = Some((count, last)),
            Err(error) => {
                self.failed = true;
                tracing::warn!(
                    "{}: {error}; the chain's events will be read anew next time",
                    self.path.display()
                );
            }
        }
    }
}

fn extent(past: &Past) -> (usize, Option<u64>) {
    (past.told.len(), past.marks.last().map(|mark| mark.number))
}

/// What a file holds; none where there is none.
fn read(path: &Path, of: &Of) -> Result<Option<Past>, String> {
    let mut bytes = Vec::new();
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let taken = file.take(MAX_BYTES + 1).read_to_end(&mut bytes);
    if taken.map_err(|error| error.to_string())? as u64 > MAX_BYTES {
        return Err(format!("longer than {MAX_BYTES} bytes"));
    }
    let damaged = || "not a file of events, or a damaged one".to_owned();
    let rest = bytes.strip_prefix(MAGIC).ok_or_else(damaged)?;
    let (sum, body) = rest.split_first_chunk::<32>().ok_or_else(damaged)?;
    if keccak256(body) != sum {
        return Err(damaged());
    }
    let (whose, past): (Of, Past) = postcard::from_bytes(body).map_err(|_| damaged())?;
    if whose != *of {
        return Err("of other contracts".into());
    }
    let last = past.marks.last().map(|mark| mark.number);
    let fits = past.marks.is_sorted_by(|one, other| one.number < other.number)
        && past.told.is_sorted_by_key(|told| told.block)
        && past.told.last().is_none_or(|told| Some(told.block) <= last);
    match fits {
        true => Ok(Some(past)),
        false => Err(damaged()),
    }
}

fn write(path: &Path, past: &Past, of: &Of) -> io::Result<()> {
    let body = postcard::to_stdvec(&(of, past)).map_err(io::Error::other)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut new = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
    for part in [&MAGIC[..], keccak256(&body).as_slice(), &body] {
        new.write_all(part)?;
    }
    new.persist(path).map(|_| ()).map_err(io::Error::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::events::reader::{Mark, Told};

    fn past() -> Past {
        let told = |block| Told {
            block,
            address: [1; 20],
            topics: vec![[2; 32]],
            data: vec![3; 5],
            transaction: [4; 32],
            block_hash: [5; 32],
            index: 1,
        };
        Past {
            marks: vec![
                Mark {
                    number: 7,
                    hash: [5; 32],
                },
                Mark {
                    number: 9,
                    hash: [6; 32],
                },
            ],
            told: vec![told(6), told(9)],
            headers: Vec::new(),
        }
    }

    fn of(chain_id: u64) -> Of {
        Of {
            chain_id,
            contracts: vec![[1; 20], [2; 20]],
        }
    }

    #[test]
    fn a_file_is_taken_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.xfl");
        assert_eq!(read(&path, &of(1)), Ok(None));
        write(&path, &past(), &of(1)).unwrap();
        assert_eq!(read(&path, &of(1)), Ok(Some(past())));
        assert_eq!(read(&path, &of(2)), Err("of other contracts".into()));
        let good = std::fs::read(&path).unwrap();
        for place in 0..good.len() {
            let mut bad = good.clone();
            bad[place] ^= 1;
            std::fs::write(&path, &bad).unwrap();
            read(&path, &of(1)).unwrap_err();
            std::fs::write(&path, &good[..place]).unwrap();
            read(&path, &of(1)).unwrap_err();
        }
        // Whole, and yet wrong: an event after the last mark.
        let wrong = Past {
            marks: vec![Mark {
                number: 8,
                hash: [5; 32],
            }],
            ..past()
        };
        write(&path, &wrong, &of(1)).unwrap();
        read(&path, &of(1)).unwrap_err();
    }
}
