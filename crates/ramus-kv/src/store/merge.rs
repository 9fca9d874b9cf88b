use std::collections::BTreeMap;

use ramus_core::{Error, ErrorKind, IntoPath, Path, Result};

use super::Store;
use super::round::Offered;
use super::work::{Answer, Prepared, Race, Work};
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
        let mut seat = None;
        for attempt in 0..self.attempts_max() {
            self.back_off(attempt.saturating_sub(1)).await;
            let head = self.head().await?;
            let tree = match self.try_merge(head.as_ref(), theirs, options).await? {
                Tried::Done(merged) => return Ok(merged),
                Tried::Forward => {
                    if self.test_and_set_head(head.as_ref(), Some(theirs)).await? {
                        return Ok(Merged::FastForward(theirs.clone()));
                    }
                    continue;
                }
                Tried::Merged(tree) => tree,
            };
            let prepared = merge_commit(head.as_ref(), theirs, tree, Race::Again);
            match self.offer(&mut seat, Work::commit(prepared, info.clone())).await? {
                Offered::Done(Answer::Commit(commit)) => return Ok(Merged::Commit(commit)),
                Offered::Done(_) => return Ok(Merged::Unchanged),
                Offered::Again => {}
            }
        }
        Err(self.contention(self.attempts_max(), self.head().await?.as_ref()))
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
        let Unmerged { ours, theirs, .. } = unmerged;
        let prepared = merge_commit(Some(&ours), &theirs, tree, Race::Refuse);
        let answer = self.submit(Work::commit(prepared, info)).await;
        let moved = |cause: Error| {
            let ours = ours.hash();
            let message =
                format!("{self:?} is no longer on {ours}, on which it was merged; merge again");
            Error::new(ErrorKind::Contention, message).with_source(cause)
        };
        match answer {
            Ok(answer) => answer
                .into_commit()
                .ok_or_else(|| Error::new(ErrorKind::Contention, "a merge commit was not made")),
            Err(error) if error.kind() == ErrorKind::Contention => Err(moved(error)),
            Err(error) => Err(error),
        }
    }

    /// Merges into `head`, without writing anything.
    async fn try_merge(
        &self,
        head: Option<&Commit<S>>,
        theirs: &Commit<S>,
        options: MergeOptions,
    ) -> Result<Tried<S>> {
        let Some(ours) = head else { return Ok(Tried::Forward) };
        let objects = self.repo().objects();
        let lcas = history::lcas(objects, &[ours.hash()], &[theirs.hash()]).await?;
        if lcas == [theirs.hash()] {
            return Ok(Tried::Done(Merged::Unchanged));
        }
        if lcas == [ours.hash()] && !options.no_ff {
            return Ok(Tried::Forward);
        }
        let ancestor = history::ancestor(objects, lcas).await?;
        let merged = merge(&ancestor, &ours.tree(), &theirs.tree()).await?;
        if !merged.conflicts.is_empty() {
            let conflicts = merged.conflicts.into_iter();
            let conflicts = conflicts.map(|one| (one.path.clone(), (one, None))).collect();
            let (ours, theirs, tree) = (ours.clone(), theirs.clone(), merged.tree);
            return Ok(Tried::Done(Merged::Conflicts(Unmerged { ours, theirs, tree, conflicts })));
        }
        Ok(Tried::Merged(merged.tree))
    }
}

/// What a merge into a head comes to, if the head stays there.
enum Tried<S: Schema> {
    Done(Merged<S>),
    /// The head can be moved to their commit.
    Forward,
    /// This tree is to be committed.
    Merged(Tree<S>),
}

fn merge_commit<S: Schema>(
    ours: Option<&Commit<S>>,
    theirs: &Commit<S>,
    tree: Tree<S>,
    on_race: Race,
) -> Prepared<S> {
    let parents = Some(ours.into_iter().chain([theirs]).map(Commit::hash).collect());
    Prepared { base: ours.cloned(), tree, on_race, allow_empty: true, parents }
}
