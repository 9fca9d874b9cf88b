use std::path::Path;

use bytes::Bytes;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode};
use ramus_bench::{Peer, PeerStore, Result, Skill};
use ramus_core::{Hash as _, Sha1};

use crate::keeps::Keeps;
use crate::{AUTHOR, MESSAGE};

/// `fjall`: a log-structured merge tree.
pub(crate) struct Fjall {
    pub(crate) name: &'static str,
    pub(crate) keeps: Keeps,
    pub(crate) synced: bool,
}

struct Store {
    database: Database,
    blocks: Keyspace,
    values: Keyspace,
    /// Path, a zero byte, commit in eight bytes; so that the versions of a path stand in order.
    versions: Keyspace,
    /// Of each commit: parent, date, and, each with its length before it, author and message.
    commits: Keyspace,
    heads: Keyspace,
    keeps: Keeps,
    durability: PersistMode,
}

impl Peer for Fjall {
    fn name(&self) -> &'static str {
        self.name
    }

    fn version(&self) -> String {
        crate::version_of("fjall")
    }

    fn is_synced(&self) -> bool {
        self.synced
    }

    fn skills(&self) -> &'static [Skill] {
        self.keeps.skills()
    }

    fn open(&self, directory: &Path) -> Result<Box<dyn PeerStore>> {
        let database = Database::builder(directory.join("fjall")).open()?;
        let keyspace = |name| database.keyspace(name, KeyspaceCreateOptions::default);
        let [blocks, values] = [keyspace("blocks")?, keyspace("values")?];
        let [versions, commits] = [keyspace("versions")?, keyspace("commits")?];
        let heads = keyspace("heads")?;
        let durability = if self.synced { PersistMode::SyncData } else { PersistMode::Buffer };
        let keeps = self.keeps;
        let store = Store { database, blocks, values, versions, commits, heads, keeps, durability };
        Ok(Box::new(store))
    }
}

impl Store {
    fn batch(&self) -> OwnedWriteBatch {
        self.database.batch().durability(Some(self.durability))
    }

    /// Returns the newest commit; 0 if there is none. A program with several writers would read it in a
    /// transaction; here there is one.
    fn head(&self) -> Result<u64> {
        let head = self.heads.get("main")?;
        Ok(head.map_or(Ok(0), |head| <[u8; 8]>::try_from(&*head).map(u64::from_be_bytes))?)
    }

    /// Puts the edits into the batch, and the commit of them if there are versions.
    fn write(
        &self,
        batch: &mut OwnedWriteBatch,
        parent: u64,
        edits: &[(String, String)],
    ) -> Result<()> {
        for (path, value) in edits {
            batch.insert(&self.values, path.as_str(), value.as_str());
        }
        match self.keeps {
            Keeps::Versions => self.commit(batch, parent, edits),
            Keeps::Newest => Ok(()),
        }
    }

    /// Puts what makes a commit of the edits into the batch.
    fn commit(
        &self,
        batch: &mut OwnedWriteBatch,
        parent: u64,
        edits: &[(String, String)],
    ) -> Result<()> {
        let commit = parent + 1;
        for (path, value) in edits {
            batch.insert(&self.versions, version(path, commit), value.as_str());
        }
        let mut row = [parent.to_be_bytes(), commit.to_be_bytes()].concat();
        for text in [AUTHOR, MESSAGE] {
            row.extend(u32::try_from(text.len())?.to_be_bytes());
            row.extend_from_slice(text.as_bytes());
        }
        batch.insert(&self.commits, commit.to_be_bytes(), row);
        batch.insert(&self.heads, "main", commit.to_be_bytes());
        Ok(())
    }
}

fn version(path: &str, commit: u64) -> Vec<u8> {
    [path.as_bytes(), &[0], &commit.to_be_bytes()].concat()
}

impl PeerStore for Store {
    fn add(&mut self, blocks: &[(Sha1, Bytes)]) -> Result<()> {
        let mut batch = self.batch();
        for (name, block) in blocks {
            if !self.blocks.contains_key(name.as_bytes())? {
                batch.insert(&self.blocks, name.as_bytes(), &**block);
            }
        }
        Ok(batch.commit()?)
    }

    fn block(&mut self, name: &Sha1, show: &mut dyn FnMut(&[u8])) -> Result<bool> {
        Ok(self.blocks.get(name.as_bytes())?.map(|block| show(&block)).is_some())
    }

    fn set(&mut self, edits: &[(String, String)]) -> Result<()> {
        let mut batch = self.batch();
        let parent = self.head()?;
        self.write(&mut batch, parent, edits)?;
        Ok(batch.commit()?)
    }

    fn set_each(&mut self, commits: &[Vec<(String, String)>]) -> Result<()> {
        let mut batch = self.batch();
        for (parent, edits) in (self.head()?..).zip(commits) {
            self.write(&mut batch, parent, edits)?;
        }
        Ok(batch.commit()?)
    }

    fn find(&mut self, path: &str) -> Result<Option<String>> {
        let value = self.values.get(path)?;
        Ok(value.map(|value| String::from_utf8(value.to_vec())).transpose()?)
    }

    fn find_at(&mut self, commit: u64, path: &str) -> Result<Option<String>> {
        let mut versions = self.versions.range(version(path, 0)..=version(path, commit));
        let Some(newest) = versions.next_back() else { return Ok(None) };
        Ok(Some(String::from_utf8(newest.value()?.to_vec())?))
    }

    fn last_modified(&mut self, path: &str) -> Result<Option<u64>> {
        let mut versions = self.versions.range(version(path, 0)..=version(path, u64::MAX));
        let Some(newest) = versions.next_back() else { return Ok(None) };
        let key = newest.key()?;
        Ok(key.last_chunk().map(|commit| u64::from_be_bytes(*commit)))
    }
}
