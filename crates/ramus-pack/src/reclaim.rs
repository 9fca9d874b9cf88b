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
//! back of which nothing is left; the rest is copied by the next that finishes.
//!
//! A copied segment is one like any other: a header, and a chain of batches that begins with the number
//! 1. It holds no changes.
//!
//! # What it costs
//!
//! Each run is read two times and once more for every half a million blocks that are copied, and written once.
//! Memory holds about 40 bytes for each of the blocks of a group, and of those of a new segment.
//! It goes in steps, each where blocking is allowed; between them nothing is held but open files and this memory,
//! so whoever waits for it can wait longer, or drop it. What is read and written of indexes counts for the rate as
//! what is copied does.

mod building;
mod copies;
mod loss;
mod pace;
mod passes;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::vec::IntoIter;

use ramus_core::{Cursor, Epoch, Error, ErrorKind, Hash, Result};

pub(crate) use self::building::{Building, Frozen, Merging};
use self::copies::Copies;
use self::loss::Count;
pub(crate) use self::loss::are_many_small;
use self::pace::Pace;
use self::passes::{Counting, Gathering, Indexing};

use crate::disk::{Disk as _, DiskFile, Pool, read_exact_at};
use crate::error::{PackError, PackResult};
use crate::format::Fault;
use crate::format::manifest::{FileEntry, FileKind};
use crate::index::Place;
use crate::index::run::Run;
use crate::index::write::Writing;
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
    /// There is only what another collection had no room to copy.
    pub(crate) is_rest: bool,
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
    /// Segments that have lost enough stay as they are, since there was no room for copies.
    pub(crate) is_partial: bool,
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
            Step::Worked(rest, bytes) => {
                building.pause(pace.worked(bytes)).await?;
                reclaim = rest;
            }
            Step::Done(reclaimed) => return Ok(reclaimed),
        }
    }
}

struct Reclaim<H: Hash> {
    shared: Arc<Shared<H>>,
    plan: Plan,
    pass: Pass<H>,
    /// There was no room for copies.
    copies_nothing: bool,
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

/// How far the work is.
enum Pass<H> {
    Counting(Counting),
    Gathering(Gathering<H>),
    /// The blocks of a group are copied, if there are any.
    Copying,
    Indexing(Indexing),
    /// With the new run, if a block is left.
    Done(Option<Arc<Run>>),
}

/// What a step came to.
enum Step<H: Hash> {
    /// So many bytes were read or copied, and there is more to do.
    Worked(Box<Reclaim<H>>, u64),
    Done(Reclaimed),
}

impl<H: Hash> Reclaim<H> {
    fn new(shared: Arc<Shared<H>>, plan: Plan) -> Box<Self> {
        let copies = Copies::new(&shared, &plan);
        let pass = Pass::Counting(Counting::new(&plan.runs));
        Box::new(Self {
            shared,
            plan,
            pass,
            copies_nothing: false,
            counts: None,
            condemned: BTreeSet::new(),
            groups: Vec::new(),
            blocks: Vec::new().into_iter(),
            copies,
            copied: BTreeMap::new(),
            damaged: None,
        })
    }

    /// Goes on until so many bytes were read or copied, or to the end.
    fn step(mut self: Box<Self>, bytes: u64) -> Result<Step<H>> {
        let shared = Arc::clone(&self.shared);
        let _working = shared.building.begin_work()?;
        let worked = match self.go_on(bytes) {
            Err(error) if error.kind() == ErrorKind::Limit && !self.copies_nothing => {
                self.copy_nothing(error).and_then(|()| self.go_on(bytes))
            }
            worked => worked,
        };
        if worked.is_err() {
            self.discard();
        }
        Ok(match worked? {
            Some(worked) => Step::Worked(self, worked),
            None => Step::Done(self.reclaimed()),
        })
    }

    /// Where there is no room for copies, gives back those segments of which nothing is left.
    fn copy_nothing(&mut self, error: Error) -> Result<()> {
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
        self.groups = Vec::new();
        self.blocks = Vec::new().into_iter();
        (self.pass, self.copies_nothing) = (Pass::Copying, true);
        Ok(())
    }

    /// Removes the new files: they take room, and nobody needs them.
    fn discard(&self) {
        for (kind, number) in self.shared.building.files() {
            drop(self.plan.disk.unlink(&kind.file_name(number)));
        }
    }

    /// Reads and copies so many bytes, and returns how many; nothing when nothing is left to be done.
    fn go_on(&mut self, bytes: u64) -> Result<Option<u64>> {
        let mut done = 0;
        while done < bytes {
            self.ensure_wanted()?;
            match self.next()? {
                Some(more) => done += more,
                None => return Ok(None),
            }
        }
        Ok(Some(done))
    }

    /// Does the next bit of the work, and returns how many bytes it read or copied; nothing at the end.
    fn next(&mut self) -> Result<Option<u64>> {
        if let Some((place, key)) = self.blocks.next() {
            return self.copy(&key, place).map(Some);
        }
        let worked = match &mut self.pass {
            Pass::Counting(counting) => counting.next::<H>()?,
            Pass::Gathering(gathering) => gathering.next()?,
            Pass::Copying => None,
            Pass::Indexing(indexing) => indexing.next::<H>(&self.condemned)?,
            Pass::Done(_) => return Ok(None),
        };
        if worked.is_some() {
            return Ok(worked);
        }
        self.pass = match std::mem::replace(&mut self.pass, Pass::Copying) {
            Pass::Counting(counting) => self.counted(counting),
            Pass::Gathering(gathering) => {
                self.blocks = gathering.into_blocks().into_iter();
                Pass::Copying
            }
            Pass::Copying => self.next_group()?,
            Pass::Indexing(indexing) => Pass::Done(Some(Arc::new(indexing.end(&*self.plan.disk)?))),
            Pass::Done(run) => Pass::Done(run),
        };
        Ok(Some(0))
    }

    fn counted(&mut self, counting: Counting) -> Pass<H> {
        let counts = counting.into_counts();
        self.condemned = loss::condemned(&self.plan.segments, &counts, &self.shared.settings);
        self.groups = loss::groups(&self.condemned, &counts);
        self.counts = Some(counts);
        Pass::Copying
    }

    /// Begins with the next group of segments; after the last one with the new run.
    fn next_group(&mut self) -> Result<Pass<H>> {
        if let Some(group) = self.groups.pop() {
            return Ok(Pass::Gathering(Gathering::new(&self.plan.runs, group)));
        }
        // What was copied has its new place.
        self.copies.seal()?;
        let counts = self.counts.iter().flat_map(BTreeMap::values);
        let live: u64 = counts.map(|count| count.live).sum();
        if live == 0 {
            return Ok(Pass::Done(None));
        }
        let number = self.shared.next_file();
        self.shared.building.add((FileKind::Index, number));
        let count = usize::try_from(live).unwrap_or(usize::MAX);
        let writing = Writing::begin(&*self.plan.disk, number, H::LENGTH, count)?;
        let runs: Vec<_> = self.copies.runs.iter().chain(&self.plan.runs).cloned().collect();
        Ok(Pass::Indexing(Indexing::new(&runs, writing)))
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

    fn reclaimed(self) -> Reclaimed {
        let Self { plan: Plan { epoch, runs, frozen, .. }, pass, counts, condemned, .. } = self;
        let Self { copies, copied, damaged, copies_nothing: is_partial, .. } = self;
        let run = if let Pass::Done(run) = pass { run } else { None };
        let left = counts.unwrap_or_default().into_iter();
        let left = left.filter(|(number, _)| !condemned.contains(number));
        let copied = |number: u32| copied.get(&number).copied().unwrap_or(0);
        let dead = left.map(|(number, count)| (number, count.dead + copied(number))).collect();
        let (segments, condemned) = (copies.segments, condemned.into_iter().collect());
        let runs = runs.len();
        Reclaimed { epoch, runs, run, segments, condemned, dead, damaged, is_partial, frozen }
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

    /// Ends the work once the store is closed.
    fn ensure_wanted(&self) -> Result<()> {
        if self.shared.building.is_closing() { Err(Error::closed()) } else { Ok(()) }
    }
}
