use bytes::Bytes;
use ramus_core::{Error, Hash, Result};

use super::item::{Body, Child, Entry, Held};
use super::{INLINE_MAX, METADATA_MAX};

/// The kinds of an entry, as they are written.
pub(super) mod kind {
    pub(in crate::directory) const BLOCK: u8 = 0x01;
    pub(in crate::directory) const DIRECTORY: u8 = 0x02;
    pub(in crate::directory) const INLINE: u8 = 0x03;
    pub(in crate::directory) const CONFLICT: u8 = 0x04;
}

/// Takes parts of a block; what is missing or malformed is an error.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
}

/// The body of an item, as it lies in its block.
pub(super) enum RawBody<'a, H> {
    Block { metadata: &'a [u8], hash: H },
    Inline { metadata: &'a [u8], value: &'a [u8] },
    Directory { hash: H },
    Conflict { hash: H },
    Child(Child<H>),
}

// None of these is generic, so those that are called for each item say that they may be inlined elsewhere.
impl<'a> Reader<'a> {
    #[inline]
    pub(super) fn new(bytes: &'a [u8], position: usize) -> Self {
        Self { bytes, position }
    }

    #[inline]
    pub(super) fn position(&self) -> usize {
        self.position
    }

    /// Takes the body of an item of a level.
    pub(super) fn body<H: Hash>(&mut self, level: u8) -> Result<RawBody<'a, H>> {
        if level > 0 {
            let (hash, count, weight) = (self.hash()?, self.varint()?, self.varint()?);
            if count == 0 {
                return Err(Error::corrupt("a child of an index block has no entries"));
            }
            return Ok(RawBody::Child(Child { hash, count, weight }));
        }
        Ok(match self.byte()? {
            kind::BLOCK => RawBody::Block { metadata: self.metadata()?, hash: self.hash()? },
            kind::INLINE => {
                let (metadata, value) = (self.metadata()?, self.bytes()?);
                if value.len() > INLINE_MAX {
                    return Err(Error::corrupt("contents that are too long stand in their entry"));
                }
                RawBody::Inline { metadata, value }
            }
            kind::DIRECTORY => RawBody::Directory { hash: self.hash()? },
            kind::CONFLICT => RawBody::Conflict { hash: self.hash()? },
            other => return Err(Error::corrupt(format!("there is no entry of kind {other}"))),
        })
    }

    /// Goes on behind a body, without a look at what was checked when the block was decoded.
    pub(super) fn skip_body<H: Hash>(&mut self, level: u8) -> Result<()> {
        if level > 0 {
            self.take(H::LENGTH)?;
            self.varint()?;
            return self.varint().map(drop);
        }
        match self.byte()? {
            kind::DIRECTORY | kind::CONFLICT => self.take(H::LENGTH).map(drop),
            kind::INLINE => {
                self.bytes()?;
                self.bytes().map(drop)
            }
            _ => {
                self.bytes()?;
                self.take(H::LENGTH).map(drop)
            }
        }
    }

    #[inline]
    pub(super) fn varint(&mut self) -> Result<u64> {
        // Most numbers are lengths below 128.
        match self.bytes.get(self.position) {
            Some(byte) if byte & 0x80 == 0 => {
                self.position += 1;
                Ok(u64::from(*byte))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64> {
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte()?;
            let group = u64::from(byte & 0x7f);
            if group << shift >> shift != group {
                return Err(too_large());
            }
            if byte == 0 && shift > 0 {
                return Err(Error::corrupt("a number of the block is not in its shortest form"));
            }
            number |= group << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(too_large())
    }

    /// Takes a length, and as many bytes.
    #[inline]
    pub(super) fn bytes(&mut self) -> Result<&'a [u8]> {
        let length = usize::try_from(self.varint()?).map_err(|_| too_short())?;
        self.take(length)
    }

    fn metadata(&mut self) -> Result<&'a [u8]> {
        let metadata = self.bytes()?;
        if metadata.len() > METADATA_MAX {
            return Err(Error::corrupt("the metadata of an entry are too long"));
        }
        Ok(metadata)
    }

    fn hash<H: Hash>(&mut self) -> Result<H> {
        H::from_bytes(self.take(H::LENGTH)?)
    }

    #[inline]
    fn byte(&mut self) -> Result<u8> {
        let byte = self.bytes.get(self.position).ok_or_else(too_short)?;
        self.position += 1;
        Ok(*byte)
    }

    #[inline]
    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let rest = self.bytes.get(self.position..).ok_or_else(too_short)?;
        let taken = rest.get(..length).ok_or_else(too_short)?;
        self.position += length;
        Ok(taken)
    }
}

impl<H> RawBody<'_, H> {
    /// Returns whether this names a block of a directory.
    pub(super) fn is_link(&self) -> bool {
        matches!(self, Self::Child(_) | Self::Directory { .. })
    }

    /// Returns how many entries of the directory this stands for.
    pub(super) fn count(&self) -> u64 {
        match self {
            Self::Child(child) => child.count,
            Self::Block { .. }
            | Self::Inline { .. }
            | Self::Directory { .. }
            | Self::Conflict { .. } => 1,
        }
    }

    /// Returns the body, which shares the bytes of the block that it lies in.
    pub(super) fn into_body(self, block: &Bytes) -> Body<H> {
        let shared = |part: &[u8]| block.slice_ref(part);
        match self {
            Self::Block { metadata, hash } => {
                let held = Held::Block(hash);
                Body::Entry(Entry::Contents { held, metadata: shared(metadata) })
            }
            Self::Inline { metadata, value } => {
                let held = Held::Inline(shared(value));
                Body::Entry(Entry::Contents { held, metadata: shared(metadata) })
            }
            Self::Directory { hash } => Body::Entry(Entry::Directory { hash }),
            Self::Conflict { hash } => Body::Entry(Entry::Conflict { hash }),
            Self::Child(child) => Body::Child(child),
        }
    }
}

fn too_short() -> Error {
    Error::corrupt("the block ends in the middle of an item")
}

fn too_large() -> Error {
    Error::corrupt("a number of the block has more than 64 bits")
}
