use std::ops::Range;

use bytes::Bytes;
use ramus_core::{Error, ErrorKind, Hash, Result};

use crate::directory::{Packer, varint};

/// What every encoded proof begins with.
pub(super) const MAGIC: &[u8] = b"ramus proof";

/// The version of the encoding. In version 1 no block was packed.
const VERSION: u8 = 3;

/// What stands in the place of the version where the rest is compressed.
pub(super) const COMPRESSED: u8 = 2;

/// This bit of what stands before a block says that it is packed; the others are its length.
const PACKED: u64 = 1;

/// How much room is made for blocks before they are seen.
const CAPACITY_MAX: usize = 1024;

/// A proof as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parts<H> {
    pub(super) before: H,
    pub(super) after: H,
    /// In strictly ascending order of their names, which are the hashes of the blocks.
    pub(super) blocks: Vec<(H, Bytes)>,
}

pub(super) fn encode<H: Hash>(format: &str, parts: &Parts<H>) -> Bytes {
    let Parts { before, after, blocks } = parts;
    let size: usize = blocks.iter().map(|(_, block)| block.len() + 5).sum();
    let mut out = Vec::with_capacity(size + 2 * H::LENGTH + 64);
    out.extend_from_slice(MAGIC);
    out.push(VERSION);
    put(&mut out, H::NAME.as_bytes());
    put(&mut out, format.as_bytes());
    out.extend_from_slice(before.as_bytes());
    out.extend_from_slice(after.as_bytes());
    varint::put(&mut out, blocks.len() as u64);
    let mut packer = Packer::default();
    for (_, block) in blocks {
        let (bytes, form) = match packer.pack::<H>(block) {
            Some(shorter) => (shorter, PACKED),
            None => (&block[..], 0),
        };
        varint::put(&mut out, (bytes.len() as u64) << 1 | form);
        out.extend_from_slice(bytes);
    }
    out.into()
}

pub(super) fn decode<H: Hash>(format: &str, encoded: &Bytes) -> Result<Parts<H>> {
    let mut reader = Reader { encoded, position: 0 };
    if reader.take(MAGIC.len())? != MAGIC {
        return Err(refused("the bytes are no proof: they begin otherwise"));
    }
    let [version] = *reader.take(1)? else { return Err(reader.too_short()) };
    if version == COMPRESSED {
        return Err(refused("it is compressed, for `decode_compressed` to read (feature `zstd`)"));
    }
    if version != VERSION {
        let message = format!("the proof has version {version}; version {VERSION} can be read");
        return Err(refused(&message));
    }
    reader.name("hash", H::NAME)?;
    reader.name("format", format)?;
    let (before, after) = (reader.hash()?, reader.hash()?);
    let count = reader.count(2)?;
    let mut blocks: Vec<(H, Form<'_>)> = Vec::with_capacity(count.min(CAPACITY_MAX));
    // Those that were packed, one behind the other.
    let mut packer = Packer::default();
    let mut unpacked = Vec::with_capacity(reader.left() * 3 / 2);
    for _ in 0..count {
        let form = reader.block::<H>(&mut packer, &mut unpacked)?;
        let hash = H::of(form.bytes(&unpacked));
        if blocks.last().is_some_and(|(last, _)| *last >= hash) {
            let message = format!("block {hash} does not come after the one before it");
            return Err(refused(&message));
        }
        blocks.push((hash, form));
    }
    let unpacked = Bytes::from(unpacked);
    let block = |form| match form {
        Form::AsItIs(block) => encoded.slice_ref(block),
        Form::Unpacked(range) => unpacked.slice(range),
    };
    let blocks = blocks.into_iter().map(|(hash, form)| (hash, block(form))).collect();
    match reader.left() {
        0 => Ok(Parts { before, after, blocks }),
        left => Err(refused(&format!("{left} bytes are left behind the last block"))),
    }
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    varint::put(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

pub(super) fn refused(why: &str) -> Error {
    Error::new(ErrorKind::Unproven, format!("cannot decode a proof: {why}"))
}

/// A block of an encoded proof.
enum Form<'a> {
    AsItIs(&'a [u8]),
    /// Where it stands among those that were packed.
    Unpacked(Range<usize>),
}

impl Form<'_> {
    fn bytes<'a>(&'a self, unpacked: &'a [u8]) -> &'a [u8] {
        match self {
            Self::AsItIs(block) => block,
            Self::Unpacked(range) => &unpacked[range.clone()],
        }
    }
}

/// Takes the parts of an encoded proof, first to last.
struct Reader<'a> {
    encoded: &'a Bytes,
    /// At most the length of the bytes.
    position: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let rest = &self.encoded[self.position..];
        let taken = rest.get(..length).ok_or_else(|| self.too_short())?;
        self.position += length;
        Ok(taken)
    }

    /// Takes a name, which has to be this one.
    fn name(&mut self, what: &str, expected: &str) -> Result<()> {
        let length = self.count(1)?;
        let name = self.take(length)?;
        if name == expected.as_bytes() {
            return Ok(());
        }
        let shown = name[..length.min(32)].escape_ascii();
        Err(refused(&format!("it is of the {what} `{shown}`, where `{expected}` is expected")))
    }

    /// Takes a block in the shorter of its forms.
    fn block<H: Hash>(&mut self, packer: &mut Packer, unpacked: &mut Vec<u8>) -> Result<Form<'a>> {
        let number = self.varint()?;
        let length = self.at_most(number >> 1, 1)?;
        if length == 0 {
            return Err(refused("it has a block without bytes"));
        }
        let bytes = self.take(length)?;
        if number & PACKED == PACKED {
            let block = packer
                .unpack::<H>(bytes)
                .map_err(|cause| refused("a block cannot be unpacked").with_source(cause))?;
            let begin = unpacked.len();
            unpacked.extend_from_slice(block);
            return Ok(Form::Unpacked(begin..unpacked.len()));
        }
        if packer.pack::<H>(bytes).is_some() {
            return Err(refused("a block is not packed, though it would be shorter"));
        }
        Ok(Form::AsItIs(bytes))
    }

    fn hash<H: Hash>(&mut self) -> Result<H> {
        H::from_bytes(self.take(H::LENGTH)?)
            .map_err(|cause| refused("a hash cannot be read").with_source(cause))
    }

    /// Takes the number of things that have at least `size` bytes each: what is left can hold them.
    fn count(&mut self, size: usize) -> Result<usize> {
        let count = self.varint()?;
        self.at_most(count, size)
    }

    fn at_most(&self, count: u64, size: usize) -> Result<usize> {
        let left = self.left();
        match usize::try_from(count) {
            Ok(count) if count <= left / size => Ok(count),
            _ => Err(refused(&format!(
                "at byte {} it says {count}, of {size} bytes or more each, where {left} bytes are left",
                self.position
            ))),
        }
    }

    fn varint(&mut self) -> Result<u64> {
        let (number, length) = varint::read(&self.encoded[self.position..])
            .ok_or_else(|| refused(&format!("there is no number at byte {}", self.position)))?;
        self.position += length;
        Ok(number)
    }

    fn left(&self) -> usize {
        self.encoded.len() - self.position
    }

    fn too_short(&self) -> Error {
        refused(&format!("it ends at byte {}, in the middle of a part", self.encoded.len()))
    }
}
