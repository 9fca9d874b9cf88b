use ramus_core::{Error, Hash, Result};

use crate::large::{CHUNK_MAX, LEVEL_MAX, Rule};

/// An index block of large contents as it is stored: the parts of a run of bytes, in their order.
///
/// Contents whose encoding is longer than [`CHUNK_MAX`] are cut into chunks, and the chunks are named
/// by a tree of these. It is for those who look at blocks one by one: tests, proofs, tools. Where
/// contents are cut is not its business.
///
/// ```
/// use ramus_core::{Hash as _, Sha1};
/// use ramus_kv::block::{CHUNK_MAX, ContentsIndex, ContentsPart};
/// use ramus_kv::{Format as _, Native};
///
/// let part = |bytes: &[u8]| ContentsPart {
///     hash: Sha1::of(&Native::encode_chunk(bytes)),
///     length: bytes.len() as u64,
/// };
/// let index = ContentsIndex { level: 1, parts: vec![part(&[0; CHUNK_MAX]), part(b"end")] };
/// let block = Native::encode_contents_index(&index)?;
/// assert_eq!(Native::decode_contents_index::<Sha1>(&block)?, index);
/// assert_eq!(index.length(), CHUNK_MAX as u64 + 3);
/// # Ok::<(), ramus_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentsIndex<H> {
    /// The level, 1 to 10: the parts of level 1 are chunks, those of a higher one are index blocks of
    /// the level below.
    pub level: u8,
    /// The parts, 1 to 512 of them.
    pub parts: Vec<ContentsPart<H>>,
}

/// A block of large contents, as the index block above it knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ContentsPart<H> {
    /// The hash of the block.
    pub hash: H,
    /// How many bytes of the encoding lie in and below the block; never none.
    pub length: u64,
}

impl<H: Hash> ContentsIndex<H> {
    /// Returns how many bytes of the encoding lie below the block.
    pub fn length(&self) -> u64 {
        self.parts.iter().fold(0, |sum, part| sum.saturating_add(part.length))
    }

    /// Says what no index block may hold, if this one does.
    pub(crate) fn fault(&self) -> Option<String> {
        let Self { level, parts } = self;
        if !(1..=LEVEL_MAX).contains(level) {
            return Some(format!("an index block is of level 1 to {LEVEL_MAX}, not of {level}"));
        }
        let (count, max) = (parts.len(), Rule::PARTS_MAX);
        if !(1..=max).contains(&count) {
            return Some(format!("an index block has 1 to {max} parts, not {count}"));
        }
        if parts.iter().try_fold(0_u64, |sum, part| sum.checked_add(part.length)).is_none() {
            return Some("the parts of an index block are longer than 64 bits count".to_owned());
        }
        let (before, last) = parts.split_at(count - 1);
        let lengths = Rule::lengths(*level - 1);
        let is_wrong = |part: &&ContentsPart<H>| !lengths.contains(&part.length);
        if let Some(part) = before.iter().find(is_wrong) {
            let (length, shortest) = (part.length, lengths.start());
            let longest = lengths.end();
            return Some(format!(
                "a part before the last has {length} bytes, and should have {shortest} to {longest}"
            ));
        }
        if last.iter().any(|part| part.length == 0 || part.length > *lengths.end()) {
            return Some("the last part is empty or too long".to_owned());
        }
        let ends_early = |(index, part): (usize, &ContentsPart<H>)| {
            index + 1 >= Rule::PARTS_MIN && Rule::ends_block(&part.hash)
        };
        if before.iter().enumerate().any(ends_early) {
            return Some("an index block goes on where it should end".to_owned());
        }
        None
    }

    /// Refuses what cannot be the root of large contents, which this block is read as.
    pub(crate) fn check_root(&self) -> Result<()> {
        if self.parts.len() < 2 {
            return Err(Error::corrupt("the root of large contents has one part only"));
        }
        if self.length() <= CHUNK_MAX as u64 {
            let length = self.length();
            return Err(Error::corrupt(format!("contents of {length} bytes are split")));
        }
        Ok(())
    }

    /// Refuses what cannot have another block of the same level behind it, in one value.
    pub(crate) fn check_before_another(&self) -> Result<()> {
        let ends = self.parts.last().is_some_and(|part| Rule::ends_block(&part.hash));
        let count = self.parts.len();
        if count < Rule::PARTS_MIN || (count < Rule::PARTS_MAX && !ends) {
            return Err(Error::corrupt("an index block ends where it should go on"));
        }
        let shortest = *Rule::lengths(self.level - 1).start();
        if self.parts.last().is_some_and(|part| part.length < shortest) {
            return Err(Error::corrupt("a part with others behind it is too short"));
        }
        Ok(())
    }
}
