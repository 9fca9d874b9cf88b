//! Where chunks and index blocks end. The rule is part of the format.

use std::ops::RangeInclusive;

use fastcdc::v2020::cut;
use ramus_core::Hash;

/// The fewest bytes of a chunk that is not the last one of its contents.
pub const CHUNK_MIN: usize = 16 << 10;

/// The most bytes of a chunk, and of contents that have a single block.
pub const CHUNK_MAX: usize = 256 << 10;

/// The highest level of an index block.
///
/// The root has a part that is not the last, which is as long as [`Rule::lengths`] says: from the next
/// level on 64 bits would not count it.
pub(crate) const LEVEL_MAX: u8 = 10;

/// From this length of a chunk on, an end is sixteen times as likely.
const CHUNK_USUAL: usize = 64 << 10;

/// What is zero in the rolling hash at the end of a chunk that is shorter than usual.
///
/// They are written out here, and not looked up in the crate: what it chooses may change, and where
/// chunks end may not.
const MASK_SHORT: u64 = 0x0000_d907_0753_7000;

/// What is zero in it at the end of a longer one.
const MASK_LONG: u64 = 0x0000_d903_1353_0000;

/// The rule.
pub(crate) enum Rule {}

impl Rule {
    /// The fewest parts of an index block that is not the last one of its level.
    pub(crate) const PARTS_MIN: usize = 32;

    /// The most parts of an index block.
    pub(crate) const PARTS_MAX: usize = 512;

    /// Returns the length of the first chunk of these bytes, which go to the end of the contents or
    /// are at least [`CHUNK_MAX`].
    pub(crate) fn chunk_length(bytes: &[u8]) -> usize {
        let (_, length) = cut(
            bytes,
            CHUNK_MIN,
            CHUNK_USUAL,
            CHUNK_MAX,
            MASK_SHORT,
            MASK_LONG,
            MASK_SHORT << 1,
            MASK_LONG << 1,
        );
        length
    }

    /// Returns whether a block of this name is the last part of an index block that has enough others.
    pub(crate) fn ends_block<H: Hash>(hash: &H) -> bool {
        hash.as_bytes().first().is_some_and(|first| *first < 2)
    }

    /// Returns how many bytes lie in and below a block of this level that is not the last one: a chunk
    /// is of level 0.
    pub(crate) fn lengths(level: u8) -> RangeInclusive<u64> {
        let times = |least: usize, fan_out: usize| {
            (least as u64).saturating_mul((fan_out as u64).saturating_pow(level.into()))
        };
        times(CHUNK_MIN, Self::PARTS_MIN)..=times(CHUNK_MAX, Self::PARTS_MAX)
    }
}
