//! Collection: what nothing reaches any more is removed, beside running writers.
//!
//! # Why nothing is lost
//!
//! The collection goes by the order that [`Sweep`](ramus_core::Sweep) asks for: it begins, takes a
//! snapshot of the refs, marks what they reach, and then what the changes since and the pins since name,
//! again until there is nothing new. Let a block be *old* if nobody added it since the beginning; the
//! storage removes no other. Whoever makes an old block part of something that is named later has it
//! pinned then, or read it from what a ref or a pin reaches at that time. So, going back in time, each old
//! block that anything reaches after the snapshot was reached by the snapshot, or by a pin between the
//! beginning and then, and is marked. The rounds after the first find what those do who break a rule a
//! little; there are at most [`ROUNDS_MAX`], because under writers that never rest each round finds the
//! commits of the meantime.
//!
//! A name alone protects nothing: who keeps a hash, and nothing that holds the block, may find a part of
//! it only.

mod check;
mod collection;
mod hold;
mod mark;
mod running;
mod why;

use std::sync::Arc;

use ramus_core::{Error, ErrorKind, Result, Storage as _};
use tokio::sync::OwnedSemaphorePermit;

pub use self::check::{Broken, Checked};
pub use self::collection::{Collection, CollectionPhase, CollectionProgress};
pub(crate) use self::hold::hold;
pub use self::why::{Root, Why};
use crate::{Repo, Schema};

/// How often the collector looks at most whether something new was named while it marked.
const ROUNDS_MAX: u32 = 16;

/// What is collected, and how: plain data.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CollectOptions<H> {
    /// Nothing is removed; it is counted what would be. It is read for that, so it takes longer. Beside writers it
    /// is an estimate: what they add meanwhile is counted, though a collection would leave it. It begins and ends like
    /// any other: a storage may have to write something for that, and it ends one that another repository on this
    /// storage is about.
    pub dry_run: bool,
    /// These blocks are kept, too, with all that they reach. They have to be there.
    pub roots: Vec<H>,
}

/// What a collection came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Collected {
    /// How many blocks are kept because something reaches them.
    pub blocks_reached: u64,
    /// How many blocks were removed; in a dry run, how many would be, of those that were looked at.
    pub blocks_removed: u64,
    /// How many bytes the blocks have that would be removed, in a dry run; nothing otherwise.
    pub bytes_removed: Option<u64>,
}

/// # Collection
///
/// What no branch, no tag, no other ref, no handle and no given root reaches can be removed. Writers and
/// readers go on beside it.
///
/// ```
/// # use ramus_kv::{CollectOptions, Kv, Repo};
/// # async fn example(repo: Repo<Kv<String>>) -> ramus_core::Result<()> {
/// repo.remove_branch("draft").await?;
/// let would = repo.collect(CollectOptions::default().with_dry_run(true)).await?;
/// println!("{} blocks, {:?} bytes", would.blocks_removed, would.bytes_removed);
/// repo.collect(CollectOptions::default()).await?;
/// # Ok(())
/// # }
/// ```
impl<S: Schema> Repo<S> {
    /// Removes every block that nothing reaches, as [`collection`](Repo::collection) does step by step.
    ///
    /// # Errors
    ///
    /// Those of [`collection`](Repo::collection) and [`Collection::step`].
    ///
    /// # Cancel safety
    ///
    /// A dropped future has removed some of the blocks, or none.
    pub async fn collect(&self, options: CollectOptions<S::Hash>) -> Result<Collected> {
        let mut collection = self.collection(options).await?;
        while collection.step().await?.is_some() {}
        Ok(collection.collected())
    }

    /// Begins a collection, which goes on with each [`step`](Collection::step).
    ///
    /// A storage knows one collection at a time, the newest: one that another repository on this storage is about is
    /// over then, and its next step says so. What it has removed by then is given back by this one.
    ///
    /// # Errors
    ///
    /// - [`Unsupported`](ErrorKind::Unsupported) if the storage cannot be collected.
    /// - [`Permission`](ErrorKind::Permission) through a view of a storage, which does not see all refs.
    /// - [`Unavailable`](ErrorKind::Unavailable) if this repository is being collected already.
    pub async fn collection(&self, options: CollectOptions<S::Hash>) -> Result<Collection<S>> {
        Collection::begin(self, options).await
    }

    /// Returns why a block is kept: the shortest way to it from a ref, or else from a pin; nothing if a
    /// collection that begins now would remove it.
    ///
    /// A block that is missing is passed over, so what is told is what can be seen. A block that no ref
    /// reaches is asked for by beginning a collection, which ends one that another repository on this
    /// storage is about.
    ///
    /// # Errors
    ///
    /// Those of [`collection`](Repo::collection).
    pub async fn why(&self, block: &S::Hash) -> Result<Option<Why<S::Hash>>> {
        why::why(self, *block).await
    }

    /// Takes what one collection at a time has: another would end the one before.
    fn take_collecting(&self) -> Result<OwnedSemaphorePermit> {
        Arc::clone(self.collecting()).try_acquire_owned().map_err(|_| {
            let message = "this repository is being collected already; wait until that is done";
            Error::new(ErrorKind::Unavailable, message)
        })
    }

    fn sweep(&self) -> Result<ramus_core::erased::Sweeper<S::Hash>> {
        self.backend().sweep().ok_or_else(|| {
            let message = "this storage cannot be collected: it offers no sweep";
            Error::new(ErrorKind::Unsupported, message)
        })
    }
}

impl<H> CollectOptions<H> {
    /// Returns these options for a collection that removes nothing, or for one that does.
    #[must_use]
    pub const fn with_dry_run(mut self, dry_run: bool) -> Self {
        self.dry_run = dry_run;
        self
    }

    /// Returns these options with other blocks that are kept, too.
    #[must_use]
    pub fn with_roots(mut self, roots: impl IntoIterator<Item = H>) -> Self {
        self.roots = roots.into_iter().collect();
        self
    }
}

// Written out, because a derive would ask the hash to have a default.
impl<H> Default for CollectOptions<H> {
    fn default() -> Self {
        Self { dry_run: false, roots: Vec::new() }
    }
}
