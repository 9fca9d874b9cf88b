use std::path::Path;

use bytes::Bytes;
use ramus_bench::{Peer, PeerStore, Result};
use ramus_core::{Hash as _, Sha1};
use rusqlite::{Connection, OptionalExtension as _};

/// `SQLite`, with a write-ahead log.
pub(crate) struct Sqlite {
    pub(crate) synced: bool,
}

struct Store(Connection);

impl Peer for Sqlite {
    fn name(&self) -> &'static str {
        if self.synced { "sqlite" } else { "sqlite-os" }
    }

    fn version(&self) -> String {
        rusqlite::version().to_owned()
    }

    fn is_synced(&self) -> bool {
        self.synced
    }

    fn open(&self, directory: &Path) -> Result<Box<dyn PeerStore>> {
        let connection = Connection::open(directory.join("sqlite"))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // With NORMAL a commit waits for the kernel only; a checkpoint is synced.
        let synchronous = if self.synced { "FULL" } else { "NORMAL" };
        connection.pragma_update(None, "synchronous", synchronous)?;
        connection.execute_batch(
            "CREATE TABLE blocks (name BLOB PRIMARY KEY, block BLOB NOT NULL) WITHOUT ROWID;
             CREATE TABLE contents (path TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;",
        )?;
        Ok(Box::new(Store(connection)))
    }
}

impl PeerStore for Store {
    fn add(&mut self, blocks: &[(Sha1, Bytes)]) -> Result<()> {
        let transaction = self.0.transaction()?;
        {
            let sql = "INSERT INTO blocks VALUES (?1, ?2) ON CONFLICT DO NOTHING";
            let mut statement = transaction.prepare_cached(sql)?;
            for (name, block) in blocks {
                statement.execute((name.as_bytes(), &**block))?;
            }
        }
        Ok(transaction.commit()?)
    }

    fn block(&mut self, name: &Sha1) -> Result<Option<Vec<u8>>> {
        let mut statement = self.0.prepare_cached("SELECT block FROM blocks WHERE name = ?1")?;
        Ok(statement.query_row([name.as_bytes()], |row| row.get(0)).optional()?)
    }

    fn set(&mut self, edits: &[(String, String)]) -> Result<()> {
        let transaction = self.0.transaction()?;
        {
            let sql = "INSERT INTO contents VALUES (?1, ?2)
                       ON CONFLICT DO UPDATE SET value = excluded.value";
            let mut statement = transaction.prepare_cached(sql)?;
            for (path, value) in edits {
                statement.execute((path, value))?;
            }
        }
        Ok(transaction.commit()?)
    }

    fn find(&mut self, path: &str) -> Result<Option<String>> {
        let mut statement = self.0.prepare_cached("SELECT value FROM contents WHERE path = ?1")?;
        Ok(statement.query_row([path], |row| row.get(0)).optional()?)
    }
}
