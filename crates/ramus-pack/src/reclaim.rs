//! How the room of removed blocks is given back, beside running writers and readers.
//!
//! # The order
//!
//! 1. The writer gives a [`Plan`]: the runs and the sealed segments as they are. From now on it merges
//!    these runs no more, and the collection removes no more. (What is sealed meanwhile has runs and
//!    segments of its own.)
//! 2. Outside of the writer: it is counted what each segment has lost. Those that have lost enough are
//!    *condemned*, and so are small ones if there are many. What is left of them is copied into new
//!    segments, in the order in which it lies; then one new run is written, of all that is left of the
//!    old runs, with the new places. All of this is synced, and no manifest lists it yet.
//! 3. The writer makes the switch: the directory is synced; a manifest lists the new run and segments in
//!    place of the old run and the condemned segments; it is put in place as always. From that moment
//!    what was removed is gone for good, all of it at once. Then memory follows, and the old files go.
//!
//! A crash before the switch leaves the old manifest, and files that do not count: what was removed is
//! found again, all of it. Nothing else needs an order: a block that is read is found in the old segment
//! or, once that is closed, in the new one.
//!
//! A segment of which a block cannot be read stays as it is, and the rest goes on without it; whoever
//! finishes the collection is told at its end. Where there is no room for copies, those segments are given
//! back of which nothing is left.
//!
//! A copied segment is one like any other: a header, and a chain of batches that begins with the number
//! 1. It holds no changes.
//!
//! # What it costs
//!
//! Each run is read two times and once more for every half a million blocks that are copied, and written once.
//! Memory holds about 40 bytes for each of the blocks of a group, and of those of a new segment.
//! It goes in steps, each where blocking is allowed; between them nothing is held but open files, so
//! whoever waits for it can wait longer, or drop it.

mod building;
mod copies;
mod loss;
mod pace;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::vec::IntoIter;

use ramus_core::{Cursor, Epoch, Error, ErrorKind, Hash, Result};

pub(crate) use self::building::{Building, Frozen, Merging};
use self::copies::Copies;
use self::loss::Count;
pub(crate) use self::loss::are_many_small;
use self::pace::Pace;

use crate::disk::{Disk as _, DiskFile, Pool, read_exact_at};
use crate::error::{PackError, PackResult};
use crate::format::Fault;
use crate::format::manifest::{FileEntry, FileKind};
use crate::index::Place;
use crate::index::groups::Groups;
use crate::index::live::{Live, name_of};
use crate::index::run::{Entry, Run};
use crate::index::write::write;
use crate::read::{blocking, check_record};
use crate::shared::Shared;

/// What a collection that ends comes to.
#[derive(Debug)]
pub(crate) enum Planned {
    /// There is nothing to be given back.
    Nothing,
    /// Room is being given back already, for this one or one before.
    Busy,
    Work(Box<Plan>),
}

/// What the writer says before.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) epoch: Epoch,
    pub(crate) disk: Arc<Pool>,
    /// The newest first. Nobody merges them while `frozen` is there.
    pub(crate) runs: Vec<Arc<Run>>,
    /// The sealed segments from before the active one.
    pub(crate) segments: Vec<FileEntry>,
    pub(crate) files: BTreeMap<u32, Arc<dyn DiskFile>>,
    /// The end of the log, for the headers of segments.
    pub(crate) after: Cursor,
    pub(crate) frozen: Frozen,
}

/// What is to be put in place.
#[derive(Debug)]
pub(crate) struct Reclaimed {
    pub(crate) epoch: Epoch,
    /// How many of the oldest runs the new one takes the place of.
    pub(crate) runs: usize,
    /// Nothing if no block is left.
    pub(crate) run: Option<Arc<Run>>,
    pub(crate) segments: Vec<(FileEntry, Arc<dyn DiskFile>)>,
    pub(crate) condemned: Vec<u32>,
    /// How many blocks of each of the other segments count no more.
    pub(crate) dead: BTreeMap<u32, u64>,
    /// Why a segment that has lost enough stays as it is.
    pub(crate) damaged: Option<Error>,
    pub(crate) frozen: Frozen,
}

/// Writes what takes the place of the old runs and of condemned segments.
///
/// # Cancel safety
///
/// A dropped future leaves files that do not count, and are removed at the next seal.
pub(crate) async fn reclaim<H: Hash>(shared: Arc<Shared<H>>, plan: Plan) -> Result<Reclaimed> {
    let building = Arc::clone(&shared.building);
    let mut pace = Pace::new(shared.settings.options.reclaim_bytes_per_second);
    let mut reclaim = Reclaim::new(shared, plan);
    loop {
        let slice = pace.slice();
        match blocking(move || reclaim.step(slice)).await? {
            Step::Copied(rest, bytes) => {
                building.pause(pace.copied(bytes)).await;
                reclaim = rest;
            }
            Step::Done(reclaimed) => return Ok(reclaimed),
        }
    }
}

struct Reclaim<H: Hash> {
    shared: Arc<Shared<H>>,
    plan: Plan,
    /// What each segment still has; nothing before it was counted.
    counts: Option<BTreeMap<u32, Count>>,
    condemned: BTreeSet<u32>,
    /// Segments whose blocks are still to be copied, in groups; the last is the next.
    groups: Vec<BTreeSet<u32>>,
    /// The blocks of a group that are still to be copied.
    blocks: IntoIter<(Place, H)>,
    copies: Copies<H>,
    /// How many blocks of each segment were copied.
    copied: BTreeMap<u32, u64>,
    /// Why a segment is not copied after all.
    damaged: Option<Error>,
}

/// What a step came to.
enum Step<H: Hash> {
    /// So many bytes were copied, and there is more to do.
    Copied(Box<Reclaim<H>>, u64),
    Done(Reclaimed),
}

impl<H: Hash> Reclaim<H> {
    fn new(shared: Arc<Shared<H>>, plan: Plan) -> Box<Self> {
        let copies = Copies::new(&shared, &plan);
        Box::new(Self {
            shared,
            plan,
            counts: None,
            condemned: BTreeSet::new(),
            groups: Vec::new(),
            blocks: Vec::new().into_iter(),
            copies,
            copied: BTreeMap::new(),
            damaged: None,
        })
    }

    /// Goes on until so many bytes were copied, or to the end.
    fn step(mut self: Box<Self>, bytes: u64) -> Result<Step<H>> {
        let shared = Arc::clone(&self.shared);
        let _working = shared.building.begin_work()?;
        let done = match self.go_on(bytes) {
            Ok(Some(copied)) => return Ok(Step::Copied(self, copied)),
            Ok(None) => self.end(),
            Err(error) => Err(error),
        };
        let done = match done {
            Err(error) if error.kind() == ErrorKind::Limit => self.end_without_copies(error),
            done => done,
        };
        if done.is_err() {
            self.discard();
        }
        done.map(|run| Step::Done(self.reclaimed(run)))
    }

    /// Where there is no room for copies, gives back those segments of which nothing is left.
    fn end_without_copies(&mut self, error: Error) -> Result<Option<Arc<Run>>> {
        self.discard();
        let counts = self.counts.iter().flatten();
        let left: BTreeSet<_> =
            counts.filter(|(_, count)| count.live > 0).map(|(number, _)| *number).collect();
        self.condemned.retain(|number| !left.contains(number));
        if self.condemned.is_empty() {
            return Err(error);
        }
        self.copies = Copies::new(&self.shared, &self.plan);
        self.copied = BTreeMap::new();
        self.end()
    }

    /// Removes the new files: they take room, and nobody needs them.
    fn discard(&self) {
        for (kind, number) in self.shared.building.files() {
            drop(self.plan.disk.unlink(&kind.file_name(number)));
        }
    }

    /// Copies so many bytes, and returns how many; nothing when nothing is left to be copied.
    fn go_on(&mut self, bytes: u64) -> Result<Option<u64>> {
        if self.counts.is_none() {
            let counts = self.count()?;
            self.condemned = loss::condemned(&self.plan.segments, &counts, &self.shared.settings);
            self.groups = loss::groups(&self.condemned, &counts);
            self.counts = Some(counts);
        }
        let mut copied = 0;
        while copied < bytes {
            self.ensure_wanted()?;
            if let Some((place, key)) = self.blocks.next() {
                copied += self.copy(&key, place)?;
            } else if let Some(group) = self.groups.pop() {
                self.blocks = self.blocks_of(&group)?.into_iter();
            } else {
                return Ok(None);
            }
        }
        Ok(Some(copied))
    }

    /// Copies a block, and returns how many bytes it has.
    ///
    /// A segment with one that cannot be read stays as it is: it holds that block, and those behind it. What
    /// was copied of it before counts where it was copied to.
    fn copy(&mut self, key: &H, place: Place) -> Result<u64> {
        if !self.condemned.contains(&place.segment) {
            return Ok(0);
        }
        let record = match self.read(key, place) {
            Err(error) if !error.is_full() => {
                self.condemned.remove(&place.segment);
                self.damaged.get_or_insert(error.into());
                return Ok(0);
            }
            read => read?,
        };
        self.copies.append(key, place.length, &record)?;
        *self.copied.entry(place.segment).or_default() += 1;
        Ok(record.len() as u64)
    }

    /// Makes durable what was copied, and returns the new run.
    fn end(&mut self) -> Result<Option<Arc<Run>>> {
        self.copies.seal()?;
        let counts = self.counts.iter().flat_map(BTreeMap::values);
        self.index(counts.map(|count| count.live).sum())
    }

    fn reclaimed(self, run: Option<Arc<Run>>) -> Reclaimed {
        let Self { plan: Plan { epoch, runs, frozen, .. }, counts, condemned, .. } = self;
        let Self { copies, copied, damaged, .. } = self;
        let left = counts.unwrap_or_default().into_iter();
        let left = left.filter(|(number, _)| !condemned.contains(number));
        let copied = |number: u32| copied.get(&number).copied().unwrap_or(0);
        let dead = left.map(|(number, count)| (number, count.dead + copied(number))).collect();
        let (segments, condemned) = (copies.segments, condemned.into_iter().collect());
        Reclaimed { epoch, runs: runs.len(), run, segments, condemned, dead, damaged, frozen }
    }

    /// Counts what each segment still has, and what not.
    fn count(&self) -> Result<BTreeMap<u32, Count>> {
        let mut counts: BTreeMap<u32, Count> = BTreeMap::new();
        let mut all = Groups::new(&self.plan.runs);
        while let Some(group) = all.next()? {
            self.ensure_wanted()?;
            let mut found = false;
            for Entry { place, is_dead, .. } in group {
                let count = counts.entry(place.segment).or_default();
                // An older place of a block that was added again is as good as removed.
                if is_dead || found {
                    count.dead += 1;
                } else {
                    found = true;
                    count.live += 1;
                    count.live_bytes += loss::record_bytes::<H>(place);
                }
            }
        }
        Ok(counts)
    }

    /// Returns what is left of some segments, in the order in which it lies.
    fn blocks_of(&self, segments: &BTreeSet<u32>) -> Result<Vec<(Place, H)>> {
        let mut blocks = Vec::new();
        let mut live = Live::new(&self.plan.runs);
        while let Some(entry) = live.next()? {
            self.ensure_wanted()?;
            if segments.contains(&entry.place.segment) {
                blocks.push((entry.place, name_of(&entry)?));
            }
        }
        blocks.sort_unstable_by_key(|(place, _)| *place);
        Ok(blocks)
    }

    fn read(&self, key: &H, place: Place) -> PackResult<Vec<u8>> {
        let name = FileKind::Segment.file_name(place.segment);
        let fault = PackError::fault(&name, place.offset.into());
        let Some(file) = self.plan.files.get(&place.segment) else {
            return Err(fault(Fault::Damaged("the index names it, and it is not there")));
        };
        let length = match place.record_bytes(H::LENGTH) {
            Ok(length) => length,
            Err(cannot_be) => return Err(fault(cannot_be)),
        };
        let mut record = vec![0; length];
        read_exact_at(&**file, &mut record, place.offset.into())
            .map_err(PackError::io(format!("read block {key} from {name}")))?;
        check_record::<H>(key, place.length as usize, &record).map_err(fault)?;
        Ok(record)
    }

    /// Writes the run of all that is left: what was copied has its new place.
    fn index(&self, live: u64) -> Result<Option<Arc<Run>>> {
        if live == 0 {
            return Ok(None);
        }
        let number = self.shared.next_file();
        self.shared.building.add((FileKind::Index, number));
        let runs: Vec<_> = self.copies.runs.iter().chain(&self.plan.runs).cloned().collect();
        let mut all = Live::new(&runs);
        let mut stopped = None;
        let entries = std::iter::from_fn(|| {
            if let Err(error) = self.ensure_wanted() {
                stopped = Some(error);
                return None;
            }
            let entry = all.next().transpose()?;
            Some(entry.and_then(|Entry { key, place, .. }| {
                if self.condemned.contains(&place.segment) {
                    let name = FileKind::Segment.file_name(place.segment);
                    let fault = Fault::Damaged("a block of it was not copied");
                    return Err(PackError::fault(&name, place.offset.into())(fault));
                }
                Ok((key, place))
            }))
        });
        let count = usize::try_from(live).unwrap_or(usize::MAX);
        let run = write(&*self.plan.disk, number, H::LENGTH, count, entries);
        match stopped {
            Some(error) => Err(error),
            None => Ok(Some(Arc::new(run?))),
        }
    }

    /// Ends the work once the store is closed.
    fn ensure_wanted(&self) -> Result<()> {
        if self.shared.building.is_closing() { Err(Error::closed()) } else { Ok(()) }
    }
}
