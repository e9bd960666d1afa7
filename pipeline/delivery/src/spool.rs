// SPDX-License-Identifier: Apache-2.0
//! The spool: blocks on disk, in their order, until Kafka has them.
//!
//! A file of `redb`, a B-tree whose pages carry checksums and whose commits switch from one root to the next, so that
//! a process or machine that dies in a commit leaves the state before it. Each commit is synced to the disk.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use redb::{Database, DatabaseError, ReadableDatabase, StorageError, TableDefinition};

use crate::block::{self, Builder};
use crate::error::{Error, Result};
use crate::message::Topic;

/// Topic and number to block; the names of topics outlive an order of ours.
const BLOCKS: TableDefinition<(&str, u64), &[u8]> = TableDefinition::new("blocks");
/// The spool's file in its folder.
pub const SPOOL_FILE: &str = "spool.redb";
/// Blocks are read once, soon after they were written.
const CACHE: usize = 8 << 20;

/// What lies in the spool for a topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) records: u64,
    pub(crate) bytes: u64,
    /// The number of the next block.
    next: u64,
}

/// What a block is, without its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) number: u64,
    pub(crate) records: u32,
    pub(crate) bytes: usize,
    pub(crate) written_ms: u64,
}

impl Head {
    fn of(number: u64, block: &[u8]) -> Self {
        Self {
            number,
            // More can't be, whatever a damaged block says.
            records: block::records(block).unwrap_or_default().min(block::MOST_RECORDS as u32),
            bytes: block.len(),
            written_ms: block::written_ms(block).unwrap_or_default(),
        }
    }
}

/// The blocks of a folder, which no other process may have open.
#[derive(Debug)]
pub(crate) struct Spool {
    folder: PathBuf,
    database: Database,
    held: [Held; Topic::ALL.len()],
    /// A file that could not be read, now out of the way; or blocks that could not.
    pub(crate) damage: Option<String>,
}

impl Spool {
    /// Opens the spool in a folder, or makes one.
    ///
    /// A file that is no spool any more is set aside under another name and said in `damage`: what comes now shall not
    /// be lost for what was before.
    pub(crate) fn open(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder).map_err(|why| Error::spool(folder, why))?;
        let path = folder.join(SPOOL_FILE);
        let mut damage = None;
        let database = match open(&path) {
            Err(error) if is_damage(&error) => {
                let aside = set_aside(&path).map_err(|why| Error::spool(folder, why))?;
                damage = Some(format!("the spool was damaged ({error}); it now lies in {}", aside.display()));
                open(&path)
            }
            other => other,
        };
        let database = database.map_err(|error| match error {
            DatabaseError::DatabaseAlreadyOpen => Error::SpoolInUse(folder.to_owned()),
            other => Error::spool(folder, other),
        })?;
        let mut spool = Self { folder: folder.to_owned(), database, held: Default::default(), damage };
        spool.count().map_err(|why| Error::spool(folder, why))?;
        Ok(spool)
    }

    pub(crate) fn held(&self, topic: Topic) -> Held {
        self.held[topic.index()]
    }

    /// Blocks that are still to come are numbered after those that were here before.
    pub(crate) fn go_on_from(&mut self, topic: Topic, before: Held) {
        let held = &mut self.held[topic.index()];
        held.next = held.next.max(before.next);
    }

    /// Writes blocks and removes others, all or nothing; the new blocks' heads, in the order given.
    pub(crate) fn commit(&mut self, add: &mut [(Topic, Builder)], remove: &[(Topic, u64)]) -> Result<Vec<Head>> {
        let folder = self.folder.clone();
        self.try_commit(add, remove).map_err(|why| Error::spool(&folder, why))
    }

    fn try_commit(&mut self, add: &mut [(Topic, Builder)], remove: &[(Topic, u64)]) -> Result<Vec<Head>, redb::Error> {
        let mut held = self.held;
        let mut heads = Vec::with_capacity(add.len());
        let write = self.database.begin_write()?;
        {
            let mut table = write.open_table(BLOCKS)?;
            for (topic, number) in remove {
                if let Some(old) = table.remove((topic.name(), *number))? {
                    let head = Head::of(*number, old.value());
                    let held = &mut held[topic.index()];
                    held.records -= u64::from(head.records);
                    held.bytes -= head.bytes as u64;
                }
            }
            for (topic, builder) in add {
                let held = &mut held[topic.index()];
                let block = builder.seal();
                let head = Head::of(held.next, block);
                table.insert((topic.name(), held.next), block)?;
                held.next += 1;
                held.records += u64::from(head.records);
                held.bytes += head.bytes as u64;
                heads.push(head);
            }
        }
        write.commit()?;
        self.held = held;
        Ok(heads)
    }

    /// The first block from this number on.
    pub(crate) fn from(&self, topic: Topic, number: u64) -> Result<Option<(Head, Vec<u8>)>> {
        let read = || -> Result<_, redb::Error> {
            let table = match self.database.begin_read()?.open_table(BLOCKS) {
                Ok(table) => table,
                Err(redb::TableError::TableDoesNotExist(_)) => return Ok(None),
                Err(other) => return Err(other.into()),
            };
            let mut range = table.range((topic.name(), number)..=(topic.name(), u64::MAX))?;
            let Some(entry) = range.next() else { return Ok(None) };
            let (key, value) = entry?;
            let block = value.value();
            Ok(Some((Head::of(key.value().1, block), block.to_vec())))
        };
        read().map_err(|why| Error::spool(&self.folder, why))
    }

    /// Counts what is there, and takes out what can't be read any more.
    fn count(&mut self) -> Result<(), redb::Error> {
        let mut damaged = Vec::new();
        let table = match self.database.begin_read()?.open_table(BLOCKS) {
            Ok(table) => table,
            // A new one.
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(()),
            Err(other) => return Err(other.into()),
        };
        for topic in Topic::ALL {
            let held = &mut self.held[topic.index()];
            for entry in table.range((topic.name(), 0)..=(topic.name(), u64::MAX))? {
                let (key, value) = entry?;
                let number = key.value().1;
                held.next = number + 1;
                if block::read(value.value()).is_none() {
                    damaged.push((topic, number));
                    continue;
                }
                let head = Head::of(number, value.value());
                held.records += u64::from(head.records);
                held.bytes += head.bytes as u64;
            }
        }
        drop(table);
        // Nothing is written where nothing has to be: the disk may be full.
        if !damaged.is_empty() {
            self.remove(&damaged)?;
            self.damage = Some(format!("{} blocks of the spool were damaged and had to be removed", damaged.len()));
        }
        Ok(())
    }

    fn remove(&self, blocks: &[(Topic, u64)]) -> Result<(), redb::Error> {
        let write = self.database.begin_write()?;
        {
            let mut table = write.open_table(BLOCKS)?;
            for (topic, number) in blocks {
                table.remove((topic.name(), *number))?;
            }
        }
        write.commit()?;
        Ok(())
    }
}

fn open(path: &Path) -> Result<Database, DatabaseError> {
    Database::builder().set_cache_size(CACHE).set_check_integrity_on_open(true).create(path)
}

/// Whether the file itself is bad, and not the way to it.
fn is_damage(error: &DatabaseError) -> bool {
    match error {
        DatabaseError::Storage(StorageError::Corrupted(_)) | DatabaseError::RepairAborted => true,
        DatabaseError::Storage(StorageError::Io(error)) => {
            matches!(error.kind(), std::io::ErrorKind::InvalidData | std::io::ErrorKind::UnexpectedEof)
        }
        _ => false,
    }
}

fn set_aside(path: &Path) -> std::io::Result<PathBuf> {
    let aside = path.with_extension(format!("damaged-{}", now_ms()));
    fs::rename(path, &aside)?;
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(aside)
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

#[cfg(test)]
mod tests;
