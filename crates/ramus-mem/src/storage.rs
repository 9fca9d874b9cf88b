use bytes::Bytes;
use ramus_core::{
    AtomicWrite as _, ContentAddressable as _, Hash, RefOutcome, RefUpdate, Result, Sha1, Storage,
};

use crate::{MemBlocks, MemOptions, MemRefs, MemStorageRefs, MemSweep};

/// Blocks and refs in memory. Clones are one storage; every new one is empty.
#[derive(Clone, Debug)]
pub struct Mem<H: Hash = Sha1> {
    /// These have the blocks, too.
    refs: MemStorageRefs<H>,
}

impl<H: Hash> Mem<H> {
    /// Returns an empty storage.
    pub fn new(options: &MemOptions) -> Self {
        Self { refs: MemStorageRefs { blocks: MemBlocks::new(), refs: MemRefs::new(options) } }
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
        self.refs.update(update).await
    }
}
