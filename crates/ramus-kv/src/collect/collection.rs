use std::fmt;

use futures::StreamExt as _;
use futures::stream::BoxStream;
use ramus_core::{AtomicWrite as _, Changes, Cursor, ReadOnly as _, Result, Storage as _};
use tokio::sync::OwnedSemaphorePermit;

use super::mark::{Marker, Need};
use super::running::Running;
use super::{CollectOptions, Collected, ROUNDS_MAX, Root};
use crate::{Repo, Schema};

/// How many names are removed at once.
const REMOVE_AT_ONCE: usize = 1024;

/// How many blocks are read at once to be counted.
const COUNT_AT_ONCE: usize = 64;

/// How many changes are read at once.
const PAGE: usize = 256;

/// A collection under way; [`Repo::collection`] begins it.
///
/// It does nothing by itself: each [`step`](Collection::step) does a bounded part, and whoever drives
/// it decides how fast it goes. While it is there, the same repository begins no other.
///
/// # What is promised
///
/// - Nothing that refs, pins or the given roots reach is removed, nor what is under way: see
///   [`Sweep`](ramus_core::Sweep).
/// - Nothing is removed before everything was marked. If a block that a ref or a given root reaches is
///   missing or cannot be read, nothing is removed at all.
/// - It keeps the name of each block that is reached in memory, 24 to 48 bytes each for a hash of 20.
///
/// # Cancel safety
///
/// A collection that is dropped has removed some of the blocks, or none, and the storage is told that it is
/// over. The next one gives back the room.
#[must_use = "a collection does nothing until it is driven"]
pub struct Collection<S: Schema> {
    repo: Repo<S>,
    options: CollectOptions<S::Hash>,
    running: Running<S::Hash>,
    marker: Marker<S>,
    /// Up to where the change log was read.
    cursor: Cursor,
    /// How often it was looked for pins.
    rounds: u32,
    work: Work<S::Hash>,
    progress: CollectionProgress,
    bytes: u64,
    _permit: OwnedSemaphorePermit,
}

enum Work<H> {
    /// Marks, then reads what changed meanwhile.
    Mark,
    /// Marks nothing; reads what was pinned meanwhile.
    Pins,
    Remove {
        keys: BoxStream<'static, Result<H>>,
        /// What was read and is to be removed.
        garbage: Vec<H>,
    },
    Finish,
    Nothing,
}

/// How far a collection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CollectionProgress {
    /// What it does.
    pub phase: CollectionPhase,
    /// How many blocks were found that are kept.
    pub blocks_reached: u64,
    /// How many of the blocks that there are were looked at, to be kept or removed.
    pub blocks_seen: u64,
    /// How many of them were removed, or would be.
    pub blocks_removed: u64,
}

/// What a collection does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CollectionPhase {
    /// It finds what is kept.
    Mark,
    /// It removes the rest.
    Remove,
    /// The storage gives back the room.
    Finish,
}

impl<S: Schema> Collection<S> {
    pub(super) async fn begin(repo: &Repo<S>, options: CollectOptions<S::Hash>) -> Result<Self> {
        let (permit, sweep) = (repo.take_collecting()?, repo.sweep()?);
        let running = Running::begin(sweep).await?;
        let mut marker = Marker::new(repo.objects());
        for root in &options.roots {
            marker.add_root(*root, Need::Must, || Root::Given);
        }
        let cursor = mark_refs(repo, &mut marker).await?;
        let progress = CollectionProgress {
            phase: CollectionPhase::Mark,
            blocks_reached: 0,
            blocks_seen: 0,
            blocks_removed: 0,
        };
        let (repo, rounds, work, bytes) = (repo.clone(), 0, Work::Mark, 0);
        Ok(Self {
            repo,
            options,
            running,
            marker,
            cursor,
            rounds,
            work,
            progress,
            bytes,
            _permit: permit,
        })
    }

    /// Goes on for a while, and says how far it is; nothing when there is nothing left to do.
    ///
    /// # Errors
    ///
    /// - [`Missing`](ramus_core::ErrorKind::Missing) for a block that a ref or a given root reaches and
    ///   that is not there; [`Corrupt`](ramus_core::ErrorKind::Corrupt) for one that cannot be read.
    ///   Nothing was removed then.
    /// - [`InvalidInput`](ramus_core::ErrorKind::InvalidInput) if another collection of the storage has
    ///   begun meanwhile, in another repository on it.
    ///
    /// After an error the step can be taken again.
    ///
    /// # Cancel safety
    ///
    /// A dropped step has done nothing, or removed some blocks that are counted no more; it can be taken
    /// again.
    pub async fn step(&mut self) -> Result<Option<CollectionProgress>> {
        match &mut self.work {
            Work::Mark => {
                if let Err(error) = self.mark().await {
                    // Another collection may have removed what refs named only since this one began: then
                    // this one is over, and that is what is to be said.
                    self.running.pinned().await?;
                    return Err(error);
                }
            }
            Work::Pins => self.mark_pinned().await?,
            Work::Remove { keys, garbage } => {
                let mut ended = false;
                let most = if self.options.dry_run { COUNT_AT_ONCE } else { REMOVE_AT_ONCE };
                while garbage.len() < most {
                    let Some(key) = keys.next().await.transpose()? else {
                        ended = true;
                        break;
                    };
                    self.progress.blocks_seen += 1;
                    if !self.marker.is_marked(&key) {
                        garbage.push(key);
                    }
                }
                let garbage = garbage.clone();
                self.remove(garbage, ended).await?;
            }
            Work::Finish => {
                self.running.finish().await?;
                if self.progress.blocks_removed > 0 && !self.options.dry_run {
                    self.repo.objects().forget_directories();
                }
                self.work = Work::Nothing;
            }
            Work::Nothing => return Ok(None),
        }
        Ok(Some(self.progress))
    }

    /// Returns what the collection has come to so far.
    pub fn collected(&self) -> Collected {
        Collected {
            blocks_reached: self.progress.blocks_reached,
            blocks_removed: self.progress.blocks_removed,
            bytes_removed: self.options.dry_run.then_some(self.bytes),
        }
    }

    async fn mark(&mut self) -> Result<()> {
        if !self.marker.is_at_rest() {
            self.marker.step().await.map_err(|fault| fault.context("cannot collect"))?;
        } else if self.rounds == ROUNDS_MAX {
            self.begin_to_remove();
        } else if self.mark_changes().await? {
            self.work = Work::Pins;
        }
        self.progress.blocks_reached = self.marker.reached();
        Ok(())
    }

    /// Marks what some changes name, and returns whether they were the last.
    async fn mark_changes(&mut self) -> Result<bool> {
        match self.repo.refs().changes(self.cursor, PAGE).await? {
            Changes::Page(page) => {
                for key in page.changes.iter().flat_map(|change| &change.keys) {
                    for value in key.old.into_iter().chain(key.new) {
                        self.marker.add_root(value, Need::Must, || Root::Ref(key.key.clone()));
                    }
                }
                self.cursor = page.next;
                Ok(page.is_last())
            }
            Changes::Truncated { .. } => {
                // What was named between the two snapshots and is no more has no claim of its own.
                self.cursor = mark_refs(&self.repo, &mut self.marker).await?;
                Ok(true)
            }
        }
    }

    async fn mark_pinned(&mut self) -> Result<()> {
        for name in self.running.pinned().await? {
            self.marker.add_root(name, Need::May, || Root::Pin);
        }
        self.marker.look_for_absent().await?;
        self.rounds += 1;
        if self.marker.is_at_rest() {
            self.begin_to_remove();
        } else {
            self.work = Work::Mark;
        }
        Ok(())
    }

    fn begin_to_remove(&mut self) {
        self.progress.phase = CollectionPhase::Remove;
        self.work = Work::Remove { keys: self.running.keys(), garbage: Vec::new() };
    }

    async fn remove(&mut self, garbage: Vec<S::Hash>, ended: bool) -> Result<()> {
        let removed = if garbage.is_empty() {
            0
        } else if self.options.dry_run {
            let blocks = self.repo.backend().blocks().find_many(&garbage).await?;
            self.bytes += blocks.iter().flatten().map(|block| block.len() as u64).sum::<u64>();
            blocks.iter().flatten().count()
        } else {
            self.running.remove_many(garbage).await?
        };
        self.progress.blocks_removed += removed as u64;
        if ended {
            self.progress.phase = CollectionPhase::Finish;
            self.work = Work::Finish;
        } else if let Work::Remove { garbage, .. } = &mut self.work {
            garbage.clear();
        }
        Ok(())
    }
}

/// Marks what the refs name, and returns the place in the change log.
async fn mark_refs<S: Schema>(repo: &Repo<S>, marker: &mut Marker<S>) -> Result<Cursor> {
    let mut snapshot = repo.refs().snapshot(b"").await?;
    while let Some(page) = snapshot.next_page().await {
        for (name, value) in page? {
            marker.add_root(value, Need::Must, || Root::Ref(name));
        }
    }
    Ok(snapshot.cursor())
}

impl<S: Schema> fmt::Debug for Collection<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collection").field("progress", &self.progress).finish_non_exhaustive()
    }
}
