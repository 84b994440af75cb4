//! Journals: redb files that take one record after the other, durably, before anything is sent.

use std::path::{Path, PathBuf};

use redb::{Database, DatabaseError, ReadableDatabase, ReadableTable, TableDefinition};

use crate::identity::NodeId;

const RECORDS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("records");
const KEPT: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("kept");

/// A journal on disk.
pub struct Journal {
    database: Database,
    path: PathBuf,
    next: u64,
}

/// Why a journal can't be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another process has it open.
    #[error("{} is in use by another process", .0.display())]
    InUse(PathBuf),
    /// The file or the disk.
    #[error("{}: {what}", path.display())]
    Storage {
        /// The file.
        path: PathBuf,
        /// What redb says.
        what: String,
    },
}

impl Journal {
    /// Opens or creates a journal.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let database = match Database::create(path) {
            Ok(database) => database,
            Err(DatabaseError::DatabaseAlreadyOpen) => return Err(JournalError::InUse(path.into())),
            Err(error) => return Err(storage(path, &error)),
        };
        let begin = || -> Result<u64, redb::Error> {
            let write = database.begin_write()?;
            let next = {
                let records = write.open_table(RECORDS)?;
                write.open_table(KEPT)?;
                let last = records.last()?.map(|(key, _)| key.value());
                last.map_or(0, |k| k + 1)
            };
            write.commit()?;
            Ok(next)
        };
        let next = begin().map_err(|e| storage(path, &e))?;
        super::private(path).map_err(|e| storage(path, &e))?;
        Ok(Self {
            database,
            path: path.into(),
            next,
        })
    }

    /// All records, in order.
    ///
    /// # Errors
    /// [`JournalError::Storage`].
    pub fn records(&self) -> Result<Vec<Vec<u8>>, JournalError> {
        self.records_from(0)
    }

    /// Records from number `from` on.
    ///
    /// # Errors
    /// [`JournalError::Storage`].
    pub fn records_from(&self, from: u64) -> Result<Vec<Vec<u8>>, JournalError> {
        let read = || -> Result<Vec<Vec<u8>>, redb::Error> {
            let read = self.database.begin_read()?;
            let records = read.open_table(RECORDS)?;
            let mut all = Vec::new();
            for record in records.range(from..)? {
                all.push(record?.1.value().to_vec());
            }
            Ok(all)
        };
        read().map_err(|e| storage(&self.path, &e))
    }

    /// Appends a record; it is on disk when this returns.
    ///
    /// # Errors
    /// [`JournalError::Storage`].
    pub fn append(&mut self, record: &[u8]) -> Result<(), JournalError> {
        let write = || -> Result<(), redb::Error> {
            let write = self.database.begin_write()?;
            write.open_table(RECORDS)?.insert(self.next, record)?;
            write.commit()?;
            Ok(())
        };
        write().map_err(|e| storage(&self.path, &e))?;
        self.next += 1;
        Ok(())
    }

    /// Keeps a value under a key, replacing what was there.
    ///
    /// # Errors
    /// [`JournalError::Storage`].
    pub fn keep(&mut self, key: &[u8], value: &[u8]) -> Result<(), JournalError> {
        let write = || -> Result<(), redb::Error> {
            let write = self.database.begin_write()?;
            write.open_table(KEPT)?.insert(key, value)?;
            write.commit()?;
            Ok(())
        };
        write().map_err(|e| storage(&self.path, &e))
    }

    /// What is kept under a key.
    ///
    /// # Errors
    /// [`JournalError::Storage`].
    pub fn kept(&self, key: &[u8]) -> Result<Option<Vec<u8>>, JournalError> {
        let read = || -> Result<Option<Vec<u8>>, redb::Error> {
            let read = self.database.begin_read()?;
            Ok(read.open_table(KEPT)?.get(key)?.map(|v| v.value().to_vec()))
        };
        read().map_err(|e| storage(&self.path, &e))
    }

    /// Forgets all that is kept under keys from `from` up to and without `to`.
    ///
    /// # Errors
    /// [`JournalError::Storage`].
    pub fn forget_between(&mut self, from: &[u8], to: &[u8]) -> Result<(), JournalError> {
        let write = || -> Result<(), redb::Error> {
            let write = self.database.begin_write()?;
            write.open_table(KEPT)?.retain_in(from..to, |_, _| false)?;
            write.commit()?;
            Ok(())
        };
        write().map_err(|e| storage(&self.path, &e))
    }

    /// Forgets all that is kept under keys beginning with `prefix`.
    ///
    /// # Errors
    /// [`JournalError::Storage`].
    pub fn forget(&mut self, prefix: &[u8]) -> Result<(), JournalError> {
        let write = || -> Result<(), redb::Error> {
            let write = self.database.begin_write()?;
            write.open_table(KEPT)?.retain(|key, _| !key.starts_with(prefix))?;
            write.commit()?;
            Ok(())
        };
        write().map_err(|e| storage(&self.path, &e))
    }
}

/// The key under which a dealer's sealed shares are kept.
pub fn shares_key(at: (u64, u32), dealer: &NodeId) -> Vec<u8> {
    let mut key = b"shares".to_vec();
    key.extend(at.0.to_be_bytes());
    key.extend(at.1.to_be_bytes());
    key.extend(dealer.0);
    key
}

fn storage(path: &Path, error: &dyn std::fmt::Display) -> JournalError {
    JournalError::Storage {
        path: path.into(),
        what: error.to_string(),
    }
}
