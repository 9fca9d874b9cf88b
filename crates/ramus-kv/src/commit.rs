use std::fmt;
use std::sync::Arc;

use ramus_core::{Path, Pin, Result};

use crate::block::CommitBlock;
use crate::directory::Links;
use crate::objects::Objects;
use crate::tree::at_hand::KeptContents;
use crate::tree::pending::View;
use crate::{Contents as _, Info, Schema, Tree};

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
    /// To the root block of the tree.
    link: Links<S::Hash>,
}

impl<S: Schema> Commit<S> {
    pub(crate) fn new(
        hash: S::Hash,
        block: CommitBlock<S::Hash>,
        objects: Arc<Objects<S>>,
        pin: Option<Arc<Pin>>,
    ) -> Self {
        Self(Arc::new(Inner { hash, block, objects, pin, link: Links::new() }))
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

    /// Returns the value at a path of the tree, as [`Tree::find`] does.
    pub(crate) async fn find(&self, path: &Path) -> Result<Option<S::Contents>> {
        match self.contents_at_hand(path)? {
            Some(KeptContents::Inline(encoded)) => S::Contents::decode(&encoded).map(Some),
            Some(KeptContents::Nothing) => Ok(None),
            Some(KeptContents::Leaf(leaf)) => self.tree().contents(&leaf).await.map(Some),
            Some(KeptContents::InConflict) | None => self.tree().find(path).await,
        }
    }

    /// Returns the contents that a path leads to; nothing if something has to be waited for. No tree is made
    /// for it.
    fn contents_at_hand(&self, path: &Path) -> Result<Option<KeptContents<S>>> {
        let Inner { block, objects, link, .. } = &*self.0;
        let view = View { objects, pending: &[] };
        let root = link.follow(0).or_else(|| {
            let root = view.kept(&block.root);
            root.inspect(|root| link.link(0, 1, root))
        });
        let Some(root) = root.filter(|_| !path.is_root() && !objects.is_traced()) else {
            return Ok(None);
        };
        view.kept_below(root, path)?.map(KeptContents::of).transpose()
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
