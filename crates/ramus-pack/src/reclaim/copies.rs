use std::sync::Arc;

use ramus_core::{Cursor, Hash};

use super::Plan;
use crate::disk::{Disk, DiskFile, Pool};
use crate::error::{PackError, PackResult};
use crate::format::manifest::{FileEntry, FileKind};
use crate::format::record::RecordHeader;
use crate::format::segment::SegmentHeader;
use crate::index::Place;
use crate::index::run::Run;
use crate::shared::Shared;
use crate::writer::active::random_salt;
use crate::writer::files::write_places;
use crate::writer::tail::{Link, Tail};

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

/// A segment that is being filled.
struct Open<H> {
    header: SegmentHeader,
    file: Arc<dyn DiskFile>,
    tail: Tail,
    link: Link,
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
        let (header, rest) = record.split_at(RecordHeader::LENGTH);
        let (name, block) = rest.split_at(H::LENGTH);
        let offset = open.tail.push(header, name, block);
        open.places.push((*key, Place { segment: open.header.number, offset, length }));
        let end = open.tail.start() + open.tail.len() as u64;
        let is_full = end >= self.shared.settings.segment_bytes;
        if open.tail.len() >= self.shared.settings.write_bytes || is_full {
            open.write()?;
        }
        self.open = Some(open);
        if is_full { self.seal() } else { Ok(()) }
    }

    fn open(&self) -> PackResult<Open<H>> {
        let number = self.shared.next_file();
        self.shared.building.add((FileKind::Segment, number));
        let after = self.after;
        let header = SegmentHeader { number, salt: random_salt(), first_batch: 1, after };
        let name = FileKind::Segment.file_name(number);
        let file = self.disk.create(&name).map_err(PackError::io(format!("make {name}")))?;
        let written = file.write_all_at(&header.encode(), 0);
        written.map_err(PackError::io(format!("write {name}")))?;
        let start = SegmentHeader::LENGTH as u64;
        let tail = Tail::new(number, start, header.first_batch);
        let link = Link { salt: header.salt, chain: header.chain(), durable_end: start };
        Ok(Open { header, file, tail, link, places: Vec::new() })
    }

    /// Ends the segment that is being filled, if there is one, and makes it durable.
    pub(super) fn seal(&mut self) -> PackResult<()> {
        let Some(mut open) = self.open.take() else { return Ok(()) };
        open.write()?;
        let name = FileKind::Segment.file_name(open.header.number);
        open.file.sync().map_err(PackError::sync(format!("sync {name}")))?;
        let number = self.shared.next_file();
        self.shared.building.add((FileKind::Index, number));
        let run = write_places(&*self.disk, number, &mut open.places)?;
        let entry = FileEntry {
            kind: FileKind::Segment,
            number: open.header.number,
            length: open.tail.start(),
            first: open.header.first_batch,
            last: open.tail.last_number() + 1,
            dead: 0,
        };
        self.segments.push((entry, self.disk.file(name)));
        // There may be many of them, until they become one.
        let file = self.disk.file(FileKind::Index.file_name(run.number));
        self.runs.push(Arc::new(run.with_file(file)));
        Ok(())
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
        self.tail.landed(flight);
        Ok(())
    }
}
