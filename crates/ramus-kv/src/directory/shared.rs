//! What two blocks have in common at their beginnings and ends, without decoding it.
//!
//! Of two versions of a block most bytes are the same. An item that stands in full begins a *group* of
//! [`RESTART_EVERY`] items, which is read without what stands before it. So groups of the same bytes are the
//! same items, and are left out of a comparison on both sides.

use std::ops::Range;

use ramus_core::Hash;

use super::RESTART_EVERY;
use super::dir_block::DirBlock;

/// Returns the indices of the items that are left of each of two blocks of one level, if equal groups
/// are left out at the beginning and, where both have as many items, at the end.
pub(super) fn beside_shared<H: Hash>(
    one: &DirBlock<H>,
    other: &DirBlock<H>,
) -> (Range<usize>, Range<usize>) {
    let (all, all_other) = (items(one), items(other));
    let same = same_at_start(all, all_other);
    let groups = one.len().min(other.len()).div_ceil(RESTART_EVERY);
    let is_same_up_to = |group: &usize| {
        let at = one.restart(*group);
        at <= same && at == other.restart(*group)
    };
    // The groups before the last that begins within the same bytes are the same.
    let first = (0..groups).take_while(is_same_up_to).last().unwrap_or(0);
    let first = first * RESTART_EVERY;
    if one.len() != other.len() {
        return (first..one.len(), first..other.len());
    }
    let same = same_at_end(all, all_other);
    let from_end = |block: &DirBlock<H>, all: &[u8], group: usize| {
        all.len().saturating_sub(block.restart(group))
    };
    let is_same_from = |group: &usize| {
        let length = from_end(one, all, *group);
        length <= same && length == from_end(other, all_other, *group)
    };
    let end = (0..groups).rev().take_while(is_same_from).last();
    let end = end.map_or(one.len(), |group| group * RESTART_EVERY).max(first);
    (first..end, first..end)
}

/// Returns the bytes up to the end of the items.
fn items<H: Hash>(block: &DirBlock<H>) -> &[u8] {
    &block.block()[..block.end_of_items()]
}

/// Bytes are compared so many at a time, and the last ones one by one.
const AT_ONCE: usize = 64;

fn same_at_start(one: &[u8], other: &[u8]) -> usize {
    let chunks = one.chunks_exact(AT_ONCE).zip(other.chunks_exact(AT_ONCE));
    let same = AT_ONCE * chunks.take_while(|(one, other)| one == other).count();
    let rest = one[same..].iter().zip(&other[same..]);
    same + rest.take_while(|(one, other)| one == other).count()
}

fn same_at_end(one: &[u8], other: &[u8]) -> usize {
    let chunks = one.rchunks_exact(AT_ONCE).zip(other.rchunks_exact(AT_ONCE));
    let same = AT_ONCE * chunks.take_while(|(one, other)| one == other).count();
    let rest = one[..one.len() - same].iter().rev().zip(other[..other.len() - same].iter().rev());
    same + rest.take_while(|(one, other)| one == other).count()
}
