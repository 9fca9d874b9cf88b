//! The header of a segment: the first 64 bytes of `NNNNNNNN.segment`.
//!
//! | at | bytes | what |
//! |---|---|---|
//! | 0 | 8 | `RamusSeg` |
//! | 8 | 4 | version: 1 |
//! | 12 | 4 | number of the segment, which is also in the name of the file, in hex |
//! | 16 | 8 | salt: random, the same in every batch of the segment |
//! | 24 | 16 | incarnation of the changes in it |
//! | 40 | 8 | number of its first batch |
//! | 48 | 8 | sequence of the last change before it |
//! | 56 | 4 | zero |
//! | 60 | 4 | checksum of the 60 bytes before |
//!
//! Batches follow, one after the other, each at a multiple of 8 bytes; see [`batch`](super::batch).

use ramus_core::{Cursor, Incarnation};

use super::{Fault, Reader, VERSION, check_version, checksum};

const MAGIC: &[u8; 8] = b"RamusSeg";

/// What stands at the beginning of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) number: u32,
    pub(crate) salt: u64,
    pub(crate) first_batch: u64,
    /// The place of the last change before the segment.
    pub(crate) after: Cursor,
}

impl SegmentHeader {
    pub(crate) const LENGTH: usize = 64;

    pub(crate) fn encode(&self) -> [u8; Self::LENGTH] {
        let mut bytes = [0; Self::LENGTH];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.number.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.salt.to_le_bytes());
        bytes[24..40].copy_from_slice(self.after.incarnation.as_bytes());
        bytes[40..48].copy_from_slice(&self.first_batch.to_le_bytes());
        bytes[48..56].copy_from_slice(&self.after.sequence.to_le_bytes());
        let sum = checksum(&[&bytes[..60]]);
        bytes[60..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8; Self::LENGTH]) -> Result<Self, Fault> {
        let mut reader = Reader::new(bytes);
        if reader.array()? != *MAGIC {
            return Err(Fault::Damaged("it does not begin as a segment does"));
        }
        if checksum(&[&bytes[..60]]) != Reader::new(&bytes[60..]).u32()? {
            return Err(Fault::Damaged("the checksum of its header is wrong"));
        }
        check_version(reader.u32()?)?;
        let (number, salt) = (reader.u32()?, reader.u64()?);
        let incarnation = Incarnation::from_bytes(reader.array()?);
        let first_batch = reader.u64()?;
        let after = Cursor { incarnation, sequence: reader.u64()? };
        reader.zeros(4)?;
        Ok(Self { number, salt, first_batch, after })
    }

    /// Returns the checksum that the first batch names as that of the batch before.
    pub(crate) fn chain(&self) -> u32 {
        let bytes = self.encode();
        checksum(&[&bytes[..60]])
    }
}
