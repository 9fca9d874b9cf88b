//! Directories that split: ordered by step, canonical, and as deep as they must be.

mod blocks;
mod build;
mod check;
mod diff;
mod dir_block;
mod edit;
mod encode;
mod fences;
mod find;
mod fit;
mod item;
mod links;
mod packed;
mod reader;
mod rule;
mod scan;
mod scratch;
mod seek;
mod shared;
mod slot;
mod splice;
pub(crate) mod varint;
mod walk;

use std::sync::Arc;

use ramus_core::{Hash, Result};

use crate::crew::Crew;

pub(crate) use self::blocks::check_child;
pub(crate) use self::build::{Built, build, build_by};
pub(crate) use self::diff::{EntryDiff, EntryPair};
pub(crate) use self::dir_block::DirBlock;
pub(crate) use self::edit::{Edits, edit, edit_leaf};
pub(crate) use self::find::{Spot, find, find_spot};
pub(crate) use self::fit::{AtHand, Known, check_index, check_root};
pub(crate) use self::item::{Body, Item};
pub use self::item::{Child, Entry, Held};
pub(crate) use self::links::Links;
pub(crate) use self::packed::Packer;
pub(crate) use self::rule::{LEVEL_MAX, WEIGHT_MAX};
pub use self::scan::Direction;
pub(crate) use self::scan::{From, Scan, Scanned};

/// The most bytes that the metadata of an entry have.
pub const METADATA_MAX: usize = 256;

/// The longest encoding of contents that stands in its entry, in bytes.
pub const INLINE_MAX: usize = 128;

/// The first byte of a leaf.
pub(crate) const LEAF_TAG: u8 = 0x02;

/// The first byte of an index block.
pub(crate) const INDEX_TAG: u8 = 0x04;

/// A step is written out in full every so many items.
const RESTART_EVERY: usize = 16;

/// Where the blocks of directories are read.
pub(crate) trait Nodes<H: Hash>: Sync {
    /// Returns a block that something names.
    fn node(&self, hash: &H) -> impl Future<Output = Result<Arc<DirBlock<H>>>> + Send;

    /// Returns the block that an item of a block names.
    fn below(
        &self,
        _above: &DirBlock<H>,
        _index: usize,
        hash: &H,
    ) -> impl Future<Output = Result<Arc<DirBlock<H>>>> + Send {
        self.node(hash)
    }

    /// Returns who shares the work where many blocks are made.
    fn crew(&self) -> Crew {
        Crew::alone()
    }
}

#[cfg(test)]
mod tests;
