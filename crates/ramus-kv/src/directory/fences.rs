//! Where a search goes on in a block, with one look at the block's bytes.
//!
//! A search is binary over the restarts of a block, and each comparison reads another place of it, which as a
//! rule lies in no cache of the processor; then it goes through the items behind a restart one by one. So a
//! block that is searched again and again notes a few bytes of every fourth step next to one another. They say
//! behind which of those steps to go on, and how much that step has in common with what is sought.

use std::fmt;
use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use ramus_core::{Hash, Result};

use super::RESTART_EVERY;
use super::dir_block::DirBlock;
use super::encode::common;
use super::seek::Sought;
use super::walk::Walk;

/// The fences of a block; none until they are worth their room.
#[derive(Default)]
pub(super) struct Fences {
    /// How often they were asked for.
    asked: AtomicU32,
    made: OnceLock<Made>,
}

/// What is noted of every so many items.
struct Made {
    /// Where the bytes lie in the block that all their steps begin with.
    prefix: Range<usize>,
    /// The first bytes of each step behind the prefix: the head that a [`Sought`] has. In order.
    heads: Box<[u64]>,
    /// Where each item begins.
    starts: Box<[u16]>,
}

/// What fences say of a step that is sought.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fenced {
    /// It comes before the first item.
    BeforeAll,
    /// It comes behind this item, and before the next one that has a fence.
    Behind(Post),
    /// It is the step of this item, if both are of the same length.
    At(Post),
    /// It comes behind the restarts before these, and before those behind them.
    Among(Range<usize>),
}

/// An item that has a fence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Post {
    pub(super) index: usize,
    /// Where it begins.
    pub(super) position: usize,
    /// How many bytes its step has in common with what is sought.
    pub(super) common: usize,
}

/// One of so many items has a fence: those that restarts lead to, and some between.
pub(super) const FENCE_EVERY: usize = 4;

/// A block is given fences when it was searched more often than this.
const ASKED_MIN: u32 = 4;

/// A block of fewer items than this is searched as it is.
const ITEMS_MIN: usize = 2 * FENCE_EVERY;

/// A longer block is searched as it is; only those of level 15 can be longer.
const BLOCK_BYTES_MAX: usize = u16::MAX as usize;

impl Fences {
    /// Returns how many bytes the fences of a block of so many items take.
    pub(super) const fn bytes(items: usize) -> usize {
        let fences = items.div_ceil(FENCE_EVERY);
        if items < ITEMS_MIN { 0 } else { fences * (size_of::<u64>() + size_of::<u16>()) }
    }
}

impl<H: Hash> DirBlock<H> {
    /// Says where the last item is to be looked for whose step is not greater.
    #[inline]
    pub(super) fn narrow(&self, sought: &Sought<'_>) -> Result<Fenced> {
        if let Some(made) = self.made_fences()? {
            let prefix = self.block().get(made.prefix.clone()).unwrap_or_default();
            Ok(made.narrow(sought, prefix))
        } else {
            Ok(Fenced::Among(0..self.len().div_ceil(RESTART_EVERY)))
        }
    }

    #[inline]
    fn made_fences(&self) -> Result<Option<&Made>> {
        match self.fences().made.get() {
            Some(made) => Ok(Some(made)),
            None => self.fences_if_worth(),
        }
    }

    fn fences_if_worth(&self) -> Result<Option<&Made>> {
        let Fences { asked, made } = self.fences();
        if self.len() < ITEMS_MIN || self.block().len() > BLOCK_BYTES_MAX {
            return Ok(None);
        }
        // The count is a hint, and orders nothing; of two questions at once one may not be counted.
        let before = asked.load(Ordering::Relaxed);
        asked.store(before.saturating_add(1), Ordering::Relaxed);
        if before < ASKED_MIN {
            return Ok(None);
        }
        let new = self.make_fences()?;
        Ok(Some(made.get_or_init(|| new)))
    }

    fn make_fences(&self) -> Result<Made> {
        let (start, first) = self.step_at(self.restart(0))?;
        let mut last = Walk::from(self, (self.len() - 1) / FENCE_EVERY * FENCE_EVERY)?;
        last.advance()?;
        let length = common(first, last.step());
        let count = self.len().div_ceil(FENCE_EVERY);
        let (mut heads, mut starts) = (Vec::with_capacity(count), Vec::with_capacity(count));
        let mut walk = self.walk();
        for index in 0..self.len() {
            let position = walk.position();
            walk.advance()?;
            if index.is_multiple_of(FENCE_EVERY) {
                heads.push(Sought::new(walk.step().get(length..).unwrap_or_default()).head);
                starts.push(u16::try_from(position).unwrap_or(u16::MAX));
            }
        }
        let (heads, starts) = (heads.into_boxed_slice(), starts.into_boxed_slice());
        Ok(Made { prefix: start..start + length, heads, starts })
    }
}

impl Made {
    fn narrow(&self, sought: &Sought<'_>, prefix: &[u8]) -> Fenced {
        let rest;
        let behind = if prefix.is_empty() {
            sought
        } else if let Some(behind) = sought.bytes.strip_prefix(prefix) {
            rest = Sought::new(behind);
            &rest
        } else if sought.bytes < prefix {
            return Fenced::BeforeAll;
        } else {
            let common = common(prefix, sought.bytes);
            return Fenced::Behind(self.post(self.heads.len() - 1, common));
        };
        let head = behind.head;
        let start = self.heads.partition_point(|fence| *fence < head);
        if self.heads.get(start) != Some(&head) {
            let Some(last) = start.checked_sub(1) else { return Fenced::BeforeAll };
            // Heads that differ say where the steps do: behind the end of a shorter one are zeros.
            let same = (self.heads[last] ^ head).leading_zeros() as usize / 8;
            return Fenced::Behind(self.post(last, prefix.len() + same));
        }
        if behind.is_short() {
            return Fenced::At(self.post(start, sought.bytes.len()));
        }
        let same = self.heads[start..].iter().take_while(|fence| **fence == head).count();
        let restart = |fence: usize| (fence * FENCE_EVERY).div_ceil(RESTART_EVERY);
        Fenced::Among(restart(start)..restart(start + same))
    }

    fn post(&self, fence: usize, common: usize) -> Post {
        Post { index: fence * FENCE_EVERY, position: self.starts[fence].into(), common }
    }
}

impl Clone for Fences {
    /// Returns no fences: they are made again.
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl fmt::Debug for Fences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fences").field("asked", &self.asked).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use bytes::Bytes;
    use proptest::prelude::*;
    use ramus_core::{Sha1, Step};

    use super::*;
    use crate::directory::item::{Body, Entry, Held, Item};

    fn block(steps: &BTreeSet<Vec<u8>>) -> DirBlock<Sha1> {
        let item = |step: &Vec<u8>| {
            let (held, metadata) = (Held::Inline(Bytes::new()), Bytes::new());
            let step = Step::copy_from_slice(step).expect("a step");
            Item { step, body: Body::Entry(Entry::Contents { held, metadata }) }
        };
        DirBlock::encode(0, &steps.iter().map(item).collect::<Vec<_>>())
    }

    /// Returns the index of the last step that is not greater, and whether it is equal.
    fn found(block: &DirBlock<Sha1>, sought: &[u8]) -> Option<(usize, bool)> {
        let place = block.seek(sought).expect("a sound block")?;
        Some((place.index, place.is_exact))
    }

    proptest! {
        #[test]
        fn with_fences_the_same_is_found(
            prefix in prop_oneof![Just(""), Just("a"), Just("a-long-prefix")],
            // Behind the first byte more than a head has: then heads of several restarts are the same.
            middle in prop_oneof![Just(""), Just("0123456789")],
            names in prop::collection::btree_set("[abc]{1,12}", 1..120),
            others in prop::collection::vec("[abc]{1,14}", 20),
        ) {
            let whole = |name: &String| {
                let (first, rest) = name.split_at(1);
                [prefix, first, middle, rest].concat()
            };
            let steps: BTreeSet<Vec<u8>> =
                names.iter().map(|name| whole(name).into_bytes()).collect();
            let without = block(&steps);
            let with = block(&steps);
            while with.fences().made.get().is_none() && steps.len() >= ITEMS_MIN {
                found(&with, b"x");
            }
            let whole = others.iter().map(whole);
            let cut = others.iter().map(|other| other.chars().take(other.len() / 2).collect::<String>());
            let long = steps.iter().map(|step| [step, &b"b"[..]].concat());
            let asked = whole.chain(cut).map(String::into_bytes).chain(long);
            for sought in asked.chain(steps.iter().cloned()).chain([prefix.into(), b"~".to_vec()]) {
                let passed = steps.iter().take_while(|step| **step <= sought).count();
                let expected = passed.checked_sub(1).map(|last| (last, steps.contains(&sought)));
                prop_assert_eq!(found(&with, &sought), expected);
                // It is made anew each time, so it never has any.
                prop_assert_eq!(found(&without.clone(), &sought), expected);
            }
        }
    }

    #[test]
    fn a_block_that_was_hardly_searched_has_no_fences() {
        let steps = (100..200).map(|number: u32| number.to_string().into_bytes()).collect();
        let block = block(&steps);
        for _ in 0..ASKED_MIN {
            assert_eq!(found(&block, b"142"), Some((42, true)));
            assert!(block.fences().made.get().is_none());
        }
        assert_eq!(found(&block, b"142"), Some((42, true)));
        let made = block.fences().made.get().expect("it was searched often enough");
        assert_eq!(10 * made.heads.len(), Fences::bytes(block.len()));
        assert_eq!(&block.block()[made.prefix.clone()], b"1");
    }
}
