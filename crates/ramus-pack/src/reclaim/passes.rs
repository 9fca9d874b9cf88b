//! What is read and written of indexes, an entry at a time, so that it keeps to the rate that was asked for and
//! others get their turn.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ramus_core::Hash;

use super::loss::{Count, record_bytes};
use crate::disk::Disk;
use crate::error::{PackError, PackResult};
use crate::format::Fault;
use crate::format::manifest::FileKind;
use crate::index::Place;
use crate::index::groups::Groups;
use crate::index::live::{Live, name_of};
use crate::index::run::{Entry, Run};
use crate::index::write::Writing;

/// Counts what each segment still has, and what not.
#[derive(Debug)]
pub(super) struct Counting {
    all: Groups,
    counts: BTreeMap<u32, Count>,
}

impl Counting {
    pub(super) fn new(runs: &[Arc<Run>]) -> Self {
        Self { all: Groups::new(runs), counts: BTreeMap::new() }
    }

    /// Counts the places of a block, and returns how many bytes were read; nothing at the end.
    pub(super) fn next<H: Hash>(&mut self) -> PackResult<Option<u64>> {
        let Some(group) = self.all.next()? else { return Ok(None) };
        let read = entry_bytes::<H>(group.len());
        let mut found = false;
        for Entry { place, is_dead, .. } in group {
            let count = self.counts.entry(place.segment).or_default();
            // An older place of a block that was added again is as good as removed.
            if is_dead || found {
                count.dead += 1;
            } else {
                found = true;
                count.live += 1;
                count.live_bytes += record_bytes::<H>(place);
            }
        }
        Ok(Some(read))
    }

    pub(super) fn into_counts(self) -> BTreeMap<u32, Count> {
        self.counts
    }
}

/// Gathers what is left of some segments.
#[derive(Debug)]
pub(super) struct Gathering<H> {
    all: Groups,
    segments: BTreeSet<u32>,
    blocks: Vec<(Place, H)>,
}

impl<H: Hash> Gathering<H> {
    pub(super) fn new(runs: &[Arc<Run>], segments: BTreeSet<u32>) -> Self {
        Self { all: Groups::new(runs), segments, blocks: Vec::new() }
    }

    /// Looks at the next block, and returns how many bytes were read; nothing at the end.
    pub(super) fn next(&mut self) -> PackResult<Option<u64>> {
        let Some(group) = self.all.next()? else { return Ok(None) };
        let read = entry_bytes::<H>(group.len());
        let live = group.into_iter().find(|entry| !entry.is_dead);
        if let Some(entry) = live.filter(|entry| self.segments.contains(&entry.place.segment)) {
            self.blocks.push((entry.place, name_of(&entry)?));
        }
        Ok(Some(read))
    }

    /// Returns the blocks in the order in which they lie.
    pub(super) fn into_blocks(self) -> Vec<(Place, H)> {
        let mut blocks = self.blocks;
        blocks.sort_unstable_by_key(|(place, _)| *place);
        blocks
    }
}

/// Writes the run of all that is left.
#[derive(Debug)]
pub(super) struct Indexing {
    all: Live,
    writing: Writing,
}

impl Indexing {
    pub(super) fn new(runs: &[Arc<Run>], writing: Writing) -> Self {
        Self { all: Live::new(runs), writing }
    }

    /// Writes the next entry, which lies in none of these segments, and returns how many bytes were read and
    /// written; nothing at the end.
    pub(super) fn next<H: Hash>(&mut self, condemned: &BTreeSet<u32>) -> PackResult<Option<u64>> {
        let Some(Entry { key, place, .. }) = self.all.next()? else { return Ok(None) };
        if condemned.contains(&place.segment) {
            let name = FileKind::Segment.file_name(place.segment);
            let fault = Fault::Damaged("a block of it was not copied");
            return Err(PackError::fault(&name, place.offset.into())(fault));
        }
        self.writing.add(&key, place)?;
        Ok(Some(2 * entry_bytes::<H>(1)))
    }

    /// Makes it durable.
    pub(super) fn end(self, disk: &dyn Disk) -> PackResult<Run> {
        self.writing.end(disk)
    }
}

/// Returns how many bytes so many entries of an index have.
const fn entry_bytes<H: Hash>(entries: usize) -> u64 {
    (entries * (H::LENGTH + Run::PLACE_BYTES)) as u64
}

#[cfg(test)]
mod tests {
    use ramus_core::{Hash as _, Sha1};

    use super::*;
    use crate::disk::RealDisk;
    use crate::writer::files::write_places;

    const ENTRIES: u32 = 300;
    /// A name, and a place.
    const ENTRY_BYTES: u64 = 20 + 12;

    /// Adds up what a pass says that it did.
    fn total(mut next: impl FnMut() -> PackResult<Option<u64>>) -> u64 {
        std::iter::from_fn(|| next().expect("the index is sound")).sum()
    }

    #[test]
    fn each_pass_says_how_much_it_reads_and_writes() {
        let directory = tempfile::tempdir().expect("a directory");
        let disk = RealDisk::at(directory.path());
        let entry = |number: u32| {
            let place = Place { segment: 1 + number % 2, offset: 64 + 8 * number, length: 10 };
            (Sha1::of(&number.to_be_bytes()), place)
        };
        let mut places: Vec<_> = (0..ENTRIES).map(entry).collect();
        let runs = [Arc::new(write_places(&disk, 7, &mut places).expect("write"))];
        let all = u64::from(ENTRIES) * ENTRY_BYTES;
        let mut counting = Counting::new(&runs);
        assert_eq!(total(|| counting.next::<Sha1>()), all);
        // Also of segments that are not looked for.
        let mut gathering = Gathering::<Sha1>::new(&runs, BTreeSet::from([1]));
        assert_eq!(total(|| gathering.next()), all);
        assert_eq!(gathering.into_blocks().len(), ENTRIES as usize / 2);
        let writing = Writing::begin(&disk, 8, Sha1::LENGTH, ENTRIES as usize).expect("begin");
        let mut indexing = Indexing::new(&runs, writing);
        assert_eq!(total(|| indexing.next::<Sha1>(&BTreeSet::new())), 2 * all);
    }
}
