//! Where a search goes on in a block, without a look at the block's bytes.
//!
//! A search is binary over the restarts of a block, and each comparison reads another place of it, which as a
//! rule lies in no cache of the processor. So a block that is searched again and again notes a few bytes of each
//! of those steps next to one another, and is read at one place.

use std::fmt;
use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use ramus_core::{Hash, Result};

use super::RESTART_EVERY;
use super::dir_block::DirBlock;
use super::encode::common;
use super::seek::Sought;

/// The fences of a block; none until they are worth their room.
#[derive(Default)]
pub(super) struct Fences {
    /// How often they were asked for.
    asked: AtomicU32,
    made: OnceLock<Made>,
}

struct Made {
    /// Where the bytes lie in the block that all restarts begin with.
    prefix: Range<usize>,
    restarts: Box<[Fence]>,
}

/// What is noted of a restart.
struct Fence {
    /// The first bytes of its step behind the prefix: the head that a [`Sought`] has.
    head: u64,
    /// Where it begins.
    at: u32,
}

/// Which restarts are still to be looked at: of those before them the steps are less than what is sought, of
/// those behind them greater.
pub(super) struct Narrowed<'a> {
    pub(super) left: Range<usize>,
    made: Option<&'a Made>,
}

/// A block is given fences when it was searched more often than this.
const ASKED_MIN: u32 = 4;

/// Fewer restarts than this are searched as they are.
const RESTARTS_MIN: usize = 3;

impl Fences {
    /// Returns how many bytes the fences of so many restarts take.
    pub(super) const fn bytes(restarts: usize) -> usize {
        if restarts < RESTARTS_MIN { 0 } else { restarts * size_of::<Fence>() }
    }
}

impl<H: Hash> DirBlock<H> {
    /// Returns which restarts are to be looked at to find the last one whose step is not greater.
    pub(super) fn narrow(&self, sought: &Sought<'_>) -> Result<Narrowed<'_>> {
        let restarts = self.len().div_ceil(RESTART_EVERY);
        let Some(made) = self.made_fences(restarts)? else {
            return Ok(Narrowed { left: 0..restarts, made: None });
        };
        let left = made.narrow(sought, self.block().get(made.prefix.clone()).unwrap_or_default());
        Ok(Narrowed { left, made: Some(made) })
    }

    fn made_fences(&self, restarts: usize) -> Result<Option<&Made>> {
        let Fences { asked, made } = self.fences();
        if restarts < RESTARTS_MIN || made.get().is_some() {
            return Ok(made.get());
        }
        // The count is a hint, and orders nothing; of two questions at once one may not be counted.
        let before = asked.load(Ordering::Relaxed);
        asked.store(before.saturating_add(1), Ordering::Relaxed);
        if before < ASKED_MIN {
            return Ok(None);
        }
        let new = self.make_fences(restarts)?;
        Ok(Some(made.get_or_init(|| new)))
    }

    fn make_fences(&self, restarts: usize) -> Result<Made> {
        let (start, first) = self.step_at(self.restart(0))?;
        let (_, last) = self.step_at(self.restart(restarts - 1))?;
        let length = common(first, last);
        let fence = |restart| {
            let at = self.restart(restart);
            let rest = self.step_at(at)?.1.get(length..).unwrap_or_default();
            Ok(Fence { head: Sought::new(rest).head, at: u32::try_from(at).unwrap_or(u32::MAX) })
        };
        let restarts = (0..restarts).map(fence).collect::<Result<_>>()?;
        Ok(Made { prefix: start..start + length, restarts })
    }
}

impl Made {
    fn narrow(&self, sought: &Sought<'_>, prefix: &[u8]) -> Range<usize> {
        let count = self.restarts.len();
        let rest;
        let head = if prefix.is_empty() {
            sought.head
        } else if let Some(behind) = sought.bytes.strip_prefix(prefix) {
            rest = Sought::new(behind);
            rest.head
        } else if sought.bytes < prefix {
            return 0..0;
        } else {
            return count..count;
        };
        let start = self.restarts.partition_point(|fence| fence.head < head);
        let same = self.restarts[start..].iter().take_while(|fence| fence.head == head).count();
        start..start + same
    }
}

impl Narrowed<'_> {
    /// Returns where a restart begins, if that was noted.
    pub(super) fn position(&self, restart: usize) -> Option<usize> {
        self.made?.restarts.get(restart).map(|fence| fence.at as usize)
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
            while with.fences().made.get().is_none() && steps.len() > 2 * RESTART_EVERY {
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
        assert_eq!(made.restarts.len() * size_of::<Fence>(), Fences::bytes(made.restarts.len()));
        assert_eq!(&block.block()[made.prefix.clone()], b"1");
    }
}
