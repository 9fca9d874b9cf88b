//! The short way of a read: down a path where every block on the way is kept.

use std::sync::Arc;

use ramus_core::{Path, Result};

use super::Tree;
use super::dir::{Dir, Node};
use super::pending::{PendingBlock, View};
use super::read::At;
use crate::Schema;
use crate::directory::{DirBlock, Entry, check_child};

impl<S: Schema> Tree<S> {
    /// Returns what is at a path; nothing if something has to be waited for, or if the tree has edits.
    pub(super) fn at_hand(&self, path: &Path) -> Result<Option<At<S>>> {
        let (Dir::Stored(root) | Dir::Unchecked(root)) = &self.root else { return Ok(None) };
        let (view, mut steps) = (self.view(), path.iter());
        let Some(mut step) = steps.next() else {
            return Ok(Some(At::Node(Node::Directory(self.root.clone()))));
        };
        let Some(mut block) = view.kept(root) else { return Ok(None) };
        for depth in 1.. {
            while block.level() > 0 {
                let Some((index, child)) = block.find_child(step)? else {
                    return Ok(Some(At::Nothing));
                };
                let Some(below) = view.kept_below(&block, index, &child.hash) else {
                    return Ok(None);
                };
                check_child(block.level(), &child, &below)?;
                block = below;
            }
            let Some((index, entry)) = block.find(step)? else { return Ok(Some(At::Nothing)) };
            let Some(next) = steps.next() else {
                return Ok(Some(At::Node(Node::of_entry(entry))));
            };
            let below = match entry {
                Entry::Directory { hash } => view.kept_below(&block, index, &hash),
                Entry::Conflict { hash } => return Ok(Some(At::BelowConflict(depth, hash))),
                Entry::Contents { .. } => return Ok(Some(At::Nothing)),
            };
            let Some(below) = below else { return Ok(None) };
            (block, step) = (below, next);
        }
        Ok(None)
    }
}

impl<S: Schema> View<'_, S> {
    /// Returns a directory block that is kept.
    fn kept(&self, hash: &S::Hash) -> Option<Arc<DirBlock<S::Hash>>> {
        match self.find(hash) {
            Some(PendingBlock::Directory(block)) => Some(Arc::clone(block)),
            Some(PendingBlock::Plain(_)) => None,
            None => self.objects.kept_directory(hash),
        }
    }

    /// Returns the block that an item of a block names, if it is kept.
    pub(super) fn kept_below(
        &self,
        above: &DirBlock<S::Hash>,
        index: usize,
        hash: &S::Hash,
    ) -> Option<Arc<DirBlock<S::Hash>>> {
        if let Some(block) = above.follow(index) {
            self.objects.note_directory(hash, &block);
            return Some(block);
        }
        let block = self.kept(hash)?;
        above.link(index, &block);
        Some(block)
    }
}
