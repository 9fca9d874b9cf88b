use std::fmt;

use ramus_core::{Cursor, KeyChange, Namespace, Path, RefName, Result, Snapshot};
use ramus_watch::{Changed, Event, Watch, WatchExt as _, WatchOptions};

use super::commits::Commits;
use super::{BranchesWatch, Source, WatchStart, moved, started};
use crate::{Commit, Diff, Repo, Schema};

/// What became of the branches that are watched.
#[derive(Clone, Debug)]
pub enum BranchesEvent<S: Schema> {
    /// One update of the storage moved these branches.
    Changed {
        /// The branches, in the order of their names; of a watch of a path, those of which it changed
        /// something there.
        branches: Vec<BranchChange<S>>,
        /// The place in the change log that the event leads to.
        cursor: Cursor,
    },
    /// This is what all the branches are on: at the start of a watch of what exists, or because the
    /// log no longer says what happened since the last event.
    Existing {
        /// The branches, in the order of their names, and their heads.
        branches: Vec<(String, Commit<S>)>,
        /// The place in the change log that the event leads to.
        cursor: Cursor,
        /// Whether changes were missed before it.
        resync: bool,
    },
}

/// What became of one branch, at the path that is watched and below it; at the root, the branch
/// itself.
#[derive(Clone)]
pub struct BranchChange<S: Schema> {
    /// Its name.
    pub branch: String,
    /// The path that is watched.
    pub path: Path,
    /// The commit that it was on; nothing if it did not exist, or if it was collected since, which is a
    /// [resync](Self::resync).
    pub old: Option<Commit<S>>,
    /// The commit that it is on; nothing if it was removed.
    pub new: Option<Commit<S>>,
    /// Whether it cannot be told what changed, since the commit that it was on was collected.
    pub resync: bool,
    repo: Repo<S>,
}

impl<S: Schema> BranchChange<S> {
    /// Returns what differs at the path and below it, read when it is asked for.
    ///
    /// # Errors
    ///
    /// Those of reading a [`Tree`](crate::Tree).
    pub async fn diff(&self) -> Result<Diff<S>> {
        moved::diff(&self.repo, &self.path, self.old.as_ref(), self.new.as_ref()).await
    }

    /// Returns the commits that the branch got by this, newest first, whatever they changed.
    pub fn commits(&self) -> Commits<S> {
        Commits::between(self.repo.objects(), self.old.as_ref(), self.new.as_ref())
    }
}

impl<S: Schema> BranchesWatch<S> {
    pub(crate) async fn open(
        repo: &Repo<S>,
        prefix: &str,
        path: Path,
        start: WatchStart,
    ) -> Result<Self> {
        let prefix = [Namespace::Branch.prefix(), prefix].concat();
        let watched = Watched { repo: repo.clone(), prefix, path };
        let options = started(watched.options(), start);
        let (first, watch) = match start {
            WatchStart::Existing => {
                let (existing, watch) = repo.refs().snapshot_and_watch(options).await?;
                (First::Existing(existing), watch)
            }
            WatchStart::Now | WatchStart::After(_) => {
                (First::Next, repo.refs().watch(options).await?)
            }
        };
        Ok(Self::new(watch.cursor(), BranchesSource { watched, watch, first }))
    }
}

impl<S: Schema> fmt::Debug for BranchChange<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { branch, path, old, new, resync, repo: _ } = self;
        let mut debug = f.debug_struct("BranchChange");
        debug.field("branch", branch).field("path", path);
        debug.field("old", old).field("new", new).field("resync", resync).finish_non_exhaustive()
    }
}

struct BranchesSource<S: Schema> {
    watched: Watched<S>,
    watch: Watch<RefName, S::Hash>,
    first: First<S>,
}

/// What comes first.
enum First<S: Schema> {
    /// What the log has next.
    Next,
    /// What is there now.
    Existing(Snapshot<RefName, S::Hash>),
    /// What is there by then: what should have told it could not be read.
    Again,
}

/// What is watched.
struct Watched<S: Schema> {
    repo: Repo<S>,
    /// What the names of the refs begin with.
    prefix: String,
    path: Path,
}

impl<S: Schema> Source for BranchesSource<S> {
    type Event = BranchesEvent<S>;

    async fn next(&mut self) -> Option<(Cursor, Result<BranchesEvent<S>>)> {
        loop {
            let event = match std::mem::replace(&mut self.first, First::Next) {
                First::Existing(now) => self.of_snapshot(now, false).await.map(Some),
                First::Again => self.begin_again().await.map(Some),
                First::Next => match self.watch.next().await? {
                    Ok(Event::Changed(changed)) => self.watched.of_change(&changed).await,
                    Ok(Event::Resync(now)) => self.of_snapshot(now, true).await.map(Some),
                    Err(error) => Err(error),
                },
            };
            if let Some(event) = event.transpose() {
                return Some((self.watch.cursor(), event));
            }
        }
    }
}

impl<S: Schema> BranchesSource<S> {
    /// Returns the event of what is there.
    async fn of_snapshot(
        &mut self,
        now: Snapshot<RefName, S::Hash>,
        resync: bool,
    ) -> Result<BranchesEvent<S>> {
        let event = self.watched.of_snapshot(now, resync).await;
        if event.is_err() {
            self.first = First::Again;
        }
        event
    }

    /// Begins to watch anew, and returns the event of what is there.
    async fn begin_again(&mut self) -> Result<BranchesEvent<S>> {
        self.first = First::Again;
        let refs = self.watched.repo.refs();
        let (now, watch) = refs.snapshot_and_watch(self.watched.options()).await?;
        (self.watch, self.first) = (watch, First::Next);
        self.of_snapshot(now, true).await
    }
}

impl<S: Schema> Watched<S> {
    fn options(&self) -> WatchOptions<RefName> {
        WatchOptions::prefix(self.prefix.clone())
    }

    /// Returns the event of a change, if it changed anything below the path.
    async fn of_change(
        &self,
        changed: &Changed<RefName, S::Hash>,
    ) -> Result<Option<BranchesEvent<S>>> {
        let mut branches = Vec::with_capacity(changed.keys().len());
        for KeyChange { key, old, new } in changed.keys() {
            let was = match old {
                Some(old) => self.repo.commit(old).await?,
                None => None,
            };
            let resync = old.is_some() && was.is_none();
            let new = self.repo.existing_or_none(*new).await?;
            if resync || !moved::is_the_same(&self.path, was.as_ref(), new.as_ref()).await? {
                let (branch, path, repo) =
                    (key.name().to_owned(), self.path.clone(), self.repo.clone());
                branches.push(BranchChange { branch, path, old: was, new, resync, repo });
            }
        }
        let cursor = changed.cursor();
        Ok((!branches.is_empty()).then_some(BranchesEvent::Changed { branches, cursor }))
    }

    async fn of_snapshot(
        &self,
        now: Snapshot<RefName, S::Hash>,
        resync: bool,
    ) -> Result<BranchesEvent<S>> {
        let cursor = now.cursor();
        let mut branches = Vec::new();
        for (name, hash) in now.collect().await? {
            branches.push((name.name().to_owned(), self.repo.existing(hash).await?));
        }
        Ok(BranchesEvent::Existing { branches, cursor, resync })
    }
}
