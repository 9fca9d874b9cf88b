//! From edits to blocks, bottom-up: each edited directory once.

use bytes::Bytes;
use ramus_core::Result;

use super::Tree;
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
    /// Directories that nobody has seen yet.
    unchecked: Vec<S::Hash>,
}

impl<S: Schema> Tree<S> {
    /// Returns the blocks of the tree that are not stored yet.
    ///
    /// Directories that came into the tree by their name alone are looked for now; a tree without
    /// any pays nothing.
    pub(crate) async fn save(&self) -> Result<Saved<S>> {
        let saved = save(&self.root)?;
        for hash in &saved.unchecked {
            self.objects.check_directory(hash).await?;
        }
        Ok(saved)
    }
}

/// Returns the blocks that make up this directory, and its own name.
pub(crate) fn save<S: Schema>(dir: &Dir<S>) -> Result<Saved<S>> {
    let mut saver = Saver::<S> { blocks: Vec::new(), unchecked: Vec::new() };
    let root = saver.dir(dir, 0)?;
    let Saver { blocks, unchecked } = saver;
    Ok(Saved { root, blocks, unchecked })
}

struct Saver<S: Schema> {
    blocks: Vec<(S::Hash, Bytes)>,
    unchecked: Vec<S::Hash>,
}

impl<S: Schema> Saver<S> {
    fn dir(&mut self, dir: &Dir<S>, depth: usize) -> Result<S::Hash> {
        check_depth(depth)?;
        match dir {
            Dir::Stored(hash) => Ok(*hash),
            Dir::Unchecked(hash) => {
                self.unchecked.push(*hash);
                Ok(*hash)
            }
            Dir::Edited(edited) => match dir.known_hash() {
                Some(hash) => Ok(hash),
                None => self.edited(edited, depth),
            },
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
