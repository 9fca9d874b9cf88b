use std::sync::Arc;

use crc32fast::Hasher;

use super::buffer::Buffer;
use crate::format::batch::BatchHeader;
use crate::format::record::{Kind, RecordHeader};
use crate::format::{Reader, checksum};
use crate::scan::records;

/// So much room is kept for the next batch, in bytes: that of a full buffer, which grows by doubling.
const SPARE_BYTES_MAX: usize = 16 << 20;
/// So much room is kept while there is nothing to write, in bytes.
const RESTING_BYTES_MAX: usize = 256 << 10;

/// The end of the log that is not in the file yet: the open batch, and the one that is being written.
#[derive(Debug)]
pub(crate) struct Tail {
    /// The segment of the open batch.
    segment: u32,
    /// Where the open batch begins in it.
    start: u64,
    /// The number of the open batch.
    number: u64,
    /// Space for its header, and its records; empty if it has none.
    bytes: Buffer,
    /// The checksum of the headers of its records.
    headers: Hasher,
    flight: Option<Flight>,
    /// Room for the next batch, left by one before: fresh memory has to be cleared by the system first,
    /// which takes as long as the copy into it.
    spare: Buffer,
}

/// A batch that is being written.
#[derive(Clone, Debug)]
pub(crate) struct Flight {
    pub(crate) segment: u32,
    pub(crate) start: u64,
    pub(crate) number: u64,
    pub(crate) bytes: Arc<Buffer>,
}

/// What of the header of a batch the writer knows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    pub(crate) salt: u64,
    pub(crate) chain: u32,
    pub(crate) durable_end: u64,
}

impl Tail {
    pub(crate) fn new(segment: u32, start: u64, number: u64) -> Self {
        let (bytes, headers, spare) = (Buffer::default(), Hasher::new(), Buffer::default());
        Self { segment, start, number, bytes, headers, flight: None, spare }
    }

    pub(crate) const fn segment(&self) -> u32 {
        self.segment
    }

    /// Returns the number of the last batch that has a record.
    pub(crate) const fn last_number(&self) -> u64 {
        if self.bytes.is_empty() { self.number - 1 } else { self.number }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Returns how many bytes the open batch has.
    pub(crate) const fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) const fn start(&self) -> u64 {
        self.start
    }

    pub(crate) const fn flight(&self) -> Option<&Flight> {
        self.flight.as_ref()
    }

    /// Returns where the next record will lie in the segment.
    pub(crate) fn next_offset(&self) -> u32 {
        let offset = self.start + self.bytes.len().max(BatchHeader::LENGTH) as u64;
        u32::try_from(offset).expect("a segment and a batch are shorter than 4 GiB")
    }

    /// Appends a record and returns where it lies in the segment.
    pub(crate) fn push(&mut self, header: &[u8], key: &[u8], body: &[u8]) -> u32 {
        let offset = self.next_offset();
        self.leave_room_for_header();
        self.headers.update(header);
        self.headers.update(key);
        for part in [header, key, body] {
            self.bytes.extend(part);
        }
        offset
    }

    /// Appends a record that was copied before, as [`Tail::push`] does: what the open batch has is copied in front of
    /// it, if there is room for it.
    pub(crate) fn push_copied(&mut self, header: &[u8], key: &[u8], mut record: Buffer) -> u32 {
        let offset = self.next_offset();
        self.leave_room_for_header();
        self.headers.update(header);
        self.headers.update(key);
        if record.put_before(&self.bytes) {
            self.bytes = record;
        } else {
            self.bytes.extend(&record);
        }
        offset
    }

    fn leave_room_for_header(&mut self) {
        if self.bytes.is_empty() {
            self.bytes.pad(BatchHeader::LENGTH);
        }
    }

    /// Ends the open batch and returns it; the next one begins where it ends.
    pub(crate) fn take(&mut self, link: Link) -> Flight {
        let spare = std::mem::take(&mut self.spare);
        let mut bytes = std::mem::replace(&mut self.bytes, spare);
        bytes.pad(bytes.len().next_multiple_of(BatchHeader::ALIGNMENT));
        let length = bytes.len() - BatchHeader::LENGTH;
        assert!(length <= BatchHeader::BODY_BYTES_MAX as usize, "nothing is added to a full batch");
        let Link { salt, chain, durable_end } = link;
        let header = BatchHeader {
            salt,
            number: self.number,
            length: u32::try_from(length).expect("a batch is shorter than 4 GiB"),
            records: std::mem::take(&mut self.headers).finalize(),
            durable_end,
            chain,
        };
        bytes[..BatchHeader::LENGTH].copy_from_slice(&header.encode());
        let (segment, start, number) = (self.segment, self.start, self.number);
        let flight = Flight { segment, start, number, bytes: Arc::new(bytes) };
        self.start = flight.end();
        self.number += 1;
        self.flight = Some(flight.clone());
        flight
    }

    /// Lets the open batch, which is empty, be the first of a new segment.
    pub(crate) fn begin_segment(&mut self, segment: u32, start: u64) {
        debug_assert!(self.bytes.is_empty(), "no record changes its segment");
        (self.segment, self.start) = (segment, start);
    }

    /// The batch that was being written is in its file. Returns what nobody needs of it any more: to give back much
    /// memory takes long, and is not done under the lock.
    #[must_use]
    pub(crate) fn landed(&mut self, flight: Flight) -> Buffer {
        self.flight = None;
        // Nobody else has it: readers copy what they need under the lock.
        match Arc::try_unwrap(flight.bytes) {
            Ok(mut bytes) if bytes.capacity() <= SPARE_BYTES_MAX => {
                bytes.clear();
                std::mem::replace(&mut self.spare, bytes)
            }
            Ok(bytes) => bytes,
            Err(_) => Buffer::default(),
        }
    }

    /// Gives back the room that a store does not need which has nothing to write.
    pub(crate) fn rest(&mut self) {
        if self.spare.capacity() > RESTING_BYTES_MAX {
            self.spare = Buffer::default();
        }
    }

    /// Returns so many bytes of the segment, if they are not in the file yet.
    pub(crate) fn read(&self, segment: u32, offset: u64, length: usize) -> Option<Vec<u8>> {
        let open = (self.segment, self.start, &*self.bytes);
        let flight =
            self.flight.as_ref().map(|flight| (flight.segment, flight.start, &**flight.bytes));
        [Some(open), flight].into_iter().flatten().find_map(|(of, start, bytes)| {
            let at = usize::try_from(offset.checked_sub(start)?).ok()?;
            let end = at.checked_add(length)?;
            (of == segment).then(|| bytes.get(at..end))?.map(<[u8]>::to_vec)
        })
    }

    /// Returns whether a block is not in the file.
    pub(crate) fn holds_block(&self, key_length: usize) -> bool {
        let flight = self.flight.iter().map(|flight| &**flight.bytes);
        let mut batches = flight.chain([&*self.bytes]).filter(|batch| !batch.is_empty());
        batches.any(|batch| {
            let mut records = records(&batch[BatchHeader::LENGTH..], key_length);
            records.any(|record| record.is_ok_and(|record| record.header.kind == Kind::Block))
        })
    }

    /// Makes every change that is not in the file void.
    pub(crate) fn void_changes(&mut self, key_length: usize) {
        if !self.bytes.is_empty() {
            self.headers = void_changes(&mut self.bytes, key_length);
        }
        if let Some(flight) = &mut self.flight {
            let mut bytes = flight.bytes.to_vec();
            let records = void_changes(&mut bytes, key_length).finalize();
            let header = bytes.first_chunk().map(BatchHeader::decode);
            if let Some(Ok((header, _))) = header {
                let header = BatchHeader { records, ..header };
                bytes[..BatchHeader::LENGTH].copy_from_slice(&header.encode());
            }
            flight.bytes = Arc::new(bytes.into());
        }
    }
}

impl Flight {
    /// Returns where the batch ends in the segment.
    pub(crate) fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }

    /// Returns the checksum that the next batch names.
    pub(crate) fn chain(&self) -> u32 {
        checksum(&[&self.bytes[..BatchHeader::LENGTH - 4]])
    }
}

/// Makes the changes of a batch void, and returns the checksum of the headers of its records.
fn void_changes(batch: &mut [u8], key_length: usize) -> Hasher {
    let mut headers = Hasher::new();
    let mut at = BatchHeader::LENGTH;
    while let Ok((header, key)) = RecordHeader::take(&mut Reader::new(&batch[at..]), key_length) {
        let key = key.len();
        if header.kind == Kind::Change {
            let void = RecordHeader { kind: Kind::Void, ..header }.encode(&[]);
            batch[at..at + RecordHeader::LENGTH].copy_from_slice(&void);
        }
        let body = at + RecordHeader::LENGTH + key;
        headers.update(&batch[at..body]);
        at = body + header.length as usize;
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Appends these records, which have no keys, and returns the batch; those of so many bytes are copied before.
    fn batch(records: &[Vec<u8>], copied_from: usize) -> Vec<u8> {
        let mut tail = Tail::new(7, 64, 1);
        for record in records {
            let header = RecordHeader::of(Kind::Block, record).encode(&[]);
            let expected = tail.next_offset();
            let offset = if record.len() < copied_from {
                tail.push(&header, &[], record)
            } else {
                let copy = Buffer::of_record([&header, &[], record]);
                let (at, has_room) = (copy.as_ptr(), tail.len() <= Buffer::ROOM_BYTES);
                let offset = tail.push_copied(&header, &[], copy);
                let bytes = tail.bytes.as_ptr_range();
                assert_eq!(bytes.contains(&at), has_room, "it is not copied again");
                offset
            };
            assert_eq!(offset, expected);
            let (at, length) = (u64::from(offset) + RecordHeader::LENGTH as u64, record.len());
            assert_eq!(tail.read(7, at, length).as_ref(), Some(record));
        }
        tail.take(Link { salt: 1, chain: 2, durable_end: 64 }).bytes.to_vec()
    }

    #[test]
    fn a_record_that_was_copied_before_lies_where_it_would_lie() {
        let records = |lengths: &[usize]| -> Vec<Vec<u8>> {
            lengths.iter().zip(1..).map(|(length, byte)| vec![byte; *length]).collect()
        };
        // The last one finds no room before it.
        let much = Buffer::ROOM_BYTES;
        for lengths in
            [&[9000][..], &[10, 9000], &[9000, 10], &[10, 9000, 9001, 10], &[10, much, 9000, 10]]
        {
            let records = records(lengths);
            assert_eq!(batch(&records, 9000), batch(&records, usize::MAX), "{lengths:?}");
        }
    }
}
