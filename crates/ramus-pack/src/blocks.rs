use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use ramus_core::{ContentAddressable, Hash, Limits, ReadOnly, Result, Sha1};

use crate::pack::Handle;

/// The blocks of a [`Pack`](crate::Pack). Clones are one store; closing it closes the refs, too.
///
/// An added block can be found at once. It is durable with the next update of the refs or `flush`.
pub struct PackBlocks<H: Hash = Sha1>(pub(crate) Arc<Handle<H>>);

impl<H: Hash> ReadOnly for PackBlocks<H> {
    type Key = H;
    type Value = Bytes;

    async fn find(&self, key: &H) -> Result<Option<Bytes>> {
        self.0.shared.ensure_open()?;
        self.0.shared.find(*key).await
    }

    /// Answers for what is in the cache, and for nothing else.
    fn find_now(&self, key: &H) -> Option<Result<Option<Bytes>>> {
        match self.0.shared.ensure_open() {
            Ok(()) => self.0.shared.cached(key).map(|block| Ok(Some(block))),
            Err(closed) => Some(Err(closed)),
        }
    }

    async fn mem(&self, key: &H) -> Result<bool> {
        self.0.shared.ensure_open()?;
        self.0.shared.mem(*key).await
    }

    async fn find_many(&self, keys: &[H]) -> Result<Vec<Option<Bytes>>> {
        self.0.shared.ensure_open()?;
        self.0.shared.find_many(keys).await
    }

    fn limits(&self) -> Limits {
        self.0.shared.own_limits()
    }

    async fn close(&self) -> Result<()> {
        self.0.shared.close().await
    }
}

impl<H: Hash> ContentAddressable for PackBlocks<H> {
    fn name(&self, value: &Bytes) -> Result<H> {
        Ok(H::of(value))
    }

    async fn unsafe_add(&self, key: H, value: Bytes) -> Result<()> {
        self.0.shared.add_many(vec![(key, value)]).await
    }

    async fn unsafe_add_many(&self, blocks: Vec<(H, Bytes)>) -> Result<()> {
        self.0.shared.add_many(blocks).await
    }

    async fn flush(&self) -> Result<()> {
        self.0.shared.flush().await
    }
}

impl<H: Hash> Clone for PackBlocks<H> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<H: Hash> fmt::Debug for PackBlocks<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PackBlocks").finish_non_exhaustive()
    }
}
