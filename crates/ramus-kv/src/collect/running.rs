use futures::FutureExt as _;
use futures::stream::BoxStream;
use ramus_core::erased::Sweeper;
use ramus_core::{Epoch, Hash, Result, Sweep as _};

/// A collection of the storage, from its beginning to its end. Dropped before, it is ended all the same: a
/// storage remembers for it what is pinned.
pub(super) struct Running<H: Hash> {
    sweep: Sweeper<H>,
    epoch: Epoch,
    is_finished: bool,
}

impl<H: Hash> Running<H> {
    pub(super) async fn begin(sweep: Sweeper<H>) -> Result<Self> {
        let epoch = sweep.begin().await?;
        Ok(Self { sweep, epoch, is_finished: false })
    }

    pub(super) fn keys(&self) -> BoxStream<'static, Result<H>> {
        self.sweep.keys()
    }

    pub(super) async fn pinned(&self) -> Result<Vec<H>> {
        self.sweep.pinned(self.epoch).await
    }

    pub(super) async fn remove_many(&self, keys: Vec<H>) -> Result<usize> {
        self.sweep.remove_many(self.epoch, keys).await
    }

    /// Ends it, and gives back the room; after an error it can be called again.
    pub(super) async fn finish(&mut self) -> Result<()> {
        self.sweep.finish(self.epoch).await?;
        self.is_finished = true;
        Ok(())
    }
}

impl<H: Hash> Drop for Running<H> {
    fn drop(&mut self) {
        if !self.is_finished {
            // A storage of this process has been told by then, and what it would give back waits for
            // another collection. One that is far away ends it with the lease of its holder.
            drop(self.sweep.finish(self.epoch).now_or_never());
        }
    }
}
