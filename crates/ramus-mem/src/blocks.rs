use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use dashmap::DashMap;
use ramus_core::{
    ContentAddressable, Epoch, Error, ErrorKind, Hash, Limits, ReadOnly, Result, Sha1, Value,
};

use crate::protection::Protection;
use ramus_core::hash::DigestHash;

/// Blocks in memory. Clones are one store.
///
/// A value can be anything that has bytes to be hashed, such as `Bytes` or `String`. Nothing is
/// durable, so `flush` has nothing to do.
pub struct MemBlocks<H = Sha1, V = Bytes>(Arc<Shared<H, V>>);

pub(crate) struct Shared<H, V> {
    slots: DashMap<H, Slot<V>, DigestHash>,
    closed: AtomicBool,
    /// The epoch of `protection`, to be read without its lock.
    epoch: AtomicU64,
    pub(crate) protection: Arc<Protection<H>>,
}

struct Slot<V> {
    value: V,
    /// When the block was last added or pinned.
    epoch: AtomicU64,
}

const SHARDS: usize = 64;

impl<H: Hash, V: Value> MemBlocks<H, V> {
    /// Returns an empty store.
    pub fn new() -> Self {
        let slots = DashMap::with_hasher_and_shard_amount(DigestHash::default(), SHARDS);
        let protection = Arc::new(Protection::new());
        let epoch = AtomicU64::new(protection.lock().epoch());
        Self(Arc::new(Shared { slots, closed: AtomicBool::new(false), epoch, protection }))
    }

    pub(crate) fn shared(&self) -> &Arc<Shared<H, V>> {
        &self.0
    }
}

impl<H: Hash, V: Value> Shared<H, V> {
    pub(crate) fn ensure_open(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) { Err(Error::closed()) } else { Ok(()) }
    }

    #[inline]
    fn find(&self, key: &H) -> Result<Option<V>> {
        self.ensure_open()?;
        let found = self.slots.get(key).map(|slot| slot.value.clone());
        found.map_or_else(|| self.absent(None), |value| Ok(Some(value)))
    }

    pub(crate) fn keys(&self) -> Vec<H> {
        self.slots.iter().map(|slot| *slot.key()).collect()
    }

    pub(crate) fn begin_collection(&self) -> Epoch {
        let mut protection = self.protection.lock();
        let threshold = protection.begin_collection();
        self.epoch.store(protection.epoch(), Ordering::SeqCst);
        threshold
    }

    /// Removes the block if it is older than `threshold`; returns whether it did.
    pub(crate) fn remove_older(&self, key: &H, threshold: Epoch) -> bool {
        let old = |_: &H, slot: &Slot<V>| slot.epoch.load(Ordering::SeqCst) < threshold.get();
        self.slots.remove_if(key, old).is_some()
    }

    /// Marks the block with the current epoch; returns whether it is there.
    pub(crate) fn touch(&self, key: &H) -> bool {
        let slot = self.slots.get(key);
        slot.is_some_and(|slot| {
            self.mark(&slot);
            true
        })
    }

    fn insert(&self, key: H, value: V) {
        let slot = self.slots.entry(key).or_insert(Slot { value, epoch: AtomicU64::new(0) });
        self.mark(&slot);
    }

    /// Marks the block of a slot that is locked with the current epoch, until that is the current one
    /// also after the mark. So a collection that begins meanwhile finds the block marked.
    fn mark(&self, slot: &Slot<V>) {
        let mut epoch = self.epoch.load(Ordering::SeqCst);
        loop {
            slot.epoch.fetch_max(epoch, Ordering::SeqCst);
            let now = self.epoch.load(Ordering::SeqCst);
            if now == epoch {
                return;
            }
            epoch = now;
        }
    }

    /// Answers that a block is absent, which a store that was closed meanwhile must not say.
    fn absent<T>(&self, answer: T) -> Result<T> {
        self.ensure_open().map(|()| answer)
    }
}

impl<H: Hash, V: Value> ReadOnly for MemBlocks<H, V> {
    type Key = H;
    type Value = V;

    async fn find(&self, key: &H) -> Result<Option<V>> {
        self.0.find(key)
    }

    fn find_now(&self, key: &H) -> Option<Result<Option<V>>> {
        Some(self.0.find(key))
    }

    async fn mem(&self, key: &H) -> Result<bool> {
        self.0.ensure_open()?;
        if self.0.slots.contains_key(key) { Ok(true) } else { self.0.absent(false) }
    }

    fn limits(&self) -> Limits {
        Limits::default()
    }

    async fn close(&self) -> Result<()> {
        self.0.closed.store(true, Ordering::Release);
        self.0.slots.clear();
        Ok(())
    }
}

impl<H: Hash, V: Value + AsRef<[u8]>> ContentAddressable for MemBlocks<H, V> {
    fn name(&self, value: &V) -> Result<H> {
        Ok(H::of(value.as_ref()))
    }

    async fn unsafe_add(&self, key: H, value: V) -> Result<()> {
        self.0.ensure_open()?;
        check_size(&key, value.as_ref(), self.limits())?;
        self.0.insert(key, value);
        Ok(())
    }

    async fn unsafe_add_many(&self, blocks: Vec<(H, V)>) -> Result<()> {
        self.0.ensure_open()?;
        let limits = self.limits();
        blocks.iter().try_for_each(|(key, value)| check_size(key, value.as_ref(), limits))?;
        for (key, value) in blocks {
            self.0.insert(key, value);
        }
        Ok(())
    }

    async fn flush(&self) -> Result<()> {
        self.0.ensure_open()
    }
}

fn check_size<H: Hash>(key: &H, block: &[u8], limits: Limits) -> Result<()> {
    let (size, max) = (block.len(), limits.block_bytes_max);
    if size <= max {
        return Ok(());
    }
    let message = format!("block {key} has {size} bytes; at most {max} are taken");
    Err(Error::new(ErrorKind::Limit, message))
}

impl<H: Hash, V: Value> Default for MemBlocks<H, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<H, V> Clone for MemBlocks<H, V> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<H, V> fmt::Debug for MemBlocks<H, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemBlocks").finish_non_exhaustive()
    }
}
