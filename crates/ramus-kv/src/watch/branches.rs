use ramus_core::{Cursor, Namespace, RefName, Result, Snapshot};
use ramus_watch::{Changed, Event, Watch, WatchExt as _, WatchOptions};

use super::{BranchesWatch, Source, WatchStart, started};
use crate::{Commit, Repo, Schema};

/// What became of the branches that are watched.
#[derive(Clone, Debug)]
pub enum BranchesEvent<S: Schema> {
    /// One update of the storage moved these branches.
    Changed {
        /// The branches, in the order of their names.
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

/// What became of one branch.
#[derive(Clone, Debug)]
pub struct BranchChange<S: Schema> {
    /// Its name.
    pub branch: String,
    /// The commit that it was on; nothing if it did not exist.
    pub old: Option<Commit<S>>,
    /// The commit that it is on; nothing if it was removed.
    pub new: Option<Commit<S>>,
}

impl<S: Schema> BranchesWatch<S> {
    pub(crate) async fn open(repo: &Repo<S>, prefix: &str, start: WatchStart) -> Result<Self> {
        let prefix = [Namespace::Branch.prefix(), prefix].concat();
        let options = started(WatchOptions::prefix(prefix), start);
        let (existing, watch) = match start {
            WatchStart::Existing => {
                let (existing, watch) = repo.refs().snapshot_and_watch(options).await?;
                (Some(existing), watch)
            }
            WatchStart::Now | WatchStart::After(_) => (None, repo.refs().watch(options).await?),
        };
        let cursor = watch.cursor();
        Ok(Self::new(cursor, BranchesSource { repo: repo.clone(), watch, existing }))
    }
}

struct BranchesSource<S: Schema> {
    repo: Repo<S>,
    watch: Watch<RefName, S::Hash>,
    /// What was there at the start, until it was given.
    existing: Option<Snapshot<RefName, S::Hash>>,
}

impl<S: Schema> Source for BranchesSource<S> {
    type Event = BranchesEvent<S>;

    async fn next(&mut self) -> Option<(Cursor, Result<BranchesEvent<S>>)> {
        let Self { repo, watch, existing } = self;
        if let Some(existing) = existing.take() {
            return Some((watch.cursor(), of_snapshot(repo, existing, false).await));
        }
        let event = match watch.next().await? {
            Ok(Event::Changed(changed)) => of_change(repo, &changed).await,
            Ok(Event::Resync(snapshot)) => of_snapshot(repo, snapshot, true).await,
            Err(error) => Err(error),
        };
        Some((watch.cursor(), event))
    }
}

async fn of_change<S: Schema>(
    repo: &Repo<S>,
    changed: &Changed<RefName, S::Hash>,
) -> Result<BranchesEvent<S>> {
    let mut branches = Vec::with_capacity(changed.keys().len());
    for change in changed.keys() {
        let branch = change.key.name().to_owned();
        let old = repo.existing_or_none(change.old).await?;
        let new = repo.existing_or_none(change.new).await?;
        branches.push(BranchChange { branch, old, new });
    }
    Ok(BranchesEvent::Changed { branches, cursor: changed.cursor() })
}

async fn of_snapshot<S: Schema>(
    repo: &Repo<S>,
    snapshot: Snapshot<RefName, S::Hash>,
    resync: bool,
) -> Result<BranchesEvent<S>> {
    let cursor = snapshot.cursor();
    let mut branches = Vec::new();
    for (name, hash) in snapshot.collect().await? {
        branches.push((name.name().to_owned(), repo.existing(hash).await?));
    }
    Ok(BranchesEvent::Existing { branches, cursor, resync })
}
