use bytes::Bytes;
use ramus_core::{Hash, Joined, JoinedRefs, RefName, RefOutcome, RefUpdate, Result, Sha1, Storage};

use crate::{MemBlocks, MemOptions, MemRefs, MemSweep};

/// Blocks and refs in memory. Clones are one storage; every new one is empty.
#[derive(Clone, Debug)]
pub struct Mem<H: Hash = Sha1> {
    joined: Joined<MemBlocks<H>, MemRefs<RefName, H>>,
}

impl<H: Hash> Mem<H> {
    /// Returns an empty storage.
    pub fn new(options: &MemOptions) -> Self {
        Self { joined: Joined::new(MemBlocks::new(), MemRefs::new(options)) }
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
    type Refs = JoinedRefs<MemBlocks<H>, MemRefs<RefName, H>>;
    type Sweep = MemSweep<H>;

    fn blocks(&self) -> &Self::Blocks {
        self.joined.blocks()
    }

    fn refs(&self) -> &Self::Refs {
        self.joined.refs()
    }

    fn sweep(&self) -> Option<MemSweep<H>> {
        Some(self.blocks().sweep())
    }

    async fn write(&self, blocks: Vec<(H, Bytes)>, update: RefUpdate<H>) -> Result<RefOutcome<H>> {
        let _running = self.blocks().shared().protection.begin_write();
        self.joined.write(blocks, update).await
    }
}
