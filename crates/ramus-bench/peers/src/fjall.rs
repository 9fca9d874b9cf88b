use std::path::Path;

use bytes::Bytes;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use ramus_bench::{Peer, PeerStore, Result};
use ramus_core::{Hash as _, Sha1};

/// `fjall`: a log-structured merge tree.
pub(crate) struct Fjall {
    pub(crate) synced: bool,
}

struct Store {
    database: Database,
    blocks: Keyspace,
    values: Keyspace,
    durability: PersistMode,
}

impl Peer for Fjall {
    fn name(&self) -> &'static str {
        if self.synced { "fjall" } else { "fjall-os" }
    }

    fn version(&self) -> String {
        crate::version_of("fjall")
    }

    fn is_synced(&self) -> bool {
        self.synced
    }

    fn open(&self, directory: &Path) -> Result<Box<dyn PeerStore>> {
        let database = Database::builder(directory.join("fjall")).open()?;
        let blocks = database.keyspace("blocks", KeyspaceCreateOptions::default)?;
        let values = database.keyspace("values", KeyspaceCreateOptions::default)?;
        let durability = if self.synced { PersistMode::SyncData } else { PersistMode::Buffer };
        Ok(Box::new(Store { database, blocks, values, durability }))
    }
}

impl PeerStore for Store {
    fn add(&mut self, blocks: &[(Sha1, Bytes)]) -> Result<()> {
        let mut batch = self.database.batch().durability(Some(self.durability));
        for (name, block) in blocks {
            batch.insert(&self.blocks, name.as_bytes(), &**block);
        }
        Ok(batch.commit()?)
    }

    fn block(&mut self, name: &Sha1) -> Result<Option<Vec<u8>>> {
        Ok(self.blocks.get(name.as_bytes())?.map(|block| block.to_vec()))
    }

    fn set(&mut self, edits: &[(String, String)]) -> Result<()> {
        let mut batch = self.database.batch().durability(Some(self.durability));
        for (path, value) in edits {
            batch.insert(&self.values, path.as_str(), value.as_str());
        }
        Ok(batch.commit()?)
    }

    fn find(&mut self, path: &str) -> Result<Option<String>> {
        let value = self.values.get(path)?;
        Ok(value.map(|value| String::from_utf8(value.to_vec())).transpose()?)
    }
}
