//! Reads of a segment whatever is sound, also behind damage.
//!
//! Up to the end of the valid chain of batches (V) it reads as an opening does. If something tells that more
//! was durable (D > V), what follows is damaged, and is read in three ways:
//!
//! - A batch whose header is sound, of this segment and of a higher number than all before, has a length. Its
//!   records are taken one after the other; one whose body is not sound is left out.
//! - Where the header of a batch is not sound, records may follow it all the same, up to the next batch.
//! - Behind a record whose header is not sound, blocks are looked for at every byte.
//!
//! A block counts if its checksums are right and its bytes give its name, so it does not matter how it was
//! found. A change counts only if all records before it in its batch could be read: what a block holds may
//! look like a change.

use std::sync::Arc;

use bytes::Bytes;
use ramus_core::{Hash, Incarnation};

use super::report::Damage;
use super::sums::Sums;
use crate::compression::decode;
use crate::disk::{DiskFile, read_exact_at};
use crate::error::{PackError, PackResult};
use crate::format::batch::BatchHeader;
use crate::format::change::{self, RefChange};
use crate::format::head::Head;
use crate::format::manifest::FileKind;
use crate::format::record::{Kind, RecordHeader};
use crate::format::segment::SegmentHeader;
use crate::format::{Fault, Reader};
use crate::index::Place;
use crate::scan::check_records;

/// What is known of a segment besides its file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Promise {
    pub(super) number: u32,
    /// It is durable up to this place.
    pub(super) end: u64,
    pub(super) head: Option<Head>,
    /// Of changes, if the header of the segment does not say.
    pub(super) incarnation: Incarnation,
}

/// What is sound of a segment.
#[derive(Debug)]
pub(super) struct Salvaged<H: Hash> {
    /// If it is sound, and that of this segment.
    pub(super) header: Option<SegmentHeader>,
    /// The number in its header, if that is sound: of this segment, or of the one that lies in its place.
    pub(super) written_as: Option<u32>,
    pub(super) blocks: Vec<(H, Place)>,
    pub(super) changes: Vec<Arc<RefChange<H>>>,
    /// The names of blocks whose bytes are not sound.
    pub(super) lost: Vec<H>,
    pub(super) damages: Vec<Damage>,
    /// Where the valid batches end, and the number of the one that would follow.
    pub(super) end: u64,
    pub(super) next_batch: u64,
    /// Up to here it is known to be durable.
    pub(super) durable: u64,
    /// After this change, changes may be missing; after any, if it is the largest number.
    pub(super) hole: Option<u64>,
}

pub(super) fn salvage<H: Hash>(file: &dyn DiskFile, promise: Promise) -> PackResult<Salvaged<H>> {
    let name = FileKind::Segment.file_name(promise.number);
    let size = file.size().map_err(PackError::io(format!("read {name}")))?;
    let salvaged = Salvaged {
        header: None,
        written_as: None,
        blocks: Vec::new(),
        changes: Vec::new(),
        lost: Vec::new(),
        damages: Vec::new(),
        end: SegmentHeader::LENGTH as u64,
        next_batch: 1,
        durable: promise.end,
        hole: None,
    };
    let incarnation = promise.incarnation;
    let mut walk = Walk { file, name, size, number: promise.number, incarnation, salvaged };
    walk.run(promise)?;
    Ok(walk.salvaged)
}

struct Walk<'a, H: Hash> {
    file: &'a dyn DiskFile,
    name: String,
    size: u64,
    number: u32,
    incarnation: Incarnation,
    salvaged: Salvaged<H>,
}

impl<H: Hash> Walk<'_, H> {
    fn run(&mut self, promise: Promise) -> PackResult<()> {
        let header = self.header()?;
        let mut fault = Fault::Damaged("it does not begin as a segment does");
        if let Some(header) = &header {
            fault = self.chain(header)?;
            let head = promise.head;
            let head =
                head.filter(|head| (head.segment, head.salt) == (header.number, header.salt));
            self.durable(head.map_or(0, |head| head.durable_end));
        }
        let found = self.headers(self.salvaged.end, header.map(|header| header.salt))?;
        let told = found.iter().map(|(_, header)| header.durable_end).max();
        self.durable(told.unwrap_or(0));
        let durable = self.salvaged.durable;
        if header.is_some() && durable <= self.salvaged.end {
            return Ok(());
        }
        self.beyond(&found, durable, fault)
    }

    /// Reads the header, of this segment or another one.
    fn header(&mut self) -> PackResult<Option<SegmentHeader>> {
        let bytes = self.read(0, SegmentHeader::LENGTH as u64)?;
        let header = bytes.first_chunk().map(SegmentHeader::decode);
        match header.unwrap_or(Err(Fault::Damaged("it ends too early"))) {
            Ok(header) => {
                self.incarnation = header.after.incarnation;
                self.salvaged.written_as = Some(header.number);
                if header.number == self.number {
                    self.salvaged.header = Some(header);
                } else {
                    let fault = Fault::Damaged("its header is that of another segment");
                    self.damage(0, fault)?;
                }
                Ok(Some(header))
            }
            Err(fault) => {
                self.damage(0, fault)?;
                self.hole();
                Ok(None)
            }
        }
    }

    /// Takes the valid batches, and returns why the next one is not.
    fn chain(&mut self, segment: &SegmentHeader) -> PackResult<Fault> {
        let mut chain = segment.chain();
        self.salvaged.next_batch = segment.first_batch;
        loop {
            let at = self.salvaged.end;
            let bytes = self.read(at, BatchHeader::LENGTH as u64)?;
            let Some(bytes) = bytes.first_chunk() else {
                return Ok(Fault::Damaged("it ends too early"));
            };
            let (header, sum) = match BatchHeader::decode(bytes) {
                Ok(decoded) => decoded,
                Err(later @ Fault::Later(_)) => {
                    return Err(PackError::fault(&self.name, at)(later));
                }
                Err(fault) => return Ok(fault),
            };
            let next = (segment.salt, self.salvaged.next_batch, chain);
            if (header.salt, header.number, header.chain) != next {
                return Ok(Fault::Damaged("a batch does not follow the one before"));
            }
            let start = at + BatchHeader::LENGTH as u64;
            let body = self.read(start, header.length.into())?;
            if body.len() < header.length as usize {
                return Ok(Fault::Damaged("the file ends within a batch"));
            }
            if let Err(fault) = check_records(&body, header.records, H::LENGTH) {
                return Ok(fault);
            }
            self.records(start, &body, Some(header.records))?;
            self.durable(header.durable_end);
            self.salvaged.end = start + body.len() as u64;
            self.salvaged.next_batch = header.number + 1;
            chain = sum;
        }
    }

    /// Takes what is sound behind the valid batches, which is damaged up to `durable` or more.
    fn beyond(
        &mut self,
        found: &[(u64, BatchHeader)],
        durable: u64,
        mut fault: Fault,
    ) -> PackResult<()> {
        let (mut at, mut number) = (self.salvaged.end, self.salvaged.next_batch);
        for (start, header) in found {
            // What a block holds may look like a batch.
            if *start < at || header.number < number {
                continue;
            }
            self.region(at, *start, &mut fault)?;
            let body = start + BatchHeader::LENGTH as u64;
            let bytes = self.read(body, header.length.into())?;
            self.records(body, &bytes, Some(header.records))?;
            at = body + bytes.len() as u64;
            number = header.number.saturating_add(1);
        }
        self.region(at, durable.min(self.size), &mut fault)?;
        if durable > self.size {
            self.damage(self.size, Fault::Damaged("it ends too early"))?;
            self.hole();
        }
        Ok(())
    }

    /// Takes what is sound between two batches, where the header of one should be.
    fn region(&mut self, start: u64, end: u64, fault: &mut Fault) -> PackResult<()> {
        /// Of a region that is longer, so much is looked at together.
        const LENGTH_MAX: usize = 256 << 20;
        if start >= end {
            return Ok(());
        }
        self.damage(start, std::mem::replace(fault, NOT_WRITTEN))?;
        let body = start + BatchHeader::LENGTH as u64;
        if body >= end {
            self.hole();
            return Ok(());
        }
        if end - body <= LENGTH_MAX as u64 {
            let bytes = self.read(body, end - body)?;
            return self.records(body, &bytes, None);
        }
        self.hole();
        for at in (body..end).step_by(LENGTH_MAX) {
            let bytes = self.read(at, (end - at).min(LENGTH_MAX as u64))?;
            self.search(at, &bytes, 0)?;
        }
        Ok(())
    }

    /// Takes the records of a batch, of whose headers this is the checksum.
    fn records(&mut self, start: u64, bytes: &[u8], sum: Option<u32>) -> PackResult<()> {
        let mut headers = crc32fast::Hasher::new();
        let mut at = 0;
        loop {
            let mut reader = Reader::new(&bytes[at..]);
            if reader.rest().len() < BatchHeader::ALIGNMENT && reader.only_zeros() {
                break;
            }
            let place = start + at as u64;
            let taken = RecordHeader::take(&mut reader, H::LENGTH)
                .and_then(|(header, key)| Ok((header, key, reader.take(header.length as usize)?)));
            let (header, key, body) = match taken {
                Ok(taken) => taken,
                Err(fault) => {
                    // A batch without a header was told of.
                    if sum.is_some() || at > 0 {
                        self.damage(place, fault)?;
                    }
                    self.hole();
                    return self.search(start, bytes, at + 1);
                }
            };
            let end = bytes.len() - reader.rest().len();
            headers.update(&bytes[at..end - body.len()]);
            match header.kind {
                Kind::Block => self.block(place, &header, key, body)?,
                Kind::Change => self.change(place, &header, body)?,
                Kind::Void => {}
            }
            at = end;
        }
        if sum.is_some_and(|sum| sum != headers.finalize()) {
            self.damage(start, Fault::Damaged("the checksum of the records of a batch is wrong"))?;
            self.hole();
        }
        Ok(())
    }

    /// Looks for blocks from this place on, at every byte.
    fn search(&mut self, start: u64, bytes: &[u8], mut at: usize) -> PackResult<()> {
        let sums = Sums::of(bytes);
        while at < bytes.len() {
            // The kind of a record, and what is zero, rule out nearly every place.
            let begins = matches!(bytes[at..], [1..=3, _, 0, 0, ..]);
            let claim = if begins { claimed::<H>(&bytes[at..]) } else { None };
            let found = claim.filter(|(header, key, body)| {
                let body_at = at + RecordHeader::LENGTH + key.len();
                sums.between(body_at, body_at + body.len()) == header.body
            });
            let Some((header, key, body)) = found else {
                at += 1;
                continue;
            };
            if header.kind == Kind::Block {
                self.block(start + at as u64, &header, key, body)?;
            }
            at += RecordHeader::LENGTH + key.len() + body.len();
        }
        Ok(())
    }

    fn block(&mut self, at: u64, header: &RecordHeader, key: &[u8], body: &[u8]) -> PackResult<()> {
        let Ok(key) = H::from_bytes(key) else { return Ok(()) };
        let block =
            header.check(body).and_then(|()| decode(header.stored, Bytes::copy_from_slice(body)));
        let named = block.and_then(|block| {
            let is_named = H::of(&block) == key;
            is_named.then_some(()).ok_or(Fault::Damaged("a block has not the name of its bytes"))
        });
        let offset = u32::try_from(at).map_err(|_| Fault::Damaged("a segment has over 4 GiB"));
        match named.and(offset) {
            Ok(offset) => {
                let place = Place { segment: self.number, offset, length: header.length };
                self.salvaged.blocks.push((key, place));
            }
            Err(fault) => {
                self.damage(at, fault)?;
                self.salvaged.lost.push(key);
            }
        }
        Ok(())
    }

    fn change(&mut self, at: u64, header: &RecordHeader, body: &[u8]) -> PackResult<()> {
        let change = header.check(body).and_then(|()| change::decode(body, self.incarnation));
        match change {
            Ok(change) => {
                self.salvaged.hole = None;
                self.salvaged.changes.push(Arc::new(change));
            }
            Err(fault) => {
                self.damage(at, fault)?;
                self.hole();
            }
        }
        Ok(())
    }

    /// Notes that changes may be missing here.
    fn hole(&mut self) {
        let last = self.salvaged.changes.last().map(|change| change.cursor.sequence);
        let before = self.salvaged.header.map(|header| header.after.sequence);
        self.salvaged.hole = Some(last.or(before).unwrap_or(u64::MAX));
    }

    /// Notes that it is durable up to this place.
    fn durable(&mut self, end: u64) {
        self.salvaged.durable = self.salvaged.durable.max(end);
    }

    fn damage(&mut self, at: u64, fault: Fault) -> PackResult<()> {
        let damage = Damage::of(&self.name, PackError::fault(&self.name, at)(fault))?;
        self.salvaged.damages.push(damage);
        Ok(())
    }

    /// Returns every header of a batch from this place on, of this salt; of that of the first one if it is
    /// not known.
    fn headers(&self, from: u64, mut salt: Option<u64>) -> PackResult<Vec<(u64, BatchHeader)>> {
        const STEP: usize = 1 << 20;
        let mut found = Vec::new();
        for at in (from..self.size).step_by(STEP) {
            let bytes = self.read(at, (STEP + BatchHeader::LENGTH) as u64)?;
            for place in (0..bytes.len().min(STEP)).step_by(BatchHeader::ALIGNMENT) {
                let header = bytes[place..].first_chunk().map(BatchHeader::decode);
                if let Some(Ok((header, _))) = header
                    && *salt.get_or_insert(header.salt) == header.salt
                {
                    found.push((at + place as u64, header));
                }
            }
        }
        Ok(found)
    }

    /// Reads so many bytes, or fewer at the end of the file.
    fn read(&self, at: u64, length: u64) -> PackResult<Vec<u8>> {
        let failed = || PackError::io(format!("read {}", self.name));
        let length = self.size.saturating_sub(at).min(length);
        let length = usize::try_from(length).map_err(std::io::Error::other).map_err(failed())?;
        let mut bytes = vec![0; length];
        read_exact_at(self.file, &mut bytes, at).map_err(failed())?;
        Ok(bytes)
    }
}

/// Returns the header, the key and the body of the record that begins here, if the header is sound and there
/// are as many bytes as it says; whether these are the body is not looked at.
fn claimed<H: Hash>(bytes: &[u8]) -> Option<(RecordHeader, &[u8], &[u8])> {
    let mut reader = Reader::new(bytes);
    let (header, key) = RecordHeader::take(&mut reader, H::LENGTH).ok()?;
    let body = reader.take(header.length as usize).ok()?;
    Some((header, key, body))
}

const NOT_WRITTEN: Fault = Fault::Damaged("it is not what was written");
