use std::fmt;
use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use ramus_core::{Epoch, Error, ErrorKind, Hash, Pin, Result, Sha1, Sweep};
use tokio::sync::oneshot;

use crate::index::live::Live;
use crate::pack::Handle;
use crate::read::blocking;
use crate::reclaim::{self, Planned};
use crate::writer::core::Job;
use crate::writer::pump;

/// Collects the blocks of a [`Pack`](crate::Pack).
///
/// # What is promised besides
///
/// - A collection begins with a new segment: that costs a few syncs, and some files.
/// - What is removed is not found any more from then on. On disk everything stays as it is until
///   [`finish`](Sweep::finish), which makes all of it permanent in one moment, by one new manifest: after
///   a crash before it, all is found again; after it, nothing. So no block comes back without those that
///   it names, if they were removed together.
/// - `finish` copies what is left of segments that have lost enough, beside running writers, and as fast
///   as [`reclaim_bytes_per_second`](crate::PackOptions::reclaim_bytes_per_second) allows; then it
///   removes the old files. Segments that have lost less
///   ([`reclaim_percent`](crate::PackOptions::reclaim_percent)) stay, and are copied later. If it is
///   dropped, or fails, it gives back nothing; it can be called again until another collection begins,
///   and otherwise that gives back what was removed.
/// - A segment of which a block cannot be read stays as it is. The rest is given back all the same, and
///   then `finish` answers that error, such as [`Corrupt`](ramus_core::ErrorKind::Corrupt), with the file and
///   the place. A damaged index ends it before anything is given back.
/// - On a full disk a collection begins without a new segment, and removes nothing of the active one; and
///   `finish`, which needs room for an index of what is left, gives back those segments of which nothing is
///   left, if there is no room for copies. `finish`, called again when there is room, gives back the rest, and so
///   does the end of a later collection; if the pack was opened again meanwhile, of one that removes something.
/// - Until a collection is finished, an `add` of a block from before it writes the block again.
/// - A bit is kept for each block on disk, in memory, while some are removed and not given back; and what
///   is pinned, and was while the collection runs. Once more than four million names were pinned and given
///   back, `pinned` answers [`Limit`](ramus_core::ErrorKind::Limit), and nothing more is removed until
///   another collection begins.
pub struct PackSweep<H: Hash = Sha1>(pub(crate) Arc<Handle<H>>);

/// What whoever finishes a collection is told of damage.
const KEPT: &str = "the collection is finished, but for a segment that stays as it is, since a block of it cannot be read";

/// So many names are removed before writers get their turn.
const TURN: usize = 256;

impl<H: Hash> PackSweep<H> {
    /// Lets the writer do something between its batches.
    async fn ask<T>(&self, job: impl FnOnce(oneshot::Sender<Result<T>>) -> Job<H>) -> Result<T> {
        let shared = &self.0.shared;
        shared.ensure_open()?;
        let (answer, answered) = oneshot::channel();
        {
            let mut core = shared.core.lock();
            core.ensure_writable()?;
            core.jobs.push_back(job(answer));
        }
        pump::wake(shared);
        answered.await.unwrap_or_else(|_| Err(Error::closed()))
    }
}

impl<H: Hash> Sweep for PackSweep<H> {
    type Key = H;

    async fn begin(&self) -> Result<Epoch> {
        Ok(self.ask(Job::Begin).await?.into_epoch())
    }

    fn keys(&self) -> BoxStream<'static, Result<H>> {
        let shared = Arc::clone(&self.0.shared);
        if let Err(closed) = shared.ensure_open() {
            return stream::iter([Err(closed)]).boxed();
        }
        // First what is in memory: what is sealed meanwhile is in the runs by then, too.
        let in_memory = shared.index.keys_in_memory();
        let live = Live::new(&shared.index.runs());
        let pages = stream::try_unfold(live, |mut live| async move {
            let (live, page) = blocking(move || {
                let page = live.page::<H>()?;
                Ok((live, page))
            })
            .await?;
            Ok((!page.is_empty()).then_some((page, live)))
        });
        let pages = pages.flat_map(|page| match page {
            Ok(page) => stream::iter(page.into_iter().map(Ok).collect::<Vec<_>>()),
            Err(error) => stream::iter(vec![Err(error)]),
        });
        stream::iter(in_memory).map(Ok).chain(pages).boxed()
    }

    async fn pinned(&self, epoch: Epoch) -> Result<Vec<H>> {
        let shared = Arc::clone(&self.0.shared);
        shared.ensure_open()?;
        // There may be millions of them.
        blocking(move || shared.protection.lock().pinned_since(epoch)).await
    }

    async fn remove_many(&self, epoch: Epoch, keys: Vec<H>) -> Result<usize> {
        self.0.shared.ensure_open()?;
        let mut removed = 0;
        for turn in keys.chunks(TURN) {
            let turn = turn.to_vec();
            removed += self.ask(|answer| Job::Remove(epoch, turn, answer)).await?;
        }
        Ok(removed)
    }

    async fn finish(&self, epoch: Epoch) -> Result<()> {
        let shared = &self.0.shared;
        let plan = loop {
            match self.ask(|answer| Job::Plan(epoch, answer)).await? {
                Planned::Nothing => return Ok(()),
                // Whoever was dropped while it copied goes on for a moment.
                Planned::Busy => shared.building.thawed().await,
                Planned::Work(plan) => break *plan,
            }
        };
        let is_rest = plan.is_rest;
        match reclaim::reclaim(Arc::clone(shared), plan).await {
            Ok(reclaimed) => {
                let damaged = reclaimed.damaged.clone();
                self.ask(|answer| Job::Switch(Box::new(reclaimed), answer)).await?;
                damaged.map_or(Ok(()), |damaged| Err(damaged.context(KEPT)))
            }
            // What was removed since may be what was not found; the next collection gives back all of it.
            Err(_) if !shared.protection.lock().is_newest(epoch) => shared.ensure_open(),
            // What was removed is given back, but for what there is no room to copy still.
            Err(error) if is_rest && error.kind() == ErrorKind::Limit => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn pin(&self, keys: Vec<H>) -> Result<Pin> {
        self.0.shared.ensure_open()?;
        Ok(Pin::new(self.0.shared.protection.pin(keys)))
    }
}

impl<H: Hash> Clone for PackSweep<H> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<H: Hash> fmt::Debug for PackSweep<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PackSweep").finish_non_exhaustive()
    }
}
