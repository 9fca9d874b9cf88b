use std::fmt;
use std::sync::Arc;

use ramus_core::{Error, ErrorKind, Result};

use super::dir::Node;
use super::{Kind, Tree};
use crate::{Metadata as _, Schema};

/// What a step or a path leads to, which is read when it is asked for.
///
/// It keeps what the tree keeps, so it can outlive the tree.
///
/// ```
/// # use ramus_kv::{Kv, Repo};
/// # async fn example(repo: Repo<Kv<String>>) -> ramus_core::Result<()> {
/// let tree = repo.main().await?.tree().await?;
/// let mut entries = tree.entries("users").await?;
/// while let Some((step, found)) = entries.next().await.transpose()? {
///     match found.contents().await? {
///         Some(value) => println!("{step}: {value}"),
///         None => println!("{step} is a directory: {}", found.hash().await?),
///     }
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// What reads answers what reading a [`Tree`] does.
#[derive(Clone)]
pub struct Found<S: Schema> {
    tree: Arc<Tree<S>>,
    node: Node<S>,
}

impl<S: Schema> Found<S> {
    /// `tree` is the one that it was found in.
    pub(crate) fn new(tree: &Arc<Tree<S>>, node: Node<S>) -> Self {
        Self { tree: Arc::clone(tree), node }
    }

    /// Returns which of the kinds it is.
    pub fn kind(&self) -> Kind {
        self.node.kind()
    }

    /// Returns the value, or nothing for a directory.
    ///
    /// # Errors
    ///
    /// [`Conflict`](ErrorKind::Conflict) for a stored conflict, which is no value yet;
    /// [`Tree::find_conflict`] tells what it is of.
    pub async fn contents(&self) -> Result<Option<S::Contents>> {
        match &self.node {
            Node::Contents(leaf) => Ok(Some(self.tree.contents(leaf).await?)),
            Node::Directory(_) => Ok(None),
            Node::Conflict(_) => {
                let message = "the entry is a stored conflict, and has no value yet; resolve it";
                Err(Error::new(ErrorKind::Conflict, message))
            }
        }
    }

    /// Returns the metadata of the value, or nothing for a directory or a conflict.
    ///
    /// # Errors
    ///
    /// [`Corrupt`](ramus_core::ErrorKind::Corrupt) if they cannot be decoded.
    pub fn metadata(&self) -> Result<Option<S::Metadata>> {
        match &self.node {
            Node::Contents(leaf) => S::Metadata::decode(&leaf.metadata).map(Some),
            Node::Directory(_) | Node::Conflict(_) => Ok(None),
        }
    }

    /// Returns the directory as a tree of its own, or nothing for a value or a conflict.
    pub fn tree(&self) -> Option<Tree<S>> {
        match &self.node {
            Node::Contents(_) | Node::Conflict(_) => None,
            Node::Directory(dir) => Some(self.tree.below(dir.clone())),
        }
    }

    /// Returns the name of the conflict, if it is one.
    pub(super) fn conflict(&self) -> Option<S::Hash> {
        match &self.node {
            Node::Conflict(hash) => Some(*hash),
            Node::Contents(_) | Node::Directory(_) => None,
        }
    }

    /// Returns the hash, as [`find_hash`](Tree::find_hash) does.
    pub async fn hash(&self) -> Result<S::Hash> {
        match &self.node {
            Node::Contents(leaf) => Ok(leaf.hash()),
            Node::Directory(dir) => self.tree.below(dir.clone()).hash().await,
            Node::Conflict(hash) => Ok(*hash),
        }
    }

    /// Returns how many entries the directory has, or 0 for a value or a conflict.
    pub async fn len(&self) -> Result<u64> {
        match &self.node {
            Node::Contents(_) | Node::Conflict(_) => Ok(0),
            Node::Directory(dir) => self.tree.entry_count(dir).await,
        }
    }
}

impl<S: Schema> fmt::Debug for Found<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Found").field(&self.kind()).finish()
    }
}
