use std::collections::{BTreeMap, VecDeque};
use std::mem;
use std::sync::Arc;

use futures::FutureExt as _;
use parking_lot::Mutex;
use ramus_core::{Cursor, Error, Hash, RefName, Result, Snapshot};
use ramus_watch::{Event, Watch, WatchExt as _, WatchOptions};

use super::BranchesEvent;
use super::known::Known;
use super::telling::{Telling, Told, Watched, What};
use crate::Schema;
use crate::watch::Source;

/// What turns the events of the refs into those of a watch of many branches.
pub(super) struct BranchesSource<S: Schema> {
    pub(super) watched: Watched<S>,
    pub(super) watch: Watch<RefName, S::Hash>,
    pub(super) known: Arc<Mutex<Known<S::Hash>>>,
    pub(super) first: First<S>,
    /// What is to be said after the event that was given last.
    pub(super) faults: VecDeque<Error>,
}

/// What comes first.
pub(super) enum First<S: Schema> {
    /// What the log has next.
    Next,
    /// What is there, or what of it is new to the reader.
    Snapshot { now: Snapshot<RefName, S::Hash>, resync: bool },
    /// The same by then: what should have told it could not be read.
    Again,
}

impl<S: Schema> Source for BranchesSource<S> {
    type Event = BranchesEvent<S>;

    async fn next(&mut self) -> Option<(Cursor, Result<BranchesEvent<S>>)> {
        loop {
            if let Some(fault) = self.faults.pop_front() {
                return Some((self.cursor(), Err(fault)));
            }
            let told = match self.telling().await? {
                Ok(telling) => self.tell(telling).await,
                Err(error) => Err(error),
            };
            if let Some(event) = told.transpose() {
                return Some((self.cursor(), event));
            }
        }
    }
}

impl<S: Schema> BranchesSource<S> {
    /// Returns what is to be told next.
    async fn telling(&mut self) -> Option<Result<Telling<S::Hash>>> {
        match mem::replace(&mut self.first, First::Next) {
            First::Snapshot { now, resync } => return Some(self.of_snapshot(now, resync).await),
            First::Again => return Some(self.begin_again().await),
            First::Next => {}
        }
        // What is behind is tried again, but not before what the log has by now of others.
        let is_behind = self.known.lock().is_behind();
        let event = if is_behind {
            match self.watch.next().now_or_never() {
                Some(event) => event?,
                None => return Some(Ok(self.of_what_is_behind())),
            }
        } else {
            self.watch.next().await?
        };
        Some(match event {
            Ok(Event::Changed(changed)) => {
                let moves = self.known.lock().moves_of_change(changed.keys());
                let (cursor, what) = (changed.cursor(), What::Changed);
                Ok(Telling { cursor, what, resync: false, moves, is_all: false })
            }
            Ok(Event::Resync(now)) => self.of_snapshot(now, true).await,
            Err(error) => Err(error),
        })
    }

    /// Returns what is there, or, if it is known what was, what of it is new.
    async fn of_snapshot(
        &mut self,
        now: Snapshot<RefName, S::Hash>,
        resync: bool,
    ) -> Result<Telling<S::Hash>> {
        let cursor = now.cursor();
        let now = heads(now).await.inspect_err(|_| self.first = First::Again)?;
        let known = self.known.lock();
        let what = if known.knows_heads() { What::Changed } else { What::Existing };
        Ok(Telling { cursor, what, resync, moves: known.moves_to(now), is_all: true })
    }

    fn of_what_is_behind(&self) -> Telling<S::Hash> {
        let moves = self.known.lock().moves_behind();
        let (cursor, what) = (self.watch.cursor(), What::Changed);
        Telling { cursor, what, resync: true, moves, is_all: true }
    }

    /// Begins to watch anew.
    async fn begin_again(&mut self) -> Result<Telling<S::Hash>> {
        self.first = First::Again;
        let refs = self.watched.repo.refs();
        let (now, watch) = refs.snapshot_and_watch(self.watched.options()).await?;
        (self.watch, self.first) = (watch, First::Next);
        self.of_snapshot(now, true).await
    }

    /// Reads what is to be told, and notes what was.
    async fn tell(&mut self, telling: Telling<S::Hash>) -> Result<Option<BranchesEvent<S>>> {
        let (what, is_all) = (telling.what, telling.is_all);
        let Told { event, done, late, faults } = self.watched.tell(telling).await?;
        self.faults = faults;
        let mut known = self.known.lock();
        if what == What::Existing {
            known.begin_anew();
        }
        if is_all {
            known.forget_behind();
        }
        for told in &done {
            known.told(told);
        }
        for late in late {
            known.keep_behind(late);
        }
        known.reached(self.watch.cursor());
        Ok(event)
    }

    fn cursor(&self) -> Cursor {
        self.known.lock().cursor()
    }
}

impl<S: Schema> Watched<S> {
    pub(super) fn options(&self) -> WatchOptions<RefName> {
        WatchOptions::prefix(self.prefix.clone())
    }
}

/// Reads what the branches are on.
pub(super) async fn heads<H: Hash>(now: Snapshot<RefName, H>) -> Result<BTreeMap<String, H>> {
    let heads = now.collect().await?;
    Ok(heads.into_iter().map(|(name, head)| (name.name().to_owned(), head)).collect())
}
