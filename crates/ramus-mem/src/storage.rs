use std::collections::HashMap;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use ramus_core::{
    AtomicWrite as _, ContentAddressable as _, Hash, ReadOnly as _, RefName, RefOutcome, RefUpdate,
    Result, Sha1, Storage,
};

use crate::{MemBlocks, MemOptions, MemRefs, MemStorageRefs, MemSweep};

/// Blocks and refs in memory. Clones are one storage; every new one is empty.
#[derive(Clone, Debug)]
pub struct Mem<H: Hash = Sha1> {
    /// These have the blocks, too.
    refs: MemStorageRefs<H>,
    derived: Arc<Mutex<HashMap<RefName, BytesMut>>>,
}

impl<H: Hash> Mem<H> {
    /// Returns an empty storage.
    pub fn new(options: &MemOptions) -> Self {
        let refs = MemStorageRefs { blocks: MemBlocks::new(), refs: MemRefs::new(options) };
        Self { refs, derived: Arc::default() }
    }

    /// Calls `work` with the derived data, unless the store is closed.
    async fn with_derived<T>(
        &self,
        work: impl FnOnce(&mut HashMap<RefName, BytesMut>) -> T + Send,
    ) -> Result<T> {
        self.refs.position().await?;
        Ok(work(&mut self.derived.lock()))
    }
}

impl<H: Hash> Default for Mem<H> {
    fn default() -> Self {
        Self::new(&MemOptions::default())
    }
}

impl<H: Hash> Storage for Mem<H> {
    type Hash = H;
    type Blocks = MemBlocks<H>;
    type Refs = MemStorageRefs<H>;
    type Sweep = MemSweep<H>;

    fn blocks(&self) -> &Self::Blocks {
        &self.refs.blocks
    }

    fn refs(&self) -> &Self::Refs {
        &self.refs
    }

    fn sweep(&self) -> Option<MemSweep<H>> {
        Some(self.blocks().sweep())
    }

    async fn write(&self, blocks: Vec<(H, Bytes)>, update: RefUpdate<H>) -> Result<RefOutcome<H>> {
        let _running = self.blocks().shared().protection.begin_write();
        self.blocks().unsafe_add_many(blocks).await?;
        self.refs.update_within_a_write(update).await
    }

    async fn load_derived(&self, name: &RefName) -> Result<Option<Bytes>> {
        self.with_derived(|derived| derived.get(name).map(|kept| Bytes::copy_from_slice(kept)))
            .await
    }

    async fn append_derived(&self, name: &RefName, at: u64, bytes: Bytes) -> Result<bool> {
        self.with_derived(|derived| {
            if derived.get(name).map_or(0, BytesMut::len) as u64 != at {
                return false;
            }
            derived.entry(name.clone()).or_default().extend_from_slice(&bytes);
            true
        })
        .await
    }

    async fn replace_derived(&self, name: &RefName, bytes: Bytes) -> Result<bool> {
        self.with_derived(|derived| {
            derived.insert(name.clone(), BytesMut::from(&*bytes));
            true
        })
        .await
    }

    async fn close(&self) -> Result<()> {
        let (refs, blocks) = (self.refs.close().await, self.blocks().close().await);
        self.derived.lock().clear();
        refs.and(blocks)
    }
}
