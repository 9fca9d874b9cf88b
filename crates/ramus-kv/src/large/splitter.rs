use bytes::Bytes;
use ramus_core::{Hash, Result};

use super::Rule;
use super::rule::CHUNK_MAX;
use crate::Format;
use crate::block::{ContentsIndex, ContentsPart};

/// Cuts large contents into blocks, as they come.
///
/// It holds less than one chunk of bytes, and less than one index block of each level. Where it cuts
/// depends on the bytes alone, not on the pieces that they come in.
pub(super) struct Splitter<H> {
    /// What is in no chunk yet.
    rest: Vec<u8>,
    /// The index blocks that are open, from level 1 up.
    open: Vec<Open<H>>,
    length: u64,
}

/// An index block to which parts may be added.
struct Open<H> {
    parts: Vec<ContentsPart<H>>,
    /// How many parts there were in the blocks before it on its level.
    closed: u64,
}

/// What comes behind some bytes.
#[derive(Clone, Copy)]
enum Behind {
    /// Others, perhaps.
    More,
    /// The end of the contents.
    Nothing,
}

/// Blocks by name.
pub(super) type Blocks<H> = Vec<(H, Bytes)>;

impl<H: Hash> Splitter<H> {
    pub(super) const fn new() -> Self {
        Self { rest: Vec::new(), open: Vec::new(), length: 0 }
    }

    /// Takes the next bytes, and puts the blocks that are whole to `blocks`; parts before wholes.
    pub(super) fn push<F: Format>(&mut self, bytes: &[u8], blocks: &mut Blocks<H>) -> Result<()> {
        self.length = self.length.saturating_add(bytes.len() as u64);
        if self.rest.is_empty() {
            let used = self.cut::<F>(bytes, Behind::More, blocks)?;
            self.rest.extend_from_slice(&bytes[used..]);
        } else {
            let mut rest = std::mem::take(&mut self.rest);
            rest.extend_from_slice(bytes);
            let used = self.cut::<F>(&rest, Behind::More, blocks)?;
            rest.drain(..used);
            self.rest = rest;
        }
        Ok(())
    }

    /// Puts the last blocks to `blocks`; returns the name of the root, which is the last of them.
    pub(super) fn finish<F: Format>(mut self, blocks: &mut Blocks<H>) -> Result<Option<H>> {
        let rest = std::mem::take(&mut self.rest);
        self.cut::<F>(&rest, Behind::Nothing, blocks)?;
        let mut level = 0;
        while let Some(open) = self.open.get(level) {
            if let ([root], true) = (&open.parts[..], level + 1 == self.open.len()) {
                return Ok(Some(root.hash));
            }
            if !open.parts.is_empty() {
                self.close::<F>(level, blocks)?;
            }
            level += 1;
        }
        Ok(None)
    }

    /// Returns how many bytes were pushed.
    pub(super) const fn length(&self) -> u64 {
        self.length
    }

    /// Returns how many blocks of each level, from the chunks up, an index block names that was put out.
    pub(super) fn named(&self) -> impl Iterator<Item = u64> {
        self.open.iter().map(|open| open.closed)
    }

    /// Returns how many blocks of each level, from the chunks up, were put out.
    pub(super) fn made(&self) -> impl Iterator<Item = u64> {
        self.open.iter().map(|open| open.closed + open.parts.len() as u64)
    }

    /// Cuts chunks off the front; returns how many bytes they have together.
    fn cut<F: Format>(
        &mut self,
        bytes: &[u8],
        behind: Behind,
        blocks: &mut Blocks<H>,
    ) -> Result<usize> {
        let mut used = 0;
        let least = match behind {
            Behind::More => CHUNK_MAX,
            Behind::Nothing => 1,
        };
        while bytes.len() - used >= least {
            let length = Rule::chunk_length(&bytes[used..]);
            let block = F::encode_chunk(&bytes[used..used + length]);
            let hash = H::of(&block);
            blocks.push((hash, block));
            self.add::<F>(ContentsPart { hash, length: length as u64 }, blocks)?;
            used += length;
        }
        Ok(used)
    }

    /// Adds a chunk to the index, and closes the index blocks that end with it.
    fn add<F: Format>(&mut self, chunk: ContentsPart<H>, blocks: &mut Blocks<H>) -> Result<()> {
        let (mut level, mut part) = (0, chunk);
        loop {
            self.put(level, part);
            let count = self.open[level].parts.len();
            let ends = count >= Rule::PARTS_MIN && Rule::ends_block(&part.hash);
            if !ends && count < Rule::PARTS_MAX {
                return Ok(());
            }
            part = self.encode::<F>(level, blocks)?;
            level += 1;
        }
    }

    fn close<F: Format>(&mut self, level: usize, blocks: &mut Blocks<H>) -> Result<()> {
        let part = self.encode::<F>(level, blocks)?;
        self.put(level + 1, part);
        Ok(())
    }

    fn put(&mut self, level: usize, part: ContentsPart<H>) {
        if level == self.open.len() {
            self.open.push(Open { parts: Vec::new(), closed: 0 });
        }
        self.open[level].parts.push(part);
    }

    /// Makes a block of the parts that are open on a level, counted from that of the chunks.
    fn encode<F: Format>(
        &mut self,
        level: usize,
        blocks: &mut Blocks<H>,
    ) -> Result<ContentsPart<H>> {
        let open = &mut self.open[level];
        let parts = std::mem::take(&mut open.parts);
        open.closed += parts.len() as u64;
        let level = u8::try_from(level + 1).unwrap_or(u8::MAX);
        let index = ContentsIndex { level, parts };
        let block = F::encode_contents_index(&index)?;
        let hash = H::of(&block);
        blocks.push((hash, block));
        Ok(ContentsPart { hash, length: index.length() })
    }
}

#[cfg(test)]
mod tests {
    use ramus_core::Sha1;

    use super::*;
    use crate::Native;

    /// In zeros no chunk ends before it is as long as it may be.
    #[test]
    fn it_depends_on_the_bytes_alone_where_chunks_end() {
        let zeros = vec![0; 3 * CHUNK_MAX];
        let split = |pieces: &[usize]| {
            let (mut splitter, mut blocks, mut rest) =
                (Splitter::<Sha1>::new(), Vec::new(), &zeros[..]);
            for piece in pieces {
                let (piece, behind) = rest.split_at(*piece);
                splitter.push::<Native>(piece, &mut blocks).unwrap();
                rest = behind;
            }
            splitter.push::<Native>(rest, &mut blocks).unwrap();
            splitter.finish::<Native>(&mut blocks).unwrap()
        };
        let whole = split(&[]);
        for edge in [1, CHUNK_MAX - 1, CHUNK_MAX, CHUNK_MAX + 1, 2 * CHUNK_MAX - 1] {
            assert_eq!(split(&[edge]), whole, "{edge}");
            assert_eq!(split(&[edge, 1, 1]), whole, "{edge}, 1, 1");
        }
    }
}
