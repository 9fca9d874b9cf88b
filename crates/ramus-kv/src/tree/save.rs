//! From edits to blocks, bottom-up: each edited directory once.

use bytes::Bytes;
use ramus_core::Result;

use super::dir::{Dir, Edited, Node, check_depth};
use crate::Format as _;
use crate::Schema;
use crate::block::Entry;

/// The blocks of a tree that are not stored yet.
#[derive(Debug)]
pub(crate) struct Saved<S: Schema> {
    pub(crate) root: S::Hash,
    /// Children before the directories that name them.
    pub(crate) blocks: Vec<(S::Hash, Bytes)>,
}

/// Returns the blocks that make up this directory, and its own name.
pub(crate) fn save<S: Schema>(dir: &Dir<S>) -> Result<Saved<S>> {
    let mut saver = Saver::<S> { blocks: Vec::new() };
    let root = saver.dir(dir, 0)?;
    Ok(Saved { root, blocks: saver.blocks })
}

struct Saver<S: Schema> {
    blocks: Vec<(S::Hash, Bytes)>,
}

impl<S: Schema> Saver<S> {
    fn dir(&mut self, dir: &Dir<S>, depth: usize) -> Result<S::Hash> {
        check_depth(depth)?;
        match (dir, dir.known_hash()) {
            (_, Some(hash)) => Ok(hash),
            (Dir::Edited(edited), None) => self.edited(edited, depth),
            (Dir::Stored(hash), None) => Ok(*hash),
        }
    }

    fn edited(&mut self, edited: &Edited<S>, depth: usize) -> Result<S::Hash> {
        let entries = edited.entries().map(|(step, node)| Ok((step, self.node(node, depth)?)));
        let entries = entries.collect::<Result<Vec<_>>>()?;
        let directory = S::Format::encode_directory(entries)?;
        self.blocks.extend(directory.blocks);
        Ok(directory.root)
    }

    fn node(&mut self, node: Node<S>, depth: usize) -> Result<Entry<S::Hash>> {
        match node {
            Node::Contents(leaf) => {
                self.blocks.extend(leaf.unsaved.map(|block| (leaf.hash, block)));
                Ok(Entry::Contents { hash: leaf.hash, metadata: leaf.metadata })
            }
            Node::Directory(dir) => Ok(Entry::Directory { hash: self.dir(&dir, depth + 1)? }),
        }
    }
}
