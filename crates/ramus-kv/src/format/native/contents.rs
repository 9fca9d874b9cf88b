//! Chunks and index blocks of large contents.

use bytes::Bytes;
use ramus_core::{Error, Hash, Result};

use super::Kind;
use super::reader::Reader;
use super::writer::Writer;
use crate::block::{CHUNK_MAX, ContentsIndex, ContentsPart};

pub(super) fn encode_chunk(bytes: &[u8]) -> Bytes {
    let mut out = Writer::with_room(Kind::Chunk, bytes.len());
    out.raw(bytes);
    out.finish()
}

pub(super) fn decode_chunk(block: &Bytes) -> Result<Bytes> {
    let mut reader = Reader::open(block, Kind::Chunk)?;
    let bytes = reader.rest();
    if bytes.is_empty() || bytes.len() > CHUNK_MAX {
        let length = bytes.len();
        let message = format!("a chunk has {length} bytes, and should have 1 to {CHUNK_MAX}");
        return Err(Error::corrupt(message));
    }
    Ok(bytes)
}

pub(super) fn encode_index<H: Hash>(index: &ContentsIndex<H>) -> Result<Bytes> {
    if let Some(fault) = index.fault() {
        return Err(Error::invalid_input(fault));
    }
    let ContentsIndex { level, parts } = index;
    let mut out = Writer::with_room(Kind::ContentsIndex, 1 + parts.len() * (H::LENGTH + 4));
    out.raw(&[*level]);
    for ContentsPart { hash, length } in parts {
        out.raw(hash.as_bytes());
        out.varint(*length);
    }
    Ok(out.finish())
}

pub(super) fn decode_index<H: Hash>(block: &Bytes) -> Result<ContentsIndex<H>> {
    let mut reader = Reader::open(block, Kind::ContentsIndex)?;
    let [level] = reader.array()?;
    let mut parts = Vec::new();
    while !reader.is_at_end() {
        parts.push(ContentsPart { hash: reader.hash()?, length: reader.varint()? });
    }
    let index = ContentsIndex { level, parts };
    match index.fault() {
        Some(fault) => Err(reader.corrupt(&fault)),
        None => Ok(index),
    }
}
