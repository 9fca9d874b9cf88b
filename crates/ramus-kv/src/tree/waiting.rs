//! Edits that wait to be saved become blocks that wait, when they are many: those take a small part of the
//! room, however large a transaction grows.
//!
//! Nothing is stored by that. It happens before an edit and leaves the tree what it is, so nobody sees it: not
//! who drops the edit, nor who goes on from a clone. Blocks that later edits replaced are forgotten each time.

use std::sync::Arc;

use super::Tree;
use super::dir::{Dir, Edit};
use super::pending::Pending;
use super::save::{Blocks, reached};
use crate::Schema;

/// What the edits of a tree take, and what became of those before.
#[derive(Debug)]
pub(super) struct Waiting<S: Schema> {
    /// What edits take that were made since, in bytes, about; also those that were replaced by then.
    bytes: usize,
    /// The blocks of those before, which are among what waits beside the tree.
    blocks: Option<Arc<Pending<S>>>,
    /// What those take.
    block_bytes: usize,
    /// Edits that take less stay what they are.
    bytes_min: usize,
}

/// Edits that take less than this stay what they are. Blocks are made of more when they take as much as the
/// blocks from before, which bounds how often a block is made anew.
const BYTES_MIN: usize = 1 << 20;

/// What a directory takes that was not there before, beside its entries: about, in bytes.
const DIRECTORY_BYTES: usize = 512;

/// What a block takes beside its bytes.
const BLOCK_BYTES: usize = 256;

impl<S: Schema> Waiting<S> {
    /// What an edit of contents takes, about: the room that is kept for more, and a short value.
    const EDIT_BYTES: usize = size_of::<Edit<S>>() * 5 / 4 + 80;

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Counts what edits take that were made elsewhere.
    pub(super) const fn count(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// Counts an edit that came with so many directories.
    pub(super) const fn count_edit(&mut self, directories: usize) {
        self.count(Self::EDIT_BYTES + directories * DIRECTORY_BYTES);
    }

    fn is_much(&self) -> bool {
        self.bytes >= self.block_bytes.max(self.bytes_min)
    }
}

impl<S: Schema> Tree<S> {
    /// Makes blocks of the edits, if they take much room.
    ///
    /// What cannot be read for that is left to the save, which needs it, too, and says so.
    pub(super) async fn relieve(&mut self) {
        // A proof is of what is read for its own sake.
        if self.waiting.is_much() && !self.objects.is_traced() {
            Box::pin(self.make_blocks_of_edits()).await;
        }
    }

    async fn make_blocks_of_edits(&mut self) {
        let Ok(mut frozen) = self.frozen().await else {
            self.waiting.bytes = 0;
            return;
        };
        let is_own = |hash: &S::Hash| {
            let made = frozen.pending.get(self.pending.len()..).unwrap_or_default();
            made.iter().chain(&self.waiting.blocks).any(|own| own.get(hash).is_some())
        };
        let (Dir::Stored(root), view) = (&frozen.root, frozen.view()) else { return };
        let Ok(blocks) = reached(&view, &[], *root) else {
            self.waiting.bytes = 0;
            return;
        };
        let blocks: Blocks<S> = blocks.into_iter().filter(|(hash, _)| is_own(hash)).collect();
        let block_bytes =
            blocks.iter().map(|(_, block)| block.bytes().len() + BLOCK_BYTES).sum::<usize>();
        let mut own = Pending::new();
        own.add_all(&blocks);
        let own = Arc::new(own);
        frozen.pending.clone_from(&self.pending);
        let before = self.waiting.blocks.as_ref();
        frozen.pending.retain(|one| before.is_none_or(|before| !Arc::ptr_eq(one, before)));
        frozen.pending.push(Arc::clone(&own));
        let bytes_min = self.waiting.bytes_min;
        frozen.waiting = Waiting { bytes: 0, blocks: Some(own), block_bytes, bytes_min };
        *self = frozen;
    }
}

// Written out, because a derive would ask the schema for the same.

impl<S: Schema> Clone for Waiting<S> {
    fn clone(&self) -> Self {
        let Self { bytes, blocks, block_bytes, bytes_min } = self;
        let (block_bytes, bytes_min) = (*block_bytes, *bytes_min);
        Self { bytes: *bytes, blocks: blocks.clone(), block_bytes, bytes_min }
    }
}

impl<S: Schema> Default for Waiting<S> {
    fn default() -> Self {
        Self { bytes: 0, blocks: None, block_bytes: 0, bytes_min: BYTES_MIN }
    }
}

#[cfg(test)]
mod tests;
