//! The short way of a read: down a path where every block on the way is kept, without a future, and without
//! taking anything out of a block but what is asked for.

use std::sync::Arc;

use bytes::Bytes;
use ramus_core::{Path, Result};

use super::Tree;
use super::dir::{Dir, Leaf, Node};
use super::pending::{PendingBlock, View};
use super::read::At;
use crate::Schema;
use crate::directory::{DirBlock, Entry, Held};

/// What is at a path.
pub(crate) enum Kept<H> {
    /// The root, which is a directory.
    Root,
    Nothing,
    /// An entry of this leaf, whose body begins there.
    Entry(Arc<DirBlock<H>>, usize),
    /// A stored conflict is so many steps down the path, and nobody knows what is below it.
    BelowConflict(usize, H),
}

/// What a path leads to, for one who wants contents.
pub(crate) enum KeptContents<S: Schema> {
    Nothing,
    /// The encoding itself.
    Inline(Bytes),
    /// Contents that have a block.
    Leaf(Leaf<S>),
    /// A conflict is there, or in the way.
    InConflict,
}

impl<S: Schema> Tree<S> {
    /// Returns what is at a path; nothing if something has to be waited for, or if the tree has edits.
    pub(super) fn at_hand(&self, path: &Path) -> Result<Option<At<S>>> {
        Ok(match self.kept(path)? {
            None => None,
            Some(Kept::Root) => Some(At::Node(Node::Directory(self.root.clone()))),
            Some(Kept::Nothing) => Some(At::Nothing),
            Some(Kept::Entry(block, body)) => Some(At::Node(Node::of_entry(block.entry_at(body)?))),
            Some(Kept::BelowConflict(depth, hash)) => Some(At::BelowConflict(depth, hash)),
        })
    }

    /// Returns the contents that a path leads to; nothing if something has to be waited for, or if the tree
    /// has edits.
    pub(super) fn contents_at_hand(&self, path: &Path) -> Result<Option<KeptContents<S>>> {
        self.kept(path)?.map(KeptContents::of).transpose()
    }

    fn kept(&self, path: &Path) -> Result<Option<Kept<S::Hash>>> {
        let (Dir::Stored(root) | Dir::Unchecked(root)) = &self.root else { return Ok(None) };
        let view = self.view();
        if path.is_root() {
            return Ok(Some(Kept::Root));
        }
        view.kept(root).map_or(Ok(None), |root| view.kept_below(root, path))
    }
}

impl<S: Schema> KeptContents<S> {
    pub(crate) fn of(kept: Kept<S::Hash>) -> Result<Self> {
        let (block, body) = match kept {
            Kept::Root | Kept::Nothing => return Ok(Self::Nothing),
            Kept::BelowConflict(..) => return Ok(Self::InConflict),
            Kept::Entry(block, body) => (block, body),
        };
        if let Some(encoded) = block.inline_at(body)? {
            return Ok(Self::Inline(encoded));
        }
        Ok(match block.entry_at(body)? {
            Entry::Contents { held: Held::Inline(encoded), .. } => Self::Inline(encoded),
            Entry::Contents { held, metadata } => {
                Self::Leaf(Leaf { held, metadata: metadata.into(), unsaved: None })
            }
            Entry::Directory { .. } => Self::Nothing,
            Entry::Conflict { .. } => Self::InConflict,
        })
    }
}

impl<S: Schema> View<'_, S> {
    /// Returns what is at a path from a root block on, which is not that root; nothing if a block on the way
    /// is not kept.
    pub(crate) fn kept_below(
        &self,
        root: Arc<DirBlock<S::Hash>>,
        path: &Path,
    ) -> Result<Option<Kept<S::Hash>>> {
        let (mut block, mut steps) = (root, path.iter().enumerate().peekable());
        while let Some((depth, step)) = steps.next() {
            while block.level() > 0 {
                let Some((index, body)) = block.child_of(step)? else {
                    return Ok(Some(Kept::Nothing));
                };
                let Some(below) = self.follow(&block, index, body)? else { return Ok(None) };
                block.check_child_at(body, &below)?;
                block = below;
            }
            let Some((index, body)) = block.entry_of(step)? else {
                return Ok(Some(Kept::Nothing));
            };
            if steps.peek().is_none() {
                return Ok(Some(Kept::Entry(block, body)));
            }
            if !block.is_directory_at(body) {
                return Ok(Some(match block.entry_at(body)? {
                    Entry::Conflict { hash } => Kept::BelowConflict(depth + 1, hash),
                    Entry::Contents { .. } | Entry::Directory { .. } => Kept::Nothing,
                }));
            }
            let Some(below) = self.follow(&block, index, body)? else { return Ok(None) };
            block = below;
        }
        Ok(Some(Kept::Root))
    }

    /// Returns a directory block that is kept.
    pub(crate) fn kept(&self, hash: &S::Hash) -> Option<Arc<DirBlock<S::Hash>>> {
        match self.find(hash) {
            Some(PendingBlock::Directory(block)) => Some(Arc::clone(block)),
            Some(PendingBlock::Plain(_)) => None,
            None => self.objects.kept_directory(hash),
        }
    }

    /// Returns the block that an item of a block names, if it is kept; the item's body begins there.
    fn follow(
        &self,
        above: &DirBlock<S::Hash>,
        index: usize,
        body: usize,
    ) -> Result<Option<Arc<DirBlock<S::Hash>>>> {
        if let Some(block) = above.follow(index) {
            if self.objects.is_traced() {
                self.objects.note_directory(&above.named_at(body)?, &block);
            }
            return Ok(Some(block));
        }
        let block = self.kept(&above.named_at(body)?);
        if let Some(block) = &block {
            above.link(index, block);
        }
        Ok(block)
    }
}
