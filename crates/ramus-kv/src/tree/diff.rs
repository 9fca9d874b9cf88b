use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt as _};
use ramus_core::{IntoPath, Path, Result};

use super::Tree;
use super::dir::{Node, check_depth, hash_of};
use crate::Schema;
use crate::directory::{Entry, EntryDiff, EntryPair, Nodes as _};

/// What differs between two trees, in the order of the paths: a stream.
///
/// Equal directories, and equal blocks of large ones, are skipped without being read; what is held at
/// a time is a block or two for each level.
pub struct Diff<S: Schema>(BoxStream<'static, Result<Difference<S>>>);

/// A path at which two trees hold different contents.
///
/// Where contents became a directory, or the other way round, there is one difference for the
/// contents and one for every value in the directory. A stored conflict counts as contents, by a hash
/// of its own.
#[derive(Clone, Debug)]
pub struct Difference<S: Schema> {
    /// The path.
    pub path: Path,
    /// The hash of the contents in the first tree; nothing if it has none there.
    pub old: Option<S::Hash>,
    /// The hash of the contents in the second tree; nothing if it has none there. It is the same as
    /// `old` where only the metadata differ.
    pub new: Option<S::Hash>,
}

impl<S: Schema> Tree<S> {
    /// Returns what differs from this tree to `newer`.
    pub fn diff(&self, newer: &Self) -> Diff<S> {
        Diff::of(self, newer, Path::root())
    }

    /// Returns what differs from this tree to `newer` at a path and below it.
    ///
    /// The paths of the differences begin at the root of the trees.
    pub async fn diff_below(&self, newer: &Self, path: impl IntoPath) -> Result<Diff<S>> {
        let path = path.into_path()?;
        // Whoever asks for what cannot be read is told at once.
        self.node(&path).await?;
        newer.node(&path).await?;
        Ok(Diff::of(self, newer, path))
    }
}

impl<S: Schema> Diff<S> {
    /// Returns the next difference, or nothing after the last.
    ///
    /// # Errors
    ///
    /// Those of reading a [`Tree`].
    ///
    /// # Cancel safety
    ///
    /// A dropped future loses nothing.
    pub async fn next(&mut self) -> Option<Result<Difference<S>>> {
        self.0.next().await
    }

    /// Returns all differences that were not read yet.
    ///
    /// # Errors
    ///
    /// Those of reading a [`Tree`].
    pub async fn collect(mut self) -> Result<Vec<Difference<S>>> {
        let mut differences = Vec::new();
        while let Some(difference) = self.next().await {
            differences.push(difference?);
        }
        Ok(differences)
    }

    fn of(old: &Tree<S>, new: &Tree<S>, path: Path) -> Self {
        let walk = Walk { old: old.clone(), new: new.clone(), begin: Some(path), open: Vec::new() };
        Self(stream::try_unfold(walk, Walk::next).boxed())
    }
}

/// Where the comparison has got to.
struct Walk<S: Schema> {
    old: Tree<S>,
    new: Tree<S>,
    /// Where it begins, until it has begun.
    begin: Option<Path>,
    /// The directories that are being compared, one in another.
    open: Vec<(Path, EntryDiff<S::Hash>)>,
}

impl<S: Schema> Walk<S> {
    async fn next(mut self) -> Result<Option<(Difference<S>, Self)>> {
        if let Some(path) = self.begin.take()
            && let Some(difference) = self.begin(path).await?
        {
            return Ok(Some((difference, self)));
        }
        while let Some((path, diff)) = self.open.last_mut() {
            let Some(pair) = diff.next(&self.old.view(), &self.new.view()).await? else {
                self.open.pop();
                continue;
            };
            let EntryPair { step, old, new } = pair;
            let path = path.child(&step);
            if let Some(difference) = self.compare(path, old, new).await? {
                return Ok(Some((difference, self)));
            }
        }
        Ok(None)
    }

    async fn begin(&mut self, path: Path) -> Result<Option<Difference<S>>> {
        // Edits become blocks first, so that blocks are all there is to compare.
        self.old = self.old.frozen().await?;
        self.new = self.new.frozen().await?;
        let entry = async |tree: &Tree<S>| {
            let node = tree.node(&path).await?;
            Ok::<_, ramus_core::Error>(node.as_ref().and_then(Node::known_entry))
        };
        let (old, new) = (entry(&self.old).await?, entry(&self.new).await?);
        if old == new { Ok(None) } else { self.compare(path, old, new).await }
    }

    /// Compares what a path leads to, which is not the same; directories come next.
    async fn compare(
        &mut self,
        path: Path,
        old: Option<Entry<S::Hash>>,
        new: Option<Entry<S::Hash>>,
    ) -> Result<Option<Difference<S>>> {
        let (old_leaf, old_dir) = split::<S>(old);
        let (new_leaf, new_dir) = split::<S>(new);
        if old_dir.is_some() || new_dir.is_some() {
            check_depth(self.open.len())?;
            let old = load(&self.old, old_dir).await?;
            let new = load(&self.new, new_dir).await?;
            self.open.push((path.clone(), EntryDiff::new(old.as_ref(), new.as_ref())?));
        }
        let is_one = old_leaf.is_some() || new_leaf.is_some();
        Ok(is_one.then_some(Difference { path, old: old_leaf, new: new_leaf }))
    }
}

type Root<S> = std::sync::Arc<crate::directory::DirBlock<<S as Schema>::Hash>>;

async fn load<S: Schema>(tree: &Tree<S>, dir: Option<S::Hash>) -> Result<Option<Root<S>>> {
    match dir {
        Some(hash) => Ok(Some(tree.view().node(&hash).await?)),
        None => Ok(None),
    }
}

fn split<S: Schema>(entry: Option<Entry<S::Hash>>) -> (Option<S::Hash>, Option<S::Hash>) {
    match entry {
        Some(Entry::Contents { held, .. }) => (Some(hash_of::<S>(&held)), None),
        Some(Entry::Conflict { hash }) => (Some(hash), None),
        Some(Entry::Directory { hash }) => (None, Some(hash)),
        None => (None, None),
    }
}

// Written out, because a derive would ask the schema to be compared.

impl<S: Schema> PartialEq for Difference<S> {
    fn eq(&self, other: &Self) -> bool {
        let Self { path, old, new } = self;
        (path, old, new) == (&other.path, &other.old, &other.new)
    }
}

impl<S: Schema> Eq for Difference<S> {}

impl<S: Schema> Stream for Diff<S> {
    type Item = Result<Difference<S>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(context)
    }
}

impl<S: Schema> fmt::Debug for Diff<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Diff").finish_non_exhaustive()
    }
}
