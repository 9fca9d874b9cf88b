use ramus_core::{Error, Result};

use super::land::{Change, Plan, Tried};
use super::work::{Prepared, Race};
use super::{Merged, Store};
use crate::tree::merge::{Ancestor, merge};
use crate::{Commit, Info, Schema, Tree};

/// How the change of a commit is taken back, or made once more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PickOptions {
    /// Which parent of a merge commit its change is seen from, counted from 0. It has to be said for one
    /// of several parents, and only there it makes a difference.
    pub mainline: Option<usize>,
    /// Whether a commit is made where nothing is left to change.
    pub allow_empty: bool,
    /// What the commit says of itself, in place of what it says by default.
    pub info: Option<Info>,
}

impl PickOptions {
    /// Returns these options for a merge commit, seen from the parent of this index.
    #[must_use]
    pub const fn with_mainline(mut self, parent: usize) -> Self {
        self.mainline = Some(parent);
        self
    }

    /// Returns these options with a commit also where nothing is left to change.
    #[must_use]
    pub const fn allow_empty(mut self) -> Self {
        self.allow_empty = true;
        self
    }

    /// Returns these options with another info.
    #[must_use]
    pub fn with_info(mut self, info: impl Into<Info>) -> Self {
        self.info = Some(info.into());
        self
    }
}

impl<S: Schema> Store<S> {
    /// Takes back what a commit changed: a new commit on the head, by a three-way merge of the head and
    /// the commit's parent that begins from the commit. What others changed since stays.
    ///
    /// The commit need not be in the history of the head. The first one of a history is taken back to the
    /// empty tree. If the head moves meanwhile, it is done again.
    ///
    /// The message is `Revert "…"` with the first line of the other message, and says which commit it was.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ramus_core::ErrorKind::InvalidInput) for a commit of another repository, for a
    /// merge commit without a [mainline](PickOptions::mainline), and for a parent that it does not have;
    /// [`Missing`](ramus_core::ErrorKind::Missing) if its parent is not there any more;
    /// [`Aborted`](ramus_core::ErrorKind::Aborted) if the merge of a contents type panicked. A conflict is
    /// no error: see [`Merged`].
    ///
    /// # Cancel safety
    ///
    /// That of a [`Store`]'s writes.
    pub async fn revert(&self, commit: &Commit<S>, options: PickOptions) -> Result<Merged<S>> {
        let before = self.before(commit, options.mainline).await?;
        let info = options.info.unwrap_or_else(|| {
            let first = commit.info().message.lines().next().unwrap_or_default();
            let hash = commit.hash();
            Info::new(format!("Revert \"{first}\"\n\nThis reverts commit {hash}."))
        });
        let (from, to, allow_empty) = (commit.tree(), before, options.allow_empty);
        self.land(&Plan::Change(Change { from, to, allow_empty }), info).await
    }

    /// Makes what a commit changed once more: a new commit on the head, by a three-way merge of the head
    /// and the commit that begins from the commit's parent.
    ///
    /// The new commit says what the other one says, author and time included. Where the contents
    /// [count](crate::Contents::MERGES_EQUAL_SIDES) it is a change of its own, which counts again.
    /// If the head moves meanwhile, it is done again.
    ///
    /// # Errors
    ///
    /// Those of [`revert`](Store::revert).
    ///
    /// # Cancel safety
    ///
    /// That of a [`Store`]'s writes.
    pub async fn cherry_pick(&self, commit: &Commit<S>, options: PickOptions) -> Result<Merged<S>> {
        let before = self.before(commit, options.mainline).await?;
        let info = options.info.unwrap_or_else(|| {
            let mut info = commit.info().clone();
            info.headers.remove(Info::UNIQUE);
            info
        });
        let (from, to, allow_empty) = (before, commit.tree(), options.allow_empty);
        self.land(&Plan::Change(Change { from, to, allow_empty }), info).await
    }

    /// Returns the tree that a commit changed.
    pub(super) async fn before(
        &self,
        commit: &Commit<S>,
        mainline: Option<usize>,
    ) -> Result<Tree<S>> {
        self.repo().check_commit(commit)?;
        let (hash, parents) = (commit.hash(), commit.parents());
        let index = match (mainline, parents) {
            (None, [_, _, ..]) => {
                let (count, last) = (parents.len(), parents.len() - 1);
                return Err(Error::invalid_input(format!(
                    "commit {hash} has {count} parents; say by the option mainline from which of them \
                     its change is seen, 0 to {last}"
                )));
            }
            (None, [] | [_]) => 0,
            (Some(index), _) => index,
        };
        match parents.get(index) {
            Some(parent) => Ok(self.repo().existing(*parent).await?.tree()),
            None if mainline.is_none() => Ok(self.repo().empty_tree()),
            None => {
                let count = parents.len();
                let message =
                    format!("commit {hash} has {count} parents, and none of index {index}");
                Err(Error::invalid_input(message))
            }
        }
    }

    /// Makes a change on `head`, without writing anything.
    pub(super) async fn try_change(
        &self,
        head: Option<&Commit<S>>,
        change: &Change<S>,
    ) -> Result<Tried<S>> {
        let Change { from, to, allow_empty } = change;
        let ancestor = Ancestor::certain(from.clone());
        let merged = merge(&ancestor, &self.tree_of(head), to).await?;
        let prepared = Prepared {
            base: head.cloned(),
            tree: merged.tree,
            on_race: Race::Again,
            allow_empty: *allow_empty,
            parents: None,
        };
        Ok(Tried::of(self, prepared, merged.conflicts, None))
    }
}
