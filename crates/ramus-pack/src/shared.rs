use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use parking_lot::{Condvar, Mutex};
use ramus_core::{Epoch, Error, ErrorKind, Hash, Limits, LogReach, RefName, Result, Subscription};
use ramus_watch::Hub;
use tokio::sync::oneshot;

use crate::cache::Cache;
use crate::derived::Derived;
use crate::format::segment::SegmentHeader;
use crate::index::{Index, Place};
use crate::options::{Durability, Settings, SyncBy};
use crate::protection::Protection;
use crate::read::cold::ColdReads;
use crate::reader::Reader;
use crate::reclaim::Building;
use crate::writer::core::{Core, Need, Visible, Wait};
use crate::writer::pump;

/// What all clones of a handle share, and the writer.
///
/// Locks are taken in this order: `core`, then `visible` or those of the index.
#[derive(Debug)]
pub(crate) struct Shared<H: Hash> {
    pub(crate) settings: Settings,
    /// What messages call the directory.
    pub(crate) place: String,
    pub(crate) index: Index<H>,
    pub(crate) cache: Cache<H>,
    /// Who waits for blocks that have to be read.
    pub(crate) cold: ColdReads<H>,
    pub(crate) derived: Derived,
    pub(crate) core: Mutex<Core<H>>,
    /// Told when the writer has ended.
    pub(crate) idle: Condvar,
    pub(crate) visible: Mutex<Visible<H>>,
    pub(crate) hub: Hub<RefName, H>,
    /// Follows the writer, if that is another process.
    pub(crate) reader: Option<Reader<H>>,
    pub(crate) protection: Arc<Protection<H>>,
    pub(crate) building: Arc<Building>,
    /// While a collection runs, the segment that it began with; it removes blocks of older ones only.
    /// 0 if none runs.
    since: AtomicU32,
    /// How often blocks were removed, or a reader went over to runs that may lack some.
    removals: AtomicU64,
    /// Whether something was removed that is still on disk.
    pub(crate) has_dead: AtomicBool,
    /// Whether segments that have lost enough stay as they are, since there was no room for copies.
    pub(crate) has_rest: AtomicBool,
    closed: AtomicBool,
    /// A number that no file has yet.
    next_file: AtomicU32,
    /// What lies before this place of the active segment is in its file: the segment in the upper half, the
    /// offset in the lower. Sealed segments are whole.
    written: AtomicU64,
    /// The segment of the open batch: the active one, or the next.
    newest: AtomicU32,
}

impl<H: Hash> Shared<H> {
    pub(crate) fn new(
        settings: Settings,
        place: String,
        index: Index<H>,
        core: Core<H>,
        visible: Visible<H>,
        next_file: u32,
        derived: Derived,
    ) -> Self {
        let hub = Hub::new(settings.options.notices_max);
        let newest = core.tail.segment();
        let written = position(newest, core.tail.start());
        Self {
            place,
            index,
            cache: Cache::new(settings.options.cache_bytes),
            cold: ColdReads::new(),
            derived,
            settings,
            core: Mutex::new(core),
            idle: Condvar::new(),
            visible: Mutex::new(visible),
            hub,
            reader: None,
            protection: Arc::new(Protection::new()),
            building: Arc::default(),
            since: AtomicU32::new(0),
            removals: AtomicU64::new(0),
            has_dead: AtomicBool::new(false),
            has_rest: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            next_file: AtomicU32::new(next_file),
            written: AtomicU64::new(written),
            newest: AtomicU32::new(newest),
        }
    }

    pub(crate) fn ensure_open(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) { Err(Error::closed()) } else { Ok(()) }
    }

    pub(crate) fn ensure_writable(&self) -> Result<()> {
        self.ensure_open()?;
        self.core.lock().ensure_writable()
    }

    pub(crate) fn limits() -> Limits {
        Limits::default().with_log(LogReach::Durable)
    }

    /// Returns the limits of this store, whose log may be written by others.
    pub(crate) fn own_limits(&self) -> Limits {
        let reach = if self.reader.is_some() { LogReach::Shared } else { LogReach::Durable };
        Self::limits().with_log(reach)
    }

    pub(crate) fn subscribe(&self) -> Subscription<RefName, H> {
        match &self.reader {
            Some(reader) => reader.subscribe(),
            None => self.hub.subscribe(),
        }
    }

    /// Returns what makes an update durable.
    pub(crate) const fn need(&self) -> Need {
        match self.settings.options.durability {
            Durability::Sync => Need::Synced,
            Durability::Os => Need::Written,
        }
    }

    /// Returns whether whoever waits for a small batch syncs it.
    pub(crate) const fn syncs_here(&self) -> bool {
        matches!(self.settings.options.sync_by, SyncBy::Caller)
    }

    /// Returns the oldest segment whose blocks an `add` may rely on.
    pub(crate) fn since(&self) -> u32 {
        self.since.load(Ordering::SeqCst)
    }

    /// Begins a collection with this segment; the one before is over.
    pub(crate) fn begin_collection(&self, segment: u32) -> Epoch {
        let mut protection = self.protection.lock();
        self.since.store(segment, Ordering::SeqCst);
        protection.begin()
    }

    /// Ends a collection, if it runs.
    pub(crate) fn finish_collection(&self, epoch: Epoch) {
        let mut protection = self.protection.lock();
        if protection.finish(epoch) {
            self.since.store(0, Ordering::SeqCst);
        }
    }

    /// Returns how often blocks were removed from what is looked up.
    pub(crate) fn removals(&self) -> u64 {
        self.removals.load(Ordering::SeqCst)
    }

    /// Forgets blocks that are not in the index any more: also what a reader is about to remember, who
    /// compares this count with the one from before it looked for the place.
    pub(crate) fn forget(&self, keys: &[H]) {
        self.removals.fetch_add(1, Ordering::SeqCst);
        for key in keys {
            self.cache.remove(key);
        }
    }

    pub(crate) fn next_file(&self) -> u32 {
        self.next_file.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn set_written(&self, segment: u32, end: u64) {
        self.written.store(position(segment, end), Ordering::Release);
    }

    /// Lets the next batch belong to a new segment.
    pub(crate) fn begin_segment(&self, core: &mut Core<H>, segment: u32) {
        self.newest.store(segment, Ordering::Release);
        core.tail.begin_segment(segment, SegmentHeader::LENGTH as u64);
    }

    /// Returns whether the record at this place is in its file.
    pub(crate) fn is_written(&self, place: Place) -> bool {
        // In this order: before the open batch belongs to another segment, the writer is at the one before.
        let newest = self.newest.load(Ordering::Acquire);
        let written = self.written.load(Ordering::Acquire);
        let is_sealed = place.segment != newest && u64::from(place.segment) != written >> 32;
        self.reader.is_some() || is_sealed || position(place.segment, place.offset.into()) < written
    }

    /// Waits until what was appended is as durable as was asked for. The writer is told first.
    pub(crate) async fn wait(self: &Arc<Self>, wait: Wait) -> Result<()> {
        let Some(wait) = wait else { return Ok(()) };
        pump::wake(self);
        wait.await.unwrap_or_else(|_| Err(Error::closed()))
    }

    /// Closes the store: what was appended is made durable, and the directory is let go.
    pub(crate) async fn close(self: &Arc<Self>) -> Result<()> {
        if self.reader.is_some() {
            self.stop();
            return Ok(());
        }
        let closer = {
            let mut core = self.core.lock();
            self.closed.store(true, Ordering::Release);
            core.stop();
            if core.ended.is_some() {
                return Ok(());
            }
            let (closer, ended) = oneshot::channel();
            core.closers.push(closer);
            ended
        };
        pump::wake(self);
        let ended = closer.await.unwrap_or(Ok(()));
        self.hub.close();
        ended
    }

    /// Ends the writer, and waits until it has ended.
    pub(crate) fn stop(self: &Arc<Self>) {
        if let Some(reader) = &self.reader {
            self.closed.store(true, Ordering::Release);
            self.derived.close();
            reader.stop();
            self.ended(&Ok(()));
        }
        self.core.lock().stop();
        pump::finish(self);
        self.hub.close();
    }

    /// Tells that the writer has ended.
    pub(crate) fn ended(&self, result: &Result<()>) {
        let (closers, waiting, jobs) = {
            let mut core = self.core.lock();
            if core.ended.is_some() {
                return;
            }
            if let Err(error) = result {
                core.failed.get_or_insert_with(|| error.clone());
            }
            core.stop = true;
            core.ended = Some(result.clone());
            let closers = std::mem::take(&mut core.closers);
            (closers, std::mem::take(&mut core.waiting), std::mem::take(&mut core.jobs))
        };
        self.idle.notify_all();
        for waiter in waiting {
            waiter.tell(Err(Error::closed()));
        }
        for job in jobs {
            job.refuse(Error::closed());
        }
        for closer in closers {
            // Whoever does not wait any more does not ask.
            drop(closer.send(result.clone()));
        }
    }

    /// Returns what every write answers after one that failed like this.
    pub(crate) fn ended_writing(&self, cause: &Error) -> Error {
        let message = format!(
            "a write to {} failed, and nothing can be written since: close it and open it again",
            self.place
        );
        Error::new(ErrorKind::Unavailable, message).with_source(cause.clone())
    }
}

const fn position(segment: u32, offset: u64) -> u64 {
    (segment as u64) << 32 | offset
}
