mod reader;
mod writer;

use std::collections::BTreeMap;

use bytes::Bytes;
use ramus_core::{Error, Hash, Result};

use self::reader::Reader;
use self::writer::Writer;
use super::Format;
use crate::Info;
use crate::block::CommitBlock;

/// The format of Ramus itself: tagged, canonical blocks.
///
/// # Kinds
///
/// The first byte of a block says what it is, and is part of what is hashed.
///
/// | byte | kind |
/// |---|---|
/// | `0x01` | contents |
/// | `0x02` | leaf of a directory |
/// | `0x03` | commit |
/// | `0x04` | index block of a directory |
/// | `0x70` | reserved: never the first byte of a block (the hashes that split directories begin with it) |
///
/// # Parts
///
/// - *varint*: a number in groups of seven bits, the lowest first, one group in each byte; the high
///   bit says that another byte follows. The shortest form is the only one, and it has at most
///   64 bits.
/// - *bytes*: a varint, and as many bytes. *text*: bytes that are UTF-8.
/// - *hash*: the digest, as long as the hash of the schema has it.
/// - *time*: eight bytes, big endian, two's complement.
///
/// # Contents
///
/// `0x01`, then the encoding of the contents up to the end of the block.
///
/// # Directory
///
/// A directory is a leaf, or a tree of index blocks over leaves: see
/// `docs/design/directories.md` for where it is split. The name of a directory is the hash of its
/// root block. All its blocks have one shape:
///
/// | part | form |
/// |---|---|
/// | kind | `0x02` in a leaf; `0x04` in an index block, and then one byte: its level, 1 to 15 |
/// | items | in strictly ascending order of their steps |
/// | restarts | for every item whose index is a multiple of 16, where it begins in the block: four bytes, big endian |
/// | length | how many items there are: four bytes, big endian |
///
/// The empty directory is a leaf of no items: `0x02`, and four bytes of zero. An item is:
///
/// | part | form |
/// |---|---|
/// | shared | varint: how many bytes the step has in common with the one before it, exactly; 0 at a restart |
/// | rest | bytes: the step from there on |
/// | body | as below |
///
/// In a leaf the step is that of an entry, 1 to 1024 bytes, none of them `/` or NUL, and the body is
/// one of these:
///
/// | kind | then |
/// |---|---|
/// | `0x01` contents in a block | metadata (bytes, at most 256 of them), hash of the block of contents |
/// | `0x02` directory | hash of its root block; it is not empty |
/// | `0x03` contents in place | metadata (bytes, at most 256 of them), encoding of the contents (bytes, at most 64 of them) |
///
/// Contents stand in place if and only if their encoding is at most 64 bytes long. In an index block
/// the step is the first one below a child, and the body is the hash of the child's block, the number
/// of entries below it (varint, not 0), and the weight of its items (varint).
///
/// The *weight* of an item is the number of bytes that it takes on its own: with all of its step, and
/// a `shared` of 0. The items of a block weigh at most 8192 bytes together, unless there is only one,
/// or the level is 15.
///
/// # Commit
///
/// | part | form |
/// |---|---|
/// | kind | `0x03` |
/// | root | hash of the root block of the root directory |
/// | parents | a varint, and as many hashes |
/// | author | text |
/// | time | time: milliseconds since the beginning of 1970 (UTC) |
/// | message | text |
/// | headers | up to the end of the block, in strictly ascending order of their names: name (text), value (bytes) |
///
/// # Reading
///
/// Every length and count is compared with what is left of the block before anything is allocated
/// for it. What the rules above do not allow is refused as corrupt, with the place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Native {}

/// What a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Contents = 0x01,
    Commit = 0x03,
}

impl Format for Native {
    const NAME: &'static str = "native";

    fn encode_contents(encoded: &[u8]) -> Bytes {
        let mut out = Writer::new(Kind::Contents);
        out.raw(encoded);
        out.finish()
    }

    fn decode_contents(block: &Bytes) -> Result<Bytes> {
        let mut reader = Reader::open(block, Kind::Contents)?;
        Ok(reader.rest())
    }

    fn encode_commit<H: Hash>(commit: &CommitBlock<H>) -> Result<Bytes> {
        let CommitBlock { root, parents, info } = commit;
        let Info { author, message, time_ms, headers } = info;
        let (Some(author), Some(time_ms)) = (author, time_ms) else {
            return Err(Error::invalid_input("a stored commit has an author and a time"));
        };
        let mut out = Writer::new(Kind::Commit);
        out.raw(root.as_bytes());
        out.length(parents.len());
        for parent in parents {
            out.raw(parent.as_bytes());
        }
        out.bytes(author.as_bytes());
        out.raw(&time_ms.to_be_bytes());
        out.bytes(message.as_bytes());
        for (name, value) in headers {
            out.bytes(name.as_bytes());
            out.bytes(value);
        }
        Ok(out.finish())
    }

    fn decode_commit<H: Hash>(block: &Bytes) -> Result<CommitBlock<H>> {
        let mut reader = Reader::open(block, Kind::Commit)?;
        let root = reader.hash()?;
        let parents = read_parents(&mut reader)?;
        let author = Some(reader.text()?);
        let time_ms = Some(i64::from_be_bytes(reader.array()?));
        let message = reader.text()?;
        let headers = read_headers(&mut reader)?;
        Ok(CommitBlock { root, parents, info: Info { author, message, time_ms, headers } })
    }
}

fn read_parents<H: Hash>(reader: &mut Reader<'_>) -> Result<Vec<H>> {
    let count = reader.count(H::LENGTH)?;
    (0..count).map(|_| reader.hash()).collect()
}

fn read_headers(reader: &mut Reader<'_>) -> Result<BTreeMap<String, Bytes>> {
    let mut headers = BTreeMap::new();
    while !reader.is_at_end() {
        let name = reader.text()?;
        if headers.last_key_value().is_some_and(|(last, _)| *last >= name) {
            return Err(reader.corrupt("a header that does not come after the one before it"));
        }
        let value = reader.bytes(usize::MAX)?;
        headers.insert(name, value);
    }
    Ok(headers)
}
