//! The budget file: an institution's privacy ledger on disk.
//!
//! [`BudgetFile`] gives the pure ledger of [`xfl_privacy::budget`] a file. A charge returns only after its line is on disk, so a release
//! that follows it is always on record:
//!
//! - **Append-only, private.** Opened with `O_APPEND` and created with mode 0600; a file that others can read or write is refused.
//! - **Durable.** The file is synced after every append, and its directory when the file is created.
//! - **One process.** An advisory lock (`flock`) is held as long as the file is open; a second process is refused at once, so the same
//!   budget can't be spent twice. The kernel drops the lock with the process, however it dies.
//! - **Crashes over-charge.** A kill or power failure leaves whole lines or a torn last one. Nothing was released under a torn one,
//!   because its charge never returned; it is charged nonetheless when the file is next opened.
//! - **Failures close it.** After an append that failed, what is on disk is unknown: every later charge is refused until the file is
//!   opened (and so read) again.
//!
//! **Detected elsewhere.** A file replaced by an older copy of itself is consistent; but every commitment that this node signs carries the
//! file's head, the federation's coordinator and the node's own journal of it hold the last one, and [`super::protect`] releases nothing there
//! under a file that never had it. Not noticed: a file rolled back between one run and the next, or together with the journal where
//! the coordinator shows nothing. Members and auditors see one more sign: the number of charges that a node signs for must grow.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use thiserror::Error;
use xfl_privacy::budget::{Charge, ChargeError, Ledger, LedgerError, Limit, Release};

/// Longest file that is read: hundreds of thousands of releases.
const MAX_BYTES: u64 = 128 << 20;

/// A budget file that can't be used, or a charge that was refused.
#[derive(Debug, Error)]
pub enum BudgetError {
    /// The limit would be passed, or the charge contradicts the record.
    #[error(transparent)]
    Refused(#[from] ChargeError),
    /// The file was changed after it was written.
    #[error("budget file {}: {source}", path.display())]
    Ledger {
        /// The file.
        path: PathBuf,
        /// The line and what is wrong with it.
        source: LedgerError,
    },
    /// Another process has it open.
    #[error("budget file {} is in use by another process", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// Others can read or write it.
    #[error("budget file {} has mode {mode:o}, expected 600; run chmod 600 on it", path.display())]
    OpenPermissions {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Not a file a budget could be.
    #[error("budget file {} has {got} bytes, expected at most {MAX_BYTES}", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// Its length.
        got: u64,
    },
    /// An earlier append failed.
    #[error("budget file {} failed to take an earlier charge; open it again", path.display())]
    Failed {
        /// The file.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("budget file {}: can't {action}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// Why it didn't work.
        source: io::Error,
    },
}

/// What a charge did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charged {
    /// The release is now on record, on disk.
    Now,
    /// It was on record before: send what was drawn then, or draw if nothing of it was ever journalled.
    Before,
}

/// An open and locked budget file.
#[derive(Debug)]
pub struct BudgetFile {
    path: PathBuf,
    file: File,
    ledger: Ledger,
    failed: bool,
}

impl BudgetFile {
    /// Opens or creates a budget file, locks it, verifies it, and repairs a torn last line.
    ///
    /// # Errors
    /// In use, damaged, readable by others, or the operating system refuses.
    pub fn open(path: &Path, limit: Limit) -> Result<Self, BudgetError> {
        let io = |action| {
            move |source| BudgetError::Io {
                path: path.to_owned(),
                action,
                source,
            }
        };
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)
            .map_err(io("open it"))?;
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => BudgetError::InUse { path: path.to_owned() },
            TryLockError::Error(source) => io("lock it")(source),
        })?;
        let metadata = file.metadata().map_err(io("read its attributes"))?;
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(BudgetError::OpenPermissions {
                path: path.to_owned(),
                mode,
            });
        }
        if metadata.len() > MAX_BYTES {
            return Err(BudgetError::TooLong {
                path: path.to_owned(),
                got: metadata.len(),
            });
        }
        // Whoever created the file may have died before this; syncing the directory again costs nothing.
        sync_directory(path).map_err(io("sync its directory"))?;

        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(io("read it"))?;
        let opened = Ledger::read(&bytes, limit).map_err(|source| BudgetError::Ledger {
            path: path.to_owned(),
            source,
        })?;
        if !opened.repair.is_empty() {
            append(&mut file, &opened.repair).map_err(io("repair its last line"))?;
        }
        Ok(Self {
            path: path.to_owned(),
            file,
            ledger: opened.ledger,
            failed: false,
        })
    }

    /// Charges a release. Once this returns `Ok`, the charge is on disk and the release may leave.
    ///
    /// # Errors
    /// The institution's limit would be passed, or the line can't be written.
    pub fn charge(&mut self, release: &Release) -> Result<Charged, BudgetError> {
        if self.failed {
            return Err(BudgetError::Failed {
                path: self.path.clone(),
            });
        }
        let pending = match self.ledger.charge(release)? {
            Charge::AlreadyCharged => return Ok(Charged::Before),
            Charge::New(pending) => pending,
        };
        // Until the append is known to be complete, it is taken to have failed.
        self.failed = true;
        append(&mut self.file, pending.text().as_bytes()).map_err(|source| BudgetError::Io {
            path: self.path.clone(),
            action: "append a charge",
            source,
        })?;
        self.ledger.record(&pending).map_err(|source| BudgetError::Ledger {
            path: self.path.clone(),
            source,
        })?;
        self.failed = false;
        Ok(Charged::Now)
    }

    /// What is on record.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }
}

/// One write of all bytes at the end of the file, synced.
fn append(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    file.write_all(bytes)?;
    file.sync_all()
}

fn sync_directory(path: &Path) -> io::Result<()> {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::io::BufRead;

    use xfl_privacy::{Delta, Epsilon, Relation, Rho, Unit, accounting::Loss};

    use super::*;

    fn limit() -> Limit {
        Limit {
            epsilon: Epsilon::new(8.0).unwrap(),
            delta: Delta::new(1e-5).unwrap(),
            per_federation: None,
        }
    }

    fn release(round: u64) -> Release {
        Release {
            federation: [7; 32],
            run: [1; 32],
            round,
            attempt: 0,
            unit: Unit::Record,
            relation: Relation::ZeroOut,
            loss: Loss::unsampled(Rho::new(0.125).unwrap()),
        }
    }

    fn spent(file: &BudgetFile) -> f64 {
        file.ledger().spent(Unit::Record, Relation::ZeroOut).rho().get()
    }

    #[test]
    fn charges_survive_and_are_not_repeated() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("budget.jsonl");
        {
            let mut file = BudgetFile::open(&path, limit()).unwrap();
            assert_eq!(file.charge(&release(0)).unwrap(), Charged::Now);
            assert_eq!(file.charge(&release(1)).unwrap(), Charged::Now);
            assert_eq!(file.charge(&release(1)).unwrap(), Charged::Before);
            // What was charged is in the file while it is still open.
            assert_eq!(
                Ledger::read(&fs::read(&path).unwrap(), limit()).unwrap().ledger,
                *file.ledger()
            );
        }
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let mut file = BudgetFile::open(&path, limit()).unwrap();
        assert_eq!(file.charge(&release(1)).unwrap(), Charged::Before);
        assert_eq!(spent(&file), 0.25);
        for round in 2..9 {
            file.charge(&release(round)).unwrap();
        }
        let before = fs::read(&path).unwrap();
        assert!(matches!(
            file.charge(&release(9)),
            Err(BudgetError::Refused(ChargeError::PastLimit { .. }))
        ));
        assert_eq!(fs::read(&path).unwrap(), before);
    }

    #[test]
    fn two_holders_cannot_spend_one_budget() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("budget.jsonl");
        let first = BudgetFile::open(&path, limit()).unwrap();
        assert!(matches!(
            BudgetFile::open(&path, limit()),
            Err(BudgetError::InUse { .. })
        ));
        drop(first);
        BudgetFile::open(&path, limit()).unwrap();
    }

    const HELD: &str = "XFL_TEST_HELD_BUDGET";

    /// The other process of the next test: opens the file, charges, says so, and never lets go.
    #[test]
    #[ignore = "the other process of another_process_holds_the_lock_until_it_is_killed"]
    fn hold_the_lock() {
        let Some(path) = std::env::var_os(HELD) else { return };
        let mut file = BudgetFile::open(Path::new(&path), limit()).unwrap();
        file.charge(&release(0)).unwrap();
        println!("\nheld");
        std::thread::sleep(std::time::Duration::from_secs(600));
    }

    #[test]
    fn another_process_holds_the_lock_until_it_is_killed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("budget.jsonl");
        let name = format!("{}::hold_the_lock", module_path!().split_once("::").unwrap().1);
        let mut holder = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &name, "--ignored", "--nocapture"])
            .env(HELD, &path)
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = io::BufReader::new(holder.stdout.take().unwrap()).lines();
        assert!(said.any(|line| line.unwrap() == "held"));
        assert!(matches!(
            BudgetFile::open(&path, limit()),
            Err(BudgetError::InUse { .. })
        ));
        // SIGKILL: the lock goes with the process, the charge stays.
        holder.kill().unwrap();
        holder.wait().unwrap();
        let mut file = BudgetFile::open(&path, limit()).unwrap();
        assert_eq!(spent(&file), 0.125);
        assert_eq!(file.charge(&release(0)).unwrap(), Charged::Before);
    }

    #[test]
    fn a_torn_last_line_is_charged_and_repaired() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("budget.jsonl");
        {
            let mut file = BudgetFile::open(&path, limit()).unwrap();
            file.charge(&release(0)).unwrap();
            file.charge(&release(1)).unwrap();
        }
        let whole = fs::read(&path).unwrap();
        for lost in [1, 10, 100, 200] {
            fs::write(&path, &whole[..whole.len() - lost]).unwrap();
            let mut file = BudgetFile::open(&path, limit()).unwrap();
            assert_eq!(spent(&file), 0.25, "{lost} bytes lost");
            file.charge(&release(2)).unwrap();
            drop(file);
            assert_eq!(spent(&BudgetFile::open(&path, limit()).unwrap()), 0.375);
        }
    }

    #[test]
    fn damage_and_open_permissions_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("budget.jsonl");
        BudgetFile::open(&path, limit()).unwrap().charge(&release(0)).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        let error = BudgetFile::open(&path, limit()).unwrap_err().to_string();
        assert!(error.contains("mode 640") && error.contains("chmod 600"), "{error}");
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();

        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("0.125", "0.025")).unwrap();
        let error = BudgetFile::open(&path, limit()).unwrap_err().to_string();
        assert!(error.contains("line 1 of the budget is damaged"), "{error}");
        assert!(matches!(
            BudgetFile::open(folder.path(), limit()),
            Err(BudgetError::Io { .. })
        ));
    }

    #[test]
    fn after_a_failed_append_nothing_is_charged() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("budget.jsonl");
        let mut file = BudgetFile::open(&path, limit()).unwrap();
        // A handle that can't be written to stands in for a full disk.
        file.file = File::open(&path).unwrap();
        assert!(matches!(file.charge(&release(0)), Err(BudgetError::Io { .. })));
        assert!(matches!(file.charge(&release(0)), Err(BudgetError::Failed { .. })));
    }
}
