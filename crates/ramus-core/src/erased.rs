//! One storage type for code that must not know the backend.
//!
//! [`Backend`] erases a [`Storage`] behind boxed futures and is a storage again. It is the one place
//! where stores are `dyn`. A call through it costs an allocation, so keep caches above it; but what is
//! found [at once](crate::ReadOnly::find_now) costs none.

mod companion;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::BoxStream;

use companion::Erased;

use crate::{
    AtomicWrite, Changes, ContentAddressable, Cursor, Epoch, Hash, Limits, Pin, ReadOnly, RefName,
    RefOutcome, RefUpdate, Result, Snapshot, Storage, Subscription, Sweep,
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

    async fn load_derived(&self, name: &RefName) -> Result<Option<Bytes>> {
        self.refs.0.derived_load(name).await
    }

    async fn append_derived(&self, name: &RefName, at: u64, bytes: Bytes) -> Result<bool> {
        self.refs.0.derived_append(name, at, bytes).await
    }

    async fn replace_derived(&self, name: &RefName, bytes: Bytes) -> Result<bool> {
        self.refs.0.derived_replace(name, bytes).await
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
        self.0.blocks_find(key).wait().await
    }

    fn find_now(&self, key: &H) -> Option<Result<Option<Bytes>>> {
        self.0.blocks_find_now(key)
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
        self.0.refs_find(key).wait().await
    }

    fn find_now(&self, key: &RefName) -> Option<Result<Option<H>>> {
        self.0.refs_find_now(key)
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

    async fn finish(&self, epoch: Epoch) -> Result<()> {
        self.0.sweep_finish(epoch).await
    }

    async fn pin(&self, keys: Vec<H>) -> Result<Pin> {
        self.0.sweep_pin(keys).await
    }
}
