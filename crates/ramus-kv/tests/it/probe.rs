//! A storage that counts what is read and written, and lets every read and write of blocks wait once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use ramus_core::erased::Backend;
use ramus_core::{ContentAddressable, Joined, Limits, ReadOnly, Result, Sha1};
use ramus_mem::{MemBlocks, MemOptions, MemRefs};
use tokio::task::yield_now;

/// Blocks in memory that are watched. Clones are one store.
#[derive(Clone, Debug, Default)]
pub(crate) struct Probe {
    blocks: MemBlocks<Sha1>,
    reads: Arc<AtomicUsize>,
    writes: Arc<AtomicUsize>,
    blocks_written: Arc<AtomicUsize>,
    bytes_written: Arc<AtomicUsize>,
    lost: Arc<Mutex<Option<Sha1>>>,
}

impl Probe {
    /// Returns a storage on these blocks.
    pub(crate) fn backend(&self) -> Backend<Sha1> {
        Backend::new(Joined::new(self.clone(), MemRefs::new(&MemOptions::default())))
    }

    /// Finds this block no more, or all again.
    pub(crate) fn lose(&self, block: Option<Sha1>) {
        *self.lost.lock().expect("nobody panics with the lock held") = block;
    }

    /// Returns how many blocks were read since this was asked last.
    pub(crate) fn reads(&self) -> usize {
        self.reads.swap(0, Ordering::Relaxed)
    }

    /// Returns how many blocks were given to be stored since this was asked last.
    pub(crate) fn writes(&self) -> usize {
        self.writes.swap(0, Ordering::Relaxed)
    }

    /// Returns how many blocks, and how many bytes in them, were written since this was asked last.
    pub(crate) fn written(&self) -> (usize, usize) {
        let blocks = self.blocks_written.swap(0, Ordering::Relaxed);
        (blocks, self.bytes_written.swap(0, Ordering::Relaxed))
    }
}

impl ReadOnly for Probe {
    type Key = Sha1;
    type Value = Bytes;

    async fn find(&self, key: &Sha1) -> Result<Option<Bytes>> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        yield_now().await;
        if *self.lost.lock().expect("nobody panics with the lock held") == Some(*key) {
            return Ok(None);
        }
        self.blocks.find(key).await
    }

    async fn mem(&self, key: &Sha1) -> Result<bool> {
        yield_now().await;
        self.blocks.mem(key).await
    }

    fn limits(&self) -> Limits {
        self.blocks.limits()
    }

    async fn close(&self) -> Result<()> {
        self.blocks.close().await
    }
}

impl ContentAddressable for Probe {
    fn name(&self, value: &Bytes) -> Result<Sha1> {
        self.blocks.name(value)
    }

    async fn unsafe_add(&self, key: Sha1, value: Bytes) -> Result<()> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        self.blocks_written.fetch_add(1, Ordering::Relaxed);
        self.bytes_written.fetch_add(value.len(), Ordering::Relaxed);
        yield_now().await;
        self.blocks.unsafe_add(key, value).await
    }

    async fn flush(&self) -> Result<()> {
        self.blocks.flush().await
    }
}
