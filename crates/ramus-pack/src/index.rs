//! Where each block lies.
//!
//! The blocks of the segments that are not sealed yet are in a map in memory. Those of sealed
//! segments are in sorted [runs](run) on disk, of which memory holds a filter and the first key of
//! each page. A key is looked for in the map and then in the runs, the newest first.

mod filter;
pub(crate) mod groups;
pub(crate) mod live;
pub(crate) mod merge;
pub(crate) mod run;
pub(crate) mod write;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use parking_lot::RwLock;
use ramus_core::Hash;
use ramus_core::hash::DigestHash;

use crate::disk::DiskFile;
use crate::error::PackResult;
use crate::format::Fault;
use crate::format::record::RecordHeader;
use run::{Lookup, Run};

/// Where the record of a block lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) segment: u32,
    /// Of the header of the record, in the segment.
    pub(crate) offset: u32,
    /// Of the block, in bytes.
    pub(crate) length: u32,
}

impl Place {
    /// Returns how many bytes the record has.
    ///
    /// # Errors
    ///
    /// If no block has the length that an index says.
    pub(crate) fn record_bytes(self, key_length: usize) -> Result<usize, Fault> {
        let length = self.length as usize;
        if length > ramus_core::Limits::default().block_bytes_max {
            return Err(Fault::Damaged("the index says a length that no block has"));
        }
        Ok(RecordHeader::LENGTH + key_length + length)
    }
}

pub(crate) type Places<H> = HashMap<H, Place, DigestHash>;

/// How a file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// Only if that needs no waiting.
    Now,
    /// However long it takes.
    Wait,
}

#[derive(Debug)]
pub(crate) struct Index<H> {
    state: RwLock<State<H>>,
}

#[derive(Debug)]
struct State<H> {
    /// Of the segment that is being filled.
    active: Places<H>,
    /// Of the segment that is being sealed; empty when none is.
    sealing: Arc<Places<H>>,
    /// Of all sealed segments, the newest first.
    runs: Arc<[Arc<Run>]>,
    segments: HashMap<u32, Arc<dyn DiskFile>>,
}

impl<H: Hash> Index<H> {
    pub(crate) fn new(
        active: Places<H>,
        runs: Vec<Arc<Run>>,
        segments: HashMap<u32, Arc<dyn DiskFile>>,
    ) -> Self {
        let sealing = Arc::default();
        Self { state: RwLock::new(State { active, sealing, runs: runs.into(), segments }) }
    }

    /// Returns the place of a block that is not in a run.
    pub(crate) fn in_memory(&self, key: &H) -> Option<Place> {
        let state = self.state.read();
        state.active.get(key).or_else(|| state.sealing.get(key)).copied()
    }

    pub(crate) fn extend(&self, places: Places<H>) {
        if !places.is_empty() {
            self.state.write().active.extend(places);
        }
    }

    /// Puts other runs and segments in place, at once. They hold what was being sealed, too.
    pub(crate) fn replace(&self, runs: Vec<Arc<Run>>, segments: HashMap<u32, Arc<dyn DiskFile>>) {
        let mut state = self.state.write();
        state.runs = runs.into();
        state.segments = segments;
        state.sealing = Arc::default();
    }

    /// Puts other runs and segments in place, at once, beside what is being sealed.
    pub(crate) fn reclaimed(&self, runs: Vec<Arc<Run>>, segments: HashMap<u32, Arc<dyn DiskFile>>) {
        let mut state = self.state.write();
        state.runs = runs.into();
        state.segments = segments;
    }

    /// Puts other runs in place, at once, that hold the same blocks.
    pub(crate) fn merged(&self, runs: Vec<Arc<Run>>) {
        self.state.write().runs = runs.into();
    }

    /// Returns the names of the blocks that are not in a run.
    pub(crate) fn keys_in_memory(&self) -> Vec<H> {
        let state = self.state.read();
        state.active.keys().chain(state.sealing.keys()).copied().collect()
    }

    /// Returns whether the segment that is being filled has no block.
    pub(crate) fn is_blank(&self) -> bool {
        self.state.read().active.is_empty()
    }

    /// Notes where a block will lie, unless it lies in memory already, in this segment or a later one;
    /// returns whether it did.
    pub(crate) fn insert_unless_since(&self, key: H, since: u32, place: Place) -> bool {
        let mut state = self.state.write();
        let State { active, sealing, .. } = &mut *state;
        let is_since = |place: &Place| place.segment >= since;
        match active.entry(key) {
            Entry::Occupied(there) if is_since(there.get()) => false,
            Entry::Occupied(mut there) => {
                there.insert(place);
                true
            }
            Entry::Vacant(_) if sealing.get(&key).is_some_and(is_since) => false,
            Entry::Vacant(absent) => {
                absent.insert(place);
                true
            }
        }
    }

    pub(crate) fn runs(&self) -> Arc<[Arc<Run>]> {
        Arc::clone(&self.state.read().runs)
    }

    pub(crate) fn segment(&self, number: u32) -> Option<Arc<dyn DiskFile>> {
        self.state.read().segments.get(&number).cloned()
    }

    pub(crate) fn segments(&self) -> HashMap<u32, Arc<dyn DiskFile>> {
        self.state.read().segments.clone()
    }

    pub(crate) fn add_segment(&self, number: u32, file: Arc<dyn DiskFile>) {
        self.state.write().segments.insert(number, file);
    }

    /// Returns the place of a block in the runs that may have it.
    pub(crate) fn in_runs(&self, key: &H, read: Read) -> PackResult<Lookup> {
        let key = key.as_bytes();
        for run in self.runs().iter() {
            match run.find(key, read)? {
                Lookup::Absent => {}
                other => return Ok(other),
            }
        }
        Ok(Lookup::Absent)
    }

    /// Begins with an empty map; what it held is kept beside it until the runs have it.
    pub(crate) fn rotate(&self) {
        let mut state = self.state.write();
        debug_assert!(state.sealing.is_empty(), "one segment is sealed at a time");
        state.sealing = Arc::new(std::mem::take(&mut state.active));
    }

    pub(crate) fn sealing(&self) -> Arc<Places<H>> {
        Arc::clone(&self.state.read().sealing)
    }

    /// Puts other runs in place, which hold what was being sealed, too.
    pub(crate) fn sealed(&self, runs: Vec<Arc<Run>>) {
        let mut state = self.state.write();
        state.runs = runs.into();
        state.sealing = Arc::default();
    }
}
