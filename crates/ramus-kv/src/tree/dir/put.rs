//! The short way of an edit: contents that are put where nothing has to be waited for.

use std::sync::Arc;

use bytes::Bytes;
use ramus_core::{Path, Step};

use super::{Base, DEPTH_MAX, Dir, Edit, Edited, Leaf, Node};
use crate::directory::{Body, Held, Item, METADATA_MAX, check_child};
use crate::tree::at_hand::Kept;
use crate::tree::pending::View;
use crate::{Metadata as _, Schema};

impl<S: Schema> Dir<S> {
    /// Puts short contents at a path, which is not the root, if all that has to be read for it is kept, no stored
    /// entry is replaced and nothing is in the way; returns how many directories that made, or nothing if it
    /// did nothing. Metadata that are there stay.
    pub(in crate::tree) fn put_at_hand(
        &mut self,
        view: &View<'_, S>,
        path: &Path,
        encoded: &Bytes,
    ) -> Option<usize> {
        let Self::Edited(root) = self else { return None };
        let (metadata, height) = (S::Metadata::default().encode(), path.len());
        let is_short = Held::<S::Hash>::is_inline(encoded) && metadata.len() <= METADATA_MAX;
        if !is_short || height > DEPTH_MAX {
            return None;
        }
        let held = Held::Inline(encoded.clone());
        let leaf = Leaf { held, metadata: metadata.into(), unsaved: None };
        Arc::make_mut(root).put_at_hand(view, &mut path.steps(), height, leaf)
    }
}

impl<S: Schema> Edited<S> {
    /// Puts contents below so many steps, as it is said of a [`Dir`].
    fn put_at_hand(
        &mut self,
        view: &View<'_, S>,
        steps: &mut impl Iterator<Item = Step>,
        height: usize,
        leaf: Leaf<S>,
    ) -> Option<usize> {
        let step = steps.next()?;
        let made = match self.edits.get_mut(&step).map(|edit| (&mut edit.node, &edit.was)) {
            Some((Some(Node::Directory(Dir::Edited(below))), _)) if height > 1 => {
                Arc::make_mut(below).put_at_hand(view, steps, height - 1, leaf)?
            }
            Some((Some(Node::Contents(there)), None)) if height == 1 => {
                *there = Leaf { metadata: std::mem::take(&mut there.metadata), ..leaf };
                0
            }
            None if self.base.as_ref().is_none_or(|base| base.has_not(view, &step)) => {
                self.edits.insert(step, Edit::new(Node::below(steps, leaf)));
                self.len += 1;
                height - 1
            }
            _ => return None,
        };
        self.height_max = self.height_max.max(height);
        Some(made)
    }
}

impl<S: Schema> Base<S> {
    /// Returns whether there is no entry of a step, as far as that is told without waiting.
    fn has_not(&self, view: &View<'_, S>, step: &Step) -> bool {
        // A proof is told of what is needed for an answer, and the last block is not.
        if view.objects.is_traced() {
            return false;
        }
        if self.last(view).is_some_and(|last| last < step) {
            return true;
        }
        let found = view.kept_below(Arc::clone(&self.root), &Path::from(step));
        matches!(found, Ok(Some(Kept::Nothing)))
    }

    /// Returns the last step of a directory of several blocks, if those that lead there are kept: steps mostly come
    /// in their order, and then it alone is compared.
    fn last(&self, view: &View<'_, S>) -> Option<&Step> {
        if self.root.level() == 0 || self.last.get().is_some() {
            return self.last.get();
        }
        let mut block = Arc::clone(&self.root);
        loop {
            let Item { step, body } = block.item(block.len().checked_sub(1)?).ok()?;
            match body {
                Body::Entry(_) => return Some(self.last.get_or_init(|| step)),
                Body::Child(child) => {
                    let below = view.kept(&child.hash)?;
                    check_child(block.level(), &child, &below).ok()?;
                    block = below;
                }
            }
        }
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
