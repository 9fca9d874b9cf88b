use std::fmt;
use std::sync::Arc;

use ramus_core::{Pin, Result};

use crate::block::CommitBlock;
use crate::objects::Objects;
use crate::{Info, Schema, Tree};

/// A commit: a root directory, what it was made from, and who, when and why.
///
/// Cloning is cheap. Two commits are equal if they have the same hash. What a commit reaches is not
/// collected while the handle lives.
pub struct Commit<S: Schema>(Arc<Inner<S>>);

struct Inner<S: Schema> {
    hash: S::Hash,
    block: CommitBlock<S::Hash>,
    objects: Arc<Objects<S>>,
    pin: Option<Arc<Pin>>,
}

impl<S: Schema> Commit<S> {
    pub(crate) fn new(
        hash: S::Hash,
        block: CommitBlock<S::Hash>,
        objects: Arc<Objects<S>>,
        pin: Option<Arc<Pin>>,
    ) -> Self {
        Self(Arc::new(Inner { hash, block, objects, pin }))
    }

    /// Reads a commit, or nothing if there is no such block.
    pub(crate) async fn load(objects: &Arc<Objects<S>>, hash: S::Hash) -> Result<Option<Self>> {
        let pin = objects.pin(hash).await?;
        let block = objects.commit(&hash).await?;
        Ok(block.map(|block| Self::new(hash, block, Arc::clone(objects), pin)))
    }

    /// Returns the name of the commit.
    pub fn hash(&self) -> S::Hash {
        self.0.hash
    }

    /// Returns the names of the commits that this one was made from, in their order: what the branch
    /// held comes first, then what was merged.
    pub fn parents(&self) -> &[S::Hash] {
        &self.0.block.parents
    }

    /// Returns who, when and why; author and time are always there.
    pub fn info(&self) -> &Info {
        &self.0.block.info
    }

    /// Returns the name of the root directory, of which [`Repo::tree`](crate::Repo::tree) makes a tree.
    pub fn root(&self) -> S::Hash {
        self.0.block.root
    }

    /// Returns the tree of the commit.
    pub fn tree(&self) -> Tree<S> {
        Tree::stored(Arc::clone(&self.0.objects), self.root(), self.0.pin.clone())
    }

    /// Returns whether the commit was read from there, or made there.
    pub(crate) fn is_of(&self, objects: &Arc<Objects<S>>) -> bool {
        Arc::ptr_eq(&self.0.objects, objects)
    }
}

impl<S: Schema> Clone for Commit<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: Schema> PartialEq for Commit<S> {
    fn eq(&self, other: &Self) -> bool {
        self.hash() == other.hash()
    }
}

impl<S: Schema> Eq for Commit<S> {}

impl<S: Schema> fmt::Debug for Commit<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Commit({}, {:?})", self.hash(), self.info().message)
    }
}
