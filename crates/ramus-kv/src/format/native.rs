mod reader;
mod writer;

use std::collections::BTreeMap;

use bytes::Bytes;
use ramus_core::{Error, ErrorKind, Hash, Result, Step};

use self::reader::Reader;
use self::writer::Writer;
use super::Format;
use crate::Info;
use crate::block::{CommitBlock, Directory, DirectoryBlocks, Entry, METADATA_MAX};

/// The format of Ramus itself: tagged, canonical blocks.
///
/// It is provisional until directories split.
///
/// # Kinds
///
/// The first byte of a block says what it is, and is part of what is hashed.
///
/// | byte | kind |
/// |---|---|
/// | `0x01` | contents |
/// | `0x02` | directory |
/// | `0x03` | commit |
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
/// `0x02`, then entries up to the end of the block, in strictly ascending order of their steps. The
/// empty directory is `0x02` alone. An entry is:
///
/// | part | form |
/// |---|---|
/// | step | bytes: 1 to 1024 of them, none of them `/` or NUL |
/// | kind | one byte: `0x01` contents, `0x02` directory |
/// | hash | hash of the block of contents, or of the root block of the directory |
/// | metadata | only for contents: bytes, at most 256 of them |
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
    Directory = 0x02,
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

    fn encode_directory<H: Hash>(
        entries: impl IntoIterator<Item = (Step, Entry<H>)>,
    ) -> Result<DirectoryBlocks<H>> {
        let mut out = Writer::new(Kind::Directory);
        let mut last: Option<Step> = None;
        for (step, entry) in entries {
            if let Some(last) = last.filter(|last| *last >= step) {
                return Err(Error::invalid_input(format!(
                    "step `{step}` of a directory has to come before `{last}`, and once"
                )));
            }
            put_entry(&mut out, &step, &entry)?;
            last = Some(step);
        }
        let block = out.finish();
        let root = H::of(&block);
        Ok(DirectoryBlocks { root, blocks: vec![(root, block)] })
    }

    fn decode_directory<H: Hash>(block: &Bytes) -> Result<Directory<H>> {
        let mut reader = Reader::open(block, Kind::Directory)?;
        let mut entries: Vec<(Step, Entry<H>)> = Vec::new();
        while !reader.is_at_end() {
            let step = read_step(&mut reader)?;
            if entries.last().is_some_and(|(last, _)| *last >= step) {
                return Err(reader.corrupt("a step that does not come after the one before it"));
            }
            let entry = read_entry(&mut reader)?;
            entries.push((step, entry));
        }
        Ok(Directory::from_ascending(entries))
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

fn put_entry<H: Hash>(out: &mut Writer, step: &Step, entry: &Entry<H>) -> Result<()> {
    out.bytes(step.as_bytes());
    match entry {
        Entry::Contents { hash, metadata } => {
            let length = metadata.len();
            if length > METADATA_MAX {
                return Err(Error::new(
                    ErrorKind::Limit,
                    format!("the metadata of `{step}` have {length} bytes, of {METADATA_MAX}"),
                ));
            }
            out.raw(&[Kind::Contents as u8]);
            out.raw(hash.as_bytes());
            out.bytes(metadata);
        }
        Entry::Directory { hash } => {
            out.raw(&[Kind::Directory as u8]);
            out.raw(hash.as_bytes());
        }
    }
    Ok(())
}

fn read_step(reader: &mut Reader<'_>) -> Result<Step> {
    let bytes = reader.bytes(Step::LENGTH_MAX)?;
    Step::new(bytes).map_err(|cause| reader.corrupt("a malformed step").with_source(cause))
}

fn read_entry<H: Hash>(reader: &mut Reader<'_>) -> Result<Entry<H>> {
    let [kind] = reader.array()?;
    if kind == Kind::Contents as u8 {
        Ok(Entry::Contents { hash: reader.hash()?, metadata: reader.bytes(METADATA_MAX)? })
    } else if kind == Kind::Directory as u8 {
        Ok(Entry::Directory { hash: reader.hash()? })
    } else {
        Err(reader.corrupt("an entry that is neither contents nor a directory"))
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
