use std::any::Any;
use std::convert::Infallible;
use std::fmt;
use std::marker::PhantomData;

use futures::StreamExt as _;
use futures::stream::{self, BoxStream};

use crate::{Hash, Result};

/// The part of a storage that lets blocks be collected while writers go on.
///
/// # The collector's order
///
/// 1. `begin`, which gives the [`Epoch`] of the collection.
/// 2. Take a snapshot of the refs, and mark what is reachable from them.
/// 3. Read the [`changes`](crate::AtomicWrite::changes) since that snapshot and `pinned(epoch)`, and
///    mark what is reachable from what they name, old values and new ones; again, until neither
///    names anything new.
/// 4. `remove_many` of those `keys` that were not marked.
/// 5. `finish`.
///
/// # The writer's order, and the reader's
///
/// Whoever adds blocks now and writes a ref later pins their names *before* adding them; a pin that
/// is taken after `add` may come too late, since the block may be gone by then. The pin drops after
/// the answer of the write. (A [`write`](crate::Storage::write) that carries the blocks needs none.)
///
/// Whoever reads what a ref names pins that, and then reads the ref again: if it still names the
/// same, what it reaches stays until the pin drops; if not, pin what it names now.
///
/// # What is promised
///
/// - A pinned block is not removed before its last [`Pin`] drops. A block that is not there yet can
///   be pinned; it is protected from the moment it is added.
/// - A block that was added, again or for the first time, by a call that began since `begin` is not
///   removed by that collection; nor is one that was pinned at any moment since; nor are the blocks
///   of a [`write`](crate::Storage::write) that had not answered at `begin`.
/// - `pinned(epoch)` gives every name that was pinned at any moment since that `begin`, pins that have
///   dropped included, until another collection begins. The collection before is then over: its
///   `pinned` may answer [`InvalidInput`](crate::ErrorKind::InvalidInput), while its `remove_many`
///   keeps the promises made here.
/// - `keys` gives every block that was there at `begin` and still is; others may or may not be given.
/// - After `remove_many` returns, a block that it removed is not found.
/// - `finish` changes nothing that can be found. It may give back the room of what was removed, and the
///   store no longer remembers for the collection what was pinned: its `pinned` may answer `InvalidInput`
///   then, while its `remove_many` keeps the promises made here. A durable store may find again what was
///   removed, all of it, if it is opened again and the collection was not finished.
///
/// # Errors
///
/// Those of [`ReadOnly`](crate::ReadOnly); and `InvalidInput` as said above.
///
/// # Cancel safety
///
/// A dropped `remove_many` has removed some of the blocks. A dropped `finish` has given back all of the
/// room or none.
pub trait Sweep: Clone + fmt::Debug + Send + Sync + 'static {
    /// What names blocks.
    type Key: Hash;

    /// Begins a collection.
    fn begin(&self) -> impl Future<Output = Result<Epoch>> + Send;

    /// Returns the names of the blocks, in no order.
    fn keys(&self) -> BoxStream<'static, Result<Self::Key>>;

    /// Returns the names that were pinned at any moment since `epoch`, in no order, each once.
    fn pinned(&self, epoch: Epoch) -> impl Future<Output = Result<Vec<Self::Key>>> + Send;

    /// Removes those of the blocks that nothing protects since `epoch`; returns how many it removed.
    fn remove_many(
        &self,
        epoch: Epoch,
        keys: Vec<Self::Key>,
    ) -> impl Future<Output = Result<usize>> + Send;

    /// Ends a collection. One that is over already is no failure.
    fn finish(&self, epoch: Epoch) -> impl Future<Output = Result<()>> + Send;

    /// Protects blocks until the pin is dropped. A name may be pinned many times.
    fn pin(&self, keys: Vec<Self::Key>) -> impl Future<Output = Result<Pin>> + Send;
}

/// The moment at which a collection began, as its store counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Epoch(u64);

impl Epoch {
    /// Returns the epoch that a store counts like this: for stores only, which alone know what the
    /// number means. A collector takes its epoch from [`begin`](Sweep::begin).
    pub const fn new(count: u64) -> Self {
        Self(count)
    }

    /// Returns what the store counts by: for stores only.
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// Protects blocks from collection until it is dropped.
///
/// It protects for as long as the holder can reach the store. A store that is far away ends a pin with
/// its holder's lease.
#[must_use = "what is pinned is protected for as long as the pin lives"]
pub struct Pin(
    /// Held for what its drop does.
    #[expect(dead_code, reason = "the guard is kept for its drop")]
    Box<dyn Any + Send + Sync>,
);

impl Pin {
    /// Returns a pin that ends when `guard` is dropped.
    pub fn new(guard: impl Send + Sync + 'static) -> Self {
        Self(Box::new(guard))
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pin").finish_non_exhaustive()
    }
}

/// The sweep of a storage that collects nothing. It has no values.
#[derive(Debug)]
pub struct NoSweep<H>(Infallible, PhantomData<H>);

impl<H> Clone for NoSweep<H> {
    fn clone(&self) -> Self {
        match self.0 {}
    }
}

impl<H: Hash> Sweep for NoSweep<H> {
    type Key = H;

    async fn begin(&self) -> Result<Epoch> {
        match self.0 {}
    }

    fn keys(&self) -> BoxStream<'static, Result<H>> {
        stream::empty().boxed()
    }

    async fn pinned(&self, _epoch: Epoch) -> Result<Vec<H>> {
        match self.0 {}
    }

    async fn remove_many(&self, _epoch: Epoch, _keys: Vec<H>) -> Result<usize> {
        match self.0 {}
    }

    async fn finish(&self, _epoch: Epoch) -> Result<()> {
        match self.0 {}
    }

    async fn pin(&self, _keys: Vec<H>) -> Result<Pin> {
        match self.0 {}
    }
}
