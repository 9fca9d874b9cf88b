//! A record: one block or one change in a batch.
//!
//! | at | bytes | what |
//! |---|---|---|
//! | 0 | 1 | kind: 1 a block, 2 a change, 3 void |
//! | 1 | 1 | flags: 0, the body is stored as it is; 1, of a block, it is compressed |
//! | 2 | 2 | zero |
//! | 4 | 4 | length of the body |
//! | 8 | 4 | checksum of the body |
//! | 12 | 4 | checksum of the 12 bytes before, and of the key |
//! | 16 | K | of a block: its name, as many bytes as the hash of the repository has |
//! | 16 + K | | the body: of a block its bytes, of a change [its encoding](super::change) |
//!
//! The body of a compressed block is the length of the block, 4 bytes, and a frame of zstd (RFC 8878).
//!
//! A void record says nothing: it was a change that was taken back because the disk was full, before
//! any of its batch was durable.

use super::{Fault, Reader, checksum};

/// What stands before the body of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordHeader {
    pub(crate) kind: Kind,
    pub(crate) stored: Stored,
    /// Of the body, in bytes.
    pub(crate) length: u32,
    /// Of the body.
    pub(crate) body: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Block,
    Change,
    Void,
}

/// How the body is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stored {
    /// As it is.
    Plain,
    /// Compressed.
    Zstd,
}

impl RecordHeader {
    /// Without the key.
    pub(crate) const LENGTH: usize = 16;

    /// Returns the header of a record with this body.
    ///
    /// The body has to be shorter than 4 GiB, as the limits see to.
    pub(crate) fn of(kind: Kind, body: &[u8]) -> Self {
        let length = u32::try_from(body.len()).expect("blocks and changes are limited");
        Self { kind, stored: Stored::Plain, length, body: checksum(&[body]) }
    }

    pub(crate) fn encode(&self, key: &[u8]) -> [u8; Self::LENGTH] {
        let mut bytes = [0; Self::LENGTH];
        bytes[0] = self.kind.code();
        bytes[1] = match self.stored {
            Stored::Plain => 0,
            Stored::Zstd => 1,
        };
        bytes[4..8].copy_from_slice(&self.length.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.body.to_le_bytes());
        let sum = checksum(&[&bytes[..12], key]);
        bytes[12..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// Takes a header and its key, of this many bytes if it is that of a block.
    pub(crate) fn take<'a>(
        reader: &mut Reader<'a>,
        key_length: usize,
    ) -> Result<(Self, &'a [u8]), Fault> {
        let bytes: [u8; Self::LENGTH] = reader.array()?;
        let kind = Kind::of_code(bytes[0])?;
        let key = reader.take(if kind == Kind::Block { key_length } else { 0 })?;
        let mut fields = Reader::new(&bytes[1..]);
        let stored = match (fields.u8()?, kind) {
            (0, _) => Stored::Plain,
            (1, Kind::Block) => Stored::Zstd,
            _ => return Err(Fault::Damaged("the flags of a record are unknown")),
        };
        fields.zeros(2)?;
        let header = Self { kind, stored, length: fields.u32()?, body: fields.u32()? };
        if checksum(&[&bytes[..12], key]) != fields.u32()? {
            return Err(Fault::Damaged("the checksum of the header of a record is wrong"));
        }
        Ok((header, key))
    }

    /// Refuses a body that is not the one of the header.
    pub(crate) fn check(&self, body: &[u8]) -> Result<(), Fault> {
        if checksum(&[body]) == self.body {
            Ok(())
        } else {
            Err(Fault::Damaged("the checksum of the body of a record is wrong"))
        }
    }
}

impl Kind {
    const fn code(self) -> u8 {
        match self {
            Self::Block => 1,
            Self::Change => 2,
            Self::Void => 3,
        }
    }

    const fn of_code(code: u8) -> Result<Self, Fault> {
        match code {
            1 => Ok(Self::Block),
            2 => Ok(Self::Change),
            3 => Ok(Self::Void),
            _ => Err(Fault::Damaged("the kind of a record is unknown")),
        }
    }
}
