//! A watch of many branches.
//!
//! The watch knows what each branch was on when it was told last ([`Known`]). So where the log no longer says
//! what happened, it compares that with what is there, and reads the commits of those branches alone that differ.

mod event;
mod known;
mod place;
mod source;
mod telling;

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::{Stream, StreamExt as _};
use parking_lot::Mutex;
use ramus_core::{Cursor, Namespace, Path, RefName, Result};
use ramus_watch::{Watch, WatchExt as _};

pub use self::event::{BranchChange, BranchesEvent};
use self::known::Known;
pub use self::place::BranchesPlace;
use self::source::{BranchesSource, First};
use self::telling::Watched;
use super::{EventStream, WatchStart};
use crate::{Repo, Schema};

/// A watch of several branches, or of a path in them: see [`Repo::watch`](crate::Repo::watch).
///
/// It promises what every [`EventStream`] does, and more of two things.
///
/// # What it holds
///
/// For each branch that is watched its name and the hash of the commit that it is on, which is what a watch
/// that starts now reads first; no commit, and nothing of what is not read yet. So where the log no longer says what
/// happened, only the commits of branches that differ are read. A watch that starts
/// [after a cursor](WatchStart::After) knows no heads until an event says what exists.
///
/// # Errors
///
/// A branch whose commit cannot be read keeps no other one from being told: the event has the others, and an
/// error that names the branch comes after it. If the storage was
/// [`Unavailable`](ramus_core::ErrorKind::Unavailable), the branch is told later, as a resync; whoever asks again at
/// once is answered at once, so a pause is in place. If the commit is missing or damaged, the watch goes on without
/// it, and tells the next move of the branch, as a [resync](BranchChange::resync).
pub struct BranchesWatch<S: Schema> {
    events: EventStream<BranchesEvent<S>>,
    known: Arc<Mutex<Known<S::Hash>>>,
}

impl<S: Schema> BranchesWatch<S> {
    /// Returns the next event; nothing after the error that says that the repository was closed.
    ///
    /// # Errors
    ///
    /// Those of the watch and of an [`EventStream`].
    ///
    /// # Cancel safety
    ///
    /// A dropped future loses no event.
    pub async fn next(&mut self) -> Option<Result<BranchesEvent<S>>> {
        self.events.next().await
    }

    /// Returns the place in the change log up to which everything was given.
    pub fn cursor(&self) -> Cursor {
        self.known.lock().cursor()
    }

    /// Returns the place up to which everything was given, with what each branch is on there, to go on from
    /// later with [`Repo::watch_after`](crate::Repo::watch_after); nothing while the watch does not know what
    /// the branches are on.
    ///
    /// It copies what the watch holds. [`BranchesPlace::advance`] moves a place that is kept by what one event holds.
    /// Where going on by the log would pass something over, the place has no cursor: before the first event of a watch
    /// that went on without one, and while a branch cannot be read for now.
    pub fn place(&self) -> Option<BranchesPlace<S::Hash>> {
        self.known.lock().place()
    }

    pub(crate) async fn open(
        repo: &Repo<S>,
        prefix: &str,
        path: Path,
        start: WatchStart,
    ) -> Result<Self> {
        let watched = Watched::new(repo, prefix, path);
        let (options, refs) = (watched.options(), repo.refs());
        if let WatchStart::After(cursor) = start {
            let watch = refs.watch(options.after(cursor)).await?;
            let known = Known::at(cursor, None);
            return Ok(Self::new(watched, watch, known, First::Next));
        }
        let (now, watch) = refs.snapshot_and_watch(options).await?;
        let cursor = now.cursor();
        let (known, first) = if start == WatchStart::Existing {
            (Known::before(cursor, None), First::Snapshot { now, resync: false })
        } else {
            (Known::at(cursor, Some(source::heads(now).await?)), First::Next)
        };
        Ok(Self::new(watched, watch, known, first))
    }

    pub(crate) async fn resume(
        repo: &Repo<S>,
        prefix: &str,
        path: Path,
        place: BranchesPlace<S::Hash>,
    ) -> Result<Self> {
        let watched = Watched::new(repo, prefix, path);
        let BranchesPlace { cursor, mut heads } = place;
        // Those of a wider watch are not gone; nobody looks at them.
        heads.retain(|name, _| name.starts_with(prefix));
        let (options, refs) = (watched.options(), repo.refs());
        if let Some(cursor) = cursor {
            let watch = refs.watch(options.after(cursor)).await?;
            return Ok(Self::new(watched, watch, Known::at(cursor, Some(heads)), First::Next));
        }
        let (now, watch) = refs.snapshot_and_watch(options).await?;
        let known = Known::before(now.cursor(), Some(heads));
        Ok(Self::new(watched, watch, known, First::Snapshot { now, resync: true }))
    }

    fn new(
        watched: Watched<S>,
        watch: Watch<RefName, S::Hash>,
        known: Known<S::Hash>,
        first: First<S>,
    ) -> Self {
        let cursor = known.cursor();
        let known = Arc::new(Mutex::new(known));
        let faults = VecDeque::new();
        let source = BranchesSource { watched, watch, known: Arc::clone(&known), first, faults };
        Self { events: EventStream::new(cursor, source), known }
    }
}

impl<S: Schema> Watched<S> {
    fn new(repo: &Repo<S>, prefix: &str, path: Path) -> Self {
        let prefix = [Namespace::Branch.prefix(), prefix].concat();
        Self { repo: repo.clone(), prefix, path }
    }
}

impl<S: Schema> Stream for BranchesWatch<S> {
    type Item = Result<BranchesEvent<S>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.events.poll_next_unpin(context)
    }
}

impl<S: Schema> fmt::Debug for BranchesWatch<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BranchesWatch").field("cursor", &self.cursor()).finish_non_exhaustive()
    }
}
