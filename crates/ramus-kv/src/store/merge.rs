use std::collections::BTreeMap;

use ramus_core::{Error, ErrorKind, IntoPath, Path, Result};

use super::Store;
use super::advance::{Advance, Advanced};
use crate::tree::merge::merge;
use crate::{Commit, Conflicts, Info, Kind, PathConflict, Schema, Tree, history};

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

/// What a merge came to.
#[derive(Debug)]
#[must_use = "a merge that has conflicts has changed nothing"]
pub enum Merged<S: Schema> {
    /// There was nothing to merge: the other side is an ancestor, or has no commits.
    Unchanged,
    /// The head moved forward to this commit of the other side.
    FastForward(Commit<S>),
    /// This merge commit was made: its first parent is what the head was, its second the other side.
    Commit(Commit<S>),
    /// Both sides changed the same things. Nothing was written; resolve and commit it.
    Conflicts(Unmerged<S>),
}

impl<S: Schema> Merged<S> {
    /// Returns the commit that the head is on after the merge, or nothing if it stayed.
    ///
    /// # Errors
    ///
    /// [`Conflict`](ErrorKind::Conflict) for a merge that has conflicts; the source is [`Conflicts`].
    pub fn clean(self) -> Result<Option<Commit<S>>> {
        match self {
            Self::Unchanged => Ok(None),
            Self::FastForward(commit) | Self::Commit(commit) => Ok(Some(commit)),
            Self::Conflicts(unmerged) => Err(unmerged.into_conflicts().into()),
        }
    }
}

/// A merge that has conflicts, to be resolved path by path and then committed.
///
/// ```
/// # use ramus_kv::{Kv, Merged, Resolution, Store};
/// # async fn example(main: Store<Kv<String>>, draft: Store<Kv<String>>) -> ramus_core::Result<()> {
/// if let Merged::Conflicts(mut unmerged) = main.merge(&draft, "merge draft").await? {
///     let paths: Vec<_> = unmerged.conflicts().map(|conflict| conflict.path.clone()).collect();
///     for path in paths {
///         unmerged.resolve(path, Resolution::Theirs)?;
///     }
///     main.commit_merge(unmerged, "merge draft, its side wins").await?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Unmerged<S: Schema> {
    ours: Commit<S>,
    theirs: Commit<S>,
    /// With our side at every path in conflict.
    tree: Tree<S>,
    /// By path, and how each is resolved, if it is.
    conflicts: BTreeMap<Path, (PathConflict<S>, Option<Resolution<S>>)>,
}

/// What a path in conflict shall hold.
#[derive(Clone, Debug)]
pub enum Resolution<S: Schema> {
    /// What our side has, nothing included.
    Ours,
    /// What their side has, nothing included.
    Theirs,
    /// This value, with the metadata of our side.
    Contents(S::Contents),
    /// Nothing.
    Remove,
}

impl<S: Schema> Unmerged<S> {
    /// Returns the conflicts, in the order of their paths, resolved or not.
    pub fn conflicts(&self) -> impl Iterator<Item = &PathConflict<S>> {
        self.conflicts.values().map(|(conflict, _)| conflict)
    }

    /// Returns what merged, with our side at every path in conflict.
    pub const fn tree(&self) -> &Tree<S> {
        &self.tree
    }

    /// Says what a path in conflict shall hold, in place of what was said before.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) for a path that is not in conflict.
    pub fn resolve(&mut self, path: impl IntoPath, resolution: Resolution<S>) -> Result<()> {
        let path = path.into_path()?;
        if let Some((_, resolved)) = self.conflicts.get_mut(&path) {
            *resolved = Some(resolution);
        } else {
            let paths: Vec<String> =
                self.conflicts.keys().map(|path| format!("`{path}`")).collect();
            return Err(Error::invalid_input(format!(
                "`{path}` is not in conflict; these are: {}",
                paths.join(", ")
            )));
        }
        Ok(())
    }

    /// Returns the conflicts alone, and forgets what merged.
    pub fn into_conflicts(self) -> Conflicts<S> {
        Conflicts::new(self.conflicts.into_values().map(|(conflict, _)| conflict).collect())
    }

    /// Returns the tree with every conflict resolved.
    async fn resolved(&self) -> Result<Tree<S>> {
        let open: Vec<_> =
            self.conflicts.values().filter(|(_, resolved)| resolved.is_none()).collect();
        if !open.is_empty() {
            let open = open.into_iter().map(|(conflict, _)| conflict.clone()).collect();
            return Err(Conflicts::new(open).into());
        }
        let mut tree = self.tree.clone();
        for (path, (_, resolution)) in &self.conflicts {
            match resolution {
                Some(Resolution::Ours) | None => {}
                Some(Resolution::Theirs) => tree.take_over(path, &self.theirs.tree()).await?,
                Some(Resolution::Remove) => drop(tree.remove(path).await?),
                Some(Resolution::Contents(value)) => {
                    if tree.kind(path).await? == Some(Kind::Directory) {
                        tree.remove(path).await?;
                    }
                    tree.set(path, value.clone()).await?;
                }
            }
        }
        Ok(tree)
    }
}

impl<S: Schema> Store<S> {
    /// Merges the head of another handle into this one, which moves; the other one stays.
    ///
    /// A merge that can move the head forward does so; one of an ancestor changes nothing. Histories
    /// that have nothing in common merge as if both had begun from an empty tree.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) for a handle of another repository;
    /// [`Aborted`](ErrorKind::Aborted) if the merge of a contents type panicked. A conflict is no
    /// error: see [`Merged::clean`].
    pub async fn merge(&self, other: &Self, info: impl Into<Info>) -> Result<Merged<S>> {
        let info = info.into();
        if !self.repo().is_same(other.repo()) {
            let message = format!("{other:?} is of another repository than {self:?}");
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
    pub async fn merge_with(
        &self,
        theirs: &Commit<S>,
        options: MergeOptions,
        info: impl Into<Info>,
    ) -> Result<Merged<S>> {
        let info = info.into();
        self.repo().check_commit(theirs)?;
        let _turn = self.turn().wait().await?;
        for attempt in 0..self.attempts_max() {
            self.back_off(attempt).await;
            let head = self.head().await?;
            if let Some(merged) = self.try_merge(head.as_ref(), theirs, options, &info).await? {
                return Ok(merged);
            }
        }
        Err(self.contention(self.attempts_max()))
    }

    /// Commits a merge whose conflicts are resolved.
    ///
    /// # Errors
    ///
    /// - [`Conflict`](ErrorKind::Conflict) if a path is not resolved; the source, [`Conflicts`],
    ///   holds those.
    /// - [`Contention`](ErrorKind::Contention) if the head moved since: merge again.
    pub async fn commit_merge(
        &self,
        unmerged: Unmerged<S>,
        info: impl Into<Info>,
    ) -> Result<Commit<S>> {
        let info = info.into();
        self.repo().check_commit(&unmerged.ours)?;
        let tree = unmerged.resolved().await?;
        let _turn = self.turn().wait().await?;
        let head = self.head().await?;
        if head.as_ref() == Some(&unmerged.ours) {
            let advance = merge_commit(&unmerged.ours, &unmerged.theirs);
            let advanced = self.advance(head.as_ref(), &tree, &info, advance).await?;
            if let Advanced::To(commit) = advanced {
                return Ok(commit);
            }
        }
        let ours = unmerged.ours.hash();
        let message =
            format!("{self:?} is no longer on {ours}, on which it was merged; merge again");
        Err(Error::new(ErrorKind::Contention, message))
    }

    /// Merges into `head`; nothing if the head moved meanwhile.
    async fn try_merge(
        &self,
        head: Option<&Commit<S>>,
        theirs: &Commit<S>,
        options: MergeOptions,
        info: &Info,
    ) -> Result<Option<Merged<S>>> {
        let Some(ours) = head else { return self.forward(None, theirs).await };
        let objects = self.repo().objects();
        let lcas = history::lcas(objects, &[ours.hash()], &[theirs.hash()]).await?;
        if lcas == [theirs.hash()] {
            return Ok(Some(Merged::Unchanged));
        }
        if lcas == [ours.hash()] && !options.no_ff {
            return self.forward(head, theirs).await;
        }
        let ancestor = history::ancestor(objects, lcas).await?;
        let merged = merge(&ancestor, &ours.tree(), &theirs.tree()).await?;
        if !merged.conflicts.is_empty() {
            let conflicts = merged.conflicts.into_iter();
            let conflicts = conflicts.map(|one| (one.path.clone(), (one, None))).collect();
            let (ours, theirs, tree) = (ours.clone(), theirs.clone(), merged.tree);
            return Ok(Some(Merged::Conflicts(Unmerged { ours, theirs, tree, conflicts })));
        }
        let advance = merge_commit(ours, theirs);
        Ok(match self.advance(head, &merged.tree, info, advance).await? {
            Advanced::To(commit) => Some(Merged::Commit(commit)),
            Advanced::Lost | Advanced::Unchanged => None,
        })
    }

    async fn forward(
        &self,
        head: Option<&Commit<S>>,
        theirs: &Commit<S>,
    ) -> Result<Option<Merged<S>>> {
        let moved = self.test_and_set_head(head, Some(theirs)).await?;
        Ok(moved.then(|| Merged::FastForward(theirs.clone())))
    }
}

fn merge_commit<S: Schema>(ours: &Commit<S>, theirs: &Commit<S>) -> Advance<S> {
    Advance { allow_empty: true, parents: Some(vec![ours.hash(), theirs.hash()]) }
}
