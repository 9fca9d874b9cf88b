use ramus_core::{
    AtomicWrite, Changes, Cursor, Error, Hash, Limits, Outcome, ReadOnly, RefName, RefOutcome,
    RefUpdate, Result, Sha1, Snapshot, Subscription,
};

use crate::{MemBlocks, MemRefs};

/// The refs of a [`Mem`](crate::Mem): [`MemRefs`] that hold on to the blocks that an update names.
///
/// An update is a running write to a collection, like [`Storage::write`](ramus_core::Storage::write),
/// and marks each block that it names as it looks whether it is there. So no collection removes a
/// block between that look and the update.
#[derive(Clone, Debug)]
pub struct MemStorageRefs<H: Hash = Sha1> {
    pub(crate) blocks: MemBlocks<H>,
    pub(crate) refs: MemRefs<RefName, H>,
}

impl<H: Hash> MemStorageRefs<H> {
    /// Updates the refs, while it is noted that a write runs.
    pub(crate) async fn update_within_a_write(
        &self,
        update: RefUpdate<H>,
    ) -> Result<RefOutcome<H>> {
        let blocks = self.blocks.shared();
        let mut named = update.edits.values().filter_map(|edit| edit.set.as_ref());
        if let Some(key) = named.find(|key| !blocks.touch(key)) {
            blocks.ensure_open()?;
            let place = self.refs.recall(&update)?;
            return place.map(Outcome::Applied).ok_or_else(|| Error::missing(key));
        }
        self.refs.update(update).await
    }
}

#[deny(clippy::missing_trait_methods, reason = "a method that is not forwarded loses its meaning")]
impl<H: Hash> ReadOnly for MemStorageRefs<H> {
    type Key = RefName;
    type Value = H;

    async fn find(&self, key: &RefName) -> Result<Option<H>> {
        self.refs.find(key).await
    }

    fn find_now(&self, key: &RefName) -> Option<Result<Option<H>>> {
        self.refs.find_now(key)
    }

    async fn mem(&self, key: &RefName) -> Result<bool> {
        self.refs.mem(key).await
    }

    async fn find_many(&self, keys: &[RefName]) -> Result<Vec<Option<H>>> {
        self.refs.find_many(keys).await
    }

    fn limits(&self) -> Limits {
        self.refs.limits()
    }

    async fn close(&self) -> Result<()> {
        self.refs.close().await
    }
}

#[deny(clippy::missing_trait_methods, reason = "a method that is not forwarded loses its meaning")]
impl<H: Hash> AtomicWrite for MemStorageRefs<H> {
    async fn update(&self, update: RefUpdate<H>) -> Result<RefOutcome<H>> {
        let _running = self.blocks.shared().protection.begin_write();
        self.update_within_a_write(update).await
    }

    async fn snapshot(&self, prefix: &[u8]) -> Result<Snapshot<RefName, H>> {
        self.refs.snapshot(prefix).await
    }

    async fn changes(&self, after: Cursor, limit: usize) -> Result<Changes<RefName, H>> {
        self.refs.changes(after, limit).await
    }

    async fn position(&self) -> Result<Cursor> {
        self.refs.position().await
    }

    fn subscribe(&self) -> Subscription<RefName, H> {
        self.refs.subscribe()
    }
}
