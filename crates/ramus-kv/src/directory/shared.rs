//! What two blocks do not have in common, without decoding what they have.
//!
//! Of two versions of a block most bytes are the same. What an item is depends on its bytes and on the step before
//! it, so bytes that are the same behind the same step are the same items.

use ramus_core::{Hash, Result};

use super::dir_block::DirBlock;
use super::item::Item;
use super::walk::Walk;

/// Items of the one block, and of the other.
type Differing<H> = (Vec<Item<H>>, Vec<Item<H>>);

/// Returns the items of each of two blocks of one level that the other one does not have. No others are decoded.
pub(super) fn differing<H: Hash>(one: &DirBlock<H>, other: &DirBlock<H>) -> Result<Differing<H>> {
    let (mut one, mut other) = (Side::new(one), Side::new(other));
    loop {
        // Both walks have come to the same step, or begin.
        one.walk.pass_same(&mut other.walk)?;
        one.advance()?;
        other.advance()?;
        while !one.is_at_step_of(&other) {
            let one_comes_first =
                one.is_left && (!other.is_left || one.walk.step() < other.walk.step());
            if one_comes_first {
                one.take()?;
            } else if other.is_left {
                other.take()?;
            } else {
                return Ok((one.taken, other.taken));
            }
        }
        if one.walk.raw_body() != other.walk.raw_body() {
            one.taken.push(one.walk.item()?);
            other.taken.push(other.walk.item()?);
        }
    }
}

/// One of two blocks.
struct Side<'a, H> {
    walk: Walk<'a, H>,
    /// Whether the walk has come to an item.
    is_left: bool,
    taken: Vec<Item<H>>,
}

impl<'a, H: Hash> Side<'a, H> {
    fn new(block: &'a DirBlock<H>) -> Self {
        Self { walk: block.walk(), is_left: false, taken: Vec::new() }
    }

    fn advance(&mut self) -> Result<()> {
        self.is_left = self.walk.advance()?;
        Ok(())
    }

    fn take(&mut self) -> Result<()> {
        self.taken.push(self.walk.item()?);
        self.advance()
    }

    fn is_at_step_of(&self, other: &Self) -> bool {
        self.is_left && other.is_left && self.walk.step() == other.walk.step()
    }
}
