use ramus_core::{Error, Result};

use super::land::{Plan, Tried};
use super::work::{Prepared, Race};
use super::{Store, Unmerged};
use crate::tree::merge::merge;
use crate::{Commit, Info, Schema, Tree, history};

/// How a merge is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MergeOptions {
    /// Whether a merge commit is made also where the head could just be moved forward.
    pub no_ff: bool,
}

impl MergeOptions {
    /// Returns these options with a merge commit where the head could just be moved forward.
    #[must_use]
    pub const fn no_ff(mut self) -> Self {
        self.no_ff = true;
        self
    }
}

/// What a merge came to, or a [revert](Store::revert) or a [cherry-pick](Store::cherry_pick).
#[derive(Debug)]
#[must_use = "a merge that has conflicts has changed nothing"]
pub enum Merged<S: Schema> {
    /// There was nothing to merge: the other side is an ancestor, has no commits, or changes nothing.
    Unchanged,
    /// The head moved forward to this commit of the other side.
    FastForward(Commit<S>),
    /// This commit was made. That of a merge has what the head was as its first parent, the other side
    /// as its second; that of a revert or a cherry-pick has what the head was alone.
    Commit(Commit<S>),
    /// Both sides changed the same things. Nothing was written; resolve and commit it.
    Conflicts(Unmerged<S>),
}

impl<S: Schema> Merged<S> {
    /// Returns the commit that the head is on after the merge, or nothing if it stayed.
    ///
    /// # Errors
    ///
    /// [`Conflict`](ramus_core::ErrorKind::Conflict) for a merge that has conflicts; the source is
    /// [`Conflicts`](crate::Conflicts).
    pub fn clean(self) -> Result<Option<Commit<S>>> {
        match self {
            Self::Unchanged => Ok(None),
            Self::FastForward(commit) | Self::Commit(commit) => Ok(Some(commit)),
            Self::Conflicts(unmerged) => Err(unmerged.into_conflicts().into()),
        }
    }
}

/// What a merge would come to.
#[derive(Debug)]
#[must_use = "a preview is there to be looked at"]
pub enum Preview<S: Schema> {
    /// There is nothing to merge: the other side is an ancestor.
    Unchanged,
    /// The head would move forward to this commit of the other side.
    FastForward(Commit<S>),
    /// A merge commit of this tree would be made.
    Clean(Tree<S>),
    /// Both sides changed the same things. This can be resolved and committed, as that of a merge can.
    Conflicts(Unmerged<S>),
}

impl<S: Schema> Store<S> {
    /// Merges the head of another handle into this one, which moves; the other one stays.
    ///
    /// A merge that can move the head forward does so; one of an ancestor changes nothing. Histories
    /// that have nothing in common merge as if both had begun from an empty tree. If the head moves
    /// meanwhile, it is merged again.
    ///
    /// A conflict that one side [stored](crate::Resolution::Later) is carried along if the other side
    /// has not touched that path, and gives way to what the other side resolved it to.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ramus_core::ErrorKind::InvalidInput) for a handle of another repository;
    /// [`Aborted`](ramus_core::ErrorKind::Aborted) if the merge of a contents type panicked. A conflict is no
    /// error: see [`Merged::clean`].
    ///
    /// # Cancel safety
    ///
    /// That of a [`Store`]'s writes.
    pub async fn merge(&self, other: &Self, info: impl Into<Info>) -> Result<Merged<S>> {
        let info = info.into();
        if !self.repo().is_same(other.repo()) {
            let message = format!("{other} is of another repository than {self}");
            return Err(Error::invalid_input(message));
        }
        match other.head().await? {
            Some(theirs) => self.merge_with(&theirs, MergeOptions::default(), info).await,
            None => Ok(Merged::Unchanged),
        }
    }

    /// Merges a commit into this handle, as [`merge`](Store::merge) does.
    ///
    /// # Errors
    ///
    /// Those of [`merge`](Store::merge).
    ///
    /// # Cancel safety
    ///
    /// That of a [`Store`]'s writes.
    pub async fn merge_with(
        &self,
        theirs: &Commit<S>,
        options: MergeOptions,
        info: impl Into<Info>,
    ) -> Result<Merged<S>> {
        let info = info.into();
        self.repo().check_commit(theirs)?;
        self.land(&Plan::Merge { theirs: theirs.clone(), options }, info).await
    }

    /// Returns what [`merge_with`](Store::merge_with) would come to now. Nothing is written.
    ///
    /// ```
    /// # use ramus_kv::{Kv, MergeOptions, Preview, Store};
    /// # async fn example(main: Store<Kv<String>>, draft: Store<Kv<String>>) -> ramus_core::Result<()> {
    /// let Some(theirs) = draft.head().await? else { return Ok(()) };
    /// match main.preview_merge(&theirs, MergeOptions::default()).await? {
    ///     Preview::Unchanged => println!("all of it is there"),
    ///     Preview::FastForward(commit) => println!("on to {}", commit.hash()),
    ///     Preview::Clean(tree) => println!("{} entries at the root", tree.len("").await?),
    ///     Preview::Conflicts(unmerged) => println!("{}", unmerged.into_conflicts()),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`merge`](Store::merge).
    pub async fn preview_merge(
        &self,
        theirs: &Commit<S>,
        options: MergeOptions,
    ) -> Result<Preview<S>> {
        self.repo().check_commit(theirs)?;
        let head = self.head().await?;
        Ok(match self.try_merge(head.as_ref(), theirs, options).await? {
            Tried::Done(Merged::Conflicts(unmerged)) => Preview::Conflicts(unmerged),
            Tried::Done(_) => Preview::Unchanged,
            Tried::Move(commit) => Preview::FastForward(commit),
            Tried::Make(prepared, _) => Preview::Clean(prepared.tree),
        })
    }

    /// Merges into `head`, without writing anything.
    pub(super) async fn try_merge(
        &self,
        head: Option<&Commit<S>>,
        theirs: &Commit<S>,
        options: MergeOptions,
    ) -> Result<Tried<S>> {
        let Some(ours) = head else { return Ok(Tried::Move(theirs.clone())) };
        let objects = self.repo().objects();
        let lcas = history::lcas(objects, &[ours.hash()], &[theirs.hash()]).await?;
        if lcas == [theirs.hash()] {
            return Ok(Tried::Done(Merged::Unchanged));
        }
        if lcas == [ours.hash()] && !options.no_ff {
            return Ok(Tried::Move(theirs.clone()));
        }
        let ancestor = history::ancestor(objects, lcas).await?;
        let merged = merge(&ancestor, &ours.tree(), &theirs.tree()).await?;
        let prepared = Prepared {
            base: Some(ours.clone()),
            tree: merged.tree,
            on_race: Race::Again,
            allow_empty: true,
            parents: Some(vec![ours.clone(), theirs.clone()]),
        };
        Ok(Tried::of(self, prepared, merged.conflicts, None))
    }
}
