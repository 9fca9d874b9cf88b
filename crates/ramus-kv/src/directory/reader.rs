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

/// This bit of a byte says that the number goes on.
const LONG: u8 = 0x80;

/// Takes parts of a block; what is missing or malformed is an error.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    /// Where that ends.
    end: usize,
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
    /// Returns a reader of these bytes from a position on; behind their end there is nothing.
    #[inline]
    pub(super) fn new(bytes: &'a [u8], position: usize) -> Self {
        Self { rest: bytes.get(position..).unwrap_or_default(), end: bytes.len() }
    }

    #[inline]
    pub(super) fn position(&self) -> usize {
        self.end - self.rest.len()
    }

    /// Takes the beginning of an item: how many bytes its step shares with the one before, and the others.
    #[inline]
    pub(super) fn step(&mut self) -> Result<(u64, &'a [u8])> {
        // Both lengths are below 128 as a rule.
        if let Some((&[shared, length], rest)) = self.rest.split_first_chunk()
            && (shared | length) & LONG == 0
            && let Some((suffix, rest)) = rest.split_at_checked(usize::from(length))
        {
            self.rest = rest;
            return Ok((u64::from(shared), suffix));
        }
        self.long_step()
    }

    fn long_step(&mut self) -> Result<(u64, &'a [u8])> {
        Ok((self.varint()?, self.bytes()?))
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

    /// Takes the contents that stand in an entry of a leaf, from their body; nothing if it is another one.
    #[inline]
    pub(super) fn inline(&mut self) -> Result<Option<&'a [u8]>> {
        if self.byte()? != kind::INLINE {
            return Ok(None);
        }
        self.bytes()?;
        self.bytes().map(Some)
    }

    /// Takes contents that stand in an entry of a leaf, from their body, if there are no metadata; returns how long they
    /// are.
    #[inline]
    pub(super) fn plain_inline(&mut self) -> Option<usize> {
        let [kind::INLINE, 0, length @ 0..LONG, rest @ ..] = self.rest else { return None };
        self.rest = rest.get(usize::from(*length)..)?;
        Some(usize::from(*length))
    }

    /// Takes what the body of a child says of its block: how many entries, and what they weigh.
    #[inline]
    pub(super) fn sum_of_child<H: Hash>(&mut self) -> Result<(u64, u64)> {
        self.take(H::LENGTH)?;
        Ok((self.varint()?, self.varint()?))
    }

    /// Goes on behind a body, without a look at what was checked when the block was decoded.
    #[inline]
    pub(super) fn skip_body<H: Hash>(&mut self, level: u8) -> Result<()> {
        let behind = match self.rest {
            _ if level > 0 => None,
            [kind::DIRECTORY | kind::CONFLICT, rest @ ..] => rest.get(H::LENGTH..),
            [kind::INLINE, rest @ ..] => behind_short(rest).and_then(behind_short),
            _ => None,
        };
        match behind {
            Some(rest) => {
                self.rest = rest;
                Ok(())
            }
            None => self.skip_any_body::<H>(level),
        }
    }

    fn skip_any_body<H: Hash>(&mut self, level: u8) -> Result<()> {
        if level > 0 {
            self.take(H::LENGTH)?;
            self.varint()?;
            return self.varint().map(drop);
        }
        let kind = self.byte()?;
        if kind == kind::INLINE {
            self.bytes()?;
            return self.bytes().map(drop);
        }
        if kind == kind::BLOCK {
            self.bytes()?;
        }
        self.take(H::LENGTH).map(drop)
    }

    #[inline]
    pub(super) fn varint(&mut self) -> Result<u64> {
        // Most numbers are lengths below 128, and the weight of a block has two bytes.
        match self.rest {
            [byte, rest @ ..] if byte & LONG == 0 => {
                self.rest = rest;
                Ok(u64::from(*byte))
            }
            [low, high @ 1..LONG, rest @ ..] => {
                self.rest = rest;
                Ok(u64::from(low & !LONG) | u64::from(*high) << 7)
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64> {
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte()?;
            let group = u64::from(byte & !LONG);
            if group << shift >> shift != group {
                return Err(too_large());
            }
            if byte == 0 && shift > 0 {
                return Err(Error::corrupt("a number of the block is not in its shortest form"));
            }
            number |= group << shift;
            if byte & LONG == 0 {
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
    pub(super) fn byte(&mut self) -> Result<u8> {
        let (byte, rest) = self.rest.split_first().ok_or_else(too_short)?;
        self.rest = rest;
        Ok(*byte)
    }

    #[inline]
    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or_else(too_short)?;
        self.rest = rest;
        Ok(taken)
    }
}

impl<H> RawBody<'_, H> {
    /// Returns whether this names a block of a directory.
    pub(super) fn is_link(&self) -> bool {
        matches!(self, Self::Child(_) | Self::Directory { .. })
    }

    /// Returns whether this names a block of any kind.
    pub(super) fn is_name(&self) -> bool {
        !matches!(self, Self::Inline { .. })
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

/// Returns what lies behind a length below 128 and as many bytes.
#[inline]
fn behind_short(bytes: &[u8]) -> Option<&[u8]> {
    let (length, rest) = bytes.split_first()?;
    if length & LONG == 0 { rest.get(usize::from(*length)..) } else { None }
}

fn too_short() -> Error {
    Error::corrupt("the block ends in the middle of an item")
}

fn too_large() -> Error {
    Error::corrupt("a number of the block has more than 64 bits")
}
