use std::path::Path;

use bytes::Bytes;
use ramus_bench::{Peer, PeerStore, Result, Skill};
use ramus_core::{Hash as _, Sha1};
use redb::{
    Database, Durability, ReadableDatabase as _, ReadableTable as _, TableDefinition,
    WriteTransaction,
};

use crate::keeps::Keeps;
use crate::{AUTHOR, MESSAGE};

const BLOCKS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("blocks");
const VALUES: TableDefinition<'_, &str, &str> = TableDefinition::new("values");
const VERSIONS: TableDefinition<'_, (&str, u64), &str> = TableDefinition::new("versions");
/// Of each commit: parent, author, message, date.
const COMMITS: TableDefinition<'_, u64, (u64, &str, &str, i64)> = TableDefinition::new("commits");
/// Of each branch: its newest commit.
const HEADS: TableDefinition<'_, &str, u64> = TableDefinition::new("heads");

/// `redb`: a B-tree in one file.
pub(crate) struct Redb {
    pub(crate) name: &'static str,
    pub(crate) keeps: Keeps,
    pub(crate) synced: bool,
}

struct Store {
    database: Database,
    keeps: Keeps,
    durability: Durability,
}

impl Peer for Redb {
    fn name(&self) -> &'static str {
        self.name
    }

    fn version(&self) -> String {
        crate::version_of("redb")
    }

    fn is_synced(&self) -> bool {
        self.synced
    }

    fn skills(&self) -> &'static [Skill] {
        self.keeps.skills()
    }

    fn open(&self, directory: &Path) -> Result<Box<dyn PeerStore>> {
        let database = Database::create(directory.join("redb"))?;
        let durability = if self.synced { Durability::Immediate } else { Durability::None };
        let store = Store { database, keeps: self.keeps, durability };
        let tables = store.begin()?;
        tables.open_table(BLOCKS)?;
        tables.open_table(VALUES)?;
        if self.keeps == Keeps::Versions {
            tables.open_table(VERSIONS)?;
            tables.open_table(COMMITS)?;
            tables.open_table(HEADS)?;
        }
        tables.commit()?;
        Ok(Box::new(store))
    }
}

impl Store {
    fn begin(&self) -> Result<WriteTransaction> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(self.durability)?;
        Ok(transaction)
    }

    /// Writes the edits, and the commit of them if there are versions.
    fn write(&self, transaction: &WriteTransaction, edits: &[(String, String)]) -> Result<()> {
        let mut table = transaction.open_table(VALUES)?;
        for (path, value) in edits {
            table.insert(path.as_str(), value.as_str())?;
        }
        match self.keeps {
            Keeps::Versions => self.commit(transaction, edits),
            Keeps::Newest => Ok(()),
        }
    }

    /// Writes what makes a commit of the edits.
    fn commit(&self, transaction: &WriteTransaction, edits: &[(String, String)]) -> Result<()> {
        let mut heads = transaction.open_table(HEADS)?;
        let parent = heads.get("main")?.map_or(0, |head| head.value());
        let commit = parent + 1;
        let mut versions = transaction.open_table(VERSIONS)?;
        for (path, value) in edits {
            versions.insert((path.as_str(), commit), value.as_str())?;
        }
        let mut commits = transaction.open_table(COMMITS)?;
        commits.insert(commit, (parent, AUTHOR, MESSAGE, i64::try_from(commit)?))?;
        heads.insert("main", commit)?;
        Ok(())
    }
}

impl PeerStore for Store {
    fn add(&mut self, blocks: &[(Sha1, Bytes)]) -> Result<()> {
        let transaction = self.begin()?;
        {
            let mut table = transaction.open_table(BLOCKS)?;
            for (name, block) in blocks {
                if table.get(name.as_bytes())?.is_none() {
                    table.insert(name.as_bytes(), &**block)?;
                }
            }
        }
        Ok(transaction.commit()?)
    }

    fn block(&mut self, name: &Sha1, show: &mut dyn FnMut(&[u8])) -> Result<bool> {
        let table = self.database.begin_read()?.open_table(BLOCKS)?;
        let block = table.get(name.as_bytes())?;
        Ok(block.map(|block| show(block.value())).is_some())
    }

    fn set(&mut self, edits: &[(String, String)]) -> Result<()> {
        let transaction = self.begin()?;
        self.write(&transaction, edits)?;
        Ok(transaction.commit()?)
    }

    fn set_each(&mut self, commits: &[Vec<(String, String)>]) -> Result<()> {
        let transaction = self.begin()?;
        for edits in commits {
            self.write(&transaction, edits)?;
        }
        Ok(transaction.commit()?)
    }

    fn find(&mut self, path: &str) -> Result<Option<String>> {
        let table = self.database.begin_read()?.open_table(VALUES)?;
        Ok(table.get(path)?.map(|value| value.value().to_owned()))
    }

    fn find_at(&mut self, commit: u64, path: &str) -> Result<Option<String>> {
        let table = self.database.begin_read()?.open_table(VERSIONS)?;
        let newest = table.range((path, 0)..=(path, commit))?.next_back().transpose()?;
        Ok(newest.map(|(_, value)| value.value().to_owned()))
    }

    fn last_modified(&mut self, path: &str) -> Result<Option<u64>> {
        let table = self.database.begin_read()?.open_table(VERSIONS)?;
        let newest = table.range((path, 0)..=(path, u64::MAX))?.next_back().transpose()?;
        Ok(newest.map(|(key, _)| key.value().1))
    }
}
