use std::sync::Arc;

use ramus_core::{Error, ErrorKind, Hash, Result};

use super::active::Active;
use super::core::{Core, Job, Need};
use super::files::Files;
use super::merge;
use super::tail::Flight;
use crate::error::{PackError, PackResult};
use crate::shared::Shared;

/// The writer at work. There is one at a time: who has the [`Files`].
#[derive(Debug)]
pub(crate) struct Pump<H: Hash> {
    pub(super) shared: Arc<Shared<H>>,
    pub(super) files: Box<Files<H>>,
}

enum Work<H: Hash> {
    /// Seal the active segment, and begin the one of this number.
    Rotate(u32),
    /// Write this batch, and sync it if so said.
    Write(Flight, bool),
    Sync,
    Job(Job<H>),
    Stop,
}

/// A batch of up to so many bytes that needs no sync is written by whoever waits for it; one that needs it, too, if
/// so chosen.
const BRIEF_BYTES_MAX: usize = 64 << 10;
/// Whoever waits writes up to so many batches, which others may have filled.
const BRIEF_BATCHES_MAX: usize = 4;

/// Sees to it that what there is to do is done: here if that is brief, else where blocking is allowed.
pub(crate) fn wake<H: Hash>(shared: &Arc<Shared<H>>) {
    let here = shared.need() == Need::Written || shared.syncs_here();
    let pump =
        Pump::take(shared).and_then(|pump| if here { pump.run_briefly() } else { Some(pump) });
    if let Some(pump) = pump {
        let queued = Queued(Some(pump));
        match tokio::runtime::Handle::try_current() {
            // Nobody awaits it: whoever waits is told, and it ends when there is nothing to do.
            Ok(runtime) => drop(runtime.spawn_blocking(move || queued.run())),
            Err(_) => drop(queued),
        }
    }
}

/// Does what there is to do, here; or waits until it is done elsewhere and the store has ended.
pub(crate) fn finish<H: Hash>(shared: &Arc<Shared<H>>) {
    if let Some(pump) = Pump::take(shared) {
        pump.run();
    }
    let mut core = shared.core.lock();
    while core.ended.is_none() {
        shared.idle.wait(&mut core);
    }
}

/// A writer that waits for a thread. If the runtime gives it none, because it ends, it takes one of its
/// own: others may wait for it.
struct Queued<H: Hash>(Option<Pump<H>>);

impl<H: Hash> Queued<H> {
    fn run(mut self) {
        if let Some(pump) = self.0.take() {
            pump.run();
        }
    }
}

impl<H: Hash> Drop for Queued<H> {
    fn drop(&mut self) {
        if let Some(pump) = self.0.take() {
            let shared = Arc::clone(&pump.shared);
            let run = Box::new(move || pump.run());
            if let Err(cause) = (shared.settings.begin_thread)("ramus-pack", run) {
                let error = Error::new(ErrorKind::Limit, "cannot start a thread to write");
                shared.ended(&Err(error.with_source(cause)));
            }
        }
    }
}

impl<H: Hash> Pump<H> {
    /// Returns the writer, if it is idle.
    fn take(shared: &Arc<Shared<H>>) -> Option<Self> {
        let files = shared.core.lock().idle.take()?;
        Some(Self { shared: Arc::clone(shared), files })
    }

    /// Does what takes no longer than to hand it over: writes of small batches into the memory of the
    /// kernel, and syncs of them if the caller chose so. Returns the writer if there is more to do.
    fn run_briefly(mut self) -> Option<Self> {
        let _ended = Panicked(Arc::clone(&self.shared));
        for _ in 0..BRIEF_BATCHES_MAX {
            let (pump, work) = {
                let shared = Arc::clone(&self.shared);
                let mut core = shared.core.lock();
                // A job takes long, and is not put back once it was taken.
                if !core.jobs.is_empty() {
                    break;
                }
                self.take_work(&mut core)?
            };
            self = pump;
            match work {
                Work::Write(flight, sync) if self.is_brief(&flight, sync) => {
                    let done = self.write(flight, sync);
                    self.settle(done);
                }
                // It is found again: nothing was taken but the batch, which is still in flight.
                _ => break,
            }
        }
        Some(self)
    }

    /// Returns whether a batch is written by whoever waits for it.
    fn is_brief(&self, flight: &Flight, sync: bool) -> bool {
        let Active { end, durable_end, .. } = self.files.active;
        // A sync takes what was written before, too.
        let syncs = || self.shared.syncs_here() && durable_end == end;
        flight.bytes.len() <= BRIEF_BYTES_MAX && (!sync || syncs())
    }

    /// Returns what is to be done next; lays the writer down if there is nothing.
    fn take_work(self, core: &mut Core<H>) -> Option<(Self, Work<H>)> {
        let Some(work) = self.work(core) else {
            core.tail.rest();
            core.idle = Some(self.files);
            return None;
        };
        Some((self, work))
    }

    fn settle(&mut self, done: PackResult<()>) {
        if let Err(error) = done {
            // Whoever waited was told.
            drop(self.fail(error));
        }
    }

    /// Works until there is nothing to do.
    fn run(mut self) {
        let _ended = Panicked(Arc::clone(&self.shared));
        loop {
            let (pump, work) = {
                let shared = Arc::clone(&self.shared);
                let mut core = shared.core.lock();
                let Some(taken) = self.take_work(&mut core) else { return };
                taken
            };
            self = pump;
            let done = match work {
                Work::Rotate(number) => self.rotate(number),
                Work::Write(flight, sync) => self.write(flight, sync),
                Work::Sync => self.sync(),
                Work::Job(job) => {
                    self.do_job(job);
                    Ok(())
                }
                Work::Stop => break,
            };
            self.settle(done);
        }
        // Nobody may write files once the directory is let go.
        self.shared.building.close();
        self.drop_merged();
        let ended = self.end();
        let Self { shared, files } = self;
        shared.derived.close();
        // Whoever is told that the store is closed may open it again.
        drop(files);
        shared.ended(&ended);
    }

    fn work(&self, core: &mut Core<H>) -> Option<Work<H>> {
        if core.failed.is_some() {
            return core.stop.then_some(Work::Stop);
        }
        let wanted = !core.waiting.is_empty() || !core.jobs.is_empty();
        if core.full && !wanted {
            // Not again before somebody asks.
            return core.stop.then_some(Work::Stop);
        }
        // A collection may make room, so it does not wait for what needs some.
        if core.full
            && !core.stop
            && let Some(job) = core.jobs.pop_front()
        {
            return Some(Work::Job(job));
        }
        let sync = core.wants_sync();
        if let Some(flight) = core.tail.flight() {
            return Some(Work::Write(flight.clone(), sync));
        }
        if core.tail.segment() != self.files.active.header.number {
            return Some(Work::Rotate(core.tail.segment()));
        }
        // Between two batches: jobs are asked for one after the other, and those who wait come next.
        if !core.stop
            && let Some(job) = core.jobs.pop_front()
        {
            return Some(Work::Job(job));
        }
        let large = core.tail.len() >= self.shared.settings.write_bytes;
        if !core.tail.is_empty() && (wanted || large || core.stop) {
            let flight = core.tail.take(self.files.link());
            if core.tail.start() >= self.shared.settings.segment_bytes {
                self.shared.index.rotate();
                self.shared.begin_segment(core, self.shared.next_file());
            }
            return Some(Work::Write(flight, sync));
        }
        if sync {
            return Some(Work::Sync);
        }
        core.stop.then_some(Work::Stop)
    }

    pub(super) fn write(&mut self, flight: Flight, sync: bool) -> PackResult<()> {
        let batch = flight.bytes.len() as u64;
        self.files.write(&flight)?;
        if sync {
            self.files.sync()?;
        }
        self.shared.set_written(self.files.active.header.number, self.files.active.end);
        let rest = self.publish(|core| {
            core.written = flight.number;
            if sync {
                core.synced = flight.number;
            }
            core.tail.landed(flight)
        });
        // Outside of the lock, since it may be large.
        drop(rest);
        if self.files.extend(batch) && sync && self.is_unawaited() {
            self.files.sync_room()?;
        }
        Ok(())
    }

    /// Returns whether nobody waits while something is synced.
    fn is_unawaited(&self) -> bool {
        !self.shared.syncs_here() && !self.shared.core.lock().wants_sync()
    }

    pub(super) fn sync(&mut self) -> PackResult<()> {
        self.files.sync()?;
        self.publish(|core| core.synced = core.written);
        Ok(())
    }

    pub(super) fn rotate(&mut self, next: u32) -> PackResult<()> {
        // What was appended before has to be visible: it is what the refs are after the segment.
        self.sync()?;
        self.files.begin_segment(&self.shared, next)?;
        merge::begin_if_due(&self.shared, &self.files.disk);
        Ok(())
    }

    /// Notes what was done, makes visible what is durable now, and tells those who waited for it. Returns what
    /// `note` does.
    ///
    /// The first two are one action: an update that is judged between them would find nothing to wait for, and
    /// its answer would tell of what nobody can see yet.
    fn publish<T>(&mut self, note: impl FnOnce(&mut Core<H>) -> T) -> T {
        let need = self.shared.need();
        let (waiters, changes, noted) = {
            let mut core = self.shared.core.lock();
            core.full = false;
            let noted = note(&mut core);
            let changes = core.take_visible(need);
            let mut visible = self.shared.visible.lock();
            for change in &changes {
                // They were judged in this order, so each is the next.
                debug_assert_eq!(change.previous, visible.log.end().sequence);
                drop(visible.push(change));
            }
            (core.satisfied(), changes, noted)
        };
        for change in &changes {
            self.files.changes.push(change);
        }
        // Whoever subscribes after an answer is told of later changes only.
        for change in changes {
            self.shared.hub.publish(change);
        }
        for waiter in waiters {
            waiter.tell(Ok(()));
        }
        noted
    }

    /// Takes a failure, for good or until there is room again, and returns what is told of it.
    pub(super) fn fail(&self, error: PackError) -> Error {
        let full = error.is_full();
        let error = Error::from(error);
        let (waiters, jobs) = {
            let mut core = self.shared.core.lock();
            let visible = self.shared.visible.lock();
            if full {
                core.roll_back(&visible);
                core.full = true;
            } else {
                core.failed = Some(self.shared.ended_writing(&error));
            }
            (std::mem::take(&mut core.waiting), std::mem::take(&mut core.jobs))
        };
        for waiter in waiters {
            waiter.tell(Err(error.clone()));
        }
        for job in jobs {
            job.refuse(error.clone());
        }
        error
    }

    /// Leaves the directory closed.
    fn end(&mut self) -> Result<()> {
        let unwritten = {
            let core = self.shared.core.lock();
            if core.read_only {
                return Ok(());
            }
            if let Some(failed) = &core.failed {
                return Err(failed.clone());
            }
            core.tail.holds_block(H::LENGTH)
        };
        if unwritten {
            let message = "blocks that no ref names were lost: there was no room for them";
            return Err(Error::new(ErrorKind::Limit, message));
        }
        if self.files.is_as_found {
            // It is put in order by who opens it next.
            return Ok(());
        }
        self.files.close().map_err(Error::from)
    }
}

/// Tells everyone if the writer panics.
struct Panicked<H: Hash>(Arc<Shared<H>>);

impl<H: Hash> Drop for Panicked<H> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let message = "the writer has ended unexpectedly; open the store again";
            self.0.ended(&Err(Error::new(ErrorKind::Unavailable, message)));
        }
    }
}
