use std::sync::Arc;

use ramus_core::{Cursor, Hash};

use super::Plan;
use crate::disk::{DiskFile, Pool};
use crate::error::PackResult;
use crate::format::manifest::{FileEntry, FileKind};
use crate::index::Place;
use crate::index::run::Run;
use crate::shared::Shared;
use crate::writer::copied::Copied;
use crate::writer::files::write_places;

/// The new segments that blocks are copied into.
pub(super) struct Copies<H: Hash> {
    shared: Arc<Shared<H>>,
    disk: Arc<Pool>,
    /// The end of the log, for the headers.
    after: Cursor,
    open: Option<Open<H>>,
    /// Those that are full, and durable.
    pub(super) segments: Vec<(FileEntry, Arc<dyn DiskFile>)>,
    /// A run for each of these.
    pub(super) runs: Vec<Arc<Run>>,
}

/// A segment that is being filled, and what it has.
struct Open<H> {
    segment: Copied,
    places: Vec<(H, Place)>,
}

impl<H: Hash> Copies<H> {
    pub(super) fn new(shared: &Arc<Shared<H>>, plan: &Plan) -> Self {
        let (shared, disk, after) = (Arc::clone(shared), Arc::clone(&plan.disk), plan.after);
        Self { shared, disk, after, open: None, segments: Vec::new(), runs: Vec::new() }
    }

    /// Appends a record, which was checked.
    pub(super) fn append(&mut self, key: &H, length: u32, record: &[u8]) -> PackResult<()> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.open()?,
        };
        let settings = &self.shared.settings;
        let place = open.segment.append::<H>(record, length, settings.write_bytes)?;
        open.places.push((*key, place));
        let is_full = open.segment.bytes() >= settings.segment_bytes;
        self.open = Some(open);
        if is_full { self.seal() } else { Ok(()) }
    }

    fn open(&self) -> PackResult<Open<H>> {
        let number = self.shared.next_file();
        self.shared.building.add((FileKind::Segment, number));
        let segment = Copied::create(&*self.disk, number, self.after)?;
        Ok(Open { segment, places: Vec::new() })
    }

    /// Ends the segment that is being filled, if there is one, and makes it durable.
    pub(super) fn seal(&mut self) -> PackResult<()> {
        let Some(Open { segment, mut places }) = self.open.take() else { return Ok(()) };
        let file = self.disk.file(segment.name().to_owned());
        let entry = segment.end()?;
        let number = self.shared.next_file();
        self.shared.building.add((FileKind::Index, number));
        let run = write_places(&*self.disk, number, &mut places)?;
        self.segments.push((entry, file));
        // There may be many of them, until they become one.
        let file = self.disk.file(FileKind::Index.file_name(run.number));
        self.runs.push(Arc::new(run.with_file(file)));
        Ok(())
    }
}
