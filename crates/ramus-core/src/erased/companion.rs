use std::fmt;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use futures::{FutureExt as _, StreamExt as _};

use crate::{
    AtomicWrite as _, Changes, ContentAddressable as _, Cursor, Epoch, Error, ErrorKind, Hash,
    Limits, Pin, ReadOnly, RefName, RefOutcome, RefUpdate, Result, Snapshot, Storage, Subscription,
    Sweep as _,
};

/// The object-safe companion of [`Storage`].
///
/// The `sweep_` methods are called only when `can_sweep` has said yes; should the storage say no by
/// then, they answer `Unsupported`.
pub(super) trait Erased<H: Hash>: fmt::Debug + Send + Sync {
    fn write(
        &self,
        blocks: Vec<(H, Bytes)>,
        update: RefUpdate<H>,
    ) -> BoxFuture<'_, Result<RefOutcome<H>>>;
    fn close(&self) -> BoxFuture<'_, Result<()>>;

    fn derived_load<'a>(&'a self, name: &'a RefName) -> BoxFuture<'a, Result<Option<Bytes>>>;
    fn derived_append<'a>(
        &'a self,
        name: &'a RefName,
        at: u64,
        bytes: Bytes,
    ) -> BoxFuture<'a, Result<bool>>;
    fn derived_replace<'a>(
        &'a self,
        name: &'a RefName,
        bytes: Bytes,
    ) -> BoxFuture<'a, Result<bool>>;

    fn blocks_find<'a>(&'a self, key: &'a H) -> Answer<'a, Option<Bytes>>;
    fn blocks_find_now(&self, key: &H) -> Option<Result<Option<Bytes>>>;
    fn blocks_mem<'a>(&'a self, key: &'a H) -> BoxFuture<'a, Result<bool>>;
    fn blocks_find_many<'a>(&'a self, keys: &'a [H]) -> BoxFuture<'a, Result<Vec<Option<Bytes>>>>;
    fn blocks_limits(&self) -> Limits;
    fn blocks_close(&self) -> BoxFuture<'_, Result<()>>;
    fn blocks_name(&self, value: &Bytes) -> Result<H>;
    fn blocks_add(&self, value: Bytes) -> BoxFuture<'_, Result<H>>;
    fn blocks_unsafe_add(&self, key: H, value: Bytes) -> BoxFuture<'_, Result<()>>;
    fn blocks_unsafe_add_many(&self, blocks: Vec<(H, Bytes)>) -> BoxFuture<'_, Result<()>>;
    fn blocks_flush(&self) -> BoxFuture<'_, Result<()>>;

    fn refs_find<'a>(&'a self, key: &'a RefName) -> Answer<'a, Option<H>>;
    fn refs_find_now(&self, key: &RefName) -> Option<Result<Option<H>>>;
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
    fn sweep_finish(&self, epoch: Epoch) -> BoxFuture<'_, Result<()>>;
    fn sweep_pin(&self, keys: Vec<H>) -> BoxFuture<'_, Result<Pin>>;
}

/// What a call gives: an answer that had not to be waited for, or the future of one, in a box.
pub(super) enum Answer<'a, T> {
    Now(Result<T>),
    Later(BoxFuture<'a, Result<T>>),
}

impl<T> Answer<'_, T> {
    #[inline]
    pub(super) async fn wait(self) -> Result<T> {
        match self {
            Self::Now(answer) => answer,
            Self::Later(answer) => answer.await,
        }
    }
}

fn find<'a, S: ReadOnly>(store: &'a S, key: &'a S::Key) -> Answer<'a, Option<S::Value>> {
    store.find_now(key).map_or_else(|| Answer::Later(store.find(key).boxed()), Answer::Now)
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

    fn derived_load<'a>(&'a self, name: &'a RefName) -> BoxFuture<'a, Result<Option<Bytes>>> {
        self.load_derived(name).boxed()
    }

    fn derived_append<'a>(
        &'a self,
        name: &'a RefName,
        at: u64,
        bytes: Bytes,
    ) -> BoxFuture<'a, Result<bool>> {
        self.append_derived(name, at, bytes).boxed()
    }

    fn derived_replace<'a>(
        &'a self,
        name: &'a RefName,
        bytes: Bytes,
    ) -> BoxFuture<'a, Result<bool>> {
        self.replace_derived(name, bytes).boxed()
    }

    fn blocks_find<'a>(&'a self, key: &'a S::Hash) -> Answer<'a, Option<Bytes>> {
        find(self.blocks(), key)
    }

    fn blocks_find_now(&self, key: &S::Hash) -> Option<Result<Option<Bytes>>> {
        self.blocks().find_now(key)
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

    fn refs_find<'a>(&'a self, key: &'a RefName) -> Answer<'a, Option<S::Hash>> {
        find(self.refs(), key)
    }

    fn refs_find_now(&self, key: &RefName) -> Option<Result<Option<S::Hash>>> {
        self.refs().find_now(key)
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

    fn sweep_finish(&self, epoch: Epoch) -> BoxFuture<'_, Result<()>> {
        let sweep = offered(self);
        async move { sweep?.finish(epoch).await }.boxed()
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
