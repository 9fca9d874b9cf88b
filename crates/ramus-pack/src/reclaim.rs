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
//! A copied segment is one like any other: a header, and a chain of batches that begins with the number
//! 1. It holds no changes.
//!
//! # What it costs
//!
//! Each run is read two times and once more for every [`GROUP`] blocks that are copied, and written once.
//! Memory holds about 40 bytes for each of the blocks of a group, and of those of a new segment.

mod building;
mod pace;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use ramus_core::{Cursor, Epoch, Error, Hash, Result};

pub(crate) use self::building::{Building, Frozen};
use self::pace::Pace;

use crate::disk::{Disk, DiskFile, read_exact_at};
use crate::error::{PackError, PackResult};
use crate::format::manifest::{FileEntry, FileKind};
use crate::format::record::{Kind, RecordHeader};
use crate::format::segment::SegmentHeader;
use crate::format::{Fault, Reader};
use crate::index::live::{Live, name_of};
use crate::index::run::{Entry, Run};
use crate::index::write::write;
use crate::index::{Place, groups::Groups};
use crate::read::check_record;
use crate::shared::Shared;
use crate::writer::files::{random_salt, write_places};
use crate::writer::tail::{Link, Tail};

/// So many blocks are copied in one pass over the runs.
const GROUP: u64 = 1 << 19;

/// With more small segments than this they are put together.
const SMALL_MAX: usize = 4;

/// What the writer says before.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) epoch: Epoch,
    pub(crate) disk: Arc<dyn Disk>,
    /// The newest first. Nobody merges them while `frozen` is there.
    pub(crate) runs: Vec<Arc<Run>>,
    /// The sealed segments from before the collection.
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
    pub(crate) frozen: Frozen,
}

/// Writes what takes the place of the old runs and of condemned segments. It blocks.
pub(crate) fn reclaim<H: Hash>(shared: &Arc<Shared<H>>, plan: Plan) -> Result<Reclaimed> {
    let _working = shared.building.begin_work()?;
    Reclaim { shared, plan, pace: Pace::new(&shared.settings), new: New::empty() }.run()
}

struct Reclaim<'a, H: Hash> {
    shared: &'a Shared<H>,
    plan: Plan,
    pace: Pace,
    new: New<H>,
}

/// What is condemned, how many blocks of the other segments count no more, and the new run.
type Written = (BTreeSet<u32>, BTreeMap<u32, u64>, Option<Arc<Run>>);

/// What was copied.
struct New<H> {
    open: Option<Open<H>>,
    segments: Vec<(FileEntry, Arc<dyn DiskFile>)>,
    /// A run for each segment.
    runs: Vec<Arc<Run>>,
}

impl<H> New<H> {
    const fn empty() -> Self {
        Self { open: None, segments: Vec::new(), runs: Vec::new() }
    }
}

/// A new segment that is being filled.
struct Open<H> {
    header: SegmentHeader,
    file: Arc<dyn DiskFile>,
    tail: Tail,
    link: Link,
    places: Vec<(H, Place)>,
}

/// What a segment holds.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    live: u64,
    live_bytes: u64,
    dead: u64,
}

impl<H: Hash> Reclaim<'_, H> {
    fn run(mut self) -> Result<Reclaimed> {
        let (condemned, dead, run) = match self.write() {
            Ok(written) => written,
            Err(error) => {
                // They take room, and nobody needs them.
                for (kind, number) in self.shared.building.files() {
                    drop(self.plan.disk.unlink(&kind.file_name(number)));
                }
                return Err(error);
            }
        };
        let Self { plan: Plan { epoch, runs, frozen, .. }, new, .. } = self;
        let (segments, condemned) = (new.segments, condemned.into_iter().collect());
        Ok(Reclaimed { epoch, runs: runs.len(), run, segments, condemned, dead, frozen })
    }

    fn write(&mut self) -> Result<Written> {
        let counts = self.count()?;
        let condemned = self.condemn(&counts);
        for group in groups(&condemned, &counts) {
            self.copy(&group)?;
        }
        self.seal()?;
        let live = counts.values().map(|count| count.live).sum();
        let run = self.index(&condemned, live)?;
        let left = counts.into_iter().filter(|(number, _)| !condemned.contains(number));
        let dead = left.map(|(number, count)| (number, count.dead)).collect();
        Ok((condemned, dead, run))
    }

    /// Counts what each segment still has, and what not.
    fn count(&mut self) -> Result<BTreeMap<u32, Count>> {
        let mut counts: BTreeMap<u32, Count> = BTreeMap::new();
        let mut all = Groups::new(&self.plan.runs);
        while let Some(group) = all.next()? {
            self.go_on(0)?;
            let mut found = false;
            for Entry { place, is_dead, .. } in group {
                let count = counts.entry(place.segment).or_default();
                // An older place of a block that was added again is as good as removed.
                if is_dead || found {
                    count.dead += 1;
                } else {
                    found = true;
                    count.live += 1;
                    count.live_bytes += record_bytes::<H>(place);
                }
            }
        }
        Ok(counts)
    }

    /// Returns the segments that are copied: those of which enough is lost, and many small ones.
    fn condemn(&self, counts: &BTreeMap<u32, Count>) -> BTreeSet<u32> {
        let settings = &self.shared.settings;
        let lost = |entry: &FileEntry| {
            let live = counts.get(&entry.number).map_or(0, |count| count.live_bytes);
            let lost = entry.length.saturating_sub(live);
            lost * 100 >= entry.length * u64::from(settings.options.reclaim_percent.min(100))
        };
        let mut condemned: BTreeSet<_> = self
            .plan
            .segments
            .iter()
            .filter(|entry| lost(entry))
            .map(|entry| entry.number)
            .collect();
        let is_small = |entry: &&FileEntry| entry.length < settings.segment_bytes / 4;
        let small: Vec<_> = self.plan.segments.iter().filter(is_small).collect();
        if small.len() > SMALL_MAX {
            condemned.extend(small.iter().map(|entry| entry.number));
        }
        condemned
    }

    /// Copies what is left of some segments.
    fn copy(&mut self, segments: &BTreeSet<u32>) -> Result<()> {
        let mut blocks: Vec<(Place, H)> = Vec::new();
        let mut live = Live::new(&self.plan.runs);
        while let Some(entry) = live.next()? {
            self.go_on(0)?;
            if segments.contains(&entry.place.segment) {
                blocks.push((entry.place, name_of(&entry)?));
            }
        }
        blocks.sort_unstable_by_key(|(place, _)| *place);
        for (place, key) in blocks {
            let record = self.read(&key, place)?;
            self.go_on(record.len() as u64)?;
            self.append(&key, place.length, &record)?;
        }
        Ok(())
    }

    fn read(&self, key: &H, place: Place) -> PackResult<Vec<u8>> {
        let name = FileKind::Segment.file_name(place.segment);
        let fault = PackError::fault(&name, place.offset.into());
        let Some(file) = self.plan.files.get(&place.segment) else {
            return Err(fault(Fault::Damaged("the index names it, and it is not there")));
        };
        let length = place.length as usize;
        let mut record = vec![0; RecordHeader::LENGTH + H::LENGTH + length];
        read_exact_at(&**file, &mut record, place.offset.into())
            .map_err(PackError::io(format!("read block {key} from {name}")))?;
        check_record::<H>(key, length, &record).map_err(fault)?;
        Ok(record)
    }

    fn append(&mut self, key: &H, length: u32, record: &[u8]) -> PackResult<()> {
        let mut open = match self.new.open.take() {
            Some(open) => open,
            None => self.open()?,
        };
        let (header, rest) = record.split_at(RecordHeader::LENGTH);
        let (name, block) = rest.split_at(H::LENGTH);
        debug_assert!(matches!(
            RecordHeader::take(&mut Reader::new(record), H::LENGTH),
            Ok((RecordHeader { kind: Kind::Block, .. }, _))
        ));
        let offset = open.tail.push(header, name, block);
        open.places.push((*key, Place { segment: open.header.number, offset, length }));
        let end = open.tail.start() + open.tail.len() as u64;
        let is_full = end >= self.shared.settings.segment_bytes;
        if open.tail.len() >= self.shared.settings.write_bytes || is_full {
            open.write()?;
        }
        self.new.open = Some(open);
        if is_full { self.seal() } else { Ok(()) }
    }

    fn open(&self) -> PackResult<Open<H>> {
        let number = self.shared.next_file();
        self.shared.building.add((FileKind::Segment, number));
        let after = self.plan.after;
        let header = SegmentHeader { number, salt: random_salt(), first_batch: 1, after };
        let name = FileKind::Segment.file_name(number);
        let file = self.plan.disk.create(&name).map_err(PackError::io(format!("make {name}")))?;
        let written = file.write_all_at(&header.encode(), 0);
        written.map_err(PackError::io(format!("write {name}")))?;
        let start = SegmentHeader::LENGTH as u64;
        let tail = Tail::new(number, start, header.first_batch);
        let link = Link { salt: header.salt, chain: header.chain(), durable_end: start };
        Ok(Open { header, file, tail, link, places: Vec::new() })
    }

    /// Ends the new segment, if there is one, and makes it durable.
    fn seal(&mut self) -> PackResult<()> {
        let Some(mut open) = self.new.open.take() else { return Ok(()) };
        open.write()?;
        let name = FileKind::Segment.file_name(open.header.number);
        open.file.sync().map_err(PackError::sync(format!("sync {name}")))?;
        let number = self.shared.next_file();
        self.shared.building.add((FileKind::Index, number));
        let run = write_places(&*self.plan.disk, number, &mut open.places)?;
        let entry = FileEntry {
            kind: FileKind::Segment,
            number: open.header.number,
            length: open.tail.start(),
            first: open.header.first_batch,
            last: open.tail.last_number() + 1,
            dead: 0,
        };
        self.new.segments.push((entry, open.file));
        self.new.runs.push(Arc::new(run));
        Ok(())
    }

    /// Writes the run of all that is left: what was copied has its new place.
    fn index(&self, condemned: &BTreeSet<u32>, live: u64) -> Result<Option<Arc<Run>>> {
        if live == 0 {
            return Ok(None);
        }
        let number = self.shared.next_file();
        self.shared.building.add((FileKind::Index, number));
        let runs: Vec<_> = self.new.runs.iter().chain(&self.plan.runs).cloned().collect();
        let mut all = Live::new(&runs);
        let mut stopped = None;
        let entries = std::iter::from_fn(|| {
            if let Err(error) = self.go_on(0) {
                stopped = Some(error);
                return None;
            }
            let entry = all.next().transpose()?;
            Some(entry.and_then(|Entry { key, place, .. }| {
                if condemned.contains(&place.segment) {
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

    /// Waits as the rate asks, after so many bytes; and ends when the store is closed.
    fn go_on(&self, bytes: u64) -> Result<()> {
        /// How long is slept before it is looked whether the store is closed.
        const NAP: Duration = Duration::from_millis(20);
        self.pace.count(bytes);
        loop {
            if self.shared.building.is_closing() {
                return Err(Error::closed());
            }
            let Some(wait) = self.pace.wait() else { return Ok(()) };
            std::thread::sleep(wait.min(NAP));
        }
    }
}

impl<H: Hash> Open<H> {
    fn write(&mut self) -> PackResult<()> {
        if self.tail.is_empty() {
            return Ok(());
        }
        let flight = self.tail.take(self.link);
        let name = FileKind::Segment.file_name(flight.segment);
        let written = self.file.write_all_at(&flight.bytes, flight.start);
        written.map_err(PackError::io(format!("write {name}")))?;
        self.link.chain = flight.chain();
        self.tail.landed();
        Ok(())
    }
}

/// Puts the segments into groups whose blocks are copied together.
fn groups(condemned: &BTreeSet<u32>, counts: &BTreeMap<u32, Count>) -> Vec<BTreeSet<u32>> {
    let mut groups: Vec<BTreeSet<u32>> = Vec::new();
    let mut blocks = GROUP;
    for number in condemned {
        let live = counts.get(number).map_or(0, |count| count.live);
        if live == 0 {
            continue;
        }
        if blocks + live > GROUP {
            groups.push(BTreeSet::new());
            blocks = 0;
        }
        blocks += live;
        groups.last_mut().expect("the first one makes a group").insert(*number);
    }
    groups
}

const fn record_bytes<H: Hash>(place: Place) -> u64 {
    (RecordHeader::LENGTH + H::LENGTH) as u64 + place.length as u64
}
