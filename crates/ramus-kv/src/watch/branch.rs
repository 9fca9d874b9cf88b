use std::fmt;

use ramus_core::{Cursor, Error, ErrorKind, KeyChange, Path, RefName, Result, Snapshot};
use ramus_watch::{Event, Watch, WatchExt as _, WatchOptions};

use super::{BranchWatch, Source, WatchStart, started};
use crate::tree::dir::Node;
use crate::{Commit, Diff, Repo, Schema, Store};

/// What became of a branch, at the path that is watched and below it; at the root, the branch itself.
#[derive(Clone)]
pub struct BranchEvent<S: Schema> {
    /// The path that is watched.
    pub path: Path,
    /// The commit that the branch was on; nothing if it did not exist, or if that is not known.
    pub old: Option<Commit<S>>,
    /// The commit that the branch is on; nothing if it was removed.
    pub new: Option<Commit<S>>,
    /// The place in the change log that the event leads to.
    pub cursor: Cursor,
    /// Whether the log no longer says what lay between: `old` is then the last commit that this watch
    /// knew, and there may have been others before `new`.
    pub resync: bool,
    repo: Repo<S>,
}

impl<S: Schema> BranchEvent<S> {
    /// Returns what differs at the path and below it, read when it is asked for.
    ///
    /// # Errors
    ///
    /// Those of reading a [`Tree`](crate::Tree).
    pub async fn diff(&self) -> Result<Diff<S>> {
        let tree = |commit: &Option<Commit<S>>| match commit {
            Some(commit) => commit.tree(),
            None => self.repo.empty_tree(),
        };
        tree(&self.old).diff_below(&tree(&self.new), &self.path).await
    }

    /// Returns whether the two commits hold the same at the path, metadata included. Whoever watches
    /// the root watches the commits themselves.
    async fn is_the_same(&self) -> Result<bool> {
        if self.path.is_root() {
            return Ok(self.old == self.new);
        }
        let (old, new) = (self.node(self.old.as_ref()), self.node(self.new.as_ref()));
        Ok(match (old.await?, new.await?) {
            (Some(Node::Contents(old)), Some(Node::Contents(new))) => {
                old.to_entry() == new.to_entry()
            }
            (Some(Node::Directory(old)), Some(Node::Directory(new))) => {
                old.known_hash().is_some_and(|hash| new.known_hash() == Some(hash))
            }
            (None, None) => true,
            _ => false,
        })
    }

    /// Returns what a commit has at the path.
    async fn node(&self, commit: Option<&Commit<S>>) -> Result<Option<Node<S>>> {
        match commit {
            Some(commit) => commit.tree().node(&self.path).await,
            None => Ok(None),
        }
    }
}

impl<S: Schema> BranchWatch<S> {
    pub(crate) async fn open(store: &Store<S>, path: Path, start: WatchStart) -> Result<Self> {
        let Some(branch) = store.branch_ref().cloned() else {
            let message = "a detached handle cannot be watched; watch a branch";
            return Err(Error::new(ErrorKind::Unsupported, message));
        };
        let (repo, refs) = (store.repo().clone(), store.repo().refs());
        let options = started(WatchOptions::key(branch.clone()), start);
        let (existing, watch) = match start {
            WatchStart::Existing => {
                let (existing, watch) = refs.snapshot_and_watch(options).await?;
                (Some(existing), watch)
            }
            WatchStart::Now | WatchStart::After(_) => (None, refs.watch(options).await?),
        };
        let cursor = watch.cursor();
        Ok(Self::new(
            cursor,
            BranchSource { watched: Watched { repo, branch, path }, watch, existing, last: None },
        ))
    }
}

impl<S: Schema> fmt::Debug for BranchEvent<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, old, new, cursor, resync, repo: _ } = self;
        let mut debug = f.debug_struct("BranchEvent");
        debug.field("path", path).field("old", old).field("new", new);
        debug.field("cursor", cursor).field("resync", resync).finish_non_exhaustive()
    }
}

struct BranchSource<S: Schema> {
    watched: Watched<S>,
    watch: Watch<RefName, S::Hash>,
    /// What was there at the start, until it was given.
    existing: Option<Snapshot<RefName, S::Hash>>,
    /// The head that was given last, if one was.
    last: Option<S::Hash>,
}

/// What is watched.
struct Watched<S: Schema> {
    repo: Repo<S>,
    branch: RefName,
    path: Path,
}

impl<S: Schema> Source for BranchSource<S> {
    type Event = BranchEvent<S>;

    async fn next(&mut self) -> Option<(Cursor, Result<BranchEvent<S>>)> {
        let Self { watched, watch, existing, last } = self;
        if let Some(existing) = existing.take() {
            return Some((watch.cursor(), watched.of_snapshot(last, existing, false).await));
        }
        loop {
            let event = match watch.next().await? {
                Ok(Event::Changed(changed)) => {
                    let [change, ..] = changed.keys() else { continue };
                    *last = change.new;
                    match watched.of_change(change, changed.cursor()).await {
                        Ok(Some(event)) => Ok(event),
                        Ok(None) => continue,
                        Err(error) => Err(error),
                    }
                }
                Ok(Event::Resync(snapshot)) => watched.of_snapshot(last, snapshot, true).await,
                Err(error) => Err(error),
            };
            return Some((watch.cursor(), event));
        }
    }
}

impl<S: Schema> Watched<S> {
    /// Returns the event of a change of the head, if it changed anything below the path.
    async fn of_change(
        &self,
        change: &KeyChange<RefName, S::Hash>,
        cursor: Cursor,
    ) -> Result<Option<BranchEvent<S>>> {
        let event = self.event(change.old, change.new, cursor, false).await?;
        Ok(if event.is_the_same().await? { None } else { Some(event) })
    }

    async fn of_snapshot(
        &self,
        last: &mut Option<S::Hash>,
        snapshot: Snapshot<RefName, S::Hash>,
        resync: bool,
    ) -> Result<BranchEvent<S>> {
        let cursor = snapshot.cursor();
        let entries = snapshot.collect().await?;
        let new = entries.into_iter().find(|(name, _)| *name == self.branch).map(|(_, hash)| hash);
        let old = std::mem::replace(last, new);
        self.event(old, new, cursor, resync).await
    }

    async fn event(
        &self,
        old: Option<S::Hash>,
        new: Option<S::Hash>,
        cursor: Cursor,
        resync: bool,
    ) -> Result<BranchEvent<S>> {
        let old = self.repo.existing_or_none(old).await?;
        let new = self.repo.existing_or_none(new).await?;
        let (repo, path) = (self.repo.clone(), self.path.clone());
        Ok(BranchEvent { path, old, new, cursor, resync, repo })
    }
}
