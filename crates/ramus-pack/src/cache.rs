use std::fmt;

use bytes::Bytes;
use quick_cache::Weighter;
use quick_cache::sync::Cache as QuickCache;
use ramus_core::Hash;
use ramus_core::hash::DigestHash;

/// Blocks that were read, up to a number of bytes. They never change, so nothing is ever stale.
pub(crate) struct Cache<H: Hash>(Option<QuickCache<H, Bytes, Bytewise, DigestHash>>);

/// Weighs an entry by the memory that it takes, about.
#[derive(Clone, Copy, Debug)]
struct Bytewise;

/// What an entry takes besides its bytes.
const ENTRY_BYTES: usize = 128;

impl<H: Hash> Weighter<H, Bytes> for Bytewise {
    fn weight(&self, _key: &H, block: &Bytes) -> u64 {
        (ENTRY_BYTES + block.len()) as u64
    }
}

impl<H: Hash> Cache<H> {
    pub(crate) fn new(bytes: usize) -> Self {
        /// A guess that only decides how much room is made at first.
        const BLOCK_BYTES: usize = 1024;
        let cache = || {
            let entries = bytes / (ENTRY_BYTES + BLOCK_BYTES);
            QuickCache::with(
                entries,
                bytes as u64,
                Bytewise,
                DigestHash::default(),
                quick_cache::sync::DefaultLifecycle::default(),
            )
        };
        Self((bytes > 0).then(cache))
    }

    pub(crate) fn get(&self, key: &H) -> Option<Bytes> {
        self.0.as_ref()?.get(key)
    }

    pub(crate) fn remove(&self, key: &H) {
        if let Some(cache) = &self.0 {
            cache.remove(key);
        }
    }

    pub(crate) fn insert(&self, key: H, block: Bytes) {
        if let Some(cache) = &self.0 {
            cache.insert(key, block);
        }
    }
}

impl<H: Hash> fmt::Debug for Cache<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").finish_non_exhaustive()
    }
}
