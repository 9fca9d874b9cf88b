use std::sync::Arc;

use ramus_core::{Cursor, Hash};

use super::active::random_salt;
use super::tail::{Link, Tail};
use crate::disk::{Disk, DiskFile};
use crate::error::{PackError, PackResult};
use crate::format::manifest::{FileEntry, FileKind};
use crate::format::record::RecordHeader;
use crate::format::segment::SegmentHeader;
use crate::index::Place;

/// A segment of copied blocks that is being written. It holds no changes, and its batches begin with the
/// number 1.
#[derive(Debug)]
pub(crate) struct Copied {
    header: SegmentHeader,
    name: String,
    file: Arc<dyn DiskFile>,
    tail: Tail,
    link: Link,
}

impl Copied {
    /// Makes an empty one; `after` is the place in the log for its header.
    pub(crate) fn create(disk: &dyn Disk, number: u32, after: Cursor) -> PackResult<Self> {
        let name = FileKind::Segment.file_name(number);
        let header = SegmentHeader { number, salt: random_salt(), first_batch: 1, after };
        let file = disk.create(&name).map_err(PackError::io(format!("make {name}")))?;
        let written = file.write_all_at(&header.encode(), 0);
        written.map_err(PackError::io(format!("write {name}")))?;
        let start = SegmentHeader::LENGTH as u64;
        let tail = Tail::new(number, start, header.first_batch);
        let link = Link { salt: header.salt, chain: header.chain(), durable_end: start };
        Ok(Self { header, name, file, tail, link })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Appends a record, which was checked, and returns where the block lies. So many bytes are gathered
    /// before they are written.
    pub(crate) fn append<H: Hash>(
        &mut self,
        record: &[u8],
        length: u32,
        write_bytes: usize,
    ) -> PackResult<Place> {
        let (header, rest) = record.split_at(RecordHeader::LENGTH);
        let (key, block) = rest.split_at(H::LENGTH);
        let offset = self.tail.push(header, key, block);
        if self.tail.len() >= write_bytes {
            self.write()?;
        }
        Ok(Place { segment: self.header.number, offset, length })
    }

    /// Returns how many bytes it has, with those that are not written yet.
    pub(crate) fn bytes(&self) -> u64 {
        self.tail.start() + self.tail.len() as u64
    }

    /// Makes it durable, and returns how it is listed.
    pub(crate) fn end(mut self) -> PackResult<FileEntry> {
        self.write()?;
        self.file.sync().map_err(PackError::sync(format!("sync {}", self.name)))?;
        Ok(FileEntry {
            kind: FileKind::Segment,
            number: self.header.number,
            length: self.tail.start(),
            first: self.header.first_batch,
            last: self.tail.last_number() + 1,
            dead: 0,
        })
    }

    fn write(&mut self) -> PackResult<()> {
        if self.tail.is_empty() {
            return Ok(());
        }
        let flight = self.tail.take(self.link);
        let written = self.file.write_all_at(&flight.bytes, flight.start);
        written.map_err(PackError::io(format!("write {}", self.name)))?;
        self.link.chain = flight.chain();
        drop(self.tail.landed(flight));
        Ok(())
    }
}
