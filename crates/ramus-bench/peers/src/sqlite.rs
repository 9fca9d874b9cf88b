use std::path::Path;

use bytes::Bytes;
use ramus_bench::{Peer, PeerStore, Result, Skill};
use ramus_core::{Hash as _, Sha1};
use rusqlite::{Connection, OptionalExtension as _, Transaction};

use crate::keeps::Keeps;
use crate::{AUTHOR, MESSAGE};

/// `SQLite`, with a write-ahead log.
pub(crate) struct Sqlite {
    pub(crate) name: &'static str,
    pub(crate) keeps: Keeps,
    pub(crate) synced: bool,
}

struct Store {
    connection: Connection,
    keeps: Keeps,
}

impl Peer for Sqlite {
    fn name(&self) -> &'static str {
        self.name
    }

    fn version(&self) -> String {
        rusqlite::version().to_owned()
    }

    fn is_synced(&self) -> bool {
        self.synced
    }

    fn skills(&self) -> &'static [Skill] {
        self.keeps.skills()
    }

    fn open(&self, directory: &Path) -> Result<Box<dyn PeerStore>> {
        let connection = Connection::open(directory.join("sqlite"))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // With NORMAL a commit waits for the kernel only; a checkpoint is synced.
        let synchronous = if self.synced { "FULL" } else { "NORMAL" };
        connection.pragma_update(None, "synchronous", synchronous)?;
        connection.execute_batch(
            "CREATE TABLE blocks (name BLOB PRIMARY KEY, block BLOB NOT NULL) WITHOUT ROWID;
             CREATE TABLE contents (path TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
             CREATE TABLE versions (path TEXT, commit_number INTEGER, value TEXT NOT NULL,
                                    PRIMARY KEY (path, commit_number)) WITHOUT ROWID;
             CREATE TABLE commits (number INTEGER PRIMARY KEY, parent INTEGER NOT NULL,
                                   author TEXT NOT NULL, message TEXT NOT NULL, date INTEGER NOT NULL);
             CREATE TABLE heads (branch TEXT PRIMARY KEY, head INTEGER NOT NULL) WITHOUT ROWID;",
        )?;
        Ok(Box::new(Store { connection, keeps: self.keeps }))
    }
}

impl PeerStore for Store {
    fn add(&mut self, blocks: &[(Sha1, Bytes)]) -> Result<()> {
        let transaction = self.connection.transaction()?;
        {
            let sql = "INSERT INTO blocks VALUES (?1, ?2) ON CONFLICT DO NOTHING";
            let mut statement = transaction.prepare_cached(sql)?;
            for (name, block) in blocks {
                statement.execute((name.as_bytes(), &**block))?;
            }
        }
        Ok(transaction.commit()?)
    }

    fn block(&mut self, name: &Sha1, show: &mut dyn FnMut(&[u8])) -> Result<bool> {
        let sql = "SELECT block FROM blocks WHERE name = ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query([name.as_bytes()])?;
        let Some(row) = rows.next()? else { return Ok(false) };
        show(row.get_ref(0)?.as_blob()?);
        Ok(true)
    }

    fn set(&mut self, edits: &[(String, String)]) -> Result<()> {
        let transaction = self.connection.transaction()?;
        write(&transaction, self.keeps, edits)?;
        Ok(transaction.commit()?)
    }

    fn set_each(&mut self, commits: &[Vec<(String, String)>]) -> Result<()> {
        let transaction = self.connection.transaction()?;
        for edits in commits {
            write(&transaction, self.keeps, edits)?;
        }
        Ok(transaction.commit()?)
    }

    fn find(&mut self, path: &str) -> Result<Option<String>> {
        let sql = "SELECT value FROM contents WHERE path = ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_row([path], |row| row.get(0)).optional()?)
    }

    fn find_at(&mut self, commit: u64, path: &str) -> Result<Option<String>> {
        let sql = "SELECT value FROM versions WHERE path = ?1 AND commit_number <= ?2
                   ORDER BY commit_number DESC LIMIT 1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let commit = i64::try_from(commit)?;
        Ok(statement.query_row((path, commit), |row| row.get(0)).optional()?)
    }

    fn last_modified(&mut self, path: &str) -> Result<Option<u64>> {
        let sql = "SELECT commit_number FROM versions WHERE path = ?1
                   ORDER BY commit_number DESC LIMIT 1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let newest = statement.query_row([path], |row| row.get::<_, i64>(0)).optional()?;
        Ok(newest.map(u64::try_from).transpose()?)
    }
}

/// Writes the edits, and the commit of them if there are versions.
fn write(transaction: &Transaction<'_>, keeps: Keeps, edits: &[(String, String)]) -> Result<()> {
    let sql = "INSERT INTO contents VALUES (?1, ?2)
               ON CONFLICT DO UPDATE SET value = excluded.value";
    let mut statement = transaction.prepare_cached(sql)?;
    for (path, value) in edits {
        statement.execute((path, value))?;
    }
    match keeps {
        Keeps::Versions => commit(transaction, edits),
        Keeps::Newest => Ok(()),
    }
}

/// Writes what makes a commit of the edits.
fn commit(transaction: &Transaction<'_>, edits: &[(String, String)]) -> Result<()> {
    let sql = "SELECT head FROM heads WHERE branch = 'main'";
    let mut statement = transaction.prepare_cached(sql)?;
    let parent: i64 = statement.query_row([], |row| row.get(0)).optional()?.unwrap_or(0);
    let commit = parent + 1;
    let mut statement = transaction.prepare_cached("INSERT INTO versions VALUES (?1, ?2, ?3)")?;
    for (path, value) in edits {
        statement.execute((path, commit, value))?;
    }
    let sql = "INSERT INTO commits VALUES (?1, ?2, ?3, ?4, ?5)";
    let mut statement = transaction.prepare_cached(sql)?;
    statement.execute((commit, parent, AUTHOR, MESSAGE, commit))?;
    let sql =
        "INSERT INTO heads VALUES ('main', ?1) ON CONFLICT DO UPDATE SET head = excluded.head";
    transaction.prepare_cached(sql)?.execute([commit])?;
    Ok(())
}
