//! A batch: what was written to a segment at once.
//!
//! | at | bytes | what |
//! |---|---|---|
//! | 0 | 4 | `RmBt` |
//! | 4 | 2 | version: 1 |
//! | 6 | 2 | zero |
//! | 8 | 8 | salt of the segment |
//! | 16 | 8 | number of the batch: one more than that of the batch before, across segments |
//! | 24 | 4 | length of what follows this header: a multiple of 8 |
//! | 28 | 4 | checksum of the headers of its records, keys included, one after the other |
//! | 32 | 8 | `durable_end`: everything before this place of the segment was known to be durable when the batch was formed |
//! | 40 | 4 | the checksum at 60 of the batch before; of the segment's header in the first one |
//! | 44 | 16 | zero |
//! | 60 | 4 | checksum of the 60 bytes before |
//!
//! [Records](super::record) follow, and zeros up to a multiple of 8 bytes.
//!
//! A batch is *valid* if its header and all its records are, and if it names the batch before. So a
//! batch vouches for everything before it in the segment: records by their checksums, these by that
//! of the batch, batches by the chain. A header of zeros ends the log.
//!
//! The salt is random and never leaves the directory. It keeps bytes that some other file left on the
//! disk from being taken for batches.

use super::{Fault, Reader, VERSION, check_version, checksum};

const MAGIC: &[u8; 4] = b"RmBt";

/// What stands at the beginning of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BatchHeader {
    pub(crate) salt: u64,
    pub(crate) number: u64,
    /// In bytes, without this header.
    pub(crate) length: u32,
    /// Of the headers of the records.
    pub(crate) records: u32,
    pub(crate) durable_end: u64,
    /// The checksum of the batch before.
    pub(crate) chain: u32,
}

impl BatchHeader {
    pub(crate) const LENGTH: usize = 64;

    /// Batches begin at multiples of this, in bytes.
    pub(crate) const ALIGNMENT: usize = 8;

    /// The most bytes that follow a header: a full buffer, the largest block and the largest change.
    pub(crate) const BODY_BYTES_MAX: u32 = 128 << 20;

    pub(crate) fn encode(&self) -> [u8; Self::LENGTH] {
        let mut bytes = [0; Self::LENGTH];
        bytes[..4].copy_from_slice(MAGIC);
        bytes[4..6].copy_from_slice(&VERSION.to_le_bytes()[..2]);
        bytes[8..16].copy_from_slice(&self.salt.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.number.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.length.to_le_bytes());
        bytes[28..32].copy_from_slice(&self.records.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.durable_end.to_le_bytes());
        bytes[40..44].copy_from_slice(&self.chain.to_le_bytes());
        let sum = checksum(&[&bytes[..60]]);
        bytes[60..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// Returns the header and its checksum.
    pub(crate) fn decode(bytes: &[u8; Self::LENGTH]) -> Result<(Self, u32), Fault> {
        let mut reader = Reader::new(bytes);
        if reader.array()? != *MAGIC {
            return Err(Fault::Damaged("it does not begin as a batch does"));
        }
        let sum = Reader::new(&bytes[60..]).u32()?;
        if checksum(&[&bytes[..60]]) != sum {
            return Err(Fault::Damaged("the checksum of the header of a batch is wrong"));
        }
        check_version(reader.u16()?.into())?;
        reader.zeros(2)?;
        let (salt, number, length) = (reader.u64()?, reader.u64()?, reader.u32()?);
        let (records, durable_end, chain) = (reader.u32()?, reader.u64()?, reader.u32()?);
        reader.zeros(16)?;
        if length > Self::BODY_BYTES_MAX || !(length as usize).is_multiple_of(Self::ALIGNMENT) {
            return Err(Fault::Damaged("the length of a batch cannot be"));
        }
        Ok((Self { salt, number, length, records, durable_end, chain }, sum))
    }
}
