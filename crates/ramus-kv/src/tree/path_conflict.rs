use ramus_core::{Path, Result};

use super::Tree;
use super::dir::Node;
use super::three::Three;
use crate::directory::Entry;
use crate::{Conflict, ConflictKind, Schema};

/// A path at which two sides do not merge.
///
/// It is what a merge says of a path, and what a tree says of a conflict that was
/// [stored](crate::Resolution::Later) in it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PathConflict<S: Schema> {
    /// The path.
    pub path: Path,
    /// What kind of conflict it is: what a program goes by.
    pub kind: ConflictKind,
    /// Why, in words, and where in the value.
    pub conflict: Conflict,
    /// What the ancestor had there; nothing if it had none, or if there is no ancestor.
    pub ancestor: Option<Side<S>>,
    /// What our side has there.
    pub ours: Option<Side<S>>,
    /// What their side has there.
    pub theirs: Option<Side<S>>,
    pub(crate) sides: Sides<S>,
}

/// What one side of a conflict has at the path.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Side<S: Schema> {
    /// A value.
    Contents(S::Contents),
    /// A directory.
    Directory(Tree<S>),
    /// A conflict of its own, which was stored there.
    Conflict(StoredConflict<S>),
}

/// A conflict in a tree, which is read when it is asked for: one may lie in another, and so on.
#[derive(Clone, Debug)]
pub struct StoredConflict<S: Schema> {
    tree: Tree<S>,
    path: Path,
    hash: S::Hash,
}

impl<S: Schema> StoredConflict<S> {
    /// Returns the conflict.
    ///
    /// # Errors
    ///
    /// Those of reading a [`Tree`].
    pub async fn read(&self) -> Result<PathConflict<S>> {
        self.tree.read_conflict(&self.path, self.hash).await
    }
}

/// The sides of a conflict as entries, and a tree from which they can be read.
#[derive(Clone, Debug)]
pub(crate) struct Sides<S: Schema> {
    pub(crate) tree: Tree<S>,
    pub(crate) entries: Three<Option<Entry<S::Hash>>>,
}

impl<S: Schema> PathConflict<S> {
    /// Reads what the sides have. They can be read from `tree`, whatever lies in that.
    pub(crate) async fn read(
        path: Path,
        kind: ConflictKind,
        conflict: Conflict,
        tree: &Tree<S>,
        entries: Three<Option<Entry<S::Hash>>>,
    ) -> Result<Self> {
        let ancestor = side(tree, &path, entries.ancestor.clone()).await?;
        let ours = side(tree, &path, entries.ours.clone()).await?;
        let theirs = side(tree, &path, entries.theirs.clone()).await?;
        let sides = Sides { tree: tree.clone(), entries };
        Ok(Self { path, kind, conflict, ancestor, ours, theirs, sides })
    }
}

async fn side<S: Schema>(
    tree: &Tree<S>,
    path: &Path,
    entry: Option<Entry<S::Hash>>,
) -> Result<Option<Side<S>>> {
    Ok(match entry.map(Node::of_entry) {
        Some(Node::Contents(leaf)) => Some(Side::Contents(tree.contents(&leaf).await?)),
        Some(Node::Directory(dir)) => Some(Side::Directory(tree.below(dir))),
        Some(Node::Conflict(hash)) => {
            let (tree, path) = (tree.clone(), path.clone());
            Some(Side::Conflict(StoredConflict { tree, path, hash }))
        }
        None => None,
    })
}
