use bytes::Bytes;
use futures::stream::BoxStream;
use ramus_core::{
    AtomicWrite, Changes, ContentAddressable, Cursor, Epoch, Limits, Outcome, Pin, ReadOnly,
    RefName, RefOutcome, RefUpdate, Result, Snapshot, Storage, Subscription, Sweep, Update,
};

use super::notices::through;
use super::{Faults, Operation};

/// A storage over another one that fails as a script says.
///
/// Where the script says nothing, it is the other one: every call is counted and passed on.
#[derive(Clone, Debug)]
pub struct Faulty<S: Storage> {
    storage: S,
    blocks: FaultyBlocks<S::Blocks>,
    refs: FaultyRefs<S::Refs>,
    faults: Faults,
}

/// The blocks of a [`Faulty`] storage, or blocks by themselves.
#[derive(Clone, Debug)]
pub struct FaultyBlocks<B> {
    blocks: B,
    faults: Faults,
}

/// The refs of a [`Faulty`] storage, or refs by themselves.
#[derive(Clone, Debug)]
pub struct FaultyRefs<R> {
    refs: R,
    faults: Faults,
}

/// The sweep of a [`Faulty`] storage.
#[derive(Clone, Debug)]
pub struct FaultySweep<W> {
    sweep: W,
    faults: Faults,
}

impl<S: Storage> Faulty<S> {
    /// Returns `storage` with this script.
    pub fn new(storage: S, faults: Faults) -> Self {
        let blocks = FaultyBlocks::new(storage.blocks().clone(), faults.clone());
        let refs = FaultyRefs::new(storage.refs().clone(), faults.clone());
        Self { storage, blocks, refs, faults }
    }
}

impl<B: ContentAddressable> FaultyBlocks<B> {
    /// Returns `blocks` with this script.
    pub const fn new(blocks: B, faults: Faults) -> Self {
        Self { blocks, faults }
    }
}

impl<R: AtomicWrite> FaultyRefs<R> {
    /// Returns `refs` with this script.
    pub const fn new(refs: R, faults: Faults) -> Self {
        Self { refs, faults }
    }
}

#[deny(clippy::missing_trait_methods, reason = "a method that is not forwarded loses its meaning")]
impl<S: Storage> Storage for Faulty<S> {
    type Hash = S::Hash;
    type Blocks = FaultyBlocks<S::Blocks>;
    type Refs = FaultyRefs<S::Refs>;
    type Sweep = FaultySweep<S::Sweep>;

    fn blocks(&self) -> &Self::Blocks {
        &self.blocks
    }

    fn refs(&self) -> &Self::Refs {
        &self.refs
    }

    fn sweep(&self) -> Option<Self::Sweep> {
        Some(FaultySweep { sweep: self.storage.sweep()?, faults: self.faults.clone() })
    }

    async fn write(
        &self,
        blocks: Vec<(S::Hash, Bytes)>,
        update: RefUpdate<S::Hash>,
    ) -> Result<RefOutcome<S::Hash>> {
        self.faults.call(Operation::Write, self.storage.write(blocks, update)).await
    }

    async fn load_derived(&self, name: &RefName) -> Result<Option<Bytes>> {
        self.faults.call(Operation::LoadDerived, self.storage.load_derived(name)).await
    }

    async fn append_derived(&self, name: &RefName, at: u64, bytes: Bytes) -> Result<bool> {
        let append = self.storage.append_derived(name, at, bytes);
        self.faults.call(Operation::AppendDerived, append).await
    }

    async fn replace_derived(&self, name: &RefName, bytes: Bytes) -> Result<bool> {
        let replace = self.storage.replace_derived(name, bytes);
        self.faults.call(Operation::ReplaceDerived, replace).await
    }

    async fn close(&self) -> Result<()> {
        self.faults.call(Operation::Close, self.storage.close()).await
    }
}

#[deny(clippy::missing_trait_methods, reason = "a method that is not forwarded loses its meaning")]
impl<B: ContentAddressable> ReadOnly for FaultyBlocks<B> {
    type Key = B::Key;
    type Value = B::Value;

    async fn find(&self, key: &B::Key) -> Result<Option<B::Value>> {
        self.faults.call(Operation::FindBlock, self.blocks.find(key)).await
    }

    /// Gives nothing: so every call fails as it was told to.
    fn find_now(&self, _key: &B::Key) -> Option<Result<Option<B::Value>>> {
        None
    }

    async fn mem(&self, key: &B::Key) -> Result<bool> {
        self.faults.call(Operation::MemBlock, self.blocks.mem(key)).await
    }

    async fn find_many(&self, keys: &[B::Key]) -> Result<Vec<Option<B::Value>>> {
        self.faults.call(Operation::FindBlocks, self.blocks.find_many(keys)).await
    }

    fn limits(&self) -> Limits {
        self.blocks.limits()
    }

    async fn close(&self) -> Result<()> {
        self.faults.call(Operation::CloseBlocks, self.blocks.close()).await
    }
}

#[deny(clippy::missing_trait_methods, reason = "a method that is not forwarded loses its meaning")]
impl<B: ContentAddressable> ContentAddressable for FaultyBlocks<B> {
    fn name(&self, value: &B::Value) -> Result<B::Key> {
        self.blocks.name(value)
    }

    async fn add(&self, value: B::Value) -> Result<B::Key> {
        self.faults.call(Operation::Add, self.blocks.add(value)).await
    }

    async fn unsafe_add(&self, key: B::Key, value: B::Value) -> Result<()> {
        self.faults.call(Operation::UnsafeAdd, self.blocks.unsafe_add(key, value)).await
    }

    async fn unsafe_add_many(&self, blocks: Vec<(B::Key, B::Value)>) -> Result<()> {
        self.faults.call(Operation::UnsafeAddMany, self.blocks.unsafe_add_many(blocks)).await
    }

    async fn flush(&self) -> Result<()> {
        self.faults.call(Operation::Flush, self.blocks.flush()).await
    }
}

#[deny(clippy::missing_trait_methods, reason = "a method that is not forwarded loses its meaning")]
impl<R: AtomicWrite> ReadOnly for FaultyRefs<R> {
    type Key = R::Key;
    type Value = R::Value;

    async fn find(&self, key: &R::Key) -> Result<Option<R::Value>> {
        self.faults.call(Operation::FindRef, self.refs.find(key)).await
    }

    /// Gives nothing: so every call fails as it was told to.
    fn find_now(&self, _key: &R::Key) -> Option<Result<Option<R::Value>>> {
        None
    }

    async fn mem(&self, key: &R::Key) -> Result<bool> {
        self.faults.call(Operation::MemRef, self.refs.mem(key)).await
    }

    async fn find_many(&self, keys: &[R::Key]) -> Result<Vec<Option<R::Value>>> {
        self.faults.call(Operation::FindRefs, self.refs.find_many(keys)).await
    }

    fn limits(&self) -> Limits {
        self.refs.limits()
    }

    async fn close(&self) -> Result<()> {
        self.faults.call(Operation::CloseRefs, self.refs.close()).await
    }
}

#[deny(clippy::missing_trait_methods, reason = "a method that is not forwarded loses its meaning")]
impl<R: AtomicWrite> AtomicWrite for FaultyRefs<R> {
    async fn update(&self, update: Update<R::Key, R::Value>) -> Result<Outcome<R::Key, R::Value>> {
        self.faults.call(Operation::Update, self.refs.update(update)).await
    }

    async fn snapshot(&self, prefix: &[u8]) -> Result<Snapshot<R::Key, R::Value>> {
        self.faults.call(Operation::Snapshot, self.refs.snapshot(prefix)).await
    }

    async fn changes(&self, after: Cursor, limit: usize) -> Result<Changes<R::Key, R::Value>> {
        self.faults.call(Operation::Changes, self.refs.changes(after, limit)).await
    }

    async fn position(&self) -> Result<Cursor> {
        self.faults.call(Operation::Position, self.refs.position()).await
    }

    fn subscribe(&self) -> Subscription<R::Key, R::Value> {
        through(self.refs.subscribe(), self.faults.clone())
    }
}

#[deny(clippy::missing_trait_methods, reason = "a method that is not forwarded loses its meaning")]
impl<W: Sweep> Sweep for FaultySweep<W> {
    type Key = W::Key;

    async fn begin(&self) -> Result<Epoch> {
        self.faults.call(Operation::BeginSweep, self.sweep.begin()).await
    }

    fn keys(&self) -> BoxStream<'static, Result<W::Key>> {
        self.sweep.keys()
    }

    async fn pinned(&self, epoch: Epoch) -> Result<Vec<W::Key>> {
        self.faults.call(Operation::Pinned, self.sweep.pinned(epoch)).await
    }

    async fn remove_many(&self, epoch: Epoch, keys: Vec<W::Key>) -> Result<usize> {
        self.faults.call(Operation::RemoveMany, self.sweep.remove_many(epoch, keys)).await
    }

    async fn finish(&self, epoch: Epoch) -> Result<()> {
        self.faults.call(Operation::FinishSweep, self.sweep.finish(epoch)).await
    }

    async fn pin(&self, keys: Vec<W::Key>) -> Result<Pin> {
        self.faults.call(Operation::Pin, self.sweep.pin(keys)).await
    }
}
