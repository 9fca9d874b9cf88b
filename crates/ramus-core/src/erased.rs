//! One storage type for code that must not know the backend.
//!
//! [`Backend`] erases a [`Storage`] behind boxed futures and is a storage again. It is the one place
//! where stores are `dyn`; a call through it costs an allocation, so keep caches above it.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use futures::{FutureExt as _, StreamExt as _};

use crate::{
    AtomicWrite, Changes, ContentAddressable, Cursor, Epoch, Error, ErrorKind, Hash, Limits, Pin,
    ReadOnly, RefName, RefOutcome, RefUpdate, Result, Snapshot, Storage, Subscription, Sweep,
};

/// A storage whose type is forgotten. Cloning shares it.
pub struct Backend<H> {
    blocks: Blocks<H>,
    refs: Refs<H>,
}

/// The blocks of a [`Backend`].
pub struct Blocks<H>(Arc<dyn Erased<H>>);

/// The refs of a [`Backend`].
pub struct Refs<H>(Arc<dyn Erased<H>>);

/// The sweep of a [`Backend`].
pub struct Sweeper<H>(Arc<dyn Erased<H>>);

impl<H: Hash> Backend<H> {
    /// Forgets the type of a storage.
    pub fn new(storage: impl Storage<Hash = H>) -> Self {
        let erased: Arc<dyn Erased<H>> = Arc::new(storage);
        Self { blocks: Blocks(Arc::clone(&erased)), refs: Refs(erased) }
    }
}

macro_rules! shared_handle {
    ($name:ident, $($field:ident),+) => {
        impl<H> Clone for $name<H> {
            fn clone(&self) -> Self {
                Self { $($field: self.$field.clone()),+ }
            }
        }

        impl<H> fmt::Debug for $name<H> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name))$(.field(stringify!($field), &self.$field))+.finish()
            }
        }
    };
    ($name:ident) => {
        impl<H> Clone for $name<H> {
            fn clone(&self) -> Self {
                Self(Arc::clone(&self.0))
            }
        }

        impl<H> fmt::Debug for $name<H> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($name)).field(&self.0).finish()
            }
        }
    };
}

shared_handle!(Backend, blocks, refs);
shared_handle!(Blocks);
shared_handle!(Refs);
shared_handle!(Sweeper);

#[deny(clippy::missing_trait_methods, reason = "a method that is not forwarded loses its meaning")]
impl<H: Hash> Storage for Backend<H> {
    type Hash = H;
    type Blocks = Blocks<H>;
    type Refs = Refs<H>;
    type Sweep = Sweeper<H>;

    fn blocks(&self) -> &Blocks<H> {
        &self.blocks
    }

    fn refs(&self) -> &Refs<H> {
        &self.refs
    }

    fn sweep(&self) -> Option<Sweeper<H>> {
        self.refs.0.can_sweep().then(|| Sweeper(Arc::clone(&self.refs.0)))
    }

    async fn write(&self, blocks: Vec<(H, Bytes)>, update: RefUpdate<H>) -> Result<RefOutcome<H>> {
        self.refs.0.write(blocks, update).await
    }

    async fn close(&self) -> Result<()> {
        self.refs.0.close().await
    }
}

#[deny(clippy::missing_trait_methods, reason = "a method that is not forwarded loses its meaning")]
impl<H: Hash> ReadOnly for Blocks<H> {
    type Key = H;
    type Value = Bytes;

    async fn find(&self, key: &H) -> Result<Option<Bytes>> {
        self.0.blocks_find(key).await
    }

    async fn mem(&self, key: &H) -> Result<bool> {
        self.0.blocks_mem(key).await
    }

    async fn find_many(&self, keys: &[H]) -> Result<Vec<Option<Bytes>>> {
        self.0.blocks_find_many(keys).await
    }

    fn limits(&self) -> Limits {
        self.0.blocks_limits()
    }

    async fn close(&self) -> Result<()> {
        self.0.blocks_close().await
    }
}

#[deny(clippy::missing_trait_methods, reason = "a method that is not forwarded loses its meaning")]
impl<H: Hash> ContentAddressable for Blocks<H> {
    fn name(&self, value: &Bytes) -> Result<H> {
        self.0.blocks_name(value)
    }

    async fn add(&self, value: Bytes) -> Result<H> {
        self.0.blocks_add(value).await
    }

    async fn unsafe_add(&self, key: H, value: Bytes) -> Result<()> {
        self.0.blocks_unsafe_add(key, value).await
    }

    async fn unsafe_add_many(&self, blocks: Vec<(H, Bytes)>) -> Result<()> {
        self.0.blocks_unsafe_add_many(blocks).await
    }

    async fn flush(&self) -> Result<()> {
        self.0.blocks_flush().await
    }
}

#[deny(clippy::missing_trait_methods, reason = "a method that is not forwarded loses its meaning")]
impl<H: Hash> ReadOnly for Refs<H> {
    type Key = RefName;
    type Value = H;

    async fn find(&self, key: &RefName) -> Result<Option<H>> {
        self.0.refs_find(key).await
    }

    async fn mem(&self, key: &RefName) -> Result<bool> {
        self.0.refs_mem(key).await
    }

    async fn find_many(&self, keys: &[RefName]) -> Result<Vec<Option<H>>> {
        self.0.refs_find_many(keys).await
    }

    fn limits(&self) -> Limits {
        self.0.refs_limits()
    }

    async fn close(&self) -> Result<()> {
        self.0.refs_close().await
    }
}

#[deny(clippy::missing_trait_methods, reason = "a method that is not forwarded loses its meaning")]
impl<H: Hash> AtomicWrite for Refs<H> {
    async fn update(&self, update: RefUpdate<H>) -> Result<RefOutcome<H>> {
        self.0.refs_update(update).await
    }

    async fn snapshot(&self, prefix: &[u8]) -> Result<Snapshot<RefName, H>> {
        self.0.refs_snapshot(prefix).await
    }

    async fn changes(&self, after: Cursor, limit: usize) -> Result<Changes<RefName, H>> {
        self.0.refs_changes(after, limit).await
    }

    async fn position(&self) -> Result<Cursor> {
        self.0.refs_position().await
    }

    fn subscribe(&self) -> Subscription<RefName, H> {
        self.0.refs_subscribe()
    }
}

#[deny(clippy::missing_trait_methods, reason = "a method that is not forwarded loses its meaning")]
impl<H: Hash> Sweep for Sweeper<H> {
    type Key = H;

    async fn begin(&self) -> Result<Epoch> {
        self.0.sweep_begin().await
    }

    fn keys(&self) -> BoxStream<'static, Result<H>> {
        self.0.sweep_keys()
    }

    async fn pinned(&self, epoch: Epoch) -> Result<Vec<H>> {
        self.0.sweep_pinned(epoch).await
    }

    async fn remove_many(&self, epoch: Epoch, keys: Vec<H>) -> Result<usize> {
        self.0.sweep_remove_many(epoch, keys).await
    }

    async fn pin(&self, keys: Vec<H>) -> Result<Pin> {
        self.0.sweep_pin(keys).await
    }
}

/// The object-safe companion of [`Storage`].
///
/// The `sweep_` methods are called only when `can_sweep` has said yes; should the storage say no by
/// then, they answer `Unsupported`.
trait Erased<H: Hash>: fmt::Debug + Send + Sync {
    fn write(
        &self,
        blocks: Vec<(H, Bytes)>,
        update: RefUpdate<H>,
    ) -> BoxFuture<'_, Result<RefOutcome<H>>>;
    fn close(&self) -> BoxFuture<'_, Result<()>>;

    fn blocks_find<'a>(&'a self, key: &'a H) -> BoxFuture<'a, Result<Option<Bytes>>>;
    fn blocks_mem<'a>(&'a self, key: &'a H) -> BoxFuture<'a, Result<bool>>;
    fn blocks_find_many<'a>(&'a self, keys: &'a [H]) -> BoxFuture<'a, Result<Vec<Option<Bytes>>>>;
    fn blocks_limits(&self) -> Limits;
    fn blocks_close(&self) -> BoxFuture<'_, Result<()>>;
    fn blocks_name(&self, value: &Bytes) -> Result<H>;
    fn blocks_add(&self, value: Bytes) -> BoxFuture<'_, Result<H>>;
    fn blocks_unsafe_add(&self, key: H, value: Bytes) -> BoxFuture<'_, Result<()>>;
    fn blocks_unsafe_add_many(&self, blocks: Vec<(H, Bytes)>) -> BoxFuture<'_, Result<()>>;
    fn blocks_flush(&self) -> BoxFuture<'_, Result<()>>;

    fn refs_find<'a>(&'a self, key: &'a RefName) -> BoxFuture<'a, Result<Option<H>>>;
    fn refs_mem<'a>(&'a self, key: &'a RefName) -> BoxFuture<'a, Result<bool>>;
    fn refs_find_many<'a>(&'a self, keys: &'a [RefName]) -> BoxFuture<'a, Result<Vec<Option<H>>>>;
    fn refs_limits(&self) -> Limits;
    fn refs_close(&self) -> BoxFuture<'_, Result<()>>;
    fn refs_update(&self, update: RefUpdate<H>) -> BoxFuture<'_, Result<RefOutcome<H>>>;
    fn refs_snapshot<'a>(&'a self, prefix: &'a [u8])
    -> BoxFuture<'a, Result<Snapshot<RefName, H>>>;
    fn refs_changes(
        &self,
        after: Cursor,
        limit: usize,
    ) -> BoxFuture<'_, Result<Changes<RefName, H>>>;
    fn refs_position(&self) -> BoxFuture<'_, Result<Cursor>>;
    fn refs_subscribe(&self) -> Subscription<RefName, H>;

    fn can_sweep(&self) -> bool;
    fn sweep_begin(&self) -> BoxFuture<'_, Result<Epoch>>;
    fn sweep_keys(&self) -> BoxStream<'static, Result<H>>;
    fn sweep_pinned(&self, epoch: Epoch) -> BoxFuture<'_, Result<Vec<H>>>;
    fn sweep_remove_many(&self, epoch: Epoch, keys: Vec<H>) -> BoxFuture<'_, Result<usize>>;
    fn sweep_pin(&self, keys: Vec<H>) -> BoxFuture<'_, Result<Pin>>;
}

impl<S: Storage> Erased<S::Hash> for S {
    fn write(
        &self,
        blocks: Vec<(S::Hash, Bytes)>,
        update: RefUpdate<S::Hash>,
    ) -> BoxFuture<'_, Result<RefOutcome<S::Hash>>> {
        Storage::write(self, blocks, update).boxed()
    }

    fn close(&self) -> BoxFuture<'_, Result<()>> {
        Storage::close(self).boxed()
    }

    fn blocks_find<'a>(&'a self, key: &'a S::Hash) -> BoxFuture<'a, Result<Option<Bytes>>> {
        self.blocks().find(key).boxed()
    }

    fn blocks_mem<'a>(&'a self, key: &'a S::Hash) -> BoxFuture<'a, Result<bool>> {
        self.blocks().mem(key).boxed()
    }

    fn blocks_find_many<'a>(
        &'a self,
        keys: &'a [S::Hash],
    ) -> BoxFuture<'a, Result<Vec<Option<Bytes>>>> {
        self.blocks().find_many(keys).boxed()
    }

    fn blocks_limits(&self) -> Limits {
        self.blocks().limits()
    }

    fn blocks_close(&self) -> BoxFuture<'_, Result<()>> {
        self.blocks().close().boxed()
    }

    fn blocks_name(&self, value: &Bytes) -> Result<S::Hash> {
        self.blocks().name(value)
    }

    fn blocks_add(&self, value: Bytes) -> BoxFuture<'_, Result<S::Hash>> {
        self.blocks().add(value).boxed()
    }

    fn blocks_unsafe_add(&self, key: S::Hash, value: Bytes) -> BoxFuture<'_, Result<()>> {
        self.blocks().unsafe_add(key, value).boxed()
    }

    fn blocks_unsafe_add_many(&self, blocks: Vec<(S::Hash, Bytes)>) -> BoxFuture<'_, Result<()>> {
        self.blocks().unsafe_add_many(blocks).boxed()
    }

    fn blocks_flush(&self) -> BoxFuture<'_, Result<()>> {
        self.blocks().flush().boxed()
    }

    fn refs_find<'a>(&'a self, key: &'a RefName) -> BoxFuture<'a, Result<Option<S::Hash>>> {
        self.refs().find(key).boxed()
    }

    fn refs_mem<'a>(&'a self, key: &'a RefName) -> BoxFuture<'a, Result<bool>> {
        self.refs().mem(key).boxed()
    }

    fn refs_find_many<'a>(
        &'a self,
        keys: &'a [RefName],
    ) -> BoxFuture<'a, Result<Vec<Option<S::Hash>>>> {
        self.refs().find_many(keys).boxed()
    }

    fn refs_limits(&self) -> Limits {
        self.refs().limits()
    }

    fn refs_close(&self) -> BoxFuture<'_, Result<()>> {
        self.refs().close().boxed()
    }

    fn refs_update(
        &self,
        update: RefUpdate<S::Hash>,
    ) -> BoxFuture<'_, Result<RefOutcome<S::Hash>>> {
        self.refs().update(update).boxed()
    }

    fn refs_snapshot<'a>(
        &'a self,
        prefix: &'a [u8],
    ) -> BoxFuture<'a, Result<Snapshot<RefName, S::Hash>>> {
        self.refs().snapshot(prefix).boxed()
    }

    fn refs_changes(
        &self,
        after: Cursor,
        limit: usize,
    ) -> BoxFuture<'_, Result<Changes<RefName, S::Hash>>> {
        self.refs().changes(after, limit).boxed()
    }

    fn refs_position(&self) -> BoxFuture<'_, Result<Cursor>> {
        self.refs().position().boxed()
    }

    fn refs_subscribe(&self) -> Subscription<RefName, S::Hash> {
        self.refs().subscribe()
    }

    fn can_sweep(&self) -> bool {
        self.sweep().is_some()
    }

    fn sweep_begin(&self) -> BoxFuture<'_, Result<Epoch>> {
        let sweep = offered(self);
        async move { sweep?.begin().await }.boxed()
    }

    fn sweep_keys(&self) -> BoxStream<'static, Result<S::Hash>> {
        match offered(self) {
            Ok(sweep) => sweep.keys(),
            Err(unsupported) => stream::iter([Err(unsupported)]).boxed(),
        }
    }

    fn sweep_pinned(&self, epoch: Epoch) -> BoxFuture<'_, Result<Vec<S::Hash>>> {
        let sweep = offered(self);
        async move { sweep?.pinned(epoch).await }.boxed()
    }

    fn sweep_remove_many(&self, epoch: Epoch, keys: Vec<S::Hash>) -> BoxFuture<'_, Result<usize>> {
        let sweep = offered(self);
        async move { sweep?.remove_many(epoch, keys).await }.boxed()
    }

    fn sweep_pin(&self, keys: Vec<S::Hash>) -> BoxFuture<'_, Result<Pin>> {
        let sweep = offered(self);
        async move { sweep?.pin(keys).await }.boxed()
    }
}

/// Asks again for the sweep that a `Sweeper` was made of.
fn offered<S: Storage>(storage: &S) -> Result<S::Sweep> {
    storage.sweep().ok_or_else(|| {
        Error::new(ErrorKind::Unsupported, "the storage does not offer its sweep any more")
    })
}
