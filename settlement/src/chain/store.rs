//! Where an embedded chain's records are kept: a redb file, or memory.
//!
//! redb commits a block whole or not at all and has it on disk when the commit returns, so that a process killed at any point
//! leaves either the chain before a block or the chain after it. A second process on the same file is refused.

use std::path::Path;

use redb::{Database, DatabaseError, ReadableDatabase, ReadableTable, TableDefinition};

use super::genesis::{Genesis, Record};

const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("genesis");
const BLOCKS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("blocks");

/// Why records couldn't be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has the chain open.
    #[error("the chain is open in another process")]
    InUse,
    /// The file or disk failed.
    #[error("the chain's file failed: {0}")]
    Database(#[source] Box<redb::Error>),
    /// A record doesn't decode.
    #[error("the record of block {number} is damaged")]
    Damaged {
        /// Its block; zero is the genesis.
        number: u64,
    },
}

fn failed(error: impl Into<redb::Error>) -> StoreError {
    StoreError::Database(Box::new(error.into()))
}

#[derive(Debug)]
pub(crate) enum Store {
    Disk(Database),
    Memory,
    /// A replayed snapshot: takes no new blocks.
    ReadOnly,
}

impl Store {
    pub(crate) fn open(file: &Path) -> Result<Self, StoreError> {
        match Database::create(file) {
            Ok(database) => Ok(Self::Disk(database)),
            Err(DatabaseError::DatabaseAlreadyOpen) => Err(StoreError::InUse),
            Err(error) => Err(failed(error)),
        }
    }

    /// The genesis and all records; none in a new file.
    pub(crate) fn read(&self) -> Result<Option<(Genesis, Vec<Record>)>, StoreError> {
        let Self::Disk(database) = self else { return Ok(None) };
        let write = database.begin_write().map_err(failed)?;
        {
            // Creates both tables in a new file.
            write.open_table(META).map_err(failed)?;
            write.open_table(BLOCKS).map_err(failed)?;
        }
        write.commit().map_err(failed)?;

        let read = database.begin_read().map_err(failed)?;
        let meta = read.open_table(META).map_err(failed)?;
        let Some(genesis) = meta.get("genesis").map_err(failed)? else {
            return Ok(None);
        };
        let genesis = postcard::from_bytes(genesis.value()).map_err(|_| StoreError::Damaged { number: 0 })?;
        let blocks = read.open_table(BLOCKS).map_err(failed)?;
        let mut records = Vec::new();
        for (expected, entry) in (1..).zip(blocks.iter().map_err(failed)?) {
            let (number, bytes) = entry.map_err(failed)?;
            let damaged = StoreError::Damaged { number: expected };
            match postcard::from_bytes(bytes.value()) {
                Ok(record) if number.value() == expected => records.push(record),
                _ => return Err(damaged),
            }
        }
        Ok(Some((genesis, records)))
    }

    pub(crate) fn begin(&self, genesis: &Genesis) -> Result<(), StoreError> {
        let Self::Disk(database) = self else { return Ok(()) };
        let bytes = postcard::to_stdvec(genesis).map_err(|_| StoreError::Damaged { number: 0 })?;
        let write = database.begin_write().map_err(failed)?;
        write
            .open_table(META)
            .map_err(failed)?
            .insert("genesis", bytes.as_slice())
            .map_err(failed)?;
        write.commit().map_err(failed)
    }

    /// Has the block on disk before it returns.
    pub(crate) fn append(&self, number: u64, record: &Record) -> Result<(), StoreError> {
        let Self::Disk(database) = self else { return Ok(()) };
        let bytes = postcard::to_stdvec(record).map_err(|_| StoreError::Damaged { number })?;
        let write = database.begin_write().map_err(failed)?;
        write
            .open_table(BLOCKS)
            .map_err(failed)?
            .insert(number, bytes.as_slice())
            .map_err(failed)?;
        write.commit().map_err(failed)
    }
}
