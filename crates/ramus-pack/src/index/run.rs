//! An index run, `NNNNNNNN.index`: the places of the blocks of some sealed segments, in key order.
//!
//! | at | bytes | what |
//! |---|---|---|
//! | 0 | 8 | `RamusIdx` |
//! | 8 | 4 | version: 1 |
//! | 12 | 4 | number of the run, which is also in the name of the file |
//! | 16 | 4 | K, the length of a key |
//! | 20 | 4 | number of pages |
//! | 24 | 8 | number of entries, at least 1 |
//! | 32 | 4 | length of the filter: a multiple of 64 |
//! | 36 | 4 | checksum of the first keys |
//! | 40 | 4 | checksum of the filter |
//! | 44 | 16 | zero |
//! | 60 | 4 | checksum of the 60 bytes before |
//! | 64 | 4096 each | the pages |
//! | | K each | the first key of each page |
//! | | | the [filter](super::filter) |
//!
//! A page holds as many entries as fit into 4092 bytes (the last one fewer), then zeros, and in its
//! last 4 bytes the checksum of the number of the run, the number of the page (4 bytes each) and the
//! 4092 bytes before. An entry is the key, and of the record of the block the segment, the offset and
//! the length of the body, 4 bytes each. Keys rise from entry to entry.
//!
//! A look-up asks the filter, finds the page by the first keys, which are in memory like the filter,
//! reads that page, and searches in it.

use std::sync::Arc;

use super::filter::{BLOCK_BYTES, Filter};
use super::{Place, Read};
use crate::disk::{Access, Disk, DiskFile, read_exact_at};
use crate::error::{PackError, PackResult};
use crate::format::manifest::FileKind;
use crate::format::{Fault, Reader, VERSION, check_version, checksum};

const MAGIC: &[u8; 8] = b"RamusIdx";
const HEADER: usize = 64;
const PAGE: usize = 4096;
const PAGE_ENTRIES: usize = PAGE - 4;
/// What an entry holds besides its key, in bytes.
const PLACE: usize = 12;

/// A run that can be searched.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) number: u32,
    file: Arc<dyn DiskFile>,
    key_length: usize,
    entries: u64,
    pages: usize,
    /// The first key of each page, one after the other.
    firsts: Vec<u8>,
    filter: Filter,
}

/// What looking for a key came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lookup {
    Found(Place),
    Absent,
    /// It needs reading that may take long.
    NotNow,
}

impl Run {
    /// Reads what of a run is kept in memory.
    pub(crate) fn open(disk: &dyn Disk, number: u32, key_length: usize) -> PackResult<Self> {
        let name = FileKind::Index.file_name(number);
        let failed = || PackError::io(format!("read {name}"));
        let file = disk.open(&name, Access::Read).map_err(failed())?;
        let mut bytes = [0; HEADER];
        read_exact_at(&*file, &mut bytes, 0).map_err(failed())?;
        let header = Header::decode(&bytes).map_err(PackError::fault(&name, 0))?;
        let size = file.size().map_err(failed())?;
        let fits = header.number == number
            && header.key_length as usize == key_length
            && header.size() == Some(size)
            && u64::from(header.pages) == header.entries.div_ceil(per_page(key_length) as u64);
        if !fits {
            let fault = Fault::Damaged("its header is that of another file");
            return Err(PackError::fault(&name, 0)(fault));
        }
        let pages = header.pages as usize;
        let (firsts, filter) = (header.pages_end(), header.firsts_end());
        let part = |length: usize, at: u64, sum: u32| {
            let mut bytes = vec![0; length];
            read_exact_at(&*file, &mut bytes, at).map_err(failed())?;
            if checksum(&[&bytes]) == sum {
                return Ok(bytes);
            }
            Err(PackError::fault(&name, at)(Fault::Damaged("a checksum is wrong")))
        };
        let first_keys = part(pages * key_length, firsts, header.firsts)?;
        let filter_bytes = part(header.filter_length as usize, filter, header.filter)?;
        let none = PackError::fault(&name, filter);
        let filter = Filter::of_bytes(filter_bytes)
            .ok_or_else(|| none(Fault::Damaged("the length of its filter cannot be")))?;
        let entries = header.entries;
        Ok(Self { number, file, key_length, entries, pages, firsts: first_keys, filter })
    }

    pub(crate) const fn entries(&self) -> u64 {
        self.entries
    }

    pub(crate) fn size(&self) -> u64 {
        let pages = HEADER + self.pages * PAGE;
        (pages + self.firsts.len() + self.filter.as_bytes().len()) as u64
    }

    pub(crate) fn find(&self, key: &[u8], read: Read) -> PackResult<Lookup> {
        if !self.filter.may_have(key) {
            return Ok(Lookup::Absent);
        }
        let Some(page) = self.page_of(key) else { return Ok(Lookup::Absent) };
        let mut bytes = [0; PAGE];
        match read {
            Read::Now if !self.file.read_now(&mut bytes, page_start(page)) => {
                return Ok(Lookup::NotNow);
            }
            Read::Now => {}
            Read::Wait => self.read_page(page, &mut bytes)?,
        }
        self.check_page(page, &bytes)?;
        Ok(self.search(key, page, &bytes))
    }

    /// Returns the entries of a page, with their keys.
    pub(crate) fn page(&self, page: usize) -> PackResult<Vec<(Vec<u8>, Place)>> {
        let mut bytes = [0; PAGE];
        self.read_page(page, &mut bytes)?;
        self.check_page(page, &bytes)?;
        let entry = |index| {
            let (key, place) = self.entry(&bytes, index);
            (key.to_vec(), place)
        };
        Ok((0..self.entries_of(page)).map(entry).collect())
    }

    pub(crate) const fn pages(&self) -> usize {
        self.pages
    }

    fn page_of(&self, key: &[u8]) -> Option<usize> {
        let first = |page: usize| &self.firsts[page * self.key_length..][..self.key_length];
        let (mut low, mut high) = (0, self.pages);
        while low < high {
            let middle = usize::midpoint(low, high);
            if first(middle) <= key {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low.checked_sub(1)
    }

    fn read_page(&self, page: usize, bytes: &mut [u8; PAGE]) -> PackResult<()> {
        let read = read_exact_at(&*self.file, bytes, page_start(page));
        read.map_err(PackError::io(format!("read {}", self.name())))
    }

    fn check_page(&self, page: usize, bytes: &[u8; PAGE]) -> PackResult<()> {
        let (entries, sum) = bytes.split_at(PAGE_ENTRIES);
        if sum == page_checksum(self.number, page, entries).to_le_bytes() {
            return Ok(());
        }
        let fault = Fault::Damaged("the checksum of a page is wrong");
        Err(PackError::fault(&self.name(), page_start(page))(fault))
    }

    fn search(&self, key: &[u8], page: usize, bytes: &[u8; PAGE]) -> Lookup {
        let (mut low, mut high) = (0, self.entries_of(page));
        while low < high {
            let middle = usize::midpoint(low, high);
            let (found, place) = self.entry(bytes, middle);
            match found.cmp(key) {
                std::cmp::Ordering::Equal => return Lookup::Found(place),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Lookup::Absent
    }

    fn entries_of(&self, page: usize) -> usize {
        let per_page = per_page(self.key_length);
        let before = (page * per_page) as u64;
        usize::try_from(self.entries.saturating_sub(before)).unwrap_or(per_page).min(per_page)
    }

    fn entry<'a>(&self, bytes: &'a [u8; PAGE], index: usize) -> (&'a [u8], Place) {
        let entry = &bytes[index * (self.key_length + PLACE)..][..self.key_length + PLACE];
        let (key, place) = entry.split_at(self.key_length);
        let number = |at: usize| {
            u32::from_le_bytes(place[at..at + 4].try_into().expect("four bytes are four bytes"))
        };
        (key, Place { segment: number(0), offset: number(4), length: number(8) })
    }

    fn name(&self) -> String {
        FileKind::Index.file_name(self.number)
    }
}

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
    let name = FileKind::Index.file_name(number);
    let file = disk.create(&name).map_err(PackError::io(format!("make {name}")))?;
    let mut writer = Writer::new(&*file, number, key_length, entries_max);
    for entry in entries {
        let (key, place) = entry?;
        writer.add(key.as_ref(), place).map_err(PackError::io(format!("write {name}")))?;
    }
    writer.finish().map_err(PackError::io(format!("write {name}")))?;
    file.sync().map_err(PackError::sync(format!("sync {name}")))?;
    Run::open(disk, number, key_length)
}

struct Writer<'a> {
    file: &'a dyn DiskFile,
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

impl<'a> Writer<'a> {
    /// So many bytes of pages are written at once.
    const BUFFER: usize = 64 * PAGE;

    fn new(file: &'a dyn DiskFile, number: u32, key_length: usize, entries_max: usize) -> Self {
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

struct Header {
    number: u32,
    key_length: u32,
    pages: u32,
    entries: u64,
    filter_length: u32,
    firsts: u32,
    filter: u32,
}

impl Header {
    fn encode(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.number.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.key_length.to_le_bytes());
        bytes[20..24].copy_from_slice(&self.pages.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.entries.to_le_bytes());
        bytes[32..36].copy_from_slice(&self.filter_length.to_le_bytes());
        bytes[36..40].copy_from_slice(&self.firsts.to_le_bytes());
        bytes[40..44].copy_from_slice(&self.filter.to_le_bytes());
        let sum = checksum(&[&bytes[..60]]);
        bytes[60..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8; HEADER]) -> Result<Self, Fault> {
        let mut reader = Reader::new(bytes);
        if reader.array()? != *MAGIC {
            return Err(Fault::Damaged("it does not begin as an index does"));
        }
        if checksum(&[&bytes[..60]]) != Reader::new(&bytes[60..]).u32()? {
            return Err(Fault::Damaged("the checksum of its header is wrong"));
        }
        check_version(reader.u32()?)?;
        let (number, key_length, pages) = (reader.u32()?, reader.u32()?, reader.u32()?);
        let (entries, filter_length) = (reader.u64()?, reader.u32()?);
        let (firsts, filter) = (reader.u32()?, reader.u32()?);
        reader.zeros(16)?;
        let whole = (filter_length as usize).is_multiple_of(BLOCK_BYTES);
        if !whole || filter_length == 0 || entries == 0 {
            return Err(Fault::Damaged("its header has a length that cannot be"));
        }
        Ok(Self { number, key_length, pages, entries, filter_length, firsts, filter })
    }

    fn pages_end(&self) -> u64 {
        HEADER as u64 + u64::from(self.pages) * PAGE as u64
    }

    fn firsts_end(&self) -> u64 {
        self.pages_end() + u64::from(self.pages) * u64::from(self.key_length)
    }

    /// Returns how many bytes the file has, if that is a number.
    fn size(&self) -> Option<u64> {
        self.firsts_end().checked_add(self.filter_length.into())
    }
}

const fn per_page(key_length: usize) -> usize {
    PAGE_ENTRIES / (key_length + PLACE)
}

const fn page_start(page: usize) -> u64 {
    (HEADER + page * PAGE) as u64
}

fn page_checksum(run: u32, page: usize, entries: &[u8]) -> u32 {
    let page = u32::try_from(page).unwrap_or(u32::MAX);
    checksum(&[&run.to_le_bytes(), &page.to_le_bytes(), entries])
}
