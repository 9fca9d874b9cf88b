use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use ramus_core::{Epoch, Hash, Pin, Result, Sweep, Value};

use crate::blocks::{MemBlocks, Shared};

/// Collects the blocks of a [`Mem`](crate::Mem).
pub struct MemSweep<H, V = Bytes>(Arc<Shared<H, V>>);

impl<H: Hash, V: Value> MemBlocks<H, V> {
    /// Returns the part that collects blocks: for a [`Mem`](crate::Mem) alone, since only there does
    /// an update of the refs hold on to what it names.
    pub(crate) fn sweep(&self) -> MemSweep<H, V> {
        MemSweep(Arc::clone(self.shared()))
    }
}

impl<H: Hash, V: Value> Sweep for MemSweep<H, V> {
    type Key = H;

    async fn begin(&self) -> Result<Epoch> {
        self.0.ensure_open()?;
        Ok(self.0.begin_collection())
    }

    fn keys(&self) -> BoxStream<'static, Result<H>> {
        match self.0.ensure_open() {
            Ok(()) => stream::iter(self.0.keys()).map(Ok).boxed(),
            Err(closed) => stream::iter([Err(closed)]).boxed(),
        }
    }

    async fn pinned(&self, epoch: Epoch) -> Result<Vec<H>> {
        self.0.ensure_open()?;
        self.0.protection.lock().pinned_since(epoch)
    }

    async fn remove_many(&self, epoch: Epoch, keys: Vec<H>) -> Result<usize> {
        /// So many names are looked at before pins and writes get their turn.
        const TURN: usize = 256;
        self.0.ensure_open()?;
        let mut removed = 0;
        for turn in keys.chunks(TURN) {
            let protection = self.0.protection.lock();
            let unpinned = turn.iter().filter(|key| !protection.is_pinned(key));
            removed += unpinned.filter(|key| self.0.remove_older(key, epoch)).count();
        }
        Ok(removed)
    }

    async fn finish(&self, epoch: Epoch) -> Result<()> {
        self.0.ensure_open()?;
        self.0.protection.lock().finish_collection(epoch);
        Ok(())
    }

    async fn pin(&self, keys: Vec<H>) -> Result<Pin> {
        self.0.ensure_open()?;
        {
            let mut protection = self.0.protection.lock();
            for key in &keys {
                protection.pin(*key);
            }
        }
        Ok(Pin::new(Pinned { shared: Arc::clone(&self.0), keys }))
    }
}

struct Pinned<H: Hash, V: Value> {
    shared: Arc<Shared<H, V>>,
    keys: Vec<H>,
}

impl<H: Hash, V: Value> Drop for Pinned<H, V> {
    fn drop(&mut self) {
        let mut protection = self.shared.protection.lock();
        let is_collected = protection.is_collected();
        for key in &self.keys {
            if is_collected {
                self.shared.touch(key);
            }
            protection.unpin(key);
        }
    }
}

impl<H, V> Clone for MemSweep<H, V> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<H, V> fmt::Debug for MemSweep<H, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemSweep").finish_non_exhaustive()
    }
}
