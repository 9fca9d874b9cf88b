use bytes::Bytes;

use crate::{
    AtomicWrite, ContentAddressable, Hash, Outcome, ReadOnly as _, RefName, Result, Sweep, Update,
};

/// What `update` of a storage takes.
pub type RefUpdate<H> = Update<RefName, H>;

/// What `update` of a storage answers.
pub type RefOutcome<H> = Outcome<RefName, H>;

/// Blocks and refs in one place: what a repository stands on.
///
/// [`Joined`](crate::Joined) makes one of any blocks and any refs. A backend that can do better, with
/// one fsync or one round trip, implements it itself.
///
/// # What is promised
///
/// - **A ref never outlives what it names.** When an update is durable, so is every block that was
///   added before it through the same storage. An update to a value whose block is absent is refused
///   with [`Missing`](crate::ErrorKind::Missing), through `refs` and through `write` alike.
/// - `write` stores the blocks and applies the update as one action. It does not hash: see
///   [`unsafe_add`](ContentAddressable::unsafe_add). When the update is refused, the blocks may or
///   may not have been stored.
/// - The blocks of a `write`, new or already there, are not collected before it answers.
///
/// # Derived data
///
/// A storage may keep *derived data*: bytes under a name that can be made anew from blocks and refs at
/// any time, such as an index. Keeping them is best effort, and the truth never rests on them. One that
/// keeps none has nothing to do: the methods are provided.
///
/// - Their names are written like those of refs, and have nothing to do with them.
/// - While the store is open, `load_derived` gives what the calls that answered `true` left, or
///   nothing. What a new process finds may besides be older, cut off or damaged: so whoever keeps
///   something here checks every byte of it, with checksums of its own.
/// - Nobody else is told of derived data: no change, no notice; they are not collected.
/// - They are no larger than fits into memory, and read and replaced as a whole; only appending is
///   cheap.
///
/// # Errors
///
/// Those of [`ContentAddressable`] and [`AtomicWrite`]; a `write` that is
/// [`Unavailable`](crate::ErrorKind::Unavailable) or
/// [`Ambiguous`](crate::ErrorKind::Ambiguous) is so as an `update` is.
///
/// # Cancel safety
///
/// A dropped `write` left nothing, or some of its blocks, or all of its blocks and the update. A
/// dropped call that keeps derived data has left what was there, or what it should keep, or nothing.
pub trait Storage: Clone + std::fmt::Debug + Send + Sync + 'static {
    /// What names blocks.
    type Hash: Hash;
    /// The store of the blocks.
    type Blocks: ContentAddressable<Key = Self::Hash, Value = Bytes>;
    /// The store of the refs.
    type Refs: AtomicWrite<Key = RefName, Value = Self::Hash>;
    /// How blocks are collected; [`NoSweep`](crate::NoSweep) if they are not.
    type Sweep: Sweep<Key = Self::Hash>;

    /// Returns the blocks.
    fn blocks(&self) -> &Self::Blocks;

    /// Returns the refs.
    fn refs(&self) -> &Self::Refs;

    /// Returns the part that collects blocks, if the storage has one.
    fn sweep(&self) -> Option<Self::Sweep>;

    /// Stores the blocks and applies the update, as one action.
    fn write(
        &self,
        blocks: Vec<(Self::Hash, Bytes)>,
        update: RefUpdate<Self::Hash>,
    ) -> impl Future<Output = Result<RefOutcome<Self::Hash>>> + Send;

    /// Returns the derived data of a name, or nothing if none are kept.
    fn load_derived(&self, _name: &RefName) -> impl Future<Output = Result<Option<Bytes>>> + Send {
        async { Ok(None) }
    }

    /// Adds bytes behind the derived data of a name, if these are `at` bytes long, where none are as
    /// long as 0; returns whether it did.
    ///
    /// So of several that append at one place, one does.
    fn append_derived(
        &self,
        _name: &RefName,
        _at: u64,
        _bytes: Bytes,
    ) -> impl Future<Output = Result<bool>> + Send {
        async { Ok(false) }
    }

    /// Puts bytes in place of the derived data of a name; returns whether they are kept.
    fn replace_derived(
        &self,
        _name: &RefName,
        _bytes: Bytes,
    ) -> impl Future<Output = Result<bool>> + Send {
        async { Ok(false) }
    }

    /// Closes refs and blocks, for all clones of the handle; both, also when one of them fails.
    fn close(&self) -> impl Future<Output = Result<()>> + Send {
        async {
            let refs = self.refs().close().await;
            let blocks = self.blocks().close().await;
            refs.and(blocks)
        }
    }
}
