use bytes::Bytes;
use ramus_core::{Error, Hash, Result};

use super::Kind;
use crate::directory::{INDEX_TAG, LEAF_TAG};

/// Takes the parts of a block, first to last, and shares its bytes.
pub(super) struct Reader<'a> {
    block: &'a Bytes,
    /// At most the length of the block.
    position: usize,
    kind: Kind,
}

impl<'a> Reader<'a> {
    /// Returns a reader of what follows the kind, if the block is of that kind.
    pub(super) fn open(block: &'a Bytes, kind: Kind) -> Result<Self> {
        let found = match block.first() {
            Some(first) if *first == kind as u8 => return Ok(Self { block, position: 1, kind }),
            Some(first) => noun_of(*first),
            None => "a block without bytes",
        };
        Err(Error::corrupt(format!("expected {}, found {found}", kind.noun())))
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.left() == 0
    }

    pub(super) fn rest(&mut self) -> Bytes {
        let start = self.position;
        self.position = self.block.len();
        self.block.slice(start..)
    }

    pub(super) fn hash<H: Hash>(&mut self) -> Result<H> {
        let digest = self.raw(H::LENGTH)?;
        H::from_bytes(digest).map_err(|cause| self.corrupt("no hash").with_source(cause))
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let bytes = self.raw(N)?;
        bytes.try_into().map_err(|_| self.corrupt("too few bytes"))
    }

    /// Takes a length of at most `max`, and as many bytes.
    pub(super) fn bytes(&mut self, max: usize) -> Result<Bytes> {
        let length = self.count(1)?;
        if length > max {
            return Err(self.corrupt(&format!("{length} bytes where at most {max} may stand")));
        }
        let taken = self.raw(length)?;
        Ok(self.block.slice_ref(taken))
    }

    pub(super) fn text(&mut self) -> Result<String> {
        let length = self.count(1)?;
        let bytes = self.raw(length)?;
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(text.to_owned()),
            Err(cause) => Err(self.corrupt("text that is not UTF-8").with_source(cause)),
        }
    }

    /// Takes the count of items that have at least `size` bytes each: what is left can hold them.
    pub(super) fn count(&mut self, size: usize) -> Result<usize> {
        let count = self.varint()?;
        match usize::try_from(count) {
            Ok(count) if count <= self.left() / size.max(1) => Ok(count),
            _ => {
                let left = self.left();
                let what =
                    format!("{count} times {size} bytes or more, where {left} bytes are left");
                Err(self.corrupt(&what))
            }
        }
    }

    /// Returns the error for what lies before the place that was read up to.
    pub(super) fn corrupt(&self, what: &str) -> Error {
        let (noun, position) = (self.kind.noun(), self.position);
        Error::corrupt(format!("the block of {noun} has, before byte {position}, {what}"))
    }

    pub(super) fn varint(&mut self) -> Result<u64> {
        let mut value = 0_u64;
        for shift in (0..u64::BITS).step_by(7) {
            let [byte] = self.array()?;
            let group = u64::from(byte & 0x7f);
            if group << shift >> shift != group {
                return Err(self.corrupt("a number of more than 64 bits"));
            }
            value |= group << shift;
            if byte & 0x80 == 0 {
                let is_shortest = byte != 0 || shift == 0;
                return if is_shortest {
                    Ok(value)
                } else {
                    Err(self.corrupt("a number that is not in its shortest form"))
                };
            }
        }
        Err(self.corrupt("a number of more than 64 bits"))
    }

    fn raw(&mut self, length: usize) -> Result<&'a [u8]> {
        let rest = &self.block[self.position..];
        let Some(taken) = rest.get(..length) else {
            let left = rest.len();
            return Err(
                self.corrupt(&format!("its end, {left} bytes where {length} should follow"))
            );
        };
        self.position += length;
        Ok(taken)
    }

    fn left(&self) -> usize {
        self.block.len() - self.position
    }
}

impl Kind {
    const fn noun(self) -> &'static str {
        match self {
            Self::Contents => "contents",
            Self::Commit => "a commit",
            Self::Chunk => "a chunk of large contents",
            Self::ContentsIndex => "an index of large contents",
        }
    }
}

/// Says what a block with this first byte is.
const fn noun_of(first: u8) -> &'static str {
    match first {
        _ if first == Kind::Contents as u8 => Kind::Contents.noun(),
        _ if first == Kind::Commit as u8 => Kind::Commit.noun(),
        _ if first == Kind::Chunk as u8 => Kind::Chunk.noun(),
        _ if first == Kind::ContentsIndex as u8 => Kind::ContentsIndex.noun(),
        LEAF_TAG => "a leaf of a directory",
        INDEX_TAG => "an index block of a directory",
        _ => "a block of no known kind",
    }
}
