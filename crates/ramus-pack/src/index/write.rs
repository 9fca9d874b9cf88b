use std::sync::Arc;

use super::Place;
use super::filter::Filter;
use super::run::{HEADER, Header, PAGE, PAGE_ENTRIES, PLACE, Run, page_checksum, per_page};
use crate::disk::{Disk, DiskFile};
use crate::error::{PackError, PackResult};
use crate::format::checksum;
use crate::format::manifest::FileKind;

/// A long run is synced each time that so many bytes were written: whoever else syncs something waits behind what
/// the system writes at once.
const SYNC_BYTES: u64 = 16 << 20;

/// Writes the entries, which come in key order, as a run, and makes it durable.
///
/// There are at least one of them and at most `entries_max`.
pub(crate) fn write<K: AsRef<[u8]>>(
    disk: &dyn Disk,
    number: u32,
    key_length: usize,
    entries_max: usize,
    entries: impl Iterator<Item = PackResult<(K, Place)>>,
) -> PackResult<Run> {
    let mut writing = Writing::begin(disk, number, key_length, entries_max)?;
    for entry in entries {
        let (key, place) = entry?;
        writing.add(key.as_ref(), place)?;
    }
    writing.end(disk)
}

/// A run that is being written.
#[derive(Debug)]
pub(crate) struct Writing {
    name: String,
    writer: Writer,
    /// How much of the file was synced.
    synced: u64,
}

impl Writing {
    /// Begins one of at most so many entries.
    pub(crate) fn begin(
        disk: &dyn Disk,
        number: u32,
        key_length: usize,
        entries_max: usize,
    ) -> PackResult<Self> {
        let name = FileKind::Index.file_name(number);
        let file = disk.create(&name).map_err(PackError::io(format!("make {name}")))?;
        Ok(Self { writer: Writer::new(file, number, key_length, entries_max), name, synced: 0 })
    }

    /// Adds an entry, whose key is higher than that before.
    pub(crate) fn add(&mut self, key: &[u8], place: Place) -> PackResult<()> {
        let Self { name, writer, synced } = self;
        writer.add(key, place).map_err(PackError::io(format!("write {name}")))?;
        if writer.end - *synced >= SYNC_BYTES {
            writer.file.sync().map_err(PackError::sync(format!("sync {name}")))?;
            *synced = writer.end;
        }
        Ok(())
    }

    /// Makes it durable. There is one entry at least.
    pub(crate) fn end(self, disk: &dyn Disk) -> PackResult<Run> {
        let Self { name, writer, .. } = self;
        let (number, key_length, file) =
            (writer.number, writer.key_length, Arc::clone(&writer.file));
        writer.finish().map_err(PackError::io(format!("write {name}")))?;
        file.sync().map_err(PackError::sync(format!("sync {name}")))?;
        Run::open(disk, number, key_length)
    }
}

#[derive(Debug)]
struct Writer {
    file: Arc<dyn DiskFile>,
    number: u32,
    key_length: usize,
    entries: u64,
    /// Whole pages before the one that is being filled.
    pages: usize,
    page: Vec<u8>,
    firsts: Vec<u8>,
    filter: Filter,
    /// Pages that are not written yet.
    buffer: Vec<u8>,
    /// Where they go.
    end: u64,
}

impl Writer {
    /// So many bytes of pages are written at once.
    const BUFFER: usize = 64 * PAGE;

    fn new(file: Arc<dyn DiskFile>, number: u32, key_length: usize, entries_max: usize) -> Self {
        let filter = Filter::for_keys(entries_max);
        let (page, firsts, buffer) = (Vec::new(), Vec::new(), Vec::new());
        let (entries, pages, end) = (0, 0, HEADER as u64);
        Self { file, number, key_length, entries, pages, page, firsts, filter, buffer, end }
    }

    fn add(&mut self, key: &[u8], place: Place) -> std::io::Result<()> {
        if self.page.is_empty() {
            self.firsts.extend_from_slice(key);
        }
        self.filter.insert(key);
        self.page.extend_from_slice(key);
        for number in [place.segment, place.offset, place.length] {
            self.page.extend_from_slice(&number.to_le_bytes());
        }
        self.entries += 1;
        if self.page.len() / (self.key_length + PLACE) == per_page(self.key_length) {
            self.end_page();
        }
        if self.buffer.len() >= Self::BUFFER { self.write_pages() } else { Ok(()) }
    }

    fn end_page(&mut self) {
        self.page.resize(PAGE_ENTRIES, 0);
        let sum = page_checksum(self.number, self.pages, &self.page);
        self.buffer.append(&mut self.page);
        self.buffer.extend_from_slice(&sum.to_le_bytes());
        self.pages += 1;
    }

    fn write_pages(&mut self) -> std::io::Result<()> {
        self.file.write_all_at(&self.buffer, self.end)?;
        self.end += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    fn finish(mut self) -> std::io::Result<()> {
        if !self.page.is_empty() {
            self.end_page();
        }
        self.write_pages()?;
        self.file.write_all_at(&self.firsts, self.end)?;
        let filter = self.end + self.firsts.len() as u64;
        self.file.write_all_at(self.filter.as_bytes(), filter)?;
        let small = |length: usize| u32::try_from(length).map_err(std::io::Error::other);
        let header = Header {
            number: self.number,
            key_length: small(self.key_length)?,
            pages: small(self.pages)?,
            entries: self.entries,
            filter_length: small(self.filter.as_bytes().len())?,
            firsts: checksum(&[&self.firsts]),
            filter: checksum(&[self.filter.as_bytes()]),
        };
        self.file.write_all_at(&header.encode(), 0)
    }
}
