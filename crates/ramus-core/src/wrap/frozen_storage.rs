use bytes::Bytes;

use super::frozen::{refused, refused_update};
use super::{Frozen, PinsOnly};
use crate::{AtomicWrite as _, RefName, RefOutcome, RefUpdate, Result, Storage};

/// A storage that can be read and not written.
///
/// # What is promised
///
/// - Writes to blocks, refs, `write` and derived data are refused as [`Frozen`] says.
/// - Blocks can be pinned, so that what was read stays while others collect; to collect is refused.
#[derive(Clone, Debug)]
pub struct FrozenStorage<S: Storage> {
    storage: S,
    blocks: Frozen<S::Blocks>,
    refs: Frozen<S::Refs>,
}

impl<S: Storage> FrozenStorage<S> {
    /// Returns `storage` for reading only.
    pub fn new(storage: S) -> Self {
        let blocks = Frozen::new(storage.blocks().clone());
        let refs = Frozen::new(storage.refs().clone());
        Self { storage, blocks, refs }
    }
}

#[deny(clippy::missing_trait_methods, reason = "a method that is not forwarded loses its meaning")]
impl<S: Storage> Storage for FrozenStorage<S> {
    type Hash = S::Hash;
    type Blocks = Frozen<S::Blocks>;
    type Refs = Frozen<S::Refs>;
    type Sweep = PinsOnly<S::Sweep>;

    fn blocks(&self) -> &Frozen<S::Blocks> {
        &self.blocks
    }

    fn refs(&self) -> &Frozen<S::Refs> {
        &self.refs
    }

    fn sweep(&self) -> Option<PinsOnly<S::Sweep>> {
        self.storage.sweep().map(PinsOnly::new)
    }

    async fn write(
        &self,
        _blocks: Vec<(S::Hash, Bytes)>,
        update: RefUpdate<S::Hash>,
    ) -> Result<RefOutcome<S::Hash>> {
        // For the error that the store below gives once it is closed.
        self.refs.position().await?;
        Err(refused_update(&update))
    }

    async fn load_derived(&self, name: &RefName) -> Result<Option<Bytes>> {
        self.storage.load_derived(name).await
    }

    async fn append_derived(&self, name: &RefName, _at: u64, _bytes: Bytes) -> Result<bool> {
        self.refs.position().await?;
        Err(refused(format_args!("keep derived data {name}")))
    }

    async fn replace_derived(&self, name: &RefName, _bytes: Bytes) -> Result<bool> {
        self.refs.position().await?;
        Err(refused(format_args!("keep derived data {name}")))
    }

    async fn close(&self) -> Result<()> {
        self.storage.close().await
    }
}
