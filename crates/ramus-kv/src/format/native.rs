mod contents;
mod links;
mod reader;
mod writer;

use std::collections::BTreeMap;

use bytes::Bytes;
use ramus_core::{Error, Hash, Result};

use self::reader::Reader;
use self::writer::{Writer, length_of};
use super::Format;
use crate::Info;
use crate::block::{CHUNK_MAX, CommitBlock, ContentsIndex, Link};
use crate::directory::varint;

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
/// | `0x05` | chunk of large contents |
/// | `0x06` | index block of large contents |
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
/// `0x01`, then the encoding of the contents up to the end of the block, at most 262 144 bytes. What
/// is longer is large.
///
/// # Large contents
///
/// An encoding of more than 262 144 bytes is cut into chunks, and a tree of index blocks over them says
/// in which order they follow one another. The name of the contents is the hash of the root of that
/// tree. See `docs/design/large-contents.md` for the reasons.
///
/// A chunk is `0x05`, then its bytes up to the end of the block. An index block is:
///
/// | part | form |
/// |---|---|
/// | kind | `0x06` |
/// | level | one byte, 1 to 10 |
/// | parts | up to the end of the block, 1 to 512 of them: hash of the part's block, and how many bytes of the encoding lie in and below it (varint, not 0) |
///
/// The parts of level 1 are chunks, those of a higher level are the index blocks of the level below.
///
/// *Where chunks end.* From the first byte that is not in a chunk yet, let n be how many follow, or
/// 262 144 if that is less; count them from 0. If n is at most 16 384, they are the last chunk. If not,
/// let h be 0, and for every i from 16 384 to n - 1 (to n - 2 if n is odd) let h be 2 h + G(byte i),
/// modulo 2^64; the chunk ends before the first byte i where all bits of a mask are 0 in h, and before
/// byte n if there is none. The mask is `0x0000d90707537000` for i below 65 536, and
/// `0x0000d90313530000` from there on. G(b) is the number in the first eight bytes, big endian, of the
/// MD5 digest of 64 bytes b. This is `FastCDC` in its form of 2020, with the second level
/// of normalization.
///
/// *Where index blocks end.* The blocks of a level, from the first, are the parts of one index block
/// above, up to the first one which is the 32nd of them or a later one and whose hash begins with the
/// byte `0x00` or `0x01`; up to the 512th if there is none; or up to the last one of the level. The next
/// index block begins behind it. The first level that is one block is the root.
///
/// So a chunk has 16 384 to 262 144 bytes, the last one 1 to 262 144; an index block has 32 to 512
/// parts, the last one of its level 1 to 512, and the root at least two.
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
/// | `0x03` contents in place | metadata (bytes, at most 256 of them), encoding of the contents (bytes, at most 128 of them) |
/// | `0x04` conflict | hash of the root block of the directory that says what it is of |
///
/// Contents stand in place if and only if their encoding is at most 128 bytes long. In an index block
/// the step is the first one below a child, and the body is the hash of the child's block, the number
/// of entries below it (varint, not 0), and the weight of its items (varint).
///
/// The *weight* of an item is the number of bytes that it takes on its own: with all of its step, and
/// a `shared` of 0. The items of a block weigh at most 8192 bytes together, unless there is only one,
/// or the level is 15.
///
/// The directory of a conflict has these entries and no others:
///
/// | step | kind | there |
/// |---|---|---|
/// | `ancestor`, `ours`, `theirs` | any of the above: what that side has | unless it has nothing; one of them is |
/// | `kind` | contents: `metadata` if the values merge and their metadata do not, `doubtful` if the ancestors are in conflict there, as text | only then, and only between sides that have contents, or, if doubtful, nothing |
/// | `place` | contents: where in the value it is, as text of at most 1024 bytes | unless that is empty |
/// | `reason` | contents: why, as text of at most 1024 bytes | always |
///
/// The text is the encoding of those contents, whatever the type of contents of the schema is, and their
/// metadata are empty.
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
    Chunk = 0x05,
    ContentsIndex = 0x06,
}

impl Format for Native {
    const NAME: &'static str = "native";

    fn encode_contents(encoded: &[u8]) -> Bytes {
        let mut out = Writer::with_room(Kind::Contents, encoded.len());
        out.raw(encoded);
        out.finish()
    }

    fn decode_contents(block: &Bytes) -> Result<Bytes> {
        let mut reader = Reader::open(block, Kind::Contents)?;
        let encoded = reader.rest();
        if encoded.len() > CHUNK_MAX {
            let length = encoded.len();
            let message = format!("contents of {length} bytes are in one block, and not split");
            return Err(Error::corrupt(message));
        }
        Ok(encoded)
    }

    fn encode_chunk(bytes: &[u8]) -> Bytes {
        contents::encode_chunk(bytes)
    }

    fn decode_chunk(block: &Bytes) -> Result<Bytes> {
        contents::decode_chunk(block)
    }

    fn encode_contents_index<H: Hash>(index: &ContentsIndex<H>) -> Result<Bytes> {
        contents::encode_index(index)
    }

    fn decode_contents_index<H: Hash>(block: &Bytes) -> Result<ContentsIndex<H>> {
        contents::decode_index(block)
    }

    fn is_contents_index(block: &[u8]) -> bool {
        block.first() == Some(&(Kind::ContentsIndex as u8))
    }

    fn links<H: Hash>(block: &Bytes) -> Result<Vec<Link<H>>> {
        links::links(block)
    }

    fn encode_commit<H: Hash>(commit: &CommitBlock<H>) -> Result<Bytes> {
        let CommitBlock { root, parents, info } = commit;
        let Info { author, message, time_ms, headers } = info;
        let (Some(author), Some(time_ms)) = (author, time_ms) else {
            return Err(Error::invalid_input("a stored commit has an author and a time"));
        };
        let hashes = varint::len(parents.len() as u64) + (1 + parents.len()) * H::LENGTH;
        let texts = length_of(author.as_bytes()) + size_of::<i64>() + length_of(message.as_bytes());
        let headers_length: usize =
            headers.iter().map(|(name, value)| length_of(name.as_bytes()) + length_of(value)).sum();
        let mut out = Writer::with_room(Kind::Commit, hashes + texts + headers_length);
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
        let mut parents = Vec::new();
        read_parents(&mut reader, &mut parents)?;
        let author = Some(reader.text()?);
        let time_ms = Some(i64::from_be_bytes(reader.array()?));
        let message = reader.text()?;
        let headers = read_headers(&mut reader)?;
        Ok(CommitBlock { root, parents, info: Info { author, message, time_ms, headers } })
    }

    fn commit_parents<H: Hash>(block: &Bytes, parents: &mut Vec<H>) -> Result<()> {
        let mut reader = Reader::open(block, Kind::Commit)?;
        let _root: H = reader.hash()?;
        read_parents(&mut reader, parents)
    }
}

fn read_parents<H: Hash>(reader: &mut Reader<'_>, parents: &mut Vec<H>) -> Result<()> {
    let count = reader.count(H::LENGTH)?;
    // Gathered with an error in view, one parent would get room for four; and many commits are held decoded.
    parents.reserve_exact(count);
    for _ in 0..count {
        parents.push(reader.hash()?);
    }
    Ok(())
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
