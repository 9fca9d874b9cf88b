use std::path::Path;

use bytes::Bytes;
use ramus_bench::{Peer, PeerStore, Result};
use ramus_core::{Hash as _, Sha1};
use redb::{Database, Durability, ReadableDatabase as _, TableDefinition, WriteTransaction};

const BLOCKS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("blocks");
const VALUES: TableDefinition<'_, &str, &str> = TableDefinition::new("values");

/// `redb`: a B-tree in one file.
pub(crate) struct Redb {
    pub(crate) synced: bool,
}

struct Store {
    database: Database,
    durability: Durability,
}

impl Peer for Redb {
    fn name(&self) -> &'static str {
        if self.synced { "redb" } else { "redb-os" }
    }

    fn version(&self) -> String {
        crate::version_of("redb")
    }

    fn is_synced(&self) -> bool {
        self.synced
    }

    fn open(&self, directory: &Path) -> Result<Box<dyn PeerStore>> {
        let database = Database::create(directory.join("redb"))?;
        let durability = if self.synced { Durability::Immediate } else { Durability::None };
        let store = Store { database, durability };
        let tables = store.begin()?;
        tables.open_table(BLOCKS)?;
        tables.open_table(VALUES)?;
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
}

impl PeerStore for Store {
    fn add(&mut self, blocks: &[(Sha1, Bytes)]) -> Result<()> {
        let transaction = self.begin()?;
        {
            let mut table = transaction.open_table(BLOCKS)?;
            for (name, block) in blocks {
                table.insert(name.as_bytes(), &**block)?;
            }
        }
        Ok(transaction.commit()?)
    }

    fn block(&mut self, name: &Sha1) -> Result<Option<Vec<u8>>> {
        let table = self.database.begin_read()?.open_table(BLOCKS)?;
        Ok(table.get(name.as_bytes())?.map(|block| block.value().to_vec()))
    }

    fn set(&mut self, edits: &[(String, String)]) -> Result<()> {
        let transaction = self.begin()?;
        {
            let mut table = transaction.open_table(VALUES)?;
            for (path, value) in edits {
                table.insert(path.as_str(), value.as_str())?;
            }
        }
        Ok(transaction.commit()?)
    }

    fn find(&mut self, path: &str) -> Result<Option<String>> {
        let table = self.database.begin_read()?.open_table(VALUES)?;
        Ok(table.get(path)?.map(|value| value.value().to_owned()))
    }
}
