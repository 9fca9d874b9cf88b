use bytes::Bytes;

use super::{PinsOnly, Prefixed};
use crate::{RefName, RefOutcome, RefUpdate, Result, Storage};

/// A storage of which the refs below a prefix are seen.
///
/// # What is promised
///
/// - Refs are seen and changed as [`Prefixed`] says, through `refs` and through `write` alike.
/// - Blocks are those of the storage below. All its views share them, so what two views hold is
///   stored once.
/// - Blocks can be pinned; to collect is refused: what no ref of this view reaches may be reached by
///   one of another.
/// - Derived data are those below the prefix, as refs are.
///
/// # What is not promised
///
/// That blocks are kept from other views: whoever knows the hash of a block can read it.
#[derive(Clone, Debug)]
pub struct PrefixedStorage<S: Storage> {
    storage: S,
    refs: Prefixed<S::Refs>,
}

impl<S: Storage> PrefixedStorage<S> {
    /// Returns the part of `storage` whose refs stand below `prefix`, such as `tenant-7/`.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if no ref can have the prefix, if it does not
    /// end in `/`, or if it is empty.
    pub fn new(storage: S, prefix: &str) -> Result<Self> {
        let refs = Prefixed::new(storage.refs().clone(), prefix)?;
        Ok(Self { storage, refs })
    }
}

#[deny(clippy::missing_trait_methods, reason = "a method that is not forwarded loses its meaning")]
impl<S: Storage> Storage for PrefixedStorage<S> {
    type Hash = S::Hash;
    type Blocks = S::Blocks;
    type Refs = Prefixed<S::Refs>;
    type Sweep = PinsOnly<S::Sweep>;

    fn blocks(&self) -> &S::Blocks {
        self.storage.blocks()
    }

    fn refs(&self) -> &Prefixed<S::Refs> {
        &self.refs
    }

    fn sweep(&self) -> Option<PinsOnly<S::Sweep>> {
        self.storage.sweep().map(PinsOnly::new)
    }

    async fn write(
        &self,
        blocks: Vec<(S::Hash, Bytes)>,
        update: RefUpdate<S::Hash>,
    ) -> Result<RefOutcome<S::Hash>> {
        let outcome = self.storage.write(blocks, self.refs.update_below(update)?).await?;
        self.refs.outcome_above(outcome)
    }

    async fn load_derived(&self, name: &RefName) -> Result<Option<Bytes>> {
        self.storage.load_derived(&self.refs.below(name)?).await
    }

    async fn append_derived(&self, name: &RefName, at: u64, bytes: Bytes) -> Result<bool> {
        self.storage.append_derived(&self.refs.below(name)?, at, bytes).await
    }

    async fn replace_derived(&self, name: &RefName, bytes: Bytes) -> Result<bool> {
        self.storage.replace_derived(&self.refs.below(name)?, bytes).await
    }

    async fn close(&self) -> Result<()> {
        self.storage.close().await
    }
}
