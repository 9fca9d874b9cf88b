use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use quick_cache::Weighter;
use quick_cache::sync::{Cache, DefaultLifecycle};

use super::one_for_each::one_for_each;
use crate::hash::DigestHash;
use crate::{ContentAddressable, Error, ErrorKind, Limits, ReadOnly, Result};

/// Blocks with a cache in front of them.
///
/// Blocks never change, so nothing expires; what was not read for long makes room. Clones share the
/// cache.
///
/// ```
/// use bytes::Bytes;
/// use ramus_core::wrap::Cached;
/// use ramus_core::{AtomicWrite, ContentAddressable, Hash, Joined, RefName, Storage};
///
/// fn storage<H: Hash>(
///     blocks: impl ContentAddressable<Key = H, Value = Bytes>,
///     refs: impl AtomicWrite<Key = RefName, Value = H>,
/// ) -> impl Storage<Hash = H> {
///     Joined::new(Cached::new(blocks, 64 << 20), refs)
/// }
/// ```
///
/// # What is promised
///
/// - `find` and `find_many` give what the store below gave once for the key; only that is kept. A
///   block that is absent is asked for again every time.
/// - The blocks that are kept, with their keys and what an entry costs, weigh at most `bytes_max`.
///   They are copies, so that none keeps a larger buffer alive. A block that is heavier than a part
///   of the cache is not kept; the parts are a power of two, about four for each processor.
/// - `mem` always asks the store below, so that no ref comes to name a block that is gone.
/// - After `close` through this handle or a clone every operation answers
///   [`Closed`](ErrorKind::Closed), and nothing is kept.
///
/// # What is not promised
///
/// - A block that was collected below (see [`Sweep`](crate::Sweep)) may still be found here, with the
///   right bytes, until it makes room; `mem` says that it is gone. A collector that wants it gone
///   calls [`clear`](Cached::clear) afterwards; a read that was under way then may still keep a block.
/// - When the store below is closed by another handle, blocks that are kept are found until an
///   operation reaches that store and learns of it.
pub struct Cached<B: ReadOnly> {
    blocks: B,
    shared: Arc<Shared<B::Key>>,
}

struct Shared<K> {
    closed: AtomicBool,
    cache: Cache<K, Bytes, Weight, DigestHash>,
}

/// Weighs a block by its bytes.
#[derive(Clone)]
struct Weight;

/// What an entry costs besides key and block, about: its place in the map, and the allocation.
const ENTRY_BYTES: u64 = 96;

impl<K> Weighter<K, Bytes> for Weight {
    fn weight(&self, _key: &K, block: &Bytes) -> u64 {
        ENTRY_BYTES + size_of::<K>() as u64 + block.len() as u64
    }
}

impl<B: ContentAddressable<Value = Bytes>> Cached<B> {
    /// Returns `blocks` with a cache of at most so many bytes; 0 keeps nothing.
    pub fn new(blocks: B, bytes_max: u64) -> Self {
        /// What a block weighs, about: for the size of the tables at the beginning only.
        const BLOCK_BYTES: u64 = 4096;
        let blocks_max = usize::try_from(bytes_max / BLOCK_BYTES).unwrap_or(usize::MAX);
        let cache = Cache::with(
            blocks_max.clamp(1, 1 << 20),
            bytes_max,
            Weight,
            DigestHash::default(),
            DefaultLifecycle::default(),
        );
        Self { blocks, shared: Arc::new(Shared { closed: AtomicBool::new(false), cache }) }
    }

    /// Returns how many bytes the kept blocks weigh now.
    pub fn weight(&self) -> u64 {
        self.shared.cache.weight()
    }

    /// Forgets every block that is kept.
    pub fn clear(&self) {
        self.shared.cache.clear();
    }

    fn ensure_open(&self) -> Result<()> {
        if self.shared.closed.load(Ordering::Acquire) { Err(Error::closed()) } else { Ok(()) }
    }

    /// Passes on an answer from below, and learns from it if that store is closed.
    fn heard<T>(&self, answer: Result<T>) -> Result<T> {
        if answer.as_ref().is_err_and(|error| error.kind() == ErrorKind::Closed) {
            self.forget_for_good();
        }
        answer
    }

    fn keep(&self, key: &B::Key, block: &Bytes) {
        if Weight.weight(key, block) <= self.shared.cache.shard_capacity() {
            self.shared.cache.insert(*key, Bytes::copy_from_slice(block));
        }
        // A close may have come between the reading and the keeping.
        if self.shared.closed.load(Ordering::Acquire) {
            self.clear();
        }
    }

    fn forget_for_good(&self) {
        self.shared.closed.store(true, Ordering::Release);
        self.clear();
    }
}

#[deny(clippy::missing_trait_methods, reason = "a method that is not forwarded loses its meaning")]
impl<B: ContentAddressable<Value = Bytes>> ReadOnly for Cached<B> {
    type Key = B::Key;
    type Value = Bytes;

    async fn find(&self, key: &B::Key) -> Result<Option<Bytes>> {
        self.ensure_open()?;
        if let Some(block) = self.shared.cache.get(key) {
            return Ok(Some(block));
        }
        let found = self.heard(self.blocks.find(key).await)?;
        if let Some(block) = &found {
            self.keep(key, block);
        }
        Ok(found)
    }

    /// Answers for what is kept here, and for nothing else.
    fn find_now(&self, key: &B::Key) -> Option<Result<Option<Bytes>>> {
        match self.ensure_open() {
            Ok(()) => self.shared.cache.get(key).map(|block| Ok(Some(block))),
            Err(closed) => Some(Err(closed)),
        }
    }

    async fn mem(&self, key: &B::Key) -> Result<bool> {
        self.ensure_open()?;
        self.heard(self.blocks.mem(key).await)
    }

    async fn find_many(&self, keys: &[B::Key]) -> Result<Vec<Option<Bytes>>> {
        self.ensure_open()?;
        let mut blocks: Vec<_> = keys.iter().map(|key| self.shared.cache.get(key)).collect();
        let kept = keys.iter().zip(&blocks);
        let absent: Vec<_> =
            kept.filter(|(_, block)| block.is_none()).map(|(key, _)| *key).collect();
        if absent.is_empty() {
            return Ok(blocks);
        }
        let found = self.heard(self.blocks.find_many(&absent).await)?;
        let found = one_for_each(&absent, found)?;
        let holes = blocks.iter_mut().filter(|block| block.is_none());
        for ((hole, key), found) in holes.zip(&absent).zip(found) {
            if let Some(block) = &found {
                self.keep(key, block);
            }
            *hole = found;
        }
        Ok(blocks)
    }

    fn limits(&self) -> Limits {
        self.blocks.limits()
    }

    async fn close(&self) -> Result<()> {
        self.forget_for_good();
        self.blocks.close().await
    }
}

#[deny(clippy::missing_trait_methods, reason = "a method that is not forwarded loses its meaning")]
impl<B: ContentAddressable<Value = Bytes>> ContentAddressable for Cached<B> {
    fn name(&self, value: &Bytes) -> Result<B::Key> {
        self.blocks.name(value)
    }

    async fn add(&self, value: Bytes) -> Result<B::Key> {
        self.ensure_open()?;
        self.heard(self.blocks.add(value).await)
    }

    async fn unsafe_add(&self, key: B::Key, value: Bytes) -> Result<()> {
        self.ensure_open()?;
        self.heard(self.blocks.unsafe_add(key, value).await)
    }

    async fn unsafe_add_many(&self, blocks: Vec<(B::Key, Bytes)>) -> Result<()> {
        self.ensure_open()?;
        self.heard(self.blocks.unsafe_add_many(blocks).await)
    }

    async fn flush(&self) -> Result<()> {
        self.ensure_open()?;
        self.heard(self.blocks.flush().await)
    }
}

impl<B: ReadOnly> Clone for Cached<B> {
    fn clone(&self) -> Self {
        Self { blocks: self.blocks.clone(), shared: Arc::clone(&self.shared) }
    }
}

impl<B: ReadOnly> fmt::Debug for Cached<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cached").field("blocks", &self.blocks).finish_non_exhaustive()
    }
}
