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

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use super::filter::{BLOCK_BYTES, Filter};
use super::{Place, Read};
use crate::disk::{Access, Disk, DiskFile, read_exact_at};
use crate::error::{PackError, PackResult};
use crate::format::manifest::FileKind;
use crate::format::{Fault, Reader, VERSION, check_version, checksum};

const MAGIC: &[u8; 8] = b"RamusIdx";
pub(super) const HEADER: usize = 64;
pub(super) const PAGE: usize = 4096;
pub(super) const PAGE_ENTRIES: usize = PAGE - 4;
/// What an entry holds besides its key, in bytes.
pub(super) const PLACE: usize = 12;

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
    /// A bit for each entry whose block was removed; there once one was. It is in memory alone.
    dead: OnceLock<Box<[AtomicU64]>>,
}

/// An entry of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) key: Vec<u8>,
    pub(crate) place: Place,
    /// The block was removed.
    pub(crate) is_dead: bool,
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
    pub(crate) const PAGE_BYTES: u64 = PAGE as u64;
    /// What an entry holds besides its key, in bytes.
    pub(crate) const PLACE_BYTES: usize = PLACE;

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
        let (firsts, dead) = (first_keys, OnceLock::new());
        Ok(Self { number, file, key_length, entries, pages, firsts, filter, dead })
    }

    /// Returns the run, read from this file.
    pub(crate) fn with_file(self, file: Arc<dyn DiskFile>) -> Self {
        Self { file, ..self }
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
        let live = self.search(key, page, &bytes).filter(|(ordinal, _)| !self.is_dead(*ordinal));
        Ok(live.map_or(Lookup::Absent, |(_, place)| Lookup::Found(place)))
    }

    /// Returns which entry a block has, unless it was removed, and its place. It may wait.
    pub(crate) fn ordinal(&self, key: &[u8]) -> PackResult<Option<(u64, Place)>> {
        if !self.filter.may_have(key) {
            return Ok(None);
        }
        let Some(page) = self.page_of(key) else { return Ok(None) };
        let mut bytes = [0; PAGE];
        self.read_page(page, &mut bytes)?;
        self.check_page(page, &bytes)?;
        Ok(self.search(key, page, &bytes).filter(|(ordinal, _)| !self.is_dead(*ordinal)))
    }

    /// Removes the block of an entry.
    pub(crate) fn kill(&self, ordinal: u64) {
        let words = || (0..self.entries.div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        if let Some(word) = self.dead.get_or_init(words).get(word_of(ordinal)) {
            word.fetch_or(1 << (ordinal % 64), Ordering::SeqCst);
        }
    }

    fn is_dead(&self, ordinal: u64) -> bool {
        let word = self.dead.get().and_then(|words| words.get(word_of(ordinal)));
        word.is_some_and(|word| word.load(Ordering::SeqCst) >> (ordinal % 64) & 1 == 1)
    }

    /// Returns the entries of a page.
    pub(crate) fn page(&self, page: usize) -> PackResult<Vec<Entry>> {
        let mut bytes = [0; PAGE];
        self.read_page(page, &mut bytes)?;
        self.check_page(page, &bytes)?;
        let entry = |index| {
            let (key, place) = self.entry(&bytes, index);
            let is_dead = self.is_dead(self.ordinal_of(page, index));
            Entry { key: key.to_vec(), place, is_dead }
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
        read.map_err(PackError::read(format!("read {}", self.name())))
    }

    fn check_page(&self, page: usize, bytes: &[u8; PAGE]) -> PackResult<()> {
        let (entries, sum) = bytes.split_at(PAGE_ENTRIES);
        if sum == page_checksum(self.number, page, entries).to_le_bytes() {
            return Ok(());
        }
        let fault = Fault::Damaged("the checksum of a page is wrong");
        Err(PackError::fault(&self.name(), page_start(page))(fault))
    }

    fn search(&self, key: &[u8], page: usize, bytes: &[u8; PAGE]) -> Option<(u64, Place)> {
        let (mut low, mut high) = (0, self.entries_of(page));
        while low < high {
            let middle = usize::midpoint(low, high);
            let (found, place) = self.entry(bytes, middle);
            match found.cmp(key) {
                std::cmp::Ordering::Equal => return Some((self.ordinal_of(page, middle), place)),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }

    fn ordinal_of(&self, page: usize, index: usize) -> u64 {
        (page * per_page(self.key_length) + index) as u64
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

pub(super) struct Header {
    pub(super) number: u32,
    pub(super) key_length: u32,
    pub(super) pages: u32,
    pub(super) entries: u64,
    pub(super) filter_length: u32,
    pub(super) firsts: u32,
    pub(super) filter: u32,
}

impl Header {
    pub(super) fn encode(&self) -> [u8; HEADER] {
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

fn word_of(ordinal: u64) -> usize {
    usize::try_from(ordinal / 64).unwrap_or(usize::MAX)
}

pub(super) const fn per_page(key_length: usize) -> usize {
    PAGE_ENTRIES / (key_length + PLACE)
}

const fn page_start(page: usize) -> u64 {
    (HEADER + page * PAGE) as u64
}

pub(super) fn page_checksum(run: u32, page: usize, entries: &[u8]) -> u32 {
    let page = u32::try_from(page).unwrap_or(u32::MAX);
    checksum(&[&run.to_le_bytes(), &page.to_le_bytes(), entries])
}
