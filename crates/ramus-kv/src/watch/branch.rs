use std::fmt;

use ramus_core::{Cursor, Error, ErrorKind, Path, RefName, Result, Snapshot};
use ramus_watch::{Changed, Event, Watch, WatchExt as _, WatchOptions};

use super::commits::Commits;
use super::{BranchWatch, Source, WatchPlace, WatchStart, moved, started};
use crate::{Commit, Diff, Repo, Schema, Store};

/// What became of a branch, at the path that is watched and below it; at the root, the branch itself.
#[derive(Clone)]
pub struct BranchEvent<S: Schema> {
    /// The path that is watched.
    pub path: Path,
    /// The commit that the branch was on; nothing if it did not exist, if that is not known, or if it was
    /// collected since, which is a [resync](Self::resync).
    pub old: Option<Commit<S>>,
    /// The commit that the branch is on; nothing if it was removed.
    pub new: Option<Commit<S>>,
    /// The place in the change log that the event leads to.
    pub cursor: Cursor,
    /// Whether it cannot be told what lay between: `old` is then the last commit that this watch
    /// knew, if it is still there, and there may have been others before `new`.
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
        moved::diff(&self.repo, &self.path, self.old.as_ref(), self.new.as_ref()).await
    }

    /// Returns the commits that the branch got by this, newest first, whatever they changed.
    pub fn commits(&self) -> Commits<S> {
        Commits::between(self.repo.objects(), self.old.as_ref(), self.new.as_ref())
    }

    /// Returns the place that the event leads to, to go on from later with
    /// [`Store::watch_after`](crate::Store::watch_after).
    pub fn place(&self) -> WatchPlace<S::Hash> {
        WatchPlace { cursor: Some(self.cursor), commit: self.new.as_ref().map(Commit::hash) }
    }

    /// Returns whether nothing differs at the path from what it was in `old`; what was collected differs.
    async fn is_the_same_as(&self, old: Option<S::Hash>) -> Result<bool> {
        if old.is_some() && self.old.is_none() {
            return Ok(false);
        }
        moved::is_the_same(&self.path, self.old.as_ref(), self.new.as_ref()).await
    }
}

impl<S: Schema> BranchWatch<S> {
    pub(crate) async fn open(store: &Store<S>, path: Path, start: WatchStart) -> Result<Self> {
        let watched = Watched::new(store, path)?;
        let refs = store.repo().refs();
        let options = started(watched.options(), start);
        let (first, watch) = match start {
            WatchStart::Existing => {
                let (existing, watch) = refs.snapshot_and_watch(options).await?;
                (First::Existing(existing), watch)
            }
            WatchStart::Now | WatchStart::After(_) => (First::Next, refs.watch(options).await?),
        };
        Ok(BranchSource::new(watched, watch, first).into_stream())
    }

    pub(crate) async fn resume(
        store: &Store<S>,
        path: Path,
        place: WatchPlace<S::Hash>,
    ) -> Result<Self> {
        let watched = Watched::new(store, path)?;
        let WatchPlace { cursor, commit } = place;
        let held = watched.repo.existing_or_none(commit).await.map_err(|missing| {
            let message = "cannot go on from a commit that is gone; watch from what exists";
            missing.context(message)
        })?;
        let refs = store.repo().refs();
        let (first, watch) = if let Some(cursor) = cursor {
            (First::AfterPlace, refs.watch(watched.options().after(cursor)).await?)
        } else {
            let (now, watch) = refs.snapshot_and_watch(watched.options()).await?;
            (First::Since(now), watch)
        };
        let source = BranchSource::new(watched, watch, first);
        Ok(BranchSource { last: commit, held, ..source }.into_stream())
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
    /// The place up to which everything was given.
    given: Cursor,
    first: First<S>,
    /// The head that was given last, or that the watch began from, if there is one.
    last: Option<S::Hash>,
    /// The same commit, if it is at hand: it is kept from being collected until the next event shows what
    /// became of it.
    held: Option<Commit<S>>,
}

/// What comes first.
enum First<S: Schema> {
    /// What the log has next.
    Next,
    /// What is there now.
    Existing(Snapshot<RefName, S::Hash>),
    /// What has changed by now since `last`.
    Since(Snapshot<RefName, S::Hash>),
    /// What the log has next; if it has nothing from there, what has changed since `last`.
    AfterPlace,
    /// This move of the head, whose commits could not be read for now.
    Move(Move<S::Hash>),
    /// What is there by then: what should have told it could not be read.
    Again,
}

/// A move of the head, and where in the log it is.
#[derive(Clone, Copy)]
struct Move<H> {
    old: Option<H>,
    new: Option<H>,
    cursor: Cursor,
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
        loop {
            let event = match std::mem::replace(&mut self.first, First::Next) {
                First::Existing(now) => self.of_snapshot(now, false).await.map(Some),
                First::Since(now) => self.of_snapshot_since_last(now).await,
                First::Again => self.begin_again().await.map(Some),
                First::Move(one) => self.of_move(one).await,
                First::AfterPlace => match self.watch.next().await? {
                    Ok(Event::Changed(changed)) => self.of_change(&changed, self.last).await,
                    Ok(Event::Resync(now)) => self.of_snapshot_since_last(now).await,
                    Err(error) => {
                        self.first = First::AfterPlace;
                        Err(error)
                    }
                },
                First::Next => match self.watch.next().await? {
                    Ok(Event::Changed(changed)) => {
                        let old = changed.keys().first().and_then(|change| change.old);
                        self.of_change(&changed, old).await
                    }
                    Ok(Event::Resync(now)) => self.of_snapshot(now, true).await.map(Some),
                    Err(error) => Err(error),
                },
            };
            let Some(event) = event.transpose() else { continue };
            // After an error that passes the same comes again.
            if matches!(self.first, First::Next) {
                self.given = self.watch.cursor();
            }
            return Some((self.given, event));
        }
    }
}

impl<S: Schema> BranchSource<S> {
    fn new(watched: Watched<S>, watch: Watch<RefName, S::Hash>, first: First<S>) -> Self {
        let given = watch.cursor();
        Self { watched, watch, given, first, last: None, held: None }
    }

    fn into_stream(self) -> BranchWatch<S> {
        BranchWatch::new(self.given, self)
    }

    /// Returns the event of a change of the head, if it changed anything below the path since the
    /// head was `old`. Another commit than the log has there was kept with the wrong cursor, so it is
    /// not known what lay between.
    async fn of_change(
        &mut self,
        changed: &Changed<RefName, S::Hash>,
        old: Option<S::Hash>,
    ) -> Result<Option<BranchEvent<S>>> {
        let Some(change) = changed.keys().first() else { return Ok(None) };
        if old != change.old {
            return self.since_last(change.new, changed.cursor()).await;
        }
        self.of_move(Move { old, new: change.new, cursor: changed.cursor() }).await
    }

    /// Returns the event of a move of the head, if anything differs below the path. If that cannot be
    /// read for now, it comes again; what can never be read is passed over.
    async fn of_move(&mut self, one: Move<S::Hash>) -> Result<Option<BranchEvent<S>>> {
        let Move { old, new, cursor } = one;
        let (last, held) = (self.last, self.held.clone());
        let told = match self.event(old, new, cursor, false).await {
            Ok(event) => event.is_the_same_as(old).await.map(|same| (!same).then_some(event)),
            Err(error) => Err(error),
        };
        match &told {
            Err(error) if error.kind() == ErrorKind::Unavailable => {
                (self.last, self.held, self.first) = (last, held, First::Move(one));
            }
            _ => self.last = new,
        }
        told
    }

    /// Returns the event of what is there.
    async fn of_snapshot(
        &mut self,
        now: Snapshot<RefName, S::Hash>,
        resync: bool,
    ) -> Result<BranchEvent<S>> {
        let (new, cursor) = self.head_in(now).await?;
        self.event_from_last(new, cursor, resync).await
    }

    /// Returns the event of what has changed below the path since the last head, if anything has.
    async fn of_snapshot_since_last(
        &mut self,
        now: Snapshot<RefName, S::Hash>,
    ) -> Result<Option<BranchEvent<S>>> {
        let (new, cursor) = self.head_in(now).await?;
        self.since_last(new, cursor).await
    }

    async fn head_in(
        &mut self,
        now: Snapshot<RefName, S::Hash>,
    ) -> Result<(Option<S::Hash>, Cursor)> {
        let cursor = now.cursor();
        let entries = now.collect().await.inspect_err(|_| self.first = First::Again)?;
        let head = entries.into_iter().find(|(name, _)| *name == self.watched.branch);
        Ok((head.map(|(_, hash)| hash), cursor))
    }

    /// Returns the event of what has changed below the path since the last head, if anything has. If that
    /// cannot be told, it comes again.
    async fn since_last(
        &mut self,
        new: Option<S::Hash>,
        cursor: Cursor,
    ) -> Result<Option<BranchEvent<S>>> {
        let last = self.last;
        let event = self.event_from_last(new, cursor, true).await?;
        match event.is_the_same_as(last).await {
            Ok(is_the_same) => Ok((!is_the_same).then_some(event)),
            Err(error) => {
                (self.last, self.held, self.first) = (last, event.old, First::Again);
                Err(error)
            }
        }
    }

    /// Returns the event of a move from the last head. If it cannot be read, what is there by then comes
    /// in its place.
    async fn event_from_last(
        &mut self,
        new: Option<S::Hash>,
        cursor: Cursor,
        resync: bool,
    ) -> Result<BranchEvent<S>> {
        let event = self.event(self.last, new, cursor, resync).await;
        match event {
            Ok(_) => self.last = new,
            Err(_) => self.first = First::Again,
        }
        event
    }

    async fn event(
        &mut self,
        old: Option<S::Hash>,
        new: Option<S::Hash>,
        cursor: Cursor,
        resync: bool,
    ) -> Result<BranchEvent<S>> {
        let Watched { repo, path, .. } = &self.watched;
        let was = old;
        let old = match (&self.held, was) {
            (Some(held), Some(was)) if held.hash() == was => Some(held.clone()),
            (_, Some(was)) => repo.commit(&was).await?,
            (_, None) => None,
        };
        let resync = resync || (was.is_some() && old.is_none());
        let new = repo.existing_or_none(new).await?;
        self.held.clone_from(&new);
        Ok(BranchEvent { path: path.clone(), old, new, cursor, resync, repo: repo.clone() })
    }

    /// Begins to watch anew, and returns the event of what is there.
    async fn begin_again(&mut self) -> Result<BranchEvent<S>> {
        self.first = First::Again;
        let refs = self.watched.repo.refs();
        let (now, watch) = refs.snapshot_and_watch(self.watched.options()).await?;
        (self.watch, self.first) = (watch, First::Next);
        self.of_snapshot(now, true).await
    }
}

impl<S: Schema> Watched<S> {
    fn new(store: &Store<S>, path: Path) -> Result<Self> {
        let Some(branch) = store.branch_ref().cloned() else {
            let message = "a detached handle cannot be watched; watch a branch";
            return Err(Error::new(ErrorKind::Unsupported, message));
        };
        Ok(Self { repo: store.repo().clone(), branch, path })
    }

    fn options(&self) -> WatchOptions<RefName> {
        WatchOptions::key(self.branch.clone())
    }
}
