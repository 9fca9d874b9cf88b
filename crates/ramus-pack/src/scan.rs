//! Reads a segment from its beginning: what is valid in it, and how far it is known to have been
//! durable.
//!
//! *V* is the end of the longest valid chain of batches. *D* is the largest `durable_end` that anything
//! tells of: the manifest, `head`, and every header of a batch of this segment that is found after V by
//! looking at each place where one may begin. If D lies beyond V, bytes that were acknowledged are
//! damaged. If not, what follows V is a torn tail that nobody was promised.
//!
//! (What cannot be told from a torn tail: damage in the last batches, if `head` was lost as well and no
//! later header tells of them.)

use std::sync::Arc;

use ramus_core::Hash;

use crate::disk::{DiskFile, read_exact_at};
use crate::error::{PackError, PackResult};
use crate::format::batch::BatchHeader;
use crate::format::change::{self, RefChange};
use crate::format::manifest::FileKind;
use crate::format::record::{Kind, RecordHeader};
use crate::format::segment::SegmentHeader;
use crate::format::{Fault, Reader};
use crate::index::{Place, Places};

/// What is valid in a segment.
#[derive(Debug)]
pub(crate) struct Scan<H: Hash> {
    pub(crate) header: SegmentHeader,
    pub(crate) places: Places<H>,
    pub(crate) changes: Vec<Arc<RefChange<H>>>,
    /// V: where the last valid batch ends.
    pub(crate) end: u64,
    /// What the batch after it would name.
    pub(crate) chain: u32,
    pub(crate) next_batch: u64,
    /// Why the batch at `end` is not valid; nothing if there are zeros or the end of the file.
    pub(crate) fault: Option<Fault>,
    /// The largest `durable_end` of a header that was looked for; 0 if there is none.
    pub(crate) evidence: u64,
    /// Everything after V is zero.
    pub(crate) zeros_follow: bool,
    pub(crate) size: u64,
}

/// Reads the segment of this number.
///
/// # Errors
///
/// If its header or something in a valid batch is not what it has to be, or it cannot be read.
pub(crate) fn scan<H: Hash>(file: &dyn DiskFile, number: u32) -> PackResult<Scan<H>> {
    let mut scan = Scan::begin(file, number)?;
    scan.advance(file, u64::MAX)?;
    let name = FileKind::Segment.file_name(number);
    scan.look_beyond(file).map_err(PackError::io(format!("read {name}")))?;
    Ok(scan)
}

/// What a batch holds whose records are sound.
struct Batch<H: Hash> {
    /// What the next batch names.
    sum: u32,
    /// Where it ends.
    end: u64,
    places: Vec<(H, Place)>,
    changes: Vec<Arc<RefChange<H>>>,
    /// What is wrong with the first record that is sound and cannot be.
    fault: Option<Fault>,
}

impl<H: Hash> Scan<H> {
    /// Reads the header of a segment, and nothing else.
    pub(crate) fn begin(file: &dyn DiskFile, number: u32) -> PackResult<Self> {
        let name = FileKind::Segment.file_name(number);
        let failed = || PackError::io(format!("read {name}"));
        let size = file.size().map_err(failed())?;
        let mut bytes = [0; SegmentHeader::LENGTH];
        read_exact_at(file, &mut bytes, 0).map_err(failed())?;
        let header = SegmentHeader::decode(&bytes).map_err(PackError::fault(&name, 0))?;
        if header.number != number {
            let fault = Fault::Damaged("its header is that of another segment");
            return Err(PackError::fault(&name, 0)(fault));
        }
        Ok(Self {
            header,
            places: Places::default(),
            changes: Vec::new(),
            end: SegmentHeader::LENGTH as u64,
            chain: header.chain(),
            next_batch: header.first_batch,
            fault: None,
            evidence: 0,
            zeros_follow: true,
            size,
        })
    }

    /// Reads the batches that follow, as far as they are valid and end before this place.
    pub(crate) fn advance(&mut self, file: &dyn DiskFile, limit: u64) -> PackResult<()> {
        let name = FileKind::Segment.file_name(self.header.number);
        let failed = || PackError::io(format!("read {name}"));
        self.size = file.size().map_err(failed())?.min(limit);
        self.fault = None;
        while let Some(batch) = self.next_batch(file).map_err(failed())? {
            self.take(batch).map_err(PackError::fault(&name, self.end))?;
        }
        match self.fault {
            Some(later @ Fault::Later(_)) => Err(PackError::fault(&name, self.end)(later)),
            _ => Ok(()),
        }
    }

    /// Returns what is wrong where the valid batches end, if more should be valid.
    pub(crate) fn damage(&self) -> PackError {
        let name = FileKind::Segment.file_name(self.header.number);
        let fault = match self.fault {
            Some(damaged @ Fault::Damaged(_)) => damaged,
            Some(Fault::Later(_) | Fault::NeedsZstd) => {
                Fault::Damaged("a batch is not what was written")
            }
            None => Fault::Damaged("it ends too early"),
        };
        PackError::fault(&name, self.end)(fault)
    }

    /// Returns the batch at the end, if it is valid.
    fn next_batch(&mut self, file: &dyn DiskFile) -> std::io::Result<Option<Batch<H>>> {
        let mut bytes = [0; BatchHeader::LENGTH];
        let body = self.end + bytes.len() as u64;
        if body > self.size {
            return Ok(None);
        }
        read_exact_at(file, &mut bytes, self.end)?;
        if bytes.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let header = BatchHeader::decode(&bytes).and_then(|(header, sum)| {
            let next = (self.header.salt, self.next_batch, self.chain);
            if (header.salt, header.number, header.chain) != next {
                return Err(Fault::Damaged("a batch does not follow the one before"));
            }
            if body + u64::from(header.length) > self.size {
                return Err(Fault::Damaged("the file ends within a batch"));
            }
            Ok((header, sum))
        });
        let (header, sum) = match header {
            Ok(header) => header,
            Err(fault) => {
                self.fault = Some(fault);
                return Ok(None);
            }
        };
        let mut bytes = vec![0; header.length as usize];
        read_exact_at(file, &mut bytes, body)?;
        match self.parse(body, &bytes, header.records) {
            Ok(batch) => Ok(Some(Batch { sum, ..batch })),
            Err(fault) => {
                self.fault = Some(fault);
                Ok(None)
            }
        }
    }

    /// Reads the records of a batch, which begin here, and of whose headers this is the checksum.
    fn parse(&self, start: u64, bytes: &[u8], sum: u32) -> Result<Batch<H>, Fault> {
        let end = start + bytes.len() as u64;
        let (places, changes) = (Vec::new(), Vec::new());
        let mut batch = Batch { sum: 0, end, places, changes, fault: None };
        let mut headers = crc32fast::Hasher::new();
        for record in records(bytes, H::LENGTH) {
            let record = record?;
            headers.update(record.header_in(bytes));
            // It counts only if the batch does.
            if let Err(fault) = self.add(&mut batch, start, &record) {
                batch.fault.get_or_insert(fault);
            }
        }
        if headers.finalize() == sum { Ok(batch) } else { Err(RECORDS) }
    }

    fn add(&self, batch: &mut Batch<H>, start: u64, record: &Record<'_>) -> Result<(), Fault> {
        let Record { at, header, key, body } = *record;
        match header.kind {
            Kind::Block => {
                let key = H::from_bytes(key).map_err(|_| Fault::Damaged("a malformed name"))?;
                let offset = u32::try_from(start + at as u64)
                    .map_err(|_| Fault::Damaged("a segment is longer than 4 GiB"))?;
                let (segment, length) = (self.header.number, header.length);
                batch.places.push((key, Place { segment, offset, length }));
            }
            Kind::Change => {
                let change = change::decode(body, self.header.after.incarnation)?;
                batch.changes.push(Arc::new(change));
            }
            Kind::Void => {}
        }
        Ok(())
    }

    /// Takes what a valid batch holds.
    fn take(&mut self, batch: Batch<H>) -> Result<(), Fault> {
        let Batch { sum, end, places, changes, fault } = batch;
        if let Some(fault) = fault {
            return Err(fault);
        }
        self.places.extend(places);
        self.changes.extend(changes);
        self.end = end;
        self.chain = sum;
        self.next_batch += 1;
        Ok(())
    }

    /// Looks for headers after the batches that were read.
    pub(crate) fn look_beyond(&mut self, file: &dyn DiskFile) -> std::io::Result<()> {
        const STEP: usize = 1 << 20;
        let mut window = vec![0; STEP + BatchHeader::LENGTH];
        let mut at = self.end;
        while at < self.size {
            let left = usize::try_from(self.size - at).unwrap_or(usize::MAX);
            let length = left.min(window.len());
            let bytes = &mut window[..length];
            read_exact_at(file, bytes, at)?;
            self.zeros_follow &= bytes.iter().all(|byte| *byte == 0);
            for place in (0..length.min(STEP)).step_by(BatchHeader::ALIGNMENT) {
                let header = bytes[place..].first_chunk().map(BatchHeader::decode);
                if let Some(Ok((header, _))) = header
                    && header.salt == self.header.salt
                {
                    self.evidence = self.evidence.max(header.durable_end);
                }
            }
            at += STEP as u64;
        }
        Ok(())
    }
}

/// A record in a batch.
#[derive(Debug)]
pub(crate) struct Record<'a> {
    /// Where its header begins, after that of the batch.
    pub(crate) at: usize,
    pub(crate) header: RecordHeader,
    pub(crate) key: &'a [u8],
    pub(crate) body: &'a [u8],
}

impl Record<'_> {
    /// Returns its header and its key, in the bytes of the batch.
    fn header_in<'a>(&self, batch: &'a [u8]) -> &'a [u8] {
        &batch[self.at..self.at + RecordHeader::LENGTH + self.key.len()]
    }
}

/// Returns the records of the body of a batch; nothing after one that is broken.
pub(crate) fn records(
    bytes: &[u8],
    key_length: usize,
) -> impl Iterator<Item = Result<Record<'_>, Fault>> {
    let mut reader = Reader::new(bytes);
    let mut broken = false;
    std::iter::from_fn(move || {
        if broken || (reader.rest().len() < BatchHeader::ALIGNMENT && reader.only_zeros()) {
            return None;
        }
        let record = take_record(bytes.len(), &mut reader, key_length);
        broken = record.is_err();
        Some(record)
    })
}

fn take_record<'a>(
    length: usize,
    reader: &mut Reader<'a>,
    key_length: usize,
) -> Result<Record<'a>, Fault> {
    let at = length - reader.rest().len();
    let (header, key) = RecordHeader::take(reader, key_length)?;
    let body = reader.take(header.length as usize)?;
    header.check(body)?;
    Ok(Record { at, header, key, body })
}

/// Refuses records that are not those of the batch.
pub(crate) fn check_records(bytes: &[u8], sum: u32, key_length: usize) -> Result<(), Fault> {
    let mut headers = crc32fast::Hasher::new();
    for record in records(bytes, key_length) {
        headers.update(record?.header_in(bytes));
    }
    if headers.finalize() == sum { Ok(()) } else { Err(RECORDS) }
}

const RECORDS: Fault = Fault::Damaged("the checksum of the records of a batch is wrong");
