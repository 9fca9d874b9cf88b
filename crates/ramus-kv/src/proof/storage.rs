//! A storage of nothing but the blocks of a proof.

use std::collections::HashMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream;
use ramus_core::erased::Backend;
use ramus_core::hash::DigestHash;
use ramus_core::{
    AtomicWrite, Changes, ContentAddressable, Cursor, Error, ErrorKind, Hash, Joined, Limits,
    ReadOnly, RefName, RefOutcome, RefUpdate, Result, Snapshot, Subscription,
};

/// Returns the storage that holds these blocks, and nothing else: what is looked for in vain is
/// unproven.
pub(super) fn storage_of<H: Hash>(blocks: &[(H, Bytes)]) -> Backend<H> {
    let blocks = blocks.iter().map(|(hash, block)| (*hash, block.clone())).collect();
    Backend::new(Joined::new(ProofBlocks(Arc::new(blocks)), NoRefs(PhantomData)))
}

#[derive(Clone)]
struct ProofBlocks<H>(Arc<HashMap<H, Bytes, DigestHash>>);

impl<H: Hash> ProofBlocks<H> {
    fn look(&self, key: &H) -> Result<Option<Bytes>> {
        let block = self.0.get(key).cloned().ok_or_else(|| {
            Error::new(ErrorKind::Unproven, format!("block {key} is not in the proof"))
        })?;
        Ok(Some(block))
    }
}

/// What the storage has in place of refs.
struct NoRefs<H>(PhantomData<fn() -> H>);

fn read_only<T>() -> Result<T> {
    Err(Error::new(ErrorKind::Permission, "cannot write: a proof is for reading only"))
}

fn no_refs<T>() -> Result<T> {
    Err(Error::new(ErrorKind::Unsupported, "a proof has no refs"))
}

impl<H: Hash> ReadOnly for ProofBlocks<H> {
    type Key = H;
    type Value = Bytes;

    async fn find(&self, key: &H) -> Result<Option<Bytes>> {
        self.look(key)
    }

    fn find_now(&self, key: &H) -> Option<Result<Option<Bytes>>> {
        Some(self.look(key))
    }

    /// What could be proved where it was, can be verified here.
    fn limits(&self) -> Limits {
        Limits::default().with_block_bytes_max(usize::MAX)
    }

    async fn close(&self) -> Result<()> {
        Ok(())
    }
}

impl<H: Hash> ContentAddressable for ProofBlocks<H> {
    fn name(&self, value: &Bytes) -> Result<H> {
        Ok(H::of(value))
    }

    async fn unsafe_add(&self, _key: H, _value: Bytes) -> Result<()> {
        read_only()
    }

    async fn flush(&self) -> Result<()> {
        Ok(())
    }
}

impl<H: Hash> fmt::Debug for ProofBlocks<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProofBlocks").field("len", &self.0.len()).finish()
    }
}

impl<H: Hash> ReadOnly for NoRefs<H> {
    type Key = RefName;
    type Value = H;

    async fn find(&self, _key: &RefName) -> Result<Option<H>> {
        no_refs()
    }

    fn limits(&self) -> Limits {
        Limits::default()
    }

    async fn close(&self) -> Result<()> {
        Ok(())
    }
}

impl<H: Hash> AtomicWrite for NoRefs<H> {
    async fn update(&self, _update: RefUpdate<H>) -> Result<RefOutcome<H>> {
        no_refs()
    }

    async fn snapshot(&self, _prefix: &[u8]) -> Result<Snapshot<RefName, H>> {
        no_refs()
    }

    async fn changes(&self, _after: Cursor, _limit: usize) -> Result<Changes<RefName, H>> {
        no_refs()
    }

    async fn position(&self) -> Result<Cursor> {
        no_refs()
    }

    fn subscribe(&self) -> Subscription<RefName, H> {
        Subscription::of_stream(stream::empty())
    }
}

impl<H> Clone for NoRefs<H> {
    fn clone(&self) -> Self {
        Self(PhantomData)
    }
}

impl<H> fmt::Debug for NoRefs<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NoRefs")
    }
}
