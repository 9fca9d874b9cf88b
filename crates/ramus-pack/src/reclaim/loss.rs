//! What segments have lost, and which of them are copied for it.

use std::collections::{BTreeMap, BTreeSet};

use ramus_core::Hash;

use crate::format::manifest::FileEntry;
use crate::format::record::RecordHeader;
use crate::index::Place;
use crate::options::Settings;

/// So many blocks are copied in one pass over the runs.
const GROUP: u64 = 1 << 19;

/// With more small segments than this they are put together.
const SMALL_MAX: usize = 4;

/// What a segment holds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Count {
    pub(super) live: u64,
    pub(super) live_bytes: u64,
    pub(super) dead: u64,
}

/// Returns whether there are so many small segments that it pays to put them together.
pub(crate) fn are_many_small(segments: &[FileEntry], settings: &Settings) -> bool {
    segments.iter().filter(|entry| is_small(entry, settings)).count() > 4 * SMALL_MAX
}

/// Returns the segments that are copied: those of which enough is lost, and many small ones.
pub(super) fn condemned(
    segments: &[FileEntry],
    counts: &BTreeMap<u32, Count>,
    settings: &Settings,
) -> BTreeSet<u32> {
    let lost = |entry: &&FileEntry| {
        let live = counts.get(&entry.number).map_or(0, |count| count.live_bytes);
        let lost = entry.length.saturating_sub(live);
        lost * 100 >= entry.length * u64::from(settings.options.reclaim_percent.min(100))
    };
    let mut condemned: BTreeSet<_> =
        segments.iter().filter(lost).map(|entry| entry.number).collect();
    let small = segments.iter().filter(|entry| is_small(entry, settings));
    let small: Vec<_> = small.map(|entry| entry.number).collect();
    if small.len() > SMALL_MAX {
        condemned.extend(small);
    }
    condemned
}

/// Puts the segments into groups whose blocks are copied together.
pub(super) fn groups(
    condemned: &BTreeSet<u32>,
    counts: &BTreeMap<u32, Count>,
) -> Vec<BTreeSet<u32>> {
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
    // The last is the next.
    groups.reverse();
    groups
}

/// Returns how many bytes the record of a block has.
pub(super) const fn record_bytes<H: Hash>(place: Place) -> u64 {
    (RecordHeader::LENGTH + H::LENGTH) as u64 + place.length as u64
}

const fn is_small(entry: &FileEntry, settings: &Settings) -> bool {
    entry.length < settings.segment_bytes / 4
}
