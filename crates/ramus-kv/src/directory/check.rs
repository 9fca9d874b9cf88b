//! What a block has to be, from its first byte to its last.

use ramus_core::{Error, Hash, Result, Step};

use super::RESTART_EVERY;
use super::dir_block::{DirBlock, start_of};
use super::item::step_weight;
use super::rule::{LEVEL_MAX, WEIGHT_MAX};

/// What the items of a block come to.
#[derive(Default)]
pub(super) struct Sum {
    /// How many entries of the directory they stand for.
    pub(super) count: u64,
    pub(super) weight: u64,
    /// Whether one of them names a block of a directory.
    pub(super) has_links: bool,
    /// Whether one of them names a block of any kind.
    pub(super) has_names: bool,
}

impl<H: Hash> DirBlock<H> {
    /// Checks everything behind the level, and sums up the items. Nothing is copied but one step.
    pub(super) fn check(&self) -> Result<Sum> {
        self.check_length()?;
        let mut sum = Sum::default();
        let mut reader = self.reader(start_of(self.level()));
        let mut step = Vec::new();
        for index in 0..self.len() {
            let is_restart = index.is_multiple_of(RESTART_EVERY);
            if is_restart && self.restart(index / RESTART_EVERY) != reader.position() {
                return Err(Error::corrupt("a restart of the block leads elsewhere"));
            }
            let (shared, rest) = reader.step()?;
            follow(&mut step, shared, rest, is_restart)?;
            let body = reader.position();
            let raw = reader.body::<H>(self.level())?;
            sum.count = sum.count.checked_add(raw.count()).ok_or_else(too_many)?;
            sum.has_links |= raw.is_link();
            sum.has_names |= raw.is_name();
            sum.weight += step_weight(step.len()) + (reader.position() - body) as u64;
        }
        if reader.position() != self.end_of_items() {
            return Err(Error::corrupt("bytes are left behind the items of the block"));
        }
        if sum.weight > WEIGHT_MAX && self.len() > 1 && self.level() < LEVEL_MAX {
            return Err(Error::corrupt("the block is too heavy for one of several items"));
        }
        Ok(sum)
    }

    fn check_length(&self) -> Result<()> {
        let restarts = self.len().div_ceil(RESTART_EVERY);
        let room = self.block().len() - start_of(self.level()) - 4;
        // Every item has a byte or more, so the block bounds their number.
        if restarts.checked_mul(4).is_none_or(|bytes| bytes > room) || self.len() > room {
            return Err(Error::corrupt("the block is too short for its number of items"));
        }
        if self.level() > 0 && self.len() == 0 {
            return Err(Error::corrupt("an index block has no children"));
        }
        Ok(())
    }
}

/// Puts the step after the last one in its place, if it is one and as short as it could be.
fn follow(last: &mut Vec<u8>, shared: u64, rest: &[u8], is_restart: bool) -> Result<()> {
    let shared = match usize::try_from(shared) {
        Ok(shared) if shared <= last.len() => shared,
        _ => return Err(Error::corrupt("a step shares more than the one before it has")),
    };
    let (comes_after, is_shortest) = if is_restart {
        (last.is_empty() || rest > &last[..], shared == 0)
    } else {
        let (before, after) = (last.get(shared), rest.first());
        (after >= before && after.is_some(), after != before)
    };
    if !comes_after {
        return Err(Error::corrupt("a step does not come after the one before it"));
    }
    if !is_shortest {
        return Err(Error::corrupt("a step shares another length than it could"));
    }
    // No byte of the part that is shared has to be looked at again.
    if !Step::is_valid(rest) || shared + rest.len() > Step::LENGTH_MAX {
        return Err(Error::corrupt("an item has no valid step"));
    }
    last.truncate(shared);
    last.extend_from_slice(rest);
    Ok(())
}

fn too_many() -> Error {
    Error::corrupt("the entries below the block are more than 64 bits count")
}
