//! The short way of an edit: contents that are put where nothing has to be read.

use std::sync::Arc;

use bytes::Bytes;
use ramus_core::{Path, Step};

use super::{DEPTH_MAX, Dir, Edit, Edited, Leaf, Node};
use crate::directory::{Held, METADATA_MAX};
use crate::{Metadata as _, Schema};

impl<S: Schema> Dir<S> {
    /// Puts short contents at a path, which is not the root, if nothing has to be read for it, no stored entry
    /// is replaced and nothing is in the way; returns whether it did. Metadata that are there stay.
    pub(in crate::tree) fn put_at_hand(&mut self, path: &Path, encoded: &Bytes) -> bool {
        let Self::Edited(root) = self else { return false };
        let (metadata, height) = (S::Metadata::default().encode(), path.len());
        let is_short = Held::<S::Hash>::is_inline(encoded) && metadata.len() <= METADATA_MAX;
        if !is_short || height > DEPTH_MAX {
            return false;
        }
        let leaf = Leaf { held: Held::Inline(encoded.clone()), metadata, unsaved: None };
        Arc::make_mut(root).put_at_hand(&mut path.steps(), height, leaf)
    }
}

impl<S: Schema> Edited<S> {
    /// Puts contents below so many steps, as it is said of a [`Dir`].
    fn put_at_hand(
        &mut self,
        steps: &mut impl Iterator<Item = Step>,
        height: usize,
        leaf: Leaf<S>,
    ) -> bool {
        let Some(step) = steps.next() else { return false };
        let is_put = match self.edits.get_mut(&step).map(|edit| (&mut edit.node, &edit.was)) {
            Some((Some(Node::Directory(Dir::Edited(below))), _)) if height > 1 => {
                Arc::make_mut(below).put_at_hand(steps, height - 1, leaf)
            }
            Some((Some(Node::Contents(there)), None)) if height == 1 => {
                *there = Leaf { metadata: std::mem::take(&mut there.metadata), ..leaf };
                true
            }
            None if self.base.is_none() => {
                self.edits.insert(step, Edit { node: Some(Node::below(steps, leaf)), was: None });
                self.len += 1;
                true
            }
            _ => false,
        };
        if is_put {
            self.height_max = self.height_max.max(height);
        }
        is_put
    }
}

impl<S: Schema> Node<S> {
    /// Returns contents, or the directory that leads to them by these steps alone.
    fn below(steps: &mut impl Iterator<Item = Step>, leaf: Leaf<S>) -> Self {
        let Some(step) = steps.next() else { return Self::Contents(leaf) };
        let mut directory = Edited::new(None);
        let node = Self::below(steps, leaf);
        directory.set(step, Some(node), None);
        Self::Directory(Dir::Edited(Arc::new(directory)))
    }
}
