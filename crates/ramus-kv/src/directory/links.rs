//! From a block to the blocks that it names, for as long as those are kept.
//!
//! Links are weak: what is kept is decided by the cache alone, which counts bytes, and by the trees
//! that hold blocks for their edits. So links keep nothing alive, and never defeat the bound of the
//! cache. What they take themselves is counted with the block that has them.
//! A link to a block that is gone holds the place of its head, without its bytes, until the block above is gone, too.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use parking_lot::Mutex;

use super::dir_block::DirBlock;

/// Links to the blocks that the items of a block name; none until they are worth their room.
pub(crate) struct Links<H> {
    /// How often a link was asked for.
    asked: AtomicU32,
    /// The first link of each item, which is read without a lock.
    first: OnceLock<Box<[OnceLock<Link<H>>]>>,
    /// Links in place of those whose block is kept no more.
    later: OnceLock<Box<[Mutex<Link<H>>]>>,
}

type Link<H> = Weak<DirBlock<H>>;

/// A block gets links when it was asked for one more often than this: a version of a busy directory is
/// passed once or twice, and then there is another one.
const ASKED_MIN: u32 = 4;

/// Of so many questions one goes to the cache, so that this learns what is in use.
const ONE_IN: u32 = 64;

impl<H> Links<H> {
    /// How many bytes the links of one item take at most.
    pub(super) const BYTES: usize = size_of::<OnceLock<Link<H>>>() + size_of::<Mutex<Link<H>>>();

    pub(crate) const fn new() -> Self {
        Self { asked: AtomicU32::new(0), first: OnceLock::new(), later: OnceLock::new() }
    }

    /// Returns the block that an item names, unless it is not kept, or it is time to ask the cache.
    pub(crate) fn follow(&self, index: usize) -> Option<Arc<DirBlock<H>>> {
        // The count is a hint, and orders nothing; of two questions at once one may not be counted.
        let asked = self.asked.load(Ordering::Relaxed);
        self.asked.store(asked.wrapping_add(1), Ordering::Relaxed);
        let first = self.first.get()?.get(index)?.get()?;
        if asked.is_multiple_of(ONE_IN) {
            return None;
        }
        first.upgrade().or_else(|| self.later.get()?.get(index)?.lock().upgrade())
    }

    /// Links an item of a block of so many items to the block that it names.
    pub(crate) fn link(&self, index: usize, len: usize, block: &Arc<DirBlock<H>>) {
        if self.asked.load(Ordering::Relaxed) <= ASKED_MIN {
            return;
        }
        let first = self.first.get_or_init(|| (0..len).map(|_| OnceLock::new()).collect());
        let Some(first) = first.get(index) else { return };
        let leads_there = |link: &Link<H>| std::ptr::eq(link.as_ptr(), Arc::as_ptr(block));
        if leads_there(first.get_or_init(|| Arc::downgrade(block))) {
            return;
        }
        let later = self.later.get_or_init(|| (0..len).map(|_| Mutex::default()).collect());
        if let Some(later) = later.get(index) {
            *later.lock() = Arc::downgrade(block);
        }
    }
}

impl<H> Clone for Links<H> {
    /// Returns no links: they are found again.
    fn clone(&self) -> Self {
        Self::new()
    }
}

impl<H> fmt::Debug for Links<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Links").field("asked", &self.asked).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use ramus_core::Sha1;

    use super::*;

    fn block() -> Arc<DirBlock<Sha1>> {
        Arc::new(DirBlock::encode(0, &[]))
    }

    #[test]
    fn a_link_is_followed_until_its_block_is_kept_by_nobody() {
        let (links, one, other) = (Links::new(), block(), block());
        for _ in 0..=ASKED_MIN {
            assert!(links.follow(1).is_none());
            links.link(1, 3, &one);
        }
        assert!(Arc::ptr_eq(&links.follow(1).expect("a link"), &one));
        assert!(links.follow(0).is_none());
        drop(one);
        assert!(links.follow(1).is_none());
        for other in [block(), other] {
            links.link(1, 3, &other);
            assert!(Arc::ptr_eq(&links.follow(1).expect("a link"), &other));
            drop(other);
            assert!(links.follow(1).is_none());
        }
    }

    #[test]
    fn a_block_that_was_hardly_asked_has_no_links() {
        let (links, one) = (Links::new(), block());
        for _ in 0..ASKED_MIN {
            assert!(links.follow(0).is_none());
            links.link(0, 1, &one);
        }
        assert!(links.first.get().is_none());
    }

    #[test]
    fn the_cache_is_asked_now_and_then() {
        let (links, one) = (Links::new(), block());
        let asks = (0..640).filter(|_| {
            let is_asked = links.follow(0).is_none();
            links.link(0, 1, &one);
            is_asked
        });
        let count = asks.count();
        assert!((10..20).contains(&count), "{count} of 640");
    }
}
