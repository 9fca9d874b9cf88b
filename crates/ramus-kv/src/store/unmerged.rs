use std::collections::BTreeMap;
use std::sync::Arc;

use ramus_core::{Error, ErrorKind, IntoPath, Path, Result};

use super::Store;
use super::work::{Answer, Prepared, Race, Work};
use crate::tree::pending::Pending;
use crate::{Commit, Conflicts, Info, PathConflict, Resolution, Schema, Tree};

/// A merge that has conflicts, to be resolved path by path and then committed; or a revert or a
/// cherry-pick that has some.
///
/// In a merge, *ours* is the head and *theirs* the commit that is merged. In a cherry-pick, *theirs* is
/// the commit that is picked and the *ancestor* its parent; in a revert it is the other way round.
///
/// ```
/// # use ramus_kv::{Kv, Merged, Resolution, Side, Store};
/// # async fn example(main: Store<Kv<String>>, draft: Store<Kv<String>>) -> ramus_core::Result<()> {
/// if let Merged::Conflicts(mut unmerged) = main.merge(&draft, "merge draft").await? {
///     unmerged.resolve("motto", Resolution::Contents("go on anew".to_owned()))?;
///     // What was deleted on one side stays with the other; the rest is for later.
///     unmerged.resolve_each(|conflict| match (&conflict.ours, &conflict.theirs) {
///         (Some(_), None) => Some(Resolution::Ours),
///         (None, Some(_)) => Some(Resolution::Theirs),
///         _ => Some(Resolution::Later),
///     });
///     main.commit_merge(&unmerged, "merge draft, in part by hand").await?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Unmerged<S: Schema> {
    store: Store<S>,
    base: Option<Commit<S>>,
    parents: Option<Vec<Commit<S>>>,
    allow_empty: bool,
    info: Box<Info>,
    /// With our side at every path in conflict.
    tree: Tree<S>,
    /// By path, and how each is resolved, if it is.
    conflicts: BTreeMap<Path, (PathConflict<S>, Option<Resolution<S>>)>,
}

impl<S: Schema> Unmerged<S> {
    /// Returns what was prepared, but for these conflicts; there is at least one.
    pub(super) fn new(
        store: &Store<S>,
        prepared: Prepared<S>,
        conflicts: Vec<PathConflict<S>>,
    ) -> Self {
        let Prepared { base, tree, on_race: _, allow_empty, parents } = prepared;
        let conflicts = conflicts.into_iter().map(|one| (one.path.clone(), (one, None))).collect();
        let (store, info) = (store.clone(), Box::default());
        Self { store, base, parents, allow_empty, info, tree, conflicts }
    }

    pub(super) fn with_info(self, info: Info) -> Self {
        Self { info: Box::new(info), ..self }
    }

    /// Returns the conflicts, in the order of their paths, resolved or not.
    pub fn conflicts(&self) -> impl Iterator<Item = &PathConflict<S>> {
        self.conflicts.values().map(|(conflict, _)| conflict)
    }

    /// Returns the conflicts that are not resolved yet, in the order of their paths.
    pub fn open(&self) -> impl Iterator<Item = &PathConflict<S>> {
        let open = self.conflicts.values().filter(|(_, resolved)| resolved.is_none());
        open.map(|(conflict, _)| conflict)
    }

    /// Returns what merged, with our side at every path in conflict.
    pub const fn tree(&self) -> &Tree<S> {
        &self.tree
    }

    /// Returns the commit that the head was on, which is our side; nothing if there was none.
    pub const fn ours(&self) -> Option<&Commit<S>> {
        self.base.as_ref()
    }

    /// Returns the info that the commit would have had without conflicts; that of a
    /// [preview](Store::preview_merge) is empty.
    pub fn info(&self) -> &Info {
        &self.info
    }

    /// Says what a path in conflict shall hold, in place of what was said before.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) for a path that is not in conflict.
    pub fn resolve(&mut self, path: impl IntoPath, resolution: Resolution<S>) -> Result<()> {
        const NAMED_MAX: usize = 10;
        let path = path.into_path()?;
        if let Some((_, resolved)) = self.conflicts.get_mut(&path) {
            *resolved = Some(resolution);
            return Ok(());
        }
        let paths = self.conflicts.keys().take(NAMED_MAX).map(|path| format!("`{path}`"));
        let mut paths = paths.collect::<Vec<_>>().join(", ");
        if self.conflicts.len() > NAMED_MAX {
            paths = format!("{paths} and {} more", self.conflicts.len() - NAMED_MAX);
        }
        Err(Error::invalid_input(format!("`{path}` is not in conflict; these are: {paths}")))
    }

    /// Asks `resolve` about each conflict that is not resolved yet; returns how many are open then.
    pub fn resolve_each(
        &mut self,
        mut resolve: impl FnMut(&PathConflict<S>) -> Option<Resolution<S>>,
    ) -> usize {
        let open = self.conflicts.values_mut().filter(|(_, resolved)| resolved.is_none());
        let mut left = 0;
        for (conflict, resolved) in open {
            *resolved = resolve(conflict);
            left += usize::from(resolved.is_none());
        }
        left
    }

    /// Resolves what is not resolved yet as `earlier` did, where that had the same conflict: at the
    /// same path, with the same three sides. Returns how many are open then. So no decision has to be
    /// made again because the head moved before the merge was committed.
    ///
    /// ```
    /// # use ramus_core::ErrorKind;
    /// # use ramus_kv::{Kv, Merged, Store, Unmerged};
    /// # async fn example(
    /// #     main: Store<Kv<String>>, draft: Store<Kv<String>>, decided: Unmerged<Kv<String>>,
    /// # ) -> ramus_core::Result<()> {
    /// match main.commit_merge(&decided, "by hand").await {
    ///     Err(error) if error.kind() == ErrorKind::Contention => {
    ///         if let Merged::Conflicts(mut again) = main.merge(&draft, "merge draft").await?
    ///             && again.resolve_as(&decided) == 0
    ///         {
    ///             main.commit_merge(&again, "by hand").await?;
    ///         }
    ///     }
    ///     done => drop(done?),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn resolve_as(&mut self, earlier: &Self) -> usize {
        self.resolve_each(|conflict| {
            let (same, resolution) = earlier.conflicts.get(&conflict.path)?;
            let is_same = same.sides.entries == conflict.sides.entries;
            resolution.clone().filter(|_| is_same)
        })
    }

    /// Returns the conflicts alone, and forgets what merged.
    pub fn into_conflicts(self) -> Conflicts<S> {
        Conflicts::new(self.conflicts.into_values().map(|(conflict, _)| conflict).collect())
    }

    /// Returns the tree with every conflict resolved.
    ///
    /// # Errors
    ///
    /// [`Conflict`](ErrorKind::Conflict) if a path is not resolved; the source, [`Conflicts`], holds
    /// those.
    pub async fn resolved(&self) -> Result<Tree<S>> {
        let open: Vec<_> = self.open().cloned().collect();
        if !open.is_empty() {
            return Err(Conflicts::new(open).into());
        }
        let (mut tree, mut made) = (self.tree.clone(), Pending::new());
        for (conflict, resolution) in self.conflicts.values() {
            if let Some(resolution) = resolution {
                tree.settle(conflict, resolution, &mut made).await?;
            }
        }
        if !made.is_empty() {
            tree.pending.push(Arc::new(made));
        }
        Ok(tree)
    }
}

impl<S: Schema> Store<S> {
    /// Commits a merge, a revert or a cherry-pick whose conflicts are resolved; returns the commit that
    /// the handle is on then.
    ///
    /// That is the one that was made; a revert or a cherry-pick that comes to nothing makes none, unless
    /// its options allow it. What the other side has got since it was merged is for another merge.
    ///
    /// # Errors
    ///
    /// - [`Conflict`](ErrorKind::Conflict) if a path is not resolved; the source, [`Conflicts`],
    ///   holds those.
    /// - [`Contention`](ErrorKind::Contention) if the head moved since: merge again, and take over
    ///   [what was decided](Unmerged::resolve_as).
    /// - [`InvalidInput`](ErrorKind::InvalidInput) for a merge into another branch, or in another
    ///   repository.
    ///
    /// # Cancel safety
    ///
    /// That of a [`Store`]'s writes. The merge stays as it is, and can be committed again.
    pub async fn commit_merge(
        &self,
        unmerged: &Unmerged<S>,
        info: impl Into<Info>,
    ) -> Result<Commit<S>> {
        let target = &unmerged.store;
        if !self.is_same(target) {
            let message = if self.repo().is_same(target.repo()) {
                format!("the merge is into {target}, and cannot be committed to {self}")
            } else {
                "the merge is of another repository; its blocks are not in this one".to_owned()
            };
            return Err(Error::invalid_input(message));
        }
        self.commit_resolved(unmerged, info.into()).await
    }

    /// Commits what is resolved, whatever handle it was prepared by.
    pub(super) async fn commit_resolved(
        &self,
        unmerged: &Unmerged<S>,
        info: Info,
    ) -> Result<Commit<S>> {
        let tree = unmerged.resolved().await?;
        let Unmerged { base, parents, allow_empty, .. } = unmerged;
        let prepared = Prepared {
            base: base.clone(),
            tree,
            on_race: Race::Refuse,
            allow_empty: *allow_empty || base.is_none(),
            parents: parents.clone(),
        };
        match (self.submit(Work::commit(prepared, info)).await, base.clone()) {
            (Ok(Answer::Commit(commit)), _) | (Ok(_), Some(commit)) => Ok(commit),
            (Ok(_), None) => Err(Error::new(ErrorKind::Contention, "a commit was not made")),
            (Err(error), base) if error.kind() == ErrorKind::Contention => {
                let base =
                    base.map_or_else(|| "nothing".to_owned(), |base| base.hash().to_string());
                let message =
                    format!("{self} is no longer on {base}, on which it was merged; merge again");
                Err(Error::new(ErrorKind::Contention, message).with_source(error))
            }
            (Err(error), _) => Err(error),
        }
    }
}
