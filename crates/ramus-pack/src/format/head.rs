//! The file `head`: how far the active segment is known to be durable. 32 bytes, written in place after
//! each sync and never synced itself, so it may be late, and may be torn; then it says nothing.
//!
//! | at | bytes | what |
//! |---|---|---|
//! | 0 | 4 | `RmHd` |
//! | 4 | 4 | number of the segment |
//! | 8 | 8 | salt of the segment |
//! | 16 | 8 | everything before this place of it is durable |
//! | 24 | 4 | zero |
//! | 28 | 4 | checksum of the 28 bytes before |

use super::{Fault, Reader, checksum};

const MAGIC: &[u8; 4] = b"RmHd";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) segment: u32,
    pub(crate) salt: u64,
    pub(crate) durable_end: u64,
}

impl Head {
    pub(crate) const LENGTH: usize = 32;

    pub(crate) fn encode(&self) -> [u8; Self::LENGTH] {
        let mut bytes = [0; Self::LENGTH];
        bytes[..4].copy_from_slice(MAGIC);
        bytes[4..8].copy_from_slice(&self.segment.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.salt.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.durable_end.to_le_bytes());
        let sum = checksum(&[&bytes[..28]]);
        bytes[28..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8; Self::LENGTH]) -> Result<Self, Fault> {
        let mut reader = Reader::new(bytes);
        let magic: [u8; 4] = reader.array()?;
        let head = Self { segment: reader.u32()?, salt: reader.u64()?, durable_end: reader.u64()? };
        reader.zeros(4)?;
        if magic != *MAGIC || reader.u32()? != checksum(&[&bytes[..28]]) {
            return Err(Fault::Damaged("it is torn"));
        }
        Ok(head)
    }
}
