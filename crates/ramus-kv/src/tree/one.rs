//! One edit of a tree that has no others: from the path to blocks, without the maps in which edits
//! wait for one another.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use ramus_core::{Path, Result};

use super::Tree;
use super::dir::{Dir, Leaf};
use super::edit::{Level, Located, refuse_root};
use super::pending::{Pending, PendingBlock};
use super::save::Saved;
use crate::directory::{Body, Built, Entry, Held, edit, edit_leaf};
use crate::{Contents as _, Schema};

impl<S: Schema> Tree<S> {
    /// Returns what [`set`](Tree::set) and [`save`](Tree::save) come to, one after the other.
    pub(crate) async fn save_set(
        mut self,
        path: &Path,
        value: &S::Contents,
        known: &[Arc<Pending<S>>],
    ) -> Result<Saved<S>> {
        let Some(root) = self.root_without_edits(known) else {
            self.put_contents(path, value, None).await?;
            return self.save(known).await;
        };
        refuse_root(path)?;
        let encoded = value.encode()?;
        let (found, metadata) = self.locate_contents(path, None).await?;
        let leaf = self.make_leaf(path, encoded, metadata).await?;
        self.save_one(root, found, Some(leaf)).await
    }

    /// Returns what [`remove`](Tree::remove) and [`save`](Tree::save) come to, one after the other.
    pub(crate) async fn save_remove(
        mut self,
        path: &Path,
        known: &[Arc<Pending<S>>],
    ) -> Result<Saved<S>> {
        let root = self.root_without_edits(known).filter(|_| !path.is_root());
        let Some(root) = root else {
            self.remove(path).await?;
            return self.save(known).await;
        };
        let found = self.locate(path).await?;
        if found.is_blocked() {
            self.refuse_conflict(path, &found).await?;
        }
        if found.node.is_none() {
            return Ok(Saved::unchanged(root));
        }
        self.save_one(root, found, None).await
    }

    /// Returns the root, if nothing waits to be stored but what is known to be on its way.
    fn root_without_edits(&self, known: &[Arc<Pending<S>>]) -> Option<S::Hash> {
        match self.root {
            Dir::Stored(root) if self.unchecked.is_empty() && self.awaits_only(known) => Some(root),
            _ => None,
        }
    }

    /// Makes the directories on the way from what was found up to the root, with contents there or none.
    async fn save_one(
        &self,
        root: S::Hash,
        found: Located<S>,
        leaf: Option<Leaf<S>>,
    ) -> Result<Saved<S>> {
        let Located { mut steps, mut levels, .. } = found;
        // One for each directory, and the commit.
        let mut blocks = Vec::with_capacity(steps.len() + 1);
        let mut entry = leaf.map(|Leaf { held, metadata, unsaved }| {
            if let (Some(unsaved), Held::Block(hash)) = (&unsaved, &held) {
                blocks.push((*hash, PendingBlock::Plain(unsaved.root().clone())));
                let below = unsaved.below().map(|(hash, block)| (*hash, block.clone()));
                blocks.extend(below.map(|(hash, block)| (hash, PendingBlock::Plain(block))));
            }
            Entry::Contents { held, metadata: metadata.into_bytes() }
        });
        while let Some(step) = steps.pop() {
            // Directories that are not there yet have no level.
            let is_there = levels.len() > steps.len();
            let level = if is_there { levels.pop() } else { None };
            let Level { block, was } = level.unwrap_or(Level { block: None, was: None });
            if entry == was {
                return Ok(Saved::unchanged(root));
            }
            let one = (step, entry.map(Body::Entry));
            let Built { hash, root, below } = match &block {
                Some(block) if block.level() > 0 => edit(&self.view(), block, vec![one]).await?,
                block => edit_leaf(block.as_deref(), [one])?,
            };
            // An empty directory is none, unless it is the root.
            let stays = root.count() > 0 || steps.is_empty();
            entry = stays.then_some(Entry::Directory { hash });
            if stays {
                let made = below.into_iter().chain([(hash, root)]);
                blocks.extend(made.map(|(hash, block)| (hash, PendingBlock::Directory(block))));
            }
        }
        match entry {
            Some(Entry::Directory { hash }) => {
                Ok(Saved { root: hash, blocks, unchecked: Vec::new() })
            }
            _ => Ok(Saved::unchanged(root)),
        }
    }
}
