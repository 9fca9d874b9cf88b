use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt as _};
use ramus_core::{IntoPath, Path, Result, Step};

use super::Tree;
use super::dir::{Dir, Node};
use crate::Schema;

/// What differs between two trees, in the order of the paths: a stream.
///
/// Equal directories are skipped without being read.
pub struct Diff<S: Schema>(BoxStream<'static, Result<Difference<S>>>);

/// A path at which two trees hold different contents.
///
/// Where contents became a directory, or the other way round, there is one difference for the
/// contents and one for every value in the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
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
        let root = |tree: &Self| Some(Node::Directory(tree.root.clone()));
        self.diff_of(newer, Path::root(), root(self), root(newer))
    }

    /// Returns what differs from this tree to `newer` at a path and below it.
    ///
    /// The paths of the differences begin at the root of the trees.
    pub async fn diff_below(&self, newer: &Self, path: impl IntoPath) -> Result<Diff<S>> {
        let path = path.into_path()?;
        let (old, new) = (self.node(&path).await?, newer.node(&path).await?);
        Ok(self.diff_of(newer, path, old, new))
    }

    fn diff_of(
        &self,
        newer: &Self,
        path: Path,
        old: Option<Node<S>>,
        new: Option<Node<S>>,
    ) -> Diff<S> {
        let todo = VecDeque::from([Pair { path, old, new }]);
        let walk = Walk { old: self.clone(), new: newer.clone(), todo };
        Diff(stream::try_unfold(walk, Walk::next).boxed())
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
}

/// Where the comparison has got to.
struct Walk<S: Schema> {
    old: Tree<S>,
    new: Tree<S>,
    /// What is left to be compared, the next first.
    todo: VecDeque<Pair<S>>,
}

/// What the two trees hold at one path.
struct Pair<S: Schema> {
    path: Path,
    old: Option<Node<S>>,
    new: Option<Node<S>>,
}

impl<S: Schema> Walk<S> {
    async fn next(mut self) -> Result<Option<(Difference<S>, Self)>> {
        while let Some(pair) = self.todo.pop_front() {
            let Pair { path, old, new } = pair;
            if let (Some(old), Some(new)) = (&old, &new)
                && old.is_known_same(new)
            {
                continue;
            }
            let (old_leaf, old_dir) = split(old);
            let (new_leaf, new_dir) = split(new);
            self.descend(&path, old_dir, new_dir).await?;
            if old_leaf.is_some() || new_leaf.is_some() {
                return Ok(Some((Difference { path, old: old_leaf, new: new_leaf }, self)));
            }
        }
        Ok(None)
    }

    /// Puts what lies in the directories next.
    async fn descend(
        &mut self,
        path: &Path,
        old: Option<Dir<S>>,
        new: Option<Dir<S>>,
    ) -> Result<()> {
        let old = entries(&self.old, old).await?;
        let new = entries(&self.new, new).await?;
        for (step, old, new) in side_by_side(old, new).into_iter().rev() {
            let path = path.child(&step);
            self.todo.push_front(Pair { path, old, new });
        }
        Ok(())
    }
}

fn split<S: Schema>(node: Option<Node<S>>) -> (Option<S::Hash>, Option<Dir<S>>) {
    match node {
        Some(Node::Contents(leaf)) => (Some(leaf.hash), None),
        Some(Node::Directory(dir)) => (None, Some(dir)),
        None => (None, None),
    }
}

async fn entries<S: Schema>(tree: &Tree<S>, dir: Option<Dir<S>>) -> Result<Entries<S>> {
    match dir {
        Some(dir) => tree.entries(&dir).await,
        None => Ok(Vec::new()),
    }
}

type Entries<S> = Vec<(Step, Node<S>)>;

/// Returns the entries of two directories, step by step.
pub(super) fn side_by_side<A, B>(
    left: Vec<(Step, A)>,
    right: Vec<(Step, B)>,
) -> Vec<(Step, Option<A>, Option<B>)> {
    let mut pairs = Vec::with_capacity(left.len().max(right.len()));
    let mut right = right.into_iter().peekable();
    for (step, node) in left {
        while let Some((other, node)) = right.next_if(|(other, _)| *other < step) {
            pairs.push((other, None, Some(node)));
        }
        let same = right.next_if(|(other, _)| *other == step).map(|(_, node)| node);
        pairs.push((step, Some(node), same));
    }
    pairs.extend(right.map(|(step, node)| (step, None, Some(node))));
    pairs
}

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
